"""Requests played in the application's own interpreter on a real PostgreSQL, in the order that is asked for.

`little_site` has a view for each way in which two requests meet; the demo application is the bundled incident's.
"""

import contextlib
import os
import shutil
import sys
import time
from pathlib import Path

import pytest

from analysis.replay.app import Application, CannotEnact, Enactment
from analysis.replay.runs import COMMIT, RELEASE, ROLLBACK, ROLLBACK_TO, SAVEPOINT, STATEMENT

pytestmark = pytest.mark.slow

LITTLE = Path(__file__).with_name("little_site")
DEMO = Path(__file__).parents[1] / "data" / "cases" / "jobs-complete"
SIDE_BY_SIDE = (0, 1) * 8


@pytest.fixture
def little(postgres):
    """The requests that are asked for, as (view, body), in an open little site."""
    with contextlib.ExitStack() as stack:

        def opened(*asked):
            return stack.enter_context(
                Enactment(postgres, Application(LITTLE), LITTLE / "setup.py", {"asked": asked})
            )

        yield opened


@pytest.fixture(scope="module")
def demo(postgres):
    with Enactment(postgres, Application(DEMO / "source"), DEMO / "setup.py", {"entity": 4521}) as enactment:
        yield enactment


def statuses(run):
    return [each.status for each in run.responses]


def kinds(run, worker):
    return [each.kind for each in run.steps if each.worker == worker]


def waits(run):
    """Which steps waited, and what they waited for."""
    return {number: each.through for number, each in enumerate(run.steps) if each.waited}


def line_of(text):
    """Where the only line with this text is, in the little site's views."""
    lines = (LITTLE / "vault" / "views.py").read_text().splitlines()
    (number,) = [number for number, line in enumerate(lines, 1) if text in line]
    return f"vault/views.py:{number}"


def coins(run):
    return [row["coins"] for row in run.rows["vault_box"]]


def without_time(run):
    """All of a run but the stamps of the demo application."""
    rows = {
        table: [{name: value for name, value in row.items() if not name.endswith("_at")} for row in rows]
        for table, rows in run.rows.items()
    }
    return run.choices, run.enabled, [each.sql for each in run.steps], waits(run), statuses(run), rows


# --- the bundled incident ---


def test_alone_the_request_succeeds_and_its_lines_are_seen(demo):
    run = demo.alone(1, ["jobs/views.py", "jobs/urls.py"])
    assert statuses(run) == [200]
    assert run.rows["jobs_job"][0]["result"] == {"summary": "sent by B", "pages": ["B"]}
    assert {"jobs/views.py:100", "jobs/views.py:111", "jobs/views.py:112"} <= run.responses[0].lines
    assert "jobs/views.py:101" not in run.responses[0].lines, "the refusal was not reached"
    assert {each.split(":")[0] for each in run.responses[0].lines} == {"jobs/views.py"}


def test_by_default_one_goes_on_as_long_as_it_can(demo):
    assert demo.run([]).choices == (0,) * 6 + (1,) * 2
    assert statuses(demo.run([])) == statuses(demo.serial([0, 1])) == [200, 400]
    assert statuses(demo.run([1])) == statuses(demo.serial([1, 0])) == [400, 200]


def test_side_by_side_the_incident_comes_back_with_its_signature(demo):
    run = demo.run(SIDE_BY_SIDE)
    error = run.responses[1].error
    assert statuses(run) == [200, 500]
    assert error.type == "django.db.utils.IntegrityError"
    assert (error.sqlstate, error.constraint) == ("23505", "jobs_job_completion_unique")
    assert error.detail == "Key (job_id, status)=(4521, completed) already exists."
    assert run.responses[0].error is None and run.responses[0].raised == ()
    failed = [each for each in run.steps if each.error]
    assert [(each.worker, each.line) for each in failed] == [(1, "jobs/views.py:112")]
    assert not run.deadlock and run.stuck is None


def test_a_line_is_the_one_that_asked_and_not_a_wrapper_of_statements(demo):
    lines = [each.line for each in demo.alone(0).steps]
    assert lines == [
        "accounts/middleware.py:20",
        "jobs/views.py:99",
        "jobs/validation.py:26",
        "jobs/views.py:111",
        "jobs/views.py:43",
        "jobs/views.py:112",
    ]


def test_the_same_choices_give_the_same_run_fifty_times(demo):
    first = without_time(demo.run(SIDE_BY_SIDE))
    for _ in range(50):
        assert without_time(demo.run(SIDE_BY_SIDE)) == first


