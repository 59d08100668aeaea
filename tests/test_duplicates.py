from functools import cache

import duckdb
import ibis
import pandas as pd
import pytest
from drawing import drawn, in_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import engine
from analysis.schema import table
from analysis.signals.duplicates import BOUNDS, missing_evidence, overlap, overlaps, pairs

MS = 1_000
JOB = {"method": "POST", "route": "/api/jobs/complete", "entity": "4521", "user_id": "sarah_k"}


@cache
def pairs_sql(window_us):
    return engine.to_sql(pairs(table("requests"), window_us))


@cache
def overlaps_sql():
    return engine.to_sql(overlaps(table("requests")))


def found(picture, window_ms=50, **drawing):
    frame = drawn(picture, **drawing).execute(pairs_sql(window_ms * MS)).df()
    return frame.sort_values(["first_record", "second_record"]).reset_index(drop=True)


def named(frame):
    return [
        "".join("_abcdefgh"[int(n)] for n in row)
        for row in frame[["first_record", "second_record"]].to_numpy()
    ]


def judged(connection):
    frame = connection.execute(overlaps_sql()).df().sort_values("record_id")
    return dict(zip(frame["request_id"], frame["overlap"], strict=True))


def sure(connection):
    return [name for name, answer in judged(connection).items() if answer == "sure"]


def published():
    stamps = pd.Series([101, 108]) * MS + 1_773_244_043_000_000
    return {
        "record_id": [1, 2],
        "source_id": 1,
        "line_no": [1, 2],
        "request_key": "POST /api/jobs/complete 4521 sarah_k",
        "stamp_us": stamps,
        "starts_by": stamps + 999,
        "ends_from": stamps,
        "clock": "web",
        **JOB,
    }


def published_pair(window_us=50 * MS):
    connection = in_memory({"requests": pd.DataFrame(published())})
    return connection.execute(pairs_sql(window_us)).df()


# pairs: which two requests are duplicates


def test_the_published_incident_is_one_pair_seven_milliseconds_apart_and_undecided():
    (pair,) = published_pair().to_dict("records")
    assert (pair["first_record"], pair["second_record"], pair["gap_us"]) == (1, 2, 7 * MS)
    assert (pair["overlap"], pair["started"]) == ("possible", "undecided")
    assert pd.isna(pair["gap_from"]) and pd.isna(pair["gap_by"])
    assert {name: pair[name] for name in JOB} == JOB


def test_requests_of_other_users_or_jobs_are_no_duplicates():
    assert found("""
        job-1/ann  a  [====]
        job-1/bob  b  [====]
        job-2/ann  c  [====]
    """).empty


def test_requests_without_a_key_are_nobodys_duplicates():
    assert found("""
        pay-1  a  [====]
        pay-1  b  [====]
    """, request_key=None).empty  # fmt: skip


def test_the_window_is_inclusive():
    picture = """
        pay-1  a  [=]
        pay-1  b       [=]
    """
    assert named(found(picture, window_ms=5)) == ["ab"]
    assert named(found(picture, window_ms=4)) == []


def test_polling_once_a_second_makes_no_pair():
    assert found("""
        get-1  a  [=]
        get-1  b                                                              [=]
    """).empty


def test_three_requests_in_a_window_make_three_pairs_not_two_neighbours():
    pictured = found("""
        pay-1  a  [======]
        pay-1  b    [=]
        pay-1  c      [======]
    """)
    assert named(pictured) == ["ab", "ac", "bc"]
    assert pictured["gap_us"].tolist() == [2 * MS, 4 * MS, 2 * MS]


def test_a_pair_is_found_once_wherever_the_window_cuts():
    for shift in range(0, 9):
        picture = (
            f"pay-1  a  {' ' * shift}[=]\npay-1  b  {' ' * shift}   [=]\npay-1  c  {' ' * shift}     [=]"
        )
        assert named(found(picture, window_ms=3)) == ["ab", "bc"], shift


def test_two_requests_on_either_side_of_a_slot_border_are_found():
    window_us = 3
    firsts = range(64 * window_us - window_us - 1, 64 * window_us + 2)
    rows = [(f"key {at}", at + late) for at in firsts for late in (0, window_us)]
    frame = pd.DataFrame(rows, columns=["request_key", "stamp_us"]).assign(record_id=range(len(rows)))
    told = in_memory({"requests": frame}).execute(pairs_sql(window_us)).df()
    assert sorted(told["request_key"]) == sorted(f"key {at}" for at in firsts)


