"""Our loader on one log: python -m tests.benchmarks.ours KIND LOG DATABASE prints the peak memory in MB."""

import resource
import sys
from pathlib import Path

import duckdb

from analysis.case import Case, Fields, SourceSpec
from analysis.evidence import sql
from analysis.evidence.load import Settings, create_tables, load_source
from analysis.evidence.seal import check_accounts
from analysis.evidence.sources import find_sources
from analysis.store import quiet

FORMATS = {"text": "render_export", "json": "json_lines", "nginx": "nginx_combined"}
"""Kind of log -> its format; gz and zst hold text."""


def load_log(kind: str, log: Path, database: Path) -> None:
    """Records and requests of a log into a database file, folded, with offsets and SHA-256, accounts checked."""
    fields = Fields(entity="job_id", user="user", request_id="request_id")
    case = Case(
        log.parent, "bench", (SourceSpec(log.name, FORMATS.get(kind, "render_export")),), fields=fields
    )
    with duckdb.connect(str(database)) as connection:
        connection.execute(sql.MEMORY)
        create_tables(connection)
        for source in find_sources(case)[0]:
            load_source(connection, source, Settings(case), 1, quiet)
        check_accounts(connection)
        connection.execute("CHECKPOINT")


def peak_mb() -> int:
    """Peak resident memory of this process. Not ru_maxrss on Linux: a child inherits its parent's peak."""
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = [line for line in status.read_text().splitlines() if line.startswith("VmHWM")]
        return int(line.split()[1]) >> 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 20


if __name__ == "__main__":
    load_log(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
    print(peak_mb())
