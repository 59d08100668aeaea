from functools import cache

import pandas as pd
import pytest
from drawing import drawn

from analysis import engine
from analysis.schema import table
from analysis.signals.duplicates import pairs
from analysis.signals.interleaving import critical_window, most_telling, timeline

MS = 1_000
CSVLOG = {"source_id": 9, "resolution_us": 1, "clock": "clock", "writer": "postgres"}
RACE = """
    pay-1  a  [==========]
    pay-1  b    [============]  500
"""


def statement(number, lane, ms, kind, *, table_name="jobs_job", took_ms=1, **more):
    """Statement `number` of the file, run by the request `lane`; record_ids of statements begin at 101."""
    ran = {"record_id": 100 + number, "line_no": number, "session": f"s{lane}", "kind": kind, "sql": kind}
    times = {"started_us": ms * MS, "finished_us": (ms + took_ms) * MS, "table_name": table_name}
    return {"lane": lane} | CSVLOG | ran | times | more


def traced(picture, *statements, exceptions=(), records=()):
    """The drawing's database with statements linked to the requests that ran them."""
    connection = drawn(picture, method="POST", path="/pay", resolution_us=1)
    ran = pd.DataFrame(
        list(statements), columns=sorted({name for row in statements for name in row} | {"lane", "record_id"})
    )
    links = ran.rename(columns={"lane": "from_record", "record_id": "to_record"})[
        ["from_record", "to_record"]
    ]
    links = links.assign(to_table="statements")
    raised = pd.DataFrame(
        [(lane, row["record_id"], "exceptions") for lane, row in exceptions], columns=links.columns
    )
    frames = {
        "statements": ran.drop(columns="lane"),
        "links": pd.concat([links, raised]) if len(raised) else links,
        "exceptions": pd.DataFrame(
            [row for _, row in exceptions], columns=["record_id", "is_last", "type", "message"]
        ),
        "records": pd.DataFrame(
            list(records), columns=["record_id", "source_id", "line_no", "logged_us", "resolution_us"]
        ),
        "sources": pd.DataFrame([{"source_id": 2, "clock": "app"}, {"source_id": 9, "clock": "clock"}]),
    }
    for name, frame in frames.items():
        engine.create_table(connection, name)
        connection.register("given", frame)
        columns = ", ".join(frame.columns)
        connection.execute(f"INSERT INTO {name} ({columns}) SELECT {columns} FROM given")
    return connection


def events_of(lanes=(1, 2)):
    tables = (table(name) for name in ("requests", "statements", "exceptions", "links"))
    return timeline(lanes, *tables, records=table("records"), sources=table("sources"))


@cache
def events_sql(lanes):
    return engine.to_sql(events_of(lanes))


@cache
def windows_sql():
    return engine.to_sql(critical_window(events_of(), pairs(table("requests"), 50 * MS)))


@cache
def choice_sql():
    return engine.to_sql(most_telling(pairs(table("requests"), 50 * MS), table("links")))


def events(connection, lanes=(1, 2)):
    return connection.execute(events_sql(tuple(lanes))).df()


def kinds(frame, lane):
    return frame[frame["lane"] == lane]["kind"].tolist()


def windows(connection):
    frame = connection.execute(windows_sql()).df().astype(object).where(lambda f: f.notna(), None)
    return frame.set_index("table_name").drop(columns=["first_record", "second_record"]).T.to_dict("list")


def test_a_lane_shows_its_start_statements_and_finish_in_time():
    connection = traced(
        RACE,
        statement(1, 1, 2, "read"),
        statement(2, 1, 5, "update"),
        statement(3, 1, 7, "commit", table_name=None),
    )
    shown = events(connection)
    assert kinds(shown, 1) == ["start", "read", "update", "commit", "finish"]
    assert kinds(shown, 2) == ["start", "finish"]
    assert shown[shown["lane"] == 2]["status"].tolist() == [500, 500]
    assert shown[shown["kind"] == "update"][["from_us", "by_us", "label", "line_no"]].to_numpy().tolist() == [
        [5 * MS, 6 * MS, "update jobs_job", 2]
    ]


def test_other_requests_and_other_kinds_of_statement_are_left_out():
    connection = traced(RACE, statement(1, 1, 2, "begin", table_name=None), statement(2, 2, 3, "read"))
    assert kinds(events(connection, lanes=[1]), 1) == ["start", "finish"]
    assert kinds(events(connection, lanes=[1]), 2) == []


def test_a_wait_is_drawn_and_the_write_comes_after_it():
    connection = traced(RACE, statement(1, 2, 4, "update", took_ms=6, wait_us=5 * MS))
    shown = events(connection).set_index("kind")
    assert shown.loc["wait", ["from_us", "by_us"]].tolist() == [4 * MS, 10 * MS]
    assert shown.loc["update", ["from_us", "by_us"]].tolist() == [9 * MS, 10 * MS]


def test_a_failed_statement_is_an_error_with_its_text():
    failed = statement(
        1, 2, 8, "insert", table_name="jobs_completion", sqlstate="23505", error="duplicate key"
    )
    shown = events(traced(RACE, failed)).set_index("kind")
    assert shown.loc["error", ["label", "detail", "sqlstate"]].tolist() == [
        "insert jobs_completion",
        "duplicate key",
        "23505",
    ]


def test_an_exception_strikes_somewhere_within_its_stamp():
    raised = {"record_id": 50, "is_last": True, "type": "IntegrityError", "message": "duplicate key"}
    cause = raised | {"is_last": False, "type": "UniqueViolation"}
    record = {"record_id": 50, "source_id": 2, "line_no": 2207, "logged_us": 0, "resolution_us": 1_000_000}
    shown = events(traced(RACE, exceptions=[(2, cause), (2, raised)], records=[record]))
    (error,) = shown[shown["kind"] == "error"].to_dict("records")
    assert (error["lane"], error["label"], error["from_us"], error["by_us"]) == (
        2,
        "IntegrityError",
        0,
        999_999,
    )
    assert (error["clock"], error["line_no"]) == ("app", 2207)


