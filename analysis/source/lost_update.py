"""A row is read, changed in memory and saved: what another request wrote to it in between is overwritten.

Source: https://docs.djangoproject.com/en/5.2/ref/models/instances/#updating-attributes-based-on-existing-fields
"""

from collections.abc import Iterator

from analysis.source.events import Guard, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.stale_rows import BEFORE_SAVE, StaleWrite, stale_updates, stale_writes
from analysis.source.suspicion import plain, suspicion
from analysis.source.values import Row
from analysis.source.writers import other_writer


def lost_update(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """Suspects, the surest first: decided by the old state, computed from it, or saved in full beside other writers."""
    in_save = trace.function.rsplit(".", 1)[-1] in BEFORE_SAVE
    for stale in stale_writes(trace):
        if in_save and stale.row.name == "self":
            continue
        reason = why(facts, stale) or taken(facts, trace, stale)
        if reason is not None:
            yield report(trace, stale, reason)
    for act, read, guard, field in stale_updates(trace):
        if guard is not None and not act.expression:
            between = (
                f"Another request can change {field} after it was tested; the UPDATE does not test it again."
            )
            cost = f"Both requests act on the same old {field}; the later one overwrites the earlier one."
            yield suspicion(
                "lost-update", trace, act, read, guard, between, cost, ("conditional_update", "lock_row")
            )


def why(facts: Facts, stale: StaleWrite) -> str | None:
    """What makes the write stale, as the middle of a sentence; None if last-writer-wins is all that can happen."""
    given = stale.read is None
    if stale.counted is not None:
        return f"the new {(stale.counted.fields or ('?',))[0]} is computed from the old one"
    whole = stale.act.fields is None
    several = len(stale.written) > 3  # not a mark, but a state that was worked out from what was read
    if stale.transition is not None and (whole or several or stale.chosen_freely):
        return f"{tested_columns(stale)} was tested in line {stale.transition.place.line}"
    return carried_along(facts, stale) if whole and not given else None


def taken(facts: Facts, trace: Trace, stale: StaleWrite) -> str | None:
    """Was it looked for by a column that is then changed, and is more done with it than to set the same mark again?"""
    column = stale.chosen_by(facts)
    if not column or (stale.act.fields is not None and len(stale.written) < 2):
        return None
    more = any(
        event is not stale.act
        and event.order > (stale.act.reads[0] or 0)
        and stale.row not in event.rows
        and event.meets(stale.act)
        and set(stale.act.path[-1:]) <= set(event.path)  # in the same turn of a loop
        for event in trace.of("write", "effect")
    )
    return f"it was chosen by its {column}, which is then changed" if more or not stale.marks else None


def carried_along(facts: Facts, stale: StaleWrite) -> str | None:
    """What a save of the whole row, read before, puts back although nobody asked for it."""
    if stale.derived is not None:
        return f"{(stale.derived.fields or ('?',))[0]} is computed from other fields that were read"
    if stale.apart:
        return f"every column is written back, and another request changes {stale.apart} by this same line"
    writer = other_writer(facts, stale)
    return f"every column is written back, and {writer} changes others of them" if writer else None


def tested_columns(stale: StaleWrite) -> str:
    return " and ".join(
        sorted(
            attr for attr, guard in stale.tests.items() if guard is stale.transition and attr in stale.written
        )
    )


def decision(trace: Trace, stale: StaleWrite) -> Guard | None:
    """The decision to show: if there is one, that of the function itself about this row or the row that led to it."""
    models = set()
    row: Row | None = stale.row
    while row is not None:
        models.add(row.model)
        row = row.parent
    guard = stale.transition
    if guard is None or not guard.calls:
        return guard
    for one in stale.act.guards:
        reads = [trace.event(order) for order in one.origins]
        if not one.calls and one.refuses and any(r is not None and r.model in models for r in reads):
            return one
    return guard


def report(trace: Trace, stale: StaleWrite, reason: str) -> Hit:
    model = plain(stale.act.model or "row")
    between = f"Another request can save the same {model} after it was read: {reason}."
    cost = (
        "The columns that the other request changed get their old values back, without an error."
        if stale.act.fields is None
        else f"What the other request wrote to {', '.join(sorted(stale.written))} is overwritten, without an error."
    )
    narrow = stale.counted is None and stale.transition is None and stale.derived is None
    cures = (
        ("update_fields", "lock_row")
        if narrow
        else ("conditional_update", "lock_row")
        if stale.transition
        else ("lock_row",)
    )
    at = stale.sets[0].top if stale.read is None and stale.transition is None else None
    return suspicion(
        "lost-update", trace, stale.act, stale.read, decision(trace, stale), between, cost, cures, at=at
    )
