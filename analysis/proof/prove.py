"""The whole chain: an accusation, the code, the re-enactment, the fixes, the gate, the test.

Runs the application's code, so it is done only when asked for: in child processes with a scrubbed environment.
"""

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from analysis.case import App, Case
from analysis.investigation import Investigation
from analysis.proof.enacted import ControlFailed, Enacted, control, enact
from analysis.proof.menu import Menu, Stage, try_menu
from analysis.proof.signature import signature_of
from analysis.proof.team import TeamProof, keep_a_test
from analysis.replay import server
from analysis.replay.app import Application, CannotEnact, Enactment
from analysis.replay.mechanism import NO, YES, Explanation, Signature, explains, gives
from analysis.replay.observed import Followed, follow
from analysis.replay.oracle import STUCK, Judged, NotComparable, judge
from analysis.replay.parts import CannotWriteTest
from analysis.replay.plan import Evidence
from analysis.replay.requests import Setup, setup_of
from analysis.replay.runs import Run
from analysis.replay.schedule import Diverged, Play
from analysis.replay.server import NoServer
from analysis.replay.shrink import witness
from analysis.root_cause import RootCause, root_cause
from analysis.safe_text import mask_secrets, masked_under
from analysis.source.facts import facts_of
from analysis.source.hits import Hit
from analysis.source.trees import FolderTree
from analysis.source.urlconf import Endpoint
from analysis.suspicion import NothingToProve, Suspicion

PROVED: Final = "race proved"
OTHER: Final = "another race than production's"
UNSURE: Final = "race shown, perhaps not production's"
EFFECT: Final = "duplicate effect without a race"
SAFE: Final = "no race"
BOUNDED: Final = "undecided: not every order was played"
NOT_ENACTED: Final = "could not re-enact"
HALTS: Final = (CannotEnact, Diverged, NoServer, NotComparable, OSError, subprocess.SubprocessError)
"""What can end a re-enactment that is under way."""


@dataclass(frozen=True)
class Proof:
    """What the re-enactment of an accusation came to; what was not reached is None.

    `hit`      the check whose lines the requests ran when they were alone
    `witness`  the order with the fewest switches that shows what production saw; where none does, any that is bad
    `observed` the order in which the database log shows the statements, played as it was; `ended`: what it came to
    `drafted`  the setup file, where the case has none of its own and one was written from the code
    `halts`    what could not be done after the race was shown, and why
    """

    cause: RootCause
    verdict: str
    reason: str
    hit: Hit | None = None
    before: Enacted | None = None
    explanation: Explanation | None = None
    witness: Run | None = None
    observed: Followed | None = None
    ended: Judged | None = None
    menu: Menu | None = None
    team: TeamProof | None = None
    drafted: Setup | None = None
    halts: tuple[str, ...] = ()


def prove(case: Investigation, repeats: int = 100) -> Proof:
    """Re-enact what the logs accuse, and look for a fix that no order breaks.

    In:   repeats: how often the gate repeats the generated test, before and after the fix
    Raises: NothingToProve where there is no accusation, no code, or no application to run; TreeMissing; NoServer
    """
    cause = root_cause(case)
    app, own = of_case(case.opened.case)
    evidence = evidence_for(cause.suspicion)
    try:
        setup = setup_of(
            own, facts_of(cause.tree), cause.endpoint or Endpoint(None, None), without_secrets(evidence)
        )
    except (OSError, UnicodeDecodeError) as error:
        raise NothingToProve(
            f"{own}: a Python file in UTF-8 was wanted, this cannot be read: {error}"
        ) from error
    with server.running() as running, setup_file(own, setup) as file:
        stage = Stage(running, app, file, evidence.as_dict())
        found = proved(case, cause, stage, repeats)
    if setup.own:
        return found
    missing = f"; the drafted setup.py lacks: {'; '.join(setup.missing)}" if setup.missing else ""
    reason = found.reason + missing if found.verdict == NOT_ENACTED else found.reason
    return replace(found, drafted=setup, reason=reason)


def proved(case: Investigation, cause: RootCause, stage: Stage, repeats: int) -> Proof:
    """The re-enactment; where it shows a race the menu, and where a fix is kept the gate and the test."""
    try:
        shown = show(cause, stage)
    except (ControlFailed, *HALTS) as error:
        return Proof(cause, NOT_ENACTED, str(error))
    if shown.witness is None or shown.hit is None:
        return shown
    others = [hit for hit in cause.hits if hit != shown.hit and hit.path == shown.hit.path]
    try:
        shown = replace(shown, menu=try_menu(stage, cause.tree, [shown.hit, *others]))
        return replace(shown, team=team_for(case, shown, stage, repeats))
    except (CannotWriteTest, *HALTS) as error:
        what = "no fix was tried" if shown.menu is None else "no test was made"
        return replace(shown, halts=(*shown.halts, f"{what}: {error}"))


def of_case(case: Case) -> tuple[Application, Path]:
    """The application of a case, and where its setup file would be. Raises: NothingToProve"""
    if case.app is None:
        raise NothingToProve(
            "no application to run: add [app] with root and settings to case.toml, and python, if it needs other "
            "packages than the kit's"
        )
    return application(case.folder, case.app), case.folder / case.app.setup


@contextmanager
def setup_file(own: Path, setup: Setup) -> Iterator[Path]:
    """The case's own setup file, or the draft in a temporary one."""
    if setup.own:
        yield own
        return
    with tempfile.TemporaryDirectory(prefix="setup-") as folder:
        file = Path(folder) / "setup.py"
        file.write_text(setup.text, encoding="utf-8")
        yield file


