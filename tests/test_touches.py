"""Which tables a statement touches: never less than PostgreSQL itself locks; nothing is known where it cannot be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.replay.tokens import tokens_of
from analysis.replay.touches import ADVISORY, ANYTHING, Catalog, Foreign, Touched, annotate, touched

TABLES = """
    CREATE TABLE box (id int PRIMARY KEY, coins int, name text);
    CREATE TABLE slip (id serial PRIMARY KEY, box_id int REFERENCES box DEFERRABLE INITIALLY DEFERRED, note text);
    CREATE TABLE seal (id serial PRIMARY KEY, box_id int REFERENCES box, mark text UNIQUE);
    CREATE TABLE note (id serial PRIMARY KEY, slip_id int REFERENCES slip ON DELETE CASCADE);
    CREATE TABLE heard (id int PRIMARY KEY);
    CREATE VIEW full_box AS SELECT * FROM box WHERE coins > 0;
    CREATE FUNCTION spend(int) RETURNS int LANGUAGE sql AS 'UPDATE box SET coins = coins - 1 RETURNING coins';
    CREATE SCHEMA other;
    CREATE TABLE other.box (id int PRIMARY KEY);
    INSERT INTO box VALUES (1, 10, 'a'), (2, 20, 'b');
    INSERT INTO slip (id, box_id) VALUES (100, 1);
"""


def key(table, parent, column, deferred=False, acts=False):
    return Foreign(table, parent, frozenset({column}), frozenset({"id"}), deferred, acts)


CATALOG = Catalog(
    tables=frozenset({"box", "slip", "seal", "note", "heard", "other.box"}),
    odd=frozenset({"heard"}),
    views=frozenset({"full_box"}),
    functions=frozenset({"spend"}),
    foreign=(
        key("slip", "box", "box_id", deferred=True),
        key("seal", "box", "box_id"),
        key("note", "slip", "slip_id", acts=True),
    ),
)
BOX = {"box", "other.box"}  # without a schema, it may be either


def sets(sql):
    found = touched(sql, CATALOG)
    return {
        name: set(value)
        for name in ("reads", "writes", "locks")
        if (value := getattr(found, name)) is not None
    }


@pytest.mark.parametrize(
    ("sql", "reads", "writes", "locks"),
    [
        ('SELECT "slip"."id" FROM "slip" WHERE "slip"."box_id" = %s', {"slip"}, set(), set()),
        ("SELECT 1", set(), set(), set()),
        ("select note.id from slip join note on (true)", {"slip", "note"}, set(), set()),
        (
            "SELECT 'FROM box' AS x, $$ FROM box $$, E'it\\'s box' /* box /* box */ box */ -- box",
            set(),
            set(),
            set(),
        ),
        ("SELECT * FROM slip FOR UPDATE OF slip SKIP LOCKED", {"slip"}, set(), {"slip"}),
        ("SELECT * FROM slip FOR NO KEY UPDATE", {"slip"}, set(), {"slip"}),
        (
            "INSERT INTO slip (note) SELECT note FROM seal RETURNING id",
            {"slip", "seal", "note"},
            {"slip"},
            set(),
        ),
        ("INSERT INTO seal (box_id) VALUES (%s)", {"seal"}, {"seal"}, BOX - {"other.box"}),
        ("UPDATE seal SET mark = %s WHERE id = 1", {"seal"}, {"seal"}, set()),
        ("UPDATE seal SET mark = %s, box_id = 2", {"seal"}, {"seal"}, {"box"}),
        ("UPDATE seal SET (mark, box_id) = (1, 2)", {"seal"}, {"seal"}, {"box"}),
        (
            "UPDATE ONLY slip AS s SET note = (SELECT mark FROM seal)",
            {"slip", "seal", "note"},
            {"slip"},
            set(),
        ),
        ("INSERT INTO seal (mark) VALUES (1) ON CONFLICT DO NOTHING", {"seal"}, {"seal"}, {"box"}),
        (
            "INSERT INTO seal (mark) VALUES (1) ON CONFLICT (mark) DO UPDATE SET id = 1",
            {"seal"},
            {"seal"},
            {"box"},
        ),
        ("WITH gone AS (DELETE FROM note RETURNING id) SELECT * FROM gone", {"note"}, {"note"}, set()),
        ("DELETE FROM public.box WHERE id = 1", BOX | {"seal"}, BOX, set()),
        ("UPDATE box SET coins = coins + 1", BOX, BOX, set()),
        ("UPDATE box SET id = 4", BOX | {"seal"}, BOX, set()),
        ("LOCK TABLE slip IN EXCLUSIVE MODE", set(), {"slip"}, set()),
        ("SELECT pg_advisory_xact_lock(%s)", set(), {ADVISORY}, set()),
        ("SET LOCAL lock_timeout = '2s'", set(), set(), set()),
    ],
)
def test_what_is_touched(sql, reads, writes, locks):
    found = sets(sql)
    assert found["writes"] == writes
    assert found["locks"] == locks
    assert reads <= found["reads"] <= reads | writes


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM full_box",
        "SELECT spend(1)",
        "SELECT public.spend ( 1 )",
        "INSERT INTO heard VALUES (1)",
        "DELETE FROM slip",  # ON DELETE CASCADE
        "SELECT * INTO seal2 FROM seal",
        "SELECT 1; DELETE FROM seal",
        "UPDATE nobody SET id = 1",
        "TRUNCATE seal",
        "DO $$ BEGIN DELETE FROM seal; END $$",
        "CALL something()",
        "CREATE INDEX CONCURRENTLY x ON seal (mark)",
        "SET CONSTRAINTS ALL IMMEDIATE",
        "EXPLAIN ANALYZE DELETE FROM seal",
        "\0",
        "",
    ],
)
def test_what_cannot_be_known_may_touch_anything(sql):
    assert touched(sql, CATALOG) == (ANYTHING if sql else Touched())


def test_twins_that_only_look_like_it():
    assert touched("SELECT spend FROM seal", CATALOG) != ANYTHING, "a column, not a call"
    assert touched("SELECT 'full_box' FROM seal;", CATALOG) != ANYTHING, "a text, not a view"
    assert touched("SELECT id FROM seal FOR UPDATE", CATALOG).writes == frozenset(), "not an UPDATE"


STATEMENTS = [
    "SELECT * FROM box b JOIN slip ON slip.box_id = b.id",
    "SELECT * FROM box WHERE id IN (SELECT box_id FROM seal) FOR UPDATE",
    "SELECT (SELECT count(*) FROM note) FROM other.box",
    "INSERT INTO slip (box_id) VALUES (2)",
    "INSERT INTO seal (box_id, mark) SELECT id, name FROM box",
    "INSERT INTO seal (mark) VALUES ('x') ON CONFLICT (mark) DO UPDATE SET box_id = 1",
    "UPDATE slip SET note = 'x' FROM seal WHERE seal.id = slip.id",
    "UPDATE slip SET box_id = 2",
    "UPDATE box SET id = id + 10 WHERE id = 2",
    "UPDATE box SET coins = (SELECT count(*) FROM note)",
    "DELETE FROM box WHERE id = 2",
    "DELETE FROM note USING slip WHERE slip.id = note.slip_id",
    "WITH new AS (INSERT INTO note (slip_id) VALUES (100) RETURNING *) SELECT * FROM new, box",
    "LOCK TABLE seal",
]
SCHEMA = "CASE nspname WHEN 'public' THEN '' ELSE nspname || '.' END || relname"
LOCKED = f"""
    SELECT {SCHEMA}, mode FROM pg_locks JOIN pg_class ON pg_class.oid = relation
    JOIN pg_namespace n ON n.oid = relnamespace
    WHERE pid = pg_backend_pid() AND relkind = 'r' AND nspname IN ('public', 'other')
