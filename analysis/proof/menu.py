"""Fixes tried: each applied to a scratch copy and re-enacted in full; kept only if no order breaks it."""

import re
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from analysis.proof.enacted import MOST, Enacted, enact
from analysis.replay.app import Application, CannotEnact, Enactment
from analysis.replay.oracle import STUCK, NotComparable
from analysis.replay.runs import Run
from analysis.replay.schedule import Diverged
from analysis.replay.server import Server
from analysis.safe_text import mask_secrets
from analysis.source.fixes import menu
from analysis.source.fixes.apply import OutsideTheCopy, PatchDoesNotApply, check_applies, write_copy
from analysis.source.fixes.models import read_models
from analysis.source.fixes.placebos import PLACEBOS
from analysis.source.fixes.proposals import Declined, NotOffered, Proposal
from analysis.source.fixes.sites import open_site
from analysis.source.hits import Hit
from analysis.source.modules import Code
from analysis.source.trees import Tree

AT_ONCE: Final = 2
SNAPSHOTS: Final = ("repeatable read", "serializable")
SNAPSHOTS_STAY: Final = (
    "at {} a request that waited for a lock goes on reading what its transaction saw at first: no lock of the menu "
    "helps, but the lock at READ COMMITTED does, or SERIALIZABLE with the transaction run again on SQLSTATE 40001"
)
SCRATCH: Final = re.compile(r"/\S*?/(?:fix|race-home|patch)-[^/\s]+/(?:app/|tree/)?")


@dataclass(frozen=True)
class Stage:
    """What a state of the application is enacted with."""

    server: Server
    application: Application
    setup: Path
    evidence: dict[str, Any]
    isolation: str | None = None

    def at(self, root: Path) -> Enactment:
        """The application in another folder, opened by the caller's `with`."""
        return Enactment(self.server, replace(self.application, root=root), self.setup, self.evidence)


@dataclass(frozen=True)
class Tried:
    """A fix, and what became of it.

    `kept`    no order of it is an anomaly or a failure, and every order was played
    `waits`   statements of one request during which the other one waits, at most
    `lines`   that the patch adds and takes away
    `losers`  what the one that came too late is answered, in the orders played
    """

    proposal: Proposal
    enacted: Enacted | None
    kept: bool
    reason: str
    waits: int = 0
    lines: int = 0
    losers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Menu:
    """Every fix tried, the best first; what was not offered, and why; what is known to do nothing, tried too."""

    tried: tuple[Tried, ...]
    declined: tuple[Declined, ...]
    placebos: tuple[Tried, ...]

    @property
    def best(self) -> Tried | None:
        return next((each for each in self.tried if each.kept), None)


def try_menu(stage: Stage, tree: Tree, hits: Sequence[Hit]) -> Menu:
    """Propose fixes for the hits of one function, re-enact each, and rank them.

    Ranked by: kept, then how long the other request waits, then the size of the patch.
    """
    proposals: dict[str, Proposal] = {}
    declined: dict[str, Declined] = {}
    for hit in hits:
        for each in menu(tree, hit):
            if isinstance(each, Proposal):
                proposals.setdefault(each.diff, each)
            else:
                declined.setdefault(each.name, each)
    named = {each.name for each in proposals.values()}
    nothing = placebos_for(tree, hits)
    with ThreadPoolExecutor(AT_ONCE) as pool:
        tried = list(pool.map(lambda each: try_fix(stage, tree, each), [*proposals.values(), *nothing]))
    fixes, controls = tried[: len(proposals)], tried[len(proposals) :]
    ranked = sorted(fixes, key=lambda each: (not each.kept, each.waits, each.lines, each.proposal.name))
    return Menu(
        tuple(ranked), tuple(each for each in declined.values() if each.name not in named), tuple(controls)
    )


def placebos_for(tree: Tree, hits: Sequence[Hit]) -> list[Proposal]:
    """The changes known to do nothing, as far as they fit the first hit."""
    found: list[Proposal] = []
    source = Code(tree)
    models = read_models(source)
    for hit in hits[:1]:
        for placebo in PLACEBOS:
            try:
                found.append(placebo(open_site(source, hit, models)))
            except NotOffered:
                continue
    return found


def try_fix(stage: Stage, tree: Tree, proposal: Proposal) -> Tried:
    """One fix in a scratch copy, every order of it played."""
    lines = sum(changed(line) for line in proposal.diff.splitlines())
    try:
        check_applies(tree, proposal)
        with tempfile.TemporaryDirectory(prefix="fix-") as folder:
            copy = Path(folder) / "app"
            write_copy(stage.application.root, proposal.files, copy)
            with stage.at(copy) as enactment:
                found = enact(enactment, stage.isolation, until_broken=True)
    except (PatchDoesNotApply, OutsideTheCopy, CannotEnact, Diverged, NotComparable) as error:
        why = SCRATCH.sub("", str(error))  # whose name differs each time
        return Tried(proposal, None, False, f"could not be re-enacted: {why}", lines=lines)
    kept, reason = verdict(found)
    if not kept and (level := stage.isolation or enactment.isolation) in SNAPSHOTS:
        reason = f"{reason}; {SNAPSHOTS_STAY.format(level.upper())}"
    runs = found.exploration.runs
    waits = max((waited(run) for run in runs), default=0)
    return Tried(proposal, found, kept, reason, waits, lines, losers(runs))


def changed(line: str) -> bool:
    return line[:1] in "+-" and not line.startswith(("+++", "---"))


def verdict(found: Enacted) -> tuple[bool, str]:
    """Whether a fix is kept, and why or why not."""
    if found.judgement.bad:
        return False, found.judgement.bad[0].reason
    if not found.judgement.safe:
        stuck = found.judgement.of(STUCK)
        return (
            False,
            f"not every order could be played: {stuck[0].reason}" if stuck else "an invariant does not hold",
        )
    if not found.exploration.complete:
        return False, f"not every order was played: {found.exploration.bounded}"
    if any(run.responses[0].status >= 400 for run in found.alone):
        return False, f"alone, a request is answered {found.alone[0].responses[0].status}"
    return True, f"none of {len(found.exploration.runs)} distinguishable orders breaks it"


def waited(run: Run) -> int:
    """How many steps of others took effect while one waited, at most."""
    spans = [
        step.through - number
        for number, step in enumerate(run.steps)
        if step.waited and step.through is not None
    ]
    return max(spans, default=0)


def losers(runs: Iterable[Run]) -> tuple[str, ...]:
    """What the one that came too late is answered: the worst answer of each run, each once.

    Of a refusal with its text; that of a success may hold the time of day.
    """
    worst = [max(run.responses, key=lambda each: each.status) for run in runs]
    told = (
        f"{each.status} {mask_secrets(each.body[:MOST])[:120]}" if each.status >= 400 else str(each.status)
        for each in worst
    )
    return tuple(dict.fromkeys(each.strip() for each in told))