def application(folder: Path, app: App) -> Application:
    given = Application((folder / app.root).resolve(), app.settings or "", environment=dict(app.environment))
    return given if app.python is None else replace(given, python=str(folder / app.python))


def evidence_for(accused: Suspicion) -> Evidence:
    """What the setup file is told of the requests."""
    raised = accused.raised
    key = dict(zip(raised.key_columns, raised.key_values, strict=False)) if raised else {}
    return Evidence(accused.method, accused.path, accused.user, accused.entity, key)


def without_secrets(evidence: Evidence) -> Evidence:
    """The evidence as it may be written into a file: secrets masked."""
    return replace(
        evidence,
        path=mask_secrets(evidence.path),
        entity=evidence.entity and mask_secrets(evidence.entity),
        user=evidence.user and mask_secrets(evidence.user),
        key={name: str(masked_under(name, value)) for name, value in evidence.key.items()},
    )


def show(cause: RootCause, stage: Stage) -> Proof:
    """Alone, one after the other, in every order that can be told apart."""
    accused = cause.suspicion
    refuse_another_state(cause, stage.application.root)
    with stage.at(stage.application.root) as enactment:
        if (given := len(enactment.requests)) < 2:
            raise ControlFailed(f"{stage.setup}: two requests were wanted, requests(rows) gives {given}")
        hit = fitting(cause.hits, enactment, accused.success)
        before = enact(enactment, stage.isolation)
        signature = signature_of(accused)
        explanation = (
            explains(before.exploration, signature, before.judgement, before.serial) if signature else None
        )
        found = Proof(cause, *verdict_of(before, explanation), hit, before, explanation)
        if not before.judgement.bad:
            return found
        wanted = signature if explanation is not None and explanation.answer == YES else None
        return looked_into(found, before, wanted, lambda choices: enactment.run(choices, stage.isolation))


def looked_into(found: Proof, before: Enacted, wanted: Signature | None, play: Play) -> Proof:
    """The witness, and the observed order. In: wanted: what the witness has to show; None: any order that is bad"""
    bad = [each.run for each in before.judgement.bad]
    accused = found.cause.suspicion

    def shows(run: Run) -> bool:
        return run in bad if wanted is None else gives(run, wanted)

    try:
        found = replace(found, witness=witness(bad, play, shows))
        if not accused.statements:
            return found
        observed = follow([(each.worker, each.sql) for each in accused.statements], play)
    except HALTS as error:
        # An order that was played already is as good a witness, only not the shortest.
        return replace(
            found,
            witness=found.witness or next(run for run in bad if shows(run)),
            halts=(f"the observed order could not be played: {error}",),
        )
    ended = judge(before.serial, [observed.run], before.keys).judged[0]
    return replace(found, observed=observed, ended=ended)


def refuse_another_state(cause: RootCause, root: Path) -> None:
    """Raises: ControlFailed where the folder holds other code than that which was read."""
    there = FolderTree(root)
    for path in sorted({place.path for hit in cause.hits for place in (hit.read, hit.act)}):
        if there.read(path) is None:
            raise ControlFailed(
                f"{root} has no {path}, which {cause.read_from} has; [app] root has to be the folder that holds it"
            )
        if there.read(path) != cause.tree.read(path):
            raise ControlFailed(
                f"{root / path} is not as in {cause.read_from}, which was deployed; check that revision out into the "
                "folder that [app] root names"
            )


def fitting(hits: Sequence[Hit], enactment: Enactment, success: int | None) -> Hit:
    """The likeliest hit whose lines both requests run when they are alone.

    Raises: ControlFailed, for the likeliest one, if there is none
    """
    if not hits:
        raise ControlFailed(
            "no check finds a race in the accused function, so nothing says what is to be shown"
        )
    failures = []
    for hit in hits:
        try:
            control(enactment, hit, success)
        except ControlFailed as error:
            failures.append(error)
        else:
            return hit
    raise failures[0]


def verdict_of(before: Enacted, explanation: Explanation | None) -> tuple[str, str]:
    """The verdict on the application as it was, and why.

    A bad order convicts whatever was not played; an acquittal, and "without a race", need every order.
    """
    count, bad = len(before.exploration.runs), len(before.judgement.bad)
    orders = "distinguishable orders" if before.exploration.complete else "orders that were played"
    twice = "one after the other, both requests take effect: the cure is an idempotency key, not a lock"
    if bad and explanation is not None and explanation.answer != YES:
        return OTHER if explanation.answer == NO else UNSURE, explanation.reason
    if bad:
        return PROVED, f"{bad} of {count} {orders} give what no serial order gives"
    if not before.judgement.safe or not before.exploration.complete:
        stuck = next((each.reason for each in before.judgement.of(STUCK)), "")
        why = before.exploration.bounded or f"some orders could not be played to their end: {stuck}"
        return BOUNDED, f"{why}; {twice}" if before.judgement.duplicates else why
    if before.judgement.duplicates:
        return EFFECT, twice
    return SAFE, f"each of {count} {orders} gives what a serial one gives"


def team_for(case: Investigation, shown: Proof, stage: Stage, repeats: int) -> TeamProof | None:
    """The test and its gate, where production's error was shown; without a kept fix it is gated before one only."""
    if shown.menu is None or shown.witness is None or shown.hit is None or shown.verdict != PROVED:
        return None
    best = shown.menu.best
    fix = best.proposal if best is not None else None
    accused = shown.cause.suspicion
    records = [*accused.records, *([accused.raised.record_id] if accused.raised else [])]
    places = [f"{path}:{line}" for path, line in case.places(records)]
    return keep_a_test(stage, shown.hit, accused, places, shown.witness, fix, repeats)
