import math

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.proportion import proportion_confint

from analysis import engine
from analysis.schema import table
from analysis.signals.rates import bucket_for, endpoints, error_rate, outcomes, wilson

SECOND = 1_000_000
HOUR = 3_600 * SECOND
REQUESTS = table("requests")


def requests(*rows, **columns):
    """A database with a request a row: (start in s, status, route)."""
    frame = pd.DataFrame(rows, columns=["second", "status", "route"])
    starts = (frame.pop("second") * SECOND).astype("Int64")
    frame = frame.assign(record_id=range(1, len(frame) + 1), method="GET", stamp_us=starts, starts_by=starts)
    return engine.in_memory({"requests": frame.assign(**columns)})


def test_only_answers_from_500_on_are_errors():
    connection = requests((0, 200, "/a"), (1, 404, "/a"), (2, 499, "/a"), (3, 500, "/a"), (4, 503, "/a"))
    (row,) = engine.run(error_rate(REQUESTS, 10 * SECOND), connection).to_dict("records")
    assert (row["requests"], row["errors"], row["error_rate"]) == (5, 2, 0.4)
    assert row["requests_per_s"] == 0.5


def test_a_bucket_holds_its_start_and_not_its_end():
    connection = requests((9.999999, 200, "/a"), (10, 500, "/a"), (19.999999, 500, "/a"), (20, 200, "/a"))
    rows = engine.run(error_rate(REQUESTS, 10 * SECOND), connection)
    assert rows["errors"].tolist() == [0, 2, 0]
    assert rows["bucket_at"].astype(str).tolist() == [
        f"1970-01-01 00:00:{second}" for second in ("00", "10", "20")
    ]


def test_every_endpoint_has_every_bucket_up_to_and_with_the_last():
    connection = requests((0, 200, "/a"), (35, 500, "/b"))
    rows = engine.run(error_rate(REQUESTS, 10 * SECOND), connection)
    counted = {route: group["requests"].tolist() for route, group in rows.groupby("route")}
    assert counted == {"/a": [1, 0, 0, 0], "/b": [0, 0, 0, 1]}
    assert rows["bucket_us"].tolist() == [0, 10 * SECOND, 20 * SECOND, 30 * SECOND] * 2


def test_an_empty_bucket_has_no_rate_rather_than_a_good_one():
    rows = engine.run(error_rate(REQUESTS, 10 * SECOND), requests((0, 200, "/a"), (25, 200, "/a")))
    empty = rows.iloc[1]
    assert (empty["requests"], empty["errors"], empty["requests_per_s"]) == (0, 0, 0)
    assert empty[["error_rate", "low", "high"]].isna().all()


def test_an_endpoint_without_a_route_is_counted_once_and_filled():
    connection = requests((0, 500, None), (1, 200, None), (25, 200, "/a"))
    rows = engine.run(error_rate(REQUESTS, 10 * SECOND), connection)
    nameless = rows[rows["route"].isna()]
    assert nameless["requests"].tolist() == [2, 0, 0]


def test_a_request_of_unknown_status_is_no_success():
    (row,) = engine.run(
        error_rate(REQUESTS, SECOND, by=()), requests((0, None, "/a"), (0, 500, "/a"))
    ).to_dict("records")
    assert (row["requests"], row["answered"], row["error_rate"]) == (2, 1, 1.0)


def test_a_request_without_any_stamp_lies_in_no_bucket_but_in_the_totals():
    connection = requests((0, 500, "/a"), (None, 500, "/a"))
    assert engine.run(error_rate(REQUESTS, SECOND), connection)["requests"].tolist() == [1]
    assert engine.run(endpoints(REQUESTS), connection)["requests"].tolist() == [2]


def test_a_known_start_goes_before_the_stamp():
    connection = requests(
        (0, 200, "/a"), (0, 200, "/a"), stamp_us=[61 * SECOND] * 2, starts_by=[59 * SECOND, None]
    )
    started = engine.run(outcomes(REQUESTS), connection)["started_us"].tolist()
    assert started == [59 * SECOND, 61 * SECOND]


def test_no_requests_give_no_rows():
    connection = requests((0, 200, "/a"))
    connection.execute("DELETE FROM requests")
    assert engine.run(error_rate(REQUESTS, SECOND), connection).empty
    assert engine.run(error_rate(REQUESTS, SECOND, by=()), connection).empty


def test_counts_are_whole_numbers():
    rows = engine.run(error_rate(REQUESTS, SECOND), requests((0, 200, "/a")))
    assert rows[["bucket_us", "requests", "answered", "errors"]].dtypes.astype(str).unique().tolist() == [
        "int64"
    ]
    assert str(rows["bucket_at"].dtype) == "datetime64[us]"


def test_endpoints_stand_with_the_most_errors_first():
    connection = requests((0, 200, "/a"), (1, 200, "/a"), (2, 500, "/b"), (9, 200, "/b"))
    rows = engine.run(endpoints(REQUESTS), connection)
    assert rows[["route", "requests", "errors", "first_us", "last_us"]].to_numpy().tolist() == [
        ["/b", 2, 1, 2 * SECOND, 9 * SECOND],
        ["/a", 2, 0, 0, 1 * SECOND],
    ]
    assert engine.run(endpoints(REQUESTS, by=()), connection)["requests"].tolist() == [4]


@pytest.mark.parametrize(
    ("errors", "trials"), [(0, 1), (1, 1), (0, 50), (3, 50), (50, 50), (2, 1_000), (10**4, 5 * 10**6)]
)
def test_the_interval_is_statsmodels_one(errors, trials):
    assert wilson(errors, trials) == pytest.approx(
        proportion_confint(errors, trials, method="wilson"), abs=1e-12
    )


def test_the_interval_in_the_database_is_the_one_in_python():
    rows = engine.run(endpoints(REQUESTS), requests(*[(0, 500, "/a")] * 3, *[(0, 200, "/a")] * 47))
    assert rows.loc[0, ["low", "high"]].tolist() == pytest.approx(wilson(3, 50), rel=1e-12)


@given(st.integers(1, 10**7), st.data())
def test_the_interval_holds_the_rate_and_stays_within_0_and_1(trials, data):
    errors = data.draw(st.integers(0, trials))
    low, high = wilson(errors, trials)
    assert 0 <= low <= errors / trials * (1 + 1e-12)
    assert errors / trials * (1 - 1e-12) <= high <= 1


@pytest.mark.parametrize(
    ("span", "count", "bucket"),
    [
        (0, 0, SECOND),
        (HOUR // 2, 20_000, 15 * SECOND),
        (HOUR, 10**6, 30 * SECOND),
        (24 * HOUR, 10**6, 900 * SECOND),
        (HOUR, 600, 120 * SECOND),  # few requests: wider
        (24 * HOUR, 10, HOUR),  # however few: an hour
    ],
)
def test_a_bucket_fits_span_and_traffic(span, count, bucket):
    assert bucket_for(span, count) == bucket


@given(st.integers(0, 9_999 * 366 * 24 * HOUR), st.integers(0, 10**9))
def test_no_span_makes_more_than_120_buckets(span, count):
    assert math.ceil(span / bucket_for(span, count)) <= 120
