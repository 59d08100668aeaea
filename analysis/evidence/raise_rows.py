"""Records -> the promised table `exceptions`."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Any, Final

import duckdb
import pyarrow as pa

from analysis.evidence import sql
from analysis.evidence.insert import insert_table
from analysis.evidence.python_traces import HEADER
from analysis.evidence.raised import Raised
from analysis.evidence.stitch import Line, stitched
from analysis.evidence.tracebacks import exceptions

Connection = duckdb.DuckDBPyConnection

AT_ONCE: Final = 100
"""Records whose texts are held at once: each may have a megabyte."""

FRAMES_AT_ONCE: Final = 20_000
BEFORE: Final = 20
AFTER: Final = 600
"""Records around a piece of a trace among which the others are looked for."""

SHOWS: Final = r"\n\s+at \S|\ngoroutine \d|:\d+:in [`']"
FRAME: Final = r"^\s+(?:at \S|(?:\d+: )?from \S+:\d+:in |\S+\.(?:go|s):\d+|\.\.\. \d+ )|^\s*$"
"""A record's message that goes on with a trace, as a blank one may: Rails prints one before each backtrace."""

FRAME_TYPE: Final = pa.struct(
    {
        "file": pa.string(),
        "line": pa.int32(),
        "function": pa.string(),
        "code": pa.string(),
        "in_app": pa.bool_(),
    }
)
EXCEPTIONS: Final = pa.schema(
    {
        "record_id": pa.int64(),
        "position": pa.int32(),
        "is_last": pa.bool_(),
        "type": pa.string(),
        "message": pa.string(),
        "frames": pa.list_(FRAME_TYPE),
        "fingerprint": pa.string(),
        "sqlstate": pa.string(),
        "constraint_name": pa.string(),
        "key_columns": pa.list_(pa.string()),
        "key_values": pa.list_(pa.string()),
        "error_code": pa.string(),
        "table_name": pa.string(),
        "sql": pa.string(),
        "member_of": pa.int32(),
        "last_record": pa.int64(),
        "doubtful": pa.bool_(),
    }
)


def load_exceptions(connection: Connection) -> None:
    """Read the stack traces and database errors in the records' texts into `exceptions`."""
    broken: list[int] = []
    insert_exceptions(connection, whole(connection, broken))
    scattered = connection.execute(sql.SCATTERED, {"frame": FRAME}).fetchall()
    pieces = sorted(
        [*((number - BEFORE, number + AFTER) for number in broken), *(near(row[0]) for row in scattered)]
    )
    if pieces:
        load_stitched(connection, pieces)


def whole(connection: Connection, broken: list[int]) -> Iterator[dict[str, Any]]:
    """The rows of the exceptions that one record holds; into `broken` go the records whose trace has no end there."""
    reader = connection.cursor()
    reader.execute(sql.RAISED, {"shows": SHOWS})
    while texts := reader.fetchmany(AT_ONCE):
        for record_id, text in texts:
            found = exceptions(text)
            yield from exception_rows(record_id, record_id, found)
            if any(one.type is None for one in found) or (not found and HEADER in text):
                broken.append(record_id)


def insert_exceptions(connection: Connection, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows of `exceptions`, so many at once that their frames take little memory."""
    batch: list[dict[str, Any]] = []
    frames = 0
    for row in rows:
        batch.append(row)
        frames += 1 + len(row["frames"])
        if frames >= FRAMES_AT_ONCE:
            insert_table(connection, "exceptions", pa.Table.from_pylist(batch, schema=EXCEPTIONS))
            batch, frames = [], 0
    insert_table(connection, "exceptions", pa.Table.from_pylist(batch, schema=EXCEPTIONS))


def near(record_id: int) -> tuple[int, int]:
    """The first and last record around a piece that is neither the first line of its trace nor the last."""
    return record_id - BEFORE, record_id + BEFORE


def load_stitched(connection: Connection, pieces: Sequence[tuple[int, int]]) -> None:
    """Load the exceptions that lie in several records, instead of what single ones of these gave."""
    spans = list(merged(pieces))
    places = {
        "span": range(len(spans)),
        "first": [one[0] for one in spans],
        "last": [one[1] for one in spans],
    }
    connection.register(
        "spans", pa.table({name: pa.array(column, pa.int64()) for name, column in places.items()})
    )
    reader = connection.execute(sql.AROUND)
    found = list(stitched(stretches(iter(reader.fetchone, None))))
    connection.unregister("spans")
    used = sorted({number for one in found for number in (one.record_id, *one.record_ids)})
    connection.register("stitched", pa.table({"record_id": pa.array(used, pa.int64())}))
    connection.execute(sql.DROP_STITCHED)
    connection.unregister("stitched")
    ordered = sorted(found, key=lambda each: each.record_id)
    insert_exceptions(
        connection,
        (row for one in ordered for row in exception_rows(one.record_id, one.record_ids[-1], one.exceptions)),
    )


def merged(pieces: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Stretches that overlap as one; sorted by their beginning."""
    first = last = None
    for start, end in pieces:
        if first is None or last is None or start > last:
            if first is not None and last is not None:
                yield first, last
            first, last = start, end
        else:
            last = max(last, end)
    if first is not None and last is not None:
        yield first, last


def stretches(rows: Iterable[tuple[Any, ...]]) -> Iterator[list[Line]]:
    """The records of each stretch of one file."""
    for _, of_span in groupby(rows, key=lambda row: (row[0], row[2])):
        yield [Line(*row[1:]) for row in of_span]


def exception_rows(record_id: int, last_record: int, found: Sequence[Raised]) -> Iterator[dict[str, Any]]:
    """The rows of `exceptions` that one trace gives."""
    last = max((position for position, one in enumerate(found) if one.member_of is None), default=-1)
    for position, one in enumerate(found):
        yield {
            **vars(one),
            "record_id": record_id,
            "last_record": last_record,
            "position": position,
            "is_last": position == last,
            "frames": [vars(frame) for frame in one.frames],
            "key_columns": list(one.key_columns),
            "key_values": list(one.key_values),
        }
