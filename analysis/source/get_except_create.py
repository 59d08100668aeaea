"""`get()` fails with DoesNotExist and the handler inserts the row: two requests can both get there.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#get-or-create
"""

from collections.abc import Iterator

from analysis.source.check_then_insert import report, unguarded_inserts
from analysis.source.events import Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit


def get_except_create(facts: Facts, trace: Trace) -> Iterator[Hit]:
    for act, read, guard in unguarded_inserts(facts, trace):
        if guard.handler and not read.locked:
            yield report(facts, trace, "get-except-create", act, read, guard)
