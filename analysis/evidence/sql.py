"""The only hand-written SQL of the loader. Values are bound; {select} is made by `formats.to_select`."""

from typing import Final

MEMORY: Final = "SET memory_limit='1GB'"
STREAMING_MEMORY: Final = "SET memory_limit='768MB'"
"""While a log streams in: with more, DuckDB keeps blocks that nobody reads again; with less, it works in one thread.

A batch insert asks for 4 MB a column and thread; with 43 columns two threads begin at 720 MB."""

# One row a record, or a stretch of quarantined lines (reason is not NULL). The promised tables records, requests and
# quarantine are views on it, so nothing is stored twice. Compressions are given since DuckDB, left alone, tries each
# on each value before it chooses, which costs more than the parsing.
CREATE_STRETCHES: Final = """
CREATE TABLE stretches (
    record_id BIGINT, source_id INT, line_no BIGINT, line_count INT, byte_start BIGINT, byte_end BIGINT,
    head_end BIGINT, reason VARCHAR, zoned BOOLEAN, logged_us BIGINT, other_us BIGINT, resolution_us BIGINT,
    level VARCHAR USING COMPRESSION dict_fsst, logger VARCHAR USING COMPRESSION dict_fsst,
    process VARCHAR USING COMPRESSION dict_fsst, thread VARCHAR USING COMPRESSION dict_fsst,
    request_id VARCHAR USING COMPRESSION zstd, trace_id VARCHAR USING COMPRESSION zstd,
    message_length INT, own_message VARCHAR USING COMPRESSION zstd, fields JSON,
    text VARCHAR USING COMPRESSION zstd, damaged BOOLEAN,
    method VARCHAR USING COMPRESSION dict_fsst, path VARCHAR USING COMPRESSION dict_fsst,
    route VARCHAR USING COMPRESSION dict_fsst, status INT,
    user_id VARCHAR USING COMPRESSION dict_fsst, client_ip VARCHAR USING COMPRESSION dict_fsst,
    entity VARCHAR USING COMPRESSION dict_fsst, duration_us BIGINT, duration_step_us BIGINT, repeat_us BIGINT,
    session VARCHAR, vxid VARCHAR, xid BIGINT, sqlstate VARCHAR, detail VARCHAR, query VARCHAR,
    own_marks VARCHAR, own_lag_us BIGINT
)
"""


def head_line(text: str) -> str:
    """SQL of a text's first line, without its end."""
    return f"CASE WHEN contains({text}, chr(10)) THEN rtrim(split_part({text}, chr(10), 1), chr(13)) ELSE {text} END"


HEAD_LINE: Final = head_line("text")
MESSAGE: Final = (
    f"CASE WHEN message_length IS NULL THEN own_message ELSE right({HEAD_LINE}, message_length) END"
)

RECORDS: Final = f"""
CREATE VIEW records AS
SELECT record_id, source_id, line_no, line_count, byte_start, byte_end,
       make_timestamp(logged_us) AS logged_at, logged_us, other_us, resolution_us,
       level, logger, process, thread, request_id, trace_id,
       {MESSAGE} AS message, fields, text, damaged
FROM stretches WHERE reason IS NULL
"""  # noqa: S608 - our own literals

