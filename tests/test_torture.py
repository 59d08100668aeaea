"""The first numbers of every trial; `make torture` runs them in full. And the frame itself."""

import os

import pytest

from tests.torture.__main__ import Progress, table, turn, turns
from tests.torture.trials import Trial, all_trials
from tests.torture.worker import Worker, outcome

SHORT = [
    pytest.param(trial, number, id=f"{trial.name}-{number}")
    for trial in all_trials().values()
    for number in range(trial.short)
]


@pytest.mark.parametrize(("trial", "number"), SHORT)
def test_a_fault_is_survived(trial, number):
    trial.run(number)


class Scripted(Worker):
    """A worker without a process, which runs what it is given."""

    def __init__(self) -> None:
        pass

    def run(self, trial, number):
        return outcome(trial, number)

    def is_lost(self) -> bool:
        return False


def odd_numbers_fail(number):
    assert number % 2 == 0, f"{number} is odd"


def test_a_failed_number_is_kept_with_its_traceback_and_the_rest_goes_on():
    progress = Progress()
    trial = Trial("odd", "an odd number", 5, odd_numbers_fail)
    turn(Scripted(), trial, progress)
    assert (progress.done, sorted(progress.failed)) == (5, ["1", "3"])
    assert "3 is odd" in progress.failed["3"]
    assert table({"odd": trial}, {"odd": progress}).splitlines()[1].split()[-4:-1] == ["5", "5", "2"]


def test_a_run_goes_on_where_the_last_one_stopped():
    seen = []
    trial = Trial("seen", "", 5, seen.append)
    turn(Scripted(), trial, Progress(done=3))
    assert seen == [3, 4]
    assert list(turns({"seen": trial}, {"seen": Progress(done=5)}, float("inf"))) == []


def test_runs_on_other_code_are_marked():
    progress = Progress(done=1, code="of old")
    trial = Trial("t", "", 2, odd_numbers_fail)
    turn(Scripted(), trial, progress)
    assert "--fresh starts over" in table({"t": trial}, {"t": progress})


def test_the_time_ends_a_run():
    trial = Trial("t", "", 2, odd_numbers_fail)
    assert list(turns({"t": trial}, {"t": Progress()}, 0)) == []


@pytest.mark.slow
def test_a_process_that_dies_or_hangs_fails_its_trial_only(monkeypatch):
    monkeypatch.setattr("tests.torture.worker.START_S", 0)
    worker = Worker()
    worker.pipe.send(("no such trial", 0))
    assert "died" in worker.run(Trial("any", "", 1, print, limit_s=60), 0)
    assert worker.is_lost()
    worker.stop()
    worker = Worker()
    os.kill(worker.process.pid, 19)  # SIGSTOP: it hangs
    assert worker.run(Trial("any", "", 1, print, limit_s=1), 0) == "no answer after 1 s"
    worker.stop()
    assert worker.is_lost()