def test_each_run_begins_with_the_same_rows(demo):
    for choices in (SIDE_BY_SIDE, (), (1, 0, 1)):
        run = demo.run(choices)
        assert [row["id"] for row in run.rows["jobs_jobcompletion"]] in ([1], [2]), (
            "the sequence starts again"
        )
    assert statuses(demo.serial([0, 1])) == [200, 400]


def test_a_choice_that_cannot_go_ends_the_prefix(demo):
    run = demo.run([0] * 6 + [0, 1, 1])
    assert run.choices == (0,) * 6 + (1, 1)


def test_with_the_lock_the_other_one_waits_and_is_refused(postgres, tmp_path):
    root = shutil.copytree(DEMO / "source", tmp_path / "source")
    views = root / "jobs" / "views.py"
    text = views.read_text()
    text = text.replace(
        "@require_POST\n@api\ndef complete_job", "@require_POST\n@api\n@transaction.atomic\ndef complete_job"
    )
    text = text.replace(
        "    job = Job.objects.get(pk=job_id, assignee",
        "    job = Job.objects.select_for_update().get(pk=job_id, assignee",
    )
    views.write_text(text.replace("import Count\n", "import Count\nfrom django.db import transaction\n"))
    with Enactment(postgres, Application(root), DEMO / "setup.py") as fixed:
        run = fixed.run(SIDE_BY_SIDE)
        assert statuses(run) == [200, 400]
        (number,) = waits(run)
        through = run.steps[waits(run)[number]]
        assert "FOR UPDATE" in run.steps[number].sql and run.steps[number].worker == 1
        assert (through.worker, through.kind) == (0, COMMIT)
        assert run.enabled[number + 1] == (0,), "who waits cannot be chosen"


def test_what_a_step_touches_is_told(demo):
    steps = demo.alone(0).steps
    assert steps[3].writes == {"jobs_job"} and steps[2].reads == {"jobs_jobevent"}
    assert steps[5].writes == {"jobs_jobcompletion"}
    assert steps[5].locks == {"jobs_job", "accounts_user"}, "a row that points to another locks it"


# --- ways to meet ---


def test_a_lost_update(little):
    enactment = little(("add", {"coins": 1}), ("add", {"coins": 5}))
    assert coins(enactment.run([])) == [16, 20, 30]
    assert coins(enactment.run([0, 1, 0, 1])) == [15, 20, 30]
    assert coins(enactment.run([0, 1, 1, 0])) == [11, 20, 30]
    assert [each.kind for each in enactment.run([]).steps] == [STATEMENT] * 4
    assert all(each.autocommit for each in enactment.run([]).steps)


def test_a_deadlock_is_recognised_and_its_victim_is_who_closed_the_circle(little):
    enactment = little(("swap", {"boxes": [1, 2]}), ("swap", {"boxes": [2, 1]}))
    for _ in range(5):
        for last, choices in ((1, (0, 1, 0, 1)), (0, (0, 1, 1, 0))):
            started = time.monotonic()
            run = enactment.run(choices)
            assert time.monotonic() - started < 1.5, "recognised, not waited for"
            assert run.deadlock and run.choices[:4] == choices
            assert run.responses[last].error.sqlstate == "40P01"
            assert run.responses[1 - last].status == 200
            assert waits(run) == {2: 3}, "the victim's error lets the other one through"
    assert not enactment.run([]).deadlock


def test_who_is_blocked_outside_of_postgresql_is_told_with_its_line(little):
    enactment = little(("hold", {}), ("hold", {}))
    run = enactment.run([0])
    assert run.stuck == (
        "request 2 waits outside PostgreSQL (a lock, a sleep, the network) at " + line_of("with LOCK")
    )
    assert run.rows == {}
    assert statuses(enactment.serial([0, 1])) == [200, 200], "and the next run is a good one"


def test_after_a_thread_that_cannot_be_ended_a_new_child_goes_on(little):
    enactment = little(("sleep", {}), ("count", {}))
    assert enactment.run([]).stuck.endswith(f" at {line_of('time.sleep(60)')}")
    assert statuses(enactment.alone(1)) == [200]


def test_a_thread_of_the_applications_own_is_told(little):
    run = little(("hand_on", {}), ("count", {})).run([])
    place = line_of("threading.Thread(")
    assert run.stuck == f"a thread of the application's own uses the database, at {place}"


def test_an_async_view_is_no_such_thread(little):
    run = little(("later", {}), ("count", {})).run([0, 1])
    assert run.stuck is None and statuses(run) == [200, 200]
    assert [each.worker for each in run.steps] == [0, 1]


def test_no_wait_answers_the_conflict(little):
    run = little(("first_come", {}), ("first_come", {})).run([0, 1])
    assert statuses(run) == [200, 409]
    assert [each.sqlstate for each in run.responses[1].raised] == ["55P03"]
    assert run.responses[1].error is None, "it was handled"
    assert waits(run) == {}


