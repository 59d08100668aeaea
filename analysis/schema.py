"""The promised tables: column, type, unit, clock.

Names say the unit: `…_at` a naive UTC TIMESTAMP for people, `…_us` integer microseconds since the Unix epoch for
arithmetic. Bounds come in pairs, both ends inclusive: `starts_from <= true start <= starts_by`, likewise
`ends_…`. A NULL bound is an honest "the evidence does not say": `starts_from` NULL reads minus infinity,
`ends_by` NULL plus infinity.
"""

from typing import Final

import ibis

FOREVER: Final = 2**62
"""Stands for plus infinity in integer µs: later than any instant a log can carry."""

FRAMES: Final = "array<struct<file: string, line: int32, function: string, code: string, in_app: boolean>>"

AGAIN: Final = "read already: "
"""How a reason of `quarantine` begins where the lines stand in another source too, and count there."""

TABLES: Final[dict[str, ibis.Schema]] = {
    # One row a file read. `bytes` and `lines` count the decompressed content, `file_bytes` the file as it lies on
    # disk, `sha256` is the file's. bytes = record + continuation + blank + quarantined bytes.
    "sources": ibis.schema(
        {
            "source_id": "int32",
            "path": "string",
            "sha256": "string",
            "file_bytes": "int64",
            "bytes": "int64",
            "lines": "int64",
            "records": "int64",  # lines that start one; a line of several (OpenTelemetry) counts once
            "record_bytes": "int64",
            "continuation_lines": "int64",
            "continuation_bytes": "int64",
            "blank_lines": "int64",
            "blank_bytes": "int64",
            "quarantined": "int64",
            "quarantined_bytes": "int64",
            "format": "string",
            "kind": "string",  # access | app | database | generic
            "clock": "string",  # sources with the same clock may be compared stamp by stamp
            "writer": "string",  # lines of one writer stand in the order in which they were written
            "ordered_by": "string",  # writer: position orders ties | stamp: merged export, position says nothing
            "marks": "string",  # what the stamp marks: start | finish | instant | unknown
            "resolution_us": "int64",  # coarsest step of the stamps
            "lag_us": "int64",  # how late the stamp may be taken behind what it marks
            "stamp_doubts": "string",  # what of the stamps' instants is assumed or undecided; NULL: nothing
            "damage": "string",  # where and why the file could not be read to its end; NULL: it was
            "first_at": "timestamp",
            "last_at": "timestamp",
        }
    ),
    # One row a record: its head line and the continuation lines folded into it. text is the raw record, without
    # the final newline; bytes that are not UTF-8 stand as \xNN. line_no counts from 1.
    "records": ibis.schema(
        {
            "record_id": "int64",
            "source_id": "int32",
            "line_no": "int64",
            "line_count": "int32",  # 0: one more record of the line before, of which it owns some bytes
            "byte_start": "int64",
            "byte_end": "int64",  # exclusive, final newline included
            "logged_at": "timestamp",
            "logged_us": "int64",  # the stamp as written, read as UTC; NULL: no stamp
            "other_us": "int64",  # a later instant that the stamp may mean as well, where a zone's clocks change
            "resolution_us": "int64",  # how far the true instant may lie behind logged_us; it spans other_us too
            "level": "string",
            "logger": "string",
            "process": "string",
            "thread": "string",
            "request_id": "string",
            "trace_id": "string",
            "message": "string",
            "fields": "json",  # what else the format's layout names
            "text": "string",
            "damaged": "boolean",  # text is not what the bytes say: escaped where not UTF-8, or cut at 1 MiB
        }
    ),
    # One row an HTTP request, with bounds (inclusive, µs) of its start and finish on its clock.
    "requests": ibis.schema(
        {
            "record_id": "int64",
            "source_id": "int32",
            "line_no": "int64",
            "request_id": "string",
            "method": "string",
            "path": "string",
            "route": "string",  # /api/jobs/4521 -> /api/jobs/{id}
            "status": "int32",
            "user_id": "string",
            "client_ip": "string",
            "entity": "string",  # what the request is about, e.g. a job's id
            "request_key": "string",  # method, route, entity, user: equal for duplicates; NULL if one is unknown
            "stamp_us": "int64",  # logged_us of its record
            "starts_from": "int64",
            "starts_by": "int64",
            "ends_from": "int64",
            "ends_by": "int64",
            "duration_us": "int64",
            "repeat_us": "int64",  # µs to the nearest request with the same key; NULL: there is no other
            "process": "string",
            "clock": "string",
            "writer": "string",  # NULL where position in the file orders nothing
        }
    ),
    # One row an exception. Those of a chain (member_of NULL) come first: position 0 is the root cause, their highest
    # position the one that propagated. Behind them stand the members of groups and what was suppressed, with their
    # chains.
    "exceptions": ibis.schema(
        {
            "record_id": "int64",
            "position": "int32",
            "is_last": "boolean",
            "type": "string",
            "message": "string",
            "frames": FRAMES,  # outermost call first
            "fingerprint": "string",
            "sqlstate": "string",
            "constraint_name": "string",
            "key_columns": "array<string>",
            "key_values": "array<string>",
            "error_code": "string",  # the database's own code, where that is no SQLSTATE: 1062, SQLITE_BUSY
            "table_name": "string",
            "sql": "string",  # the statement, where the message quotes it
            "member_of": "int32",  # position of the group whose member it is, or of the exception that suppressed it
            "last_record": "int64",  # the record with its last line: another one where each line was logged by itself
            "doubtful": "boolean",  # lines of two traces stand in one another, and nothing tells whose is whose
        }
    ),
    # One row a statement that a database log shows. started_us/finished_us are stamps of the database's clock,
    # both known to resolution_us; wait_us is time spent waiting for another transaction's lock
    # (of MySQL its Lock_time, from a millisecond on, which counts the opening of tables too).
    "statements": ibis.schema(
        {
            "record_id": "int64",
            "source_id": "int32",
            "line_no": "int64",
            "request_id": "string",
            "session": "string",
            "vxid": "string",
            "xid": "int64",
            "started_us": "int64",
            "finished_us": "int64",
            "resolution_us": "int64",
            "wait_us": "int64",
            "sql": "string",
            "params": "string",
            "shape": "string",  # the statement with its literals replaced by ?
            "table_name": "string",
            "kind": "string",  # read | lock | insert | update | delete | begin | commit | rollback | savepoint | other
            "sqlstate": "string",  # NULL: it succeeded as far as the log shows
            "error": "string",  # the server's text; of MySQL's slow log, which has none, `error 1062`
            "clock": "string",
            "writer": "string",
        }
    ),
    # from_record is a request's record; to_record an exception's or statement's.
    "links": ibis.schema(
        {
            "from_record": "int64",
            "to_record": "int64",
            "to_table": "string",  # exceptions | statements
            "rule": "string",
            "confidence": "float64",
        }
    ),
    # Records that may be no records but text of a user's with a line break in it (CWE-117): they count in no rate.
    "flags": ibis.schema({"record_id": "int64", "reason": "string"}),
    # Requests that another log tells too, with more of each: they are counted once, as that one tells them.
    "retold": ibis.schema({"record_id": "int64", "told_by": "int64"}),
    "deploys": ibis.schema(
        {
            "deployed_at": "timestamp",
            "deployed_us": "int64",
            "resolution_us": "int64",
            "version": "string",
            "revision": "string",
            "note": "string",
            "path": "string",
            "line_no": "int64",
        }
    ),
    "commits": ibis.schema(
        {
            "revision": "string",
            "parent": "string",
            "authored_at": "timestamp",
            "committed_at": "timestamp",
            "author": "string",
            "subject": "string",
            "files": "int32",
        }
    ),
    "hunks": ibis.schema(
        {
            "revision": "string",
            "path": "string",
            "old_start": "int32",
            "old_lines": "int32",
            "new_start": "int32",
            "new_lines": "int32",
            "text": "string",
        }
    ),
    # What could not be read as a record of its format, kept by its place.
    "quarantine": ibis.schema(
        {
            "source_id": "int32",
            "line_no": "int64",
            "line_count": "int32",
            "byte_start": "int64",
            "byte_end": "int64",
            "reason": "string",
        }
    ),
}


def table(name: str) -> ibis.Table:
    """The promised table `name`, unbound: for expressions that any engine can run."""
    return ibis.table(TABLES[name], name=name)