# A stamp lies in [stamped_from, stamped_by]; a duration in [duration_us, duration_by]. The end that the stamp does
# not mark is bounded through the duration, or on one side only.
REQUESTS: Final = """
CREATE VIEW requests AS
WITH stamped AS (
    SELECT stretches.*, clock, writer, coalesce(own_marks, sources.marks) AS marks,
           logged_us - coalesce(own_lag_us, lag_us) AS stamped_from,
           logged_us + stretches.resolution_us - 1 AS stamped_by,
           duration_us + coalesce(duration_step_us, 1) - 1 AS duration_by
    FROM stretches JOIN sources USING (source_id)
    WHERE reason IS NULL AND method IS NOT NULL AND kind <> 'database'
)
SELECT record_id, source_id, line_no, request_id, method, path, route, status, user_id, client_ip, entity,
       method || ' ' || route || ' ' || entity || ' ' || user_id AS request_key,
       logged_us AS stamp_us,
       CASE marks WHEN 'start' THEN stamped_from ELSE stamped_from - duration_by END AS starts_from,
       CASE marks WHEN 'finish' THEN stamped_by - coalesce(duration_us, 0) ELSE stamped_by END AS starts_by,
       CASE marks WHEN 'start' THEN stamped_from + coalesce(duration_us, 0) ELSE stamped_from END AS ends_from,
       CASE marks WHEN 'finish' THEN stamped_by ELSE stamped_by + duration_by END AS ends_by,
       duration_us, repeat_us, process, clock, writer
FROM stamped
"""

QUARANTINE: Final = """
CREATE VIEW quarantine AS
SELECT source_id, line_no, line_count, byte_start, byte_end, reason FROM stretches WHERE reason IS NOT NULL
"""

UNTOLD: Final = "message_length IS NULL AND own_message IS NULL"
"""Of a record without a message. One with a statement is a statement: MySQL's logs are of such."""

DATABASE_LINES: Final = f"""
CREATE VIEW database_lines AS
SELECT record_id, source_id, line_no, logged_us, stretches.resolution_us, process, session, vxid, xid, level,
       {MESSAGE} AS message, detail, query, sqlstate, request_id, clock, writer
FROM stretches JOIN sources USING (source_id)
WHERE reason IS NULL AND kind = 'database' AND NOT (query IS NOT NULL AND {UNTOLD})
"""  # noqa: S608 - our own literals

# What fits no record may be the rest of a statement.
STATEMENT_LINES: Final = f"""
SELECT record_id, source_id, line_no, logged_us, stretches.resolution_us, session, request_id, clock, writer, query,
       text, duration_us, coalesce(own_marks, marks) AS marks,
       CAST(1000000 * TRY_CAST(fields ->> '$.lock_s' AS DECIMAL(18, 6)) AS BIGINT) AS wait_us,
       coalesce(fields ->> '$.errno', fields ->> '$.last_errno') AS errno
FROM stretches JOIN sources USING (source_id)
WHERE kind = 'database' AND record_id IS NOT NULL AND {UNTOLD} AND (query IS NOT NULL OR reason IS NOT NULL)
  AND source_id IN (SELECT source_id FROM stretches WHERE reason IS NULL AND query IS NOT NULL AND {UNTOLD})
ORDER BY record_id
"""  # noqa: S608 - our own literals

VIEWS: Final = {"records": RECORDS, "requests": REQUESTS, "quarantine": QUARANTINE}
"""The promised tables that are views on `stretches`."""

# An id is a run of digits, a UUID, or 16 and more hexadecimal digits. Twice, since neighbouring ids share a slash.
ID: Final = "(?:[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})"
ID_SEGMENT: Final = f"/{ID}(/|$)"
LAST_ID: Final = f".*/({ID})(?:/|$)"

INTO_STRETCHES: Final = """
INSERT INTO stretches BY NAME
WITH read AS (
    SELECT *, CASE WHEN contains(path, '?') THEN left(path, instr(path, '?') - 1) ELSE path END AS bare,
           parsed AND stamp_ok AND reason IS NULL AS fits
    FROM ({select})
), about AS (
    SELECT *, CASE WHEN entity IS NULL THEN regexp_extract(bare, $last_id, 1) END AS last_id FROM read
)
SELECT record_id, $source_id AS source_id, line_no, line_count, byte_start, byte_end, head_end,
       CASE WHEN NOT fits THEN coalesce(reason, $unfit) END AS reason,
       zoned, logged_us, resolution_us, level, logger, process, thread,
       CASE WHEN $ids THEN request_id END AS request_id, trace_id, message_length,
       CASE WHEN message_length IS NULL THEN message END AS own_message, fields, text, damaged, method, path,
       CASE WHEN regexp_matches(bare, '[0-9a-fA-F]{{16}}|/[0-9]') THEN
           regexp_replace(regexp_replace(bare, $id, '/{{id}}\\1', 'g'), $id, '/{{id}}\\1', 'g')
       ELSE bare END AS route,
       status, user_id, client_ip,
       CASE WHEN last_id <> '' THEN last_id ELSE entity END AS entity,
       duration_us, duration_step_us, session, vxid, xid, sqlstate, detail, query{own}
FROM about
"""

