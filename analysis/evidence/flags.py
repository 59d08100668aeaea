"""Records that may be forged -> `flags`. Columns are looked at; texts only where those give a reason to."""

from collections.abc import Iterator
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from analysis.signals.forged import MOST, SLACK_US, flagged, out_of_order

Connection = duckdb.DuckDBPyConnection

SOURCES: Final = """
SELECT source_id, lag_us FROM sources
WHERE kind <> 'database' AND ordered_by = 'writer' AND source_id NOT IN (SELECT unnest($escaping::INT[]))
ORDER BY source_id
"""

# The one look at all records: what kinds there are. The rest is asked of these, and of few records.
KINDS: Final = """
CREATE OR REPLACE TEMP TABLE kinds AS
SELECT logger, process, resolution_us, request_id IS NOT NULL AS with_id,
       level IN ('ERROR', 'CRITICAL', 'FATAL', 'SEVERE') AS is_error, line_count > 1 AS traced, count(*) AS lines
FROM stretches WHERE source_id = $source_id AND reason IS NULL GROUP BY ALL
"""

USUAL_STEP: Final = (
    "SELECT resolution_us FROM kinds GROUP BY ALL ORDER BY sum(lines) DESC, resolution_us LIMIT 1"
)

STAMPS: Final = """
SELECT record_id, logged_us FROM stretches
WHERE source_id = $source_id AND reason IS NULL AND logged_us IS NOT NULL AND resolution_us = $step
"""

WRITERS: Final = """
SELECT process, list(record_id ORDER BY record_id), list(logged_us ORDER BY record_id) FROM stretches
WHERE source_id = $source_id AND reason IS NULL AND logged_us IS NOT NULL AND resolution_us = $step
  AND process IN (SELECT process FROM stretches WHERE record_id IN (SELECT unnest($astray::BIGINT[])))
GROUP BY process HAVING count(*) > $most
"""

# What is "always" so of a logger is so of nine lines in ten at least: forged ones are among them.
ODD_KINDS: Final = """
CREATE OR REPLACE TEMP TABLE odd_kinds AS
WITH measured AS (
    SELECT *, sum(lines) OVER () AS whole, sum(lines) OVER of_logger AS of_logger,
           sum(lines) OVER (PARTITION BY process) AS of_process,
           sum(lines) OVER (PARTITION BY resolution_us) AS of_step,
           sum(lines * with_id::INT) OVER of_logger AS with_ids,
           sum(lines * coalesce(is_error, false)::INT) OVER of_logger AS errors,
           sum(lines * (coalesce(is_error, false) AND traced)::INT) OVER of_logger AS traces
    FROM kinds WINDOW of_logger AS (PARTITION BY logger)
), judged AS (
    SELECT logger, process, resolution_us, with_id, is_error, traced,
           NOT with_id AND of_logger >= 50 AND 10 * with_ids >= 9 * of_logger AS cut,
           coalesce(is_error, false) AND NOT traced AND errors >= 20 AND 10 * traces >= 9 * errors AS bare,
           (logger IS NOT NULL AND of_logger <= $most AND 1000 * of_logger <= whole)
           OR (process IS NOT NULL AND of_process <= $most AND 1000 * of_process <= whole) AS stranger,
           1000 * of_step <= whole AS step
    FROM measured
)
SELECT * FROM judged WHERE cut OR bare OR stranger OR step
"""

SIGNS: Final = """
WITH odd AS (
    SELECT record_id, cut, bare, stranger, step FROM stretches JOIN odd_kinds ON
        stretches.logger IS NOT DISTINCT FROM odd_kinds.logger
        AND stretches.process IS NOT DISTINCT FROM odd_kinds.process
        AND stretches.resolution_us IS NOT DISTINCT FROM odd_kinds.resolution_us
        AND (request_id IS NOT NULL) = with_id AND (line_count > 1) = traced
        AND (level IN ('ERROR', 'CRITICAL', 'FATAL', 'SEVERE')) IS NOT DISTINCT FROM is_error
    WHERE source_id = $source_id AND reason IS NULL
), behind AS (SELECT record_id + 1 AS record_id FROM odd WHERE cut)
SELECT record_id, 'cut' FROM stretches SEMI JOIN behind USING (record_id)
WHERE source_id = $source_id AND reason IS NULL
UNION ALL SELECT record_id, 'bare' FROM odd WHERE bare
UNION ALL SELECT record_id, 'stranger' FROM odd WHERE stranger
UNION ALL SELECT record_id, 'step' FROM odd WHERE step
"""

