"""What a log shows of the failed statement has to be what a re-enacted step can show."""

import pytest

from analysis.evidence.sqltext import read_sql
from analysis.proof.signature import signature_of
from analysis.replay.mechanism import gives
from analysis.replay.runs import DatabaseError, Response, Run, Step
from analysis.suspicion import Observed, Raised, Suspicion

DEADLOCK = "40P01"


def accused(sql, sqlstate=DEADLOCK, failed=True, tells=True):
    text = read_sql(sql)
    error = sqlstate if failed else None
    statement = Observed(1, text.kind, sql, text.shape, None, text.table_name, error, 7)
    raised = Raised(3, "django.db.utils.OperationalError", "m", sqlstate, None, (), (), ()) if tells else None
    return Suspicion("POST", "/a", "/a", "1", "ana", (1, 2), (200, 500), 0, raised, (statement,))


def enacted(sql, table, sqlstate=DEADLOCK):
    error = DatabaseError("django.db.utils.OperationalError", sqlstate)
    touched = frozenset({table})
    step = Step(1, "statement", sql, reads=touched, writes=touched, error=error)
    return Run((1,), ((1,),), (step,), (Response(200), Response(500, error=error)))


@pytest.mark.parametrize(
    ("logged", "played", "table"),
    [
        (
            '/* request_id=r1 */ SELECT * FROM "seat" WHERE id = 1 FOR UPDATE',
            'SELECT * FROM "seat" FOR UPDATE',
            "seat",
        ),
        ('UPDATE "app"."seat" SET taken = true', 'UPDATE "app"."seat" SET taken = %s', "seat"),
        ('UPDATE "Seats_Seat" SET taken = true', 'UPDATE "Seats_Seat" SET taken = %s', "Seats_Seat"),
        (
            "WITH s AS (SELECT 1) UPDATE seat SET taken = true",
            "WITH s AS (SELECT 1) UPDATE seat SET taken = %s",
            "seat",
        ),
    ],
)
def test_the_same_statement_is_recognised_and_another_is_not(logged, played, table):
    signature = signature_of(accused(logged))
    assert gives(enacted(played, table), signature)
    assert not gives(enacted("INSERT INTO other VALUES (1)", "other"), signature)
    assert not gives(enacted(played, table, "23505"), signature)


def test_without_a_failed_statement_only_the_error_counts():
    signature = signature_of(accused("SELECT 1 FROM seat", failed=False))
    assert (signature.kind, signature.table, signature.sqlstate) == (None, None, DEADLOCK)


def test_a_5xx_without_an_exception_is_known_by_its_status():
    assert signature_of(accused("SELECT 1 FROM seat", tells=False)).status == 500
