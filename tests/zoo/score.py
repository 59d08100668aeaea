"""Reads and re-enacts the handlers of the zoo: is every racy one convicted, every twin acquitted?"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from analysis.replay.app import Application, Enactment
from analysis.replay.mechanism import NO, YES, Signature, explains
from analysis.replay.oracle import ANOMALY, FAILURE, STUCK, Judgement, judge
from analysis.replay.outcomes import read_keys
from analysis.replay.runs import Run
from analysis.replay.schedule import Exploration, explore
from analysis.replay.server import Server
from analysis.source import hits_in
from analysis.source.hits import Hit
from analysis.source.trees import FolderTree
from tests.zoo.truth import SETUP, Handler

ORDERS = ((0, 1), (1, 0))


@dataclass(frozen=True)
class Score:
    """What was found of one handler. `wrong`: what differs from the truth, in words; empty if nothing does."""

    handler: Handler
    hits: tuple[Hit, ...]
    verdict: str
    explored: int
    orders: str  # how many there are, when they were counted
    seconds: float
    wrong: tuple[str, ...]


def score(server: Server, handler: Handler, all_orders: bool = False) -> Score:
    """In: all_orders: play every order, also those that cannot be told apart, and compare the outcomes."""
    began = time.monotonic()
    hits = hits_in(FolderTree(handler.site), handler.file, handler.view, followed=True)
    with enacted(server, handler) as found:
        wrong = [*wrong_hits(handler, hits), *found.wrong()]
        seconds = time.monotonic() - began
        orders = ""
        if all_orders:
            full = explore(found.play, prune=False, isolation=found.isolation)
            orders = f"{full.explored}{'' if full.complete else '+'}"
            if {outcome(run) for run in full.runs} != {outcome(run) for run in found.exploration.runs}:
                wrong.append("all orders give other outcomes than those that were explored")
    return Score(
        handler,
        tuple(hits),
        found.verdict,
        found.exploration.explored,
        orders,
        seconds,
        tuple(wrong),
    )


def wrong_hits(handler: Handler, hits: list[Hit]) -> list[str]:
    """A racy view has a hit of the right class and lines; a twin has none."""
    if any(names(hit, handler) for hit in hits) or not (hits or handler.check):
        return []
    said = "; ".join(f"{hit.check} {hit.read}, {hit.test}, {hit.act}" for hit in hits) or "nothing"
    lines = ", ".join(str(handler.lines.get(mark)) for mark in ("read", "test", "act"))
    return [f"read: wanted {f'{handler.check} {lines}' if handler.check else 'nothing'}, got {said}"]


def names(hit: Hit, handler: Handler) -> bool:
    """Has the hit the right class and lines? A read in another function is told there or where that is called."""
    return (
        hit.check == handler.check
        and handler.lines.get("read", hit.read) in {hit.read, *hit.reads}
        and hit.test == handler.lines.get("test")
        and hit.act == handler.lines.get("act")
    )


@dataclass(frozen=True)
class Enacted:
    """One handler's re-enactment: alone, in turn, in every distinguishable order."""

    handler: Handler
    enactment: Enactment
    alone: Run
    exploration: Exploration
    judgement: Judgement

    @property
    def isolation(self) -> str:
        return self.handler.isolation.lower()

    def play(self, choices: tuple[int, ...]) -> Run:
        return self.enactment.run(choices, self.isolation)

    @property
    def verdict(self) -> str:
        """As truth.toml says it; else why there is none: "not re-enacted", "stuck", "bounded"."""
        found = self.judgement
        answers = (
            ("not re-enacted", self.control()),
            ("failure", found.of(FAILURE)),
            ("anomaly", found.of(ANOMALY)),
            ("stuck", found.of(STUCK)),
            ("bounded", not self.exploration.complete),
            ("duplicate effect", found.duplicates),
        )
        return next((answer for answer, there in answers if there), "safe")

    @property
    def witness(self) -> Run | None:
        return self.judgement.bad[0].run if self.judgement.bad else None

    def control(self) -> list[str]:
        """The positive control: alone the request succeeds, and executes the marked lines."""
        answer = self.alone.responses[0]
        missed = [str(line) for line in self.handler.lines.values() if str(line) not in answer.lines]
        wrong = [f"alone: line {line} was not executed" for line in missed]
        if answer.status != self.handler.status:
            wrong.append(f"alone: wanted {self.handler.status}, got {answer.status}")
        return wrong

    def wrong(self) -> list[str]:
        """What differs from the truth."""
        wrong = self.control()
        if not wrong and self.verdict != self.handler.verdict:
            wrong.append(f"enacted: wanted {self.handler.verdict}, got {self.verdict}")
        if self.handler.sqlstate:
            signature = Signature(500, self.handler.sqlstate, self.handler.constraint)
            mechanism = explains(self.exploration, signature, self.judgement)
            if mechanism.answer != (YES if self.handler.explains else NO):
                wrong.append(f"mechanism: {mechanism.reason}")
        return wrong


@contextmanager
def enacted(server: Server, handler: Handler) -> Iterator[Enacted]:
    """The application is open until the block ends, so that orders can be played again."""
    application = Application(handler.site, settings="config.settings")
    files = {handler.file} | {line.path for line in handler.lines.values()}
    isolation = handler.isolation.lower()
    with Enactment(server, application, SETUP, handler.evidence) as enactment:
        alone = enactment.alone(0, files)
        serial = [enactment.serial(order, isolation) for order in ORDERS for _ in range(2)]
        exploration = explore(lambda choices: enactment.run(choices, isolation), isolation=isolation)
        keys = read_keys(enactment.catalog, enactment.fixture)
        yield Enacted(handler, enactment, alone, exploration, judge(serial, exploration.runs, keys))


def outcome(run: Run) -> str:
    """What came of a run, as text: the answers and the rows."""
    answers = [(each.status, each.body) for each in run.responses]
    return repr((answers, sorted(run.rows.items()), run.deadlock))
