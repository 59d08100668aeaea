"""The ladder of evidence: what these logs can claim, and what the next rung would need.

Most people have only the lower rungs: an application log, then an access log to the second, one to the millisecond
that names entity and user, a database log. A lower rung says less; it never says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import ibis


@dataclass(frozen=True)
class Rung:
    """A question, the counts that must not be 0 for it to have an answer, and what would provide them."""

    question: str
    needs: tuple[str, ...]
    provided_by: str


RUNGS: Final = (
    Rung("Which errors happened, and on which key?", ("exceptions",), "an application log with tracebacks"),
    Rung("When did the error rate rise?", ("answered",), "an access log with statuses"),
    Rung("Who was hit?", ("answered", "with_user"), "the user in the access log"),
    Rung(
        "Which cause had each failure?",
        ("linked_exceptions",),
        "one request id in access and application log",
    ),
    Rung("Which requests were duplicates?", ("keyed",), "entity and user in the access log"),
    Rung(
        "Did duplicates overlap?",
        ("keyed_bounded",),
        "a stamp that is known to mark start or finish, and a duration",
    ),
    Rung(
        "In which order did they read and write?",
        ("linked_statements",),
        "a database log with statements and ids",
    ),
)


def counts(requests: ibis.Table, exceptions: ibis.Table, links: ibis.Table) -> ibis.Table:
    """How much evidence there is of each kind, one row.

    In:   the promised tables
    Out:  int64 answered, with_user, keyed, keyed_bounded (start and finish bounded on both sides), exceptions
          (records that hold one), linked_exceptions, linked_statements (requests with at least one); linked_exceptions
          is 0 where fewer than half of the failed requests have one
    """
    raised = links.filter(links.to_table == "exceptions")
    failed = requests.filter(requests.status >= 500)
    explained = failed.semi_join(raised, failed.record_id == raised.from_record)
    enough = failed.count().as_scalar() <= 2 * explained.count().as_scalar()
    bounds = (requests.starts_from, requests.starts_by, requests.ends_from, requests.ends_by)
    bounded = bounds[0].notnull() & bounds[1].notnull() & bounds[2].notnull() & bounds[3].notnull()
    of_requests = requests.aggregate(
        answered=requests.status.count(),
        with_user=requests.user_id.count(),
        keyed=requests.request_key.count(),
        keyed_bounded=requests.request_key.count(where=bounded),
    )
    of_exceptions = exceptions.aggregate(exceptions=exceptions.record_id.nunique())
    of_links = links.aggregate(
        linked_exceptions=links.from_record.nunique(where=(links.to_table == "exceptions") & enough),
        linked_statements=links.from_record.nunique(where=links.to_table == "statements"),
    )
    return of_requests.cross_join(of_exceptions).cross_join(of_links)


def answerable(counted: Mapping[str, Any]) -> list[tuple[str, bool, str]]:
    """Each question, whether this evidence can answer it, and what would be needed where it cannot.

    In:   the row of `counts`
    """
    found = []
    for rung in RUNGS:
        can = all(counted[name] > 0 for name in rung.needs)
        found.append((rung.question, can, "" if can else rung.provided_by))
    return found
