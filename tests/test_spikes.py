from fractions import Fraction
from itertools import pairwise
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy.stats import fisher_exact

from analysis import engine
from analysis.schema import table
from analysis.signals import rates
from analysis.signals.spikes import CountsDiffer, excess_p, spikes

BUCKET_US = 1_000_000


def drawn(*buckets):
    """Counts and outcomes of one endpoint: a bucket an (errors, requests), errors spread evenly in it."""
    started, failed = [], []
    for number, (errors, requests) in enumerate(buckets):
        started += [number * BUCKET_US + place * BUCKET_US // requests for place in range(requests)]
        middles = [(2 * place * errors + requests) // (2 * requests or 1) for place in range(requests + 1)]
        failed += [after > before for before, after in pairwise(middles)]
    outcomes = pd.DataFrame(
        {"record_id": range(1, len(started) + 1), "started_us": started, "failed": failed}
    )
    counts = pd.DataFrame(buckets, columns=["errors", "answered"])
    return counts.assign(bucket_us=np.arange(len(buckets)) * BUCKET_US), outcomes


def simulated(rng, bucket_rates, requests):
    """Counts and outcomes with `requests` a bucket, each failing at random at its bucket's rate."""
    failed = rng.random((len(bucket_rates), requests)) < np.array(bucket_rates)[:, None]
    instants = np.arange(failed.size) * (BUCKET_US // requests)
    outcomes = pd.DataFrame(
        {"record_id": np.arange(failed.size), "started_us": instants, "failed": failed.ravel()}
    )
    counts = pd.DataFrame({"errors": failed.sum(axis=1), "answered": requests})
    return counts.assign(bucket_us=np.arange(len(counts)) * BUCKET_US), outcomes


def ends_at(spike, bucket):
    """Whether the end's interval holds the start of `bucket`, and the end itself is no later."""
    edge = bucket * BUCKET_US
    return spike.end_from < edge <= spike.end_by and edge - BUCKET_US < spike.end_us <= edge


def found(*buckets):
    return spikes(*drawn(*buckets), by=())


CALM = (1, 500)  # 0.2 %


def test_a_rise_from_0_2_to_15_percent_is_a_spike_from_onset_to_end():
    (spike,) = found(*[CALM] * 20, *[(75, 500)] * 10, *[CALM] * 20)
    assert spike.onset_bucket_us == 20 * BUCKET_US
    assert ends_at(spike, 30)
    assert spike.baseline.rate == pytest.approx(0.002, rel=0.05)
    assert spike.baseline.low < 0.002 < spike.baseline.high
    assert spike.during.rate == pytest.approx(0.15, rel=0.01)
    assert spike.p_value < 1e-100


def test_three_errors_in_fifty_requests_are_a_spike():
    (spike,) = found(*[(0, 50)] * 19, (3, 50))
    assert (spike.during.errors, spike.end_us) == (3, None)
    (spike,) = found(*[(0, 50)] * 10, (1, 50), *[(0, 50)] * 9, (3, 50))
    assert spike.onset_bucket_us == 20 * BUCKET_US


def test_three_errors_in_fifty_requests_of_a_whole_log_are_a_spike():
    (spike,) = found(*[(0, 10)] * 4, (3, 10))
    assert (spike.baseline.errors, spike.during.errors) == (0, 3)


def test_two_errors_in_fifty_requests_are_not():
    assert found(*[(0, 50)] * 19, (2, 50)) == []


def test_a_long_spike_does_not_become_its_own_baseline():
    (spike,) = found(*[CALM] * 5, *[(75, 500)] * 60)
    assert spike.end_us is None
    assert spike.baseline.requests == pytest.approx(5 * 500, abs=10)
    (spike,) = found(*[CALM] * 5, *[(75, 500)] * 60, *[CALM] * 5)
    assert ends_at(spike, 65)


def test_a_spike_that_fades_lasts_while_it_is_nearer_to_itself_than_to_the_baseline():
    (spike,) = found(*[CALM] * 20, (75, 500), (75, 500), (40, 500), (30, 500), *[CALM] * 10)
    assert ends_at(spike, 24)
    assert spike.peak_bucket_us == 20 * BUCKET_US


def test_a_spike_under_way_at_the_end_of_the_logs_has_no_end():
    (spike,) = found(*[CALM] * 20, *[(75, 500)] * 3)
    assert (spike.end_us, spike.end_bucket_us, spike.end_from, spike.end_by) == (None, None, None, None)
    (spike,) = found(*[CALM] * 20, *[(75, 500)] * 3, (1, 5))  # five requests more are no proof of an end
    assert spike.end_us is None


def test_two_spikes_of_one_series_share_the_baseline():
    first, second = found(*[CALM] * 20, *[(75, 500)] * 5, *[CALM] * 20, *[(25, 500)] * 5, *[CALM] * 5)
    assert first.onset_bucket_us == 20 * BUCKET_US
    assert ends_at(first, 25)
    assert second.onset_bucket_us == 45 * BUCKET_US
    assert ends_at(second, 50)
    assert second.baseline.requests == pytest.approx(40 * 500, abs=20)
    assert second.baseline.rate == pytest.approx(0.002, rel=0.05)


def test_a_spike_that_falls_to_a_lower_but_raised_rate_is_followed_by_one_with_the_same_baseline():
    first, second = found(*[CALM] * 20, *[(200, 500)] * 5, *[(15, 500)] * 10)
    assert (first.during.rate, second.during.rate) == pytest.approx((0.4, 0.03), rel=0.05)
    assert second.onset_bucket_us == 25 * BUCKET_US
    assert second.onset_from < 25 * BUCKET_US <= second.onset_by
    assert second.baseline.requests == pytest.approx(20 * 500, abs=40)


def test_the_peak_is_the_bucket_that_is_surely_highest_not_one_of_few_requests():
    (spike,) = found(*[CALM] * 20, (75, 500), (125, 500), (1, 1), (75, 500), *[CALM] * 5)
    assert (spike.peak_bucket_us, spike.peak.rate) == (21 * BUCKET_US, 0.25)


def test_onset_and_end_are_the_first_failure_and_the_first_request_after_the_last():
    counts, outcomes = drawn(*[CALM] * 20, *[(75, 500)] * 10, *[CALM] * 20)
    (spike,) = spikes(counts, outcomes, by=())
    rows = outcomes.set_index("record_id")
    assert rows.loc[spike.first_failure, "started_us"] == spike.onset_us
    assert rows.loc[spike.first_failure, "failed"] and rows.loc[spike.last_failure, "failed"]
    assert rows.loc[spike.last_failure + 1, "started_us"] == spike.end_us
    assert spike.onset_from < 20 * BUCKET_US <= spike.onset_us <= spike.onset_by
    assert spike.end_from < 30 * BUCKET_US <= spike.end_by


def test_a_surge_of_traffic_at_a_constant_rate_is_not_a_spike():
    assert found(*[(1, 50)] * 20, *[(40, 2_000)] * 5, *[(1, 50)] * 20) == []


def test_a_slow_daily_pattern_of_traffic_is_not_a_spike():
    traffic = [int(1_000 + 900 * np.sin(hour / 24 * 2 * np.pi)) for hour in range(72)]
    assert found(*[(round(requests * 0.01), requests) for requests in traffic]) == []


def test_a_single_error_at_night_is_not_a_spike():
    assert found(*[(0, 500)] * 20, *[(0, 1)] * 3, (1, 1), *[(0, 1)] * 3, *[(0, 500)] * 5) == []


def test_a_rate_that_does_not_double_is_not_a_spike_however_many_requests_show_it():
    counts, nothing = drawn(*[(0, 0)] * 40)
    counts = counts.assign(errors=[1_000] * 20 + [1_400] * 20, answered=100_000)
    assert spikes(counts, nothing, by=()) == []


def test_a_rate_that_falls_is_not_a_spike():
    assert found(*[(75, 500)] * 20, *[CALM] * 20) == []


def test_empty_buckets_are_neither_calm_nor_raised():
    (spike,) = found((0, 0), *[CALM] * 10, (0, 0), (75, 500), (0, 0), (75, 500), (0, 0), *[CALM] * 10, (0, 0))
    assert spike.onset_bucket_us == 12 * BUCKET_US
    assert ends_at(spike, 15)
    assert found() == found((0, 0)) == found((5, 5)) == []


def test_only_the_endpoint_that_failed_is_accused():
    counts, outcomes = drawn(*[CALM] * 20, *[(75, 500)] * 10)
    calm, served = drawn(*[(5, 500)] * 30)
    both = [
        pd.concat(tables, ignore_index=True)
        for tables in (
            (counts.assign(method="POST", route="/done"), calm.assign(method="GET", route=None)),
            (outcomes.assign(method="POST", route="/done"), served.assign(method="GET", route=None)),
        )
    ]
    (spike,) = spikes(*both)
    assert (spike.method, spike.route) == ("POST", "/done")
    assert spikes(*both)[0].onset_us == spikes(counts, outcomes, by=())[0].onset_us


def test_an_endpoint_without_a_route_can_spike():
    tables = [part.assign(method="POST", route=None) for part in drawn(*[CALM] * 20, *[(75, 500)] * 10)]
    (spike,) = spikes(*tables)
    assert (spike.method, spike.route) == ("POST", None)


def test_more_endpoints_ask_for_more_proof():
    counts, outcomes = drawn(*[(0, 50)] * 19, (3, 50))
    assert len(spikes(counts, outcomes, by=())) == 1
    routes = [f"/{number}" for number in range(50)]
    many = [pd.concat([part.assign(route=route) for route in routes]) for part in (counts, outcomes)]
    assert spikes(*many, by=("route",)) == []


def test_the_order_of_the_rows_does_not_matter():
    counts, outcomes = drawn(*[CALM] * 20, *[(75, 500)] * 10, *[CALM] * 20)
    shuffled = [part.sample(frac=1, random_state=1) for part in (counts, outcomes)]
    assert spikes(*shuffled, by=()) == spikes(counts, outcomes, by=())


def test_counts_and_outcomes_of_different_requests_are_refused():
    counts, outcomes = drawn(*[CALM] * 20, *[(75, 500)] * 10)
    with pytest.raises(CountsDiffer, match="15000 answered requests in the counts, 14999 in the outcomes"):
        spikes(counts, outcomes.iloc[1:], by=())


def test_it_works_on_what_the_database_gives():
    _, outcomes = drawn(*[CALM] * 20, *[(75, 500)] * 10)
    frame = pd.DataFrame(
        {
            "record_id": outcomes["record_id"],
            "stamp_us": outcomes["started_us"],
            "status": np.where(outcomes["failed"], 500, 200),
            "method": "POST",
            "route": "/done",
        }
    )
    odd = pd.DataFrame({"record_id": [10**6, 10**6 + 1], "stamp_us": [None, 5], "status": [500, None]})
    connection = engine.in_memory({"requests": pd.concat([frame, odd.assign(method="POST", route="/done")])})
    requests = table("requests")
    counts = engine.run(rates.error_rate(requests, BUCKET_US), connection)
    (spike,) = spikes(counts, engine.run(rates.outcomes(requests), connection))
    assert (spike.route, spike.onset_bucket_us) == ("/done", 20 * BUCKET_US)


@pytest.mark.parametrize(
    ("errors", "requests", "base_errors", "base"),
    [
        (3, 50, 2, 1_000),
        (3, 50, 0, 950),
        (75, 500, 20, 10_000),
        (0, 10, 5, 10),
        (1, 1, 0, 1_000),
    ],
)
def test_the_exact_test_is_fishers(errors, requests, base_errors, base):
    tail = sum(
        Fraction(
            comb(requests, more) * comb(base, errors + base_errors - more),
            comb(requests + base, errors + base_errors),
        )
        for more in range(errors, min(requests, errors + base_errors) + 1)
    )
    p_value = float(excess_p(errors, requests, base_errors, base))
    assert p_value == pytest.approx(float(tail), rel=1e-9)
    square = [[errors, requests - errors], [base_errors, base - base_errors]]
    assert p_value == pytest.approx(fisher_exact(square, alternative="greater").pvalue, rel=1e-9)


@pytest.mark.parametrize(("calm_rate", "requests"), [(0.05, 100), (0.002, 100)])
def test_at_most_five_percent_of_series_at_a_constant_rate_raise_an_alarm(calm_rate, requests):
    rng = np.random.default_rng(1)
    alarms = sum(bool(spikes(*simulated(rng, [calm_rate] * 60, requests), by=())) for _ in range(200))
    assert alarms <= 10


@pytest.mark.parametrize(("calm_rate", "raised_rate", "requests"), [(0.002, 0.15, 50), (0.05, 0.25, 50)])
def test_real_spikes_are_found_and_their_intervals_hold_the_truth(calm_rate, raised_rate, requests):
    rng = np.random.default_rng(2)
    hits, onsets, ends, tries = 0, 0, 0, 100
    for _ in range(tries):
        onset = int(rng.integers(15, 30))
        series = [calm_rate] * onset + [raised_rate] * 10 + [calm_rate] * 15
        for spike in spikes(*simulated(rng, series, requests), by=())[:1]:
            hits += 1
            onsets += spike.onset_from <= onset * BUCKET_US <= spike.onset_by
            ends += spike.end_us is not None and spike.end_from <= (onset + 10) * BUCKET_US <= spike.end_by
    assert hits >= 0.99 * tries
    assert onsets >= 0.9 * tries
    assert ends >= 0.9 * tries
