"""A re-enacted order in words, line by line: data first, prose second.

Only steps that matter are told: those on tables that one request changes and another touches, errors, waits, and the
commits that show such changes. What a row held is not known here, only whether it was still as it had been.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from analysis.replay.independence import LOCKS_ROWS
from analysis.replay.mechanism import kind_of
from analysis.replay.oracle import ANOMALY, FAILURE, Judged, in_words
from analysis.replay.outcomes import NAMES
from analysis.replay.runs import COMMIT, ROLLBACK, ROLLBACK_TO, STATEMENT, Run, Step

VERBS: Final = {
    "select": "reads",
    "insert": "inserts into",
    "update": "updates",
    "delete": "deletes from",
}
ENDS: Final = {COMMIT: "commits", ROLLBACK: "rolls back", ROLLBACK_TO: "rolls back to its savepoint"}
TARGET: Final = re.compile(
    r"\b(?:INTO|UPDATE|FROM)\s+(?:ONLY\s+)?((?:\"[^\"]+\"|\w+)(?:\.(?:\"[^\"]+\"|\w+))?)", re.I
)


@dataclass(frozen=True)
class Line:
    """One step that matters. `number`: its place in the run, from 1; `line`: the application's, "" if unknown."""

    number: int
    worker: str
    line: str
    what: str
    effect: str = ""

    def __str__(self) -> str:
        where = f" ({self.line})" if self.line else ""
        return f"{self.worker} {self.what}{where}" + (f": {self.effect}" if self.effect else "")


@dataclass(frozen=True)
class Change:
    """A table that a step changed, and whether others can see it yet."""

    number: int
    worker: int
    table: str
    published: int | None  # the step that committed it


def explained(run: Run) -> list[Line]:
    """The steps that matter, in order."""
    contested, changes = contested_tables(run), list(changes_of(run))
    lines = []
    for number, step in enumerate(run.steps):
        if not matters(step, number, contested, changes):
            continue
        effects = list(effects_of(run, number, contested, changes))
        lines.append(Line(number + 1, NAMES[step.worker], step.line, what(step), ", ".join(effects)))
    return lines


def prose(run: Run) -> str:
    """The lines as one text: "A reads jobs_job (jobs/views.py:96) · B …"."""
    return " · ".join(map(str, explained(run)))


def contested_tables(run: Run) -> frozenset[str]:
    """The tables that one request changes and another touches."""
    statements = [each for each in run.steps if each.kind == STATEMENT]
    return frozenset(
        table
        for one in statements
        for table in one.writes or ()
        if any(two.worker != one.worker and table in _touched(two) for two in statements)
    )


def changes_of(run: Run) -> Iterator[Change]:
    """What each statement changed, if it was not undone."""
    for number, step in enumerate(run.steps):
        if step.kind != STATEMENT or step.error is not None:
            continue
        end = number if step.autocommit else _end(run, number)
        if end is None or run.steps[end].kind in (COMMIT, STATEMENT):
            for table in step.writes or ():
                yield Change(number, step.worker, table, end)


def _end(run: Run, number: int) -> int | None:
    """The step that ends the transaction of a step; rollbacks to savepoints are not looked into."""
    worker = run.steps[number].worker
    later = range(number + 1, len(run.steps))
    ends = (
        each
        for each in later
        if run.steps[each].worker == worker and run.steps[each].kind in (COMMIT, ROLLBACK)
    )
    return next(ends, None)


def matters(step: Step, number: int, contested: frozenset[str], changes: Sequence[Change]) -> bool:
    if step.error is not None or step.waited:
        return True
    if step.kind == STATEMENT:
        return not contested.isdisjoint(_touched(step))
    if step.kind == COMMIT:
        return any(each.published == number and each.table in contested for each in changes)
    return step.kind in (ROLLBACK, ROLLBACK_TO)


def what(step: Step) -> str:
    """ "reads jobs_job", "locks and reads jobs_job", "commits"."""
    if step.kind != STATEMENT:
        return ENDS.get(step.kind, step.kind)
    kind = kind_of(step)
    target = TARGET.search(step.sql)
    table = target[1].replace('"', "") if target else ", ".join(sorted(_touched(step)))
    locks = "locks and " if kind == "select" and LOCKS_ROWS.search(step.sql) else ""
    return f"{locks}{VERBS.get(kind, kind.upper() + ' on')} {table}".strip()


