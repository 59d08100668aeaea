"""The application in a child process: opened once, its requests played as often as one likes."""

import base64
import contextlib
import functools
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from analysis.replay import runs
from analysis.replay.runs import Request, Run
from analysis.replay.server import Server
from analysis.replay.touches import annotate, read_catalog, touched

# Not `-m`: the folder on the path is taken off again before anything of the application is imported.
START = "import sys; sys.path.insert(0, sys.argv[1]); from race_worker.main import main; main()"
OPEN_S, PLAY_S = 120.0, 45.0
SETTINGS = re.compile(r"""DJANGO_SETTINGS_MODULE["']\s*[,\]]\s*=?\s*["']([\w.]+)["']""")


class CannotEnact(Exception):
    """The application cannot be re-enacted; the message says why, in its own last words, and what to do."""


@dataclass(frozen=True)
class Application:
    """Where the application is and how it is started: `[app]` of case.toml.

    `settings`: its settings module, else what its manage.py names. `python`: the interpreter that has its packages.
    `environment`: variables that its settings need; nothing else of ours is passed on.
    """

    root: Path
    settings: str = ""
    python: str = sys.executable
    environment: Mapping[str, str] = field(default_factory=dict)

    def settings_module(self) -> str:
        if self.settings:
            return self.settings
        manage = self.root / "manage.py"
        found = SETTINGS.search(manage.read_text(encoding="utf-8")) if manage.is_file() else None
        if found is None:
            raise CannotEnact(f"{manage}: names no settings module: give `settings` in [app] of case.toml")
        return found[1]


class Enactment:
    """An open application on a database of its own. A context manager: the child is gone afterwards.

    `requests`  what will be played, as it is sent
    `catalog`   what the database says of its tables: columns, keys, foreign keys, triggers
    `fixture`   the rows before each run: {table: [{column: value}, …]}
    `notes`     what was replaced in the application's settings and matters
    `isolation` at which level its transactions run, if they do not say otherwise
    `database`  the name of its database
    """

    def __init__(
        self, server: Server, application: Application, setup: Path, evidence: Mapping[str, Any] | None = None
    ) -> None:
        self.server, self.application = server, application
        self.setup, self.evidence = setup.resolve(), dict(evidence or {})
        self.requests: tuple[Request, ...] = ()
        self.catalog: dict[str, Any] = {}
        self.fixture: dict[str, list[dict[str, Any]]] = {}
        self.notes: tuple[str, ...] = ()
        self.isolation = ""
        self.database = ""
        self._child: _Child | None = None
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def open(self) -> None:
        """Starts the child: migrations, rows, requests. Raises CannotEnact."""
        with contextlib.ExitStack() as stack:
            self.database = stack.enter_context(self.server.database())
            told = self.server.django(self.database)
            child = _Child(self.application, told)
            stack.callback(child.end)
            command = {
                "do": "open",
                "root": str(self.application.root.resolve()),
                "settings": self.application.settings_module(),
                "database": told,
                "setup": str(self.setup),
                "evidence": self.evidence,
            }
            opened = child.ask(command, OPEN_S)
            self._child, self._open = child, stack.pop_all()
        self.requests = tuple(_request(each) for each in opened["requests"])
        self.catalog, self.fixture, self.notes = opened["catalog"], opened["rows"], tuple(opened["notes"])
        self.isolation = opened["isolation"]
        catalog = read_catalog(self.catalog)
        self._touched = functools.cache(lambda sql: touched(sql, catalog))

    def close(self) -> None:
        """Ends the child and drops the database; a run after this opens anew."""
        self._child = None
        self._open.close()

    def alone(self, request: int, watched: Iterable[str] = ()) -> Run:
        """One request with nobody beside it, as worker 0. `watched`: files whose executed lines are noted."""
        return self._play({"do": "alone", "request": request, "watched": sorted(watched)})

    def serial(self, order: Sequence[int], isolation: str | None = None) -> Run:
        """Each request begins when the one before it has answered."""
        return self._play({"do": "serial", "order": list(order), "isolation": isolation})

    def run(self, choices: Sequence[int], isolation: str | None = None) -> Run:
        """The requests side by side; at each step the worker that `choices` names goes.

        After them, or from the first one that names a worker which cannot go, whoever went last goes on as long as
        it can: compare `Run.choices`. `isolation`: "read committed", "repeatable read" or "serializable" for all
        transactions; None: the application's own.
        """
        return self._play({"do": "run", "choices": list(choices), "isolation": isolation})

    def _play(self, command: dict[str, Any]) -> Run:
        if self._child is None:
            self.open()
        assert self._child is not None
        try:
            given = self._child.ask(command, PLAY_S)
        except CannotEnact:
            self.close()  # what it may still say would answer another question
            raise
        if given.pop("broken"):  # a thread of it hangs: a new child for the next run
            self.close()
        annotate(given["steps"], self._touched)
        return runs.read_run(given)


def _request(given: dict[str, Any]) -> Request:
    headers = tuple(sorted(given["headers"].items()))
    return Request(given["method"], given["path"], base64.b64decode(given["body"]), headers)


class _Child:
    """The process, and one question and answer at a time."""

    def __init__(self, application: Application, database: Mapping[str, str]) -> None:
        self.home = tempfile.TemporaryDirectory(prefix="race-home-")
        self.said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `end`
        self.left = b""
        try:
            self.process = self._started(application, database)
        except OSError as error:
            self._clean()
            raise CannotEnact(f"{error.filename}: {error.strerror}: see root and [app] python") from error

    def _started(self, application: Application, database: Mapping[str, str]) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(
            [application.python, "-c", START, str(Path(__file__).parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.said,
            cwd=application.root,
            env={**scrubbed(self.home.name, database), **application.environment},
            start_new_session=True,
        )

    def ask(self, command: dict[str, Any], limit_s: float) -> dict[str, Any]:
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(command, default=str).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise self._ended() from None
        answer: dict[str, Any] = json.loads(self._line(limit_s))
        if "error" in answer:
            raise CannotEnact(answer["error"])
        return answer

    def _line(self, limit_s: float) -> bytes:
        assert self.process.stdout is not None
        deadline, descriptor = time.monotonic() + limit_s, self.process.stdout.fileno()
        while b"\n" not in self.left:
            ready, _, _ = select.select([descriptor], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                raise CannotEnact(f"the application's process gave no answer within {limit_s:.0f} s")
            more = os.read(descriptor, 1 << 20)
            if not more:
                raise self._ended()
            self.left += more
        line, self.left = self.left.split(b"\n", 1)
        return line

    def _ended(self) -> CannotEnact:
        self.said.seek(0)
        lines = self.said.read().decode("utf-8", "replace").strip().splitlines()
        words = lines[-1] if lines else "it said nothing"
        return CannotEnact(f"its process has ended: {words} (does [app] python have all its packages?)")

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()
        self._clean()

    def _clean(self) -> None:
        self.said.close()
        self.home.cleanup()


def scrubbed(home: str, database: Mapping[str, str]) -> dict[str, str]:
    """All of the environment that the application gets to see: the same each time."""
    where = {f"DB_{name}": value for name, value in database.items()}
    if database:  # what a settings module may insist on; replaced once it is read
        where["DATABASE_URL"] = f"postgres://{database['USER']}@localhost/{database['NAME']}"
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": home,
        "TMPDIR": home,
        "LANG": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        **where,
    }
