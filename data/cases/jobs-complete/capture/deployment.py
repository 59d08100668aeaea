"""Where the application runs: /app with one folder a release, and gunicorn on a socket it is lent.

A deploy puts the new release in place of `current`, starts a second gunicorn on the same listening
socket, waits until all of its workers have loaded it, and then asks the old one to finish what it has
begun. The socket belongs to the capture, so no connection is ever refused or reset.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

HERE = Path(__file__).parent
SERVED_FROM = Path("/app")
WORKERS = 3
BOOT_S = 30
STOP_S = 40
PRIORITY = -15


class Deployment:
    """Releases in `folder`, served through the symlink `current` (or /app where that is ours)."""

    def __init__(self, folder: Path, logs: Path, database_folder: str) -> None:
        self.folder, self.logs = folder, logs
        self.side = folder / "side"
        self.side.mkdir(parents=True)
        self.current = SERVED_FROM
        if not claim(SERVED_FROM, folder):
            self.current = folder / "current"
            point(self.current, folder)
        make_environment(folder, self.current)
        shutil.copy(HERE / "wrapper.py", self.side / "wrapper.py")
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.listener.set_inheritable(True)
        self.gunicorn: subprocess.Popen[bytes] | None = None
        self.environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "PYTHONPATH": str(self.side),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SIDE_FOLDER": str(self.side),
            "DB_HOST": database_folder,
            "APP_LOG": str(logs / "app.log"),
            "ACCESS_LOG": str(logs / "access.log"),
            "WEB_CONCURRENCY": str(WORKERS),
        }

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    def release(self, revision: str) -> Path:
        return self.folder / "releases" / revision

    def install(self, revision: str) -> None:
        """What an exported release needs beside its files: the venv, and its name."""
        release = self.release(revision)
        (release / "venv").symlink_to(self.folder / "venv")
        (release / "REVISION").write_text(revision + "\n")

    def manage(self, revision: str, *arguments: str) -> None:
        """Run the release's manage.py, its log lines apart from the served application's."""
        done = subprocess.run(
            [self.folder / "venv/bin/python", "manage.py", *arguments],
            cwd=self.release(revision), env={**self.environment, "APP_LOG": os.devnull},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"manage.py {' '.join(arguments)}: {done.stderr}")

    def switch_to(self, revision: str) -> None:
        """Serve this revision from now on; returns when the workers of the old one are gone."""
        point(self.current, self.release(revision))
        old, before = self.gunicorn, set(self.side.glob("*.jsonl"))
        self.gunicorn = self._start()
        deadline = time.monotonic() + BOOT_S
        while len(set(self.side.glob("*.jsonl")) - before) < WORKERS:
            if time.monotonic() > deadline or self.gunicorn.poll() is not None:
                raise SystemExit("gunicorn did not start:\n" + self.errors())
            time.sleep(0.05)
        stop(old)

    def _start(self) -> subprocess.Popen[bytes]:
        number = self.listener.fileno()
        with (self.folder / "gunicorn.err").open("ab") as errors:
            process = subprocess.Popen(
                [
                    self.current / "venv/bin/python", "-m", "gunicorn", "wrapper:application",
                    "--chdir", self.current, "--config", self.current / "gunicorn.conf.py",
                    "--bind", f"fd://{number}", "--no-control-socket",
                ],
                cwd=self.current, env={**self.environment, "PWD": str(self.current)},
                pass_fds=[number], stdin=subprocess.DEVNULL, stdout=errors, stderr=errors,
                start_new_session=True,
            )  # fmt: skip
        favour(process)
        return process

    def errors(self) -> str:
        return (self.folder / "gunicorn.err").read_text()

    def close(self) -> None:
        stop(self.gunicorn)
        self.gunicorn = None
        self.listener.close()
        if self.current == SERVED_FROM:
            self.current.unlink(missing_ok=True)


@contextmanager
def deployment(folder: Path, logs: Path, database_folder: str) -> Iterator[Deployment]:
    place = Deployment(folder, logs, database_folder)
    try:
        yield place
    finally:
        place.close()


def claim(path: Path, folder: Path) -> bool:
    """Take `path` for a symlink of ours, unless it is there already or the system says no."""
    try:
        if path.is_symlink() and not path.exists():
            path.unlink()
        path.symlink_to(folder)
    except OSError:
        return False
    return True


def point(link: Path, target: Path) -> None:
    """Make `link` lead to `target`, in one step."""
    fresh = link.with_name(link.name + ".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(link)


def make_environment(folder: Path, current: Path) -> None:
    """A venv whose paths, also those of the standard library, lie below the served folder."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    venv = folder / "venv"
    (venv / "bin").mkdir(parents=True)
    (venv / "lib" / version).mkdir(parents=True)
    (venv / "base").symlink_to(sys.base_prefix)
    (venv / "bin/python").symlink_to(Path(sys.executable).resolve())
    (venv / "lib" / version / "site-packages").symlink_to(sysconfig.get_path("purelib"))
    (venv / "pyvenv.cfg").write_text(
        f"home = {current}/venv/base/bin\ninclude-system-site-packages = false\n"
    )


def favour(process: subprocess.Popen[bytes]) -> None:
    """Put a session ahead of other work on the machine, where that is allowed.

    Waiting for a processor blurs the stamps. Linux weighs sessions first (autogroup), then processes.
    """
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, process.pid, PRIORITY)
        Path(f"/proc/{process.pid}/autogroup").write_text(str(PRIORITY))


def stop(process: subprocess.Popen[bytes] | None) -> None:
    """Ask gunicorn to finish its requests and leave; end its whole session if it does not."""
    if process is None or process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
