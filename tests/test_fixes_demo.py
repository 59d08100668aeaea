"""The fixes of the bundled application, run on a PostgreSQL by its own test runner, beside a race of two requests."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis.source.fixes import Declined, Proposal, menu
from analysis.source.fixes.apply import check_applies, write_copy
from analysis.source.fixes.placebos import placebos
from analysis.source.hits import Hit, Place

SOURCE = Path(__file__).parent.parent / "data" / "cases" / "jobs-complete" / "source"
VIEWS = "jobs/views.py"
RACE = '''"""Two requests that complete one job: both have passed the check before one of them writes, if they can."""

import threading
from unittest import mock

from django.db import connection
from django.test import Client, TransactionTestCase

from accounts.models import ApiToken, User
from jobs import views
from jobs.models import Job, JobCompletion


class Race(TransactionTestCase):
    def test_one_of_two(self):
        user = User.objects.create(name="ada_l", full_name="Ada L.", team="labels")
        ApiToken.objects.create(user=user, key="k")
        job = Job.objects.create(title="scan", queue="scans", assignee=user, status=Job.IN_PROGRESS)
        meeting, check, answers = threading.Barrier(2), views.check_result, []

        def meet(*args):
            try:
                meeting.wait(1)
            except threading.BrokenBarrierError:
                pass  # the other one waits for a lock
            return check(*args)

        def complete(page):
            body = {"job_id": job.pk, "result": {"pages": [page]}, "timing": {"seconds": 60}}
            client = Client(raise_request_exception=False, headers={"Authorization": "Token k"})
            answer = client.post("/api/jobs/complete", body, content_type="application/json")
            answers.append((answer.status_code, page))
            connection.close()

        with mock.patch.object(views, "check_result", meet):
            both = [threading.Thread(target=complete, args=[page]) for page in ("a", "b")]
            for each in both:
                each.start()
            for each in both:
                each.join()
        self.assertEqual(sorted(status for status, _ in answers), [200, 400])
        self.assertEqual(JobCompletion.objects.count(), 1)
        job.refresh_from_db()
        self.assertEqual(job.result["pages"], [min(answers)[1]])
        self.assertEqual(job.seal, JobCompletion.objects.get().seal)
'''


class Demo:
    def paths(self):
        return sorted(path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py"))

    def read(self, path):
        return (SOURCE / path).read_text() if (SOURCE / path).is_file() else None


def line(text):
    lines = (SOURCE / VIEWS).read_text().split("\n")
    start = next(index for index, each in enumerate(lines) if each == "def complete_job(request):")
    return Place(VIEWS, next(index for index in range(start, len(lines)) if text in lines[index]) + 1)


HIT = Hit(
    "check-then-insert",
    "complete_job",
    line("job = Job.objects.get("),
    line("if job.status !="),
    line("JobCompletion.objects.create("),
    "JobCompletion",
    "",
    "",
    (),
)
OFFERED = [each for each in menu(Demo(), HIT) if isinstance(each, Proposal)]
USELESS = placebos(Demo(), HIT)


@pytest.fixture
def database(postgres):
    with postgres.database() as name:
        yield {f"DB_{key}": value for key, value in postgres.django(name).items()}


def ran_with(files, folder, database):
    """The application with some files changed, and all its tests run; the process that has ended."""
    write_copy(SOURCE, {**files, "tests/test_race.py": RACE}, folder / "app")
    environment = {**database, "PATH": os.environ["PATH"], "APP_LOG": str(folder / "log")}
    command = [sys.executable, "-I", "-c", RUN, str(folder / "app")]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)


RUN = """
import os, sys
os.chdir(sys.argv[1])
sys.path.insert(0, sys.argv[1])
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
from django.core.management import execute_from_command_line
execute_from_command_line(["manage.py", "test", "tests.test_jobs", "tests.test_race", "--noinput"])
"""


def test_the_menu_for_the_bundled_incident():
    assert [each.name for each in OFFERED] == ["lock_row", "conditional_update", "insert_first"]
    assert all(each.loser.endswith('return refuse("already completed")') for each in OFFERED)
    reasons = {each.name: each.reason for each in menu(Demo(), HIT) if isinstance(each, Declined)}
    assert "row's own lock is enough" in reasons["advisory_lock"]
    assert "reads Job, not the JobCompletion" in reasons["unique_constraint"]


@pytest.mark.parametrize("proposal", [*OFFERED, *USELESS], ids=lambda each: each.name)
def test_every_patch_applies_and_leaves_the_rest_alone(proposal):
    check_applies(Demo(), proposal)
    before, after = (SOURCE / VIEWS).read_text(), proposal.files[VIEWS]
    assert proposal.files.keys() == {VIEWS}
    assert (
        after.split("def complete_job")[0].splitlines()[10:]
        == before.split("def complete_job")[0].splitlines()[9:]
    )


@pytest.mark.slow
def test_without_a_fix_one_of_two_gets_an_error(tmp_path, database):
    ran = ran_with({}, tmp_path, database)
    assert ran.returncode == 1, ran.stderr
    assert "[200, 500] != [200, 400]" in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("proposal", OFFERED, ids=lambda each: each.name)
def test_a_fix_passes_the_tests_of_the_application_and_the_race(proposal, tmp_path, database):
    ran = ran_with(proposal.files, tmp_path, database)
    assert ran.returncode == 0, ran.stderr
    assert "Ran 5 tests" in ran.stderr


@pytest.mark.slow
@pytest.mark.parametrize("proposal", USELESS, ids=lambda each: each.name)
def test_what_does_nothing_is_seen_to_fail(proposal, tmp_path, database):
    ran = ran_with(proposal.files, tmp_path, database)
    assert ran.returncode == 1, ran.stderr
    assert "[200, 500] != [200, 400]" in ran.stderr
