"""`python -m analysis prove`: the chain of the report, told in a terminal; patch and test are left in a folder."""

from collections.abc import Iterator
from pathlib import Path

from analysis.investigation import Investigation, open_case
from analysis.proof.menu import Menu
from analysis.proof.prove import NOT_ENACTED, Proof, prove
from analysis.proof.tell import leave_in
from analysis.suspicion import NothingToProve


def proved(folder: Path, out: Path, request_ids: bool) -> Iterator[str]:
    """Prove, leave patch and test in `out`, and tell each step in a line.

    Raises: NothingToProve, also where the application could not be re-enacted; TreeMissing; NoServer
    """
    yield f"loading {folder}"
    case = Investigation(open_case(folder, request_ids=request_ids), "proof", "", "", "")
    yield "re-enacting: this runs the application's code, in a child process"
    proof = prove(case)
    if proof.verdict != NOT_ENACTED:
        yield f"verdict: {proof.verdict}: {proof.reason}"
    yield from told(proof)
    for file in leave_in(proof, out):
        yield str(file)
    if proof.verdict == NOT_ENACTED:
        raise NothingToProve(f"{proof.verdict}: {proof.reason}")


def told(proof: Proof) -> Iterator[str]:
    """What was found, a line each."""
    if proof.hit is not None:
        yield f"- {proof.hit.check} in {proof.hit.function}: {proof.hit.read} … {proof.hit.act}"
    if proof.before is not None:
        counts, bad = proof.before.exploration, len(proof.before.judgement.bad)
        orders = "distinguishable orders" if counts.complete else "orders, not all there are"
        yield f"- {len(counts.runs)} {orders} ({counts.explored} played), {bad} bad"
    if proof.explanation is not None:
        yield f"- {proof.explanation.reason}"
    for halt in proof.halts:
        yield f"- {halt}"
    if proof.menu is not None:
        for each in proof.menu.tried:
            yield f"- {'kept' if each.kept else 'refused'}: {each.proposal.name}: {each.reason}"
        if not proof.menu.tried:
            yield from not_offered(proof.menu)
    if proof.team is not None:
        gate = proof.team.gate
        passed = "passed" if gate.has_fix else "passed, before a fix only: the test waits for yours"
        repeats = (1 + gate.has_fix) * gate.repeats
        yield f"- gate: {passed if gate.believed else gate.reason}; {repeats} repeats, {gate.flakes} flakes"


def not_offered(menu: Menu) -> Iterator[str]:
    """Why no fix was tried, a line for each reason; the way out is to write one by hand, against the test."""
    yield "- no fix of the menu fits this code: write one by hand; the test that is left has to pass with it"
    names: dict[str, list[str]] = {}
    for each in menu.declined:
        names.setdefault(each.reason, []).append(each.name)
    for reason, those in names.items():
        yield f"- not offered: {', '.join(those)}: {reason}"
