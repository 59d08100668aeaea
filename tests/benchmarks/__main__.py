"""`make bench`: each figure beside its rival, alternating in one run.

python -m tests.benchmarks [--lines N] [--rounds N] [--only load|memory|duplicates|report] [--kind KIND]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import duckdb

from analysis import engine
from analysis.evidence import sql
from analysis.schema import table
from analysis.signals.duplicates import pairs, repeats
from tests.benchmarks import others
from tests.benchmarks.logs import LINES, write_log
from tests.benchmarks.ours import load_log
from tests.benchmarks.rivals import SCANS, load_with

CASE = Path("data/cases/jobs-complete")
BARS: dict[str, dict[str, float]] = {
    "text": {"split": 1.5, "regex": 0.4},
    "json": {"read_json": 1.0},
    "nginx": {"regex": 0.4},
    "gz": {"split": 1.5},
    "zst": {"split": 1.5},
}
REQUESTS = """
CREATE TABLE requests AS
SELECT i AS record_id, 1 AS source_id, i AS line_no, 'POST' AS method, '/api/jobs/complete' AS route,
       200 AS status, 'user' || user_no AS user_id, job_no::VARCHAR AS entity, 'clock' AS clock,
       'POST /api/jobs/complete ' || job_no || ' user' || user_no AS request_key,
       at_us AS stamp_us, NULL::BIGINT AS repeat_us,
       at_us AS starts_from, at_us + 999 AS starts_by, at_us + 30000 AS ends_from,
       at_us + 30999 AS ends_by
FROM (SELECT range AS i, (hash(range, 1) % 200000)::BIGINT AS job_no, (hash(range, 2) % 20000)::BIGINT AS user_no,
             (hash(range, 3) % 86400000)::BIGINT * 1000 AS at_us FROM range($requests))
UNION ALL BY NAME
SELECT n + $requests AS record_id, 1 AS source_id, n AS line_no, 'POST' AS method, '/api/jobs/complete' AS route,
       500 AS status, 'dup' || i AS user_id, i::VARCHAR AS entity, 'clock' AS clock,
       'POST /api/jobs/complete ' || i || ' dup' || i AS request_key,
       at_us AS stamp_us, NULL::BIGINT AS repeat_us,
       at_us AS starts_from, at_us + 999 AS starts_by, at_us + 30000 AS ends_from,
       at_us + 30999 AS ends_by
FROM (SELECT range AS n, range // 2 AS i, (hash(range // 2, 3) % 86400000)::BIGINT * 1000 + (range % 2) * 7000 AS at_us
      FROM range($requests // 100))
"""
PER_MINUTE = """
SELECT starts_by // 60000000 AS minute, count(*), count(*) FILTER (status >= 500) FROM requests GROUP BY ALL
"""


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--lines", type=int, default=5_000_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--only", choices=("load", "memory", "duplicates", "report"))
    options.add_argument(
        "--kind", choices=LINES, action="append", help="kinds of log to load; all if none is named"
    )
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        benches: dict[str, Callable[[], None]] = {
            "load": lambda: load(folder, given.lines, given.rounds, given.kind or LINES),
            "memory": lambda: memory(folder, given.lines),
            "duplicates": lambda: duplicates(folder, given.lines, given.rounds),
            "report": lambda: report(folder, given.rounds),
        }
        for what, bench in benches.items():
            if given.only in (None, what):
                bench()


def alternating(rounds: int, runs: Mapping[str, Callable[[], object]]) -> dict[str, float]:
    """The median seconds of each run, taken in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def load(folder: Path, lines: int, rounds: int, kinds: Iterable[str]) -> None:
    """Loading each kind of log against what DuckDB does alone, and against other tools in processes of their own."""
    database, out = folder / "bench.duckdb", folder / "bench.parquet"

    def fresh(run: Callable[[Path, Path], object], log: Path) -> Callable[[], object]:
        def once() -> None:
            database.unlink(missing_ok=True)
            run(log, database)

        return once

    for kind in kinds:
        log = write_log(folder, kind, lines)
        runs = {"ours": fresh(partial(load_log, kind), log)}
        runs |= {name: fresh(partial(load_with, query), log) for name, query in SCANS[kind].items()}
        runs |= {tool: partial(others.run, tool, kind, log, out) for tool in others.able(kind)}
        found = alternating(rounds, runs)
        print(f"load {lines:,} lines of {kind}, {log.stat().st_size / 1e6:.0f} MB:", flush=True)
        say(found, BARS[kind])
        for tool in others.able(kind):
            print(f"  {tool}: {others.run(tool, kind, log, out)}", flush=True)
        log.unlink()


def memory(folder: Path, lines: int) -> None:
    """Peak memory of a load in a process of its own, at a fifth, all, and twice the lines."""
    for count in (lines // 5, lines, 2 * lines):
        log, database = write_log(folder, "text", count), folder / "bench.duckdb"
        command = [sys.executable, "-m", "tests.benchmarks.ours", "text", str(log), str(database)]
        peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        print(f"memory, {count:,} lines: {peak} MB peak (bar 700)", flush=True)
        database.unlink()
        log.unlink()


def duplicates(folder: Path, lines: int, rounds: int) -> None:
    """Duplicates within 50 ms against a count per minute, on as many requests as lines."""
    query = engine.to_sql(pairs(table("requests"), 50_000))
    with duckdb.connect(str(folder / "requests.duckdb")) as connection:
        connection.execute(REQUESTS, {"requests": lines})
        started = time.perf_counter()
        fill = sql.SET_REPEATS.replace("stretches", "requests")  # a table here, not a view on one
        connection.execute(fill.format(repeats=engine.to_sql(repeats(table("requests")))))
        print(f"repeats, once at load: {time.perf_counter() - started:.2f} s", flush=True)
        found_pairs = len(connection.execute(query).fetchall())
        assert found_pairs >= lines // 200, f"{found_pairs} pairs found, {lines // 200} were put in"
        found = alternating(
            rounds,
            {
                "ours": lambda: connection.execute(query).fetchall(),
                "count": lambda: connection.execute(PER_MINUTE).fetchall(),
            },
        )
    print(f"duplicates in {lines:,} requests:", flush=True)
    say(found, {"count": 2.0})


def report(folder: Path, rounds: int) -> None:
    """The report on the bundled case, warm."""
    command = [sys.executable, "-m", "analysis", "report", str(CASE), "--out", str(folder / "report")]
    subprocess.run(command, check=True, capture_output=True)
    found = alternating(rounds, {"ours": lambda: subprocess.run(command, check=True, capture_output=True)})
    print(f"report, warm: {found['ours']:.1f} s (bar 20)", flush=True)


def say(found: dict[str, float], bars: Mapping[str, float]) -> None:
    print(f"  ours {found['ours']:.2f} s", flush=True)
    for rival in [name for name in found if name != "ours"]:
        bar = f" (bar {bars[rival]})" if rival in bars else ""
        print(f"  {rival} {found[rival]:.2f} s: {found['ours'] / found[rival]:.2f} x{bar}", flush=True)


if __name__ == "__main__":
    main()
