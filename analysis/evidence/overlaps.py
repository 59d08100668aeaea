"""What was exported twice: a file under two names, or two exports of one log whose times overlap.

The second copy stays in the database and in the accounts, as quarantined lines with a reason that names the first;
no table of records, requests or exceptions holds it.

Overlapping exports are told by a run: at least LEAST records in a row of one file that stand in the other in the same
order with the same stamp and text. Logs of two machines can share single lines (health checks, what a deploy starts
at the same second), also for hours if each writes the same few lines in the same second: so a run needs TRANSITIONS
different pairs of neighbouring messages that lie at different stamps. A short cycle does not have them, nor does a
start that is over in a few seconds.

Not seen: overlaps shorter than a run, those between exports of different formats, and those where each of the two
files has lines in between that the other lacks. Where a cut falls within a second, equal lines of that second may
stay.
"""

from dataclasses import dataclass
from typing import Final

import duckdb

from analysis.evidence.sql import MESSAGE
from analysis.schema import AGAIN

LEAST: Final = 20
TRANSITIONS: Final = 15
SAME_SIZE: Final = """
SELECT min(a.source_id), b.source_id
FROM sources AS a JOIN sources AS b ON a.source_id < b.source_id AND a.bytes = b.bytes AND a.lines = b.lines
WHERE a.bytes > 0
GROUP BY b.source_id ORDER BY b.source_id
"""

SAME_PLACES: Final = """
SELECT (SELECT count(*) FROM stretches WHERE source_id = $first),
       (SELECT count(*) FROM stretches WHERE source_id = $second),
       (SELECT count(*) FROM stretches AS a JOIN stretches AS b
            ON a.byte_start = b.byte_start AND a.byte_end = b.byte_end AND a.text IS NOT DISTINCT FROM b.text
        WHERE a.source_id = $first AND b.source_id = $second)
"""

# Pairs of which the second has BLOCK records in a row with a stamp and a size that the first has too. Texts are not
# read: that is cheap, and few pairs pass.
ALIKE: Final = """
WITH meeting AS (
    SELECT source_id, format, first_at, last_at FROM sources AS a
    WHERE EXISTS (
        SELECT 1 FROM sources AS b WHERE b.source_id <> a.source_id AND b.format = a.format
        AND b.first_at <= a.last_at AND a.first_at <= b.last_at AND b.records >= $least AND a.records >= $least
    )
), keyed AS MATERIALIZED (
    SELECT source_id, hash(format, logged_us, byte_end - byte_start) AS key, record_id // $block AS block
    FROM stretches JOIN meeting USING (source_id) WHERE reason IS NULL
), held AS (
    SELECT DISTINCT source_id AS first, key FROM keyed
), blocks AS (
    SELECT first, source_id AS second FROM keyed JOIN held USING (key) WHERE first <> source_id
    GROUP BY first, source_id, block HAVING count(*) = $block
)
SELECT DISTINCT first, second FROM blocks ORDER BY least(first, second), greatest(first, second), first
"""

TOLD: Final = (
    f"hash(level, logger, method, path, status, user_id, client_ip, entity, duration_us, {MESSAGE}, query)"
)
"""What a record tells, beside its stamp."""

# The nth record with a key meets the nth one with that key in the other file; a run ends where one meets none, or
# one that stands before the last one.
RUNS: Final = f"""
WITH one AS (
    SELECT record_id AS twin, hash(logged_us, text) AS key,
           row_number() OVER (PARTITION BY key ORDER BY record_id) AS nth
    FROM stretches WHERE source_id = $first AND reason IS NULL AND logged_us IS NOT NULL
), other AS (
    SELECT record_id, logged_us, {TOLD} AS told, hash(logged_us, text) AS key,
           row_number() OVER (PARTITION BY key ORDER BY record_id) AS nth
    FROM stretches WHERE source_id = $second AND reason IS NULL
), met AS (
    SELECT record_id, logged_us, twin, lag(twin) OVER near AS last_twin, told, lag(told) OVER near AS last_told,
           lag(logged_us) OVER near AS last_us
    FROM other LEFT JOIN one USING (key, nth)
    WINDOW near AS (ORDER BY record_id)
), runs AS (
    SELECT *, sum(CASE WHEN twin IS NULL OR twin <= last_twin THEN 1 ELSE 0 END) OVER (ORDER BY record_id) AS run
    FROM met
), long AS (
    SELECT run FROM runs WHERE twin IS NOT NULL GROUP BY run
    HAVING count(*) >= $least
       AND count(DISTINCT hash(last_told, told)) FILTER (logged_us <> last_us) >= $transitions
)
SELECT record_id FROM runs SEMI JOIN long USING (run) WHERE twin IS NOT NULL
"""  # noqa: S608 - our own literals

