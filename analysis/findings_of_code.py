"""What the code says to the accusation, in sentences. A hit is a place to read, not a verdict."""

from collections.abc import Sequence
from typing import Final

import pandas as pd

from analysis.findings import Finding
from analysis.replay.mechanism import UNIQUE
from analysis.root_cause import RootCause
from analysis.source.hits import Hit
from analysis.wording import counted, said_name

INSERTS: Final = frozenset(
    {
        "check-then-insert",
        "get-except-create",
        "get-or-create-unconstrained",
        "next-free",
        "lock-absent-row",
        "lock-after-check",
        "lock-never-evaluated",
        "lock-outside-transaction",
    }
)
"""Checks whose act can be an insert, which alone a unique constraint refuses beside an update of its own columns."""


def nothing(reason: str) -> list[Finding]:
    """That no code was read, and what would change that."""
    return [Finding(f"No code is accused: {reason}.")]


def ran(found: RootCause) -> Finding:
    """Which revision ran, and whether the traceback's printed lines stand in it."""
    deployed = found.deployed
    version = f" ({said_name(deployed.version)})" if deployed is not None and deployed.version else ""
    claim = f"The code is read from {found.read_from}{version}"
    compared = [frame for frame in found.frames if frame.matched is not None]
    right = sum(bool(frame.matched) for frame in compared)
    if compared:
        claim += f": {right} of the application's {counted(len(compared), 'frame')} stand there as they were printed."
    else:
        claim += "; no traceback prints lines of it."
    limits = [
        f"{frame.path or 'a frame'}: {frame.reason}." for frame in found.frames if frame.matched is False
    ]
    if deployed is not None:
        limits.append(f"The revision is known by this: {deployed.reason}.")
    return Finding(
        claim, evidence_of(found), " ".join(limits) or "A folder says nothing of what was deployed."
    )


def entered(found: RootCause) -> list[Finding]:
    """Which view answers the endpoint, by the URLconf."""
    way, accused = found.endpoint, found.suspicion
    name = f"{accused.method} {said_name(accused.route)}"
    if way is None or way.place is None:
        reason = way.reason if way is not None else "no URLconf was found"
        return [Finding(f"The view behind {name} is not known: {reason}.")]
    limits = f"Patterns that could not be read: {'; '.join(way.doubts)}." if way.doubts else ""
    claim = f"{name} is answered by {way.function} ({way.place}), by the pattern at {way.pattern}."
    return [Finding(claim, limits=limits or "Read off the source; middleware may answer before it.")]


def suspected(hits: Sequence[Hit]) -> list[Finding]:
    """What the checks find, the likeliest first."""
    if not hits:
        return [
            Finding(
                "No check finds a race in the accused function.",
                limits="They know the usual shapes in Django's ORM; raw SQL and other libraries they do not read.",
            )
        ]
    return [
        Finding(
            f"{hit.check} in {hit.function}: read at {hit.read}, "
            f"{f'checked at {hit.test}, ' if hit.test else ''}acted upon at {hit.act}. {hit.between} {hit.cost}",
            limits="A place to read, not a verdict: only a re-enactment shows what really happens.",
        )
        for hit in hits
    ]


def explains(found: RootCause) -> list[Finding]:
    """Whether what the checks found can end in the error that production saw, as far as the shapes tell."""
    raised = found.suspicion.raised
    if raised is None or raised.sqlstate is None or not found.hits:
        return []
    name = said_name(raised.constraint) if raised.constraint else "a constraint"
    if raised.sqlstate != UNIQUE:
        claim = (
            f"Production saw SQLSTATE {raised.sqlstate}; the shapes above do not tell whether they end in it."
        )
        return [Finding(claim, (raised.record_id,), "The re-enactment tries every order.")]
    able = [hit for hit in found.hits if hit.check in INSERTS]
    if able:
        claim = f"An insert at {able[0].act} can meet {name}, as production saw it (SQLSTATE {UNIQUE})."
        return [Finding(claim, (raised.record_id,), "That it did, only the re-enactment shows.")]
    claim = (
        f"The error needs an insert: an update of the row that was read cannot meet {name} (SQLSTATE "
        f"{UNIQUE}); at READ COMMITTED it silently loses one of the two writes."
    )
    return [
        Finding(
            claim, (raised.record_id,), "What inserts the row stands elsewhere; the traceback names the line."
        )
    ]


def evidence_of(found: RootCause) -> tuple[int, ...]:
    raised = found.suspicion.raised
    return found.suspicion.records if raised is None else (raised.record_id,)


def hit_fact(hit: Hit) -> dict[str, object]:
    """A hit for verdict.json."""
    return {
        "check": hit.check,
        "function": hit.function,
        "read": str(hit.read),
        "test": None if hit.test is None else str(hit.test),
        "act": str(hit.act),
        "model": hit.model,
        "cures": list(hit.cures),
    }


def frames_table(found: RootCause) -> pd.DataFrame:
    """The application's frames, where each stands in the repository."""
    rows = [
        {
            "path": frame.path,
            "line": frame.line,
            "function": frame.function,
            "as printed": {True: "yes", False: "no", None: "not printed"}[frame.matched],
            "fits since": ", ".join(revision[:12] for revision in frame.candidates[:3]),
            "note": frame.reason,
        }
        for frame in found.frames
    ]
    return pd.DataFrame(rows, columns=["path", "line", "function", "as printed", "fits since", "note"])


def hits_table(hits: Sequence[Hit]) -> pd.DataFrame:
    """The hits, a row each."""
    rows = [
        {
            "check": hit.check,
            "function": hit.function,
            "read": str(hit.read),
            "checked": "" if hit.test is None else str(hit.test),
            "act": str(hit.act),
            "model": hit.model,
            "what would make it safe": ", ".join(hit.cures),
        }
        for hit in hits
    ]
    columns = ["check", "function", "read", "checked", "act", "model", "what would make it safe"]
    return pd.DataFrame(rows, columns=columns)
