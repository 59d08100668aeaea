"""An explanation must give production's signature: the right status, SQLSTATE, constraint, key, statement, table."""

import pytest
from postgres_model import Op, player
from replayed import error, run, step

from analysis.replay.independence import READ_COMMITTED
from analysis.replay.mechanism import (
    BOUNDED,
    NO,
    YES,
    Signature,
    explains,
    gives,
)
from analysis.replay.oracle import judge
from analysis.replay.outcomes import Keys
from analysis.replay.runs import DatabaseError
from analysis.replay.schedule import Exploration, explore

VIOLATION = DatabaseError(
    "django.db.utils.IntegrityError",
    "23505",
    "jobs_once",
    "done",
    "Key (job_id, status)=(4521, completed) already exists.",
)
PRODUCTION = Signature(500, "23505", "jobs_once", ("job_id", "status"), "insert", "done")


def failing(status=500, raised=VIOLATION, sql="INSERT done"):
    steps = [step("A", "INSERT done"), step("B", sql, error=raised)]
    return run("AB", B=(status, "", raised), steps=steps)


def explored(*runs, complete=True):
    return Exploration(runs, len(runs), 0, complete, None if complete else "stopped after 7 runs")


def test_the_signature_is_given():
    found = explains(explored(run("AB"), failing()), PRODUCTION)
    assert (found.answer, found.count, found.of) == (YES, 1, 2)
    assert found.run == failing()
    assert found.reason.startswith(
        "1 of 2 distinguishable interleavings give a unique violation (SQLSTATE 23505)"
    )


@pytest.mark.parametrize(
    "other",
    [
        failing(status=409),
        failing(raised=error("23503", "jobs_once", "done")),
        failing(raised=error("23505", "another", "done")),
        failing(raised=DatabaseError("E", "23505", "jobs_once", "other", VIOLATION.detail)),
        failing(
            raised=DatabaseError("E", "23505", "jobs_once", "done", "Key (job_id)=(4521) already exists.")
        ),
        failing(sql="UPDATE done"),
    ],
)
def test_another_signature_is_not_it(other):
    assert gives(failing(), PRODUCTION)
    assert not gives(other, PRODUCTION)


def test_what_production_does_not_say_is_not_asked():
    assert gives(failing(), Signature(sqlstate="23505"))
    assert gives(failing(status=200), Signature(status=200))


def test_the_error_must_be_the_same_requests():
    """A 500 of one and a handled violation of the other are not a 500 by violation."""
    steps = [step("A", "SELECT done"), step("B", "INSERT done", error=VIOLATION)]
    assert not gives(run("AB", A=(500, ""), B=(409, ""), steps=steps), PRODUCTION)


def test_what_serial_requests_give_too_is_no_race():
    found = explains(explored(failing()), PRODUCTION, serial=[failing()])
    assert found.answer == NO
    assert found.reason.startswith("even one after the other")


def test_an_unfinished_search_is_bounded():
    found = explains(explored(run("AB"), complete=False), PRODUCTION)
    assert found.answer == BOUNDED
    assert found.reason.endswith("; stopped after 7 runs")


ROWS = {("job", 1): 0}
JOB = Keys({"job": ("id",)}, {}, {"job": [{"id": 1, "value": 0}]})
UNIQUE = Signature(sqlstate="23505", table="done")


def check_and_save(value, *then):
    """The published handler as described: read, check, save the same row."""
    return [
        Op("read", "job", 1),
        Op("stop unless", when=0),
        Op("update", "job", 1, value),
        *then,
        Op("commit"),
    ]


def enacted(*programs):
    play = player(programs, ROWS, READ_COMMITTED)
    serial = [play((0,)), play((0,)), play((1,)), play((1,))]
    found = explore(play)
    return found, judge(serial, found.runs, JOB), serial


def test_the_published_handler_cannot_raise_its_own_error():
    found, judgement, serial = enacted(check_and_save(1), check_and_save(2))
    explanation = explains(found, UNIQUE, judgement, serial)
    assert explanation.answer == NO
    lost = sum(bool(each.overwritten) for each in judgement.judged)
    assert lost > 0
    assert explanation.reason == (
        "no interleaving gives a unique violation (SQLSTATE 23505) on done; "
        "the requests insert nothing, they only update rows of job; "
        "instead, the loser's update of job silently overwrites the winner's "
        f"({lost} of {found.explored} interleavings)"
    )


def test_the_variant_with_a_completion_row_can():
    insert = Op("insert", "done", 1)
    found, judgement, serial = enacted(check_and_save(1, insert), check_and_save(2, insert))
    explanation = explains(found, UNIQUE, judgement, serial)
    assert explanation.answer == YES
    assert 0 < explanation.count < explanation.of


@pytest.mark.parametrize(
    "sqlstate, programs, reason",
    [
        ("23505", (check_and_save(1, Op("insert", "log", 1)),) * 2, "the requests insert into log only"),
        ("23505", ([Op("read", "job", 1), Op("commit")],) * 2, "the requests write nothing"),
        ("40P01", (check_and_save(1), check_and_save(2)), "in no order do the requests wait for each other"),
        ("40001", (check_and_save(1), check_and_save(2)), "is production at another level?"),
        ("23503", (check_and_save(1), check_and_save(2)), "the database refuses nothing"),
    ],
)
def test_reasons(sqlstate, programs, reason):
    assert reason in explains(enacted(*programs)[0], Signature(sqlstate=sqlstate, table="done")).reason


def test_a_deadlock_is_explained():
    programs = (
        [Op("add", "a", 0, 1), Op("add", "b", 0, 1), Op("commit")],
        [Op("add", "b", 0, 1), Op("add", "a", 0, 1), Op("commit")],
    )
    found = explore(player(programs, {("a", 0): 0, ("b", 0): 0}))
    assert explains(found, Signature(500, "40P01")).answer == YES
