"""What one re-enactment of two or more requests did: data that schedule, oracle, mechanism and charts share.

A run is one order of steps. `worker.py` plays it in the application's own interpreter and sends it as JSON; `read_run`
makes it a Run. Everything else in `replay` that judges is pure: runs in, answers out.
"""

from dataclasses import dataclass, field
from typing import Any, Final

STATEMENT, COMMIT, ROLLBACK = "statement", "commit", "rollback"
SAVEPOINT, RELEASE, ROLLBACK_TO = "savepoint", "release", "rollback_to"
BEGIN: Final = "begin"


@dataclass(frozen=True)
class Request:
    """One request to re-enact. `body` as it is sent; `user` is the primary key of the one who is logged in, if any."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    user: str | None = None


@dataclass(frozen=True)
class DatabaseError:
    """An error as the database reported it; names and values as PostgreSQL's diagnostics give them."""

    type: str  # the exception's class: "django.db.utils.IntegrityError"
    sqlstate: str | None = None
    constraint: str | None = None
    table: str | None = None
    detail: str | None = None
    message: str = ""


@dataclass(frozen=True)
class Step:
    """One thing that a worker sent to the database: `steps[n]` is what `choices[n]` let go.

    A step that had to wait took effect later: just after `steps[through]`.
    `reads`, `writes`: tables; None: the statement could not be understood and may touch anything. `locks`: tables
    whose rows it locks without writing (`FOR UPDATE`, a foreign key's parent). `line`: the application's own line
    that issued it, "jobs/views.py:96", or "" where none is on the stack.
    """

    worker: int
    kind: str
    sql: str = ""
    params: str = ""
    reads: frozenset[str] | None = frozenset()
    writes: frozenset[str] | None = frozenset()
    locks: frozenset[str] | None = frozenset()
    rows: int | None = None  # rows returned or affected
    line: str = ""
    waited: bool = False  # it was blocked by another worker before it went through
    through: int | None = None  # where it waited: the step (its place in `steps`) after which it went through
    error: DatabaseError | None = None
    autocommit: bool = False  # takes effect at once: a statement outside any transaction


@dataclass(frozen=True)
class Response:
    """What a worker's request answered. `error`: the unhandled exception, or the last database error it raised."""

    status: int
    body: str = ""
    error: DatabaseError | None = None  # the unhandled one behind a 5xx
    raised: tuple[DatabaseError, ...] = ()  # every database error on the way, handled or not
    lines: frozenset[str] = frozenset()  # the watched lines that were executed: "jobs/views.py:98"


@dataclass(frozen=True)
class Run:
    """One order of steps and what came of it.

    `choices`   the worker that went at each step, as it happened: replaying them gives this run again
    `enabled`   who could have gone at each step
    `rows`      the final rows of each table that differs from the fixture: {table: [{column: value}, …]}; mail that
                was sent stands among them as "django.core.mail.outbox"
    `deadlock`  PostgreSQL found one (SQLSTATE 40P01)
    `stuck`     why the run could not be finished ("blocked outside PostgreSQL"), else None
    """

    choices: tuple[int, ...]
    enabled: tuple[tuple[int, ...], ...]
    steps: tuple[Step, ...]
    responses: tuple[Response, ...]
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    deadlock: bool = False
    stuck: str | None = None


def read_run(given: dict[str, Any]) -> Run:
    """The run that a worker sent as JSON."""
    return Run(
        choices=tuple(given["choices"]),
        enabled=tuple(tuple(each) for each in given["enabled"]),
        steps=tuple(_step(each) for each in given["steps"]),
        responses=tuple(_response(each) for each in given["responses"]),
        rows=given["rows"],
        deadlock=given["deadlock"],
        stuck=given["stuck"],
    )


def _step(given: dict[str, Any]) -> Step:
    tables = {
        name: None if given[name] is None else frozenset(given[name]) for name in ("reads", "writes", "locks")
    }
    return Step(**{**given, **tables, "error": _error(given["error"])})


def _response(given: dict[str, Any]) -> Response:
    return Response(
        status=given["status"],
        body=given["body"],
        error=_error(given["error"]),
        raised=tuple(DatabaseError(**each) for each in given["raised"]),
        lines=frozenset(given["lines"]),
    )


def _error(given: dict[str, Any] | None) -> DatabaseError | None:
    return None if given is None else DatabaseError(**given)
