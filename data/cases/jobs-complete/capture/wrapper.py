"""Notes entry and exit of every request in nanoseconds, in a side file that is not a log.

gunicorn serves `wrapper:application` in place of the application's own `config.wsgi`. One JSON
line a request goes to SIDE_FOLDER/<pid>.jsonl after the response was closed, and nothing to a log.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from config.wsgi import application as inner
from django.core.signals import got_request_exception

REVISION = Path("REVISION").read_text().strip()
SIDE_FILE = os.open(
    Path(os.environ["SIDE_FOLDER"]) / f"{os.getpid()}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND
)


def name_exception(sender: object, request: Any, **_: object) -> None:
    """Called by Django while an exception that no view caught is being handled."""
    request.META["UNCAUGHT"] = type(sys.exc_info()[1]).__name__


got_request_exception.connect(name_exception)


class Noted:
    """A response body that writes its request's note when it is closed."""

    def __init__(self, body: Iterable[bytes], note: dict[str, Any], environ: dict[str, Any]) -> None:
        self.body, self.note, self.environ = body, note, environ

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.body)

    def close(self) -> None:
        close = getattr(self.body, "close", None)
        if close is not None:
            close()
        exit_ns = time.time_ns()
        seen = {
            "request_id": self.environ.get("REQUEST_ID", "-"),
            "user": self.environ.get("USER_NAME", "-"),
            "job": self.environ.get("JOB", "-"),
            "exception": self.environ.get("UNCAUGHT"),
        }
        line = json.dumps({**self.note, **seen, "exit_ns": exit_ns}) + "\n"
        os.write(SIDE_FILE, line.encode())


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Noted:
    """The WSGI application, timed from the call to the close of its response."""
    note: dict[str, Any] = {"entry_ns": time.time_ns()}

    def noting_status(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
        note["status"] = int(status.split(" ", 1)[0])
        return start_response(status, headers, *rest)

    body = inner(environ, noting_status)
    note |= {
        "returned_ns": time.time_ns(),
        "method": environ["REQUEST_METHOD"],
        "path": environ["PATH_INFO"],
        "pid": os.getpid(),
        "thread": threading.get_ident(),
        "revision": REVISION,
    }
    return Noted(body, note, environ)