def test_a_lock_of_a_session_that_is_not_given_back_goes_with_its_session(little):
    enactment = little(("advised", {"forget": 1}), ("advised", {}))
    run = enactment.run([0, 1])
    assert waits(run) == {1: 3}, "until the first one has ended"
    assert enactment.run([0, 1]) == run


def test_savepoints_and_what_comes_after_the_commit(little):
    run = little(("confirm", {}), ("count", {})).run([])
    assert kinds(run, 0) == [STATEMENT, SAVEPOINT, STATEMENT, ROLLBACK_TO, RELEASE, COMMIT, STATEMENT]
    after = run.steps[6]
    assert after.autocommit and after.line == line_of("on_commit")
    assert [row["writer"] for row in run.rows["vault_slip"]] == ["before", "after"]


def test_a_commit_publishes_what_its_transaction_wrote_and_locks_parents_late(little):
    run = little(("add_locked", {"coins": 1}), ("count", {})).run([])
    lock, _, insert, commit = [each for each in run.steps if each.worker == 0]
    assert lock.locks == {"vault_box"} and lock.writes == frozenset()
    assert insert.writes == {"vault_slip"} and insert.locks == frozenset(), (
        "Django's constraints are deferred"
    )
    assert commit.writes == {"vault_box", "vault_slip"} and commit.locks == {"vault_box"}


def test_the_user_is_logged_in_and_csrf_and_https_are_out_of_the_way(little):
    run = little(("mine", {"note": "a b"}), ("mine", {"note": "ü"})).serial([1, 0])
    assert statuses(run) == [201, 201]
    assert [row["writer"] for row in run.rows["vault_slip"]] == ["before", "ada ü", "ada a b"]


def test_the_cache_is_empty_before_each_run(little):
    enactment = little(("remember", {}), ("remember", {}))
    for _ in range(2):
        assert statuses(enactment.serial([0, 1])) == [201, 200]
        assert statuses(enactment.serial([1, 0])) == [200, 201]


def test_mail_that_was_sent_stands_among_the_rows(little):
    enactment = little(("tell", {}), ("count", {}))
    sent = [{"subject": "paid", "body": "thank you", "to": ["ada@example.org"]}]
    assert enactment.run([]).rows == {"django.core.mail.outbox": sent}
    assert enactment.alone(1).rows == {}


def test_the_level_that_the_application_s_transactions_have_is_told(little):
    assert little(("tell", {}), ("count", {})).isolation == "read committed"


def test_the_isolation_is_as_asked(little):
    enactment = little(("whole", {}), ("whole", {}))
    both_saw = {"read committed": [200, 200], "repeatable read": [200, 200], "serializable": [200, 500]}
    for level, wanted in both_saw.items():
        run = enactment.run(SIDE_BY_SIDE, level)
        assert statuses(run) == wanted, level
    assert run.responses[1].error.sqlstate == "40001"
    assert statuses(enactment.run(SIDE_BY_SIDE)) == [200, 200], "and back to the application's own"


def test_three_requests(little):
    run = little(*[("add_locked", {"coins": number}) for number in (1, 2, 3)]).run([0, 1, 2])
    assert statuses(run) == [200, 200, 200]
    assert coins(run)[0] == 16
    assert len(waits(run)) == 2


def test_prints_and_errors_of_the_application_do_not_disturb(little):
    run = little(("loud", {}), ("count", {})).run([])
    assert statuses(run) == [500, 200]
    assert (run.responses[0].error.type, run.responses[0].error.message) == ("LookupError", "no such box")
    assert run.responses[1].error is None


def test_each_request_is_a_transaction_where_the_settings_say_so(little, postgres, tmp_path):
    root = shutil.copytree(LITTLE, tmp_path / "site")
    with (root / "vault" / "settings.py").open("a") as file:
        file.write('DATABASES["default"]["ATOMIC_REQUESTS"] = True\n')
    with Enactment(
        postgres, Application(root), root / "setup.py", {"asked": [("add", {"coins": 1}), ("loud", {})]}
    ) as one:
        run = one.serial([0, 1])
    assert kinds(run, 0) == [STATEMENT, STATEMENT, COMMIT]
    assert kinds(run, 1) == [STATEMENT, ROLLBACK]
    assert not any(each.autocommit for each in run.steps)


def test_no_session_is_left(postgres, little):
    enactment = little(("swap", {"boxes": [1, 2]}), ("swap", {"boxes": [2, 1]}))
    name = enactment.database
    with postgres.connect() as connection:

        def sessions():
            count = "SELECT count(*) FROM pg_stat_activity WHERE datname = %s"
            return connection.execute(count, [name]).fetchone()[0]

        for _ in range(3):
            enactment.run([0, 1, 0, 1])
            assert sessions() == 3, "the scheduler's, and one for each request"
        enactment.close()
        assert sessions() == 0


