"""Everything that a request sends to the database passes here, and waits until it is let go."""

from __future__ import annotations

import functools
import re
import sys
import threading
from collections.abc import Callable
from typing import Any

from django.core.signals import got_request_exception
from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.backends.utils import CursorWrapper

from .database import TEXT, described
from .places import application_line

HERE = threading.local()  # .player: whose request this thread serves
STRAYS: list[str] = []  # lines that sent something from a thread that the application has started
KINDS = (
    (re.compile(r"SAVEPOINT\b", re.I), "savepoint"),
    (re.compile(r"RELEASE\b", re.I), "release"),
    (re.compile(r"ROLLBACK\b.*\bTO\b", re.I | re.S), "rollback_to"),
    (re.compile(r"(ROLLBACK|ABORT)\b", re.I), "rollback"),
    (re.compile(r"(COMMIT|END)\b", re.I), "commit"),
    (re.compile(r"(BEGIN|START)\b", re.I), "begin"),
)
THREAD_IN_SAVEPOINT = re.compile(r"\bs\d+_(?=x\d+\b)")  # Django puts the thread's number into the name
LEADING_COMMENT = re.compile(r"\s*(/\*.*?\*/|--[^\n]*\n)", re.S)


def hook_everything() -> None:
    """From now on each step of a player's thread waits to be let go."""
    for name in ("_execute", "_executemany"):
        setattr(CursorWrapper, name, hooked(getattr(CursorWrapper, name), a_statement))
    for name, kind in (("_commit", "commit"), ("_rollback", "rollback")):
        setattr(
            BaseDatabaseWrapper,
            name,
            hooked(getattr(BaseDatabaseWrapper, name), the_end_of_a_transaction(kind)),
        )
    connection_created.connect(note_session, weak=False)
    got_request_exception.connect(note_unhandled, weak=False)


def hooked(
    original: Callable[..., Any], describe: Callable[..., dict[str, Any] | None]
) -> Callable[..., Any]:
    @functools.wraps(original)
    def call(self: Any, *arguments: Any) -> Any:
        player = getattr(HERE, "player", None)
        database = getattr(self, "db", self)
        step = describe(database, *arguments) if player else None
        if not player and threading.current_thread() is not threading.main_thread():
            STRAYS.append(application_line("commit"))
        if not player or not step:
            return original(self, *arguments)
        player.stop_before(step, database)
        try:
            result = original(self, *arguments)
            if step["kind"] == "statement":
                step["rows"] = self.cursor.rowcount
            return result
        except DatabaseError as error:
            step["error"] = described(error)
            raise
        finally:
            player.leave(step)

    return call


def a_statement(database: Any, sql: Any, params: Any = None, *_: Any) -> dict[str, Any]:
    text = sql if isinstance(sql, str) else sql.as_string(database.connection)  # psycopg's own composition
    text = THREAD_IN_SAVEPOINT.sub("s_", text)
    while comment := LEADING_COMMENT.match(text):
        text = text[comment.end() :]
    kind = next((kind for pattern, kind in KINDS if pattern.match(text.lstrip())), "statement")
    return a_step(kind, text.strip(), "" if params is None else repr(params), bool(database.autocommit))


def the_end_of_a_transaction(kind: str) -> Callable[[Any], dict[str, Any] | None]:
    def describe(database: Any) -> dict[str, Any] | None:
        idle = database.connection is None or database.connection.info.transaction_status == 0
        return None if idle else a_step(kind)  # nothing was begun: nothing is sent

    return describe


def a_step(kind: str, sql: str = "", params: str = "", autocommit: bool = False) -> dict[str, Any]:
    given = {"kind": kind, "sql": sql[:TEXT], "params": params[:TEXT], "autocommit": autocommit}
    return {
        **given,
        "line": application_line(kind),
        "rows": None,
        "waited": False,
        "through": None,
        "error": None,
    }


def note_session(sender: Any, connection: Any, **_: Any) -> None:
    player = getattr(HERE, "player", None)
    if player:
        player.sessions.append(connection.connection.info.backend_pid)


def note_unhandled(sender: Any, request: Any = None, **_: Any) -> None:
    player = getattr(request, "race_player", None)
    error = sys.exc_info()[1]
    if player and error:
        player.error = described(error)