# Quotes are counted where something is odd already, and at errors of a log in which no id would be missed.
DOUBTED: Final = """
CREATE OR REPLACE TEMP TABLE doubted AS
SELECT unnest($doubted::BIGINT[]) AS record_id
UNION
SELECT record_id FROM stretches
WHERE source_id = $source_id AND reason IS NULL
  AND (level IN ('ERROR', 'CRITICAL', 'FATAL', 'SEVERE') OR status >= 500)
  AND NOT EXISTS (FROM kinds WHERE with_id)
"""

QUOTE: Final = r'(?:^|[^\\])"'
"""A quotation mark that nothing escapes."""

QUOTES: Final = """
WITH near AS MATERIALIZED (
    SELECT record_id, text FROM stretches
    SEMI JOIN (SELECT record_id FROM doubted UNION SELECT record_id - 1 FROM doubted) USING (record_id)
    WHERE source_id = $source_id AND reason IS NULL
), odd AS (SELECT record_id FROM near WHERE len(regexp_extract_all(text, $quote)) % 2 = 1)
SELECT record_id, 'quote' FROM doubted SEMI JOIN odd USING (record_id)
WHERE record_id - 1 IN (SELECT record_id FROM odd)
"""


def load_flags(connection: Connection, escaping: list[int]) -> None:
    """Fill `flags`: the records that stand where their writer cannot have written them.

    escaping: source_ids of logs in which a line break within a text is escaped, as in JSON
    """
    signs: list[tuple[int, str]] = []
    for source_id, lag_us in connection.execute(SOURCES, {"escaping": escaping}).fetchall():
        signs += _signs(connection, source_id, lag_us)
    rows = flagged(signs)
    if rows:
        given = pa.table({"record_id": pa.array(rows.keys(), pa.int64()), "reason": list(rows.values())})
        connection.register("given", given)
        connection.execute("INSERT INTO flags BY NAME SELECT * FROM given")
        connection.unregister("given")


def _signs(connection: Connection, source_id: int, lag_us: int) -> Iterator[tuple[int, str]]:
    """What is odd about the records of one source: (record_id, sign)."""
    of_source = {"source_id": source_id}
    connection.execute(KINDS, of_source)
    (step,) = connection.execute(USUAL_STEP).fetchone() or (None,)
    if step is None:
        return
    stamped = connection.execute(STAMPS, of_source | {"step": step}).fetchnumpy()
    ids, stamps = np.asarray(stamped["record_id"]), np.asarray(stamped["logged_us"])
    del stamped
    if not (
        ids[1:] > ids[:-1]
    ).all():  # as they were inserted, they are in order: another 300 MB for 14 million
        order = np.argsort(ids, kind="stable")
        ids, stamps = ids[order], stamps[order]
    slack_us = SLACK_US + lag_us + step
    astray = ids[out_of_order(stamps, slack_us)].tolist()
    yield from (
        (record_id, "order") for record_id in _alone(connection, astray, of_source | {"step": step}, slack_us)
    )
    connection.execute(ODD_KINDS, {"most": MOST})
    odd = connection.execute(SIGNS, of_source).fetchall()
    yield from odd
    doubted = sorted({record_id for record_id, _ in odd})
    connection.execute(DOUBTED, of_source | {"doubted": doubted})
    if connection.execute("SELECT EXISTS (FROM doubted)").fetchall()[0][0]:
        yield from connection.execute(QUOTES, of_source | {"quote": QUOTE}).fetchall()


def _alone(connection: Connection, astray: list[int], given: dict[str, int], slack_us: int) -> list[int]:
    """The records astray without those that their own process wrote in order: its buffer was written out late."""
    if not astray:
        return []
    late: set[int] = set()
    for _, ids, stamps in connection.execute(WRITERS, given | {"astray": astray, "most": MOST}).fetchall():
        own = out_of_order(np.array(stamps, dtype=np.int64), slack_us)
        late |= set(np.array(ids)[~own].tolist())
    return [record_id for record_id in astray if record_id not in late]
