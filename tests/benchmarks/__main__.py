"""`make bench`: each figure beside its rival, alternating in one run.

python -m tests.benchmarks [--lines N] [--rounds N] [--only load|memory|duplicates|report]
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from analysis import engine
from analysis.evidence import sql
from analysis.schema import table
from analysis.signals.duplicates import pairs, repeats
from tests.benchmarks.logs import write_log
from tests.benchmarks.ours import load_log
from tests.benchmarks.rivals import REGEX, SPLIT, load_with

CASE = Path("data/cases/jobs-complete")
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
    given = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        for what, bench in (
            ("load", load),
            ("memory", memory),
            ("duplicates", duplicates),
            ("report", report),
        ):
            if given.only in (None, what):
                bench(folder, given.lines, given.rounds)


def alternating(rounds: int, **runs: Callable[[], object]) -> dict[str, float]:
    """The median seconds of each run, taken in turn."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            started = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - started)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def load(folder: Path, lines: int, rounds: int) -> None:
    """Loading against what DuckDB does alone, without folding, offsets or hash."""
    log, database = folder / "app.log", folder / "bench.duckdb"
    write_log(log, lines)

    def fresh(run: Callable[[], object]) -> Callable[[], object]:
        def once() -> None:
            database.unlink(missing_ok=True)
            run()

        return once

    found = alternating(
        rounds,
        ours=fresh(lambda: load_log(log, database)),
        split=fresh(lambda: load_with(SPLIT, log, database)),
        regex=fresh(lambda: load_with(REGEX, log, database)),
    )
    say(f"load {lines:,} lines", found, split=1.5, regex=0.4)
    log.unlink()


def memory(folder: Path, lines: int, rounds: int) -> None:
    """Peak memory of a load in a process of its own, at a fifth, all, and twice the lines."""
    for count in (lines // 5, lines, 2 * lines):
        log = folder / "app.log"
        write_log(log, count)
        command = [sys.executable, "-m", "tests.benchmarks.ours", str(log), str(folder / "bench.duckdb")]
        peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        print(f"memory, {count:,} lines: {peak} MB peak (bar 700)", flush=True)
        (folder / "bench.duckdb").unlink()
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
            ours=lambda: connection.execute(query).fetchall(),
            count=lambda: connection.execute(PER_MINUTE).fetchall(),
        )
    say(f"duplicates in {lines:,} requests", found, count=2.0)


def report(folder: Path, lines: int, rounds: int) -> None:
    """The report on the bundled case, warm."""
    command = [sys.executable, "-m", "analysis", "report", str(CASE), "--out", str(folder / "report")]
    subprocess.run(command, check=True, capture_output=True)
    found = alternating(rounds, ours=lambda: subprocess.run(command, check=True, capture_output=True))
    print(f"report, warm: {found['ours']:.1f} s (bar 20)", flush=True)


def say(what: str, found: dict[str, float], **bars: float) -> None:
    print(f"{what}: ours {found['ours']:.2f} s", flush=True)
    for rival, bar in bars.items():
        print(f"  {rival} {found[rival]:.2f} s: {found['ours'] / found[rival]:.2f} x (bar {bar})", flush=True)


if __name__ == "__main__":
    main()
