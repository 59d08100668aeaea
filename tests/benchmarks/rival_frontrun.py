"""Our re-enactment beside frontrun 0.7 on four handlers of the zoo and their twins, one server for all; by hand.

python -m tests.benchmarks.rival_frontrun FOLDER [--seconds 120]: FOLDER is the `bin` of an environment of its own with
`pip install 'frontrun[sql,process]==0.7.0' 'django>=5.2,<5.3' 'psycopg[binary]' psycopg2-binary`. It is given an
invariant for each handler, written by hand; ours has none.
"""

import argparse
import json
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from analysis.replay.server import Server, running
from tests.zoo.score import Enacted, enacted
from tests.zoo.truth import Handler, handlers

CHILD = Path(__file__).with_name("rival_frontrun_child.py")
RACY = ("close_with_row", "redeem", "buy_ticket", "write_invoice")
WAYS = (("threads", 2), ("threads", 3), ("processes", 3))
REPEATS = 10


@dataclass(frozen=True)
class Row:
    """One tool on one handler: did it find a race, in how many runs and seconds, how often again, was it through?"""

    handler: str
    tool: str
    answer: str
    runs: int
    seconds: float
    again: str
    complete: bool


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path, help="where frontrun and its python are")
    options.add_argument("--seconds", type=float, default=120, help="limit for one handler")
    options.add_argument("--only", action="append", help="racy handlers, with their twins")
    given = options.parse_args()
    known = handlers()
    with running() as server:
        for number, handler in enumerate(known):
            if handler.name in (given.only or RACY):
                for each in (handler, known[number + 1]):
                    for row in rows(server, each, given.folder, given.seconds):
                        print(line(row), flush=True)


def rows(server: Server, handler: Handler, folder: Path, seconds: float) -> Iterator[Row]:
    yield ours(server, handler)
    for how, driver in WAYS:
        yield theirs(server, handler, folder, how, driver, seconds)


def ours(server: Server, handler: Handler) -> Row:
    """The whole of it: the application opened, alone, in turn, every distinguishable order, and the witness again."""
    began = time.monotonic()
    with enacted(server, handler) as found:
        seconds = time.monotonic() - began
        again = repeated(found) if found.witness else "-"
        answer = found.verdict if found.verdict != "safe" else "holds"
        order = found.exploration
        return Row(handler.name, "ours", answer, order.explored, seconds, again, order.complete)


def repeated(found: Enacted) -> str:
    assert found.witness is not None
    same = [found.play(found.witness.choices) == found.witness for _ in range(REPEATS)]
    return f"{sum(same)} of {REPEATS}"


def theirs(server: Server, handler: Handler, folder: Path, how: str, driver: int, seconds: float) -> Row:
    began = time.monotonic()
    with server.database() as name:
        database = json.dumps(server.django(name))
        command = [folder / "frontrun", folder / "python", CHILD.name, handler.name, how, str(driver)]
        try:
            ran = subprocess.run(
                [*command, str(seconds), database],
                cwd=CHILD.parent,
                capture_output=True,
                text=True,
                timeout=seconds + 60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return Row(handler.name, f"{how}, psycopg {driver}", "no end", 0, seconds + 60, "-", False)
    said = [text for text in ran.stdout.splitlines() if text.startswith("{")]
    tool = f"frontrun, {how}, psycopg {driver}"
    if not said:
        last = (ran.stderr.strip().splitlines() or ["nothing"])[-1]
        return Row(handler.name, tool, f"failed: {last[:80]}", 0, time.monotonic() - began, "-", False)
    found = json.loads(said[-1])
    again = f"{found['reproduced']} of {found['repeats']}" if found["repeats"] else "-"
    answer = answer_of(found)
    reached = bool(found["exhausted"]) or answer == "race"
    return Row(handler.name, tool, answer, found["explored"], found["seconds"], again, reached)


def answer_of(found: dict[str, object]) -> str:
    if found["holds"]:
        return "holds"
    return "gives up: locks" if "[nondeterministic]" in str(found["why"]) else "race"


def line(row: Row) -> str:
    through = "complete" if row.complete else "cut off"
    return (
        f"{row.handler:34} {row.tool:32} {row.answer:18} {row.runs:5} runs {row.seconds:6.1f} s  "
        f"again {row.again:9} {through}"
    )


if __name__ == "__main__":
    main()