ALL_RECORDS: Final = "SELECT record_id FROM stretches WHERE source_id = $second"

LEAVE_OUT: Final = """
UPDATE stretches SET reason = $reason
WHERE source_id = $second AND reason IS NULL AND record_id IN ({chosen})
"""

MOVE_ACCOUNTS: Final = """
UPDATE sources SET
    records = records - heads, record_bytes = record_bytes - head_bytes,
    continuation_lines = continuation_lines - (moved_lines - heads),
    continuation_bytes = continuation_bytes - (moved_bytes - head_bytes),
    quarantined = quarantined + moved_lines, quarantined_bytes = quarantined_bytes + moved_bytes
FROM (
    SELECT count(*) FILTER (line_count > 0) AS heads, sum(head_end - byte_start) AS head_bytes,
           sum(line_count) AS moved_lines, sum(byte_end - byte_start) AS moved_bytes
    FROM stretches WHERE source_id = $second AND reason = $reason
)
WHERE source_id = $second
"""

LEFT_OUT: Final = """
SELECT sum(line_count), min(line_no), max(line_no + line_count - 1)
FROM stretches WHERE source_id = $second AND reason = $reason
"""


@dataclass(frozen=True)
class Pair:
    """Two sources that may hold the same records: those of `second` would be left out."""

    first: int
    second: int


def leave_out_copies(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Quarantine every record that stands in another source too; say which lines these are."""
    said = []
    for row in connection.execute(SAME_SIZE).fetchall():
        pair = Pair(*row)
        if is_copy(connection, pair):
            said += leave_out(connection, pair, ALL_RECORDS, {})
    done: set[frozenset[int]] = set()
    limits = {"least": LEAST, "transitions": TRANSITIONS}
    for row in connection.execute(ALIKE, {"least": LEAST, "block": LEAST // 2}).fetchall():
        pair, values = Pair(*row), {**limits, "first": row[0]}
        if frozenset(row) not in done and (found := leave_out(connection, pair, RUNS, values)):
            done.add(frozenset(row))
            said += found
    return said


def is_copy(connection: duckdb.DuckDBPyConnection, pair: Pair) -> bool:
    """Whether two sources hold the same texts at the same places, whether or not one is compressed."""
    first, second, shared = connection.execute(SAME_PLACES, vars(pair)).fetchall()[0]
    return bool(first == second == shared)


def leave_out(
    connection: duckdb.DuckDBPyConnection, pair: Pair, chosen: str, values: dict[str, int]
) -> list[str]:
    """Quarantine the records of `second` that a query chooses and move them in the accounts; say which lines."""
    first, second = (
        connection.execute("SELECT path FROM sources WHERE source_id = ?", [source_id]).fetchall()[0][0]
        for source_id in (pair.first, pair.second)
    )
    marked = {"second": pair.second, "reason": f"{AGAIN}it stands in {first} too"}
    connection.execute(LEAVE_OUT.format(chosen=chosen), {**values, **marked})
    lines, line_no, last = connection.execute(LEFT_OUT, marked).fetchall()[0]
    if not lines:
        return []
    connection.execute(MOVE_ACCOUNTS, marked)
    return [f"{second}: {lines:,} lines from {line_no} to {last} stand in {first} too"]
