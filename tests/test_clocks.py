from functools import cache

import duckdb
import ibis
import pandas as pd
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis import engine
from analysis.schema import table
from analysis.signals.clocks import observed_resolution, order, stamped_order

MS = 1_000
BOUNDS = ("a_from", "a_by", "b_from", "b_by")
OPPOSITE = {"before": "after", "after": "before", "undecided": "undecided"}

instants = st.integers(-5, 30)
events = st.tuples(instants, st.integers(0, 12)).map(lambda event: (event[0], event[0] + event[1]))
ends = st.none() | instants
open_events = st.tuples(ends, ends).filter(lambda e: e[0] is None or e[1] is None or e[0] <= e[1])

many = settings(max_examples=12, deadline=None)  # each example is a table of many cases


def lists(*columns):
    return st.lists(st.tuples(*columns), min_size=1, max_size=40)


@cache
def order_of_rows():
    given = ibis.table({"n": "int64"} | dict.fromkeys(BOUNDS, "int64"), name="given")
    told = given.select("n", told=order(*(given[name] for name in BOUNDS))).order_by("n")
    return duckdb.connect(), engine.to_sql(told)


def orders(*event_pairs):
    connection, sql = order_of_rows()
    rows = [(n, *a, *b) for n, (a, b) in enumerate(event_pairs)]
    frame = pd.DataFrame(rows, columns=["n", *BOUNDS]).astype("Int64")
    connection.register("given", frame)
    return [told for _, told in connection.execute(sql).fetchall()]


def record(number, stamp_us, line_no=None, source_id=1, resolution_us=MS):
    return {
        "record_id": number,
        "source_id": source_id,
        "line_no": line_no or number,
        "logged_us": stamp_us,
        "resolution_us": resolution_us,
    }


def source(source_id=1, clock="web", writer=None, ordered_by="writer"):
    return {"source_id": source_id, "clock": clock, "writer": writer, "ordered_by": ordered_by}


@cache
def stamped_sql(skew_us):
    pairs = table("links").select(first_record="from_record", second_record="to_record")
    return engine.to_sql(stamped_order(pairs, table("records"), table("sources"), skew_us))


def stamped(records, sources, skew_us=None, asked=((1, 2),)):
    links = pd.DataFrame(asked, columns=["from_record", "to_record"])
    tables = {"records": pd.DataFrame(records), "sources": pd.DataFrame(sources), "links": links}
    found = engine.in_memory(tables).execute(stamped_sql(skew_us)).df()
    return found.sort_values(["first_record", "second_record"])["stamped"].tolist()


def test_neighbouring_ticks_of_one_clock_are_ordered_and_the_same_tick_is_not():
    assert orders(((101, 101), (102, 102)), ((102, 102), (101, 101)), ((101, 101), (101, 101))) == [
        "before",
        "after",
        "undecided",
    ]


def test_bounds_that_share_one_microsecond_are_undecided():
    assert orders(((0, 5), (5, 9)), ((0, 4), (5, 9))) == ["undecided", "before"]


def test_a_missing_bound_is_infinity():
    known = (10, 20)
    assert orders(((None, 5), known), ((5, None), known), (known, (None, 5)), ((None, None), known)) == [
        "before",
        "undecided",
        "after",
        "undecided",
    ]


@many
@given(lists(open_events, open_events))
def test_the_order_read_backwards_is_the_opposite(cases):
    forth, back = orders(*cases), orders(*((b, a) for a, b in cases))
    assert back == [OPPOSITE[told] for told in forth]


@many
@given(lists(events, events, events))
def test_before_is_transitive(cases):
    a_b, b_c, a_c = (orders(*((case[i], case[j]) for case in cases)) for i, j in ((0, 1), (1, 2), (0, 2)))
    chained = [c for a, b, c in zip(a_b, b_c, a_c, strict=True) if a == b == "before"]
    assert set(chained) <= {"before"}


@many
@given(lists(open_events, events, st.integers(0, 9), st.integers(0, 9)))
def test_wider_bounds_never_decide_more_nor_otherwise(cases):
    narrow = orders(*((a, b) for a, b, _, _ in cases))
    wide = orders(*((a, (b[0] - earlier, b[1] + later)) for a, b, earlier, later in cases))
    assert all(after in (before, "undecided") for before, after in zip(narrow, wide, strict=True))


@many
@given(lists(events, events), st.integers(-10_000, 10_000))
def test_moving_both_events_keeps_their_order(cases, shift):
    moved = [tuple((event[0] + shift, event[1] + shift) for event in case) for case in cases]
    assert orders(*cases) == orders(*moved)


