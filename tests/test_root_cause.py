"""From the bundled incident's accusation to the lines of its code, and what is said where there is no code."""

from dataclasses import replace

import pytest

import analysis
from analysis import findings_of_code
from analysis.root_cause import marked, root_cause, root_causes
from analysis.source.hits import Hit, Place
from analysis.suspicion import NothingToProve, suspicion

BUNDLED = "data/cases/jobs-complete"
PUBLISHED = "data/cases/published"


@pytest.fixture(scope="module")
def bundled():
    return root_cause(analysis.investigate(BUNDLED, "x"))


ACT = Place("jobs/views.py", 112)


def a_hit(check, act=ACT):
    read, test = Place("jobs/views.py", 99), Place("jobs/views.py", 100)
    return Hit(
        check, "complete_job", read, test, act, "Job", "Another request acts.", "It costs.", ("lock_row",)
    )


def test_the_accusation_is_a_pair_its_error_and_its_statements(bundled):
    accused = bundled.suspicion
    assert (accused.method, accused.path, accused.success, accused.failure) == (
        "POST",
        "/api/jobs/complete",
        200,
        500,
    )
    assert (accused.raised.sqlstate, accused.raised.constraint) == ("23505", "jobs_job_completion_unique")
    assert [each.worker for each in accused.statements].count(0) == 6
    assert accused.statements[-1].sqlstate == "23505"


def test_the_code_is_read_at_the_revision_that_was_deployed(bundled):
    assert bundled.deployed.version == "2.15.0"
    assert [frame.matched for frame in bundled.frames] == [True, True, True]
    assert bundled.function == ("jobs/views.py", "complete_job")
    said = findings_of_code.ran(bundled)
    assert "revision b916f279b2e6 (2.15.0): 3 of the application's 3 frames" in said.claim


def test_the_lines_that_read_check_and_act_are_marked(bundled):
    marks = {row["line"]: row["mark"] for row in bundled.code().to_dict("records") if row["mark"]}
    lines = dict(zip(bundled.code()["line"], bundled.code()["code"], strict=True))
    assert "Job.objects.get(" in lines[next(line for line, mark in marks.items() if "read" in mark)]
    assert "if job.status" in lines[next(line for line, mark in marks.items() if "check" in mark)]
    assert {lines[line].strip() for line, mark in marks.items() if "act" in mark} == {
        "job.save()",
        "JobCompletion.objects.create(",
    }


def test_of_one_insert_that_a_constraint_refused_the_check_goes_before_the_number(bundled):
    insert = [hit.check for hit in bundled.hits if hit.act == ACT]
    assert insert == ["check-then-insert", "next-free"]
    assert bundled.hit.check == "check-then-insert"


def test_without_a_traceback_the_urlconf_names_the_view(bundled):
    assert bundled.endpoint.function == "complete_job"
    (entered,) = findings_of_code.entered(bundled)
    assert "complete_job (jobs/views.py:93)" in entered.claim


def test_an_update_of_the_row_that_was_read_does_not_explain_a_unique_violation(bundled):
    (said,) = findings_of_code.explains(replace(bundled, hits=(a_hit("lost-update"),)))
    assert "needs an insert" in said.claim
    (said,) = findings_of_code.explains(replace(bundled, hits=(a_hit("check-then-insert"),)))
    assert "can meet jobs_job_completion_unique" in said.claim


def test_an_error_that_names_no_sqlstate_explains_nothing(bundled):
    silent = replace(bundled, suspicion=replace(bundled.suspicion, raised=None))
    assert findings_of_code.explains(silent) == []


def test_a_case_without_code_says_what_to_add():
    case = analysis.investigate(PUBLISHED, "x")
    assert suspicion(case).raised.constraint == "jobs_job_completion_unique"
    causes, why = root_causes(case)
    assert causes == []
    assert "name the repository" in why and "[app] root" in why


def test_logs_without_duplicates_accuse_nothing(tmp_path):
    line = '[2026-11-24T09:14:0{}.481] 41 203.0.113.7 "GET /api/jobs/{} HTTP/1.1" 200 0.038123\n'
    (tmp_path / "access.log").write_text("".join(line.format(n, n) for n in range(5)))
    with pytest.raises(NothingToProve, match="close together"):
        suspicion(analysis.investigate(str(tmp_path), "x"))


def test_marks_of_another_file_are_left_out():
    marks = marked([a_hit("lost-update", Place("jobs/models.py", 99))], "jobs/views.py")
    assert marks == {99: ["read"], 100: ["check"]}