COUNT_UNFIT: Final = """
SELECT count(*) FILTER (line_count > 0), coalesce(sum(head_end - byte_start), 0), coalesce(sum(line_count), 0),
       coalesce(sum(byte_end - byte_start), 0)
FROM stretches WHERE source_id = $source_id AND reason IS NOT NULL AND record_id IS NOT NULL
"""

SPAN_OF_SOURCE: Final = """
SELECT make_timestamp(min(logged_us)), make_timestamp(max(logged_us)), min(resolution_us)
FROM stretches WHERE source_id = $source_id AND reason IS NULL
"""

SET_REPEATS: Final = """
UPDATE stretches SET repeat_us = near.repeat_us FROM ({repeats}) AS near WHERE stretches.record_id = near.record_id
"""

# Sources of requests alone are searched for Python's traces only: every needle costs a pass over their text.
CARRIERS: Final = """
SELECT source_id, kind <> 'access' OR contains(format, '>') OR contains(format, '+') AS carries
FROM sources WHERE kind <> 'database'
"""

GIVEN: Final = """
coalesce(fields ->> '$.exc_info', fields ->> '$.exception', fields ->> '$.stack_trace', fields ->> '$.stacktrace',
         fields ->> '$.stack', fields ->> '$.err.stack', fields ->> '$.error.stack',
         CASE WHEN contains(message, chr(10)) THEN message END, text)
"""
"""The text that may hold a trace: a field for it, or else the message, or all of the record."""

RAISED: Final = f"""
SELECT record_id, {GIVEN}
FROM records JOIN ({CARRIERS}) USING (source_id)
WHERE contains(text, 'most recent call last)') OR (line_count > 1 AND contains(text, 'Error'))
   OR contains(text, 'Error: ')
   OR (carries AND (contains(text, 'Exception: ') OR regexp_matches(text, '\\\\n[^"]')
                    OR (line_count > 1 AND regexp_matches(text, $shows))))
ORDER BY record_id
"""  # noqa: S608 - our own literals

# A line that goes on with a trace of another language than Python, in a record of its own. Of a plain line's message
# the first character is looked at before the rest is cut out of the text.
SCATTERED: Final = f"""
SELECT record_id FROM stretches JOIN ({CARRIERS}) USING (source_id)
WHERE reason IS NULL AND carries AND line_count = 1
  AND CASE WHEN message_length IS NULL AND left(own_message, 1) IN (' ', chr(9))
           THEN regexp_matches(own_message, $frame)
           WHEN message_length IS NOT NULL AND substr(text, -message_length, 1) IN (' ', chr(9))
           THEN regexp_matches(right(text, message_length), $frame)
           ELSE false END
ORDER BY record_id
"""  # noqa: S608 - our own literals

AROUND: Final = """
SELECT span, record_id, source_id, process, thread, logger, level, fields ->> '$.stream', logged_us, message,
       CASE WHEN line_count > 1 OR message IS NULL THEN text END
FROM records JOIN spans ON record_id BETWEEN spans."first" AND spans."last"
ORDER BY record_id
"""

DROP_STITCHED: Final = "DELETE FROM exceptions WHERE record_id IN (SELECT record_id FROM stitched)"