def test_no_process_is_left(little):
    enactment = little(("count", {}), ("count", {}))
    child = enactment._child.process.pid
    enactment.close()
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_the_application_sees_a_scrubbed_environment(postgres, tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET_OF_OURS", "1")
    root = shutil.copytree(LITTLE, tmp_path / "site")
    with (root / "vault" / "settings.py").open("a") as file:
        file.write("import os\nassert os.environ['GIVEN'] == 'x' and 'SECRET_OF_OURS' not in os.environ\n")
    application = Application(root, environment={"GIVEN": "x"})
    with Enactment(postgres, application, root / "setup.py", {"asked": [("count", {})]}) as enactment:
        assert statuses(enactment.run([])) == [200]
        assert enactment.notes == (
            "the settings name 'django.db.backends.sqlite3'; re-enacted on PostgreSQL",
        )


# --- what a user can mend ---


def broken(postgres, tmp_path, file, old, new):
    root = shutil.copytree(LITTLE, tmp_path / "site")
    path = root / file
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    with (
        pytest.raises(CannotEnact) as told,
        Enactment(postgres, Application(root), root / "setup.py", {"asked": [("count", {})]}),
    ):
        pass
    return str(told.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "wanted"),
    [
        (
            "vault/settings.py",
            "SECRET_KEY",
            "import redis_of_ours\nX",
            "cannot be loaded, see [app] of case.toml: ModuleNotFoundError: No module named 'redis_of_ours'",
        ),
        (
            "vault/settings.py",
            '"only for tests"',
            "__import__('os').environ['KEY']",
            "cannot be loaded, see [app] of case.toml: KeyError: 'KEY'",
        ),
        (
            "vault/settings.py",
            "SecurityMiddleware",
            "NoSuchMiddleware",
            "its middleware cannot be loaded: ImportError",
        ),
        (
            "vault/models.py",
            "IntegerField(",
            "IntegerFeld(",
            "cannot be loaded, see [app] of case.toml: AttributeError",
        ),
        (
            "setup.py",
            "coins=10",
            "coin=10",
            "the rows cannot be made: TypeError: Box() got unexpected keyword",
        ),
        (
            "setup.py",
            'rows["asked"]',
            'rows["nothing"]',
            "the requests cannot be made: KeyError: 'nothing' (setup.py:",
        ),
        (
            "setup.py",
            "def requests",
            "def asked",
            "setup.py: a function `requests` was wanted, there is none",
        ),
        ("setup.py", '"method": "POST", ', "", "setup.py: a request has no method"),
        ("manage.py", "DJANGO_SETTINGS_MODULE", "X", "names no settings module: give `settings` in [app]"),
    ],
)
def test_what_stands_in_the_way_is_told(postgres, tmp_path, file, old, new, wanted):
    assert wanted in broken(postgres, tmp_path, file, old, new)


def test_an_interpreter_without_django_is_told(postgres):
    application = Application(LITTLE, python=f"{sys.base_prefix}/bin/python3")
    with pytest.raises(CannotEnact, match=r"No module named 'django'.*\[app\] python"):
        Enactment(postgres, application, LITTLE / "setup.py").open()


def test_an_interpreter_that_is_not_there_is_told(postgres):
    application = Application(LITTLE, python="/nowhere/python")
    with pytest.raises(CannotEnact, match=r"/nowhere/python: .*\[app\] python"):
        Enactment(postgres, application, LITTLE / "setup.py").open()


TRIGGER = """
    connection.cursor().execute('''
        CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS $$
          BEGIN INSERT INTO vault_slip (box_id, writer) VALUES (3, 'trigger'); RETURN NEW; END $$;
        CREATE TRIGGER logs_it AFTER UPDATE ON vault_box FOR EACH ROW EXECUTE FUNCTION log_it();
    ''')
    return """


def test_what_a_trigger_writes_is_seen_and_put_back(postgres, tmp_path):
    root = shutil.copytree(LITTLE, tmp_path / "site")
    text = (root / "setup.py").read_text().replace("    return {", f"{TRIGGER}{{")
    (root / "setup.py").write_text(f"from django.db import connection\n{text}")
    with Enactment(postgres, Application(root), root / "setup.py", {"asked": [("add", {"coins": 1})]}) as one:
        for _ in range(2):
            run = one.run([])
            assert [row["writer"] for row in run.rows["vault_slip"]] == ["before", "trigger"]
            assert run.steps[1].writes is None, "it may touch anything"
