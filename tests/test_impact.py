import pandas as pd

from analysis import engine
from analysis.schema import table
from analysis.signals.impact import causes, impact_summary, users_hit

REQUESTS, EXCEPTIONS, LINKS = (table(name) for name in ("requests", "exceptions", "links"))


def served(picture, exceptions=(), links=()):
    """A database of requests, one a line: record_id, start in µs, user, route, status; `-` is not known."""
    names = ["record_id", "stamp_us", "user_id", "route", "status"]
    rows = [
        [None if word == "-" else word for word in line.split()]
        for line in picture.splitlines()
        if line.strip()
    ]
    numbers = {"record_id": "Int64", "stamp_us": "Int64", "status": "Int64"}
    frame = pd.DataFrame(rows, columns=names).apply(
        lambda column: (
            pd.to_numeric(column).astype(numbers[column.name]) if column.name in numbers else column
        )
    )
    raised = pd.DataFrame(
        exceptions,
        columns=["record_id", "position", "is_last", "type", "fingerprint", "sqlstate", "constraint_name"],
    )
    linked = pd.DataFrame(links, columns=["from_record", "to_record", "to_table", "confidence"])
    return engine.in_memory({"requests": frame.assign(method="POST"), "exceptions": raised, "links": linked})


def table_of(expression, connection, *columns):
    rows = engine.run(expression, connection)[list(columns)].astype(object)
    return rows.where(rows.notna(), None).to_numpy().tolist()


PICTURE = """
    1  10  ann  /pay   200
    2  20  ann  /pay   500
    3  30  bob  /pay   200
    4  40  ann  /pay   502
    5  50  ann  /jobs  500
    6  60  -    /pay   500
    7  70  cy   /pay   -
    8  -   dee  /pay   500
    9  5   eve  /pay   500
"""


def test_a_user_is_hit_by_a_failure_and_spared_without():
    rows = table_of(
        users_hit(REQUESTS, by=()), served(PICTURE), "user_id", "failures", "requests", "first_us", "last_us"
    )
    assert rows == [
        ["eve", 1, 1, 5, 5],
        ["ann", 3, 4, 20, 50],
        ["dee", 1, 1, None, None],
    ]


def test_users_are_told_apart_by_endpoint():
    rows = table_of(users_hit(REQUESTS, 10), served(PICTURE), "user_id", "route", "failures", "first_failure")
    assert rows == [["ann", "/pay", 2, 2], ["ann", "/jobs", 1, 5]]


def test_the_window_holds_its_start_and_not_its_end():
    rows = table_of(users_hit(REQUESTS, 20, 40), served(PICTURE), "user_id", "failures", "last_us")
    assert rows == [["ann", 1, 20]]


def test_a_client_error_hits_nobody():
    connection = served("1  10  ann  /pay  409\n2  20  bob  /pay  404")
    assert table_of(users_hit(REQUESTS), connection, "user_id") == []


def test_failures_of_unknown_users_are_counted_apart():
    columns = (
        "users",
        "users_hit",
        "users_spared",
        "requests_unknown",
        "failures_unknown",
        "failures",
        "requests",
    )
    assert table_of(impact_summary(REQUESTS, by=()), served(PICTURE), *columns) == [[5, 3, 2, 1, 1, 6, 9]]


def test_the_summary_is_of_each_endpoint():
    rows = table_of(
        impact_summary(REQUESTS, 0, 55), served(PICTURE), "route", "failures", "users", "users_hit"
    )
    assert rows == [["/pay", 3, 3, 2], ["/jobs", 1, 1, 1]]


def test_only_failures_of_the_records_given_count_but_all_requests_do():
    columns = ("users_hit", "failures", "requests")
    connection = served(PICTURE, links=[(4, 90, "exceptions", 1.0)])
    assert table_of(impact_summary(REQUESTS, only=[4, 3], by=()), connection, *columns) == [[1, 1, 9]]
    assert table_of(impact_summary(REQUESTS, only=[], by=()), connection, *columns) == [[0, 0, 9]]
    linked = impact_summary(REQUESTS, only=LINKS.from_record, by=())
    assert table_of(linked, connection, *columns) == [[1, 1, 9]]


OLD = (70, 0, True, "Timeout", "old", None, None)
ROOT = (80, 0, False, "UniqueViolation", "earlier", "23505", "one_completion")
LAST = (80, 1, True, "IntegrityError", "new", None, None)


def test_an_old_cause_stands_on_both_sides_and_the_new_one_after_the_onset_only():
    connection = served(
        """
        1  10  ann  /search  500
        2  30  ann  /search  500
        3  20  bob  /done    500
        4  31  cy   /done    500
        5  32  cy   /done    200
        """,
        [OLD, (71, *OLD[1:]), ROOT, LAST, (81, *ROOT[1:]), (81, *LAST[1:])],
        [
            (1, 70, "exceptions", 1.0),
            (2, 71, "exceptions", 1.0),
            (3, 80, "exceptions", 1.0),
            (4, 81, "exceptions", 1.0),
        ],
    )
    columns = (
        "fingerprint",
        "type",
        "sqlstate",
        "constraint_name",
        "route",
        "before",
        "after",
        "users",
        "first_us",
    )
    assert table_of(causes(EXCEPTIONS, LINKS, REQUESTS, 20), connection, *columns) == [
        ["new", "IntegrityError", "23505", "one_completion", "/done", 0, 2, 2, 20],
        ["old", "Timeout", None, None, "/search", 1, 1, 1, 10],
    ]


def test_a_handled_exception_is_no_cause_of_a_failure():
    connection = served("1  10  ann  /done  200", [OLD], [(1, 70, "exceptions", 1.0)])
    assert table_of(causes(EXCEPTIONS, LINKS, REQUESTS, 0), connection, "failures") == []


def test_a_failure_without_an_exception_has_an_unknown_cause():
    connection = served("1  10  ann  /done  500\n2  -  bob  /done  500", [OLD], [(1, 70, "statements", 1.0)])
    rows = table_of(
        causes(EXCEPTIONS, LINKS, REQUESTS, 0), connection, "fingerprint", "failures", "before", "after"
    )
    assert rows == [[None, 2, 0, 1]]


def test_a_failure_with_two_exceptions_counts_once_under_the_surer_then_the_later_one():
    connection = served(
        "1  10  ann  /done  500\n2  20  bob  /done  500",
        [OLD, ROOT, LAST],
        [
            (1, 70, "exceptions", 1.0),
            (1, 80, "exceptions", 0.5),
            (2, 70, "exceptions", 1.0),
            (2, 80, "exceptions", 1.0),
        ],
    )
    rows = table_of(causes(EXCEPTIONS, LINKS, REQUESTS, 0), connection, "fingerprint", "failures", "first_us")
    assert rows == [["new", 1, 20], ["old", 1, 10]]
