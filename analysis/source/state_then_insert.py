"""A row's state is tested and changed, and a row that refers to it is inserted: twice, if two requests pass the test.

Source: https://docs.djangoproject.com/en/5.2/ref/models/constraints/#uniqueconstraint
"""

from collections.abc import Iterator

from analysis.source.events import Event, Guard, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import INSERTS, constrained, protected, suspicion
from analysis.source.values import Row


def state_then_insert(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """`if job.status != OPEN: refuse; job.status = DONE; job.save(); Completion.objects.create(job=job)`."""
    for act in trace.of("write"):
        if act.verb not in INSERTS or act.insert is not True or act.private:
            continue
        unique = constrained(facts, act)
        if act.catches_conflict and unique is not False:
            continue
        found = next(decisions(trace, act), None)
        if found is not None and found[2].refuses and len(act.calls) < 2 and len(found[2].calls) < 2:
            yield report(trace, act, *found, unique)


def decisions(trace: Trace, act: Event) -> Iterator[tuple[Row, str, Guard]]:
    """Decisions by a column, changed in this function, of an unlocked row that the new one refers to."""
    referred = {id(row) for value in act.values.values() for row in value.rows}
    referred |= {i for value in act.values.values() for i, attr in value.attrs if attr in ("pk", "id")}
    if act.parent is not None:
        referred.add(id(act.parent))
    for guard in reversed(act.guards):
        for identity, attr in sorted(guard.attrs):
            row = trace.rows.get(identity)
            if (
                row is None
                or identity not in referred
                or row.origin in ("fresh", "made")
                or not changed(trace, row, attr, act)
            ):
                continue
            read = trace.event(row.read or -1)
            own = trace.event(row.locked or -1)
            if own is not None and own.holds(act):
                continue
            if not protected(trace, read, act, read.order if read else guard.order):
                yield row, attr, guard


def changed(trace: Trace, row: Row, attr: str, act: Event) -> bool:
    """Is the column written in the same run, in memory or by an UPDATE?"""
    for event in trace.of("set", "write"):
        if not event.meets(act):
            continue
        if event.kind == "set" and row in event.rows and event.fields == (attr,):
            return True
        if event.verb in ("update", "aupdate") and event.model == row.model and attr in (event.fields or ()):
            return True
    return False


def report(trace: Trace, act: Event, row: Row, attr: str, guard: Guard, unique: bool | None) -> Hit:
    model = (act.model or act.base).rpartition(":")[2]
    between = f"Another request can pass the test of {attr} in line {guard.place.line} before this one has changed it."
    cost = (
        f"The unique constraint refuses the second {model}: the loser is answered with an unhandled database error."
        if unique
        else f"Two rows of {model} where the state allows one."
    )
    read = trace.event(row.read or -1)
    return suspicion(
        "check-then-insert",
        trace,
        act,
        read,
        guard,
        between,
        cost,
        ("lock_row", "insert_first", "conditional_update"),
    )
