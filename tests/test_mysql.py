"""Statements of MySQL's and MariaDB's own logs, through the whole loader."""

import datetime as dt
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.case import Case, SourceSpec
from analysis.evidence.sqltext import left_open, read_mysql
from analysis.signals.silent import fates
from analysis.store import open_loaded

SECOND = 1_795_539_224_000_000

# MariaDB 10.11, general log: two requests update one row; then two deadlock. Driver PyMySQL.
GENERAL = """\
mariadbd, Version: 10.11.18-MariaDB-0+deb12u1-log (Debian 12). started with:
Tcp port: 0  Unix socket: /run/mysqld/mysqld.sock
Time\t\t    Id Command\tArgument
261124 16:53:44\t     5 Connect\troot@localhost on jobs using Socket
\t\t     5 Query\tSET NAMES utf8mb4
\t\t     5 Query\tBEGIN
\t\t     6 Query\tSET AUTOCOMMIT = 0
\t\t     5 Query\t/* request_id=0f3a1 */ UPDATE job SET status='a' WHERE id=1
\t\t     6 Query\t/* request_id=0f3a2 */ UPDATE job SET status='b'
WHERE id=1
\t\t     5 Query\tCOMMIT
\t\t     6 Query\tCOMMIT
\t\t     5 Query\tSELECT 'abc
\t\t     5 Query\tSELECT 'it''s \\' "q"', "dq ' ", `id` FROM job -- c
 WHERE id=4
\t\t     5 Query\tPREPARE s FROM 'SELECT * FROM job WHERE id=?'
\t\t     5 Prepare\tSELECT * FROM job WHERE id=?
\t\t     5 Query\tEXECUTE s USING @i
\t\t     5 Execute\tSELECT * FROM job WHERE id=4
\t\t     5 Quit\t
mariadbd, Version: 10.11.18-MariaDB-0+deb12u1-log (Debian 12). started with:
Tcp port: 0  Unix socket: /run/mysqld/mysqld.sock
Time\t\t    Id Command\tArgument
"""

# The same server's slow log at long_query_time=0: the second UPDATE waited 0.3 s for the first.
SLOW = """\
# Time: 261124 16:53:44
# User@Host: root[root] @ localhost []
# Thread_id: 5  Schema: jobs  QC_hit: No
# Query_time: 0.000408  Lock_time: 0.000186  Rows_sent: 0  Rows_examined: 1
# Rows_affected: 1  Bytes_sent: 52
SET timestamp=1795539224;
/* request_id=0f3a1 */ UPDATE job SET status='a' WHERE id=1;
# User@Host: root[root] @ localhost []
# Thread_id: 6  Schema: jobs  QC_hit: No
# Query_time: 0.300524  Lock_time: 0.000428  Rows_sent: 0  Rows_examined: 1
# Rows_affected: 1  Bytes_sent: 52
SET timestamp=1795539224;
/* request_id=0f3a2 */ UPDATE job SET status='b'
WHERE id=1;
"""

# MySQL 8.0.36 with log_slow_extra, after the manual's section "Slow Query Log Contents".
EXTRA = """\
# Time: 2026-11-24T16:53:45.483910Z
# User@Host: app[app] @ web1 [10.0.0.7]  Id:    11
# Query_time: 2.000103  Lock_time: 1.900000 Rows_sent: 0  Rows_examined: 0 Thread_id: 11 Errno: {} Killed: 0 \
Bytes_received: 0 Bytes_sent: 66 Read_first: 0 Start: 2026-11-24T16:53:43.483807Z End: 2026-11-24T16:53:45.483910Z
SET timestamp=1795539223;
INSERT INTO `jobs`.`done` VALUES (4,'x');
"""
HEADER = """\
# User@Host: root[root] @ localhost []
# Thread_id: {}  Schema: jobs  QC_hit: No
# Query_time: 0.000153  Lock_time: 0.000000  Rows_sent: 2  Rows_examined: 2
# Rows_affected: 0  Bytes_sent: 112
SET timestamp=1795539224;
{};
"""


@pytest.fixture
def ran(tmp_path):
    """The statements of one log, in its order, NULL as None."""

    def loaded(fmt, text, *names):
        (tmp_path / "db.log").write_text(text)
        case = open_loaded(
            Case(tmp_path, "one log", (SourceSpec("db.log", fmt),), date=dt.date(2026, 11, 24))
        )
        found = case.sql("SELECT * FROM statements ORDER BY record_id")[list(names)].astype(object)
        return list(found.where(found.notna(), None).itertuples(index=False, name=None))

    return loaded


def test_a_general_log_tells_sessions_statements_and_their_starts(ran):
    found = ran("mariadb_general", GENERAL, "session", "kind", "table_name", "request_id")
    assert found == [
        ("5", "other", None, None),
        ("5", "begin", None, "0f3a1"),
        ("6", "begin", None, "0f3a2"),
        ("5", "update", "job", "0f3a1"),
        ("6", "update", "job", "0f3a2"),
        ("5", "commit", None, "0f3a1"),
        ("6", "commit", None, "0f3a2"),
        ("5", "read", None, None),
        ("5", "read", "job", None),
        ("5", "other", None, None),
        ("5", "other", None, None),
        ("5", "read", "job", None),
    ]
    assert set(ran("mariadb_general", GENERAL, "started_us", "finished_us")) == {(SECOND, None)}


