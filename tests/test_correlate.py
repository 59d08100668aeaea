import numpy as np
import pandas as pd
import pytest
from drawing import drawn, in_memory
from scipy.special import comb
from scipy.stats import binom

from analysis import engine
from analysis.schema import TABLES, table
from analysis.signals.correlate import (
    by_request_id,
    duplicate_effects,
    exposure,
    fisher_exact,
    risk_ratio,
    suspects,
    two_by_two,
)
from analysis.signals.duplicates import pairs

MS = 1_000
WINDOW = 50 * MS
DUPLICATES = pairs(table("requests"), WINDOW)


def exposed(picture, **columns):
    connection = drawn(picture, method="POST", route="/pay", **columns)
    frame = engine.run(exposure(table("requests"), DUPLICATES), connection).sort_values("record_id")
    return list(zip(frame["exposure"], frame["failed"], strict=True))


def counts(cells, method="POST", route="/pay"):
    names = ("overlapping_failed", "overlapping_passed", "single_failed", "single_passed")
    row = dict(zip(names, cells, strict=True)) | {"possible_failed": 0, "possible_passed": 0}
    return {"method": method, "route": route} | row


def verdict(*cells):
    return suspects(pd.DataFrame([counts(cells)]))["verdict"].item()


# exposure


def test_a_race_exposes_both_requests_and_one_fails():
    assert exposed("pay-1  a  [====]\npay-1  b    [====]  500") == [
        ("overlapping", False),
        ("overlapping", True),
    ]


def test_serial_duplicates_and_strangers_are_single():
    assert exposed("pay-1  a  [==]\npay-1  b      [==]\npay-2  c  [====]") == [("single", False)] * 3


def test_an_overlap_that_the_log_leaves_open_is_possible():
    assert exposed("pay-1  a  [==?\npay-1  b     [==]") == [("possible", False)] * 2


def test_one_sure_overlap_outweighs_a_possible_one():
    told = exposed("pay-1  a  [====?\npay-1  b        [===]\npay-1  c          [=]")
    assert told[1:] == [("overlapping", False), ("overlapping", False)]


def test_a_request_without_a_status_is_not_counted():
    assert exposed("pay-1  a  [====]", status=None) == []


def test_the_table_counts_each_request_once_per_endpoint():
    picture = "pay-1  a  [====]\npay-1  b    [====]  500\npay-1  c     [====]  500\npay-2  d  [==]\npay-3  e  [==]  503"
    connection = drawn(picture, method="POST", route="/pay")
    connection.execute("UPDATE requests SET route = '/other' WHERE request_id = 'e'")
    told = engine.run(two_by_two(exposure(table("requests"), DUPLICATES)), connection)
    assert told.set_index("route").drop(columns="method").loc["/pay"].tolist() == [2, 1, 0, 0, 0, 1]
    assert told.set_index("route").drop(columns="method").loc["/other"].tolist() == [0, 0, 0, 0, 1, 0]


# verdicts


def test_overlapping_duplicates_that_fail_far_more_often_are_suspect():
    assert verdict(24, 26, 30, 15_000) == "suspect"


def test_a_suspect_needs_no_single_failure_to_compare_with():
    assert verdict(10, 14, 0, 5_000) == "suspect"


@pytest.mark.parametrize(
    ("innocent", "cells"),
    [
        ("idempotent PUTs that overlap and all pass", (0, 60, 12, 6_000)),
        ("an endpoint that fails for all alike", (25, 25, 3_000, 3_000)),
        ("overlapping that fail less often", (1, 99, 500, 500)),
        ("a little more, within chance", (2, 58, 60, 3_000)),
    ],
)
def test_not_suspected_is(innocent, cells):
    assert verdict(*cells) == "not suspected"


@pytest.mark.parametrize(
    ("gap", "cells"),
    [
        ("no overlap at all, as with polling, pagination and serial duplicates", (0, 0, 40, 20_000)),
        ("one pair", (1, 1, 30, 15_000)),
        ("two failures, however rare elsewhere", (2, 2, 0, 50_000)),
        ("nobody single to compare with", (20, 20, 0, 0)),
    ],
)
def test_not_enough_evidence_is(gap, cells):
    assert verdict(*cells) == "not enough evidence"


