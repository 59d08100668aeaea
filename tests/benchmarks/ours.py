"""Our loader on one log: python -m tests.benchmarks.ours LOG DATABASE prints the peak memory in MB."""

import resource
import sys
from pathlib import Path

import duckdb

from analysis.case import Case, Fields, SourceSpec
from analysis.evidence import sql
from analysis.evidence.load import Settings, create_tables, find_sources, load_source
from analysis.evidence.seal import check_accounts
from analysis.store import quiet


def load_log(log: Path, database: Path) -> None:
    """Records and requests of a log into a database file, folded, with offsets and SHA-256, accounts checked."""
    fields = Fields(entity="job_id", user="user", request_id="request_id")
    case = Case(log.parent, "bench", (SourceSpec(log.name, "render_export"),), fields=fields)
    with duckdb.connect(str(database)) as connection:
        connection.execute(sql.MEMORY)
        create_tables(connection)
        for source in find_sources(case):
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
    load_log(Path(sys.argv[1]), Path(sys.argv[2]))
    print(peak_mb())
