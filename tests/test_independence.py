"""Which steps may change places: the rules one by one; and each has a twin that may."""

from dataclasses import replace

import pytest
from replayed import error, step

from analysis.replay.independence import (
    READ_COMMITTED,
    REPEATABLE_READ,
    SERIALIZABLE,
    dependent,
    footprints,
)
from analysis.replay.runs import BEGIN, RELEASE, ROLLBACK_TO, SAVEPOINT, STATEMENT, Step

NONE = frozenset()


def may_matter(one, two, isolation=READ_COMMITTED):
    """Whether the order of the last step of each transaction matters: `one`, `two`: the steps of A and of B."""
    mine, theirs = (footprints(each, isolation)[-1] for each in (one, two))
    assert dependent(mine, theirs) == dependent(theirs, mine)
    return dependent(mine, theirs)


def a(*told, **more):
    return [step("A", each, **more) if isinstance(each, str) else each for each in told]


def b(*told, **more):
    return [step("B", each, **more) if isinstance(each, str) else each for each in told]


READ, WRITE, LOCK, COMMIT, ROLLBACK = "SELECT job", "UPDATE job", "LOCK job", "COMMIT", "ROLLBACK"


@pytest.mark.parametrize(
    "one, two, matters",
    [
        (a(READ), b(READ), False),
        (a(READ), b(WRITE), False),  # not committed: not seen
        (a(READ), b(WRITE, COMMIT), True),
        (a(READ), b("UPDATE other", COMMIT), False),
        (a(READ), b(WRITE, ROLLBACK), False),
        (a(WRITE), b(WRITE), True),
        (a(WRITE), b("UPDATE other"), False),
        (a(WRITE), b(LOCK), True),
        (a(READ), b(LOCK), False),  # row locks do not stop readers
        (a(LOCK), b(LOCK, COMMIT), True),  # frees
        (a(WRITE), b(WRITE, ROLLBACK), True),
        (a(WRITE), b("UPDATE other", ROLLBACK), False),
        (a(READ, COMMIT), b(WRITE, COMMIT), False),
        (a(WRITE, COMMIT), b(WRITE, COMMIT), True),
        (a(WRITE, COMMIT), b("UPDATE other", COMMIT), False),
        (a("DELETE job"), b("INSERT job"), True),
    ],
)
def test_statements_and_ends_at_read_committed(one, two, matters):
    assert may_matter(one, two) == matters


def test_a_statement_of_its_own_is_its_own_commit():
    alone = b(WRITE, autocommit=True)
    assert may_matter(a(READ), alone)
    assert not may_matter(a("SELECT other"), alone)


def test_an_error_frees_the_locks_at_once():
    failed = b(WRITE, step("B", "UPDATE other", error=error("23505")))
    assert may_matter(a(WRITE), failed)
    assert not may_matter(a("UPDATE third"), failed)


def test_a_commit_that_fails_publishes_nothing_and_frees_all():
    failed = b(WRITE, step("B", COMMIT, error=error("23503")))
    assert not may_matter(a(READ), failed)
    assert may_matter(a(WRITE), failed)


def test_a_rollback_to_a_savepoint_frees_locks():
    savepoint = [Step(1, SAVEPOINT), *b(WRITE), Step(1, ROLLBACK_TO)]
    assert may_matter(a(WRITE), savepoint)
    assert not may_matter(a(READ), savepoint)


@pytest.mark.parametrize("kind", [BEGIN, SAVEPOINT, RELEASE])
def test_what_its_own_session_alone_feels(kind):
    assert not may_matter(a(WRITE), [*b(WRITE), Step(1, kind)])


def test_each_needs_what_the_other_holds():
    assert may_matter(a("UPDATE x", "UPDATE y"), b("UPDATE y", "UPDATE x"))
    assert not may_matter(a("UPDATE x", "UPDATE y"), b("UPDATE z", "UPDATE x"))


def child(who, parent="parent", **more):
    return step(who, "INSERT child", locks=frozenset({parent}), **more)


def test_parents_are_shared_by_children_and_not_by_who_changes_them():
    other = step("B", "INSERT cousin", locks=frozenset({"parent"}))
    assert not may_matter([child("A")], [other])
    assert may_matter([child("A")], b("DELETE parent"))
    assert may_matter([child("A")], b("LOCK parent"))
    assert may_matter([child("A"), step("A", COMMIT)], b("DELETE parent"))


def test_a_deferred_key_is_looked_at_at_the_commit():
    """As touches.py tells it: the parent stands at the COMMIT and not at the INSERT."""
    commit = replace(step("A", COMMIT), locks=frozenset({"parent"}), writes=frozenset({"child"}))
    assert not may_matter(a("INSERT child"), b("DELETE parent"))
    assert may_matter([*a("INSERT child"), commit], b("DELETE parent"))
    assert may_matter([*a("INSERT child"), commit], b("DELETE parent", COMMIT))
    assert not may_matter([*a("INSERT child"), commit], b("DELETE other", COMMIT))


@pytest.mark.parametrize("isolation", [REPEATABLE_READ, SERIALIZABLE])
def test_the_first_statement_fixes_the_snapshot(isolation):
    assert may_matter(a("SELECT other"), b(WRITE, COMMIT), isolation)
    assert not may_matter(a("SELECT other"), b(READ, COMMIT), isolation)


