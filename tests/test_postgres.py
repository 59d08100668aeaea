import pandas as pd
import pglog
import pytest
from pglog import written

from analysis import engine
from analysis.evidence.pgerrors import database_error
from analysis.evidence.postgres import statements


def rows(found: pd.DataFrame, *names: str) -> list[tuple]:
    """The named columns as tuples, NULL as None."""
    values = found[list(names)].astype(object)
    return list(values.where(values.notna(), None).itertuples(index=False, name=None))


def of(found: pd.DataFrame, request_id: str) -> pd.DataFrame:
    return found[found.request_id == request_id]


def test_a_race_is_read_statement_by_statement_in_file_order():
    found = statements(written(pglog.RACE))
    assert rows(found, "record_id", "session", "kind", "table_name", "request_id") == [
        (1, "6b05103e.281e", "begin", None, "0f3a1"),
        (3, "6b05103e.281e", "read", "jobs_job", "0f3a1"),
        (5, "6b05103e.281f", "begin", None, "0f3a2"),
        (7, "6b05103e.281f", "read", "jobs_job", "0f3a2"),
        (9, "6b05103e.281e", "insert", "jobs_done", "0f3a1"),
        (11, "6b05103e.281f", "insert", "jobs_done", "0f3a2"),
        (13, "6b05103e.281e", "commit", None, "0f3a1"),
        (17, "6b05103e.281f", "rollback", None, "0f3a2"),
    ]


def test_a_statement_starts_at_its_line_and_finishes_at_its_sessions_next_duration_line():
    found = of(statements(written(pglog.RACE)), "0f3a1")
    assert rows(found, "kind", "started_us", "finished_us") == [
        ("begin", 10_214_000, 10_214_000),
        ("read", 10_214_000, 10_215_000),
        ("insert", 10_217_000, 10_218_000),
        ("commit", 10_340_000, 10_344_000),
    ]


def test_an_error_line_ends_the_statement_it_quotes_and_the_next_duration_is_not_its_own():
    failed = statements(written(pglog.RACE)).set_index("record_id").loc[11]
    assert (failed.started_us, failed.finished_us, failed.sqlstate) == (10_220_000, 10_344_000, "23505")
    assert database_error(failed.error).key_values == ("4", "completed")


def test_only_the_statement_that_failed_carries_an_sqlstate():
    found = statements(written(pglog.RACE))
    assert found.sqlstate.notna().sum() == found.error.notna().sum() == 1


def test_the_wait_belongs_to_the_statement_that_waited():
    found = statements(written(pglog.RACE))
    assert rows(found[found.wait_us.notna()], "record_id", "wait_us") == [(11, 123_572)]


def test_a_wait_reported_twice_counts_once_and_two_waits_add_up():
    again = """
        1.000 7 1/2 0 LOG 00000 statement: UPDATE t SET a = 1
        1.060 7 1/2 0 LOG 00000 process 7 still waiting for ShareLock on transaction 9 after 50.000 ms
        1.070 7 1/2 0 LOG 00000 process 7 acquired ShareLock on transaction 9 after 60.001 ms
        1.130 7 1/2 0 LOG 00000 process 7 still waiting for ExclusiveLock on tuple (0,5) of relation 3 after 50.000 ms
        1.140 7 1/2 0 LOG 00000 process 7 acquired ExclusiveLock on tuple (0,5) of relation 3 after 62.002 ms
        1.150 7 1/2 0 LOG 00000 duration: 150.000 ms
        1.160 7 1/2 0 LOG 00000 statement: UPDATE t SET a = 2
        1.170 7 1/2 0 LOG 00000 duration: 1.000 ms
    """
    assert rows(statements(written(again)), "wait_us") == [(122_003,), (None,)]


@pytest.mark.parametrize(
    ("excerpt", "sqlstate", "wait_us"),
    [(pglog.DEADLOCK, "40P01", 50_109), (pglog.LOCK_TIMEOUT, "55P03", 50_113)],
)
def test_a_wait_that_ended_in_an_error_counts_as_far_as_reported(excerpt, sqlstate, wait_us):
    found = statements(written(excerpt))
    assert rows(found[found.wait_us.notna()], "sqlstate", "wait_us") == [(sqlstate, wait_us)]


def test_without_duration_lines_the_finish_is_unknown_and_waits_are_still_told():
    lines = written(pglog.ROW_LOCK)
    found = statements(lines[~lines.message.str.startswith("duration")])
    assert found.finished_us.isna().all()
    assert rows(found[found.wait_us.notna()], "request_id", "wait_us") == [("0f3a4", 100_353)]


