from math import log

import numpy as np
import pytest

from analysis.signals.changepoint import change, fall, plausible, rise


def outcomes(drawing):
    failed = np.array([mark == "x" for mark in drawing], dtype=np.int64)
    return failed, np.ones_like(failed)


def by_hand(failed, before, after):
    """Log-likelihood of outcomes, one by one, at a rate before and one after."""
    split, rest = failed
    return sum(log(before if bad else 1 - before) for bad in split) + sum(
        log(after if bad else 1 - after) for bad in rest
    )


def test_the_likelihood_of_a_rise_is_that_of_its_two_rates():
    failed, ones = outcomes(".x....xx.x")
    assert rise(failed, ones)[6] == pytest.approx(by_hand((failed[:6], failed[6:]), 1 / 6, 3 / 4))


def test_the_likelihood_of_a_fall_is_that_of_a_free_rate_and_the_calm_one():
    failed, ones = outcomes("xx.x...x..")
    assert fall(failed, ones, 0.1)[3] == pytest.approx(by_hand((failed[:4], failed[4:]), 3 / 4, 0.1))


def test_buckets_give_the_likelihood_of_their_requests():
    failed, ones = outcomes("......" + "..x..." + "x.x.xx")
    buckets, sizes = failed.reshape(3, 6).sum(axis=1), ones.reshape(3, 6).sum(axis=1)
    assert rise(buckets, sizes)[1:] == pytest.approx(rise(failed, ones)[[6, 12]])


def test_a_rise_is_not_where_the_rate_fell():
    failed, ones = outcomes("xxxx....")
    assert not np.isfinite(rise(failed, ones)).any()


def test_what_is_known_from_before_stands_before_every_item():
    failed, ones = outcomes("x.xx")
    alone, joined = rise(*outcomes("." * 50 + "x.xx"))[50:], rise(failed, ones, base=(0, 50))
    assert joined == pytest.approx(alone)
    assert np.argmax(joined) == 0


def test_a_sharp_change_is_placed_to_the_request_or_one_good_one_before():
    failed, ones = outcomes("." * 40 + "x" * 10)
    assert plausible(rise(failed, ones)) == (40, 39, 40)


@pytest.mark.parametrize(("good", "may_be_the_first"), [(4, True), (9, False)])
def test_a_failure_shortly_before_may_be_the_first_one_of_the_new_rate(good, may_be_the_first):
    best, earliest, _ = plausible(rise(*outcomes("." * 100 + "x" + "." * good + "xx.xxxxxxx")))
    assert best == 101 + good
    assert (earliest <= 100) == may_be_the_first


def test_the_change_lies_after_the_last_request_that_may_still_be_old():
    failed, ones = outcomes("." * 40 + "x" * 10)
    found = change(np.arange(50) * 10, rise(failed, ones), 0)
    assert (found.request, found.from_us, found.at_us, found.by_us) == (40, 380, 400, 400)
