"""Several loads at once, and the same load under other circumstances: the tables do not depend on either."""

import gzip
import json
import os
import random
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tests.torture.loading import (
    STORE,
    Tables,
    a_case,
    assert_tidy,
    folder_of,
    load,
    lying_there,
    own_store,
    start,
    undisturbed,
)
from tests.torture.trials import Trial

REQUESTS = 5_000
LOGS = Path(__file__).parents[2] / "data" / "cases" / "jobs-complete" / "logs"
LINES = 3_000  # of each log of that case
ZONES = ("UTC", "Asia/Kolkata", "America/St_Johns", "Pacific/Chatham", "Europe/Berlin")
LOCALES = ("C", "C.UTF-8", "tr_TR.UTF-8")
THREADS = (1, 2, 8)
LOAD = """
import json, sys
import duckdb
connect = duckdb.connect
def with_threads(*given, config=None, **named):
    return connect(*given, config={**(config or {}), "threads": int(sys.argv[2])}, **named)
duckdb.connect = with_threads
import analysis
opened = analysis.open_case(sys.argv[1])
print(json.dumps(opened.manifest.tables))
"""


def at_once(number: int) -> None:
    """Each of several loads ends with the whole tables, or is refused with the number of the one that loads."""
    chance = random.Random(number)
    case = a_case(REQUESTS)
    with own_store():
        waits = [30.0, *(chance.choice([0.05, 0.3, 30.0]) for _ in range(chance.randrange(1, 4)))]
        children = [start(load, str(case.folder), wait_s) for wait_s in waits]
        answers = [child.answer() for child in children]
        for wait_s, answer in zip(waits, answers, strict=True):
            assert answer == undisturbed(REQUESTS) or (wait_s < 30 and was_refused(answer, children)), answer
        assert lying_there(case) == undisturbed(REQUESTS)
        assert_tidy(folder_of(case))


def was_refused(answer: Any, children: list[Any]) -> bool:
    kind, text = answer
    others = [f"process {child.process.pid} is loading this case" for child in children]
    return kind == "LockedError" and any(other in text for other in [*others, "process unknown is"])


@cache
def beginnings() -> dict[str, list[bytes]]:
    """Whole records from the beginnings of the bundled case's logs: requests, errors, statements."""
    found = {}
    for file in sorted(LOGS.glob("*.gz")):
        with gzip.open(file) as lines:
            found[file.stem] = [line for line, _ in zip(lines, range(LINES), strict=False)]
    return found


def write_shuffled(folder: Path, chance: random.Random) -> None:
    """The logs, written and named in an order of chance."""
    formats = {
        "access.log": "gunicorn_access_ms",
        "app.log": "render_export",
        "postgresql.csv": "postgresql_csvlog",
    }
    names = list(formats)
    chance.shuffle(names)
    case = '[fields]\nentity = "job"\nuser = "user"\nrequest_id = "request_id"\n'
    for name in names:
        (folder / name).write_bytes(b"".join(beginnings()[name]))
        case += f'[[source]]\npath = "{name}"\nformat = "{formats[name]}"\nclock = "host"\n'
    (folder / "case.toml").write_text(case)


def loaded_under(number: int) -> Tables:
    """The tables of a load whose circumstances `number` decides."""
    chance = random.Random(number)
    with tempfile.TemporaryDirectory(prefix="torture-order-") as name, own_store() as here:
        write_shuffled(Path(name), chance)
        around = {
            "PYTHONHASHSEED": str(number),
            "TZ": ZONES[number % len(ZONES)],
            "LC_ALL": LOCALES[number % len(LOCALES)],
            STORE: str(here),
        }
        command = [sys.executable, "-c", LOAD, name, str(chance.choice(THREADS))]
        done = subprocess.run(
            command, env={**os.environ, **around}, capture_output=True, text=True, check=True
        )
        tables: Tables = json.loads(done.stdout)
        return tables


@cache
def first_tables() -> Tables:
    return loaded_under(0)


def same_tables(number: int) -> None:
    tables = loaded_under(number + 1)
    assert all(tables[name]["rows"] for name in ("requests", "exceptions", "statements", "links")), tables
    assert tables == first_tables()


TRIALS: tuple[Trial, ...] = (
    Trial("at-once", "two to four loaders at once", 50, at_once, 2),
    Trial("same-tables", "hash seed, threads, zone, locale, order of files", 20, same_tables),
)
