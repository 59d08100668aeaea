"""The observed order is played as it was, or what has no counterpart is named."""

import time

import pytest
from postgres_model import Op, player

from analysis.replay.observed import follow, shape_of

ROWS = {("job", 1): 0}


def check_and_save(value):
    """Read, check, save the same row, in one transaction."""
    return [Op("read", "job", 1), Op("stop unless", when=0), Op("update", "job", 1, value), Op("commit")]


def test_the_observed_order_is_played_as_it_was():
    play = player((check_and_save(1), check_and_save(2)), ROWS)
    observed = [(0, "SELECT"), (1, "SELECT"), (1, "UPDATE"), (1, "COMMIT"), (0, "UPDATE"), (0, "COMMIT")]
    followed = follow(observed, play)
    assert followed.missing == ()
    told = [(each.worker, each.sql or each.kind) for each in followed.run.steps if each.sql != "SHOW x"]
    assert told == [(worker, sql if sql != "COMMIT" else "commit") for worker, sql in observed]


def test_steps_that_the_log_does_not_show_are_played_before_the_next():
    play = player((check_and_save(1), check_and_save(2)), ROWS)
    followed = follow([(0, "UPDATE"), (0, "COMMIT"), (1, "COMMIT")], play)
    assert followed.missing == ()
    assert followed.choices == (0, 0, 0, 0, 1, 1, 1)


def test_reads_that_the_log_does_not_show_may_have_come_long_before():
    """Both saved: so both had read before either's UPDATE."""
    alone = [Op("read", "job", 1, alone=True), Op("stop unless", when=0, alone=True)]
    play = player(2 * ([*alone, Op("add", "job", 1, 1, alone=True), Op("commit")],), ROWS)
    followed = follow([(1, "UPDATE"), (0, "UPDATE")], play)
    assert followed.missing == ()
    assert [each.worker for each in followed.run.steps if each.sql == "UPDATE"] == [1, 0]
    assert followed.run.rows["job"] == [{"id": 1, "value": 2}]


def test_a_statement_without_a_counterpart_is_named():
    play = player((check_and_save(1), check_and_save(2)), ROWS)
    followed = follow([(0, "SELECT"), (1, "DELETE FROM job"), (1, "SELECT")], play)
    assert followed.missing == ("statement 2, of request 1, has no counterpart: DELETE FROM job",)
    assert followed.choices[:2] == (0, 1)


def test_a_request_that_waits_cannot_begin_a_statement():
    play = player((check_and_save(1), check_and_save(2)), ROWS)
    observed = [(0, "SELECT"), (1, "SELECT"), (0, "UPDATE"), (1, "UPDATE"), (1, "COMMIT")]
    assert follow(observed, play).missing == (
        "statement 5, of request 1, cannot begin: the request waits, or is done: COMMIT",
    )


@pytest.mark.parametrize(
    "logged, sent",
    [
        ('SELECT "job"."id" FROM "job" WHERE "job"."id" = 4521 LIMIT 21', '… WHERE "job"."id" = %s LIMIT 21'),
        ("… WHERE name = 'O''Neil' AND x = $2", "… WHERE name = %s AND x = %s"),
        (
            'INSERT INTO "t" ("a", "b") VALUES (1, \'2026-03-02\'::timestamptz) RETURNING "t"."id"',
            'INSERT INTO "t" ("a", "b") VALUES (%s, %s) RETURNING "t"."id"',
        ),
        ('UPDATE "t" SET "a" = true,  "b" = NULL;', 'UPDATE "t" SET "a" = %s, "b" = %s'),
        ("SELECT 1 /* traceparent='00-ab' */ FROM t2", "SELECT 1 FROM t2"),
        ('… "id" IN (1, 2, 3)', '… "id" IN (%s, %s)'),
    ],
)
def test_shapes_that_are_equal(logged, sent):
    head = 'SELECT "job"."id" FROM "job"' if logged.startswith('SELECT "job"') else "…"
    assert shape_of(logged) == shape_of(sent.replace("…", head, 1))


def test_shapes_that_are_not():
    assert shape_of('SELECT "t1"."a" FROM "t1"') != shape_of('SELECT "t2"."a" FROM "t2"')
    assert shape_of("UPDATE t SET a = 1") != shape_of("UPDATE t SET b = 1")


@pytest.mark.parametrize(
    "hostile", ["/*" * 200_000, "'" * 400_001, "(" * 400_000, "(?, " * 100_000, "- 1" * 100_000]
)
def test_hostile_statements_take_no_time(hostile):
    start = time.process_time()
    shape_of(hostile)
    assert time.process_time() - start < 1
