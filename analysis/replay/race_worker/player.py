"""One request in a thread of its own, which stops before each step to the database."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.db import DatabaseError, connections

from .database import TEXT, described, wait_until_gone
from .hooks import HERE
from .places import APPLICATION

if TYPE_CHECKING:
    from .play import Play

ALERT_MS, CALM_MS = 1, 2000  # deadlock_timeout: of who may be the last to close a circle, and of the others
# What may leave something behind in its session: then the next run gets a fresh one.
LEAVES = re.compile(
    r"^(?!SELECT|INSERT|UPDATE|DELETE|WITH|SAVEPOINT|RELEASE|ROLLBACK|$)|set_config|advisory|\bTEMP", re.I
)
IDLE, IN_ERROR = 0, 3  # libpq's PQtransactionStatus
KEPT: dict[int, Any] = {}  # a connection for each place in a run


class Aborted(BaseException):
    """Ends a request whose run is given up; not an Exception, so that no handler of the application takes it."""


class Player:
    """One request and where it is: "running", "stopped" before `step`, or "done"."""

    def __init__(self, play: Play, number: int, request: Any, watched: Iterable[str]) -> None:
        self.play, self.number, self.request = play, number, request
        self.state, self.in_database, self.step = "new", False, {}  # type: str, bool, dict[str, Any]
        self.closes_circle = False  # somebody is blocked: this one's next step may complete a deadlock
        self.alert: bool | None = (
            False  # its deadlock_timeout is short; None: a rollback may have undone that
        )
        self.sessions: list[int] = []
        self.used, self.used_at = None, 0.0  # type: float | None, float
        self.response: dict[str, Any] = {"status": 0, "body": ""}
        self.error: dict[str, Any] | None = None
        self.raised: list[dict[str, Any]] = []
        self.watched = {os.path.join(APPLICATION.root, each) for each in watched}
        self.lines: set[str] = set()
        self.thread = threading.Thread(target=self.work, daemon=True)
        request.race_player = self

    def work(self) -> None:
        HERE.player = self
        self.take_session()
        try:
            if self.watched:
                sys.settrace(self.trace)
            self.response = answer(self.play.handler.get_response(self.request))
        except Aborted:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is what the request came to
            self.error = described(error)
        finally:
            sys.settrace(None)
            with contextlib.suppress(DatabaseError):
                self.keep_session()
            with contextlib.suppress(DatabaseError):
                connections.close_all()
            self.play.change(self, state="done")

    def take_session(self) -> None:
        """Goes on with the session of the run before: a new one costs more than all statements of a request."""
        kept = KEPT.pop(self.number, None)
        if kept:
            connections["default"] = kept
            kept.savepoint_state = 0  # it counts the names of savepoints
            self.alert = kept.race_alert
            self.sessions.append(kept.connection.info.backend_pid)

    def keep_session(self) -> None:
        """Keeps the session for the next run if nothing is left behind in it."""
        mine = [each for each in self.play.steps if each["worker"] == self.number]
        one = connections["default"]
        fit = not self.play.aborted and one.connection and one.connection.info.transaction_status == IDLE
        if fit and not any(LEAVES.search(each["sql"]) for each in mine):
            one.race_alert = self.alert
            one.inc_thread_sharing()
            KEPT[self.number] = one
            self.sessions.remove(one.connection.info.backend_pid)
            del connections["default"]

    def trace(self, frame: Any, event: str, _: Any) -> Any:
        """Notes the lines of watched files that are executed (sys.settrace)."""
        if frame.f_code.co_filename not in self.watched:
            return None
        if event == "line":
            self.lines.add(f"{os.path.relpath(frame.f_code.co_filename, APPLICATION.root)}:{frame.f_lineno}")
        return self.trace

    def stop_before(self, step: dict[str, Any], database: Any) -> None:
        step["worker"], self.step = self.number, step
        self.play.change(self, state="stopped")
        with self.play.changed:
            self.play.changed.wait_for(lambda: self.state == "running" or self.play.aborted)
        if self.play.aborted:
            raise Aborted
        self.set_alert(database)
        self.play.change(self, in_database=True)

    def set_alert(self, database: Any) -> None:
        """Whoever closes a circle is its victim: its timeout is short, so it is not left to chance who finds it."""
        if self.closes_circle != self.alert and database.connection.info.transaction_status != IN_ERROR:
            timeout = ALERT_MS if self.closes_circle else CALM_MS
            database.connection.cursor().execute(f"SET deadlock_timeout = '{timeout}ms'")
            self.alert = self.closes_circle

    def leave(self, step: dict[str, Any]) -> None:
        if step["kind"] in ("rollback", "rollback_to") and self.alert:
            self.alert = None
        if step["waited"]:
            step["through"] = len(self.play.steps) - 1
        if step["error"]:
            self.raised.append(step["error"])
        self.play.change(self, in_database=False)

    def result(self) -> dict[str, Any]:
        return {**self.response, "error": self.error, "raised": self.raised, "lines": sorted(self.lines)}


def answer(response: Any) -> dict[str, Any]:
    body = b"".join(response) if response.streaming else response.content
    response.close()
    return {"status": response.status_code, "body": body.decode("utf-8", "replace")[:TEXT]}


def close_kept() -> None:
    sessions = [each.connection.info.backend_pid for each in KEPT.values()]
    while KEPT:
        KEPT.popitem()[1].close()
    wait_until_gone(sessions)
