"""Requests stamped far from all others: a year misread, a test's old lines, a clock that was never set."""

from typing import Final

import ibis

SHARE: Final = 0.005
"""What may stray at either end."""
APART: Final = 20
"""How many times longer than the main stretch all of them together must span."""
LEAST_US: Final = 3_600_000_000


def main_stretch(requests: ibis.Table) -> ibis.Table:
    """The stretch of time that holds all requests but a few, where those few lie far from it.

    In:   requests
    Out:  one row, none where there are no requests: first_us, last_us (both inclusive: the middle 99 % with as much
          again on either side, an hour at least), strays (requests outside it), earliest_us, latest_us (of all), far:
          whether all together span more than 20 times the stretch. Without `far` nothing has to be left out to see
          the rest.
    """
    stamps = requests.stamp_us
    ends = requests.aggregate(
        low=stamps.quantile(SHARE).cast("int64"),
        high=stamps.quantile(1 - SHARE).cast("int64"),
        earliest_us=stamps.min(),
        latest_us=stamps.max(),
    )
    margin = ibis.greatest(ends.high - ends.low, LEAST_US)
    stretch = ends.select(
        "earliest_us", "latest_us", first_us=ends.low - margin, last_us=ends.high + margin
    ).mutate(far=ibis._.latest_us - ibis._.earliest_us > APART * (ibis._.last_us - ibis._.first_us))
    stamped = requests.select("stamp_us").cross_join(stretch)
    outside = (stamped.stamp_us < stamped.first_us) | (stamped.stamp_us > stamped.last_us)
    return stamped.group_by("first_us", "last_us", "earliest_us", "latest_us", "far").aggregate(
        strays=outside.sum().cast("int64")
    )
