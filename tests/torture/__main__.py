"""`make torture`: every trial in full, round-robin, going on where the last run stopped.

python -m tests.torture [--minutes N] [--only NAME] [--fresh]
Progress is kept in build/torture.json; a failed number is kept with its traceback and not tried again.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.torture.trials import Trial, all_trials
from tests.torture.worker import Worker

ROOT = Path(__file__).parents[2]
PROGRESS = ROOT / "build" / "torture.json"
TURN_S = 10  # of one trial, before the next has its turn


@dataclass
class Progress:
    """How far one trial has come. code: digest of the package at its last run; failed: number -> traceback."""

    done: int = 0
    seconds: float = 0
    code: str = ""
    mixed: bool = False  # some runs were made on other code
    failed: dict[str, str] = field(default_factory=dict)


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    options.add_argument("--only", metavar="NAME", help="only trials whose name contains this")
    options.add_argument("--fresh", action="store_true", help="forget what was done so far")
    given = options.parse_args()
    trials = {name: each for name, each in all_trials().items() if (given.only or "") in name}
    if not trials:
        sys.exit(f"no trial is named like {given.only!r}; there are: {', '.join(all_trials())}")
    kept = read_progress()
    progress = {name: Progress() if given.fresh else kept.get(name, Progress()) for name in trials}
    with tempfile.TemporaryDirectory(prefix="torture-store-") as store:
        os.environ["RACE_FORENSICS_STORE"] = store
        worker = Worker()
        try:
            for name in turns(trials, progress, time.monotonic() + given.minutes * 60):
                worker = turn(worker, trials[name], progress[name])
                write_progress(kept | progress)
        finally:
            worker.stop()
    print(table(trials, progress))
    sys.exit(any(each.failed for each in progress.values()))


def turns(trials: dict[str, Trial], progress: dict[str, Progress], until: float) -> Iterator[str]:
    """The names of the trials that are not done, in turn, until the time is up."""
    while waiting := [name for name in trials if progress[name].done < trials[name].count]:
        for name in waiting:
            if time.monotonic() > until:
                return
            yield name


def turn(worker: Worker, trial: Trial, progress: Progress) -> Worker:
    """Run some numbers of one trial; the worker to go on with."""
    began = time.monotonic()
    code = digest()
    progress.mixed |= progress.code not in ("", code)
    progress.code = code
    while progress.done < trial.count and time.monotonic() - began < TURN_S:
        failure = worker.run(trial, progress.done)
        if failure is not None:
            progress.failed[str(progress.done)] = failure
            print(f"{trial.name} {progress.done}: {failure}", file=sys.stderr, flush=True)
        if worker.is_lost():
            worker.stop()
            worker = Worker()
        progress.done += 1
    progress.seconds += time.monotonic() - began
    return worker


def digest() -> str:
    """Of everything in the package that decides how a trial ends."""
    files = sorted(path for path in (ROOT / "analysis").rglob("*") if path.suffix in {".py", ".toml"})
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]


def read_progress() -> dict[str, Progress]:
    if not PROGRESS.exists():
        return {}
    return {name: Progress(**each) for name, each in json.loads(PROGRESS.read_text()).items()}


def write_progress(progress: dict[str, Progress]) -> None:
    PROGRESS.parent.mkdir(exist_ok=True)
    temporary = PROGRESS.with_suffix(f".{os.getpid()}")
    temporary.write_text(json.dumps({name: asdict(each) for name, each in progress.items()}, indent=1))
    temporary.replace(PROGRESS)


def table(trials: dict[str, Trial], progress: dict[str, Progress]) -> str:
    """name, threat, done of count, failed, seconds; a * where some runs were made on other code."""
    rows = [("trial", "fault", "done", "count", "failed", "seconds")]
    for name, trial in trials.items():
        one = progress[name]
        done = f"{one.done}{'*' if one.mixed else ''}"
        rows.append((name, trial.threat, done, str(trial.count), str(len(one.failed)), f"{one.seconds:.0f}"))
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "  ".join(
            cell.ljust(width) if column < 2 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    mixed = any(progress[name].mixed for name in trials)
    return "\n".join(
        [*lines, *(["* some runs were made on other code; --fresh starts over"] if mixed else [])]
    )


if __name__ == "__main__":
    main()
