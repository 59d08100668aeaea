"""The runs of a database session, each for one request at most.

A run is everything between BEGIN and COMMIT, and what follows without a pause that no request spans.
"""

from typing import Final

import ibis

OPENS: Final = 0.5
"""Share of a shape's statements that follow a pause no request spans, from which the shape opens a run."""


def runs(requests: ibis.Table, statements: ibis.Table) -> ibis.Table:
    """Each statement and the run of its session that it is part of.

    In:   the promised tables
    Out:  one row a statement of a known session and time: record_id, session (with its source: two databases may use
          one number), run (int64, counts up within the session), source_id, clock, starts_by (latest start),
          finished_us, shape, sql, params
    """
    timed = statements.filter(statements.session.notnull(), statements.started_us.notnull())
    timed = timed.mutate(
        session=timed.source_id.cast("string") + " " + timed.session,
        starts_by=timed.started_us + timed.resolution_us.fill_null(1) - 1,
        finished_us=timed.finished_us.fill_null(timed.started_us),
    )
    told = _paused(requests, timed)
    shapes = told.group_by("shape").aggregate(opens=told.paused.cast("int64").mean())
    shapes = shapes.select("opens", of_shape="shape")
    known = told.left_join(shapes, told.shape == shapes.of_shape)
    begins = (known.paused | (known.opens >= OPENS)) & ~known.in_transaction
    upto = ibis.window(group_by="session", order_by=["started_us", "line_no"], preceding=None, following=0)
    numbered = known.mutate(begins=begins.fill_null(False).cast("int64"))
    columns = (
        "record_id",
        "source_id",
        "session",
        "clock",
        "starts_by",
        "finished_us",
        "shape",
        "sql",
        "params",
    )
    return numbered.select(*columns, run=numbered.begins.sum().over(upto).cast("int64"))


def _paused(requests: ibis.Table, timed: ibis.Table) -> ibis.Table:
    """The statements with `paused` (no request spans this one and the one before) and `in_transaction`."""
    before = ibis.window(group_by="session", order_by=["started_us", "line_no"])
    number = ibis.row_number().over(before)
    rows = timed.mutate(number=number, earlier_by=timed.starts_by.lag().over(before))
    spans = requests.filter(requests.starts_from.notnull(), requests.ends_by.notnull())
    starts = spans.select(
        at_us=spans.starts_from, side=ibis.literal(0), busy_until=spans.ends_by, of=ibis.null("int64")
    )
    asked = rows.filter(rows.earlier_by.notnull()).select(
        at_us="earlier_by", side=ibis.literal(1), busy_until=ibis.null("int64"), of="record_id"
    )
    upto = ibis.window(order_by=["at_us", "side"], preceding=None, following=0)
    events = starts.union(asked)
    reach = events.mutate(reach=events.busy_until.max().over(upto))
    reach = reach.filter(reach.of.notnull()).select("of", "reach")
    met = rows.left_join(reach, rows.record_id == reach.of)
    earlier = ibis.window(group_by="session", order_by=["started_us", "line_no"], preceding=(None, 1))
    begun = ibis.ifelse(met.kind == "begin", met.number, ibis.null("int64")).max().over(earlier)
    ended = (
        ibis.ifelse(met.kind.isin(["commit", "rollback"]), met.number, ibis.null("int64")).max().over(earlier)
    )
    return met.mutate(
        paused=(met.reach.fill_null(-1) < met.finished_us),
        in_transaction=(begun > ended.fill_null(-1)).fill_null(False),
    )
