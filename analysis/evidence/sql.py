"""The only hand-written SQL of the loader. Values are bound; {select} is made by `formats.to_select`."""

from typing import Final

STAGE: Final = """
CREATE OR REPLACE TEMP TABLE staged AS
SELECT * REPLACE (parsed AND stamp_ok AS parsed, CASE WHEN $ids THEN request_id END AS request_id)
FROM ({select})
"""

# Stamps that have only a time: a step back by more than half a day is midnight.
ADD_DATES: Final = """
CREATE OR REPLACE TEMP TABLE staged AS
SELECT * EXCLUDE (turned) REPLACE (
    CAST(logged_us + $day_us * ($day + sum(turned) OVER (ORDER BY record_id)) AS BIGINT) AS logged_us
)
FROM (
    SELECT *, CASE WHEN logged_us + $half_day < lag(logged_us, 1, $former) OVER (ORDER BY record_id)
              THEN 1 ELSE 0 END AS turned
    FROM staged
)
"""

LAST_STAMP: Final = "SELECT max_by(logged_us, record_id) FROM staged WHERE parsed"

LOCAL_SPAN: Final = "SELECT min(logged_us), max(logged_us) FROM staged WHERE NOT zoned"

SHIFT: Final = """
UPDATE staged SET logged_us = logged_us - piece.offset_us
FROM (SELECT unnest($since) AS since_us, unnest($until) AS until_us, unnest($offset) AS offset_us) AS piece
WHERE NOT zoned AND logged_us >= piece.since_us AND logged_us < piece.until_us
"""

INTO_QUARANTINE: Final = """
INSERT INTO quarantine
SELECT $source_id, line_no, line_count, byte_start, byte_end, $reason FROM staged WHERE NOT parsed
"""

COUNT_UNFIT: Final = """
SELECT count(*), coalesce(sum(head_end - byte_start), 0), coalesce(sum(line_count), 0),
       coalesce(sum(byte_end - byte_start), 0)
FROM staged WHERE NOT parsed
"""

STRAY_INTO_QUARANTINE: Final = """
INSERT INTO quarantine SELECT $source_id, line_no, line_count, byte_start, byte_end, reason FROM stray
"""

INTO_RECORDS: Final = """
INSERT INTO records
SELECT record_id, $source_id, line_no, line_count, byte_start, byte_end,
       make_timestamp(logged_us), logged_us, resolution_us,
       level, logger, process, thread, request_id, trace_id, message, fields, text
FROM staged WHERE parsed
"""

# An id is a run of digits, a UUID, or 16 and more hexadecimal digits. Twice, since neighbouring ids share a slash.
ID: Final = "(?:[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9a-fA-F]{16,})"
ID_SEGMENT: Final = f"/{ID}(/|$)"
LAST_ID: Final = f".*/({ID})(?:/|$)"

# A stamp lies in [stamped_from, stamped_by]; a duration in [duration_us, duration_by]. The end that the stamp does
# not mark is bounded through the duration, or on one side only.
INTO_REQUESTS: Final = """
INSERT INTO requests
WITH plain AS (
    SELECT *, split_part(path, '?', 1) AS bare, logged_us - $lag_us AS stamped_from,
           logged_us + resolution_us - 1 AS stamped_by,
           duration_us + coalesce(duration_step_us, 1) - 1 AS duration_by
    FROM staged WHERE parsed AND method IS NOT NULL
), routed AS (
    SELECT *,
           CASE WHEN regexp_matches(bare, '[0-9a-fA-F]{16}|/[0-9]') THEN
               regexp_replace(regexp_replace(bare, $id, '/{id}\\1', 'g'), $id, '/{id}\\1', 'g')
           ELSE bare END AS route,
           coalesce(entity, nullif(regexp_extract(bare, $last_id, 1), '')) AS about
    FROM plain
)
SELECT record_id, $source_id, line_no, request_id, method, path, route, status, user_id, client_ip, about,
       method || ' ' || route || ' ' || about || ' ' || user_id,
       logged_us,
       CASE $marks WHEN 'start' THEN stamped_from ELSE stamped_from - duration_by END,
       CASE $marks WHEN 'finish' THEN stamped_by - coalesce(duration_us, 0) ELSE stamped_by END,
       CASE $marks WHEN 'start' THEN stamped_from + coalesce(duration_us, 0) ELSE stamped_from END,
       CASE $marks WHEN 'finish' THEN stamped_by ELSE stamped_by + duration_by END,
       duration_us, NULL, process, $clock, $writer
FROM routed
"""

SET_REPEATS: Final = """
UPDATE requests SET repeat_us = near.repeat_us FROM ({repeats}) AS near WHERE requests.record_id = near.record_id
"""

CREATE_DATABASE_LINES: Final = """
CREATE TEMP TABLE database_lines (
    record_id BIGINT, source_id INT, line_no BIGINT, logged_us BIGINT, resolution_us BIGINT, process TEXT,
    session TEXT, vxid TEXT, xid BIGINT, level TEXT, message TEXT, detail TEXT, query TEXT, sqlstate TEXT,
    request_id TEXT, clock TEXT, writer TEXT
)
"""

INTO_DATABASE_LINES: Final = """
INSERT INTO database_lines
SELECT record_id, $source_id, line_no, logged_us, resolution_us, process, session, vxid, xid, level, message, detail,
       query, sqlstate, request_id, $clock, $writer
FROM staged WHERE parsed
"""

SPAN_OF_SOURCE: Final = """
SELECT min(logged_at), max(logged_at), min(resolution_us) FROM records WHERE source_id = $source_id
"""

RAISED: Final = """
SELECT record_id, coalesce(fields ->> '$.exc_info', fields ->> '$.exception', fields ->> '$.stack_trace', text)
FROM records SEMI JOIN (SELECT source_id FROM sources WHERE kind <> 'database') USING (source_id)
WHERE contains(text, 'Traceback (most recent call last)') OR (line_count > 1 AND contains(text, 'Error'))
   OR contains(text, 'Error: ')
ORDER BY record_id
"""
