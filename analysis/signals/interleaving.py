"""How the requests of one pair interleaved: their events on one axis, and the window in which both had read.

Every event carries bounds (inclusive µs on its clock) of when it took effect. A statement takes effect between its
start, or the end of its wait for a lock, and its finish; which µs in between no log shows.
"""

from collections.abc import Sequence
from typing import Final

import ibis
import ibis.expr.types as ir

from analysis.schema import FOREVER
from analysis.signals.clocks import order

READS: Final = ("read", "lock")
WRITES: Final = ("insert", "update", "delete")
SHOWN: Final = (*READS, *WRITES, "commit", "rollback")
EVENT: Final = (
    "lane",
    "kind",
    "from_us",
    "by_us",
    "label",
    "detail",
    "table_name",
    "sqlstate",
    "status",
    "clock",
    "record_id",
    "source_id",
    "line_no",
)


def most_telling(pairs: ibis.Table, links: ibis.Table) -> ibis.Table:
    """The one pair to show.

    In:   pairs as `duplicates.pairs` gives them, and the table links
    Out:  at most one of their rows: overlap the surest, then one failed and one passed, then statements known of
          both, then the smallest gap, then the lowest record_ids
    """
    traced = links.filter(links.to_table == "statements").from_record
    one_failed = (pairs.first_status >= 500) != (pairs.second_status >= 500)
    doubts = ibis.cases((pairs.overlap == "sure", 0), (pairs.overlap == "possible", 1), else_=2)
    ranked = pairs.mutate(
        doubts=doubts,
        alike=ibis.cases((one_failed, 0), else_=1),
        untraced=ibis.cases((pairs.first_record.isin(traced) & pairs.second_record.isin(traced), 0), else_=1),
    )
    ranked = ranked.order_by("doubts", "alike", "untraced", "gap_us", "first_record", "second_record").limit(
        1
    )
    return ranked.select(*pairs.columns)


def timeline(
    lanes: Sequence[int],
    requests: ibis.Table,
    statements: ibis.Table,
    exceptions: ibis.Table,
    links: ibis.Table,
    *,
    records: ibis.Table,
    sources: ibis.Table,
) -> ibis.Table:
    """What happened in some requests, one row an event.

    In:   lanes: record_ids of the requests to draw; the promised tables
    Out:  lane (the request's record_id); kind: start, finish, read, lock, insert, update, delete, commit, rollback,
          wait (for another transaction's lock) or error; from_us, by_us; label, detail; table_name and sqlstate of
          a statement; status of the lane's request; clock; record_id, source_id, line_no of the evidence

    Ordered by from_us, then place. Log text stands in label and detail as it was logged: escape it where shown.
    """
    drawn = requests.filter(requests.record_id.isin(list(lanes)))
    linked = drawn.select(lane="record_id", status="status").join(links, ibis._.lane == links.from_record)
    of_statements = linked.filter(linked.to_table == "statements").select(
        "lane", "status", record_id="to_record"
    )
    of_exceptions = linked.filter(linked.to_table == "exceptions").select(
        "lane", "status", record_id="to_record"
    )
    ran = of_statements.distinct().join(statements, "record_id")
    events = ibis.union(
        _end(drawn, "start", "starts_from", "starts_by"),
        _end(drawn, "finish", "ends_from", "ends_by"),
        _effects(ran),
        _waits(ran),
        _errors(of_exceptions.distinct(), exceptions, records, sources),
    )
    return events.order_by("from_us", "source_id", "line_no", "kind")


def critical_window(events: ibis.Table, pairs: ibis.Table) -> ibis.Table:
    """From the moment both requests had read a table until either first wrote to it.

    In:   events as `timeline` gives them; first_record, second_record
    Out:  one row a pair and table that both read and one wrote: first_record, second_record, table_name;
          opens_from, opens_by (bounds of the later of the two reads), closes_from, closes_by (of the earlier first
          write), NULL where the log has no bound; was_open: "yes" (both surely had read before anyone wrote),
          "no" (one surely wrote first), "undecided"

    The read that counts is a request's last one of the table before it writes there itself (its last at all, if it
    does not): the one its decision rests on. A request's own statements go by their place in the file. A locking
    read counts as a read: it ends when the lock is granted. A statement that failed is an error
    and did neither.
    """
    done = events.filter(events.table_name.notnull()).mutate(
        from_us=events.from_us.fill_null(-FOREVER), by_us=events.by_us.fill_null(FOREVER)
    )
    first, second = (_read_and_wrote(done, _first_writes(done), side) for side in ("first", "second"))
    both = (
        pairs.select("first_record", "second_record")
        .join(first, "first_record")
        .join(second, ["second_record", "table_name"])
    )
    both = both.filter(both.first_written_from.notnull() | both.second_written_from.notnull())
    opens_from, opens_by, closes_from, closes_by = _open_and_closed(both)
    one_clock = both.first_clock == both.second_clock
    opened = order(opens_from, opens_by, closes_from, closes_by)
    return both.select(
        "first_record",
        "second_record",
        "table_name",
        opens_from=opens_from.nullif(-FOREVER),
        opens_by=opens_by.nullif(FOREVER),
        closes_from=closes_from.nullif(-FOREVER),
        closes_by=closes_by.nullif(FOREVER),
        was_open=ibis.cases(
            (one_clock & (opened == "before"), "yes"),
            (one_clock & (opened == "after"), "no"),
            else_="undecided",
        ),
    ).order_by("first_record", "second_record", "table_name")


