"""Questions asked of whole cases: what the database refused, and who waited for whom."""

import pytest

import analysis
from analysis import questions
from analysis.findings_of_duplicates import deadlocked

STAMP = "2026-03-11 15:47:23.101 UTC [{}]"
CYCLE = """\
Process 4127 waits for ShareLock on transaction 771; blocked by process 4131.
	Process 4131 waits for ShareLock on transaction 772; blocked by process 4127.
	Process 4127: UPDATE jobs SET status = 'done' WHERE id = 2
	Process 4131: UPDATE jobs SET status = 'done' WHERE id = 1"""
CSV = (
    '2026-03-11 15:47:23.101 UTC,"app","app",4127,"[local]",6b051c3b.101f,3,"UPDATE",2026-03-11 15:40:00 UTC,3/9,0,'
    'ERROR,40P01,"deadlock detected","{}","See server log for query details.",,,,,,,"","client backend",,0\n'
)


@pytest.fixture
def case(tmp_path):
    def opened(**logs):
        for name, text in logs.items():
            (tmp_path / f"{name}.log").write_text(text)
        sources = "".join(f'[[source]]\npath = "{name}.log"\n' for name in logs)
        (tmp_path / "case.toml").write_text(sources)
        return analysis.investigate(str(tmp_path), "x")

    return opened


def told(stamp, cycle):
    return f"{stamp} ERROR:  deadlock detected\n{stamp} DETAIL:  {cycle}\n{stamp} HINT:  See server log.\n"


@pytest.mark.parametrize("text", [told(STAMP.format(4127), CYCLE), CSV.format(CYCLE.replace("\n\t", "\n"))])
def test_a_deadlock_is_shown_with_both_statements_and_its_victim(case, text):
    found = questions.deadlocks(case(db=text))
    assert found[["process", "waits_for", "victim"]].values.tolist() == [
        ["4127", "4131", True],
        ["4131", "4127", False],
    ]
    assert found["statement"].str.contains("UPDATE jobs SET status = 'done' WHERE id =").all()
    (finding,) = deadlocked(found)
    assert "found 1 deadlock;" in finding.claim


def test_a_wait_that_ended_is_no_deadlock(case):
    line = STAMP.format(4127) + " LOG:  process 4127 acquired ShareLock on transaction 771 after 1001.5 ms\n"
    found = questions.deadlocks(case(db=line))
    assert found.empty
    assert deadlocked(found) == []


def test_errors_of_the_database_are_counted_by_code_and_constraint(case):
    error = (
        "2026-03-11T15:47:2{}Z ERROR django.request Internal Server Error: /api/jobs/complete\n"
        "Traceback (most recent call last):\n"
        '  File "/app/jobs/views.py", line 142, in complete_job\n    job.save()\n'
        'django.db.utils.IntegrityError: duplicate key value violates unique constraint "jobs_unique"\n'
        "DETAIL:  Key (job_id)=({}) already exists.\n"
    )
    found = questions.database_errors(case(app=error.format(1, 7) + error.format(2, 8)))
    named = ["sqlstate", "constraint_name", "key_columns", "errors", "doubtful"]
    assert found[named].values.tolist() == [["23505", "jobs_unique", "job_id", 2, 0]]
