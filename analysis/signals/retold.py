"""Requests that two logs tell: a proxy, its application server and the application each write a line of their own.

Counted twice they distort every rate, and what was one request looks like a duplicate. Whether two logs tell the same
requests is judged by those that stand alone, with no like one near: in another telling each meets exactly one, on
every endpoint. Innocent twins: two servers behind a load balancer, which both answer its health checks in time, but
not each other's requests; one log in two files, which share no time.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import ibis

NEAR_US: Final = 2_000_000
"""Stamps to the second, one log's at the start of a request and the other's at its end."""
LEAST_ALONE: Final = 20
LEAST_KINDS: Final = 3
SHARE: Final = 0.95
OF_A_KIND: Final = 0.5
"""What share of a kind's requests must meet one for the kind to count as told twice."""
TELLING: Final = ("request_id", "user_id", "entity", "duration_us")


def heaps(requests: ibis.Table) -> ibis.Table:
    """Requests of one kind (method, path without its query, status) that follow each other within 2 s.

    In:   requests; those without a method, path, status or stamp are in no heap
    Out:  one row a request: record_id, source_id, stamp_us, kind, heap (numbered within its kind), nth (of its source
          in the heap, from 1), known (how many of request id, user, entity and duration it tells)
    """
    whole = requests.filter(*(requests[name].notnull() for name in ("method", "path", "status", "stamp_us")))
    told = whole.select(
        "record_id",
        "source_id",
        "stamp_us",
        kind=whole.method + " " + whole.path.split("?")[0] + " " + whole.status.cast("string"),
        known=sum((whole[name].notnull().cast("int64") for name in TELLING), ibis.literal(0)),
    )
    by_kind = ibis.window(group_by="kind", order_by=["stamp_us", "record_id"])
    far = (told.stamp_us - told.stamp_us.lag().over(by_kind) > NEAR_US).fill_null(False)
    told = told.mutate(opens=far.cast("int64"))
    so_far = ibis.cumulative_window(group_by="kind", order_by=["stamp_us", "record_id"])
    told = told.mutate(heap=told.opens.sum().over(so_far))
    of_source = ibis.window(group_by=["kind", "heap", "source_id"], order_by=["stamp_us", "record_id"])
    return told.mutate(nth=ibis.row_number().over(of_source) + 1).drop("opens")


def compared(heaped: ibis.Table) -> ibis.Table:
    """How the requests of one source that stand alone are met in another.

    In:   as `heaps` gives it
    Out:  one row two sources and direction: source_id, other_id, alone (requests of the first that are the only ones
          of it in their heap, within the time of the other), met (of these, with exactly one of the other), kinds,
          kinds_met, known (of the first, a request, on average)
    """
    counts = heaped.group_by("kind", "heap", "source_id").aggregate(
        count=heaped.count(), at=heaped.stamp_us.min()
    )
    spans = heaped.group_by(other_id="source_id").aggregate(
        first=heaped.stamp_us.min(), last=heaped.stamp_us.max()
    )
    alone = counts.filter(counts["count"] == 1).drop("count")
    within = alone.join(
        spans,
        [alone.source_id != spans.other_id, alone.at >= spans.first, alone.at <= spans.last],
    ).select("kind", "heap", "source_id", "other_id")
    others = counts.select("kind", "heap", other_id="source_id", count="count")
    met = within.left_join(others, ["kind", "heap", "other_id"])
    met = met.select("kind", "source_id", "other_id", met=(met["count"] == 1).fill_null(False).cast("int64"))
    kinds = met.group_by("source_id", "other_id", "kind").aggregate(alone=met.count(), met=met.met.sum())
    known = heaped.group_by("source_id").aggregate(known=heaped.known.mean())
    found = kinds.group_by("source_id", "other_id").aggregate(
        alone=kinds.alone.sum(),
        met=kinds.met.sum(),
        kinds=kinds.count(),
        kinds_met=(kinds.met >= kinds.alone * OF_A_KIND).sum(),
    )
    return found.join(known, "source_id").order_by("source_id", "other_id")


def retellers(rows: Iterable[Mapping[Any, Any]]) -> dict[int, int]:
    """Which source tells again what another tells better: source_id -> source_id.

    In:   the rows of `compared`
    Out:  the better one knows more of a request on average (ids, user, duration), else it was read first; where there
          are several, the best
    """
    told = list(rows)
    known = {int(row["source_id"]): row["known"] for row in told}
    best = sorted(known, key=lambda source: (-known[source], source))
    alike = {frozenset((int(row["source_id"]), int(row["other_id"]))) for row in told if same(row)}
    found: dict[int, int] = {}
    for place, source in enumerate(best):
        for better in best[:place]:
            if frozenset((source, better)) in alike:
                found[source] = better
                break
    return found


def same(row: Mapping[Any, Any]) -> bool:
    """Whether nearly every request of the one is told by the other, on nearly every endpoint."""
    enough = row["alone"] >= LEAST_ALONE and row["kinds"] >= LEAST_KINDS
    return bool(enough and row["met"] >= SHARE * row["alone"] and row["kinds_met"] >= SHARE * row["kinds"])


def retold(heaped: ibis.Table, source_id: int, better_id: int) -> ibis.Table:
    """The requests of one source that a better one tells too, at most as many in a heap as that has there.

    Out:  record_id, told_by (the record of the better source in the same place of the heap)
    """
    worse = heaped.filter(heaped.source_id == source_id)
    better = heaped.filter(heaped.source_id == better_id).select("kind", "heap", "nth", told_by="record_id")
    return worse.join(better, ["kind", "heap", "nth"]).select("record_id", "told_by")