def test_a_wait_that_the_log_ends_in_is_told():
    ends = pglog.RACE.split("\n10.340")[0]
    found = statements(written(ends))
    assert rows(found.tail(1), "kind", "finished_us", "wait_us") == [("insert", None, 50_094)]


def test_a_select_for_update_is_a_lock():
    found = of(statements(written(pglog.ROW_LOCK)), "0f3a3")
    assert found.kind.tolist() == ["begin", "lock", "update", "commit"]


def test_a_comment_inside_a_literal_names_no_request():
    assert set(statements(written(pglog.ROW_LOCK)).request_id) == {"0f3a3", "0f3a4"}


def test_the_extended_protocol_gives_one_row_an_execute_with_its_parameters():
    found = statements(written(pglog.EXTENDED))
    assert rows(found, "kind", "request_id", "params") == [
        ("begin", "0f:ext", None),
        ("read", "0f:ext", "$1 = '7'"),
        ("savepoint", "0f:ext", None),
        ("update", "0f:ext", "$1 = 'it''s, a ''note''', $2 = '7'"),
        ("savepoint", "0f:ext", None),
        ("commit", "0f:ext", None),
    ]
    assert found.finished_us.notna().all()


def test_one_shape_for_both_protocols():
    simple = statements(
        written("1.000 7 1/2 0 LOG 00000 statement: SELECT status FROM jobs_job WHERE id = 8")
    )
    assert set(simple["shape"]) < set(statements(written(pglog.EXTENDED))["shape"])


def test_a_statement_that_only_an_error_line_shows_gets_a_row_without_a_start():
    found = statements(written(pglog.ERRORS))
    failed = found[found.error.notna()]
    assert rows(failed, "record_id", "sqlstate", "kind", "started_us", "finished_us") == [
        (3, "42601", "other", None, 10_595_000),
        (10, "23503", "insert", 10_596_000, 10_596_000),
    ]


def test_an_error_of_another_statement_does_not_end_the_announced_one_with_its_sqlstate():
    partly = """
        1.000 7 1/2 0 LOG 00000 statement: INSERT INTO t VALUES (1)
        1.100 7 1/3 0 ERROR 42P01 relation "x" does not exist |QUERY SELECT 1 FROM x
    """
    assert rows(statements(written(partly)), "kind", "sqlstate", "finished_us") == [
        ("insert", None, None),
        ("read", "42P01", 1_100_000),
    ]


def test_an_error_that_names_no_statement_gives_no_row():
    refused = '1.000 7 1/2 0 FATAL 28P01 password authentication failed for user "x"'
    assert statements(written(refused)).empty


def test_text_and_duration_in_one_line_mark_the_finish():
    found = statements(written(pglog.ONE_LINE))
    update = found[found.kind == "update"]
    assert rows(update, "started_us", "finished_us", "request_id") == [(10_599_899, 10_600_000, "0f3a9")]
    assert update.sql.item().endswith("WHERE id=1\n  AND true")


def test_parse_and_bind_durations_are_no_statements():
    found = statements(written(pglog.ONE_LINE))
    assert rows(found[found.session == "6b05103e.2823"], "kind", "params") == [
        ("begin", None),
        ("read", "$1 = '8'"),
        ("commit", None),
    ]


def test_a_transactions_xid_reaches_the_statements_before_it_was_assigned():
    found = of(statements(written(pglog.RACE)), "0f3a1")
    assert found.xid.tolist() == [765] * 4
    assert found.vxid.tolist() == ["1/2"] * 4


def test_outside_a_transaction_there_is_no_vxid_and_no_xid_is_handed_on():
    text = """
        1.000 7 1/0 9 LOG 00000 statement: ROLLBACK
        1.001 7 1/0 0 LOG 00000 statement: ROLLBACK
    """
    assert rows(statements(written(text)), "vxid", "xid") == [(None, 9), (None, None)]


def test_a_transaction_that_wrote_nothing_has_no_xid():
    found = statements(written(pglog.ONE_LINE)).set_index("vxid")
    assert found.loc["3/10"].xid.isna().all()
    assert found.loc["1/7"].xid.tolist() == [778, 778]


def test_an_empty_transaction_between_two_requests_belongs_to_neither():
    text = """
        1.000 7 1/2 0 LOG 00000 statement: BEGIN
        1.001 7 1/2 0 LOG 00000 statement: /* request_id=a */ SELECT 1
        1.002 7 1/2 0 LOG 00000 statement: COMMIT
        1.003 7 1/3 0 LOG 00000 statement: BEGIN
        1.004 7 1/3 0 LOG 00000 statement: ROLLBACK
        1.005 7 1/4 0 LOG 00000 statement: BEGIN
        1.006 7 1/4 0 LOG 00000 statement: SAVEPOINT s
        1.007 7 1/4 0 LOG 00000 statement: /* request_id=b */ SELECT 1
        1.008 7 1/4 0 LOG 00000 statement: COMMIT
    """
    assert rows(statements(written(text)), "request_id") == [(one,) for one in [*"aaa", None, None, *"bbbb"]]


