"""What others do of the same job, as fast as DuckDB alone can: no folding, no offsets, no hash, no bounds."""

from pathlib import Path

import duckdb

LINES = """read_csv($path, columns = {'line': 'VARCHAR'}, header = false, auto_detect = false, delim = '\x01',
    quote = '', escape = '', strict_mode = false, max_line_size = 10000000)"""
SPLIT = f"""
CREATE TABLE lines AS
SELECT TRY_CAST(cells[1] AS TIMESTAMP) AS logged_at, cells[2] AS level, cells[3] AS logger, cells[4] AS method,
       cells[5] AS path, TRY_CAST(cells[6] AS INTEGER) AS status, cells[7] AS duration, cells[8] AS job,
       cells[9] AS user_id, cells[10] AS request_id, line
FROM (SELECT line, string_split(line, ' ') AS cells FROM {LINES})
"""
TEN_GROUPS = (
    r"^(\S+) (\S+) (\S+) (\S+) (\S+) (\d+) (\d+)ms job_id=(\S+) user=(\S+) request_id=(\S+)$",
    ["logged_at", "level", "logger", "method", "path", "status", "duration", "job", "user_id", "request_id"],
)
REGEX = f"""
CREATE TABLE lines AS
SELECT unnest(regexp_extract(line, '{TEN_GROUPS[0]}', {TEN_GROUPS[1]})), line FROM {LINES}
"""


def load_with(query: str, log: Path, database: Path) -> None:
    """Run one rival's query into a database file, as ours is: same memory limit, checkpointed."""
    with duckdb.connect(str(database)) as connection:
        connection.execute("SET memory_limit='1GB'")
        connection.execute(query, {"path": str(log)})
        connection.execute("CHECKPOINT")
