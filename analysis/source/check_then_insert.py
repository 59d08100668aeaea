"""A row is looked for, is not there, and is inserted: two requests can both find nothing and both insert.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#get-or-create
"""

from collections.abc import Iterator

from analysis.source.events import Event, Guard, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.state_then_insert import state_then_insert
from analysis.source.suspicion import INSERTS, constrained, plain, same_table, settled, suspicion, terms_of
from analysis.source.validated_then_insert import validated_then_insert
from analysis.source.words import GETS_OR_INSERTS

ASKS_PRESENCE = (
    "exists",
    "aexists",
    "first",
    "afirst",
    "full_clean",
)  # what the test of an unclear term is about


def check_then_insert(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """An insert on the arm on which the same table did not hold the row."""
    for act, read, guard in unguarded_inserts(facts, trace):
        if not guard.handler and not read.locked:
            yield report(facts, trace, "check-then-insert", act, read, guard)
    yield from missing_inserted(facts, trace)
    yield from key_written(facts, trace)
    yield from state_then_insert(facts, trace)
    yield from validated_then_insert(facts, trace)


def key_written(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """No row has the value yet, so a row is given it: `if not ….filter(email=new).exists(): user.email = new`."""
    for act in trace.of("write"):
        if act.verb not in ("save", "asave") or act.insert is True or act.catches_conflict:
            continue
        sets = [
            e for e in trace.of("set") if e.fields and e.order < act.order and set(e.rows) & set(act.rows)
        ]
        written = {e.fields[0] for e in sets if e.fields}
        for read, guard in absences(trace, act, tuple(g for e in sets for g in e.guards)):
            asked = {name.split("__", 1)[0] for name in read.lookups}
            if read.verb in ("exists", "aexists") and asked & written:
                yield report(facts, trace, "check-then-insert", act, read, guard)
                break


def unguarded_inserts(facts: Facts, trace: Trace) -> Iterator[tuple[Event, Event, Guard]]:
    """Inserts that follow from an absence that another request can end, with each such read and decision."""
    for act in trace.of("write"):
        if act.verb not in INSERTS or not may_insert(act) or act.private:
            continue
        unique = constrained(facts, act)
        if act.catches_conflict and unique is not False:
            continue
        for found in absences(trace, act):  # all: the nearest may be the affair of what is called
            yield act, *found


def may_insert(act: Event) -> bool:
    return act.insert is True or (act.insert is None and "fresh" in act.origins)


def absences(trace: Trace, act: Event, more: tuple[Guard, ...] = ()) -> Iterator[tuple[Event, Guard]]:
    """The decisions by which a row was not there: around the insert, or around the making of the row in memory."""
    made = tuple(
        g for row in act.rows for g in row.made_under if g not in act.guards and act.verb != "create"
    )
    for guard, term in reversed(terms_of((*act.guards, *made, *more))):
        nothing_changed = term.claims if term.present is False else frozenset[int]()
        for order in sorted(term.origins | nothing_changed, reverse=True):
            read = trace.event(order)
            if read is None or not same_table(read, act) or not read.meets(act) or not speaks_of(read, act):
                continue
            absent = (term.present is False and read.verb not in GETS_OR_INSERTS) or (
                term.present is None and not term.attrs and read.verb in ASKS_PRESENCE
            )
            if absent and not settled(trace, read, act):
                yield read, guard


def missing_inserted(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """Many are inserted: what is left of a list after taking away those that a query found."""
    for act in trace.of("write"):
        if "bulk" not in act.verb or act.verb not in INSERTS or act.value is None or not act.value.difference:
            continue
        if act.private or (act.catches_conflict and constrained(facts, act) is not False):
            continue
        for order in sorted(act.value.origins):
            read = trace.event(order)
            if read is None or read.kind != "read" or not same_table(read, act) or not read.meets(act):
                continue
            if not settled(trace, read, act):
                yield report(facts, trace, "check-then-insert", act, read, None)
                break


def speaks_of(read: Event, act: Event) -> bool:
    """Does the insert fill a field that was looked up? Unknown on either side counts as yes."""
    asked = {name.split("__", 1)[0].removesuffix("_id") for name in read.lookups}
    given = {name.removesuffix("_id") for name in act.values}
    if not asked or not given or any(name.startswith("**") for name in (*asked, *given)):
        return True
    return bool(asked & given) or bool(asked & {"pk", "id"}) or act.verb != "create"


def report(facts: Facts, trace: Trace, check: str, act: Event, read: Event, guard: Guard | None) -> Hit:
    model = plain(act.model or act.base)
    unique = constrained(facts, act)
    cost = (
        "The unique constraint refuses the second row: the loser is answered with an unhandled database error."
        if unique
        else f"Two rows of {model} where the code expects one: no unique constraint in sight refuses the second."
        if unique is False
        else "Two rows, or, behind a unique constraint, an unhandled database error for the loser."
    )
    cures = ("get_or_create", "insert_first") if unique else ("unique_constraint", "advisory_lock")
    between = f"Another request can insert the same {model} after line {read.top.line} found none."
    return suspicion(check, trace, act, read, guard, between, cost, cures)
