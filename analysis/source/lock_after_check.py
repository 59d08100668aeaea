"""The lock is taken after the decision: both requests have decided by then, and the second only waits for its turn.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#select-for-update
"""

from collections.abc import Iterator

from analysis.source.events import Event, Guard, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import act_is_claimed, suspicion


def lock_after_check(facts: Facts, trace: Trace) -> Iterator[Hit]:
    for lock in trace.of("lock"):
        if lock.verb != "select_for_update":
            continue
        decided = decided_before(trace, lock)
        found = decided or released_at_once(trace, lock)
        if found is not None:
            act, read, guard = found
            between = f"The lock of line {lock.place.line} comes after the decision; nothing is tested again under it."
            cost = "The second request waits, then acts on what is no longer true."
            cures = ("lock_row", "conditional_update")
            yield suspicion(
                "lock-after-check", trace, act, read, guard, between, cost, cures, shallow=decided is None
            )


def decided_before(trace: Trace, lock: Event) -> tuple[Event, Event | None, Guard] | None:
    """A tested attribute is changed after the lock, and the locked row was not tested."""
    rows = trace.rows
    locked = {read.order for read in trace.of("read") if read.order > lock.order and same(read, lock)}
    for act in trace.of("write"):
        if act.order < lock.order or not lock.meets(act) or not lock.holds(act) or act_is_claimed(act):
            continue
        if any(guard.order > lock.order and guard.origins & locked for guard in act.guards):
            continue
        changed = changed_by(trace, act)
        for guard in act.guards:
            for identity, attr in sorted(guard.attrs):
                row = rows.get(identity)
                early = (
                    guard.order < lock.order
                    and row is not None
                    and row.model == lock.model
                    and row.locked is None
                )
                if early and row is not None and attr in changed and act.model == lock.model:
                    return act, trace.event(row.read or -1), guard
    return None


def changed_by(trace: Trace, act: Event) -> set[str]:
    if act.verb in ("update", "aupdate"):
        return set(act.fields or ())
    return {
        s.fields[0]
        for s in trace.of("set")
        if s.fields and s.order < act.order and set(s.rows) & set(act.rows)
    }


def released_at_once(trace: Trace, lock: Event) -> tuple[Event, Event, Guard | None] | None:
    """The locked rows are not looked at and the transaction ends: then comes what the lock was meant to guard."""
    if not lock.transactions or lock.chain:
        return None
    read = next((r for r in trace.of("read") if r.order == lock.order + 1 and r.locked), None)
    if read is None or used(trace, read):
        return None
    if any(e.kind in ("write", "effect") and lock.holds(e) and e.order > lock.order for e in trace.events):
        return None
    earlier = [e for e in trace.of("read") if e.order < lock.order and e.meets(lock) and not e.locked]
    later = [e for e in trace.of("write", "effect") if e.order > lock.order and e.meets(lock)]
    if not earlier or not later:
        return None
    named = [e for e in earlier if same(e, lock)] or earlier
    rows = {id(row) for event in named for row in event.rows}
    tests = [g for g in later[0].guards if g.order < lock.order and any(i in rows for i, _ in g.attrs)]
    return later[0], named[0], tests[-1] if tests else None


def used(trace: Trace, read: Event) -> bool:
    """Does anything depend on what the locking read found?"""
    row = read.rows[0] if read.rows else None
    for event in trace.events:
        if event.order <= read.order:
            continue
        if row is not None and row in event.rows:
            return True
        if any(read.order in guard.origins for guard in event.guards):
            return True
        if event.value is not None and read.order in event.value.every_origin:
            return True
    return False


def same(read: Event, lock: Event) -> bool:
    return read.model == lock.model if read.model and lock.model else read.base == lock.base
