import pandas as pd
import pytest

from analysis import findings_of_duplicates


def test_duplicates_are_counted_by_overlap_and_unkeyed_requests_are_no_zero():
    pairs = pd.DataFrame({"overlap": ["sure", "sure", "possible"]})
    assert (
        "3 pairs of duplicates within 50 ms: 2 surely"
        in findings_of_duplicates.duplicates(pairs, 50_000, 9).claim
    )
    assert "cannot be told" in findings_of_duplicates.duplicates(pairs.head(0), 50_000, 0).claim


JUDGED = {
    "method": "POST",
    "route": "/jobs",
    "overlapping_failed": 30,
    "overlapping_passed": 70,
    "single_failed": 1,
    "single_passed": 899,
    "risk_ratio": 270.0,
    "ratio_low": 40.2,
    "ratio_high": 1900.0,
    "p_adjusted": 1e-20,
}


def test_only_a_suspect_gets_a_ratio():
    told = findings_of_duplicates.suspect(JUDGED | {"verdict": "suspect"})
    assert "30 of 100 requests that overlapped a duplicate failed, 1 of 900 others: 270 times" in told.claim
    assert findings_of_duplicates.suspect(JUDGED | {"verdict": "not suspected"}).claim.endswith(
        ": not suspected."
    )


PAIR = {
    "first_record": 1,
    "second_record": 2,
    "method": "POST",
    "route": "/jobs",
    "entity": "4521",
    "gap_us": 7_000,
}
WINDOW = pd.DataFrame({"was_open": ["yes"], "table_name": ["job"], "opens_by": [100], "closes_from": [8_100]})


@pytest.mark.parametrize(
    ("overlap", "said"),
    [("sure", "surely overlapped"), ("possible", "undecided"), ("none", "did not overlap")],
)
def test_an_undecided_overlap_is_never_told_as_one(overlap, said):
    told = findings_of_duplicates.interleaved(
        PAIR | {"overlap": overlap, "user_id": "sarah_k"}, WINDOW.head(0)
    )
    assert said in told.claim and told.evidence == (1, 2)


def test_the_window_in_which_both_had_read_is_told_only_where_it_surely_was_open():
    pair = PAIR | {"overlap": "sure", "user_id": "sarah_k"}
    assert (
        "Both had read job before either wrote it, for at least 8 ms."
        in findings_of_duplicates.interleaved(pair, WINDOW).claim
    )
    assert (
        "Both had read"
        not in findings_of_duplicates.interleaved(pair, WINDOW.assign(was_open="undecided")).claim
    )


@pytest.mark.parametrize(
    ("order", "said"),
    [("before", "first was stamped first"), ("after", "second was"), ("undecided", "undecided")],
)
def test_which_was_stamped_first_has_three_answers(order, said):
    assert said in findings_of_duplicates.stamped(PAIR | {"stamped": order}).claim


def test_silent_victims_are_told_with_their_records():
    losers = pd.DataFrame({"overwritten": ["sure", "possible", "no"], "victim_record": [5, 6, 7]})
    (told,) = findings_of_duplicates.silent(losers)
    assert told.claim.startswith("1 request answered 2xx") and told.evidence == (5,)


def test_where_nobody_lost_nothing_is_said():
    assert findings_of_duplicates.silent(pd.DataFrame({"overwritten": ["no"], "victim_record": [1]})) == []
    assert findings_of_duplicates.effects(pd.DataFrame({"second_record": []})) == []


@pytest.mark.parametrize(
    ("first", "second", "said"),
    [
        ("undecided", "undecided", "whether it came before or after either of them is undecided."),
        ("after", "before", "it came after the first, before the second."),
        ("after", "undecided", "it came after the first, whether before or after the second is undecided."),
    ],
)
def test_when_an_error_came_is_told_as_far_as_it_is_decided(first, second, said):
    error = {"type": "x.IntegrityError", "sqlstate": "23505", "constraint_name": "one_each"}
    keys = {
        "key_columns": ["job"],
        "key_values": ["7"],
        "record_id": 3,
        "first_record": 1,
        "second_record": 2,
    }
    told = findings_of_duplicates.named_by_error(
        error | keys | {"order_first": first, "order_second": second}
    )
    assert told.claim.endswith(f"; {said}")