@many
@given(lists(events, events))
def test_an_order_is_told_only_if_every_choice_of_true_instants_has_it(cases):
    assert orders(*cases) == [by_trying_all(a, b) for a, b in cases]


def by_trying_all(a, b):
    choices = {(x > y) - (x < y) for x in range(a[0], a[1] + 1) for y in range(b[0], b[1] + 1)}
    return {frozenset({-1}): "before", frozenset({1}): "after"}.get(frozenset(choices), "undecided")


def test_stamps_of_one_clock_seven_milliseconds_apart_are_ordered():
    assert stamped([record(1, 101 * MS), record(2, 108 * MS)], [source()]) == ["before"]


def test_stamps_of_two_clocks_are_undecided_until_the_skew_is_bounded():
    records = [record(1, 101 * MS), record(2, 108 * MS, source_id=2)]
    sources = [source(), source(2, clock="database")]
    assert stamped(records, sources) == ["undecided"]
    assert stamped(records, sources, skew_us=6_000) == ["before"]
    assert stamped(records, sources, skew_us=6_001) == ["undecided"]


def test_clocks_without_a_name_are_not_one_clock():
    assert stamped([record(1, 101 * MS), record(2, 108 * MS)], [source(clock=None)]) == ["undecided"]


def test_the_same_stamp_is_ordered_by_position_in_one_writers_file():
    tied = [record(1, 101 * MS, line_no=9), record(2, 101 * MS, line_no=4)]
    assert stamped(tied, [source(writer="postgres")]) == ["after"]


def test_the_same_stamp_is_undecided_in_a_merged_export():
    tied = [record(1, 101 * MS, line_no=4), record(2, 101 * MS, line_no=9)]
    assert stamped(tied, [source(writer="render", ordered_by="stamp")]) == ["undecided"]


def test_line_numbers_of_two_files_are_not_compared():
    tied = [record(1, 101 * MS, line_no=4), record(2, 101 * MS, line_no=9, source_id=2)]
    assert stamped(tied, [source(writer="postgres"), source(2, writer="postgres")]) == ["undecided"]


def test_a_stamp_that_contradicts_its_position_is_not_believed():
    set_back = [record(1, 108 * MS, line_no=4), record(2, 101 * MS, line_no=9)]
    assert stamped(set_back, [source(writer="postgres")]) == ["undecided"]
    assert stamped(set_back, [source()]) == ["after"]


def test_a_record_without_stamp_is_still_ordered_by_position():
    records = [record(1, None, line_no=4), record(2, 101 * MS, line_no=9)]
    assert stamped(records, [source(writer="postgres")]) == ["before"]
    assert stamped(records, [source()]) == ["undecided"]


def test_an_error_line_stamped_to_the_second_is_undecided_against_both_requests():
    second = 1_773_244_043_000_000
    records = [
        record(1, second + 101 * MS),
        record(2, second + 108 * MS),
        record(3, second, source_id=2, resolution_us=1_000_000),
    ]
    asked = ((1, 2), (1, 3), (2, 3))
    assert stamped(records, [source(), source(2)], asked=asked) == ["before", "undecided", "undecided"]


def resolution_seen(stamps, resolution_us=MS):
    records = [record(n, stamp, resolution_us=resolution_us) for n, stamp in enumerate(stamps, 1)]
    seen = observed_resolution(table("records"))
    found = engine.run(seen, engine.in_memory({"records": pd.DataFrame(records)}))
    return found[["observed_us", "stamps"]].to_numpy().tolist()


def test_milliseconds_that_are_always_zero_are_seconds():
    assert resolution_seen([n * 1_000_000 for n in (3, 4, 7, 9, 14, 20)]) == [[1_000_000, 6]]


def test_a_single_stamp_off_the_second_keeps_the_promise():
    assert resolution_seen([n * 1_000_000 for n in (3, 4, 7, 9, 14, 20)] + [5_001_000]) == [[MS, 7]]


def test_a_few_round_stamps_prove_no_coarse_clock():
    assert resolution_seen([n * 1_000_000 for n in (3, 4, 7, 9, 14)] * 4) == [[MS, 5]]


def test_stamps_are_never_believed_finer_than_promised():
    assert resolution_seen([1, 2, 3, 4, 5, 6, 7], resolution_us=1_000_000) == [[1_000_000, 7]]


def test_a_clock_of_ten_milliseconds_is_seen():
    assert resolution_seen([n * 10_000 for n in (1, 2, 3, 5, 8, 13, 21)]) == [[10_000, 7]]
