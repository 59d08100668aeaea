"""The test that the team keeps, and the gate it has to pass, with the chosen fix where there is one."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from analysis.proof.menu import Stage
from analysis.proof.signature import signature_of
from analysis.replay.gate import Gate
from analysis.replay.mechanism import Signature
from analysis.replay.runs import Run
from analysis.replay.teamtest import TeamTest, gate_of
from analysis.replay.testfile import Facts, file_name, render, turns_of
from analysis.source.fixes.proposals import Proposal
from analysis.source.hits import Hit
from analysis.suspicion import Suspicion


@dataclass(frozen=True)
class TeamProof:
    """The generated test, `name` and `source`, and how it came through the gate."""

    name: str
    source: str
    gate: Gate


def keep_a_test(
    stage: Stage,
    hit: Hit,
    accused: Suspicion,
    places: Sequence[str],
    witness: Run,
    fix: Proposal | None,
    repeats: int = 100,
) -> TeamProof:
    """Write the test from the witness, and run it before and after the fix, if any, by the application's own runner.

    In:   places: where the evidence stands: "logs/app.log.gz:88"
    """
    view = f"{hit.path.removesuffix('.py').replace('/', '.')}.{hit.function}"
    facts = Facts(
        view=view,
        endpoint=f"{accused.method} {accused.path}",
        happened=happened(hit, accused),
        sources=tuple(places),
        evidence=stage.evidence,
        setup=stage.setup.read_text(encoding="utf-8"),
        turns=turns_of(witness),
        **({} if accused.success is None else {"answered": (accused.success,)}),
    )
    name, source = file_name(view), render(facts)
    with stage.server.database() as database, tempfile.TemporaryDirectory(prefix="team-") as folder:
        given, where = stage.application, stage.server.django(database)
        before = TeamTest(given, where, Path(folder) / "before", name, source)
        there = Path(folder) / "after"
        after = TeamTest(given, where, there, name, source, fix.files) if fix is not None else None
        return TeamProof(name, source, gate_of(before, after, signature_of(accused) or Signature(), repeats))


def happened(hit: Hit, accused: Suspicion) -> str:
    """What went wrong, in a sentence or two."""
    raised = accused.raised
    checked = f", checked at {hit.test}" if hit.test is not None else ""
    lines = f"Read at {hit.read}{checked}, acted upon at {hit.act} ({hit.check}): {hit.between}"
    if raised is None:
        return lines
    constraint = f" on {raised.constraint}" if raised.constraint else ""
    key = ", ".join(
        f"{name}={value}" for name, value in zip(raised.key_columns, raised.key_values, strict=False)
    )
    return f"Production saw {raised.type}{constraint}{f' for {key}' if key else ''}. {lines}"
