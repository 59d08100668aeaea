"""The only hand-written SQL of the loader. Values are bound; {select} is made by `formats.to_select`."""

from typing import Final

MEMORY: Final = "SET memory_limit='1GB'"
STREAMING_MEMORY: Final = "SET memory_limit='640MB'"
"""While a log streams in: with more, DuckDB keeps blocks that nobody reads again; with less, it works in one thread."""

# One row a record, or a stretch of quarantined lines (reason is not NULL). The promised tables records, requests and
# quarantine are views on it, so nothing is stored twice. Compressions are given since DuckDB, left alone, tries each
# on each value before it chooses, which costs more than the parsing.
CREATE_STRETCHES: Final = """
CREATE TABLE stretches (
    record_id BIGINT, source_id INT, line_no BIGINT, line_count INT, byte_start BIGINT, byte_end BIGINT,
    head_end BIGINT, reason VARCHAR, zoned BOOLEAN, logged_us BIGINT, resolution_us BIGINT,
    level VARCHAR USING COMPRESSION dict_fsst, logger VARCHAR USING COMPRESSION dict_fsst,
    process VARCHAR USING COMPRESSION dict_fsst, thread VARCHAR USING COMPRESSION dict_fsst,
    request_id VARCHAR USING COMPRESSION zstd, trace_id VARCHAR USING COMPRESSION zstd,
    message_length INT, own_message VARCHAR USING COMPRESSION zstd, fields JSON,
    text VARCHAR USING COMPRESSION zstd,
    method VARCHAR USING COMPRESSION dict_fsst, path VARCHAR USING COMPRESSION dict_fsst,
    route VARCHAR USING COMPRESSION dict_fsst, status INT,
    user_id VARCHAR USING COMPRESSION dict_fsst, client_ip VARCHAR USING COMPRESSION dict_fsst,
    entity VARCHAR USING COMPRESSION dict_fsst, duration_us BIGINT, duration_step_us BIGINT, repeat_us BIGINT,
    session VARCHAR, vxid VARCHAR, xid BIGINT, sqlstate VARCHAR, detail VARCHAR, query VARCHAR
)
"""

HEAD_LINE: Final = (
    "CASE WHEN contains(text, chr(10)) THEN rtrim(split_part(text, chr(10), 1), chr(13)) ELSE text END"
)
MESSAGE: Final = (
    f"CASE WHEN message_length IS NULL THEN own_message ELSE right({HEAD_LINE}, message_length) END"
)

RECORDS: Final = f"""
CREATE VIEW records AS
SELECT record_id, source_id, line_no, line_count, byte_start, byte_end,
       make_timestamp(logged_us) AS logged_at, logged_us, resolution_us,
       level, logger, process, thread, request_id, trace_id,
       {MESSAGE} AS message, fields, text
FROM stretches WHERE reason IS NULL
"""  # noqa: S608 - our own literals

# A stamp lies in [stamped_from, stamped_by]; a duration in [duration_us, duration_by]. The end that the stamp does
# not mark is bounded through the duration, or on one side only.
REQUESTS: Final = """
CREATE VIEW requests AS
WITH stamped AS (
    SELECT stretches.*, clock, writer, marks, logged_us - lag_us AS stamped_from,
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

DATABASE_LINES: Final = f"""
CREATE VIEW database_lines AS
SELECT record_id, source_id, line_no, logged_us, stretches.resolution_us, process, session, vxid, xid, level,
       {MESSAGE} AS message, detail, query, sqlstate, request_id, clock, writer
FROM stretches JOIN sources USING (source_id)
WHERE reason IS NULL AND kind = 'database'
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
       CASE WHEN message_length IS NULL THEN message END AS own_message, fields, text, method, path,
       CASE WHEN regexp_matches(bare, '[0-9a-fA-F]{{16}}|/[0-9]') THEN
           regexp_replace(regexp_replace(bare, $id, '/{{id}}\\1', 'g'), $id, '/{{id}}\\1', 'g')
       ELSE bare END AS route,
       status, user_id, client_ip,
       CASE WHEN last_id <> '' THEN last_id ELSE entity END AS entity,
       duration_us, duration_step_us, session, vxid, xid, sqlstate, detail, query
FROM about
"""

# Stamps that have only a time: a step back by more than half a day is midnight.
ADD_DATES: Final = """
UPDATE stretches SET logged_us = dated.logged_us
FROM (
    SELECT record_id,
           CAST(logged_us + $day_us * ($day + sum(turned) OVER (ORDER BY record_id)) AS BIGINT) AS logged_us
    FROM (
        SELECT record_id, logged_us,
               CASE WHEN logged_us + $day_us // 2 < lag(logged_us) OVER (ORDER BY record_id)
               THEN 1 ELSE 0 END AS turned
        FROM stretches WHERE source_id = $source_id AND reason IS NULL
    )
) AS dated
WHERE stretches.record_id = dated.record_id
"""

LOCAL_SPAN: Final = """
SELECT min(logged_us), max(logged_us) FROM stretches WHERE source_id = $source_id AND NOT zoned
"""

SHIFT: Final = """
UPDATE stretches SET logged_us = logged_us - piece.offset_us
FROM (SELECT unnest($since) AS since_us, unnest($until) AS until_us, unnest($offset) AS offset_us) AS piece
WHERE source_id = $source_id AND NOT zoned AND logged_us >= piece.since_us AND logged_us < piece.until_us
"""

COUNT_UNFIT: Final = """
SELECT count(*), coalesce(sum(head_end - byte_start), 0), coalesce(sum(line_count), 0),
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

RAISED: Final = """
SELECT record_id, coalesce(fields ->> '$.exc_info', fields ->> '$.exception', fields ->> '$.stack_trace', text)
FROM records SEMI JOIN (SELECT source_id FROM sources WHERE kind <> 'database') USING (source_id)
WHERE contains(text, 'Traceback (most recent call last)') OR (line_count > 1 AND contains(text, 'Error'))
   OR contains(text, 'Error: ')
ORDER BY record_id
"""
