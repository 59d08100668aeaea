"""Lines exported twice, against what is known of how they were cut; logs of several machines, which only look alike."""

import gzip
import random
import tempfile
from datetime import datetime, timedelta
from pathlib import Path

from analysis.case import read_case
from analysis.evidence.overlaps import TRANSITIONS
from analysis.schema import AGAIN
from analysis.store import open_loaded
from tests.torture.loading import own_store
from tests.torture.trials import Trial

START = datetime(2026, 11, 24, 9)
ENOUGH = 2 * TRANSITIONS
"""Different stamps that two exports share where their overlap must be told: a run's, and as many to spare."""

VERBS = ("completed", "started", "failed", "queued", "assigned", "archived")
LEFT_OUT = """
SELECT path, records, coalesce(sum(q.line_count) FILTER (starts_with(reason, ?)), 0)::BIGINT
FROM sources LEFT JOIN quarantine AS q USING (source_id) GROUP BY ALL ORDER BY path
"""


def a_log(chance: random.Random, count: int, step_s: float, kinds: int) -> list[str]:
    """Lines of one machine; the fewer kinds, the more of them are alike."""
    at, lines = START, []
    for _ in range(count):
        at += timedelta(seconds=chance.expovariate(1 / step_s))
        stamp = f"{at:%Y-%m-%dT%H:%M:%S}"
        lines.append(f"{stamp}Z INFO app.jobs job {chance.randrange(kinds)} {chance.choice(VERBS)}\n")
    return lines


def counted(files: dict[str, list[str]], chance: random.Random) -> dict[str, tuple[int, int]]:
    """path -> records that count, lines that are left out; some of the files are compressed."""
    with tempfile.TemporaryDirectory(prefix="torture-copies-") as name, own_store():
        case = ""
        for path, lines in files.items():
            content = "".join(lines).encode()
            zipped = chance.random() < 0.3
            (Path(name) / path).write_bytes(gzip.compress(content) if zipped else content)
            case += f'[[source]]\npath = "{path}"\nformat = "render_export"\n'
        (Path(name) / "case.toml").write_text(case)
        opened = open_loaded(read_case(Path(name)))
        rows = opened.connection.execute(LEFT_OUT, [AGAIN]).fetchall()
        opened.close()
    return {path: (records, again) for path, records, again in rows}


def overlapping(number: int) -> None:
    """Two exports of one log share 40 lines and `ENOUGH` stamps or more: no line is lost, each counts once.

    Lines of the seconds in which the overlap begins and ends may count twice.
    """
    chance = random.Random(number)
    step_s = chance.choice([0.2, 1, 5])
    count = chance.randrange(200, 2000) + round(ENOUGH / step_s)
    log = a_log(chance, count, step_s, chance.choice([50, 5000]))
    stamps = [line[:19] for line in log]
    end = chance.randrange(40, len(log) - 40)
    while len(set(stamps[:end])) < ENOUGH:
        end += 1
    begin = max(0, end - chance.randrange(40, 160))
    while len(set(stamps[begin:end])) < ENOUGH:
        begin -= 1
    found = counted({"app.log.1": log[:end], "app.log.2": log[begin:]}, chance)
    kept = sum(records for records, _ in found.values())
    border = [stamp for stamp in stamps if stamp in (stamps[begin], stamps[end - 1])]
    assert len(log) <= kept <= len(log) + len(border), (len(log), kept, len(border), found)


def copied(number: int) -> None:
    """One log under two or three names counts once."""
    chance = random.Random(number)
    log = a_log(chance, chance.choice([1, 3, 30, 300]), 1, 50)
    names = [f"copy{each}.log" for each in range(chance.choice([2, 3]))]
    found = counted(dict.fromkeys(names, log), chance)
    assert list(found.values()) == [(len(log), 0), *[(0, len(log))] * (len(names) - 1)], found


def machines(number: int) -> None:
    """Logs of machines that share health checks, the same jobs or a start at the same second: nothing is left out."""
    chance = random.Random(number)
    beats = [
        f"{START + timedelta(seconds=each):%Y-%m-%dT%H:%M:%S}Z INFO app.health alive {each % chance.choice([1, 3])}\n"
        for each in range(0, 600, chance.choice([1, 2, 10]))
    ]
    begin = [f"2026-11-24T09:00:0{each // 10}Z INFO app step {each} of start\n" for each in range(50)]
    files = {}
    for machine in range(chance.randrange(2, 5)):
        own = a_log(chance, chance.randrange(100, 600), chance.choice([0.5, 2]), chance.choice([20, 5000]))
        own = [line for line in own if line[:19] > "2026-11-24T09:00:06"]
        shared = begin * (number % 2) + [line for line in beats if line[:19] > "2026-11-24T09:00:06"]
        files[f"host{machine}.log"] = sorted([*shared, *own], key=lambda line: line[:19])
    found = counted(files, chance)
    assert found == {path: (len(lines), 0) for path, lines in files.items()}, found


TRIALS: tuple[Trial, ...] = (
    Trial("copied", "the same content under other names", 60, copied, 2),
    Trial("overlapping", "exports that overlap", 200, overlapping, 3),
    Trial("machines", "logs of several machines that look alike (no overlap)", 200, machines, 3),
)
