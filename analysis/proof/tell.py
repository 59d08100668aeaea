"""What the notebook and the command share: proofs if they were asked for, and what is left in a folder."""

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pandas as pd

from analysis.evidence.changes import GitMissing, RepositoryUnreadable
from analysis.files import write_whole
from analysis.investigation import Investigation
from analysis.proof.prove import Proof, prove
from analysis.proof.team import TeamProof
from analysis.replay.server import NoServer
from analysis.source.trees import TreeMissing
from analysis.suspicion import NothingToProve

FOLDER: Final = "proof"
PATCH: Final = "fix.patch"
SETUP: Final = "setup.py"
MENDABLE: Final = (NothingToProve, TreeMissing, NoServer, GitMissing, RepositoryUnreadable)
PLAYER: Final = "# What follows plays the requests"
NOT_ASKED: Final = (
    "ask for it with --prove, or with `python -m analysis prove CASE`; it runs the application's code"
)


def proofs(case: Investigation, asked: bool) -> tuple[list[Proof], str]:
    """The proof as a list of one, or none and the reason: whatever it is, it does not end the report."""
    if not asked:
        return [], NOT_ASKED
    try:
        return [prove(case)], ""
    except MENDABLE as error:
        return [], str(error)
    except OSError as error:
        return [], f"{error.filename}: {error.strerror}" if error.filename else str(error)
    except Exception as error:  # noqa: BLE001 - the rest of the report is worth more than a proof
        return [], f"the proof failed with {type(error).__name__}: {error}; please report this"


def leave(found: Iterable[Proof], out: str) -> list[Path]:
    """Write the patch of the best fix, and the test if the gate believed it, into `out`/proof."""
    files: list[Path] = []
    for proof in found:
        if out:
            files += leave_in(proof, Path(out) / FOLDER)
    return files


def leave_in(proof: Proof, folder: Path) -> list[Path]:
    """Write the patch of the best fix, the test if the gate believed it, and the setup file if it was drafted."""
    files: dict[str, str] = {}
    best = proof.menu.best if proof.menu is not None else None
    if best is not None:
        files[PATCH] = best.proposal.diff
    if proof.team is not None and proof.team.gate.believed:
        files[proof.team.name] = proof.team.source
    if proof.drafted is not None:
        files[SETUP] = proof.drafted.text
    for name, text in files.items():
        write_whole(folder / name, text.encode())
    return [folder / name for name in files]


def source_of(team: TeamProof) -> pd.DataFrame:
    """The generated test as lines of code, without the player that stands behind it."""
    own = team.source.partition(PLAYER)[0].rstrip().split("\n")
    return pd.DataFrame({"line": range(1, len(own) + 1), "mark": "", "code": own})
