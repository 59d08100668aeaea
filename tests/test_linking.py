"""Links without request ids, and their innocent twins. Times are milliseconds; second 1 begins at 1000."""

from functools import cache

import pandas as pd
import pytest
from drawing import in_memory

from analysis import engine
from analysis.evidence.links import load_links
from analysis.schema import TABLES, table
from analysis.signals.linking import exceptions_by_evidence, siblings, statements_by_evidence

MS = 1_000
COMPLETE = "/api/jobs/complete"
SOURCES = [
    {"source_id": 1, "clock": "host", "ordered_by": "writer"},
    {"source_id": 2, "clock": "host", "ordered_by": "writer"},
    {"source_id": 3, "clock": "elsewhere", "ordered_by": "writer"},
    {"source_id": 4, "clock": "host", "ordered_by": "stamp"},
]


def request(number, start, finish, *, status=200, user="ann", entity="4521", path=COMPLETE, **more):
    """A request known to the millisecond; record_ids of requests are below 100."""
    who = {
        "record_id": number,
        "source_id": 1,
        "line_no": number,
        "method": "POST",
        "path": path,
        "route": path,
    }
    what = {"status": status, "user_id": user, "entity": entity, "clock": "host", "stamp_us": finish * MS}
    what["request_key"] = f"{path} {entity} {user}" if entity and user else None
    starts = {"starts_from": start * MS, "starts_by": start * MS + MS - 1}
    return who | what | starts | {"ends_from": finish * MS, "ends_by": finish * MS + MS - 1} | more


def error(number, second, *, says=f"Internal Server Error: {COMPLETE}", key=("4521", "completed"), **more):
    """An error stamped to the second; record_ids of errors begin at 101."""
    chain = {"is_last": True, "position": 0, "key_values": list(key), "sqlstate": "23505" if key else None}
    line = {"record_id": 100 + number, "source_id": 2, "line_no": number, "logger": "django.request"}
    stamp = {"logged_us": second * 1000 * MS, "resolution_us": 1000 * MS, "message": says}
    return chain, line | stamp | more


def statement(number, session, ms, sql, *, kind="read", took=1, **more):
    """A statement known to the millisecond; record_ids of statements begin at 201."""
    place = {"record_id": 200 + number, "source_id": 1, "line_no": number, "session": session}
    times = {"started_us": ms * MS, "finished_us": (ms + took) * MS, "resolution_us": MS}
    return place | times | {"sql": sql, "shape": sql, "kind": kind, "clock": "host"} | more


def database(requests, errors=(), statements=()):
    frames = {
        "requests": pd.DataFrame(requests),
        "exceptions": pd.DataFrame(
            [{"record_id": line["record_id"]} | chain for chain, line in errors],
            columns=["record_id", "position", "is_last", "sqlstate", "key_values"],
        ),
        "records": pd.DataFrame(
            [line for _, line in errors] or {name: [] for name in ("record_id", "source_id")}
        ),
        "statements": pd.DataFrame(list(statements) or {"record_id": [], "session": []}),
        "sources": pd.DataFrame(SOURCES),
    }
    return in_memory(frames)


@cache
def siblings_sql():
    return engine.to_sql(siblings(table("requests"), table("links")))


def links_of(connection, flagged=()):
    """(request, error or statement, rule, confidence) of each link that the loader makes."""
    for name in ("links", "flags", "retold"):
        engine.create_table(connection, name)
    for record_id in flagged:
        connection.execute("INSERT INTO flags VALUES (?, 'out of order')", [record_id])
    load_links(connection)
    rows = connection.execute("SELECT * FROM links").df()
    assert not rows.isna().any().any()
    rows["confidence"] = rows["confidence"].round(3)
    return sorted(map(tuple, rows[["from_record", "to_record", "rule", "confidence"]].to_numpy().tolist()))


def linked(requests, errors=(), statements=()):
    """The links of these requests, errors and statements."""
    return links_of(database(requests, errors, statements))


def test_links_by_evidence_are_rows_of_the_promised_table():
    given = {name: table(name) for name in ("requests", "records", "sources", "statements", "exceptions")}
    requests, records, sources, statements, exceptions = given.values()
    known = table("links")
    ran = statements_by_evidence(requests, statements, statements, known)
    raised = exceptions_by_evidence(requests, exceptions, records, sources, statements, known)
    assert ran.schema() == raised.schema() == TABLES["links"]


