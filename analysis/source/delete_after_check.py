"""A row was seen, and is then fetched again to be deleted or used: by then another request can have deleted it.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#get
"""

from collections.abc import Iterator

from analysis.source.events import Event, Guard, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import locks_before, own_lock, plain, same_table, suspicion, terms_of
from analysis.source.values import Row

RAISES = ("get", "aget", "latest", "earliest")
CAUGHT = ("DoesNotExist", "ObjectDoesNotExist", "Exception", "BaseException")


def delete_after_check(facts: Facts, trace: Trace) -> Iterator[Hit]:
    yield from exists_then_get(trace)
    yield from fetched_again(trace)


def unhandled(event: Event) -> bool:
    """Would DoesNotExist of this get() leave the function? A handler counts if it is for this model or for any."""
    if event.verb not in RAISES:
        return False
    for handler in event.handlers:
        owner, _, name = handler.rpartition(".")
        if name in CAUGHT and (name != "DoesNotExist" or fits(owner, event)):
            return False
    return True


def fits(owner: str, event: Event) -> bool:
    """`Worker.DoesNotExist` does not catch that of another model; of an unknown one it may."""
    simple = owner.rsplit(".", 1)[-1]
    return (
        not simple[:1].isupper() or event.model is None or simple == event.model or simple.endswith("Model")
    )


def exists_then_get(trace: Trace) -> Iterator[Hit]:
    """`if q.exists(): row = q.get()`."""
    for act in trace.of("read"):
        if not unhandled(act):
            continue
        for guard, term in terms_of(act.guards):
            for order in sorted(term.origins):
                read = trace.event(order)
                if (
                    term.present is not True
                    or read is None
                    or read.verb not in ("exists", "aexists", "count", "acount")
                ):
                    continue
                if same_table(read, act) and alike(read, act) and not kept(trace, read, act):
                    yield report(trace, act, read, guard)


def kept(trace: Trace, read: Event, act: Event) -> bool:
    """Was the row itself locked, or everything? A lock on another row keeps nobody from deleting this one."""
    own = own_lock(trace, read)
    locks = [
        lock
        for lock in locks_before(trace, read, act, read.order)
        if lock.verb != "select_for_update" or same_table(lock, read)
    ]
    return bool(locks) or (own is not None and own.holds(act))


def alike(read: Event, act: Event) -> bool:
    """Are both look-ups by the same fields?"""
    return set(read.lookups) == set(act.lookups)


def fetched_again(trace: Trace) -> Iterator[Hit]:
    """`Row.objects.get(pk=seen.pk).delete()`, where nothing holds what was seen."""
    rows = trace.rows
    deleted = {
        id(row): event
        for event in trace.of("write")
        if event.verb in ("delete", "adelete")
        for row in event.rows
    }
    for fetch in trace.of("read"):
        if not unhandled(fetch) or not fetch.rows or id(fetch.rows[0]) not in deleted or fetch.value is None:
            continue
        seen = next(
            (
                rows[i]
                for i, attr in sorted(fetch.value.attrs)
                if i in rows
                and rows[i].origin in ("read", "given")
                and (attr in ("pk", "id") or attr.endswith("_id"))
            ),
            None,
        )
        if seen is None or held(trace, seen, fetch):
            continue
        read = trace.event(seen.read or -1)
        guard = next((g for g in reversed(fetch.guards) if any(i == id(seen) for i, _ in g.attrs)), None)
        yield report(trace, fetch, read or fetch, guard)


def held(trace: Trace, seen: Row, fetch: Event) -> bool:
    """Is the row that was seen locked, or anything else that was locked before?"""
    own = trace.event(seen.locked or -1)
    if own is not None and own.holds(fetch):
        return True
    mine = own_lock(trace, fetch)
    return any(lock is not mine for lock in locks_before(trace, None, fetch, fetch.order))


def report(trace: Trace, act: Event, read: Event, guard: Guard | None) -> Hit:
    model = plain(act.model or "row")
    between = f"Another request can delete the {model} before line {act.place.line} fetches it."
    cost = "The loser is answered with an unhandled DoesNotExist; nothing else is lost."
    return suspicion("delete-after-check", trace, act, read, guard, between, cost, ("lock_row",))
