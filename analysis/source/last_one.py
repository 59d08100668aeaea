"""One of several has to stay: they are counted, then one is taken out; two requests can take out two of them.

No row is written twice, so neither snapshots nor row locks on what is taken out prevent it: a write skew.

Source: https://www.postgresql.org/docs/current/transaction-iso.html#XACT-SERIALIZABLE
"""

from collections.abc import Iterator

from analysis.source.events import Event, Guard, Term, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import protected, same_table, suspicion, terms_of

COUNTS = ("count", "acount", "aggregate", "aaggregate")
FINDS = ("exists", "aexists")
KEYS = frozenset(("pk", "id"))


def last_one(facts: Facts, trace: Trace) -> Iterator[Hit]:
    for act in trace.of("write"):
        if not act.rows or act.loop:
            continue
        for read, guard in decisions(trace, act):
            if read.meets(act) and not protected(trace, read, act, read.order, absent=True):
                model = act.model or act.base
                between = f"Another request can take out another {model} after line {read.top.line} counted what stays."
                cost = "Both see the other one stay, and none is left."
                yield suspicion(
                    "limited-use", trace, act, read, guard, between, cost, ("lock_row", "advisory_lock")
                )
                break


def decisions(trace: Trace, act: Event) -> Iterator[tuple[Event, Guard]]:
    """The refusals that rest on how many rows of this table there are, of which the act takes one out."""
    for guard, term in terms_of(act.guards):
        for order in sorted(term.origins):
            read = trace.event(order)
            if (
                read is not None
                and guard.refuses in ("return", "raise")
                and same_table(read, act)
                and takes_out(act, read, term)
            ):
                yield read, guard


def takes_out(act: Event, read: Event, term: Term) -> bool:
    """`count()` of a set, then delete() of one row; or a column is set by which the set was chosen."""
    names = {name.split("__", 1)[0] for name in read.lookups}
    if act.verb in ("delete", "adelete"):
        return read.verb in COUNTS and term.present is None and bool(names - KEYS)
    changed = set(act.fields or ()) & names
    of_several = bool(names - KEYS - changed)
    return act.verb in ("save", "asave") and read.verb in (*COUNTS, *FINDS) and bool(changed) and of_several