def test_a_bound_that_no_log_shows_stays_unknown():
    shown = events(traced("pay-1  a  [===?"))
    assert shown.loc[shown["kind"] == "finish", "by_us"].isna().all()


def test_the_window_opens_when_both_have_read_and_closes_at_the_first_write():
    connection = traced(
        RACE,
        statement(1, 1, 1, "read"),
        statement(2, 2, 4, "read"),
        statement(3, 1, 7, "update"),
        statement(4, 2, 9, "update"),
    )
    assert windows(connection) == {"jobs_job": [4 * MS, 5 * MS, 7 * MS, 8 * MS, "yes"]}


def test_a_read_after_the_others_write_opens_no_window():
    connection = traced(
        RACE, statement(1, 1, 1, "read"), statement(2, 1, 3, "update"), statement(3, 2, 6, "read")
    )
    assert windows(connection)["jobs_job"][-1] == "no"


def test_a_read_that_ends_as_the_write_begins_is_undecided():
    connection = traced(
        RACE, statement(1, 1, 1, "read"), statement(2, 2, 4, "read"), statement(3, 1, 5, "update")
    )
    assert windows(connection)["jobs_job"][-1] == "undecided"


def test_a_lock_that_was_waited_for_opens_no_window():
    connection = traced(
        RACE,
        statement(1, 1, 1, "lock"),
        statement(2, 2, 3, "lock", took_ms=7, wait_us=6 * MS),
        statement(3, 1, 4, "update"),
        statement(4, 2, 11, "update"),
    )
    assert windows(connection)["jobs_job"][-1] == "no"


def test_reads_that_nobody_followed_with_a_write_are_no_window():
    connection = traced(
        RACE,
        statement(1, 1, 1, "read"),
        statement(2, 2, 4, "read"),
        statement(3, 1, 7, "update", table_name="audit"),
    )
    assert windows(connection) == {}


def test_a_write_that_failed_closes_nothing():
    connection = traced(
        RACE,
        statement(1, 1, 1, "read"),
        statement(2, 2, 2, "read"),
        statement(3, 1, 4, "update", sqlstate="40001"),
        statement(4, 2, 8, "update"),
    )
    assert windows(connection)["jobs_job"] == [2 * MS, 3 * MS, 8 * MS, 9 * MS, "yes"]


def test_the_last_read_before_a_write_is_the_one_that_counts():
    reads = (statement(1, 1, 1, "read"), statement(2, 2, 2, "read"), statement(3, 1, 4, "read"))
    connection = traced(RACE, *reads, statement(4, 1, 7, "update"))
    assert windows(connection)["jobs_job"] == [4 * MS, 5 * MS, 7 * MS, 8 * MS, "yes"]


def test_reading_back_ones_own_write_is_not_the_read_that_counts():
    connection = traced(
        RACE,
        statement(1, 1, 1, "read"),
        statement(2, 2, 2, "read"),
        statement(3, 1, 4, "update"),
        statement(4, 1, 6, "read"),
    )
    assert windows(connection)["jobs_job"][-1] == "yes"


def test_a_write_without_a_finish_has_no_upper_bound():
    connection = traced(
        RACE,
        statement(1, 1, 1, "read"),
        statement(2, 2, 2, "read"),
        statement(3, 1, 4, "update", finished_us=None),
    )
    assert windows(connection)["jobs_job"] == [2 * MS, 3 * MS, 4 * MS, None, "yes"]


def test_statements_of_two_clocks_are_undecided():
    connection = traced(
        RACE,
        statement(1, 1, 1, "read"),
        statement(2, 2, 4, "read", clock="standby"),
        statement(3, 1, 7, "update"),
    )
    assert windows(connection)["jobs_job"][-1] == "undecided"


def chosen(picture, *statements):
    connection = traced(picture, *statements)
    frame = connection.execute(choice_sql()).df()
    return frame[["first_record", "second_record"]].to_numpy().tolist()


@pytest.mark.parametrize(
    ("picture", "statements", "best"),
    [
        ("pay-1  a  [=]\npay-1  b     [=]  500\npay-2  c  [=====]\npay-2  d      [=====]", [], [3, 4]),
        ("pay-1  a  [====]\npay-1  b   [====]\npay-2  c  [====]\npay-2  d    [====]  500", [], [3, 4]),
        (
            "pay-1  a  [====]\npay-1  b   [====]\npay-2  c  [====]\npay-2  d    [====]",
            [(1, 3), (2, 4)],
            [3, 4],
        ),
        ("pay-1  a  [====]\npay-1  b   [====]\npay-2  c  [====]\npay-2  d    [====]", [(1, 3)], [1, 2]),
        ("pay-1  a  [====]\npay-1  b    [====]\npay-2  c  [====]\npay-2  d   [====]", [], [3, 4]),
        ("pay-2  a  [====]\npay-2  b    [====]\npay-1  c  [====]\npay-1  d    [====]", [], [1, 2]),
    ],
    ids=["surest", "one failed", "statements of both", "of one only", "smallest gap", "first in the log"],
)
def test_the_pair_to_show_is_the(picture, statements, best):
    assert chosen(picture, *(statement(number, lane, number, "read") for number, lane in statements)) == [
        best
    ]


def test_no_pair_no_choice():
    assert chosen("pay-1  a  [====]") == []
