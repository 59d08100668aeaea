"""`select_for_update()` that never reaches the database: a queryset nobody runs, or an aggregate that drops the lock.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#when-querysets-are-evaluated
"""

from collections.abc import Iterator
from itertools import pairwise

from analysis.source.events import Event, Guard, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import locks_before, same_table, suspicion


def lock_never_evaluated(facts: Facts, trace: Trace) -> Iterator[Hit]:
    for lazy in trace.of("lazy"):
        if lazy.order in trace.evaluated or lazy.order in rebuilt(trace):
            continue
        act = next(
            (e for e in trace.of("write") if e.order > lazy.order and e.meets(lazy) and lazy.together(e)),
            None,
        )
        if act is not None and not locks_before(trace, None, act, act.order):
            between = f"The queryset of line {lazy.place.line} is never run, so nothing is locked."
            yield report(trace, act, lazy, between)
    for dropped in trace.of("dropped"):
        act = acted_upon(trace, dropped)
        if act is not None and not locks_before(trace, None, act, dropped.order):
            between = f".{dropped.verb}() runs another query than the one that would lock: nothing is locked."
            yield report(trace, act, dropped, between)


def rebuilt(trace: Trace) -> set[int]:
    """Locking querysets that were locked once more: the later one counts."""
    lazies = trace.of("lazy")
    return {one.order for one, other in pairwise(lazies) if one.node is inner(other.node)}


def inner(node: object) -> object:
    """The call of select_for_update() below another one in the same chain."""
    import ast

    current = node.func if isinstance(node, ast.Call) else None
    while isinstance(current, ast.Call | ast.Attribute):
        if (
            isinstance(current, ast.Call)
            and isinstance(current.func, ast.Attribute)
            and current.func.attr == "select_for_update"
        ):
            return current
        current = current.func if isinstance(current, ast.Call) else current.value
    return None


def acted_upon(trace: Trace, dropped: Event) -> Event | None:
    """What depends on the read whose lock was dropped: for delete() itself, for a figure the first write after it."""
    later = [
        e
        for e in trace.of("write")
        if e.order > dropped.order and e.meets(dropped) and e.verb not in ("update", "aupdate")
    ]
    if dropped.verb.endswith("delete"):
        return next((e for e in later if e.place == dropped.place), None)
    if dropped.verb.endswith("update"):
        return None
    read = next((r for r in trace.of("read") if r.order > dropped.order and r.place == dropped.place), None)
    if read is None:
        return None
    return next((e for e in later if depends(e, read)), None)


def depends(act: Event, read: Event) -> bool:
    values = [*act.values.values(), *([act.value] if act.value else [])]
    if any(read.order in value.every_origin for value in values):
        return True
    return any(read.order in guard.origins for guard in act.guards)


def report(trace: Trace, act: Event, lazy: Event, between: str) -> Hit:
    cost = "Two requests do at once what the lock was written to keep apart."
    guard = decision(trace, act, lazy)
    return suspicion(
        "lock-never-evaluated", trace, act, lazy, guard, between, cost, ("lock_row", "advisory_lock")
    )


def decision(trace: Trace, act: Event, lazy: Event) -> Guard | None:
    """What was decided by a row of the table that was to be locked."""
    read = {one.order for one in trace.of("read") if one.order > lazy.order and same_table(one, lazy)}
    return next((guard for guard in act.guards if not read.isdisjoint(guard.origins)), None)
