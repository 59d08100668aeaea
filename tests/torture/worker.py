"""Runs trials in a process of their own: one that dies or hangs fails its trial and nothing else."""

import multiprocessing
import traceback
from multiprocessing.connection import Connection

from tests.torture.trials import Trial, all_trials

SPAWN = multiprocessing.get_context("spawn")
START_S = 120


class Worker:
    """A child process that runs one trial after the other; a new one is started where the last was lost."""

    def __init__(self) -> None:
        self.pipe, childs_end = SPAWN.Pipe()
        self.process = SPAWN.Process(target=serve, args=(childs_end,))
        self.process.start()
        childs_end.close()

    def run(self, trial: Trial, number: int) -> str | None:
        """Run one number of a trial; why it failed, None if it did not."""
        try:
            self.pipe.send((trial.name, number))
            if not self.pipe.poll(trial.limit_s + START_S):
                self.process.kill()
                return f"no answer after {trial.limit_s} s"
            answer: str | None = self.pipe.recv()
            return answer
        except (EOFError, BrokenPipeError, ConnectionResetError):
            self.process.join()
            return f"the process died with exit code {self.process.exitcode}"

    def is_lost(self) -> bool:
        return not self.process.is_alive()

    def stop(self) -> None:
        self.pipe.close()
        self.process.join(10)
        self.process.kill()
        self.process.join()


def serve(pipe: Connection) -> None:
    """Answer each (name, number) with why it failed, or None."""
    trials = all_trials()
    while True:
        try:
            name, number = pipe.recv()
        except EOFError:
            return
        pipe.send(outcome(trials[name], number))


def outcome(trial: Trial, number: int) -> str | None:
    """None if the run was survived, else the traceback."""
    try:
        trial.run(number)
    except Exception:  # noqa: BLE001 - whatever it is, it was not survived
        return traceback.format_exc(limit=-6)
    return None
