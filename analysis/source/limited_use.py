"""Something may be used so many times: the limit is tested, or only implied, and nothing holds it until the use counts.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#select-for-update
"""

from collections.abc import Iterator

from analysis.source.events import Event, Guard, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.limits import limit_of, limited_relations
from analysis.source.stale_rows import stale_writes
from analysis.source.suspicion import (
    INSERTS,
    plain,
    protected,
    row_protected,
    same_table,
    settled,
    suspicion,
    terms_of,
)
from analysis.source.values import Row

CURES = ("conditional_update", "lock_row")


def limited_use(facts: Facts, trace: Trace) -> Iterator[Hit]:
    yield from counted_down(facts, trace)
    yield from counted_rows(trace)
    yield from flag_taken(facts, trace)
    yield from unbounded(facts, trace)
    yield from one_more_row(facts, trace)
    yield from token_deleted(trace)


def counted_down(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """The counter itself was tested: `if voucher.used >= voucher.limit: …; voucher.used += 1; voucher.save()`."""
    for stale in stale_writes(trace):
        counted = stale.counter(facts) or stale.counted_by_database
        if counted is None or not counted.fields or counted.fields[0] not in stale.tests:
            continue
        guard = stale.tests[counted.fields[0]]
        if guard.order > counted.order:
            continue  # it was counted first: an increment's business
        yield report(trace, stale.act, stale.read, guard, counted.fields[0])
    rows = trace.rows
    for act in trace.of("write"):
        if act.verb not in ("update", "aupdate") or not act.expression:
            continue
        bounded = {name.split("__", 1)[0] for name in act.lookups}
        for guard in act.guards:
            for identity, attr in sorted(guard.attrs):
                row = rows.get(identity)
                if all(term.against == "None" for term in guard.terms if (identity, attr) in term.attrs):
                    continue
                if row is None or attr not in (act.fields or ()) or attr in bounded or row.model != act.model:
                    continue
                read = trace.event(row.read or -1)
                if not protected(trace, read, act, read.order if read else guard.order):
                    yield report(trace, act, read, guard, attr)


def counted_rows(trace: Trace) -> Iterator[Hit]:
    """The rows were counted: `if event.seats.count() >= event.capacity: …; Seat.objects.create(event=event)`."""
    for act in trace.of("write"):
        related = act.verb in ("add", "aadd") and act.parent is not None
        if not related and (act.verb not in INSERTS or act.insert is not True):
            continue
        for guard, term in terms_of(act.guards):
            if term.present is not None or term.difference:
                continue
            for order in sorted(term.origins):
                read = trace.event(order)
                if (
                    read is None
                    or not (
                        (read.counted and not term.attrs)
                        or read.verb in ("count", "acount", "aggregate", "aaggregate")
                    )
                    or not same_table(read, act)
                    or (related and read.parent is not act.parent)
                ):
                    continue
                if read.meets(act) and not settled(trace, read, act):
                    model = plain(act.model or act.base)
                    between = (
                        f"Another request can insert one more {model} after line {read.top.line} counted."
                    )
                    cost = "Both requests see room for one more, and the limit is exceeded."
                    yield suspicion(
                        "limited-use", trace, act, read, guard, between, cost, ("lock_row", "advisory_lock")
                    )


def flag_taken(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """A flag is tested, something happens, then the flag is set: `if cart.done: return; …; cart.done = True`."""
    for stale in stale_writes(trace):
        guard = stale.transition
        if guard is None or stale.act.fields is None or stale.counter(facts) is not None:
            continue
        if not stale.marks:
            continue
        done = [
            event
            for event in trace.of("write", "effect")
            if guard in event.guards
            and event is not stale.act
            and stale.row not in event.rows
            and event.meets(stale.act)
        ]
        if done:
            between = f"Another request can pass line {guard.place.line} before the flag is saved."
            cost = f"What stands behind the flag happens twice ({done[0].place})."
            yield suspicion("limited-use", trace, stale.act, stale.read, guard, between, cost, CURES)


def unbounded(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """A counter that the model compares with a limit goes up with no test under a lock: the test was the caller's."""
    for act in trace.of("write"):
        for field in counters(act):
            limit = limit_of(facts, act.model, field)
            bounded = (
                {name.split("__", 1)[0] for name in act.lookups}
                if act.verb in ("update", "aupdate")
                else set()
            )
            if (
                limit is None
                or act.function.endswith(limit.function)
                or field in bounded
                or protected(trace, None, act, act.order)
            ):
                continue
            between = (
                f"The limit on {field} ({limit.place}) is tested before this function is called, if at all."
            )
            cost = "Two requests that both passed the test both count, and the limit is exceeded."
            yield suspicion("limited-use", trace, act, None, None, between, cost, CURES)


def one_more_row(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """A row is added to those that the model counts against a limit, with no count under a lock."""
    for act in trace.of("write"):
        parent = act.parent
        if act.verb not in ("create", "acreate") or parent is None or parent.origin in ("made", "fresh"):
            continue
        limit = limited_relations(facts, parent.model).get(act.model or "")
        own = trace.event(parent.locked or -1)
        if limit is None or (own is not None and own.holds(act)) or protected(trace, None, act, act.order):
            continue
        if any(
            read.order in guard.origins
            for guard in act.guards
            for read in trace.of("read")
            if same_table(read, act)
        ):
            continue  # counted here: another suspicion's business
        between = f"How many there may be ({limit}) is tested before this function is called, if at all."
        cost = "Two requests that both passed the test both add one, and the limit is exceeded."
        yield suspicion(
            "limited-use", trace, act, trace.event(parent.read or -1), None, between, cost, ("lock_row",)
        )


def counters(act: Event) -> list[str]:
    """Columns that a write counts up or down."""
    if act.verb in ("update", "aupdate") and act.expression:
        return list(act.fields or ())
    return []


def token_deleted(trace: Trace) -> Iterator[Hit]:
    """A row is given, what it stands for is granted, then it is deleted: its second holder is granted the same."""
    for act in trace.of("write"):
        if act.verb not in ("delete", "adelete") or not act.rows or act.loop:
            continue
        row = act.rows[0]
        if (
            row.origin not in ("given", "read")
            or row.name in ("self", "request.user")
            or row_protected(trace, row, act, 0)
        ):
            continue
        granted = [
            event
            for event in trace.of("write")
            if event.order < act.order
            and event.meets(act)
            and event.verb in ("add", "aadd", "create", "acreate")
            and comes_from(row, event)
        ]
        if granted and not protected(trace, trace.event(row.read or -1), act, row.read or granted[0].order):
            between = (
                f"Another request can hold the same {plain(row.model or row.name)} and be granted the same."
            )
            cost = "It is used twice; the second delete removes nothing and raises nothing."
            at = None if row.read else granted[0].top
            read = trace.event(row.read or -1)
            yield suspicion(
                "limited-use",
                trace,
                act,
                read,
                None,
                between,
                cost,
                ("lock_row", "conditional_update"),
                at=at,
            )


def comes_from(row: Row, event: Event) -> bool:
    """Is what is granted reached through this row: `invite.team.members.add(…)`, `….create(team=invite.team)`?"""
    for value in event.values.values():
        if any(one.parent is row for one in value.rows) or any(
            i == id(row) for i, attr in value.attrs if attr not in ("pk", "id")
        ):
            return True
    parent = event.parent
    while parent is not None:
        if parent is row:
            return True
        parent = parent.parent
    return False


def report(trace: Trace, act: Event, read: Event | None, guard: Guard, field: str) -> Hit:
    between = f"Another request can change {field} after line {guard.place.line} tested it."
    cost = f"Both requests pass the test, and {field} goes beyond what it allows."
    return suspicion("limited-use", trace, act, read, guard, between, cost, CURES)
