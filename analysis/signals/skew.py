"""How far two clocks are apart, bounded by what must lie within what: a request holds its own statements and errors.

Each pair bounds the offset from both sides; together they bound its value and its drift, without a guess about delays.
"""

import math
from dataclasses import dataclass
from typing import Final

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import linprog

ENOUGH_PAIRS: Final = 30
MOST_DRIFT: Final = 200e-6
"""A quartz clock that nobody corrects is off by less. Source: RFC 5905, section 7.1 (PHI is 15 ppm), with room."""
SURE: Final = 1.0  # confidence of a link by id
SLOTS: Final = 500
SECOND_US: Final = 1_000_000

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Skew:
    """What one clock shows while another shows a request's time: event clock - request clock, in µs.

    low_at, low_us: at instants of the request's clock, what the offset is not below; high_at, high_us: not above.
    """

    request_clock: str
    event_clock: str
    pairs: int
    low_at: Values
    low_us: Values
    high_at: Values
    high_us: Values

    @property
    def middle_us(self) -> int:
        """An instant amid the pairs, where the offset is known best."""
        known = np.concatenate((self.low_at, self.high_at))
        return int(np.median(known)) if len(known) else 0

    def at(self, instant_us: int) -> tuple[int, int] | None:
        """The least and the greatest offset at an instant of the request's clock, inclusive.

        None: the pairs contradict each other, bound one side only, or are too few to be believed.
        """
        if self.pairs < ENOUGH_PAIRS or not (len(self.low_us) and len(self.high_us)):
            return None
        low, high = self._end(instant_us, 1), self._end(instant_us, -1)
        return None if low is None or high is None else (math.floor(low) - 1, math.ceil(high) + 1)

    def _end(self, instant_us: int, side: int) -> float | None:
        """The least (side 1) or greatest (side -1) offset then: a linear program in the offset and the drift."""
        middle = float(np.median(self.low_us))
        above, below = ((each - instant_us) / SECOND_US for each in (self.low_at, self.high_at))
        rows = [
            np.column_stack((-np.ones(len(above)), -above)),
            np.column_stack((np.ones(len(below)), below)),
        ]
        limits = np.concatenate((middle - self.low_us, self.high_us - middle))
        drift = MOST_DRIFT * SECOND_US
        free = [(None, None), (-drift, drift)]
        found = linprog([side, 0], np.concatenate(rows), limits, bounds=free, method="highs")
        return middle + side * float(found.fun) if found.status == 0 else None


def contained(
    requests: ibis.Table, statements: ibis.Table, links: ibis.Table, records: ibis.Table, sources: ibis.Table
) -> ibis.Table:
    """What each link by id says of the offset between its two clocks.

    In:   the promised tables
    Out:  request_clock, event_clock (two different ones), at_us (of the request's clock), low_us, high_us (bounds of
          event clock - request clock; NULL: none on that side)

    A statement ran, and an exception was logged, between the request's start and its finish:
    low = earliest end of the event - latest finish, high = latest start of the event - earliest start.
    """
    lag = sources.select("source_id", event_clock="clock", event_lag="lag_us")
    ran = statements.select(
        "record_id",
        "source_id",
        to_table=ibis.literal("statements"),
        begins=statements.started_us + statements.resolution_us - 1,
        ends=statements.finished_us,
    )
    logged = records.select(
        "record_id",
        "source_id",
        to_table=ibis.literal("exceptions"),
        begins=records.logged_us + records.resolution_us - 1,
        ends=records.logged_us,
    )
    events = ibis.union(ran, logged).join(lag, "source_id").rename(to_record="record_id")
    held = requests.select(
        "starts_from", "ends_by", request_clock="clock", from_record="record_id", at_us="stamp_us"
    )
    known = links.filter(links.confidence >= SURE).select("from_record", "to_record", "to_table").distinct()
    pairs = known.join(held, "from_record").join(events, ["to_record", "to_table"])
    pairs = pairs.filter(pairs.request_clock != pairs.event_clock, pairs.at_us.notnull())
    return pairs.select(
        "request_clock",
        "event_clock",
        "at_us",
        low_us=pairs.ends - pairs.event_lag.fill_null(0) - pairs.ends_by,
        high_us=pairs.begins - pairs.starts_from,
    )


def tightest(pairs: ibis.Table) -> ibis.Table:
    """The tightest bounds of each slot of time: leaving the others out only widens what is claimed.

    In:   what `contained` gives
    Out:  one row two clocks and slot: request_clock, event_clock, slot, low_at, low_us, high_at, high_us, pairs
    """
    clocks = ("request_clock", "event_clock")
    of_clocks = ibis.window(group_by=clocks)
    since = pairs.at_us - pairs.at_us.min().over(of_clocks)
    width = (pairs.at_us.max().over(of_clocks) - pairs.at_us.min().over(of_clocks)) // SLOTS + 1
    slots = pairs.mutate(slot=since // width)
    found = slots.group_by(*clocks, "slot").aggregate(
        low_at=slots.at_us.argmax(slots.low_us),
        low_us=slots.low_us.max(),
        high_at=slots.at_us.argmin(slots.high_us),
        high_us=slots.high_us.min(),
        pairs=slots.count(),
    )
    return found.order_by(*clocks, "slot")


def skews(bounds: pd.DataFrame) -> list[Skew]:
    """One offset for each two clocks in the rows of `tightest`, by their names."""
    found = []
    for (request_clock, event_clock), rows in bounds.groupby(["request_clock", "event_clock"]):
        low, high = (
            rows[[f"{side}_at", f"{side}_us"]].dropna().to_numpy(np.float64).T for side in ("low", "high")
        )
        skew = Skew(str(request_clock), str(event_clock), int(rows["pairs"].sum()), *low, *high)
        found.append(skew)
    return found


def on_request_clock(event: tuple[int, int], offset: tuple[int, int]) -> tuple[int, int]:
    """Bounds (µs, inclusive) of an event on the other clock, as the request's clock would have shown them."""
    return event[0] - offset[1], event[1] - offset[0]
