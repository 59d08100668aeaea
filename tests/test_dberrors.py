import sqlite3
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.evidence.dberrors import database_error
from analysis.evidence.deadlocks import deadlock

PG_KEY = 'duplicate key value violates unique constraint "u"\nDETAIL:  Key (job_id)=(7) already exists.'
FOREIGN_KEY = (
    "a foreign key constraint fails (`shop`.`done`, CONSTRAINT `done_ibfk_1` FOREIGN KEY (`job_id`) "
    "REFERENCES `job` (`id`))"
)


# The wrappings of PyMySQL, mysqlclient and SQLAlchemy as issue reports quote them, names changed; those of mysql2,
# go-sql-driver, Connector/Python, MariaDB's JDBC driver, PDO and Rails are written after their documented form.
@pytest.mark.parametrize(
    ("text", "sqlstate", "code", "constraint", "table", "values"),
    [
        ("(1062, \"Duplicate entry '7-done' for key 'u'\")", "23000", "1062", "u", None, ("7-done",)),
        ("(1062, \"Duplicate entry '7-done' for key 'job.u'\")", "23000", "1062", "u", "job", ("7-done",)),
        ("('(pymysql.err.IntegrityError) (1062, \"Duplicate entry \\'7\\' for key \\'PRIMARY\\'\")',)",
         "23000", "1062", "PRIMARY", None, ("7",)),
        ("1062 (23000): Duplicate entry '7' for key 'job.u'", "23000", "1062", "u", "job", ("7",)),
        ("Error 1062 (23000): Duplicate entry 'O'Neil' for key 'u'", "23000", "1062", "u", None, ("O'Neil",)),
        ("ER_DUP_ENTRY: Duplicate entry '7' for key 'u'", "23000", "1062", "u", None, ("7",)),
        ("(conn=12) Duplicate entry '7' for key 'u'", "23000", "1062", "u", None, ("7",)),
        ("SQLSTATE[23000]: Integrity constraint violation: 1062 Duplicate entry '7' for key 'u'",
         "23000", "1062", "u", None, ("7",)),
        ("Mysql2::Error: Duplicate entry '7' for key 'u'", "23000", "1062", "u", None, ("7",)),
        ("(1213, 'Deadlock found when trying to get lock; try restarting transaction')",
         "40001", "1213", None, None, ()),
        ("Lock wait timeout exceeded; try restarting transaction", "HY000", "1205", None, None, ()),
        (f"(1452, 'Cannot add or update a child row: {FOREIGN_KEY}')",
         "23000", "1452", "done_ibfk_1", "done", ()),
        (f"Cannot delete or update a parent row: {FOREIGN_KEY}", "23000", "1451", "done_ibfk_1", "done", ()),
        ("(1048, \"Column 'status' cannot be null\")", "23000", "1048", None, None, ()),
        ("Check constraint 'positive' is violated.", "HY000", "3819", "positive", None, ()),
        ("(4025, 'CONSTRAINT `positive` failed for `shop`.`job`')", "23000", "4025", "positive", "job", ()),
        ("(1020, \"Record has changed since last read in table 'job'\")", "HY000", "1020", None, "job", ()),
    ],
)  # fmt: skip
def test_a_mysql_error_is_read_in_every_driver_s_wrapping(text, sqlstate, code, constraint, table, values):
    found = database_error(text)
    assert found is not None
    assert (found.sqlstate, found.error_code, found.constraint_name) == (sqlstate, code, constraint)
    assert (found.table_name, found.key_values) == (table, values)


def test_a_mysql_key_that_is_named_names_its_columns():
    assert database_error(f"Cannot add or update a child row: {FOREIGN_KEY}").key_columns == ("job_id",)
    assert database_error("(1048, \"Column 'status' cannot be null\")").key_columns == ("status",)


def raised_by(*statements):
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.Error) as caught:
            for statement in statements:
                connection.execute(statement)
    finally:
        connection.close()
    return str(caught.value)


JOB = (
    "CREATE TABLE job (id INTEGER PRIMARY KEY, owner TEXT NOT NULL, status TEXT CHECK (status <> ''),"
    " UNIQUE (owner, status))"
)
ONE = "INSERT INTO job (owner, status) VALUES ('a', 'b')"


