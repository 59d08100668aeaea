"""A task, a mail or a call to another service leaves before the transaction has committed, and cannot be rolled back.

Source: https://docs.djangoproject.com/en/5.2/topics/db/transactions/#performing-actions-after-commit
"""

from collections.abc import Iterator

from analysis.source.events import Event, Trace
from analysis.source.facts import REQUEST_TRANSACTION, Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import constrained, suspicion
from analysis.source.values import Row
from analysis.source.words import SENDS

TOLD = "The outside world was told of something that never happened."


def effect_before_commit(facts: Facts, trace: Trace) -> Iterator[Hit]:
    for effect in trace.of("effect"):
        if not effect.transactions:
            continue
        written = [
            event
            for event in trace.of("write")
            if event.order < effect.order and event.meets(effect) and event.together(effect)
        ]
        about = [event for event in written if speaks_of(effect, event)]
        implicit = effect.transactions[0] == REQUEST_TRANSACTION
        source = (
            about[-1]
            if about
            else written[-1]
            if written and not implicit and effect.verb not in SENDS
            else None
        )
        if source is not None:
            yield report(trace, effect, source, effect.verb in SENDS)
        elif effect.verb in SENDS and about_instance(trace, effect):
            between = "The row was saved in the transaction of whoever saved it, which has not committed."
            cost = "The task fails, or works on the old row."
            yield suspicion("effect-before-commit", trace, effect, None, None, between, cost, ("on_commit",))
        elif not implicit and (refused := insert_to_come(facts, trace, effect)) is not None:
            between = f"The insert of line {refused.top.line} can still be refused: then all but this is rolled back."
            yield suspicion("effect-before-commit", trace, effect, None, None, between, TOLD, ("on_commit",))


def insert_to_come(facts: Facts, trace: Trace, effect: Event) -> Event | None:
    """An insert behind the effect, in its transaction, that a unique constraint can refuse."""
    return next(
        (
            event
            for event in trace.of("write")
            if event.order > effect.order
            and event.insert is True
            and event.meets(effect)
            and event.together(effect)
            and constrained(facts, event)
        ),
        None,
    )


def about_instance(trace: Trace, effect: Event) -> bool:
    """In a receiver of a signal: is the effect about the instance that the signal speaks of?"""
    value = effect.value
    if not trace.receives or value is None:
        return False
    touched = [trace.rows[i] for i, _ in value.attrs if i in trace.rows] + list(value.rows)
    return any(row.origin in ("given", "related") and above(row).name == "instance" for row in touched)


def above(row: Row) -> Row:
    """The row from which a related one was reached."""
    while row.parent is not None:
        row = row.parent
    return row


def speaks_of(effect: Event, written: Event) -> bool:
    """Is the effect about a row that this transaction wrote?"""
    value = effect.value
    if value is None:
        return False
    identities = {id(row) for row in written.rows}
    return any(id(row) in identities for row in value.rows) or any(i in identities for i, _ in value.attrs)


def report(trace: Trace, effect: Event, source: Event, task: bool) -> Hit:
    between = (
        f"A worker can start before the commit and not find what line {source.place.line} wrote."
        if task
        else f"The transaction can still be rolled back after line {effect.place.line}."
    )
    cost = "The task fails, or works on the old row." if task else TOLD
    return suspicion("effect-before-commit", trace, effect, source, None, between, cost, ("on_commit",))
