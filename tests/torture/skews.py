"""Two clocks apart by up to three seconds and drifting: how near the offset comes, and that no order is invented."""

import random

from analysis import engine
from analysis.schema import table
from analysis.signals.skew import contained, on_request_clock, skews, tightest
from tests.skewed import BASE, tables

SPANS_US = (60 * 10**6, 600 * 10**6, 3_600 * 10**6)
NEAR_US = 5_000
STEP_US = 1_000


def offset_and_orders(number: int) -> None:
    """The estimate is within 5 ms from 30 pairs on, its bounds hold, and an order claimed by them is the true one."""
    chance = random.Random(f"skew {number}")
    apart, drift, span = (
        chance.randrange(-3_000_000, 3_000_001),
        chance.uniform(-50e-6, 50e-6),
        chance.choice(SPANS_US),
    )
    given = tables(chance, chance.randrange(30, 300), apart, drift, span)
    names = ("requests", "statements", "links", "records", "sources")
    bounds = engine.to_sql(tightest(contained(*(table(name) for name in names))))
    (skew,) = skews(engine.in_memory(given).execute(bounds).df())
    decided = 0
    for _ in range(15):
        at = BASE + chance.randrange(span)
        low, high = skew.at(at) or (0, 0)
        truth = apart + drift * (at - BASE)
        assert low <= truth <= high, f"{number}: {truth} not in {low, high}"
        assert abs((low + high) / 2 - truth) <= NEAR_US, f"{number}: {(low + high) / 2} is far from {truth}"
        other = at + chance.randrange(-40_000, 40_000)
        shown = other + apart + round(drift * (other - BASE))
        one = (at // STEP_US * STEP_US, at // STEP_US * STEP_US + STEP_US - 1)
        two = on_request_clock(
            (shown // STEP_US * STEP_US, shown // STEP_US * STEP_US + STEP_US - 1), (low, high)
        )
        assert not (one[1] < two[0] and at >= other), f"{number}: {at} claimed before {other}"
        assert not (two[1] < one[0] and other >= at), f"{number}: {other} claimed before {at}"
        decided += one[1] < two[0] or two[1] < one[0]
    assert decided >= 4, f"{number}: bounds that decide nothing"
