"""What the re-enactment showed, in sentences and tables: each with its counts, and what they cannot show."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

import pandas as pd

from analysis.findings import Finding
from analysis.proof.menu import Menu, Tried
from analysis.proof.prove import NOT_ENACTED, PROVED, Proof
from analysis.proof.team import TeamProof
from analysis.replay.oracle import SERIAL, STUCK, Judged
from analysis.replay.runs import Run
from analysis.replay.words import explained as told_lines
from analysis.suspicion import NAMED
from analysis.wording import counted

OVERLAPPED: Final = {
    "sure": "In production the two overlapped.",
    "possible": "Whether the two overlapped in production is undecided.",
    "none": "In production these two did not overlap: the code races, but not in this pair.",
    NAMED: "The endpoint was named by hand: the logs do not show that two of its requests met.",
}


def not_proved(reason: str) -> list[Finding]:
    """That nothing was re-enacted, and what would change that."""
    return [Finding(sentence(f"nothing was re-enacted: {reason}"))]


def concluded(proof: Proof) -> Finding:
    """The verdict on the code as it was."""
    raised = proof.cause.suspicion.raised
    evidence = (*proof.cause.suspicion.records, *([raised.record_id] if raised is not None else []))
    limits = (
        "Two requests, on a PostgreSQL, with the rows that setup.py makes; what lies outside it is not seen."
    )
    if proof.verdict == NOT_ENACTED:
        limits = "This is no acquittal: nothing was shown."
    elif proof.before is not None and proof.before.judgement.bad:
        limits += f" {OVERLAPPED[proof.cause.suspicion.overlap]}"
        if proof.explanation is None:
            limits += (
                " No error is known of the two in production: that the code can lose is not that it did."
            )
        if proof.before.judgement.duplicates:
            limits += " Even one after the other both take effect, which no lock cures: that takes an idempotency key."
    return Finding(sentence(f"{proof.verdict}: {proof.reason}"), evidence, limits)


def halted(proof: Proof) -> list[Finding]:
    """What could not be done after the race was shown."""
    return [Finding(sentence(each), limits="What was shown before it stands.") for each in proof.halts]


def controlled(proof: Proof) -> list[Finding]:
    """The positive control: alone, the requests do what production's did."""
    if proof.before is None or proof.hit is None:
        return []
    statuses = sorted({run.responses[0].status for run in proof.before.alone})
    lines = ", ".join(
        str(place) for place in (proof.hit.read, proof.hit.test, proof.hit.act) if place is not None
    )
    limits = "Without this control, two refusals would be a perfect, empty acquittal."
    claim = f"Alone, each request is answered {' or '.join(map(str, statuses))} and runs {lines}."
    return [Finding(claim, limits=" ".join([limits, *map(sentence, proof.before.notes)]))]


def explained(proof: Proof) -> list[Finding]:
    """Whether some order gives production's own error."""
    if proof.explanation is None:
        return []
    raised = proof.cause.suspicion.raised
    evidence = (raised.record_id,) if raised is not None else ()
    return [
        Finding(
            sentence(proof.explanation.reason),
            evidence,
            "An order that can have been is not the one that was.",
        )
    ]


def silent(proof: Proof) -> list[Finding]:
    """In how many orders a row holds the result of the request that did not prevail."""
    if proof.before is None:
        return []
    held = [each for each in proof.before.judgement.judged if each.overwritten]
    if not held:
        return []
    tables = sorted({one.table for each in held for one in each.overwritten})
    orders = counted(len(proof.before.judgement.judged), "order")
    claim = f"In {len(held)} of {orders} a row of {', '.join(tables)} holds what one request wrote although the other "
    claim += "was answered as if it had prevailed."
    return [
        Finding(
            claim,
            limits="How often that happened in production, the database log shows (Who lost without an error?).",
        )
    ]


def fixed(proof: Proof) -> list[Finding]:
    """Which fixes survive, and which is the first."""
    if proof.menu is None:
        return []
    kept = [each for each in proof.menu.tried if each.kept]
    if not proof.menu.tried:
        return [Finding("No fix of the menu fits; a fix has to be written by hand.")]
    if not kept:
        return [
            Finding(f"None of {counted(len(proof.menu.tried), 'fix', 'fixes')} tried survives every order.")
        ]
    best = kept[0]
    claim = f"{len(kept)} of {counted(len(proof.menu.tried), 'fix', 'fixes')} survive every order; first: "
    claim += f"{best.proposal.title}. The request that comes too late is answered {'; '.join(best.losers)}."
    limits = f"{best.proposal.why} "
    limits += "Ranked by how many statements the other request waits, then by the size of the patch."
    survived = [each.proposal.name for each in proof.menu.placebos if each.kept]
    if survived:
        limits += (
            f" But {', '.join(survived)}, taken to do nothing, survives too: read what survives with care."
        )
    elif proof.menu.placebos:
        limits += f" {counted(len(proof.menu.placebos), 'change')} known to do nothing failed, as they must."
    return [Finding(claim, limits=limits)]


