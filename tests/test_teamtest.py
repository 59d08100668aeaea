"""The generated test in the demo application's own test suite, before and after fixes of several kinds."""

import ast
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from analysis.replay.app import Application, Enactment
from analysis.replay.gate import ANOMALY, BROKEN, FAILED, PASSED, SKIPPED, Result, missing_in
from analysis.replay.mechanism import Signature
from analysis.replay.server import running
from analysis.replay.teamtest import TeamTest, gate_of, read_results
from analysis.replay.testfile import Facts, file_name, render, turns_of

CASE = Path(__file__).parent.parent / "data/cases/jobs-complete"
VIEWS = (CASE / "source/jobs/views.py").read_text()
PRODUCTION = Signature(500, "23505", "jobs_job_completion_unique")
EVIDENCE = {"user": "ada_l", "entity": "4521"}
NAME = file_name("jobs.views.complete_job")

READ = "    job = Job.objects.get(pk=job_id, assignee=request.user)\n    if job.status"
WRITE = "    job.status = Job.COMPLETED\n"
END = '    logger.info("job %s completed'
LOCKED = "Job.objects.select_for_update().get(pk=job_id, assignee=request.user)"


def edited(start, end, change, heading=""):
    """The views with what stands from `start` up to `end` put through `change`."""
    at, until = VIEWS.index(start), VIEWS.index(end, VIEWS.index(start))
    imports = "from django.db import IntegrityError, transaction\nfrom django.db.models import Count"
    text = VIEWS[:at] + heading + change(VIEWS[at:until]) + VIEWS[until:]
    return text.replace("from django.db.models import Count", imports)


def indented(text):
    return textwrap.indent(text, "    ")


def with_lock(text):
    return text.replace("Job.objects.get(pk=job_id, assignee=request.user)", LOCKED)


def conditional(text):
    """One UPDATE that changes the row only while it is in progress."""
    update = """    changed = Job.objects.filter(pk=job_id, status=Job.IN_PROGRESS).update(
        status=Job.COMPLETED, completed_at=timezone.now(), progress=100, result=result, seal=seal
    )
    if not changed:
        return refuse("already completed")
    job.refresh_from_db()
"""
    return indented(update + text[text.index("    JobCompletion") :])


def handled(text):
    return (
        f'{indented(indented(text))}    except IntegrityError:\n        return refuse("already completed")\n'
    )


ATOMIC = "    with transaction.atomic():\n"
FIXES = {
    "the row locked before the check": edited(READ, END, lambda text: indented(with_lock(text)), ATOMIC),
    "a conditional update": edited(WRITE, END, conditional, ATOMIC),
    "a handler of the violation": edited(
        WRITE, END, handled, "    try:\n        with transaction.atomic():\n"
    ),
    "a handler that refuses with another number and other words": edited(
        WRITE,
        END,
        lambda text: handled(text).replace('refuse("already completed")', 'refuse("too late", status=409)'),
        "    try:\n        with transaction.atomic():\n",
    ),
    "a lock on the user": edited(
        READ,
        END,
        indented,
        ATOMIC + "        type(request.user).objects.select_for_update().get(pk=request.user.pk)\n",
    ),
}
PLACEBOS = {
    "atomic alone": edited(READ, END, indented, ATOMIC),
    "a lock after the check": edited(WRITE, END, indented, f"{ATOMIC}        {LOCKED}\n"),
    "a lock that is never evaluated": edited(
        READ, END, indented, f"{ATOMIC}        Job.objects.select_for_update().filter(pk=job_id)\n"
    ),
    "a lock that count() drops": edited(
        READ, END, indented, f"{ATOMIC}        Job.objects.select_for_update().filter(pk=job_id).count()\n"
    ),
    "a handler outside, the row already saved": edited(
        "    JobCompletion.objects.create(",
        END,
        lambda text: (
            f"    try:\n{indented(text)}    except IntegrityError:\n"
            '        return refuse("already completed")\n'
        ),
    ),
}


APP = Application(CASE / "source")


@pytest.fixture(scope="module")
def server():
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def source(server):
    """The test of an order that the re-enactment played: A reads and checks, B does all it does, A goes on."""
    with Enactment(server, APP, CASE / "setup.py", EVIDENCE) as enactment:
        run = enactment.run([0, 0, *[1] * 6])
    return render(
        Facts(
            view="jobs.views.complete_job",
            endpoint="POST /api/jobs/complete",
            happened="Of two completions of one job, one was answered 200 and the other 500.",
            sources=("logs/app.log.gz:1",),
            evidence=EVIDENCE,
            setup=(CASE / "setup.py").read_text(),
            turns=turns_of(run),
            answered=(200,),
        )
    )


@pytest.fixture
def team(server, source, tmp_path):
    def copied(views=VIEWS, name="copy"):
        return TeamTest(APP, server.django("jobs"), tmp_path / name, NAME, source, {"jobs/views.py": views})

    return copied