# errors


def test_an_error_is_linked_to_the_failed_request_whose_path_key_and_time_it_has():
    failed = request(1, 1100, 1150, status=500)
    bystanders = [
        request(2, 1100, 1150, status=200),
        request(3, 1100, 1150, status=500, entity="7"),
        request(4, 1200, 1250, status=500, entity="8"),
    ]
    assert linked([failed, *bystanders], [error(1, 1)]) == [(1, 101, "path+key+status+time", 0.99)]


def test_two_requests_for_one_job_that_fail_in_one_second_are_ambiguous():
    both = [request(1, 1100, 1180, status=500), request(2, 1150, 1200, status=500)]
    assert linked(both, [error(1, 1), error(2, 1)]) == [
        (1, 101, "ambiguous", 0.5),
        (1, 102, "ambiguous", 0.5),
        (2, 101, "ambiguous", 0.5),
        (2, 102, "ambiguous", 0.5),
    ]


def test_three_equally_good_candidates_get_a_third_each():
    three = [request(n, 1100, 1180, status=500) for n in (1, 2, 3)]
    assert [link[2:] for link in linked(three, [error(1, 1)])] == [("ambiguous", 0.333)] * 3


def test_failures_one_after_the_other_are_told_apart_by_the_order_of_lines_in_one_file():
    both = [request(1, 1100, 1150, status=500), request(2, 1200, 1250, status=500)]
    lines = [error(1, 1, line_no=70, key=()), error(2, 1, line_no=50, key=())]
    assert linked(both, lines) == [
        (1, 102, "path+status+order+time", 0.95),
        (2, 101, "path+status+order+time", 0.95),
    ]


@pytest.mark.parametrize(
    ("twin", "second", "lines"),
    [
        ("a merged export", (1200, 1250), [error(1, 1, source_id=4), error(2, 1, source_id=4)]),
        ("they overlapped", (1140, 1250), [error(1, 1), error(2, 1)]),
        ("they touched in one step of the clock", (1150, 1250), [error(1, 1), error(2, 1)]),
        ("one line for two requests", (1200, 1250), [error(1, 1)]),
        ("two loggers", (1200, 1250), [error(1, 1), error(2, 1, logger="jobs.views")]),
    ],
)
def test_lines_tell_nothing_about_the_order_where(twin, second, lines):
    both = [request(1, 1100, 1150, status=500), request(2, *second, status=500)]
    assert {link[2] for link in linked(both, lines)} == {"ambiguous"}


@pytest.mark.parametrize(
    ("twin", "innocent"),
    [
        ("another endpoint", request(1, 1100, 1150, status=500, path="/api/jobs/start")),
        ("over before the second of the line", request(1, 900, 998, status=500)),
        ("begun after the second of the line", request(1, 2000, 2050, status=500)),
        ("never under way", request(1, 1100, 1150, status=500, starts_from=None, ends_by=None)),
    ],
)
def test_no_error_is_linked_to_a_request_that_was(twin, innocent):
    assert linked([innocent], [error(1, 1)]) == []


def test_a_request_that_was_still_under_way_when_the_second_began_is_a_candidate():
    assert [link[:2] for link in linked([request(1, 900, 1000, status=500)], [error(1, 1)])] == [(1, 101)]


def test_a_query_string_is_no_part_of_the_path():
    assert len(linked([request(1, 1100, 1150, status=500, path=f"{COMPLETE}?a=1")], [error(1, 1)])) == 1


def test_the_sibling_that_passed_is_not_accused_though_the_key_names_its_job():
    both = [request(1, 1100, 1150, status=500), request(2, 1110, 1160, status=200)]
    assert [link[0] for link in linked(both, [error(1, 1)])] == [1]


def test_a_lone_failure_about_another_job_than_the_key_is_doubted():
    assert linked([request(1, 1100, 1150, status=500, entity="9")], [error(1, 1)])[0][3] == 0.5


def test_a_lone_request_that_answered_well_is_doubted():
    assert linked([request(1, 1100, 1150, status=200)], [error(1, 1)])[0][3] == 0.7


def test_an_error_without_a_path_is_looked_for_among_failures_only():
    lines = [error(1, 1, says="Exception in handler", key=())]
    both = [request(1, 1100, 1150), request(2, 1100, 1150, status=500)]
    assert linked(both, lines) == [(2, 101, "status+time", 0.8)]


