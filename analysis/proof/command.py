"""`python -m analysis prove`: the chain of the report, told in a terminal; patch and test are left in a folder."""

from collections.abc import Iterator
from pathlib import Path

from analysis.investigation import Investigation, open_case
from analysis.proof.prove import Proof, prove
from analysis.proof.tell import leave_in


def proved(folder: Path, out: Path, request_ids: bool) -> Iterator[str]:
    """Prove, leave patch and test in `out`, and tell each step in a line."""
    yield f"loading {folder}"
    case = Investigation(open_case(folder, request_ids=request_ids), "proof", "", "", "")
    yield "re-enacting: this runs the application's code, in a child process"
    proof = prove(case)
    yield f"verdict: {proof.verdict}: {proof.reason}"
    yield from told(proof)
    for file in leave_in(proof, out):
        yield str(file)


def told(proof: Proof) -> Iterator[str]:
    """What was found, a line each."""
    if proof.hit is not None:
        yield f"- {proof.hit.check} in {proof.hit.function}: {proof.hit.read} … {proof.hit.act}"
    if proof.before is not None:
        counts, bad = proof.before.exploration, len(proof.before.judgement.bad)
        yield f"- {len(counts.runs)} distinguishable orders ({counts.explored} played), {bad} bad"
    if proof.explanation is not None:
        yield f"- {proof.explanation.reason}"
    if proof.menu is not None:
        for each in proof.menu.tried:
            yield f"- {'kept' if each.kept else 'refused'}: {each.proposal.name}: {each.reason}"
    if proof.team is not None:
        gate = proof.team.gate
        yield f"- gate: {'passed' if gate.believed else gate.reason}; {2 * gate.repeats} repeats, {gate.flakes} flakes"