@pytest.mark.parametrize(
    ("statements", "code", "table", "columns"),
    [
        ((JOB, ONE, ONE), "SQLITE_CONSTRAINT_UNIQUE", "job", ("owner", "status")),
        ((JOB, "INSERT INTO job (id) VALUES (1)"), "SQLITE_CONSTRAINT_NOTNULL", "job", ("owner",)),
        ((JOB, "INSERT INTO job (owner, status) VALUES ('a', '')"), "SQLITE_CONSTRAINT_CHECK", None, ()),
        ((JOB, "CREATE TABLE done (job INT REFERENCES job (id))", "INSERT INTO done VALUES (7)"),
         "SQLITE_CONSTRAINT_FOREIGNKEY", None, ()),
        (("SELECT * FROM gone",), "SQLITE_ERROR", "gone", ()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("around", ["{}", "(sqlite3.IntegrityError) {}\n[SQL: x]", "SQLITE_CONSTRAINT: {}"])
def test_an_error_that_sqlite_really_raised_is_read(statements, code, table, columns, around):
    found = database_error(around.format(raised_by(*statements)))
    assert (found.error_code, found.table_name, found.key_columns) == (code, table, columns)
    assert found.sqlstate is None


def test_a_database_that_sqlite_finds_locked(tmp_path):
    with sqlite3.connect(tmp_path / "x") as one, sqlite3.connect(tmp_path / "x", timeout=0) as other:
        one.execute("BEGIN IMMEDIATE")
        with pytest.raises(sqlite3.OperationalError) as caught:
            other.execute("BEGIN IMMEDIATE")
    assert database_error(str(caught.value)).error_code == "SQLITE_BUSY"
    one.close()
    other.close()


@pytest.mark.parametrize(
    ("text", "sqlstate", "constraint", "values"),
    [
        (f"(psycopg2.errors.UniqueViolation) {PG_KEY}\n", "23505", "u", ("7",)),
        (f"<class 'asyncpg.exceptions.UniqueViolationError'>: {PG_KEY}", "23505", "u", ("7",)),
        (f"PG::UniqueViolation: ERROR:  {PG_KEY}\n", "23505", "u", ("7",)),
        (f"ERROR: {PG_KEY.replace('DETAIL: ', '  Detail:')}", "23505", "u", ("7",)),  # the JDBC driver
        ('pq: duplicate key value violates unique constraint "u"', "23505", "u", ()),
        ('ERROR: duplicate key value violates unique constraint "u" (SQLSTATE 23505)', "23505", "u", ()),
    ],
)
def test_a_postgresql_error_is_read_in_every_driver_s_wrapping(text, sqlstate, constraint, values):
    found = database_error(text)
    assert (found.sqlstate, found.constraint_name, found.key_values) == (sqlstate, constraint, values)
    assert found.error_code is None


@pytest.mark.parametrize(
    "text",
    [
        "Duplicate entry removed from the list",
        "the importer says Duplicate entry 'x' for key 'y' is common",
        "imported 1062 rows, Duplicate entry",
        "note: database is locked by the night's maintenance",
        "FOREIGN KEY constraint failed over to another node",
        "retry: Deadlock found when trying to get lock on the door",
        "Column 'status' cannot be nullified by hand",
    ],
)
def test_prose_that_sounds_like_a_database_error_is_none(text):
    assert database_error(text) is None


# SQLAlchemy 1.3 quotes the statement as Python does (issue reports); 1.4 on prints it bare on its own line (written).
@pytest.mark.parametrize(
    ("behind", "sql"),
    [
        ("[SQL: 'INSERT INTO job (id) VALUES (%s)'] [parameters: (7,)]", "INSERT INTO job (id) VALUES (%s)"),
        ("\n[SQL: INSERT INTO a\nVALUES (x[1])]\n[parameters: [7]]\n(Background on this error at: https://x)",
         "INSERT INTO a\nVALUES (x[1])"),
        ("; SQL [insert into job values (?)]; constraint [u]", "insert into job values (?)"),
        ("", None),
    ],
)  # fmt: skip
def test_the_statement_is_kept_where_the_message_quotes_it(behind, sql):
    found = database_error(
        f"(pymysql.err.IntegrityError) (1062, \"Duplicate entry '7' for key 'u'\") {behind}"
    )
    assert found.sql == sql


# Written after PostgreSQL's DETAIL of error 40P01, not captured.
CYCLE = """\
Process 4127 waits for ShareLock on transaction 771; blocked by process 4131.
Process 4131 waits for ShareLock on transaction 770; blocked by process 4127.
Process 4127: UPDATE jobs SET status = 'done'
WHERE id = 2
Process 4131: UPDATE jobs SET status = 'done' WHERE id = 1"""


@pytest.mark.parametrize(
    "text",
    [
        CYCLE,
        f"deadlock detected\nDETAIL:  {CYCLE}\nHINT:  See server log for query details.\n",
        "2026-03-11 15:47:23.101 UTC [4127] ERROR:  deadlock detected\n"
        "2026-03-11 15:47:23.101 UTC [4127] DETAIL:  "
        + CYCLE.replace("\n", "\n\t")
        + "\n2026-03-11 15:47:23.101 UTC [4127] HINT:  See server log for query details.",
    ],
)
def test_a_deadlock_of_postgresql_tells_both_statements_and_its_victim(text):
    found = deadlock(text)
    first, second = found.participants
    assert (first.process, first.lock, first.waits_for) == ("4127", "ShareLock on transaction 771", "4131")
    assert " ".join(first.statement.split()) == "UPDATE jobs SET status = 'done' WHERE id = 2"
    assert second.statement == "UPDATE jobs SET status = 'done' WHERE id = 1"
    assert found.victim == "4127"


# Written after SHOW ENGINE INNODB STATUS as issue reports quote it (hail-is/hail 14380, MariaDB/server 2208).
INNODB = """\
------------------------
LATEST DETECTED DEADLOCK
------------------------
2025-09-02 14:23:45 7f3c1a8f9700
*** (1) TRANSACTION:
TRANSACTION 31001, ACTIVE 12 sec starting index read
mysql tables in use 1, locked 1
LOCK WAIT 2 lock struct(s), heap size 1136, 1 row lock(s)
MySQL thread id 123, OS thread handle 14002, query id 456 localhost root updating
UPDATE account SET balance = balance - 10
WHERE id = 1
*** (1) WAITING FOR THIS LOCK TO BE GRANTED:
RECORD LOCKS page 4 index PRIMARY of table `test`.`account` trx id 31001 lock_mode X locks rec but not gap waiting
*** (2) TRANSACTION:
TRANSACTION 31002, ACTIVE 10 sec starting index read
mysql tables in use 1, locked 1
MySQL thread id 124, OS thread handle 14004, query id 457 localhost root updating
UPDATE account SET balance = balance - 10 WHERE id = 2
*** (2) HOLDS THE LOCK(S):
RECORD LOCKS space 101 page 4 index PRIMARY of table `test`.`account` trx id 31002 lock_mode X locks rec but not gap
*** (2) WAITING FOR THIS LOCK TO BE GRANTED:
RECORD LOCKS space 101 page no 5 n bits 72 index by_owner of table `test`.`account` trx id 31002 lock_mode X waiting
Record lock, heap no 27 PHYSICAL RECORD: n_fields 18; compact format; info bits 128
*** WE ROLL BACK TRANSACTION (2)
"""
LOGGED = "".join(
    f"2025-09-02T14:23:45.000000Z 9 [Note] [MY-012468] [InnoDB] {line}\n" for line in INNODB.splitlines()
)


@pytest.mark.parametrize("text", [INNODB, LOGGED, INNODB.replace("MySQL thread", "MariaDB thread")])
def test_a_deadlock_of_innodb_tells_both_statements_and_its_victim(text):
    found = deadlock(text)
    first, second = found.participants
    assert first.statement.split("\n") == ["UPDATE account SET balance = balance - 10", "WHERE id = 1"]
    assert first.lock == "lock_mode X locks rec but not gap waiting on PRIMARY of `test`.`account`"
    assert (first.process, first.waits_for, second.process, found.victim) == ("123", "124", "124", "124")
    assert second.lock == "lock_mode X waiting on by_owner of `test`.`account`"


def test_a_victim_that_mariadb_numbers_zero_is_unknown():
    assert deadlock(INNODB.replace("TRANSACTION (2)", "TRANSACTION (0)")).victim is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        CYCLE.splitlines()[0],  # cut: no cycle
        "*** (1) TRANSACTION:\nMySQL thread id 1, x\nSELECT 1\n",
        "Process 1 waits for the bus; blocked by process 2.",
    ],
)
def test_what_shows_no_cycle_is_no_deadlock(text):
    assert deadlock(text) is None


PUMPS = (
    *("(1062, 'Duplicate entry '", ": Duplicate entry 'a", "UNIQUE constraint failed: a.b, ", "; SQL ["),
    *("[SQL: ", "*** (1) TRANSACTION:\n", "MySQL thread id 1,", "RECORD LOCKS table `a`.`b` lock"),
    *("Process 1 waits for A on b; blocked by process 1.\n", "Process 1: ", "\nHINT", "2026-01-01 ", ": C"),
)  # fmt: skip


@pytest.mark.parametrize("pump", PUMPS)
def test_a_hostile_megabyte_takes_a_fifth_of_a_second(pump):
    text = pump * (1_000_000 // len(pump))
    spent = []
    for _ in range(3):  # the least of three: other processes share the machine
        begun = time.process_time()
        database_error(text)
        deadlock(text)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.2


@given(
    st.lists(st.sampled_from([*PUMPS, "\n", "' for key 'u'", "]", "x"]) | st.text(max_size=5)).map("".join)
)
def test_no_text_raises(text):
    database_error(text)
    deadlock(text)