@pytest.mark.slow
def test_without_a_fix_it_is_red_with_productions_signature(team, source):
    red = team().run()
    assert red.status == FAILED and missing_in(red.message, PRODUCTION) == []
    assert "A 500, B 200 (A first: A 200, B 400; B first: A 400, B 200)" in red.message
    story = red.message.partition("in this order:\n")[2].splitlines()
    told = [tuple(re.split(r"\s{2,}", line.partition(".")[2].strip())[:3]) for line in story]
    assert told == ast.literal_eval(source.partition("WITNESS = ")[2].partition("\n\n")[0]), (
        "not as re-enacted"
    )
    assert story[-1].endswith("IntegrityError")


@pytest.mark.slow
@pytest.mark.parametrize("fix", FIXES)
def test_a_correct_fix_of_any_kind_is_green_twenty_times(team, fix):
    fixed = team(FIXES[fix])
    assert fixed.run() == Result(PASSED)
    assert fixed.again(20) == [Result(PASSED)] * 20


@pytest.mark.slow
@pytest.mark.parametrize("placebo", PLACEBOS)
def test_what_does_nothing_stays_red(team, placebo):
    red = team(PLACEBOS[placebo]).run()
    assert red.status == FAILED and red.message.startswith(ANOMALY), red


@pytest.mark.slow
def test_the_gate_believes_the_lock(team):
    found = gate_of(team(), team(FIXES["the row locked before the check"], "fixed"), PRODUCTION)
    assert found.believed, found.reason
    assert (found.repeats, found.flakes, len(found.rows)) == (100, 0, 4)


@pytest.mark.slow
def test_the_gate_does_not_believe_a_placebo(team):
    found = gate_of(team(), team(PLACEBOS["atomic alone"], "fixed"), PRODUCTION)
    assert not found.believed and found.reason.startswith("at once, after: wanted passed, got failed")


@pytest.mark.slow
def test_the_gate_tells_an_import_error_from_a_race(team):
    found = gate_of(team(), team("import nothing_of_that_name\n" + VIEWS, "fixed"), PRODUCTION)
    assert not found.believed and "No module named 'nothing_of_that_name'" in found.reason


@pytest.mark.slow
@pytest.mark.parametrize(
    ("views", "outcome"), [(VIEWS, "2 failed, 1 passed"), (FIXES["a conditional update"], "3 passed")]
)
def test_pytest_django_runs_it_too(team, views, outcome):
    folder = team(views).folder
    command = [sys.executable, "-m", "pytest", "-p", "django", "--ds=race_test_settings", f"tests/{NAME}"]
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "APP_LOG": os.devnull},
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome in done.stdout.splitlines()[-1], done.stdout + done.stderr


def test_a_fix_cannot_write_outside_the_copy(tmp_path):
    with pytest.raises(ValueError, match="no path inside the application"):
        TeamTest(APP, {}, tmp_path / "copy", NAME, "class XRaceTest: pass", {"../../outside.py": ""})
    assert not (tmp_path.parent / "outside.py").exists()


RULE, LINE = "=" * 70, "-" * 70
REPORT = f"""Found 2 test(s).
FF
{RULE}
FAIL: test_a (tests.T.test_a)
Its docstring.
{LINE}
Traceback (most recent call last):
  File "t.py", line 1, in test_a
AssertionError: no serial order gives this: A 500, B 200
sqlstate 23505

{RULE}
FAIL: test_b (tests.T.test_b)
{LINE}
Traceback (most recent call last):
AssertionError: AssertionError: twice

{LINE}
Ran 3 tests in 0.1s

FAILED (failures=2)
Destroying test database for alias 'default'...
"""


def test_a_report_is_read_test_by_test():
    first, second, third = read_results(REPORT, 1)
    assert first == Result(FAILED, "no serial order gives this: A 500, B 200\nsqlstate 23505")
    assert second == Result(FAILED, "AssertionError: twice") and third == Result(PASSED)
    assert [first.test, second.test, third.test] == ["tests.T.test_a", "tests.T.test_b", ""]
    assert read_results(REPORT.replace("T.test_b)", "T)"), 1)[1].test == "tests.T.test_b", "Python 3.10"


@pytest.mark.parametrize(
    ("said", "code", "status"),
    [
        ("Ran 3 tests in 0.1s\n\nOK\n", 0, PASSED),
        ("Ran 1 test in 0.1s\n\nOK (skipped=1)\n", 0, SKIPPED),
        ("Ran 3 tests in 0.1s\n\nOK\n", 1, BROKEN),
        ("Ran 0 tests in 0.0s\n\nOK\n", 0, BROKEN),
        ("Ran 0 tests in 0.0s\n\nNO TESTS RAN\n", 5, BROKEN),
        ("django.db.utils.OperationalError: no server\n", 1, BROKEN),
        ("", -9, BROKEN),
        (REPORT, 0, BROKEN),
        (REPORT.replace("FAIL: test_a", "ERROR: test_a"), 1, BROKEN),
    ],
)
def test_only_a_whole_report_counts(said, code, status):
    assert read_results(said, code)[0].status == status
