"""A row lock lasts as long as its transaction: the write comes after the transaction, or there is none.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#select-for-update
"""

from collections.abc import Iterator

from analysis.source.events import Event, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import suspicion, tested


def lock_outside_transaction(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """Locks whose transaction is over, and locks of a view that opens none (Django then refuses to run them)."""
    for act in trace.of("write"):
        if act.verb not in ("save", "asave", "delete", "adelete") or act.insert is True:
            continue
        for position, row in enumerate(act.rows):
            lock = trace.event(act.locks[position] or -1) if position < len(act.locks) else None
            if lock is None or not lock.meets(act):
                continue
            alone = not lock.transactions and not act.transactions and trace.view
            if lock.holds(act) and not alone:
                continue
            read = trace.event(act.reads[position] or -1)
            guard = next(reversed(tested(act, row).values()), None)
            yield report(trace, act, read, lock, guard)


def report(trace: Trace, act: Event, read: Event | None, lock: Event, guard: object) -> Hit:
    from analysis.source.events import Guard

    between = (
        f"The lock of line {lock.place.line} ends with its transaction; "
        f"another request can change the row before line {act.place.line}."
    )
    cost = "What the other request wrote is overwritten, without an error."
    return suspicion(
        "lock-outside-transaction",
        trace,
        act,
        read,
        guard if isinstance(guard, Guard) else None,
        between,
        cost,
        ("lock_row",),
    )