def test_an_error_without_a_path_is_linked_to_no_request_that_answered_well():
    assert linked([request(1, 1100, 1150)], [error(1, 1, says="Exception in handler", key=())]) == []


def test_a_file_name_in_the_message_is_not_taken_for_a_path():
    lines = [error(1, 1, says="cannot read /etc/jobs.conf", key=())]
    assert [link[0] for link in linked([request(1, 1100, 1150, status=500)], lines)] == [1]


def test_stamps_of_another_clock_are_not_relied_on():
    found = linked([request(1, 1100, 1150, status=500)], [error(1, 1, source_id=3)])
    assert found == [(1, 101, "path+key+status+time across clocks", 0.9)]


def test_the_process_that_both_logs_name_decides():
    both = [request(n, 1100, 1150, status=500, process=f"w{n}") for n in (1, 2)]
    assert linked(both, [error(1, 1, process="w2")]) == [(2, 101, "path+key+status+process+time", 0.99)]


def test_a_failed_statement_of_the_same_state_decides():
    both = [request(1, 1100, 1150, status=500), request(2, 1160, 1200, status=500)]
    insert = statement(1, "s1", 1165, "INSERT 4521", kind="insert", sqlstate="23505")
    assert (2, 101, "path+key+status+statement+time", 0.99) in linked(both, [error(1, 1)], [insert])


def test_a_statement_that_failed_in_another_way_decides_nothing():
    both = [request(1, 1100, 1150, status=500), request(2, 1160, 1200, status=500)]
    insert = statement(1, "s1", 1165, "INSERT 4521", kind="insert", sqlstate="40001")
    errors = [link for link in linked(both, [error(1, 1)], [insert]) if link[1] == 101]
    assert [link[2] for link in errors] == ["ambiguous"] * 2


def test_what_other_errors_claim_leaves_one_for_an_error_without_a_key():
    both = [request(1, 1100, 1150, status=500), request(2, 1110, 1160, status=500, entity="7")]
    assert linked(both, [error(1, 1), error(2, 1, key=())]) == [
        (1, 101, "path+key+status+time", 0.99),
        (2, 102, "path+status+claims+time", 0.95),
    ]


def test_another_loggers_line_about_the_same_error_claims_nothing():
    both = [request(1, 1100, 1150, status=500), request(2, 1110, 1160, status=500, entity="7")]
    found = linked(both, [error(1, 1), error(2, 1, key=(), logger="jobs.views")])
    assert [link[2] for link in found if link[1] == 102] == ["ambiguous"] * 2


def test_an_error_without_a_key_is_doubted_where_the_log_of_requests_misses_others():
    asked = [request(n, n * 1000 + 100, n * 1000 + 150, status=500) for n in (1, 2, 3, 9)]
    lines = [error(1, 1, key=()), *(error(n, n) for n in (2, 3, 4, 9))]
    assert linked(asked, lines)[0] == (1, 101, "path+status+time", 0.9)
    assert linked(asked, [*lines[:3], lines[-1]])[0] == (1, 101, "path+status+time", 0.97)


def test_no_error_of_a_logger_is_believed_most_of_whose_errors_fit_no_request():
    asked = [request(n, n * 1000 + 100, n * 1000 + 150, status=500) for n in (1, 9)]
    lines = [error(n, n) for n in range(1, 10)]
    assert linked(asked, lines)[0] == (1, 101, "path+key+status+time", 0.198)


def test_two_errors_that_one_failed_statement_claims_for_one_request_are_ambiguous():
    both = [request(1, 1100, 1150, status=500), request(2, 1160, 1200, status=500)]
    insert = statement(1, "s1", 1165, "INSERT 4521", kind="insert", sqlstate="23505")
    found = linked(both, [error(1, 1), error(2, 1)], [insert])
    assert [link[2:] for link in found if link[1] < 200] == [("ambiguous", 0.5)] * 2


def test_two_errors_of_the_only_request_that_failed_are_both_its():
    lines = [error(1, 1), error(2, 1)]
    found = linked([request(1, 1100, 1150, status=500)], lines)
    assert [link[3] for link in found] == [0.99, 0.99]


