"""A row was seen, and is then fetched again to be deleted or used: by then another request can have deleted it.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#get
"""

from collections.abc import Iterator

from analysis.source.events import Event, Guard, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import (
    locks_before,
    own_lock,
    plain,
    row_protected,
    same_table,
    suspicion,
    terms_of,
)
from analysis.source.values import Row

RAISES = ("get", "aget", "latest", "earliest")
COUNTS = ("exists", "aexists", "count", "acount", "first", "afirst")
CAUGHT = ("DoesNotExist", "ObjectDoesNotExist", "Exception", "BaseException")


def delete_after_check(facts: Facts, trace: Trace) -> Iterator[Hit]:
    yield from exists_then_get(trace)
    yield from fetched_again(trace)
    yield from emptied(facts, trace)


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


def emptied(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """`if not album.photos.exists(): album.delete()`, where nothing keeps a photo from being added in between."""
    for act in trace.of("write"):
        if act.verb not in ("delete", "adelete") or not act.rows or act.private:
            continue
        if act.origins[0] in ("fresh", "made") or act.catches(
            "ProtectedError", "IntegrityError", "RestrictedError"
        ):
            continue
        for guard, term in terms_of(act.guards):
            for order in sorted(term.origins) if term.present is False else ():
                read = trace.event(order)
                if read is None or not belongs_to(facts, read, act) or not read.meets(act):
                    continue
                if not row_protected(trace, act.rows[0], act, 0) and not kept(trace, read, act):
                    yield left_empty(trace, act, read, guard)
                    break


def belongs_to(facts: Facts, read: Event, act: Event) -> bool:
    """Was it asked for rows that refer to the one that is deleted?"""
    if read.verb not in COUNTS or same_table(read, act):
        return False
    if read.parent is not None and read.parent in act.rows:
        return True
    model = facts.models.named(read.model, read.place.path)
    names = {name.split("__", 1)[0].removesuffix("_id") for name in read.lookups}
    return model is not None and any(
        facts.models.known(model.references[name], model.cls.module.path) == act.model
        for name in names & model.references.keys()
    )


def left_empty(trace: Trace, act: Event, read: Event, guard: Guard) -> Hit:
    model = plain(act.model or "row")
    between = f"Another request can add a row to the {model} after line {read.top.line} found none."
    cost = "It is deleted with what was just added to it, or the added row's request fails."
    return suspicion("delete-after-check", trace, act, read, guard, between, cost, ("lock_row",))


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
