import random

from analysis import engine
from analysis.findings_of_time import apart, unstamped
from analysis.schema import table
from analysis.signals.skew import contained, skews, tightest
from tests.skewed import tables


def told(pairs, offset_us):
    names = ("requests", "statements", "links", "records", "sources")
    bounds = engine.to_sql(tightest(contained(*(table(name) for name in names))))
    given = tables(random.Random(pairs), pairs, offset_us)
    return apart(skews(engine.in_memory(given).execute(bounds).df())[0])


def test_the_offset_of_two_clocks_is_told_with_its_sign_and_its_bounds():
    assert told(400, 1_200_000).claim == "The clock of db is 1.2 s ahead of that of web, by 400 pairs."
    assert told(400, -1_200_000).claim == "The clock of db is 1.2 s behind that of web, by 400 pairs."
    assert told(400, -1_200_000).limits.startswith("Between -1,200.5 and -1,199.8 ms")


def test_clocks_that_may_be_one_are_neither_ahead_nor_behind():
    assert told(400, 0).claim == "The clocks of db and of web agree within 0.47 ms, by 400 pairs."


def test_too_few_pairs_tell_no_offset_and_what_it_takes():
    finding = told(12, 1_200_000)
    assert finding.claim == "How far the clock of db and that of web are apart cannot be told from 12 pairs."
    assert "thirty pairs" in finding.limits


def test_requests_without_a_stamp_are_counted():
    assert unstamped(1, 0).claim == "1 request without a stamp, 0 of them failed, are in no rate."