def test_later_reads_see_nothing_new_but_writes_meet_it():
    assert not may_matter(a("SELECT other", READ), b(WRITE, COMMIT), REPEATABLE_READ)
    assert may_matter(a("SELECT other", WRITE), b(WRITE, COMMIT), REPEATABLE_READ)
    assert may_matter(a("SELECT other", LOCK), b(WRITE, COMMIT), REPEATABLE_READ)


def test_a_savepoint_and_a_setting_take_no_snapshot():
    setting = Step(0, STATEMENT, "SET LOCAL lock_timeout = 100")
    first = [Step(0, BEGIN), Step(0, SAVEPOINT), setting, *a("SELECT other")]
    assert may_matter(first, b(WRITE, COMMIT), REPEATABLE_READ)


def test_serializable_transactions_conflict_by_all_that_they_did():
    one, two = a(READ, "SELECT third"), b("SELECT other", WRITE)
    assert may_matter(one, two, SERIALIZABLE)
    assert not may_matter(one, two, REPEATABLE_READ)
    assert not may_matter(a("SELECT third"), b("SELECT other", WRITE), SERIALIZABLE)
    assert may_matter(a(READ, "UPDATE other", COMMIT), b("SELECT other", WRITE, COMMIT), SERIALIZABLE)


def test_a_transaction_that_sets_its_own_level_gets_the_strictest_rules():
    own = Step(0, STATEMENT, "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
    both = [own, *a(READ)], [replace(own, worker=1), *b(WRITE)]
    assert may_matter(*both)
    assert not may_matter(a(READ), b(WRITE))
    assert may_matter([own, *a("SELECT other")], b(WRITE, COMMIT))  # the snapshot


def test_a_session_that_sets_its_own_level_keeps_it():
    own = Step(0, STATEMENT, "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL SERIALIZABLE")
    later = [own, *a(COMMIT, "SELECT other")]
    assert may_matter(later, b(WRITE, COMMIT))
    assert not may_matter(later[1:], b(WRITE, COMMIT))
    for_one = [replace(own, sql="SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), *later[1:]]
    assert not may_matter(for_one, b(WRITE, COMMIT))


@pytest.mark.parametrize("isolation", [READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE])
def test_where_the_level_is_not_known_the_rules_of_all_hold(isolation):
    steps = [
        *(a(*told) for told in ([READ], [WRITE], ["SELECT other"], ["SELECT other", READ], [READ, COMMIT])),
        *([each] for each in a(READ, WRITE, autocommit=True)),
    ]
    others = [b(*told) for told in ([READ], [WRITE], [WRITE, COMMIT], [WRITE, ROLLBACK], [READ, COMMIT])]
    for one in steps:
        for two in others:
            assert may_matter(one, two, None) >= may_matter(one, two, isolation)
    assert not may_matter(a(READ), b(READ, COMMIT), None)


UNKNOWN = [
    'LOCK TABLE "job"',
    "CREATE INDEX i ON job (a)",
    "TRUNCATE job",
    "SELECT nextval('invoice')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock (1)",
    "SELECT pg_notify('a', 'b')",
    "SET CONSTRAINTS ALL IMMEDIATE",
    "SELECT * INTO copy FROM job",
    "DO $$ BEGIN END $$",
    r"SELECT E'it\'s' FROM job",
    "VACUUM",
    "",
]


@pytest.mark.parametrize("sql", UNKNOWN)
def test_what_is_not_understood_is_dependent_on_all(sql):
    unknown = [Step(1, STATEMENT, sql)]
    assert may_matter(a("SELECT 1"), unknown)
    assert may_matter(a(READ, COMMIT), unknown)
    assert not may_matter([Step(0, SAVEPOINT)], unknown)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT COUNT(*) FROM job",
        "(SELECT 1) UNION (SELECT 2)",
        "WITH x AS (SELECT 1) SELECT * FROM x",
        "SELECT 'LOCK TABLE', 'pg_sleep(1)'",
        "SELECT pg_advisory_xact_lock(1)",  # its locks stand as a table of their own
        "/* nextval('a') */ SELECT 1",
        "INSERT INTO job (a) VALUES (now())",
        "SHOW transaction_isolation",
        "SET LOCAL lock_timeout = '1s'",
    ],
)
def test_what_is_understood_is_not(sql):
    assert not may_matter(a(READ), [Step(1, STATEMENT, sql)])


@pytest.mark.parametrize("missing", ["reads", "writes", "locks"])
def test_tables_that_are_not_known_are_dependent_on_all(missing):
    unknown = replace(step("B", READ), **{missing: None})
    assert may_matter(a("SELECT other"), [unknown])
    assert may_matter(a("SELECT other"), [unknown, *b(COMMIT)])
    assert may_matter(a("SELECT other"), [unknown, *b("SELECT third")])
    assert not may_matter(a("SELECT other"), [unknown, *b(COMMIT, "SELECT third")])


def test_transaction_locks_of_advice_conflict_with_each_other_only():
    def locking(who):
        return Step(
            who, STATEMENT, "SELECT pg_advisory_xact_lock(%s)", writes=frozenset({"(advisory locks)"})
        )

    assert may_matter([locking(0)], [locking(1)])
    assert may_matter([locking(0)], [locking(1), *b(COMMIT)])
    assert not may_matter([locking(0)], b(WRITE, COMMIT))
