"""A rule in SQL about the final rows."""

import pytest

from analysis.replay.invariants import BadInvariant, invariant

COLUMNS = {"completion": ["id", "job_id"], "job": ["id", "status", "result"]}
ONCE = "SELECT job_id FROM completion GROUP BY job_id HAVING count(*) > 1"


def test_rows_that_break_the_rule_are_found():
    holds = invariant(ONCE, COLUMNS)
    one = {"id": 1, "job_id": 7}
    assert holds({"completion": [one, {"id": 2, "job_id": 8}]})
    assert not holds({"completion": [one, {"id": 2, "job_id": 7}]})


def test_tables_without_rows_have_their_columns():
    assert invariant(ONCE, COLUMNS)({})
    assert not invariant("SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM job)", COLUMNS)({"job": []})


def test_rows_with_json_and_nothing():
    rows = {
        "job": [
            {"id": 1, "status": "done", "result": {"pages": [1]}},
            {"id": 2, "status": None, "result": None},
        ]
    }
    assert invariant("SELECT 1 FROM job WHERE status = 'open'", COLUMNS)(rows)
    assert not invariant("SELECT 1 FROM job WHERE status = 'done'", COLUMNS)(rows)


@pytest.mark.parametrize("sql", ["SELECT 1 FROM nothing", "SELEKT", "SELECT * FROM read_text('/etc/passwd')"])
def test_what_cannot_be_asked_says_so(sql):
    with pytest.raises(BadInvariant, match=r"cannot be asked: .*; tables: completion, job"):
        invariant(sql, COLUMNS)({})