def test_a_banner_behind_the_last_statement_is_no_part_of_it(ran):
    banner = GENERAL[: GENERAL.index("261124")]
    last = ran("mariadb_general", f"261124 16:53:44\t     5 Query\tflush logs\n{banner}", "sql")
    assert last == [("flush logs",)]


def test_a_slow_log_marks_the_end_and_tells_how_long_it_took(ran):
    found = ran("mariadb_slow", SLOW, "session", "started_us", "finished_us", "resolution_us", "wait_us")
    assert found == [
        ("5", SECOND - 408, SECOND, 1_000_000, None),
        ("6", SECOND - 300_524, SECOND, 1_000_000, None),
    ]
    assert ran("mariadb_slow", SLOW, "shape")[1] == ("UPDATE job SET status=? WHERE id=?",)


@pytest.mark.parametrize(
    ("errno", "failed"),
    [
        (0, (None, None)),
        (1213, ("40001", "error 1213")),
        (1062, ("23000", "error 1062")),
        (7, ("HY000", "error 7")),
    ],
)
def test_mysql_8_tells_microseconds_the_wait_and_the_error(ran, errno, failed):
    (found,) = ran("mysql_slow", EXTRA.format(errno), "session", "started_us", "wait_us", "sqlstate", "error")
    assert found == ("11", SECOND - 516_193, 1_900_000, *failed)
    assert ran("mysql_slow", EXTRA.format(errno), "kind", "table_name") == [("insert", "jobs.done")]


def test_percona_tells_the_error_in_the_line_of_the_schema(ran):
    text = EXTRA.format(0).replace(" Thread_id: 11 Errno: 0", "")
    text = text.replace("Id:    11\n", "Id:    11\n# Schema: jobs  Last_errno: 1062  Killed: 0\n")
    assert ran("mysql_slow", text, "sqlstate") == [("23000",)]


@pytest.mark.parametrize("query", ["# administrator command: Quit", "# only\n# comments"])
def test_a_command_without_a_statement_gives_none(ran, query):
    assert ran("mariadb_slow", HEADER.format(7, query), "sql") == []


@pytest.mark.parametrize(("errno", "fate"), [(1062, "kept"), (1213, "undone"), (0, "kept")])
def test_of_a_transaction_mysql_undoes_a_refused_statement_only_and_all_of_it_at_a_deadlock(
    tmp_path, errno, fate
):
    ran = (("BEGIN", 0), ("UPDATE t SET a=1", 0), ("INSERT INTO t VALUES (1)", errno), ("COMMIT", 0))
    (tmp_path / "db.log").write_text(
        "".join(
            EXTRA.format(each).replace("INSERT INTO `jobs`.`done` VALUES (4,'x')", sql) for sql, each in ran
        )
    )
    case = open_loaded(Case(tmp_path, "one log", (SourceSpec("db.log", "mysql_slow"),)))
    found = case.run(fates(case.table("statements")).order_by("line_no"))["fate"].tolist()
    assert found[1:3] == [fate, "undone" if errno else "kept"]


HOSTILE = [
    "SELECT /* a\n# Query_time: 9.000000  Lock_time: 3.000000  Rows_sent: 2  Rows_examined: 2\n*/ 1",
    "SELECT /* a\n# User@Host: root[root] @ localhost []\n*/ 1",
    "SELECT 'x\n# Time: 261124 12:00:00\n" + HEADER.format(99, "DELETE FROM job") + "# '",
    "SELECT 'it\\'s\n" + HEADER.format(99, "DELETE FROM job;\n# '"),
    'SELECT "x\n' + HEADER.format(99, "DELETE FROM job") + HEADER.format(98, "DELETE FROM job") + '"',
    "SELECT /*\n" + HEADER.format(99, "DELETE FROM job") + "*/ 2",
]


@pytest.mark.parametrize("query", HOSTILE)
def test_a_header_within_a_statement_is_part_of_it(ran, query):
    text = "".join(HEADER.format(5, each) for each in ("SELECT 1", query, "SELECT 3"))
    found = ran("mariadb_slow", text, "session", "kind")
    assert found == [("5", "read")] * 3
    assert ran("mariadb_slow", text, "sql")[1][0].rstrip(";\n ") == query.rstrip(";\n ")


@pytest.mark.parametrize("refused", ["SELECT 'abc", 'SELECT "abc', "SELECT `abc", "SELECT 1 /* abc"])
def test_a_refused_statement_with_an_open_quote_takes_nothing_of_those_behind_it(ran, refused):
    queries = [refused, "SELECT 'a', \"b\", `c` /* d */", "SELECT 'it''s'", "SELECT 'it\\'s'", "SELECT 4"]
    text = "".join(HEADER.format(5, each) for each in queries)
    assert ran("mariadb_slow", text, "sql") == [(each,) for each in queries]


