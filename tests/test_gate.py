"""When a reproduction and a fix are believed."""

import pytest

from analysis.replay.gate import ANOMALY, BROKEN, FAILED, PASSED, SKIPPED, Result, gate
from analysis.replay.mechanism import Signature

VIOLATION = Signature(500, "23505", "jobs_job_completion_unique")
SILENT = Signature()
RED = Result(
    FAILED,
    f"""{ANOMALY} A 500, B 200 (A first: A 200, B 400; B first: A 400, B 200)
A answered 500: IntegrityError: duplicate key value violates unique constraint "jobs_job_completion_unique"
DETAIL:  Key (job_id, status)=(4521, completed) already exists.
sqlstate 23505
constraint_name jobs_job_completion_unique
What happened, in this order:
  1. A  SELECT jobs_job   jobs/views.py:99""",
)
GREEN = Result(PASSED)
FOUR = ["one after the other, before", "at once, before", "at once, after", "one after the other, after"]


def judged(*results, again=None, expected=VIOLATION, repeats=3):
    """The gate on four results in its order, and on the repeats before and after."""
    given = dict(
        zip(
            [("serial", False), ("at_once", False), ("at_once", True), ("serial", True)], results, strict=True
        )
    )
    before, after = again or ([RED] * repeats, [GREEN] * repeats)
    return gate(
        lambda fixed: given["serial", fixed],
        lambda fixed: given["at_once", fixed],
        lambda fixed, times: after if fixed else before,
        expected,
        repeats,
    )


def test_four_runs_as_wanted_and_no_flake_are_believed():
    found = judged(GREEN, RED, GREEN, GREEN)
    assert (found.believed, found.reason, found.repeats, found.flakes) == (True, "", 3, 0)
    assert [row.name for row in found.rows] == FOUR
    assert all(row.passed for row in found.rows)
    assert found.rows[1].wanted == "failed, status 500, SQLSTATE 23505, constraint jobs_job_completion_unique"


@pytest.mark.parametrize(
    ("results", "broken_at"),
    [
        ((Result(FAILED, "A alone is refused: A 403, B 403"), RED, GREEN, GREEN), 0),
        ((GREEN, GREEN, GREEN, GREEN), 1),
        ((GREEN, RED, RED, GREEN), 2),
        ((GREEN, RED, GREEN, Result(FAILED, "B 500")), 3),
        ((Result(SKIPPED), RED, GREEN, GREEN), 0),
        ((GREEN, RED, Result(SKIPPED), GREEN), 2),
        ((GREEN, RED, Result(BROKEN, "ImportError: no module named jobs"), GREEN), 2),
    ],
)
def test_one_run_otherwise_is_not_believed(results, broken_at):
    found = judged(*results)
    assert not found.believed
    assert len(found.rows) == broken_at + 1 and not found.rows[-1].passed
    assert found.reason.startswith(f"{FOUR[broken_at]}: wanted ")
    assert found.repeats == 0


@pytest.mark.parametrize(
    ("red", "why"),
    [
        (Result(BROKEN, "ImportError: no module named jobs"), "broken: ImportError"),
        (
            Result(FAILED, "A alone is refused: A 403, B 403"),
            "for another reason, without an outcome that no serial",
        ),
        (Result(FAILED, RED.message.replace("23505", "40001")), "for another reason, without SQLSTATE 23505"),
        (
            Result(FAILED, RED.message.replace("sqlstate 23505\n", "")),
            "for another reason, without SQLSTATE 23505",
        ),
        (Result(FAILED, RED.message.replace("answered 500", "answered 502")), "without status 500"),
        (
            Result(FAILED, RED.message.replace("name jobs_job_completion_unique", "name jobs_job_pkey")),
            "without constraint jobs_job_completion_unique",
        ),
        (Result(SKIPPED), "skipped"),
    ],
)
def test_red_for_another_reason_is_told_apart(red, why):
    found = judged(GREEN, red, GREEN, GREEN)
    assert not found.believed and why in found.rows[1].got and why in found.reason


def test_a_constraint_whose_name_begins_alike_is_another_one():
    longer = RED.message.replace("name jobs_job_completion_unique", "name jobs_job_completion_unique_2")
    assert not judged(GREEN, Result(FAILED, longer), GREEN, GREEN).believed


def test_a_silent_race_needs_only_the_anomaly():
    red = Result(FAILED, f"{ANOMALY} A 200, B 200 (…)\nrows: + shop_voucher …")
    again = ([red] * 3, [GREEN] * 3)
    assert judged(GREEN, red, GREEN, GREEN, again=again, expected=SILENT).believed
    refused = Result(FAILED, "A alone is refused: A 403, B 403")
    assert not judged(GREEN, refused, GREEN, GREEN, expected=SILENT).believed


@pytest.mark.parametrize(
    ("before", "after", "flakes"),
    [
        ([RED, RED, GREEN], [GREEN] * 3, 1),
        ([RED] * 3, [GREEN, RED, GREEN], 1),
        ([RED] * 3, [GREEN, GREEN], 1),
        ([], [], 6),
        ([RED, RED, Result(FAILED, "AssertionError: B hung for 30 s")], [GREEN] * 3, 1),
        ([RED] * 3, [Result(SKIPPED)] * 3, 3),
    ],
)
def test_one_flake_is_too_many(before, after, flakes):
    found = judged(GREEN, RED, GREEN, GREEN, again=(before, after))
    assert not found.believed and found.flakes == flakes
    assert found.reason.startswith(f"{flakes} of 6 repeats came out otherwise")


def half(serial, at_once, again):
    """The gate where no fix was kept; the application with a fix must not be asked for."""

    def never(fixed, answer):
        assert not fixed, "there is no fix to run"
        return answer

    return gate(
        lambda fixed: never(fixed, serial),
        lambda fixed: never(fixed, at_once),
        lambda fixed, times: never(fixed, again),
        VIOLATION,
        3,
        has_fix=False,
    )


def test_without_a_fix_the_two_runs_before_it_are_believed_and_said_to_be_half():
    found = half(GREEN, RED, [RED] * 3)
    assert (found.believed, found.has_fix, found.repeats, found.flakes) == (True, False, 3, 0)
    assert [row.name for row in found.rows] == FOUR[:2]


@pytest.mark.parametrize(
    ("serial", "at_once", "again"),
    [
        (RED, RED, [RED] * 3),
        (GREEN, GREEN, [RED] * 3),
        (GREEN, RED, [RED, GREEN, RED]),
        (GREEN, RED, [RED, RED]),
    ],
)
def test_without_a_fix_a_test_that_is_not_red_each_time_is_not_believed_either(serial, at_once, again):
    found = half(serial, at_once, again)
    assert not found.believed and not found.has_fix and found.reason
