"""The offset between two clocks, bounded by what requests hold."""

import random

import numpy as np
import pandas as pd
import pytest

from analysis import engine
from analysis.schema import table
from analysis.signals.skew import contained, on_request_clock, skews, tightest
from tests.skewed import BASE, HOUR, tables

NAMES = ("requests", "statements", "links", "records", "sources")


def found(given):
    bounds = tightest(contained(*(table(name) for name in NAMES)))
    return skews(engine.in_memory(given).execute(engine.to_sql(bounds)).df())


@pytest.mark.parametrize("offset_ms", [-3_000, -7, 0, 1_203, 3_000])
def test_the_offset_lies_within_its_bounds_and_they_are_narrow(offset_ms):
    (skew,) = found(tables(random.Random(offset_ms), 300, offset_ms * 1_000, drift=50e-6))
    for at in (BASE, BASE + HOUR // 2, BASE + HOUR):
        low, high = skew.at(at)
        assert low <= offset_ms * 1_000 + 50e-6 * (at - BASE) <= high
        assert high - low < 20_000
    assert (skew.request_clock, skew.event_clock, skew.pairs) == ("web", "db", 300)


def test_fewer_pairs_than_thirty_say_nothing():
    assert found(tables(random.Random(1), 29, 5_000))[0].at(BASE) is None
    assert found(tables(random.Random(1), 30, 5_000))[0].at(BASE) is not None


def test_a_pair_that_contradicts_the_others_is_not_averaged_away():
    given = tables(random.Random(2), 100, 5_000)
    given["statements"].loc[50, ["started_us", "finished_us"]] += 900_000
    assert found(given)[0].at(BASE) is None


def test_a_drift_that_no_quartz_has_contradicts():
    assert found(tables(random.Random(3), 300, 0, drift=5e-4))[0].at(BASE) is None


def test_bounds_on_one_side_only_say_nothing():
    given = tables(random.Random(4), 100, 5_000)
    given["requests"]["starts_from"] = np.nan
    assert found(given)[0].at(BASE) is None


def test_links_that_are_guessed_and_clocks_that_are_one_give_no_pair():
    guessed, same = tables(random.Random(5), 100, 5_000), tables(random.Random(5), 100, 5_000)
    guessed["links"]["confidence"] = 0.99
    same["sources"]["clock"] = "web"
    assert found(guessed) == [] and found(same) == []


def test_a_statement_and_an_error_bound_the_offset_by_their_steps_and_by_the_writers_lag():
    given = tables(random.Random(7), 1, 0)
    given["requests"] = given["requests"].assign(starts_from=BASE, ends_by=BASE + 50_000)
    given["statements"] = given["statements"].assign(started_us=BASE + 10_000, finished_us=BASE + 20_000)
    given["records"]["logged_us"], given["records"]["resolution_us"] = BASE + 30_000, 100
    given["sources"]["lag_us"] = 5_000
    given["links"] = pd.concat(
        [given["links"], given["links"].assign(to_record=0, to_table="exceptions")], ignore_index=True
    )
    pairs = engine.to_sql(contained(*(table(name) for name in NAMES)))
    bounds = engine.in_memory(given).execute(pairs).df()[["low_us", "high_us"]].to_numpy().tolist()
    assert sorted(bounds) == [[20_000 - 5_000 - 50_000, 10_999], [30_000 - 5_000 - 50_000, 30_099]]


def test_many_pairs_are_bounded_as_a_few_are():
    (skew,) = found(tables(random.Random(6), 20_000, 5_000))
    low, high = skew.at(BASE)
    assert low <= 5_000 <= high and high - low < 3_000
    assert skew.pairs == 20_000 and len(skew.low_us) <= 501


def test_an_event_of_the_other_clock_is_as_wide_as_the_offset_is_unsure():
    assert on_request_clock((1_000, 1_009), (200, 210)) == (790, 809)