def test_a_statement_cut_at_the_end_of_the_log_is_kept_as_it_is(ran):
    text = HEADER.format(5, "SELECT 1") + HEADER.format(5, "SELECT 'abc").removesuffix(";\n") + "\n"
    assert ran("mariadb_slow", text, "sql") == [("SELECT 1",), ("SELECT 'abc",)]


def test_the_open_statement_of_one_log_is_not_closed_by_another(tmp_path):
    (tmp_path / "a.log").write_text(HEADER.format(5, "SELECT 'abc"))
    (tmp_path / "b.log").write_text(HEADER.format(5, "SELECT def'"))
    specs = tuple(SourceSpec(f"{name}.log", "mariadb_slow") for name in "ab")
    assert open_loaded(Case(tmp_path, "two", specs)).sql("SELECT count(*) AS n FROM statements")["n"][0] == 2


VALUES = st.text(st.sampled_from("a'\"`\\/*#-\n;? é1\t"), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUES, min_size=1, max_size=6))
def test_drawn_literals_come_back_and_never_reach_the_shape(ran, values):
    """Escaped as mysql_real_escape_string does."""
    escapes = {"\\": "\\\\", "'": "\\'", '"': '\\"', "\n": "\\n"}
    escaped = ["".join(escapes.get(each, each) for each in value) for value in values]
    queries = [f"UPDATE `job` SET status='{value}' WHERE id={at}" for at, value in enumerate(escaped)]
    found = ran(
        "mariadb_slow", "".join(HEADER.format(5, each) for each in queries), "sql", "shape", "table_name"
    )
    assert found == [(each, "UPDATE `job` SET status=? WHERE id=?", "job") for each in queries]


@pytest.mark.parametrize(
    ("sql", "shape", "kind", "table"),
    [
        ("SELECT * FROM `a` WHERE b=\"it's\" # c\n AND d=0xFF", "SELECT * FROM `a` WHERE b=? AND d=?", "read", "a"),
        ("SELECT 1--1, 2 -- x", "SELECT ?--?, ?", "read", None),
        ("SELECT /* a /* b */ c FROM d", "SELECT c FROM d", "read", "d"),
        ("INSERT /*! IGNORE */ INTO t VALUES (1),(2)", "INSERT IGNORE INTO t VALUES (?)", "insert", "t"),
        ("INSERT DELAYED IGNORE t SET a=1", "INSERT DELAYED IGNORE t SET a=?", "insert", "t"),
        ("REPLACE INTO `my`.`t` VALUES ($$)", "REPLACE INTO `my`.`t` VALUES ($$)", "insert", "my.t"),
        ("UPDATE LOW_PRIORITY t SET a=_utf8mb4'x'", "UPDATE LOW_PRIORITY t SET a=?", "update", "t"),
        ("DELETE QUICK FROM t WHERE 2b=1", "DELETE QUICK FROM t WHERE 2b=?", "delete", "t"),
        ("SELECT a FROM t LOCK IN SHARE MODE", "SELECT a FROM t LOCK IN SHARE MODE", "lock", "t"),
        ("SELECT GET_LOCK('x', 1)", "SELECT GET_LOCK(?, ?)", "lock", None),
        ("LOCK TABLES t WRITE", "LOCK TABLES t WRITE", "lock", "t"),
        ("INSERT t SET a=1 ON DUPLICATE KEY UPDATE a=2", "INSERT t SET a=? ON DUPLICATE KEY UPDATE a=?", "insert", "t"),
        ("set autocommit=0", "set autocommit=?", "begin", None),
        ("SET @@session.autocommit = OFF", "SET @@session.autocommit = OFF", "begin", None),
        ("SET autocommit=1", "SET autocommit=?", "other", None),
        ("SAVEPOINT `s1`", "SAVEPOINT ?", "savepoint", None),
    ],
)  # fmt: skip
def test_the_shape_kind_and_table_of_a_statement_of_mysql(sql, shape, kind, table):
    found = read_mysql(sql)
    assert (found.shape, found.kind, found.table_name) == (shape, kind, table)


@pytest.mark.parametrize(
    ("sql", "mark"),
    [
        ("SELECT 'a", "'"),
        ("SELECT 'a\\", "'"),
        ("SELECT N'it''", "'"),
        ('SELECT "a', '"'),
        ("SELECT `a", "`"),
        ("SELECT /* 'a'", "/*"),
        ("SELECT 'a'", None),
        ("SELECT 'a' -- don't", None),
        ("SELECT 'a' # don't", None),
        ("SELECT /* 'a */", None),
        ("SELECT 1", None),
        ("", None),
    ],
)
def test_what_a_text_leaves_open(sql, mark):
    assert left_open(sql) == mark


@pytest.mark.parametrize("pump", ["'", '"', "`", "\\", "/*", "/*!", "*/", "#", "-- ", "1", "1.", "_a ", "\n"])
def test_a_hostile_megabyte_of_mysql_takes_linear_time(pump):
    sql = "SELECT " + pump * (1_000_000 // len(pump))
    begun = time.process_time()
    read_mysql(sql), left_open(sql)
    assert time.process_time() - begun < 0.7