def test_many_endpoints_looked_at_ask_for_more_than_one():
    lone = counts((4, 46, 25, 2_000))
    quiet = [counts((0, 50, 25, 2_000), route=f"/{n}") for n in range(40)]
    assert suspects(pd.DataFrame([lone]))["verdict"].tolist() == ["suspect"]
    assert set(suspects(pd.DataFrame([lone, *quiet]))["verdict"]) == {"not suspected"}


def test_holms_adjustment_is_the_textbooks():
    rows = [counts((a, 50 - a, 25, 2_000), route=str(a)) for a in (2, 9, 5)]
    told = suspects(pd.DataFrame(rows))
    p = sorted(told["p"])
    expected = [min(1, 3 * p[0]), max(3 * p[0], 2 * p[1]), max(3 * p[0], 2 * p[1], p[2])]
    assert sorted(told["p_adjusted"]) == pytest.approx(expected)


def test_no_endpoint_no_verdict():
    assert suspects(pd.DataFrame([counts((1, 1, 1, 1))]).iloc[:0]).empty


def judged(picture, method):
    connection = drawn(picture, method=method, route="/r")
    return suspects(engine.run(two_by_two(exposure(table("requests"), DUPLICATES)), connection))[
        "verdict"
    ].tolist()


def test_two_tabs_that_overlap_and_pass_are_not_suspected():
    tabs = "\n".join(
        f"page-{n}  {side}  {' ' * gap}[======]" for n in range(12) for side, gap in (("a", 0), ("b", 3))
    )
    singles = "\n".join(f"other-{n}  s  [===]" for n in range(30))
    assert judged(f"{tabs}\n{singles}", "GET") == ["not suspected"]


def test_a_poller_that_never_meets_itself_gives_no_evidence():
    polls = "\n".join(f"job-1  p  {' ' * 60 * n}[===]" for n in range(25))
    assert judged(polls, "GET") == ["not enough evidence"]


def test_double_clicks_that_fail_among_singles_that_pass_are_suspect():
    clicks = "\n".join(f"job-{n}  a  [======]\njob-{n}  b    [======]  500" for n in range(6))
    singles = "\n".join(f"other-{n}  s  [===]" for n in range(60))
    assert judged(f"{clicks}\n{singles}", "POST") == ["suspect"]


# statistics


def hypergeometric_p(a, b, c, d):
    """Fisher's two-sided p by summing every table with these margins that is no likelier."""
    exposed, failed, total = a + b, a + c, a + b + c + d
    ways = {
        x: comb(failed, x, exact=True) * comb(total - failed, exposed - x, exact=True)
        for x in range(max(0, exposed + failed - total), min(exposed, failed) + 1)
    }
    return sum(w for w in ways.values() if w <= ways[a]) / sum(ways.values())


@pytest.mark.parametrize(
    "cells", [(1, 9, 11, 3), (24, 26, 30, 1_500), (3, 1, 1, 3), (0, 20, 5, 80), (5, 0, 0, 5)]
)
def test_fishers_p_is_the_hypergeometric_sum(cells):
    assert fisher_exact(*cells) == pytest.approx(hypergeometric_p(*cells), rel=1e-9)


def koopman_excess(cells, ratio):
    """Koopman's own form of the statistic (1984, formula 2.2) less the 95 % limit of chi-squared."""
    a, b, c, d = cells
    m, n = a + b, c + d
    linear = ratio * (m + c) + a + n
    p = (linear - np.sqrt(linear**2 - 4 * ratio * (m + n) * (a + c))) / (2 * (m + n))
    return (a - m * p) ** 2 / (m * p * (1 - p)) * (1 + m * (ratio - p) / (n * (1 - p))) - 3.841458820694124


@pytest.mark.parametrize("cells", [(36, 4, 16, 64), (24, 26, 30, 15_000), (4, 96, 20, 180), (9, 1, 2, 18)])
def test_the_interval_ends_where_koopmans_statistic_meets_its_limit(cells):
    ratio, low, high = risk_ratio(*cells)
    assert low < ratio < high
    assert [koopman_excess(cells, end) for end in (low, high)] == pytest.approx([0, 0], abs=1e-6)


def test_the_interval_is_the_published_one():
    # Koopman (1984), section 4: 36 of 40 against 16 of 80 gives 2.94 to 7.15
    ratio, low, high = risk_ratio(36, 4, 16, 64)
    assert (round(ratio, 2), round(low, 2), round(high, 2)) == (4.5, 2.94, 7.15)