"""
WRITING = {"RowExclusiveLock", "AccessExclusiveLock"}


@pytest.mark.slow
@pytest.mark.parametrize("sql", STATEMENTS)
def test_postgresql_locks_no_table_that_was_not_foreseen(postgres, sql):
    """Relation locks: AccessShare to read, RowShare for FOR UPDATE and foreign keys, RowExclusive to write."""
    now = touched(sql, CATALOG)
    with postgres.database() as name, postgres.connect(name) as connection:
        connection.execute(TABLES)
        with connection.transaction(force_rollback=True):
            connection.execute(sql)
            for table, mode in connection.execute(LOCKED).fetchall():
                foreseen = now.writes if mode in WRITING else now.reads | now.writes | now.locks
                assert table in foreseen, mode
            connection.execute("SET CONSTRAINTS ALL IMMEDIATE")
            late = {table for table, _ in connection.execute(LOCKED).fetchall()}
            assert late <= now.reads | now.writes | now.locks | now.late_reads | now.late_locks


def a_step(kind, sql="", autocommit=False, worker=0):
    return {"worker": worker, "kind": kind, "sql": sql, "autocommit": autocommit}


def annotated(*steps):
    annotate(steps, lambda sql: touched(sql, CATALOG))
    return [tuple(set(each[name] or ["?"]) for name in ("reads", "writes", "locks")) for each in steps]


def test_a_commit_has_what_its_own_transaction_left_to_it():
    found = annotated(
        a_step("statement", "INSERT INTO slip (box_id) VALUES (1)"),
        a_step("statement", "SELECT id FROM note FOR UPDATE", worker=1),
        a_step("commit"),
        a_step("rollback", worker=1),
        a_step("commit"),
    )
    nothing = {"?"}
    assert found[0] == ({"slip"}, {"slip"}, nothing)
    assert found[2] == (nothing, {"slip"}, {"box"}), "the deferred constraint is looked at now"
    assert found[3] == (nothing, nothing, {"note"}), "its lock ends"
    assert found[4] == (nothing, nothing, nothing), "a new transaction"


def test_outside_a_transaction_deferred_is_at_once():
    found = annotated(
        a_step("statement", "INSERT INTO slip (box_id) VALUES (1)", autocommit=True), a_step("commit")
    )
    assert found[0] == ({"slip"}, {"slip"}, {"box"})
    assert found[1] == ({"?"}, {"?"}, {"?"})


def test_one_statement_that_is_not_understood_is_the_whole_transaction():
    steps = [a_step("statement", "SELECT spend(1)"), a_step("statement", "SELECT 1"), a_step("commit")]
    annotate(steps, lambda sql: touched(sql, CATALOG))
    assert steps[2]["writes"] is None and steps[1]["writes"] == frozenset()


@given(st.text(alphabet="sel'\"$/*-\\E;%( )box\n\0", max_size=60))
def test_whatever_the_text_reading_it_ends(text):
    tokens_of(text)
    touched(text, CATALOG)
    touched(f"SELECT {text} FROM box", CATALOG)
