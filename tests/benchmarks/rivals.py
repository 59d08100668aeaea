"""What DuckDB alone does of the same job, as fast as it can: no folding, no offsets, no hash, no bounds."""

from pathlib import Path
from typing import Final

import duckdb

LINES: Final = """read_csv($path, columns = {'line': 'VARCHAR'}, header = false, auto_detect = false, delim = '\x01',
    quote = '', escape = '', strict_mode = false, max_line_size = 10000000)"""
SPLIT: Final = f"""
CREATE TABLE lines AS
SELECT TRY_CAST(cells[1] AS TIMESTAMP) AS logged_at, cells[2] AS level, cells[3] AS logger, cells[4] AS method,
       cells[5] AS path, TRY_CAST(cells[6] AS INTEGER) AS status, cells[7] AS duration, cells[8] AS job,
       cells[9] AS user_id, cells[10] AS request_id, line
FROM (SELECT line, string_split(line, ' ') AS cells FROM {LINES})
"""
TEN_GROUPS: Final = (
    r"^(\S+) (\S+) (\S+) (\S+) (\S+) (\d+) (\d+)ms job_id=(\S+) user=(\S+) request_id=(\S+)$",
    ["logged_at", "level", "logger", "method", "path", "status", "duration", "job", "user_id", "request_id"],
)
REGEX: Final = f"""
CREATE TABLE lines AS
SELECT unnest(regexp_extract(line, '{TEN_GROUPS[0]}', {TEN_GROUPS[1]})), line FROM {LINES}
"""
JSON: Final = """
CREATE TABLE lines AS
SELECT * FROM read_json($path, format = 'newline_delimited', columns = {ts: 'TIMESTAMP', level: 'VARCHAR',
    logger: 'VARCHAR', method: 'VARCHAR', path: 'VARCHAR', status: 'INTEGER', duration_ms: 'DOUBLE',
    job_id: 'VARCHAR', user: 'VARCHAR', request_id: 'VARCHAR'})
"""
COMBINED: Final = (
    r'^(\S+) \S+ (\S+) \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d{3}) (\d+|-) "([^"]*)" "([^"]*)"',
    ["client_ip", "user_id", "logged_at", "method", "path", "status", "bytes", "referrer", "agent"],
)
NGINX: Final = f"""
CREATE TABLE lines AS
SELECT unnest(regexp_extract(line, '{COMBINED[0]}', {COMBINED[1]})), line FROM {LINES}
"""
SCANS: Final = {
    "text": {"split": SPLIT, "regex": REGEX},
    "json": {"read_json": JSON},
    "nginx": {"regex": NGINX},
    "gz": {"split": SPLIT},
    "zst": {"split": SPLIT},
}
"""Kind of log -> name of the rival -> its query."""


def load_with(query: str, log: Path, database: Path) -> None:
    """Run one rival's query into a database file, as ours is: same memory limit, checkpointed."""
    with duckdb.connect(str(database)) as connection:
        connection.execute("SET memory_limit='1GB'")
        connection.execute(query, {"path": str(log)})
        connection.execute("CHECKPOINT")
