"""A counter is read into memory, changed there and written back: of two increments at once one is lost.

Source: https://docs.djangoproject.com/en/5.2/ref/models/expressions/#avoiding-race-conditions-using-f
"""

from collections.abc import Iterator

from analysis.source.events import Event, Guard, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit, Place
from analysis.source.stale_rows import BEFORE_SAVE, stale_updates, stale_writes
from analysis.source.suspicion import plain, protected, suspicion, terms_of


def counter_increment(facts: Facts, trace: Trace) -> Iterator[Hit]:
    in_save = trace.function.rsplit(".", 1)[-1] in BEFORE_SAVE
    for stale in stale_writes(trace):
        counter = stale.counter(facts)
        if counter is None or (in_save and stale.row.name == "self"):
            continue
        at = counter.top if stale.read is None else None
        yield report(trace, stale.act, stale.read, (counter.fields or ("?",))[0], at)
    for act, read, guard, field in stale_updates(trace):
        if guard is None:
            yield report(trace, act, read, field, None)
    yield from last_one(trace)


def last_one(trace: Trace) -> Iterator[Hit]:
    """An UPDATE counts, another statement reads the figure, and it decides who is the last: two can both be."""
    for count in trace.of("write"):
        if count.verb not in ("update", "aupdate") or not count.expression:
            continue
        for act in trace.of("write", "effect"):
            found = (
                next(figures(trace, count, act), None)
                if act.order > count.order and act.meets(count)
                else None
            )
            if found is not None:
                read, guard = found
                between = (
                    f"Another request can count up between lines {count.place.line} and {guard.place.line}."
                )
                cost = "Both requests find the final figure, and both do what only the last one should."
                cures = ("lock_row", "conditional_update")
                yield suspicion("counter-increment", trace, act, read, guard, between, cost, cures)
                break


def figures(trace: Trace, count: Event, act: Event) -> Iterator[tuple[Event | None, Guard]]:
    """The decisions by the column that was counted, as an unlocked statement read it afterwards."""
    for guard, term in terms_of(act.guards):
        for identity, attr in sorted(term.attrs):
            row = trace.rows.get(identity)
            if row is None or attr not in (count.fields or ()) or not term.equal or row.model != count.model:
                continue
            read = trace.event(row.read or -1)
            if (row.read or 0) > count.order and not protected(trace, read, act, count.order):
                yield read, guard


def report(trace: Trace, act: Event, read: Event | None, field: str, at: Place | None) -> Hit:
    between = f"Another request can change {field} of the same {plain(act.model or 'row')} after it was read."
    cost = f"One of the two changes of {field} is lost, without an error."
    return suspicion(
        "counter-increment", trace, act, read, None, between, cost, ("f_expression", "lock_row"), at=at
    )