def effects_of(run: Run, number: int, contested: frozenset[str], changes: Sequence[Change]) -> Iterator[str]:
    step = run.steps[number]
    if step.waited:
        end = "" if step.through is None else f" until step {step.through + 1}"
        yield f"waits{end}"
    if step.error is not None:
        yield in_words(step.error)
        return
    if step.kind == COMMIT:
        shown = sorted(
            {each.table for each in changes if each.published == number and each.table in contested}
        )
        yield f"its changes to {', '.join(shown)} can be seen from now on"
    elif step.kind == STATEMENT:
        yield from _met(run, number, contested, changes)


def _met(run: Run, number: int, contested: frozenset[str], changes: Sequence[Change]) -> Iterator[str]:
    """What a statement meets of the others' changes to its tables."""
    step = run.steps[number]
    moment = number if step.through is None else step.through
    for change in changes:
        if change.worker == step.worker or change.table not in contested & _touched(step):
            continue
        name, kind = NAMES[change.worker], kind_of(run.steps[change.number])
        if change.number > moment:
            if not step.writes and _reads_first(run, step, change):
                yield f"as it was before {name}'s {kind.upper()} (step {change.number + 1})"
        elif change.published is None or change.published > moment:
            if not step.writes:
                yield f"does not see {name}'s {kind.upper()} (step {change.number + 1}), which is not committed"
        elif step.writes and kind_of(step) == "update" == kind and _read_before(run, step, number, change):
            yield f"overwrites {name}'s UPDATE (step {change.number + 1}), which it had not seen"


def _reads_first(run: Run, step: Step, change: Change) -> bool:
    """Whether another request changes the table after this one read it, and before it writes itself."""
    mine = [number for number, each in enumerate(run.steps) if each.worker == step.worker and each.writes]
    return any(number > change.number for number in mine) or not mine


def _read_before(run: Run, step: Step, number: int, change: Change) -> bool:
    """Whether it read the table before the change could be seen."""
    seen = change.published if change.published is not None else len(run.steps)
    earlier = (
        each for place, each in enumerate(run.steps[:number]) if place < seen and each.worker == step.worker
    )
    return any(change.table in (each.reads or ()) for each in earlier if each.kind == STATEMENT)


def _touched(step: Step) -> frozenset[str]:
    return (step.reads or frozenset()) | (step.writes or frozenset()) | (step.locks or frozenset())


def summary(judged: Judged) -> str:
    """One sentence or two: what came of it, and the step on which it turned."""
    run = judged.run
    statuses = " and ".join(f"{name} {each.status}" for name, each in zip(NAMES, run.responses, strict=False))
    if judged.verdict not in (ANOMALY, FAILURE):
        return f"{statuses}: {judged.reason or 'what one after the other gives too'}."
    parts = [turning_point(run)]
    if judged.verdict == FAILURE:
        parts.append(judged.reason)
    parts += [
        f"{NAMES[each.loser]} is answered {run.responses[each.loser].status}, but {each.table} "
        f"{', '.join(map(str, each.key))} holds {NAMES[each.winner]}'s {', '.join(each.columns)}"
        for each in judged.overwritten
    ]
    if judged.verdict == ANOMALY and not judged.overwritten:
        parts.append(f"{statuses}, which no serial order gives: {'; '.join(judged.differences[:2])}")
    return "; ".join(part for part in parts if part) + "."


def turning_point(run: Run) -> str:
    """The read on which a request acted when it no longer held: "B reads jobs_job (…) before …"; "" if none."""
    for number, step in enumerate(run.steps):
        if step.kind != STATEMENT or step.writes or step.error is not None:
            continue
        for change in changes_of(run):
            shown = change.published if change.published is not None else len(run.steps)
            if change.worker != step.worker and change.table in (step.reads or ()) and number < shown:
                acts = (each.worker == step.worker and bool(each.writes) for each in run.steps[shown + 1 :])
                if any(acts) or _waited_for(run, step.worker, shown):
                    read = Line(number + 1, NAMES[step.worker], step.line, what(step))
                    kind = kind_of(run.steps[change.number]).upper()
                    return f"{read} before {NAMES[change.worker]}'s {kind} (step {change.number + 1}) is committed"
    return ""


def _waited_for(run: Run, worker: int, step: int) -> bool:
    """Whether a write of a request had to wait for this step."""
    return any(each.worker == worker and bool(each.writes) and each.through == step for each in run.steps)