def test_the_same_start_is_listed_by_line_and_claimed_by_nobody():
    tied = published() | {"stamp_us": 5, "line_no": [9, 4]}
    connection = in_memory({"requests": pd.DataFrame(tied).drop(columns=["starts_by", "ends_from"])})
    (pair,) = connection.execute(pairs_sql(0)).df().to_dict("records")
    assert (pair["first_record"], pair["second_record"], pair["started"]) == (2, 1, "undecided")


def test_the_gap_has_the_bounds_of_the_two_starts():
    pictured = found("""
        pay-1  a  [====]
        pay-1  b     [====]
    """, resolution_us=1000)  # fmt: skip
    assert pictured[["gap_us", "gap_from", "gap_by"]].to_numpy().tolist() == [[3000, 2001, 3999]]


def test_starts_in_the_same_tick_have_no_order():
    pictured = found("""
        pay-1  a  [====]
        pay-1  b   [====]
    """, resolution_us=2000)  # fmt: skip
    assert pictured[["gap_from", "started"]].to_numpy().tolist() == [[-999, "undecided"]]


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("pqrs"), st.integers(0, 300)), max_size=60),
    st.sampled_from([0, 1, 3]),
)
def test_the_pairs_are_those_of_comparing_everybody_with_everybody(rows, window_us):
    frame = pd.DataFrame(rows, columns=["request_key", "stamp_us"]).astype({"stamp_us": "int64"})
    frame = frame.assign(record_id=range(len(rows)), line_no=range(len(rows)))
    connection = in_memory({"requests": frame})
    told = connection.execute(pairs_sql(window_us)).df()[["first_record", "second_record"]]
    ordered = sorted(((stamp, n, key) for n, (key, stamp) in enumerate(rows)))
    expected = [
        (a, b)
        for i, (at, a, key) in enumerate(ordered)
        for then, b, other in ordered[i + 1 :]
        if key == other and then - at <= window_us
    ]
    assert sorted(map(tuple, told.to_numpy().tolist())) == sorted(expected)


# overlap of a pair

PAIR = [f"{side}_{bound}" for side in ("first", "second") for bound in BOUNDS]
small = st.integers(0, 6)
spans = st.tuples(st.integers(0, 9), small, small, small).map(
    lambda t: (t[0], t[0] + t[1], t[0] + t[2], t[0] + max(t[1], t[2]) + t[3])
)


@cache
def overlap_of_rows():
    given = ibis.table(
        {"n": "int64", "first_clock": "string", "second_clock": "string"} | dict.fromkeys(PAIR, "int64"),
        name="given",
    )
    return duckdb.connect(), engine.to_sql(given.select("n", told=overlap(given)).order_by("n"))


def overlaps_of(cases, clocks=("web", "web")):
    connection, sql = overlap_of_rows()
    frame = pd.DataFrame([(*a, *b) for a, b in cases], columns=PAIR).astype("Int64")
    connection.register(
        "given", frame.assign(n=range(len(cases)), first_clock=clocks[0], second_clock=clocks[1])
    )
    return [told for _, told in connection.execute(sql).fetchall()]


def runs(span):
    """Every true start and finish that the bounds allow."""
    return [(s, e) for s in range(span[0], span[1] + 1) for e in range(max(s, span[2]), span[3] + 1)]


def by_trying_all(a, b):
    strictly = {s < f and t < e for s, e in runs(a) for t, f in runs(b)}
    apart = {e < t or f < s for s, e in runs(a) for t, f in runs(b)}
    return "sure" if strictly == {True} else "none" if apart == {True} else "possible"


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(spans, spans), min_size=1, max_size=25))
def test_overlap_is_sure_or_none_only_if_every_choice_of_true_instants_has_it(cases):
    assert overlaps_of(cases) == [by_trying_all(a, b) for a, b in cases]


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(spans, spans), min_size=1, max_size=25), st.integers(0, 7))
def test_forgetting_a_bound_never_decides_more(cases, bound):
    partly = [(tuple(None if n == bound % 4 else v for n, v in enumerate(a)), b) for a, b in cases]
    for before, after in zip(overlaps_of(cases), overlaps_of(partly), strict=True):
        assert after in (before, "possible")


def test_touching_ends_are_neither_sure_nor_none():
    assert overlaps_of([((0, 0, 5, 5), (5, 5, 9, 9)), ((0, 0, 4, 4), (5, 5, 9, 9))]) == ["possible", "none"]


@pytest.mark.parametrize("clocks", [("web", "db"), ("web", None), (None, None)])
def test_bounds_of_two_clocks_are_not_compared(clocks):
    assert (
        overlaps_of([((0, 0, 9, 9), (3, 3, 5, 5)), ((0, 0, 1, 1), (3, 3, 5, 5))], clocks) == ["possible"] * 2
    )


# overlaps of a whole table


