"""One state of the application, re-enacted: alone, one after the other, and in every distinguishable order."""

from collections.abc import Iterable
from dataclasses import dataclass

from analysis.replay.app import Enactment
from analysis.replay.independence import ISOLATIONS
from analysis.replay.oracle import Judgement, judge
from analysis.replay.outcomes import Keys, read_keys
from analysis.replay.runs import Run
from analysis.replay.schedule import BOUND, Exploration, explore
from analysis.safe_text import mask_secrets
from analysis.source.hits import Hit, Place

ORDERS = ((0, 1), (1, 0))
MOST = 2_000
"""Characters of an answer that are looked at; secrets in them are masked before it is cut to what is shown."""


class ControlFailed(Exception):
    """Alone, a request does not do what production's did: what follows would prove nothing."""


@dataclass(frozen=True)
class Enacted:
    """What was played of one state of the application.

    `alone`        each request with nobody beside it: the positive control
    `serial`       one after the other, each order three times, before the others and after them
    `exploration`  side by side
    `judgement`    what these orders come to, against what the serial ones do
    `keys`         of the tables, and the rows before each run
    `notes`        what was replaced in the application's settings and matters
    """

    alone: tuple[Run, ...]
    serial: tuple[Run, ...]
    exploration: Exploration
    judgement: Judgement
    keys: Keys
    notes: tuple[str, ...] = ()


def enact(
    enactment: Enactment, isolation: str | None = None, bound: int = BOUND, until_broken: bool = False
) -> Enacted:
    """Play everything that there is to play.

    In:   until_broken: stop at the first order that a serial one does not explain
    """
    alone = tuple(enactment.alone(number) for number in range(len(enactment.requests)))
    serial = tuple(enactment.serial(order, isolation) for order in ORDERS for _ in range(2))
    keys = read_keys(enactment.catalog, enactment.fixture)
    exploration = explore(
        lambda choices: enactment.run(choices, isolation),
        bound,
        isolation=isolation or level_of(enactment, (*alone, *serial)),
        until=lambda run: until_broken and bool(judge(serial, [run], keys).bad),
    )
    # Again at the end: what differs between equal runs as far apart as can be is no order's doing.
    serial += tuple(enactment.serial(order, isolation) for order in ORDERS)
    return Enacted(alone, serial, exploration, judge(serial, exploration.runs, keys), keys, enactment.notes)


def level_of(enactment: Enactment, runs: Iterable[Run]) -> str | None:
    """The isolation level of the transactions; None, which is never wrong, where a statement chooses one."""
    chosen = any("ISOLATION LEVEL" in step.sql.upper() for run in runs for step in run.steps)
    return None if chosen or enactment.isolation not in ISOLATIONS else enactment.isolation


def control(enactment: Enactment, hit: Hit, success: int | None) -> tuple[Run, ...]:
    """Each request alone: it must be answered as production's was, and run the lines that read, check and act.

    In:   success: the status of production's; None: not known, then any below 400
    Raises: ControlFailed
    """
    places = [place for place in (hit.read, hit.test, hit.act) if place is not None]
    runs = tuple(
        enactment.alone(number, sorted({place.path for place in places}))
        for number in range(len(enactment.requests))
    )
    for number, run in enumerate(runs):
        refuse(number, run, places, success)
    return runs


def refuse(number: int, run: Run, places: Iterable[Place], success: int | None) -> None:
    """Raises: ControlFailed"""
    name, response = "AB"[number], run.responses[0]
    wanted = f"{success}" if success is not None else "a status below 400"
    if response.status != success if success is not None else response.status >= 400:
        raised = f", by {response.error.type}: {response.error.message}" if response.error else ""
        raise ControlFailed(
            f"request {name} alone is answered {response.status}{raised}, not {wanted} as in production: "
            f"{mask_secrets(response.body[:MOST])[:200]!r}. Mend the rows or the requests in the case's setup.py"
        )
    missed = [str(place) for place in places if str(place) not in response.lines]
    if missed:
        raise ControlFailed(
            f"request {name} alone is answered {response.status} without running {', '.join(missed)}: "
            "it takes another way through the code than the accused one. Mend the rows or the requests in setup.py"
        )