def test_a_failed_statement_whose_own_request_is_in_doubt_decides_nothing():
    both = [request(1, 1100, 1150, status=500, user="ann"), request(2, 1100, 1200, status=500, user="bob")]
    insert = statement(1, "s1", 1110, "INSERT 4521", kind="insert", sqlstate="23505")
    found = linked(both, [error(1, 1)], [insert])
    assert [link for link in found if link[1] == 101] == [(n, 101, "ambiguous", 0.5) for n in (1, 2)]
    alone = linked([both[0], both[1] | {"status": 200}], [error(1, 1)], [insert])
    assert (1, 101, "path+key+status+time", 0.99) in alone


def test_what_may_be_forged_is_linked_neither_by_the_id_that_it_carries_nor_by_evidence():
    asked = [request(1, 1100, 1150, status=500, request_id="a")]
    lines = [error(1, 1, request_id="a"), error(2, 1, logger="jobs.views")]
    assert [link[:2] for link in links_of(database(asked, lines))] == [(1, 101), (1, 102)]
    assert links_of(database(asked, lines), flagged=[101, 102]) == []
    assert links_of(database(asked, lines), flagged=[1]) == []


# partial ids


def with_ids(requests, errors=(), statements=()):
    """The links by evidence where some of these carry ids."""
    found = links_of(database(requests, errors, statements))
    return [link for link in found if link[2] != "request_id"]


def test_an_id_leaves_nothing_to_evidence():
    asked = [request(1, 1100, 1150, status=500, request_id="a")]
    found = links_of(database(asked, [error(1, 1, request_id="a")]))
    assert found == [(1, 101, "request_id", 1.0)]


def test_an_error_without_an_id_is_of_the_request_that_ids_leave():
    both = [request(n, 1100, 1150, status=500, request_id=f"r{n}") for n in (1, 2)]
    lines = [error(1, 1, request_id="r1"), error(2, 1)]
    assert with_ids(both, lines) == [(2, 102, "path+key+status+time", 0.99)]


def test_another_loggers_error_may_be_of_a_request_that_an_id_names():
    asked = [request(1, 1100, 1150, status=500, request_id="r1")]
    lines = [error(1, 1, request_id="r1"), error(2, 1, logger="jobs.views")]
    assert with_ids(asked, lines) == [(1, 102, "path+key+status+time", 0.99)]


def test_an_error_of_a_request_that_no_log_shows_is_given_to_no_request_with_another_id():
    both = [request(1, 1100, 1150, status=500, request_id="r1"), request(2, 1100, 1150, request_id="r2")]
    assert with_ids(both, [error(1, 1, request_id="r1"), error(2, 1, request_id="r9")]) == []


def test_ids_of_which_no_two_meet_tell_nothing():
    asked = [request(1, 1100, 1150, status=500, request_id="r1")]
    assert [link[:2] for link in with_ids(asked, [error(1, 1, request_id="t1")])] == [(1, 101)]


def test_what_a_session_with_ids_runs_without_one_is_no_requests():
    asked = [request(1, 1100, 1150, request_id="r1"), request(2, 1200, 1250)]
    said = [
        statement(1, "s1", 1110, "SELECT 4521", request_id="r1"),
        statement(2, "s1", 1210, "SELECT 4521"),
    ]
    assert with_ids(asked, statements=said) == []


def test_a_session_without_ids_serves_the_requests_that_ids_leave():
    both = [request(1, 1100, 1150, request_id="r1"), request(2, 1100, 1150)]
    said = [
        statement(1, "s1", 1110, "SELECT 4521", request_id="r1"),
        statement(2, "s2", 1112, "SELECT 4521"),
    ]
    assert with_ids(both, statements=said) == [(2, 202, "session+entity+time", 0.99)]


def test_a_request_with_ids_in_one_database_may_run_statements_in_another():
    asked = [request(1, 1100, 1150, request_id="r1")]
    said = [
        statement(1, "s1", 1110, "SELECT 4521", request_id="r1"),
        statement(2, "s2", 1112, "SELECT 4521", source_id=3, clock="host"),
    ]
    assert with_ids(asked, statements=said) == [(1, 202, "session+entity+time", 0.99)]


# statements

TRANSACTION = [
    statement(1, "s1", 1101, "BEGIN", kind="begin"),
    statement(2, "s1", 1105, "UPDATE jobs SET done WHERE id = 4521", kind="update"),
    statement(3, "s1", 1109, "COMMIT", kind="commit"),
]