def test_a_short_request_in_between_does_not_hide_a_long_one():
    picture = drawn("""
        pay-1  a  [============]
        pay-1  b   [=]
        pay-1  c        [===]
    """)
    assert sure(picture) == ["b", "c"]


def test_one_after_the_other_overlaps_nobody():
    picture = drawn("""
        pay-1  a  [===]
        pay-1  b        [===]
        pay-2  c   [===]
    """)
    assert set(judged(picture).values()) == {"none"}


def test_a_finish_that_no_log_shows_leaves_what_follows_possible():
    picture = drawn("""
        pay-1  a  [===?
        pay-1  b                [===]
    """)
    assert judged(picture) == {"a": "none", "b": "possible"}


def test_an_unknown_start_is_possible_after_a_busy_one():
    picture = drawn("""
        pay-1  a  ?===]
        pay-1  b         ?===]
    """)
    assert judged(picture) == {"a": "none", "b": "possible"}


def test_a_request_that_may_have_come_and_gone_first_is_not_surely_overlapping():
    rows = {"record_id": [1, 2], "request_id": ["a", "b"], "request_key": "k", "clock": "web"}
    bounds = {"starts_from": [0, 5], "starts_by": [50, 10], "ends_from": [100, 20], "ends_by": [200, 30]}
    assert judged(in_memory({"requests": pd.DataFrame(rows | bounds)})) == {
        "a": "none",
        "b": "possible",
    }


def test_a_key_on_two_clocks_is_possible_and_still_sure_within_one():
    picture = drawn("""
        pay-1  a  [====]
        pay-1  b    [====]
        pay-1  c                 [====]
        pay-2  d  [====]
    """)
    picture.execute("UPDATE requests SET clock = 'other' WHERE request_id = 'c'")
    assert judged(picture) == {"a": "possible", "b": "sure", "c": "possible", "d": "none"}


def test_without_a_key_there_is_no_answer():
    assert judged(drawn("pay-1  a  [====]", request_key=None))["a"] in (
        None,
        pytest.approx(float("nan"), nan_ok=True),
    )


@settings(max_examples=10, deadline=None)
@given(st.lists(st.lists(spans, min_size=1, max_size=6), min_size=1, max_size=8))
def test_a_request_overlaps_as_surely_as_its_surest_pair_with_one_listed_before(keys):
    rows = [(f"key {n}", f"{n}/{m}", *span) for n, key in enumerate(keys) for m, span in enumerate(key)]
    frame = pd.DataFrame(rows, columns=["request_key", "request_id", *BOUNDS]).assign(clock="web")
    connection = in_memory({"requests": frame.assign(record_id=range(len(frame)))})
    expected = {f"{n}/{m}": answer for n, key in enumerate(keys) for m, answer in surest_of(key).items()}
    assert judged(connection) == expected


def surest_of(key):
    listed = sorted(range(len(key)), key=lambda n: (key[n][0], n))
    answers = {n: {by_trying_all(key[m], key[n]) for m in listed[:place]} for place, n in enumerate(listed)}
    return {
        n: next((word for word in ("sure", "possible") if word in told), "none")
        for n, told in answers.items()
    }


# missing evidence


def test_the_published_pair_lacks_a_mark_and_a_finish_of_each():
    (pair,) = published_pair().to_dict("records")
    assert missing_evidence(pair) == [
        "what the stamp of record 1 marks, on clock web",
        "a duration or a finish stamp of record 1, on clock web",
        "what the stamp of record 2 marks, on clock web",
        "a duration or a finish stamp of record 2, on clock web",
    ]


def test_a_decided_pair_lacks_nothing():
    (pair,) = found("pay-1  a  [====]\npay-1  b    [====]").to_dict("records")
    assert missing_evidence(pair) == []


def test_known_starts_lack_only_durations():
    (pair,) = found("pay-1  a  [===]\npay-1  b  [===?").to_dict("records")
    assert missing_evidence(pair) == ["a duration or a finish stamp of record 2, on clock clock"]


def test_two_clocks_lack_a_bound_on_their_skew():
    connection = drawn("pay-1  a  [===]\npay-1  b  [===]")
    connection.execute("UPDATE requests SET clock = 'db' WHERE record_id = 2")
    (pair,) = connection.execute(pairs_sql(MS)).df().to_dict("records")
    assert missing_evidence(pair) == ["a bound on the skew between clock clock and clock db"]


def test_bounds_too_wide_lack_a_finer_stamp():
    (pair,) = found("pay-1  a  [==]\npay-1  b     [==]", resolution_us=1000).to_dict("records")
    assert (pair["overlap"], missing_evidence(pair)) == (
        "possible",
        ["stamps finer than 1000 µs on clock clock"],
    )
