import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.evidence.sqltext import comment_value, read_sql


@pytest.mark.parametrize(
    ("sql", "shape"),
    [
        ("SELECT 1, -2.5e3, .5, 0xFF, tbl1.col2 FROM t3", "SELECT ?, -?, ?, ?, tbl1.col2 FROM t3"),
        (
            "SELECT 'it''s', E'a\\'b', $$x 'y$$, $tag$ $ta$ $tag$, U&'\\0041', B'01'",
            "SELECT ?, ?, ?, ?, ?, ?",
        ),
        ("SELECT price'x' FROM t", "SELECT price? FROM t"),
        ("SELECT  a\n\t FROM t -- why\n WHERE b=$1;", "SELECT a FROM t WHERE b=?"),
        ("SELECT /* a /* nested */ b */ 1", "SELECT ?"),
        ("SELECT '/* no comment */' FROM t", "SELECT ? FROM t"),
        ("SELECT \"a 1 'q'\" FROM t", "SELECT \"a 1 'q'\" FROM t"),
        (
            "SELECT a FROM t WHERE id IN (1, 2,3) AND b in ($1)",
            "SELECT a FROM t WHERE id IN (?) AND b IN (?)",
        ),
        ("SELECT a FROM t WHERE id IN (SELECT 1)", "SELECT a FROM t WHERE id IN (SELECT ?)"),
        ("INSERT INTO t(a, b) VALUES (1, 'x'), (2, 'y')", "INSERT INTO t(a, b) VALUES (?, ?)"),
        ('SAVEPOINT "s140_x1"', "SAVEPOINT ?"),
        ("ROLLBACK TO SAVEPOINT s1", "ROLLBACK TO SAVEPOINT ?"),
        ("SELECT 'never closed", "SELECT ?"),
        ("SELECT $q$ never closed", "SELECT ?"),
        ("SELECT 1 /* never closed", "SELECT ?"),
        ("", ""),
    ],
)
def test_the_shape_of_a_statement(sql, shape):
    assert read_sql(sql).shape == shape


@pytest.mark.parametrize(
    ("sql", "kind", "table"),
    [
        ('SELECT "jobs_job"."id" FROM "jobs_job" WHERE "jobs_job"."id" = 4', "read", "jobs_job"),
        ('select 1 from public."Jobs" j', "read", "jobs"),
        ("SELECT a FROM other.jobs", "read", "other.jobs"),
        ("SELECT EXTRACT(year FROM created) FROM orders", "read", "orders"),
        ("SELECT substring(name from 1 for 2) FROM users", "read", "users"),
        ("SELECT a IS DISTINCT FROM b", "read", None),
        ("SELECT * FROM generate_series(1, 2)", "read", None),
        ("SELECT 'x FOR UPDATE' FROM jobs", "read", "jobs"),
        ("SELECT id FROM jobs WHERE id = 1 FOR UPDATE SKIP LOCKED", "lock", "jobs"),
        ("SELECT id FROM jobs FOR NO KEY UPDATE", "lock", "jobs"),
        ("SELECT pg_advisory_xact_lock(7)", "lock", None),
        ("SELECT pg_try_advisory_lock(7)", "lock", None),
        ("SELECT pg_advisory_unlock(7)", "read", None),
        ("LOCK TABLE ONLY jobs IN SHARE MODE", "lock", "jobs"),
        ("INSERT INTO jobs_done(job_id) SELECT id FROM jobs", "insert", "jobs_done"),
        ("INSERT INTO t(a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2", "insert", "t"),
        ("UPDATE ONLY jobs SET a = 1 FROM other", "update", "jobs"),
        ("DELETE FROM jobs USING other", "delete", "jobs"),
        (
            "WITH x AS (SELECT id FROM jobs FOR UPDATE SKIP LOCKED) UPDATE jobs SET a = 1 FROM x",
            "update",
            "jobs",
        ),
        ("WITH x AS (SELECT id FROM jobs FOR UPDATE) SELECT * FROM x", "lock", "jobs"),
        ("WITH x AS (SELECT 1 FROM jobs) SELECT * FROM x", "read", "jobs"),
        ("COPY jobs (a) FROM STDIN", "insert", "jobs"),
        ("COPY jobs TO STDOUT", "read", "jobs"),
        ("BEGIN ISOLATION LEVEL REPEATABLE READ", "begin", None),
        ("START TRANSACTION", "begin", None),
        ("BEGIN; UPDATE t SET a = 1; COMMIT", "update", "t"),
        ("COMMIT", "commit", None),
        ("END", "commit", None),
        ("ROLLBACK", "rollback", None),
        ("ROLLBACK TO s1", "savepoint", None),
        ("RELEASE SAVEPOINT s1", "savepoint", None),
        ("SET lock_timeout = 5", "other", None),
        ("SELEC 1", "other", None),
        ("", "other", None),
    ],
)
def test_the_kind_and_table_of_a_statement(sql, kind, table):
    found = read_sql(sql)
    assert (found.kind, found.table_name) == (kind, table)


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("/* request_id=0f3a1 */ SELECT 1", "0f3a1"),
        ("SELECT 1 /*controller='jobs',request_id='0f%3Aext'*/", "0f:ext"),
        ("SELECT 1 -- request_id: 0f3a", "0f3a"),
        ("/* request_id=0f */ SELECT 1 /* request_id=0f */", "0f"),
        ("/* request_id=0f */ SELECT 1 /* request_id=1a */", None),
        ("UPDATE t SET a = 'x /* request_id=evil */'", None),
        ("UPDATE t SET a = $$ /* request_id=evil */ $$", None),
        ('SELECT "/* request_id=evil */"', None),
        ("SELECT 1 /* parent_request_id=0f */", None),
        ("SELECT 1", None),
    ],
)
def test_a_comment_gives_the_request_and_a_literal_never_does(sql, value):
    assert comment_value(read_sql(sql).comments, "request_id") == value


TOKENS = [
    ("'it''s -- /* '", "?"),
    ("E'a\\'b'", "?"),
    ("$t$ ' $t$", "?"),
    ("12.5", "?"),
    ("$3", "?"),
    ('"a -- 1 \'"', '"a -- 1 \'"'),
    ("/* x ' /* */ */", ""),
    ("-- it's\n", ""),
    ("col1", "col1"),
    ("=", "="),
]


@settings(deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=12))
def test_tokens_are_told_apart_whatever_their_neighbours(tokens):
    sql = " ".join(["SELECT", *(written for written, _ in tokens)])
    assert read_sql(sql).shape == " ".join(["SELECT", *(shape for _, shape in tokens if shape)])


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_quoted_literal_never_reaches_the_shape(value):
    quoted = "'" + value.replace("'", "''") + "'"
    assert read_sql(f"SELECT {quoted} FROM jobs").shape == "SELECT ? FROM jobs"


@pytest.mark.parametrize(
    "pump", ["'", '"', "$a$", "/*", "IN (?,", "VALUES (", "(", "1e", "FROM a.", "EXTRACT(", ";", "e'\\"]
)
@pytest.mark.parametrize("start", ["WITH ", "/* request_id="])
def test_a_hostile_megabyte_takes_linear_time(start, pump):
    sql = start + pump * (1_000_000 // len(pump))
    begun = time.process_time()
    comment_value(read_sql(sql).comments, "request_id")
    assert time.process_time() - begun < 0.7