def test_what_stands_between_begin_and_commit_belongs_to_one_request():
    assert linked([request(1, 1100, 1150)], statements=TRANSACTION) == [
        (1, number, "session+entity+time", 0.99) for number in (201, 202, 203)
    ]


def test_a_transaction_that_outlasts_a_request_is_not_its():
    assert linked([request(1, 1104, 1107)], statements=TRANSACTION) == []


def test_a_statement_that_outlasts_a_request_is_not_its():
    said = [statement(1, "s1", 1104, "SELECT 4521", took=30)]
    assert linked([request(1, 1100, 1120)], statements=said) == []


def test_two_interleaved_sessions_are_told_apart_by_what_they_say():
    both = [request(1, 1100, 1150, entity="4521"), request(2, 1100, 1150, entity="7777")]
    found = linked(
        both,
        statements=[
            statement(1, "s1", 1110, "SELECT a"),
            statement(2, "s2", 1112, "SELECT a"),
            statement(3, "s1", 1114, "SELECT b WHERE id = 7777"),
            statement(4, "s2", 1116, "SELECT b WHERE id = 4521"),
        ],
    )
    assert [link[:2] for link in found] == [(1, 202), (1, 204), (2, 201), (2, 203)]
    assert {link[3] for link in found} == {0.99}


def test_two_interleaved_sessions_that_say_the_same_are_ambiguous():
    both = [request(1, 1100, 1150), request(2, 1105, 1155)]
    said = [statement(n, f"s{n}", 1110 + n, "SELECT b WHERE id = 4521") for n in (1, 2)]
    found = linked(both, statements=said)
    assert len(found) == 4 and {link[2:] for link in found} == {("ambiguous", 0.5)}


def test_a_statement_of_another_session_with_the_same_literal_is_ambiguous():
    said = [
        statement(1, "s1", 1110, "SELECT b WHERE id = 4521"),
        statement(2, "s2", 1112, "DELETE WHERE id = 4521", kind="delete"),
    ]
    assert {link[2:] for link in linked([request(1, 1100, 1150)], statements=said)} == {("ambiguous", 0.5)}


def test_another_session_that_says_less_does_not_weaken_the_one_that_names_the_job():
    said = [statement(1, "s1", 1110, "SELECT b WHERE id = 4521"), statement(2, "s2", 1112, "SELECT now()")]
    assert linked([request(1, 1100, 1150)], statements=said) == [
        (1, 201, "session+entity+time", 0.99),
        (1, 202, "ambiguous", 0.5),
    ]


def test_a_request_that_one_session_ran_is_not_another_sessions():
    both = [request(1, 1100, 1150), request(2, 1120, 1190)]
    said = [
        statement(1, "s1", 1105, "SELECT b WHERE id = 4521"),
        statement(2, "s2", 1130, "SELECT b WHERE id = 4521"),
    ]
    assert linked(both, statements=said) == [
        (1, 201, "session+entity+time", 0.99),
        (2, 202, "session+entity+claims+time", 0.95),
    ]


def test_one_session_serves_requests_one_after_the_other():
    both = [request(1, 1100, 1120), request(2, 1130, 1150)]
    said = [statement(n, "s1", ms, "SELECT b WHERE id = 4521") for n, ms in ((1, 1105), (2, 1135))]
    assert [link[:2] for link in linked(both, statements=said)] == [(1, 201), (2, 202)]


def test_a_statement_outside_every_request_is_linked_to_none():
    said = [statement(1, "s1", 1090, "SELECT 4521"), statement(2, "s1", 1160, "SELECT 4521")]
    assert linked([request(1, 1100, 1150)], statements=said) == []


@pytest.mark.parametrize(
    ("twin", "sql"),
    [
        ("nothing", "SELECT now()"),
        ("a comment", "SELECT now() /* 4521 */ -- 4521"),
        ("a quoted name", 'SELECT "4521"'),
        ("a longer number", "SELECT 45210, 14521"),
    ],
)
def test_a_statement_that_says_no_more_of_the_job_than_this_is_linked_by_time_alone(twin, sql):
    found = linked([request(1, 1100, 1150)], statements=[statement(1, "s1", 1110, sql)])
    assert found == [(1, 201, "session+time", 0.9)]


