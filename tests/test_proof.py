"""The whole chain on the bundled incident, on a real PostgreSQL: convicted, fixed, and a test that fails without it."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

import analysis
from analysis import findings_of_proof, pictures_of_replay
from analysis.proof.command import told
from analysis.proof.prove import EFFECT, NOT_ENACTED, OTHER, PROVED, SAFE, of_case, prove, verdict_of
from analysis.proof.tell import NOT_ASKED, leave_in, proofs, source_of
from analysis.suspicion import NothingToProve

BUNDLED = Path("data/cases/jobs-complete")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def proof():
    return prove(analysis.investigate(str(BUNDLED), "x"), repeats=3)


def test_the_accused_race_is_shown_with_production_s_own_error(proof):
    assert proof.verdict == PROVED
    assert proof.before.exploration.complete
    assert (
        len(proof.before.judgement.bad) == proof.explanation.count == len(proof.before.exploration.runs) - 2
    )
    assert {each.order for each in proof.before.judgement.of("serial")} == {(0, 1), (1, 0)}
    failed = next(each for each in proof.witness.responses if each.status == 500)
    assert failed.error.constraint == "jobs_job_completion_unique"


def test_the_order_that_the_database_log_shows_ends_as_it_did(proof):
    assert proof.observed.missing == ()
    assert (
        tuple(each.status for each in proof.observed.run.responses)
        == proof.cause.suspicion.statuses
        == (200, 500)
    )


def test_fixes_survive_and_what_does_nothing_is_seen_to_fail(proof):
    kept = {each.proposal.name for each in proof.menu.tried if each.kept}
    assert kept >= {"lock_row", "conditional_update", "insert_first"}
    assert len(proof.menu.placebos) == 3
    assert not any(each.kept for each in proof.menu.placebos)
    waits = [each.waits for each in proof.menu.tried if each.kept]
    assert waits == sorted(waits)


def test_the_test_passes_the_gate_and_is_left_with_the_patch(proof, tmp_path):
    assert [row.passed for row in proof.team.gate.rows] == [True] * 4
    assert (proof.team.gate.flakes, proof.team.gate.believed) == (0, True)
    files = leave_in(proof, tmp_path)
    assert [file.name for file in files] == ["fix.patch", "test_race_complete_job.py"]
    copy = tmp_path / "copy"
    shutil.copytree(BUNDLED / "source", copy)
    applied = subprocess.run(["git", "apply", "--check", str(files[0])], cwd=copy, check=False)
    assert applied.returncode == 0
    compile(files[1].read_text(), files[1].name, "exec")


def test_what_is_shown_says_what_was_found(proof):
    claims = [findings_of_proof.concluded(proof), *findings_of_proof.controlled(proof)]
    claims += [*findings_of_proof.explained(proof), *findings_of_proof.silent(proof)]
    claims += [*findings_of_proof.observed_order(proof), *findings_of_proof.fixed(proof)]
    claims += findings_of_proof.gated(proof)
    said = " ".join(each.claim for each in claims)
    for words in ("Race proved: 16 of 18", "Alone, each request is answered 200", "200 and 500", "0 flakes"):
        assert words in said
    assert findings_of_proof.outcomes_table(proof.before.judgement.judged)["orders"].sum() == 18
    assert findings_of_proof.fact(proof)["proved"] is True
    assert any("gate: passed" in line for line in told(proof))
    assert "def rows(" in "\n".join(source_of(proof.team)["code"])


def test_the_witness_is_drawn_with_a_step_where_the_logs_have_milliseconds(proof):
    events = pictures_of_replay.events(proof.witness)
    assert events["from_us"].max() // 1000 >= len(proof.witness.steps)
    assert set(events["kind"]) >= {"read", "update", "insert", "error"}
    assert pictures_of_replay.window(proof.witness) is not None
    assert pictures_of_replay.witness(proof).figure is not None


def test_a_duplicate_effect_is_no_race_and_an_unexplained_one_is_another(proof):
    def judged(**changes):
        return replace(proof.before, judgement=replace(proof.before.judgement, **changes))

    serial = tuple(proof.before.judgement.of("serial"))
    assert verdict_of(judged(judged=serial), proof.explanation)[0] == SAFE
    assert verdict_of(judged(judged=serial, duplicates=("one",)), None)[0] == EFFECT
    unexplained = replace(proof.explanation, answer="no", run=None, reason="it inserts nothing")
    assert verdict_of(proof.before, unexplained) == (OTHER, "it inserts nothing")


def test_nothing_is_run_unasked():
    assert proofs(analysis.investigate(str(BUNDLED), "x"), False) == ([], NOT_ASKED)


def test_requests_that_are_refused_are_no_acquittal(tmp_path):
    case = a_copy(tmp_path)
    setup = (case / "setup.py").read_text()
    (case / "setup.py").write_text(setup.replace("Token {rows['token'].key}", "Token wrong"))
    found = prove(analysis.investigate(str(case), "x"))
    assert found.verdict == NOT_ENACTED
    assert "request A alone is answered 401" in found.reason and "setup.py" in found.reason


def a_copy(folder):
    case = folder / "case"
    shutil.copytree(BUNDLED, case, ignore=shutil.ignore_patterns("capture", "truth.json"))
    return case


def test_without_a_setup_file_one_is_drafted_from_the_code_and_left(tmp_path):
    case = a_copy(tmp_path)
    (case / "setup.py").unlink()
    found = prove(analysis.investigate(str(case), "x"), repeats=1)
    assert (found.verdict, found.drafted.missing) == (PROVED, ())
    assert found.team.gate.believed
    assert "setup.py" in [file.name for file in leave_in(found, tmp_path / "out")]


def test_a_folder_with_other_code_than_was_deployed_is_not_run(tmp_path):
    case = a_copy(tmp_path)
    views = case / "source" / "jobs" / "views.py"
    views.write_text(views.read_text().replace("job.save()", "job.save() "))
    found = prove(analysis.investigate(str(case), "x"))
    assert found.verdict == NOT_ENACTED
    assert "is not as in revision b916f279b2e6" in found.reason


def test_a_case_without_an_application_says_what_to_add():
    case = analysis.investigate(str(BUNDLED), "x").opened.case
    with pytest.raises(NothingToProve, match=r"add \[app\]"):
        of_case(replace(case, app=None))


def test_the_command_ends_with_the_files_it_left(tmp_path):
    command = [sys.executable, "-m", "analysis", "prove", "data/cases/published", "--out", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "name the repository" in done.stderr and "Traceback" not in done.stderr
