"""Plays requests in one order of their database steps.

One at a time, each request runs in a thread of its own until it is about to send its
next statement, COMMIT or ROLLBACK. A session is blocked only while `pg_blocking_pids`
names one that the player itself holds back (PostgreSQL manual, "System Information
Functions").
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import got_request_exception
from django.db import DatabaseError, connection, connections
from django.http import HttpRequest

from analysis.replay.inlined.steps import application_line, summary

# --- inlined from here ---


IDLE = 0  # PQTRANS_IDLE: nothing was begun, so nothing is sent


class RaceRequest(threading.Thread):
    """One request in a thread, with a session of its own; it stops before each step."""

    def __init__(self, name: str, request: HttpRequest, race: RacePlay) -> None:
        super().__init__(name=name, daemon=True)
        self.request, self.race = request, race
        self.state = "new"  # new, stopped, running, done
        self.step = [name, "", "", ""]  # who, what, line of the application, effect
        self.session = 0
        self.status: int = 0
        self.body = b""
        self.error: BaseException | None = None

    def run(self) -> None:
        got_request_exception.connect(self.note_error)
        commit, rollback = connection._commit, connection._rollback
        connection._commit = self.before("COMMIT", commit)
        connection._rollback = self.before("ROLLBACK", rollback)
        try:
            with connection.execute_wrapper(self.before_statement):
                response = WSGIHandler().get_response(self.request)
                self.body = b"".join(response)
            self.status = response.status_code
        finally:
            connection._commit, connection._rollback = commit, rollback
            connections.close_all()
            got_request_exception.disconnect(self.note_error)
            self.race.change(self, "done")

    def note_error(self, request: HttpRequest | None = None, **_: object) -> None:
        if request is self.request:
            self.error = sys.exc_info()[1]

    def before(self, step: str, act: Callable[[], Any]) -> Callable[[], Any]:
        def stopped_before() -> Any:
            database = connection.connection
            if database is not None and database.info.transaction_status != IDLE:
                self.stop(step)
            return act()

        return stopped_before

    def before_statement(
        self, execute: Callable[..., Any], sql: Any, *rest: Any
    ) -> Any:
        self.stop(summary(str(sql)))
        try:
            return execute(sql, *rest)
        except DatabaseError as error:
            self.step[3] = type(error).__name__
            raise

    def stop(self, step: str) -> None:
        self.session = connection.connection.info.backend_pid
        self.step = [self.name, step, application_line(), ""]
        self.race.change(self, "stopped")
        with self.race.changed:
            self.race.changed.wait_for(lambda: self.state == "running")


class RacePlay:
    """The requests A, B, … played in the order of `turns`; `steps` is what happened.

    A request that is blocked or finished forfeits its turn. After the last turn,
    whoever went last goes on as long as it can, then the others: "A" alone is the
    serial order A, B.
    """

    LIMIT_S = 30

    def __init__(self, requests: Sequence[HttpRequest], turns: Iterable[str]) -> None:
        self.changed, self.changes = threading.Condition(), 0
        self.requests = {
            name: RaceRequest(name, each, self)
            for name, each in zip("ABCDEFGH", requests)
        }
        self.started: list[str] = []
        self.steps: list[list[str]] = []
        self.deadline = time.monotonic() + self.LIMIT_S
        self.play(list(turns))

    def play(self, turns: list[str]) -> None:
        last = ""
        while ready := [each.name for each in self.in_state("new", "stopped")]:
            while turns and turns[0] not in ready:
                turns.pop(0)
            last = turns.pop(0) if turns else last if last in ready else ready[0]
            self.let_go(self.requests[last])

    def let_go(self, request: RaceRequest) -> None:
        """Let a request do its next step; a new one first runs up to its first step."""
        if request.state == "new":
            self.started.append(request.name)
            self.change(request, "running")
            request.start()
            self.settle()
        if request.state == "stopped":
            self.steps.append(request.step)
            self.change(request, "running")
            self.settle()

    def change(self, request: RaceRequest, state: str) -> None:
        with self.changed:
            request.state = state
            self.changes += 1
            self.changed.notify_all()

    def in_state(self, *states: str) -> list[RaceRequest]:
        return [each for each in self.requests.values() if each.state in states]

    def settle(self) -> None:
        """Wait until each has stopped, is done, or is blocked by a stopped one."""
        while time.monotonic() < self.deadline:
            with self.changed:
                self.changed.wait_for(lambda: not self.in_state("running"), 0.005)
                seen, running = self.changes, self.in_state("running")
            if all(self.is_blocked(each) for each in running) and seen == self.changes:
                return
        self.give_up()

    def is_blocked(self, request: RaceRequest) -> bool:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_blocking_pids(%s)", [request.session])
            sessions = cursor.fetchone()[0]
        holders = [
            each for each in self.in_state("stopped") if each.session in sessions
        ]
        if holders:
            request.step[3] = f"waits for {holders[0].name}"
        return bool(holders)

    def give_up(self) -> None:
        names = " and ".join(each.name for each in self.in_state("running"))
        with connection.cursor() as cursor:
            for each in self.in_state("running", "stopped"):
                cursor.execute("SELECT pg_terminate_backend(%s)", [each.session])
                self.change(each, "running")
        why = f"{names} hung for {self.LIMIT_S} s, not for a lock in the database"
        raise AssertionError(f"{why}\n{self.story()}")

    def story(self) -> str:
        rows = [
            f"{n:3}. {who}  {what:42} {line:26} {effect}"
            for n, (who, what, line, effect) in enumerate(self.steps, 1)
        ]
        return "\n".join(row.rstrip() for row in rows)
