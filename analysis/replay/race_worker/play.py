"""The scheduler: one run, in which one request at a time is let go by one step."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .database import DEADLOCK, JOIN_S, fetched, wait_until_gone
from .hooks import STRAYS
from .places import standing
from .player import Player

if TYPE_CHECKING:
    from .fixture import Fixture

POLL_S = 0.002  # a statement that takes longer is asked about: does it wait for a lock?
STUCK_S = 2.0  # without using the processor or the database
RUN_S = 30.0  # a whole run
BLOCKING = "SELECT pid, pg_blocking_pids(pid) FROM unnest(%s::int[]) AS pid"


class Play:
    """One run: the requests, and which step of which went when."""

    def __init__(self, handler: Any, requests: list[Any], watched: Iterable[str] = ()) -> None:
        self.handler = handler
        self.changed, self.changes = threading.Condition(), 0
        self.aborted, self.stuck = False, None  # type: bool, str | None
        self.choices: list[int] = []
        self.enabled: list[list[int]] = []
        self.steps: list[dict[str, Any]] = []
        self.deadline = time.monotonic() + RUN_S
        self.players = [Player(self, number, each, watched) for number, each in enumerate(requests)]

    def together(self, prefix: Iterable[int]) -> None:
        """In the order of `prefix`; then, or where it asks for one that cannot go, the last one goes on as it can."""
        wanted, last = list(prefix), -1
        for player in self.players:
            self.start(player)
        while ready := self.stopped():
            if wanted and wanted[0] not in ready:
                wanted = []
            last = wanted.pop(0) if wanted else last if last in ready else ready[0]
            self.let_go(self.players[last], ready)

    def in_turn(self, order: Iterable[int]) -> None:
        """Each begins when the one before it has answered."""
        for number in order:
            self.start(self.players[number])
            while self.stopped():
                self.let_go(self.players[number], [number])

    def start(self, player: Player) -> None:
        if not self.aborted:
            self.change(player, state="running")
            player.thread.start()
            self.settle()

    def let_go(self, player: Player, ready: list[int]) -> None:
        player.closes_circle = any(each.state == "running" for each in self.players)
        self.choices.append(player.number)
        self.enabled.append(ready)
        self.steps.append(player.step)
        self.change(player, state="running")
        self.settle()

    def change(self, player: Player, **new: Any) -> None:
        with self.changed:
            for name, value in new.items():
                setattr(player, name, value)
            self.changes += 1
            self.changed.notify_all()

    def stopped(self) -> list[int]:
        return [] if self.aborted else [each.number for each in self.players if each.state == "stopped"]

    def running(self) -> list[Player]:
        return [each for each in self.players if each.state == "running"]

    def settle(self) -> None:
        """Waits until each has stopped before a step, is done, or waits for a lock that a stopped one holds.

        The states are read before and after PostgreSQL is asked: if they changed meanwhile its answer is of the past.
        """
        while not self.aborted:
            with self.changed:
                self.changed.wait_for(lambda: all(map(known_to_wait, self.running())), POLL_S)
                seen, running = self.changes, self.running()
            if not running:
                return
            if all(each.in_database for each in running):
                blocked = self.blocked(running)
                if seen == self.changes and len(blocked) == len(running):
                    for each in running:
                        each.step["waited"] = True
                    return
            self.watch_the_clock(running)

    def blocked(self, running: list[Player]) -> set[Player]:
        """Who waits for a session that is stopped, or for one that itself waits so. (A circle is a deadlock.)"""
        owners = {session: each for each in self.players for session in each.sessions}
        asked = [session for each in running for session in each.sessions]
        waits: dict[Player, set[Player]] = {each: set() for each in running}
        for session, holders in fetched(BLOCKING, [asked]):
            waits[owners[session]] |= {owners[each] for each in holders if each in owners}
        blocked: set[Player] = set()
        while more := {
            each
            for each in running
            if each not in blocked and any(one.state == "stopped" or one in blocked for one in waits[each])
        }:
            blocked |= more
        return blocked

    def watch_the_clock(self, running: list[Player]) -> None:
        """Gives the run up where a request neither computes nor waits for the database, or all takes too long."""
        now = time.monotonic()
        for each in running:
            used = None if each.in_database else processor_time(each.thread)
            if each.in_database or used is None or used != each.used:
                each.used, each.used_at = used, now
            elif now - each.used_at > STUCK_S:
                at = standing(each.thread)
                self.abort(f"{named(each)} waits outside PostgreSQL (a lock, a sleep, the network) at {at}")
        if now > self.deadline and not self.aborted:
            names = " and ".join(map(named, running))
            self.abort(f"{names} had not finished after {RUN_S:.0f} s, at {standing(running[0].thread)}")

    def abort(self, reason: str) -> None:
        self.stuck = reason
        with self.changed:
            self.aborted = True
            self.changed.notify_all()
        sessions = [session for each in self.players if each.state != "done" for session in each.sessions]
        fetched("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = ANY(%s)", [sessions])

    def finish(self, fixture: Fixture) -> dict[str, Any]:
        """The run as JSON: what `Run` in runs.py says, and `broken` where a thread could not be ended."""
        for each in self.players:
            if each.state != "new":
                each.thread.join(JOIN_S)
        broken = any(each.thread.is_alive() for each in self.players)
        if left := [session for each in self.players for session in each.sessions]:
            wait_until_gone(left)
        if STRAYS:
            self.stuck = (
                f"a thread of the application's own uses the database, at {STRAYS[0] or 'an unknown line'}"
            )
            STRAYS.clear()
        touched = fixture.touched(self.steps)
        errors = [error["sqlstate"] for each in self.players for error in each.raised]
        return {
            "choices": self.choices,
            "enabled": self.enabled,
            "steps": self.steps,
            "responses": [each.result() for each in self.players],
            "rows": {} if self.stuck else fixture.rows(touched),
            "deadlock": DEADLOCK in errors,
            "stuck": self.stuck,
            "broken": broken,
        }


def known_to_wait(player: Player) -> bool:
    return bool(player.in_database and player.step.get("waited"))


def named(player: Player) -> str:
    return f"request {player.number + 1}"


def processor_time(thread: threading.Thread) -> float | None:
    try:
        return time.clock_gettime(time.pthread_getcpuclockid(thread.ident or 0))
    except OSError:
        return None  # it has just ended
