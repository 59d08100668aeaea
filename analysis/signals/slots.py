"""Joining stretches of time with what lies in them, at the price of an equality.

A join on two inequalities alone compares each event with each request of its path. Here a request stands once, in the
slot that it began in, and the slot is as wide as the request may be long; an event stands in every slot in which a
request that reaches it can have begun. Equal width and slot leave neighbours only, which the caller compares exactly.
"""

from typing import Final

import ibis

from analysis.schema import FOREVER

WIDTHS_US: Final = (*(4**power * 1_000_000 for power in range(9)), FOREVER)
"""Widths of slots: 1 s to 18 h in steps of four, and one slot for what lasts longer."""

PLACE: Final = ("width_us", "slot_us")


def begun_in(spans: ibis.Table, from_us: str, by_us: str) -> ibis.Table:
    """The rows plus width_us and slot_us, the slot that each began in.

    In:   from_us, by_us: names of int64 columns, µs, inclusive; rows where one is NULL lie in no slot and are left out
    """
    spans = spans.filter(spans[from_us].notnull(), spans[by_us].notnull())
    length = spans[by_us] - spans[from_us]
    width = ibis.cases(*((length < width, width) for width in WIDTHS_US[:-1]), else_=WIDTHS_US[-1])
    sized = spans.mutate(width_us=width.cast("int64"))
    begun = ibis.greatest(sized[from_us], 0)
    return sized.mutate(slot_us=begun - begun % sized.width_us)


def reached_from(events: ibis.Table, from_us: str, by_us: str) -> ibis.Table:
    """The rows, each once for every slot in which a stretch that meets [from_us, by_us] can have begun.

    In:   as for `begun_in`
    Out:  the same rows plus width_us, slot_us
    """
    sized = events.mutate(width_us=ibis.array(list(WIDTHS_US)).unnest())
    earliest = sized[from_us] - sized.width_us
    first = ibis.ifelse(earliest < 0, 0, earliest - earliest % sized.width_us)
    return sized.mutate(slot_us=ibis.range(first, sized[by_us] + 1, sized.width_us).unnest())
