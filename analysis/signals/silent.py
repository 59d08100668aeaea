"""Silent victims: requests answered 2xx whose write the other request of their pair overwrote."""

from typing import Final

import ibis
import ibis.expr.types as ir

from analysis.signals.clocks import order

WRITE: Final = (
    "table_name",
    "fate",
    "from_us",
    "by_us",
    "clock",
    "writer",
    "source_id",
    "line_no",
    "next_line",
    "logged_at_start",
)
DEADLOCK: Final = "40001"
OF_MYSQL: Final = r"^error [0-9]+$"
"""An error whose number is all that is known. See `schema`."""


def silent_losers(
    pairs: ibis.Table, links: ibis.Table, statements: ibis.Table, records: ibis.Table
) -> ibis.Table:
    """Requests that passed and whose UPDATE the other request of their pair may have overwritten.

    In:   pairs as `duplicates.pairs` gives them; the tables links, statements, records
    Out:  one row a request that was answered 2xx in a pair whose overlap is not "none" and whose other request was
          answered 2xx or 5xx: victim_record, other_record, other_status, and overwritten:
          "sure": its last UPDATE of a table was kept and came surely before a kept UPDATE of that table by the other;
          "no": statements of both are known, and each such UPDATE of the other came surely before or was undone;
          "possible": anything else, also where no log shows the statements

    Both UPDATEs are taken to hit one row, which two requests about one entity suggest and a log does not prove.
    """
    sides = _passed(pairs, "first", "second").union(_passed(pairs, "second", "first"))
    updates = _updates(links, statements, records)
    last = updates.line_no == updates.line_no.max().over(group_by=["lane", "table_name"])
    met = sides.join(_named(updates.filter(last), "victim"), "victim_record")
    met = met.join(_named(updates, "other"), "other_record")
    met = met.filter(met.victim_table_name == met.other_table_name).mutate(came=_effect_order)
    kept = (met.victim_fate == "kept") & (met.other_fate == "kept")
    undone = (met.victim_fate == "undone") | (met.other_fate == "undone")
    sure = met.filter((met.came == "before") & kept).select("victim_record", "other_record", sure=True)
    doubt = met.filter((met.came != "after") & ~undone).select("victim_record", "other_record", doubt=True)
    traced = links.filter(links.to_table == "statements").from_record
    known = sides.victim_record.isin(traced) & sides.other_record.isin(traced)
    judged = (
        sides.mutate(known=known)
        .left_join(sure.distinct(), ["victim_record", "other_record"])
        .left_join(doubt.distinct(), ["victim_record", "other_record"])
    )
    return judged.select(
        *sides.columns,
        overwritten=ibis.cases(
            (judged.sure.notnull(), "sure"), (judged.doubt.isnull() & judged.known, "no"), else_="possible"
        ),
    ).order_by("victim_record", "other_record")


def fates(statements: ibis.Table) -> ibis.Table:
    """Whether what each statement wrote was kept when its transaction ended.

    In:   the table statements
    Out:  the same rows plus `fate`: "kept" (committed, or outside a transaction), "undone" (it failed, it was rolled
          back, or a statement of its transaction failed: COMMIT then rolls back), "unknown" (the log does not show
          the end or the session, or it may have been rolled back to a savepoint)

    Statements of one session stand in the file in the order in which they ran. MySQL undoes a failed statement alone,
    and all of the transaction at a deadlock.
    Source: PostgreSQL manual, COMMIT ("if the transaction is in an aborted state …"), SAVEPOINT; MySQL 8.4 manual,
    "InnoDB Error Handling".
    """
    placed = _in_transactions(statements)
    whole = ibis.window(group_by=["source_id", "session", "transaction"])
    began, over, failed, backed, marked, partly = (
        condition.cast("int64").max().over(whole) == 1
        for condition in (
            placed.kind == "begin",
            placed.is_end,
            placed.sqlstate.notnull()
            & ((placed.sqlstate == DEADLOCK) | ~placed.error.fill_null("").re_search(OF_MYSQL)),
            (placed.kind == "rollback") & placed.is_end,
            placed.kind == "savepoint",
            _to_savepoint(placed),
        )
    )
    fate = ibis.cases(
        (placed.sqlstate.notnull(), "undone"),
        (placed.session.isnull(), "unknown"),
        (~began & ~over, "kept"),
        (~began, "unknown"),
        (backed, "undone"),
        (partly | (marked & failed), "unknown"),
        (failed, "undone"),
        (over, "kept"),
        else_="unknown",
    )
    return placed.select(*statements.columns, fate=fate)


