"""The order of two events, claimed only where their clocks can support it.

An event is an interval of integer µs, both ends inclusive: it happened at one instant of [from, by]. A NULL `from`
reads minus infinity, a NULL `by` plus infinity. Every order has three values: "before", "after", "undecided".
"""

from typing import Final

import ibis
import ibis.expr.types as ir

STEPS_US: Final = (60_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10)
"""Steps that a clock or a stamp's format may have, coarsest first; each is a multiple of the next."""

ENOUGH_STAMPS: Final = 6
"""So many distinct stamps fall on a step ten times as coarse as their clock by chance once in 10^6."""


def order(
    a_from: ir.IntegerValue, a_by: ir.IntegerValue, b_from: ir.IntegerValue, b_by: ir.IntegerValue
) -> ir.StringValue:
    """Whether event a came before or after event b, both on one clock.

    In:   inclusive bounds in µs of each; NULL is minus or plus infinity
    Out:  "before" if the latest a is earlier than the earliest b, "after" the other way round, else "undecided"

    Strictly earlier: two events that may share one µs are undecided, since a clock that shows both at the same
    reading has not seen which came first. A comparison with NULL is NULL, and CASE takes that as not met.

    Source: Allen, "Maintaining knowledge about temporal intervals", CACM 26 (1983); relation "before".
    """
    return ibis.cases((a_by < b_from, "before"), (b_by < a_from, "after"), else_="undecided")


def stamped_order(
    pairs: ibis.Table, records: ibis.Table, sources: ibis.Table, skew_us: int | None = None
) -> ibis.Table:
    """Which of two records was stamped first; not which of two requests started or finished first.

    In:   first_record, second_record (record_ids); the tables records and sources;
          skew_us: how far apart any two clocks may be at most; None: nobody knows
    Out:  the same rows plus `stamped`: "before", "after" or "undecided", read from first to second

    On one clock the stamps decide, each an interval as wide as its resolution. On two clocks nothing does, unless
    `skew_us` bounds them. In one writer's file the position decides where the stamps tie. Where stamp and position
    contradict each other the clock was set back or the file has several writers: neither is believed, undecided.
    """
    first, second = _placed(records, sources, "first"), _placed(records, sources, "second")
    both = pairs.left_join(first, "first_record").left_join(second, "second_record")
    keep = [both[name] for name in pairs.columns]
    return both.select(*keep, stamped=_agreed(_by_stamp(both, skew_us), _by_position(both)))


def observed_resolution(records: ibis.Table) -> ibis.Table:
    """How fine the stamps of each source really are, which may be coarser than its format promises.

    In:   source_id, logged_us and resolution_us
    Out:  one row a source with stamps: source_id, resolution_us (promised), observed_us (seen, never finer than
          promised), stamps (distinct ones)

    A step is believed if every stamp lies on it and there are at least ENOUGH_STAMPS of them.
    """
    stamped = records.filter(records.logged_us.notnull())
    on_step = {f"on_{step}": (stamped.logged_us % step == 0).all() for step in STEPS_US}
    seen = stamped.group_by("source_id").aggregate(
        resolution_us=stamped.resolution_us.max().cast("int64"),
        stamps=stamped.logged_us.nunique().cast("int64"),
        **on_step,
    )
    enough = seen.stamps >= ENOUGH_STAMPS
    steps = [(enough & seen[f"on_{step}"], ibis.literal(step, "int64")) for step in STEPS_US]
    step = ibis.cases(*steps, else_=ibis.literal(1, "int64"))
    return seen.select(
        "source_id",
        "resolution_us",
        observed_us=ibis.ifelse(step > seen.resolution_us, step, seen.resolution_us),
        stamps=seen.stamps,
    )


def _placed(records: ibis.Table, sources: ibis.Table, side: str) -> ibis.Table:
    """Where each record stands in time and in its file; columns named first_… or second_…."""
    known = records.join(sources.select("source_id", "clock", "writer", "ordered_by"), "source_id")
    columns = {
        "record": known.record_id,
        "source": known.source_id,
        "line": known.line_no,
        "clock": known.clock,
        "writer": ibis.ifelse(known.ordered_by == "writer", known.writer, ibis.null("string")),
        "stamp_from": known.logged_us,
        "stamp_by": known.logged_us + known.resolution_us - 1,
    }
    return known.select(**{f"{side}_{name}": column for name, column in columns.items()})


def _by_stamp(both: ibis.Table, skew_us: int | None) -> ir.StringValue:
    stamps = (both.first_stamp_from, both.first_stamp_by, both.second_stamp_from, both.second_stamp_by)
    one_clock = both.first_clock == both.second_clock
    if skew_us is None:
        return ibis.cases((one_clock, order(*stamps)), else_="undecided")
    first_from, first_by, second_from, second_by = stamps
    across = order(first_from - skew_us, first_by + skew_us, second_from, second_by)
    return ibis.cases((one_clock, order(*stamps)), else_=across)


def _by_position(both: ibis.Table) -> ir.StringValue:
    one_file = (both.first_writer == both.second_writer) & (both.first_source == both.second_source)
    return ibis.cases(
        (one_file & (both.first_line < both.second_line), "before"),
        (one_file & (both.first_line > both.second_line), "after"),
        else_="undecided",
    )


def _agreed(one: ir.StringValue, other: ir.StringValue) -> ir.StringValue:
    """What two witnesses say together: the one that knows, both if they agree, else "undecided"."""
    return ibis.cases(
        (one == "undecided", other), (other == "undecided", one), (one == other, one), else_="undecided"
    )