def test_zero_cells_leave_a_one_sided_interval():
    ratio, low, high = risk_ratio(0, 50, 20, 980)
    assert (ratio, low) == (0, 0) and koopman_excess((0, 50, 20, 980), high) == pytest.approx(0, abs=1e-6)
    ratio, low, high = risk_ratio(5, 5, 0, 1_000)
    assert (ratio, high) == (np.inf, np.inf) and 1 < low < 1e4


@pytest.mark.parametrize("cells", [(0, 5, 0, 9), (0, 0, 3, 9), (3, 9, 0, 0)])
def test_where_nothing_can_be_compared_the_interval_is_everything(cells):
    ratio, low, high = risk_ratio(*cells)
    assert np.isnan(ratio) and (low, high) == (0, np.inf)


def test_everybody_failing_is_a_ratio_of_one():
    ratio, low, high = risk_ratio(10, 0, 20, 0)
    assert ratio == 1 and low < 1 < high


def test_the_interval_covers_the_true_ratio_as_often_as_it_says():
    exposed, singles, rate, ratio = 20, 60, 0.1, 3.0
    covered = sum(
        binom.pmf(a, exposed, rate * ratio) * binom.pmf(c, singles, rate)
        for a in range(exposed + 1)
        for c in range(singles // 3)
        if risk_ratio(a, exposed - a, c, singles - c)[1]
        <= ratio
        <= risk_ratio(a, exposed - a, c, singles - c)[2]
    )
    assert 0.94 <= covered <= 0.97


# duplicate effects


def effects(picture, **columns):
    connection = drawn(picture, **{"method": "POST", "route": "/pay"} | columns)
    return (
        engine.run(duplicate_effects(DUPLICATES), connection)[["first_record", "second_record"]]
        .to_numpy()
        .tolist()
    )


def test_two_serial_posts_that_both_passed_took_effect_twice():
    assert effects("pay-1  a  [==]  201\npay-1  b      [==]  201") == [[1, 2]]


@pytest.mark.parametrize(
    ("twin", "picture", "method"),
    [
        ("overlapping", "pay-1  a  [====]\npay-1  b    [====]", "POST"),
        ("perhaps overlapping", "pay-1  a  [==?\npay-1  b      [==]", "POST"),
        ("refused the second time", "pay-1  a  [==]\npay-1  b      [==]  409", "POST"),
        ("retried after a failure", "pay-1  a  [==]  500\npay-1  b      [==]", "POST"),
        ("idempotent", "pay-1  a  [==]\npay-1  b      [==]", "PUT"),
        ("polling", "pay-1  a  [==]\npay-1  b      [==]", "GET"),
    ],
)
def test_no_duplicate_effect_is(twin, picture, method):
    assert effects(picture, method=method) == []


# links by request id


def linked(requests, records, statements):
    tables = {
        "requests": pd.DataFrame(requests, columns=["record_id", "request_id"]),
        "records": pd.DataFrame(records, columns=["record_id", "request_id"]),
        "statements": pd.DataFrame(statements, columns=["record_id", "request_id"]),
        "exceptions": pd.DataFrame([(n, 0) for n, _ in records] * 2, columns=["record_id", "position"]),
    }
    found = by_request_id(*(table(name) for name in ("requests", "exceptions", "records", "statements")))
    assert found.schema() == TABLES["links"]
    return sorted(map(tuple, engine.run(found, in_memory(tables)).to_numpy().tolist()))


def test_a_request_is_linked_once_to_its_exception_and_to_each_statement():
    assert linked([(1, "x"), (2, "y")], [(11, "x")], [(21, "x"), (22, "x"), (23, "z")]) == [
        (1, 11, "exceptions", "request_id", 1.0),
        (1, 21, "statements", "request_id", 1.0),
        (1, 22, "statements", "request_id", 1.0),
    ]


def test_missing_request_ids_link_nothing():
    assert linked([(1, None)], [(11, None)], [(21, None)]) == []


def test_an_id_that_two_requests_carry_is_half_believed():
    assert [link[-1] for link in linked([(1, "x"), (2, "x")], [], [(21, "x")])] == [0.5, 0.5]