def test_a_request_ends_with_its_transaction_also_where_its_end_is_not_shown():
    text = """
        1.000 7 1/2 0 LOG 00000 statement: /* request_id=a */ SELECT 1
        1.001 7 1/3 0 LOG 00000 statement: BEGIN
        1.002 7 1/3 0 LOG 00000 statement: COMMIT
        1.003 7 1/4 0 LOG 00000 statement: /* request_id=b */ SELECT 1
        1.004 7 1/5 0 LOG 00000 statement: COMMIT
        1.005 7 1/6 0 LOG 00000 statement: ROLLBACK
    """
    assert rows(statements(written(text)), "request_id") == [
        ("a",),
        (None,),
        (None,),
        ("b",),
        ("b",),
        (None,),
    ]


def test_a_request_in_one_session_colours_no_other_session():
    text = """
        1.000 7 1/2 0 LOG 00000 statement: BEGIN
        1.001 8 2/2 0 LOG 00000 statement: BEGIN
        1.002 7 1/2 0 LOG 00000 statement: /* request_id=a */ SELECT 1
        1.003 8 2/2 0 LOG 00000 statement: COMMIT
    """
    assert rows(statements(written(text)), "request_id") == [("a",), (None,), ("a",), (None,)]


def test_the_name_of_the_request_id_is_the_callers():
    text = "1.000 7 1/2 0 LOG 00000 statement: /* rid=a, request_id=b */ SELECT 1"
    assert statements(written(text), request_key="rid").request_id.tolist() == ["a"]


@pytest.mark.parametrize(
    "line",
    [
        "1.000 7 1/2 0 WARNING 01000 statement: DROP TABLE jobs",
        "1.000 7 1/2 0 LOG 00000 duration: 3.100 ms  plan: Query Text: SELECT 1",
        "1.000 7 1/2 0 LOG 00000 duration: 3.100 ms",
        "1.000 7 0/0 0 LOG 00000 checkpoint starting: time",
    ],
)
def test_a_line_that_shows_no_statement_gives_none(line):
    assert statements(written(line)).empty


def test_an_automatic_plan_does_not_end_the_running_statement():
    text = """
        1.000 7 1/2 0 LOG 00000 statement: SELECT 1
        1.004 7 1/2 0 LOG 00000 duration: 3.100 ms  plan: Query Text: SELECT 1
        1.005 7 1/2 0 LOG 00000 duration: 4.200 ms
    """
    assert rows(statements(written(text)), "finished_us") == [(1_005_000,)]


def test_the_detail_and_statement_lines_of_a_stderr_log_belong_to_the_line_before():
    text = """
        1.000 7 - 0 LOG 00000 execute <unnamed>: INSERT INTO t(a) VALUES ($1)
        1.000 7 - 0 DETAIL 00000 Parameters: $1 = '4'
        1.002 7 - 0 ERROR 00000 duplicate key value violates unique constraint "u"
        1.002 7 - 0 DETAIL 00000 Key (a)=(4) already exists.
        1.002 7 - 0 STATEMENT 00000 INSERT INTO t(a) VALUES ($1)
        1.003 8 - 0 DETAIL 00000 Parameters: $1 = '5'
    """
    found = statements(written(text, session=None, vxid=None))
    assert rows(found, "session", "params", "sqlstate", "finished_us") == [
        ("7", "$1 = '4'", "23505", 1_002_000)
    ]
    assert found.error.item().endswith("\nDETAIL:  Key (a)=(4) already exists.")


def test_lines_without_session_or_process_are_never_paired():
    text = "1.000 7 1/2 0 LOG 00000 statement: SELECT 1\n1.001 7 1/2 0 LOG 00000 duration: 1.000 ms"
    assert statements(written(text, session=None, process=None)).finished_us.isna().all()


def test_the_same_session_id_in_two_sources_is_two_sessions():
    lines = written("1.000 7 1/2 0 LOG 00000 statement: SELECT 1\n1.001 7 1/2 0 LOG 00000 duration: 1.000 ms")
    assert statements(lines.assign(source_id=[1, 2])).finished_us.isna().all()


def test_the_table_is_the_promised_one_also_when_empty():
    for lines in (written(pglog.RACE), written(pglog.RACE).head(0)):
        database = engine.in_memory({"statements": statements(lines)})
        assert database.execute("SELECT count(DISTINCT session) FROM statements").fetchone()[0] in (0, 2)
