"""What the checks share: is a read still true when it is acted upon, and how a suspicion is put into words."""

from analysis.source.events import Event, Guard, Term, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit, Place
from analysis.source.lock_scope import concerns
from analysis.source.values import Row

INSERTS = (
    "create",
    "acreate",
    "bulk_create",
    "abulk_create",
    "save",
    "asave",
    "form-save",
    "super-save",
    "super-create",
)


def plain(name: str) -> str:
    """The class name in a model's key."""
    return name.rpartition(":")[2]


def same_table(one: Event, other: Event) -> bool:
    """Do two events concern one table, as far as the names tell?"""
    if one.model is not None and other.model is not None:
        return one.model == other.model
    return (
        (bool(one.base) and one.base == other.base)
        or "hook" in (one.verb, other.verb)
        or nameless(one, other)
    )


def nameless(read: Event, act: Event) -> bool:
    """Is a new row, of a class that the text does not tell, given the very fields that were looked up?"""
    asked = {name.split("__", 1)[0] for name in read.lookups} - {"pk", "id"}
    new = act.verb in ("save", "asave") and set(act.origins) <= {"fresh"} and act.model is None
    return read.kind == "read" and new and bool(asked) and asked <= act.values.keys()


def locks_before(trace: Trace, read: Event | None, act: Event, order: int) -> list[Event]:
    """Locks taken before `order`, still held at the act and, where there is one, at the read."""
    return [
        lock
        for lock in trace.of("lock", "mutex")
        if lock.order < order
        and lock.meets(act)
        and lock.holds(act)
        and (read is None or (lock.holds(read) and lock.meets(read)))
        and concerns(trace, lock, read, act)
    ]


def own_lock(trace: Trace, read: Event) -> Event | None:
    """The lock that the read itself took: on the rows that it found."""
    found = trace.event(read.order - 1) if read.locked else None
    return found if found is not None and found.kind == "lock" else None


def protected(trace: Trace, read: Event | None, act: Event, order: int, absent: bool = False) -> bool:
    """Can nobody else change what was read until the act is over?

    Yes under a lock taken before the read (or by it, unless it found no row to lock), and yes where a conditional
    write decided who may act: its count or its `created` flag was tested.
    """
    if act_is_claimed(act):
        return True
    own = own_lock(trace, read) if read is not None else None
    locks = [lock for lock in locks_before(trace, read, act, order) if lock is not own]
    if locks:
        return True
    return own is not None and not absent and own.holds(act)


def settled(trace: Trace, read: Event, act: Event) -> bool:
    """Does the absence, or the number, of rows that was read stay true until the act?

    Yes if the read was protected, and if the same was asked again under a lock and decided upon.
    """
    if protected(trace, read, act, read.order, absent=True):
        return True
    again = [trace.event(order) for guard in act.guards for order in guard.origins if order > read.order]
    return any(
        other is not None
        and other.kind == "read"
        and same_table(other, read)
        and set(other.lookups) == set(read.lookups)
        and protected(trace, other, act, other.order, absent=True)
        for other in again
    )


def act_is_claimed(act: Event) -> bool:
    """Was the act allowed by the count of a conditional UPDATE or DELETE, or by `created` of get_or_create()?

    `if not created` and `if not updated` allow it to everybody but the one.
    """
    return any(
        term.claims and term.present is not False and not guard.partial
        for guard, term in terms_of(act.guards)
    )


def row_protected(trace: Trace, row: Row, act: Event, position: int) -> bool:
    """Is a row that is written still the one that was read: locked then, or compared again under a lock?"""
    read = trace.event(act.reads[position] or -1)
    own = trace.event(act.locks[position] or -1)
    if own is not None and own.holds(act):
        return True
    first = min([g.order for g in act.guards if any(i == id(row) for i, _ in g.attrs)], default=act.order)
    order = read.order if read is not None else first
    if any(lock for lock in locks_before(trace, read, act, order) if lock is not own):
        return True
    return compared_under_lock(trace, act) or act_is_claimed(act)


def compared_under_lock(trace: Trace, act: Event) -> bool:
    """Compare and set: a test, after a locking read of the same table, that the transaction of the act still holds."""
    locked = {
        read.order
        for read in trace.of("read")
        if read.locked
        and (own := own_lock(trace, read)) is not None
        and own.holds(act)
        and same_table(read, act)
    }
    return any(term.origins & locked for guard in act.guards for term in guard.terms)


def terms_of(guards: tuple[Guard, ...]) -> list[tuple[Guard, Term]]:
    return [(guard, term) for guard in guards for term in guard.terms]


def tested(act: Event, row: Row) -> dict[str, Guard]:
    """The attributes of a row that were tested before the act, each with the last decision about it."""
    return {
        attr: guard for guard in act.guards for identity, attr in sorted(guard.attrs) if identity == id(row)
    }


def sets_of(trace: Trace, row: Row, act: Event, position: int) -> list[Event]:
    """What was assigned to a row in memory and is written by the act."""
    since = act.reads[position] or -1
    return [
        event
        for event in trace.of("set")
        if row in event.rows
        and since < event.order < act.order
        and event.meets(act)
        and (
            act.fields is None
            or "?" in act.fields
            or (event.fields and event.fields[0] in (*act.fields, "?"))
        )
    ]


def suspicion(
    check: str,
    trace: Trace,
    act: Event,
    read: Event | None,
    guard: Guard | None,
    between: str,
    cost: str,
    cures: tuple[str, ...],
    *,
    at: Place | None = None,
    shallow: bool = False,
) -> Hit:
    """A hit; where no read is in sight (the row was given) the decision, or the act itself, stands for it.

    A shallow one is about the function itself: its read and act are the lines from which they are reached.
    """
    source = read or guard or act
    reads = (*source.calls, source.place) if source.calls and not shallow else ()
    where = at or (read.top if read is not None else guard.top if guard is not None else act.top)
    return Hit(
        check=check,
        function=trace.function,
        read=where,
        test=guard.place if guard is not None else None,
        act=act.top if shallow else act.place,
        model=(act.model or act.base or "").rpartition(":")[2] or None,
        between=between,
        cost=cost,
        cures=cures,
        calls=() if shallow else act.calls,
        reads=reads,
    )


def constrained(facts: Facts, act: Event) -> bool | None:
    """Does a unique constraint stand behind an insert, judged by the fields that it names? None: not to be told."""
    model = facts.models.named(act.model, act.place.path)
    if model is None:
        return None
    if act.verb in ("form-save", "super-save", "super-create"):  # which fields it fills is the form's affair
        return (
            True
            if any(unique.fields != {"id"} for unique in model.uniques)
            else None
            if model.open_ended
            else False
        )
    names = [*act.values, *act.lookups, *(parent_fields(facts, act))]
    if model.unique_within(names) is not None:
        return True
    if act.verb in ("save", "asave") and model.uniques:  # a row may have been filled in out of sight
        return None
    return None if model.open_ended or any(name.startswith("**") for name in names) else False


def parent_fields(facts: Facts, act: Event) -> list[str]:
    """The reference that a related manager fills in: `job.completions.create()` sets `job`."""
    model = facts.models.named(act.model, act.place.path)
    if model is None or act.parent is None:
        return []
    parent = (act.parent.model or "").rpartition(":")[2]
    fitting = [name for name, target in model.references.items() if target == parent]
    return fitting or (["?"] if act.parent.model is None else [])