def _in_transactions(statements: ibis.Table) -> ibis.Table:
    """The statements with `is_end` (of a transaction) and `transaction`, counted within each session."""
    session = {"group_by": ["source_id", "session"], "order_by": "line_no"}
    ended = statements.mutate(
        is_end=statements.kind.isin(["commit", "rollback"]) & ~_to_savepoint(statements)
    )
    opens = (ended.kind == "begin") | ended.is_end.lag().over(**session).fill_null(False)
    cut = ended.mutate(opens=opens.cast("int64"))
    return cut.mutate(transaction=cut.opens.sum().over(ibis.window(**session, preceding=None, following=0)))


def _to_savepoint(statements: ibis.Table) -> ir.BooleanValue:
    """Whether a statement rolls back to a savepoint only."""
    partial = statements["sql"].upper().contains(" TO ").fill_null(False)
    return statements.kind.isin(["rollback", "savepoint"]) & partial


def _passed(pairs: ibis.Table, victim: str, other: str) -> ibis.Table:
    """The pairs in which one side passed and may have lost its write to the other."""
    may_lose = pairs[f"{victim}_status"].between(200, 299) & (pairs.overlap != "none")
    other_status = pairs[f"{other}_status"]
    wrote = other_status.between(200, 299) | (other_status >= 500)
    return pairs.filter(may_lose & wrote).select(
        victim_record=pairs[f"{victim}_record"],
        other_record=pairs[f"{other}_record"],
        other_status=other_status,
    )


def _updates(links: ibis.Table, statements: ibis.Table, records: ibis.Table) -> ibis.Table:
    """Each request's UPDATEs (lane: its record_id), their fate, and where in time and file they took effect.

    The end of an UPDATE is also known by position: its session's next statement is logged after it. That holds
    where a statement is logged as it starts, not where its only line is written with its duration at the end.
    """
    ended = fates(statements)
    ended = ended.mutate(
        next_line=ended.line_no.lead().over(group_by=["source_id", "session"], order_by="line_no"),
        from_us=ended.started_us + ended.wait_us.fill_null(0),
        by_us=ended.finished_us + ended.resolution_us - 1,
    )
    heads = records.select("record_id", logged_at_start=~records.message.lower().startswith("duration"))
    updates = ended.filter(ended.kind == "update").left_join(heads, "record_id")
    of_statements = links.filter(links.to_table == "statements").select(
        lane="from_record", record_id="to_record"
    )
    return updates.join(of_statements.distinct(), "record_id").select("lane", *WRITE)


def _named(updates: ibis.Table, side: str) -> ibis.Table:
    return updates.select(
        **{f"{side}_record": updates.lane}, **{f"{side}_{name}": updates[name] for name in WRITE}
    )


def _effect_order(met: ibis.Table) -> ir.StringValue:
    """Whether the victim's UPDATE took effect before the other's: by time on one clock, else by place in the file."""
    in_time = order(met.victim_from_us, met.victim_by_us, met.other_from_us, met.other_by_us)
    one_clock = met.victim_clock == met.other_clock
    one_file = (met.victim_writer == met.other_writer) & (met.victim_source_id == met.other_source_id)
    placed = one_file & met.victim_logged_at_start & met.other_logged_at_start
    return ibis.cases(
        (one_clock & (in_time != "undecided"), in_time),
        (placed & (met.victim_next_line < met.other_line_no), "before"),
        (placed & (met.other_next_line < met.victim_line_no), "after"),
        else_="undecided",
    )
