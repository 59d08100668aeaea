"""Can these requests have produced what production saw? Only if some order of their steps gives the same signature.

The known trap: a handler that reads a row, checks it and saves it cannot raise a unique violation on PostgreSQL; at
READ COMMITTED the second UPDATE waits, and then overwrites the first (manual, 13.2.1). A violation needs an INSERT, or
an UPDATE of a key.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from analysis.replay.oracle import DEADLOCK, IN_WORDS, SERIALIZATION, Judgement
from analysis.replay.runs import STATEMENT, DatabaseError, Run, Step
from analysis.replay.schedule import Exploration

YES, NO, BOUNDED = "yes", "no", "bounded"
UNIQUE: Final = "23505"
LEADING_WORD: Final = re.compile(r"[\s(]*(\w+)")
KEY: Final = re.compile(r"Key \((.*?)\)=\(")


@dataclass(frozen=True)
class Signature:
    """What production's evidence shows of the loser; None and () where it does not say. Kinds: "insert", "update" …"""

    status: int | None = None
    sqlstate: str | None = None
    constraint: str | None = None
    key_columns: tuple[str, ...] = ()
    kind: str | None = None
    table: str | None = None


@dataclass(frozen=True)
class Explanation:
    """`run`: the first order that gives the signature; `count`: how many of the `of` distinguishable orders do."""

    answer: str
    run: Run | None
    count: int
    of: int
    reason: str


def explains(
    exploration: Exploration,
    signature: Signature,
    judgement: Judgement | None = None,
    serial: Sequence[Run] = (),
) -> Explanation:
    """Whether some order of the steps gives production's signature, and the reason if none does.

    In:   judgement: of the same runs, for what happens instead
          serial: the requests one after the other; what they give too is no race
    """
    of = len(exploration.runs)
    found = [run for run in exploration.runs if gives(run, signature)]
    what = in_words(signature)
    if any(gives(run, signature) for run in serial):
        reason = f"even one after the other, the requests give {what}: that is no race"
        return Explanation(NO, None, len(found), of, reason)
    if found:
        reason = f"{len(found)} of {of} distinguishable interleavings give {what}"
        return Explanation(YES, found[0], len(found), of, reason)
    if not exploration.complete:
        reason = f"none of the {of} interleavings that were played gives {what}; {exploration.bounded}"
        return Explanation(BOUNDED, None, 0, of, reason)
    parts = [f"no interleaving gives {what}", why_not(exploration.runs, signature)]
    if judgement is not None:
        parts.append(instead(judgement))
    return Explanation(NO, None, 0, of, "; ".join(part for part in parts if part))


def gives(run: Run, signature: Signature) -> bool:
    """Whether one of the requests shows every part of the signature."""
    for worker, response in enumerate(run.responses):
        if signature.status not in (None, response.status):
            continue
        if not _names_an_error(signature):
            return True
        steps = [each for each in run.steps if each.worker == worker and each.error is not None]
        if any(each.error is not None and _matches(each, each.error, signature) for each in steps):
            return True
    return False


def _names_an_error(signature: Signature) -> bool:
    return any(
        (signature.sqlstate, signature.constraint, signature.key_columns, signature.kind, signature.table)
    )


def _matches(step: Step, error: DatabaseError, wanted: Signature) -> bool:
    key = KEY.match(error.detail or "")
    columns = tuple(each.strip().strip('"') for each in key[1].split(",")) if key else ()
    tables = {error.table} if error.table else set(step.writes or ()) | set(step.reads or ())
    return (
        wanted.sqlstate in (None, error.sqlstate)
        and wanted.constraint in (None, error.constraint)
        and wanted.key_columns in ((), columns)
        and wanted.kind in (None, kind_of(step))
        and (wanted.table is None or wanted.table.lower() in {each.lower() for each in tables})
    )


def kind_of(step: Step) -> str:
    """ "select", "insert", "update", "delete" …; of a commit or rollback its own kind."""
    word = LEADING_WORD.match(step.sql)
    return word[1].lower() if step.kind == STATEMENT and word else step.kind


def in_words(signature: Signature) -> str:
    words = []
    if signature.sqlstate:
        words.append(
            f"a {IN_WORDS.get(signature.sqlstate, 'database error')} (SQLSTATE {signature.sqlstate})"
        )
    elif _names_an_error(signature):
        words.append("a database error")
    if signature.constraint:
        words.append(f"of {signature.constraint}")
    if signature.kind:
        words.append(f"from {signature.kind.upper()}")
    if signature.table:
        words.append(f"on {signature.table}")
    if signature.status is not None:
        words.append(f"{'answered' if words else 'the answer'} {signature.status}")
    return " ".join(words) or "anything"


def why_not(runs: Sequence[Run], signature: Signature) -> str:
    """The reason why no order can raise such an error, as far as the steps show it."""
    steps = [step for run in runs for step in run.steps]
    if signature.sqlstate == UNIQUE:
        return _why_no_violation(written(steps, "insert"), written(steps, "update"), signature.table)
    if signature.sqlstate == DEADLOCK:
        return "in no order do the requests wait for each other"
    if signature.sqlstate == SERIALIZATION:
        return "PostgreSQL refuses nothing so at READ COMMITTED: is production at another level?"
    other = sorted({each.error.sqlstate or each.error.type for each in steps if each.error is not None})
    return f"the only database errors are {', '.join(other)}" if other else "the database refuses nothing"


def _why_no_violation(inserted: set[str], updated: set[str], table: str | None) -> str:
    if table and table in inserted:
        return f"the requests do insert into {table}, but never two rows of one key"
    if inserted:
        return f"the requests insert into {', '.join(sorted(inserted))} only"
    if updated:
        return f"the requests insert nothing, they only update rows of {', '.join(sorted(updated))}"
    return "the requests write nothing"


def written(steps: Iterable[Step], kind: str) -> set[str]:
    return {table for step in steps if kind_of(step) == kind for table in step.writes or ()}


def instead(judgement: Judgement) -> str:
    """What goes wrong in place of it: silently lost updates, other anomalies, failures."""
    of = len(judgement.judged)
    lost = [each for each in judgement.judged if each.overwritten]
    if lost:
        tables = ", ".join(sorted({one.table for each in lost for one in each.overwritten}))
        what = f"the loser's update of {tables} silently overwrites the winner's"
        return f"instead, {what} ({len(lost)} of {of} interleavings)"
    if judgement.bad:
        reasons = sorted({each.reason for each in judgement.bad})
        return f"instead, {len(judgement.bad)} of {of} interleavings go wrong: {reasons[0]}"
    return f"all {of} interleavings come to what some serial order gives" if judgement.safe else ""
