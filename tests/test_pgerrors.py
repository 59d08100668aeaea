import time

import pytest

from analysis.evidence.pgerrors import database_error, sqlstate_of_class

DUPLICATE = 'duplicate key value violates unique constraint "u"'


def key_of(detail: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    found = database_error(f"{DUPLICATE}\nDETAIL:  {detail}\n")
    assert found is not None
    return found.key_columns, found.key_values


# The first seven as PostgreSQL 18 and psycopg 3.3 printed them; the others are the server's English texts.
@pytest.mark.parametrize(
    ("text", "sqlstate", "constraint", "table"),
    [
        (
            'duplicate key value violates unique constraint "jobs_job_completion_unique"\n'
            "DETAIL:  Key (job_id, status)=(4, completed) already exists.",
            "23505",
            "jobs_job_completion_unique",
            None,
        ),
        (
            'insert or update on table "jobs_done" violates foreign key constraint "jobs_done_job_id_fkey"\n'
            'DETAIL:  Key (job_id)=(99) is not present in table "jobs_job".',
            "23503",
            "jobs_done_job_id_fkey",
            "jobs_done",
        ),
        (
            'update or delete on table "jobs_job" violates foreign key constraint "jobs_done_job_id_fkey"'
            ' on table "jobs_done"\nDETAIL:  Key (id)=(4) is still referenced from table "jobs_done".',
            "23503",
            "jobs_done_job_id_fkey",
            "jobs_done",
        ),
        (
            'new row for relation "jobs_done" violates check constraint "jobs_done_status_check"\n'
            "DETAIL:  Failing row contains (5, 1, ).",
            "23514",
            "jobs_done_status_check",
            "jobs_done",
        ),
        (
            'null value in column "status" of relation "jobs_job" violates not-null constraint\n'
            "DETAIL:  Failing row contains (77, null, null).",
            "23502",
            None,
            "jobs_job",
        ),
        ("deadlock detected\nDETAIL:  Process 1 waits for ShareLock on transaction 2", "40P01", None, None),
        (
            "canceling statement due to lock timeout\nCONTEXT:  while updating tuple (0,13)",
            "55P03",
            None,
            None,
        ),
        ('conflicting key value violates exclusion constraint "no_overlap"', "23P01", "no_overlap", None),
        ("could not serialize access due to concurrent update", "40001", None, None),
        (
            "could not serialize access due to read/write dependencies among transactions",
            "40001",
            None,
            None,
        ),
        ('could not obtain lock on row in relation "jobs"', "55P03", None, "jobs"),
        ("canceling statement due to statement timeout", "57014", None, None),
        (f"ERROR:  {DUPLICATE}", "23505", "u", None),
        (f"(psycopg2.errors.UniqueViolation) {DUPLICATE}", "23505", "u", None),
        ("ERROR:  23505: doppelter Schlüsselwert", "23505", None, None),
        ("ERROR: irgendwas (SQLSTATE 40001)", "40001", None, None),
        ("SQLSTATE[23505]: Unique violation: 7", "23505", None, None),
    ],
)
def test_an_error_text_gives_its_sqlstate_constraint_and_table(text, sqlstate, constraint, table):
    found = database_error(text)
    assert (found.sqlstate, found.constraint_name, found.table_name) == (sqlstate, constraint, table)


@pytest.mark.parametrize(
    "text",
    [
        "deadlock detected by _ModuleLock('a') at 1",  # importlib's
        "division by zero",
        "the ticket says duplicate key value violates unique constraint",
        "Key (id)=(1) already exists.",
        "SQLSTATE",
        "",
    ],
)
def test_what_only_sounds_like_a_database_error_is_none(text):
    assert database_error(text) is None


@pytest.mark.parametrize(
    ("detail", "columns", "values"),
    [
        (
            "Key (job_id, status)=(4521, completed) already exists.",
            ("job_id", "status"),
            ("4521", "completed"),
        ),
        ("Key (lower(email::text))=(a@b.c) already exists.", ("lower(email::text)",), ("a@b.c",)),
        ("Key (COALESCE(a, b), c)=(1, 2) already exists.", ("COALESCE(a, b)", "c"), ("1", "2")),
        ('Key ("Weird, name", b)=(1, 2) already exists.', ('"Weird, name"', "b"), ("1", "2")),
        ("Key (name)=(Smith, John (jr)) already exists.", ("name",), ("Smith, John (jr)",)),
        ("Key (name)=(a) already exists.) already exists.", ("name",), ("a) already exists.",)),
        ("Key (name)=() already exists.", ("name",), ("",)),
        ("Key (a)=([1,5)) conflicts with existing key (a)=([2,3)).", ("a",), ("[1,5)",)),
        ('Key (job_id)=(9) is not present in table "jobs".', ("job_id",), ("9",)),
        ("Failing row contains (5, 1, ).", (), ()),
        ("Key (a", (), ()),
        ("Key (a)=(1", (), ()),
    ],
)
def test_the_key_of_a_detail(detail, columns, values):
    assert key_of(detail) == (columns, values)


def test_values_whose_commas_cannot_be_told_apart_are_kept_raw():
    assert key_of("Key (first, last)=(Smith, John, Doe) already exists.") == (
        ("first", "last"),
        ("Smith, John, Doe",),
    )


def test_a_null_value_names_its_column():
    found = database_error('null value in column "status" of relation "jobs" violates not-null constraint')
    assert (found.key_columns, found.key_values) == (("status",), ())


def test_a_stated_sqlstate_wins_over_the_text():
    assert database_error(f"{DUPLICATE} (SQLSTATE 23P01)").sqlstate == "23P01"


@pytest.mark.parametrize(
    ("name", "sqlstate"),
    [
        ("psycopg2.errors.DeadlockDetected", "40P01"),
        ("asyncpg.exceptions.UniqueViolationError", "23505"),
        ("django.db.utils.IntegrityError", None),
        ("KeyError", None),
    ],
)
def test_driver_classes_tell_their_sqlstate(name, sqlstate):
    assert sqlstate_of_class(name) == sqlstate


@pytest.mark.parametrize(
    "pump", ["Key (", 'duplicate key value violates unique constraint "', ": a", "a, ", '("']
)
def test_a_hostile_megabyte_takes_linear_time(pump):
    text = f"{DUPLICATE}\nDETAIL:  Key ({pump * (1_000_000 // len(pump))}"
    begun = time.process_time()
    database_error(text)
    assert time.process_time() - begun < 0.5