def _first_writes(done: ibis.Table) -> ibis.Table:
    """Each request's first write to each table: its bounds, and its place in the file."""
    writes = done.filter(done.kind.isin(WRITES))
    return writes.group_by("lane", "table_name").aggregate(
        written_from=writes.from_us.min(),
        written_by=writes.by_us.min(),
        written_line=writes.line_no.min(),
    )


def _open_and_closed(both: ibis.Table) -> tuple[ir.IntegerValue, ...]:
    """Bounds of the later of the two reads, and of the earlier first write."""
    ends = ("from", "by")
    opens = [ibis.greatest(both[f"first_read_{end}"], both[f"second_read_{end}"]) for end in ends]
    # least and greatest skip NULL on some engines only: a request that never wrote did so at FOREVER
    wrote = [
        [both[f"{side}_written_{end}"].fill_null(FOREVER) for side in ("first", "second")] for end in ends
    ]
    return (*opens, *(ibis.least(*writes) for writes in wrote))


def _read_and_wrote(done: ibis.Table, wrote: ibis.Table, side: str) -> ibis.Table:
    """Per request and table: the read that its own write rests on, and that write if there is one."""
    known = done.filter(done.kind.isin(READS)).left_join(wrote, ["lane", "table_name"])
    before = known.filter(known.written_line.isnull() | (known.line_no < known.written_line))
    columns = {
        f"{side}_read_from": before.from_us.argmax(before.line_no),
        f"{side}_read_by": before.by_us.argmax(before.line_no),
        f"{side}_written_from": before.written_from.max(),
        f"{side}_written_by": before.written_by.max(),
        f"{side}_clock": before.clock.max(),
    }
    by_lane = before.group_by("lane", "table_name").aggregate(**columns)
    return by_lane.rename({f"{side}_record": "lane"})


def _end(drawn: ibis.Table, kind: str, from_us: str, by_us: str) -> ibis.Table:
    """The start or the finish of each request."""
    return drawn.select(
        lane="record_id",
        kind=ibis.literal(kind),
        from_us=drawn[from_us],
        by_us=drawn[by_us],
        label=ibis.literal(kind),
        detail=ibis.literal(" ").join([drawn.method, drawn.path]),
        table_name=ibis.null("string"),
        sqlstate=ibis.null("string"),
        status="status",
        clock="clock",
        record_id="record_id",
        source_id="source_id",
        line_no="line_no",
    )


def _effects(ran: ibis.Table) -> ibis.Table:
    """One event a statement that reads, locks, writes or ends a transaction; an "error" if it failed."""
    shown = ran.filter(ran.kind.isin(SHOWN) | ran.sqlstate.notnull())
    named = shown.kind + ibis.ifelse(shown.table_name.isnull(), "", " " + shown.table_name)
    return shown.mutate(
        kind=ibis.ifelse(shown.sqlstate.isnull(), shown.kind, "error"),
        from_us=shown.started_us + shown.wait_us.fill_null(0),
        by_us=shown.finished_us + shown.resolution_us - 1,
        label=named,
        detail=ibis.ifelse(shown.sqlstate.isnull(), shown["sql"], shown["error"]),
    ).select(*EVENT)


def _waits(ran: ibis.Table) -> ibis.Table:
    """One event a statement that waited for a lock: the bounds of the whole wait."""
    waited = ran.filter(ran.wait_us > 0)
    return waited.mutate(
        kind=ibis.literal("wait"),
        from_us=waited.started_us,
        by_us=waited.finished_us + waited.resolution_us - 1,
        label=ibis.literal("waits for a lock"),
        detail=waited.wait_us.cast("string") + " µs",
    ).select(*EVENT)


def _errors(
    of_exceptions: ibis.Table, exceptions: ibis.Table, records: ibis.Table, sources: ibis.Table
) -> ibis.Table:
    """One event an exception that propagated, stamped when its record was."""
    logged = records.select("record_id", "source_id", "line_no", "logged_us", "resolution_us")
    clocked = sources.select("source_id", "clock", "lag_us")
    raised = of_exceptions.join(exceptions.filter(exceptions.is_last), "record_id")
    raised = raised.join(logged, "record_id").join(clocked, "source_id")
    return raised.mutate(
        kind=ibis.literal("error"),
        from_us=raised.logged_us - raised.lag_us.fill_null(0),
        by_us=raised.logged_us + raised.resolution_us - 1,
        label=raised["type"],
        detail=raised["message"],
        table_name=ibis.null("string"),
    ).select(*EVENT)
