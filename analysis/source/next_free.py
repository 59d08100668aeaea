"""The next number, or a free one, is computed from the rows that exist: two requests compute the same one.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#aggregate
"""

import re
from collections.abc import Iterator

from analysis.source.events import Event, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import INSERTS, protected, same_table, suspicion
from analysis.source.values import Value

FIGURES = ("aggregate", "aaggregate", "count", "acount")
ORDERED = ("first", "last", "latest", "afirst", "alast", "alatest", "index", "get")
FREE = re.compile(r"next|avail|free|unused|unoccupied|vacant|allocat|generate", re.I)


def next_free(facts: Facts, trace: Trace) -> Iterator[Hit]:
    for act in trace.of("write"):
        if act.verb not in INSERTS or act.insert is False:
            continue
        found = computed_from(trace, act)
        if found is None:
            continue
        read, column = found
        unique = refused(facts, act, column)
        if act.catches_conflict and unique is not False:
            continue
        if not protected(trace, read, act, read.order, absent=True):
            yield report(trace, act, read, column, unique)


def report(trace: Trace, act: Event, read: Event, column: str, unique: bool | None) -> Hit:
    model = (act.model or act.base).rpartition(":")[2]
    between = f"Another request can take the same {column or 'value'} after line {read.top.line} looked."
    cost = (
        "The unique constraint refuses the second: the loser is answered with an unhandled database error."
        if unique
        else f"Two rows of {model} with the same {column or 'value'}."
    )
    return suspicion(
        "next-free", trace, act, read, None, between, cost, ("advisory_lock", "lock_row", "unique_constraint")
    )


def refused(facts: Facts, act: Event, column: str) -> bool | None:
    """Does a unique constraint hold the computed column? None where the model cannot be read."""
    model = facts.models.named(act.model, act.place.path)
    if model is None:
        return None
    return (
        True
        if any(column in unique.fields for unique in model.uniques)
        else None
        if model.open_ended
        else False
    )


def computed_from(trace: Trace, act: Event) -> tuple[Event, str] | None:
    """The read of the same table that a value of the new row was computed from, and the column."""
    for name, value in act.values.items():
        for order in sorted(value.origins, reverse=True):
            read = trace.event(order)
            if (
                read is None
                or read.kind != "read"
                or value.rows
                or not read.meets(act)
                or not same_table(read, act)
            ):
                continue
            free = value.free and read.verb in ("exists", "aexists")
            if free or read.verb in FIGURES or numbered(name, value, read) or speaks_of_free(read):
                return read, name
    whole = act.value.origins if act.value and act.verb in ("form-save", "super-create") else frozenset[int]()
    reads = [trace.event(order) for order in sorted(whole)]
    return next(
        ((r, "") for r in reads if r and r.kind == "read" and same_table(r, act) and speaks_of_free(r)), None
    )


def numbered(name: str, value: Value, read: Event) -> bool:
    """`number = last.number + 1`: the attribute of the row that was read last, for the same field of the new one."""
    mine = {id(row) for row in read.rows}
    asked = {attr for i, attr in value.attrs if i in mine}
    return read.verb in ORDERED and value.arithmetic and (not asked or bool(asked & {name, "pk", "id"}))


def speaks_of_free(read: Event) -> bool:
    """Was it read in a function that looks for what is free?"""
    return bool(read.calls) and bool(FREE.search(read.function.rsplit(".", 1)[-1]))