def test_parameters_speak_as_literals_do():
    said = [statement(1, "s1", 1110, "SELECT b WHERE id = $1", params="$1 = '4521'")]
    assert linked([request(1, 1100, 1150)], statements=said) == [(1, 201, "session+entity+time", 0.99)]


def test_statements_of_another_clock_are_not_relied_on():
    said = [statement(1, "s1", 1110, "SELECT 4521", clock="elsewhere")]
    found = linked([request(1, 1100, 1150)], statements=said)
    assert found == [(1, 201, "session+entity+time across clocks", 0.9)]


def test_a_session_that_mostly_serves_something_else_is_not_relied_on():
    asked = [request(1, 1100, 1150), request(2, 1900, 1950, entity="7")]
    elsewhere = [statement(n, "s1", 1200 + 20 * n, "SELECT 4521") for n in range(2, 9)]
    said = [statement(1, "s1", 1110, "SELECT 4521"), *elsewhere]
    assert linked(asked, statements=said) == [(1, 201, "session+entity+time", 0.198)]


def test_sessions_of_two_databases_that_bear_one_number_are_two():
    both = [request(1, 1100, 1150), request(2, 1100, 1150, entity="7", user="bob")]
    said = [
        statement(1, "41", 1110, "SELECT 4521"),
        statement(2, "41", 1112, "SELECT 7", source_id=4),
    ]
    assert [link[:2] for link in linked(both, statements=said)] == [(1, 201), (2, 202)]


def days(users, tokens):
    """Each user alone with a request a time, and the statement that its session ran."""
    asked = [request(n + 1, 1000 * n, 1000 * n + 50, user=user, entity=None) for n, user in enumerate(users)]
    said = [
        statement(n + 1, "s1", 1000 * n + 10, f"SELECT token = '{token}'", shape="SELECT token = ?")
        for n, token in enumerate(tokens)
    ]
    return asked, said


def test_a_token_that_always_meets_one_user_stands_for_that_user():
    asked, said = days(["ann", "bob", "cho"] * 3, ["t-ann", "t-bob", "t-cho"] * 3)
    both = [request(n, 9100, 9150, user=user, entity=None) for n, user in ((50, "ann"), (51, "bob"))]
    said.append(statement(50, "s1", 9110, "SELECT token = 't-bob'", shape="SELECT token = ?"))
    assert linked([*asked, *both], statements=said)[-1] == (51, 250, "session+user+time", 0.99)


def test_a_token_that_always_meets_the_same_two_users_stands_for_neither():
    asked, said = days(["ann", "cho", "dan", "eve"] * 3, ["t-ann", "t-cho", "t-dan", "t-eve"] * 3)
    beside = [request(50 + n, 4000 * n, 4000 * n + 50, user="bob", entity=None) for n in range(3)]
    found = linked([*asked, *beside], statements=said)
    assert [link[2] for link in found if link[1] == 201] == ["ambiguous"] * 2


def test_no_word_stands_for_a_user_who_is_always_there():
    asked, said = days(["ann"] * 6, ["t-ann"] * 6)
    assert {link[2] for link in linked(asked, statements=said)} == {"session+time"}


def test_a_token_that_two_users_share_stands_for_nobody():
    asked, said = days(["ann", "bob"] * 3, ["t-all"] * 6)
    assert {link[2] for link in linked(asked, statements=said)} == {"session+time"}


def habits(rounds):
    """A route that reads a and one that reads b, alone; then one of each at once, and a run that reads b."""
    routes = [("/a", "SELECT a"), ("/b", "SELECT b")] * rounds
    asked = [
        request(n + 1, 100 * n, 100 * n + 50, path=path, entity=None) for n, (path, _) in enumerate(routes)
    ]
    said = [statement(n + 1, "s1", 100 * n + 10, sql) for n, (_, sql) in enumerate(routes)]
    at = 100 * len(routes)
    both = [request(n, at, at + 50, path=path, entity=None) for n, path in ((98, "/a"), (99, "/b"))]
    return [*asked, *both], [*said, statement(99, "s1", at + 10, "SELECT b")]


def test_a_route_that_never_ran_such_a_statement_is_ruled_out():
    requests, said = habits(20)
    assert [link for link in linked(requests, statements=said) if link[1] == 299] == [
        (99, 299, "session+habit+time", 0.9)
    ]


