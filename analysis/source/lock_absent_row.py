"""`select_for_update()` found no row, so it locked nothing, and the row is inserted as if it had.

Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
"""

from collections.abc import Iterator
from dataclasses import replace

from analysis.source.check_then_insert import report, unguarded_inserts
from analysis.source.events import Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit


def lock_absent_row(facts: Facts, trace: Trace) -> Iterator[Hit]:
    for act, read, guard in unguarded_inserts(facts, trace):
        if read.locked:
            hit = report(facts, trace, "lock-absent-row", act, read, guard)
            yield replace(
                hit, between=f"The lock of line {hit.read.line} holds only rows that exist. {hit.between}"
            )