def gated(proof: Proof) -> list[Finding]:
    """Whether the generated test came through the gate; that there is none, where a race was shown."""
    team = proof.team
    if team is None:
        return [] if proof.menu is None or proof.halts else [no_test(proof)]
    gate = team.gate
    if not gate.believed:
        return [Finding(sentence(f"the generated test is not believed, and not left: {gate.reason}"))]
    how = "production's error" if proof.explanation is not None else "an outcome that no serial order gives"
    claim = f"{team.name} fails without the fix, with {how}, and passes with it: "
    if not gate.has_fix:
        claim = f"{team.name} fails, with {how}; no fix was kept, so nothing shows yet what makes it pass: "
    claim += f"{(1 + gate.has_fix) * gate.repeats} repeats, {counted(gate.flakes, 'flake')}."
    return [
        Finding(
            claim,
            limits="It asks for an outcome that a serial order gives, so another correct fix passes too.",
        )
    ]


def no_test(proof: Proof) -> Finding:
    why = (
        "no fix survived"
        if proof.menu is None or proof.menu.best is None
        else "production's error was not shown"
    )
    return Finding(
        f"No test is kept: {why}.",
        limits="The gate asks for a test that fails before a fix and passes after.",
    )


def sentence(text: str) -> str:
    text = text.rstrip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def outcomes_table(judged: Sequence[Judged]) -> pd.DataFrame:
    """All orders by what they came to."""
    rows = Counter(
        (
            each.verdict,
            " and ".join(str(response.status) for response in each.run.responses),
            each.reason or "as in a serial order",
            "yes" if each.overwritten else "",
        )
        for each in judged
    )
    found = [(*key, count) for key, count in sorted(rows.items(), key=lambda item: (-item[1], item[0]))]
    return pd.DataFrame(found, columns=["verdict", "A and B answer", "why", "a write lost", "orders"])


def menu_table(menu: Menu) -> pd.DataFrame:
    """Fixes in their order, then what is known to do nothing."""
    rows = [fix_row(each, "kept" if each.kept else "refused") for each in menu.tried]
    rows += [fix_row(each, "control: kept!" if each.kept else "control: refused") for each in menu.placebos]
    columns = ["fix", "verdict", "orders", "waits", "lines", "too late is answered", "why"]
    return pd.DataFrame(rows, columns=columns)


def fix_row(tried: Tried, verdict: str) -> dict[str, object]:
    played = None if tried.enacted is None else len(tried.enacted.exploration.runs)
    return {
        "fix": tried.proposal.name,
        "verdict": verdict,
        "orders": played,
        "waits": tried.waits,
        "lines": tried.lines,
        "too late is answered": "; ".join(tried.losers) if tried.kept else "",
        "why": tried.reason,
    }


def declined_table(menu: Menu) -> pd.DataFrame:
    """The fixes that do not fit, and why."""
    rows = [(each.name, each.reason) for each in menu.declined]
    return pd.DataFrame(rows, columns=["fix", "why it is not offered"])


def gate_table(team: TeamProof) -> pd.DataFrame:
    """The runs of the gate."""
    rows = [(row.name, row.wanted, row.got, "yes" if row.passed else "no") for row in team.gate.rows]
    return pd.DataFrame(rows, columns=["run", "wanted", "got", "as wanted"])


def fact(proof: Proof) -> dict[str, object]:
    """The proof for verdict.json."""
    before, menu = proof.before, proof.menu
    best = menu.best if menu is not None else None
    return {
        "verdict": proof.verdict,
        "proved": proof.verdict == PROVED,
        "same_error": proof.verdict == PROVED and proof.explanation is not None,
        "orders": None if before is None else len(before.exploration.runs),
        "played": None if before is None else before.exploration.explored,
        "complete": None if before is None else before.exploration.complete,
        "bad": None if before is None else len(before.judgement.bad),
        "fixes_kept": [] if menu is None else [each.proposal.name for each in menu.tried if each.kept],
        "fix": None if best is None else best.proposal.name,
        "test": None if proof.team is None or not proof.team.gate.believed else proof.team.name,
    }


def steps_table(run: Run) -> pd.DataFrame:
    """An order line by line: the steps that matter, who took each, and what it met."""
    rows = [(line.number, line.worker, line.what, line.effect, line.line) for line in told_lines(run)]
    return pd.DataFrame(rows, columns=["step", "request", "does", "and", "at"])


def observed_order(proof: Proof) -> list[Finding]:
    """What the order that the database log shows comes to when it is played as it was."""
    followed = proof.observed
    if followed is None:
        return []
    statements = proof.cause.suspicion.statements
    evidence = tuple(each.record_id for each in statements)
    played = tuple(each.status for each in followed.run.responses)
    logged = proof.cause.suspicion.statuses
    claim = f"Played in the order that the database log shows, the two are answered {listed(played)}"
    if played == logged:
        claim += ", as in production"
    else:
        claim += f"; in production {listed(logged)}: this is not how it went there"
    if proof.ended is not None and proof.ended.verdict != STUCK:
        claim += (
            f"; the outcome is {'one' if proof.ended.verdict == SERIAL else 'none'} that a serial order gives"
        )
    limits = "The log shows when statements began; two that tie may have gone the other way round."
    if followed.missing:
        limits = f"{len(followed.missing)} of {counted(len(statements), 'logged statement')} had no counterpart, so "
        limits += f"this may be another order than production's: {'; '.join(followed.missing[:3])}."
    return [Finding(f"{claim}.", evidence, limits)]


def listed(statuses: Sequence[int | None]) -> str:
    return " and ".join("unknown" if each is None else str(each) for each in statuses)