def test_a_route_seen_a_few_times_is_not_ruled_out():
    requests, said = habits(5)
    assert [link[2] for link in linked(requests, statements=said) if link[1] == 299] == ["ambiguous"] * 2


def test_a_request_is_taken_from_no_session_where_sessions_are_handed_out_by_transaction():
    both = [request(50, 1100, 1150), request(51, 1120, 1190)]
    said = [
        statement(50, "s1", 1105, "SELECT b WHERE id = 4521"),
        statement(51, "s2", 1130, "SELECT b WHERE id = 4521"),
    ]
    one_session = [link[:2] for link in linked(both, statements=said)]
    alone = [request(n, n * 2000, n * 2000 + 50) for n in range(1, 9)]
    shared = [
        statement(10 * n + side, f"s{side}", n * 2000 + 10 * side, "SELECT b WHERE id = 4521")
        for n in range(1, 5)
        for side in (1, 2)
    ]
    pooled = [link[:2] for link in linked([*alone, *both], statements=[*said, *shared]) if link[0] >= 50]
    assert one_session == [(50, 250), (51, 251)]
    assert pooled == [(50, 250), (50, 251), (51, 251)]


# siblings


def beside(requests, errors, links=None):
    """(error, failed, sibling, overlap, rule, confidence) of each sibling."""
    connection = database(requests, errors)
    found = links or [(1, errors[0][1]["record_id"], 1.0)]
    engine.create_table(connection, "links")
    for failed, record, confidence in found:
        connection.execute(
            "INSERT INTO links VALUES (?, ?, 'exceptions', 'r', ?)", [failed, record, confidence]
        )
    rows = connection.execute(siblings_sql()).df()
    names = ["error_record", "failed_record", "sibling_record", "gap_us", "overlap", "rule", "confidence"]
    return sorted(map(tuple, rows[names].to_numpy().tolist()))


def test_the_duplicates_that_succeeded_are_the_siblings_of_a_failed_request():
    asked = [
        request(1, 1100, 1150, status=500),
        request(2, 1090, 1140),
        request(3, 1200, 1250),
        request(4, 1100, 1150, status=500),
        request(5, 1100, 1150, status=409),
        request(6, 1100, 1150, entity="7"),
        request(7, 1100, 1150, user="bob"),
        request(8, 3000, 3050),
    ]
    assert beside(asked, [error(1, 1)]) == [
        (101, 1, 2, -10_000, "sure", "duplicate", 1.0),
        (101, 1, 3, 100_000, "none", "duplicate", 1.0),
    ]


def test_a_sibling_is_trusted_no_further_than_the_errors_link():
    asked = [request(1, 1100, 1150, status=500), request(2, 1090, 1140)]
    assert beside(asked, [error(1, 1)], [(1, 101, 0.5)])[0][-1] == 0.5


@pytest.mark.parametrize(
    ("who", "more", "rule", "confidence"),
    [
        ("ann", {}, "route+user+time", 0.9),
        (None, {"client_ip": "192.0.2.1"}, "route+client+time", 0.7),
    ],
)
def test_where_the_job_is_unknown_the_one_that_passed_beside_is_the_sibling(who, more, rule, confidence):
    asked = [
        request(1, 1100, 1150, status=500, user=who, entity=None, **more),
        request(2, 2050, 2090, user=who, entity=None, **more),
        request(3, 2110, 2140, user=who, entity=None, **more),
        request(4, 1100, 1150, user="bob", entity=None, **more),
        request(5, 1100, 1150, user=who, entity=None, path="/other", **more),
    ]
    assert beside(asked, [error(1, 1)]) == [(101, 1, 2, 950_000, "none", rule, confidence)]


def test_two_that_passed_beside_are_ambiguous_where_the_job_is_unknown():
    asked = [request(n, 1100, 1150, status=500 if n == 1 else 200, entity=None) for n in (1, 2, 3)]
    assert [row[-2:] for row in beside(asked, [error(1, 1)])] == [("ambiguous", 0.5)] * 2


def test_nobody_is_the_sibling_of_a_request_of_which_neither_user_nor_client_is_known():
    asked = [request(n, 1100, 1150, status=500 if n == 1 else 200, user=None, entity=None) for n in (1, 2)]
    assert beside(asked, [error(1, 1)]) == []
