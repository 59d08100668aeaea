"""PostgreSQL log records -> statements.

Source: PostgreSQL manual, section 19.8 "Error Reporting and Logging": log_statement, log_duration,
log_min_duration_statement, log_lock_waits; chapter "Frontend/Backend Protocol", "Extended Query": parse, bind, execute.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import InitVar, dataclass, field, fields, replace
from typing import Any, Final

import ibis
import pandas as pd

from analysis.evidence.pgerrors import database_error
from analysis.evidence.sqltext import SqlText, comment_value, read_sql
from analysis.schema import TABLES

STARTED: Final = re.compile(r"(?:statement|execute [^:\n]{1,200}): ")
TIMED: Final = re.compile(
    r"duration: (\d{1,12})\.(\d{3}) ms(?:$|  (statement|execute|parse|bind)\b[^:\n]{0,200}: )"
)
WAITED: Final = re.compile(
    r"process (\d+) (still waiting for|acquired|avoided deadlock for|detected deadlock while waiting for"
    r"|failed to acquire) (\w+) on (.{1,500}) after (\d{1,12})\.(\d{3}) ms$"
)
PARAMETERS: Final = re.compile(r"parameters: ", re.IGNORECASE)
LOGGED: Final = frozenset({"LOG", None})
FAILED: Final = frozenset({"ERROR", "FATAL", "PANIC"})
FOLLOWING: Final = frozenset({"DETAIL", "STATEMENT", "HINT", "CONTEXT", "QUERY", "LOCATION"})
"""Levels of lines in a stderr log that carry on the one before."""
ENDS_WAIT: Final = frozenset({"acquired", "failed to acquire"})
ENDS_TRANSACTION: Final = frozenset({"commit", "rollback"})
IN_TRANSACTION: Final = ENDS_TRANSACTION | {"savepoint"}

Key = tuple[int | None, str]
"""A session: the source that shows it, and its id there."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record of a database log."""

    record_id: int
    source_id: int | None = None
    line_no: int | None = None
    logged_us: int | None = None
    resolution_us: int | None = None
    process: str | None = None
    session: str | None = None
    vxid: str | None = None
    xid: int | None = None
    level: str | None = None
    message: str | None = None
    detail: str | None = None
    query: str | None = None
    sqlstate: str | None = None
    request_id: str | None = None
    clock: str | None = None
    writer: str | None = None

    @property
    def key(self) -> Key:
        """Whose line it is. A line that names neither session nor process stands alone."""
        return self.source_id, self.session or self.process or f"record {self.record_id}"


@dataclass(slots=True)
class Statement:
    """One row of the promised table `statements`, while it is being put together."""

    line: Line
    sql: str
    started_us: int | None = None
    finished_us: int | None = None
    wait_us: int | None = None
    params: str | None = None
    sqlstate: str | None = None
    error: str | None = None
    request_id: str | None = None
    read: InitVar[Callable[[str], SqlText]] = read_sql
    text: SqlText = field(init=False)

    def __post_init__(self, read: Callable[[str], SqlText]) -> None:
        self.text = read(self.sql)


@dataclass(slots=True)
class Session:
    """What one session is at: the statement that runs, and its waits so far."""

    running: Statement | None = None
    waited_us: int = 0
    waiting_us: int = 0
    statements: list[Statement] = field(default_factory=list)

    def waits(self) -> int | None:
        """µs spent in the waits reported since the last call; None where none was."""
        total, self.waited_us, self.waiting_us = self.waited_us + self.waiting_us, 0, 0
        return total or None

    def end(self, finished_us: int | None) -> None:
        """The running statement, if one runs, is over; its end may be unknown. The waits so far were its own."""
        wait_us, running, self.running = self.waits(), self.running, None
        if running is not None:
            running.finished_us, running.wait_us = finished_us, wait_us


def statements(records: pd.DataFrame, request_key: str = "request_id") -> pd.DataFrame:
    """The statements that a database's log shows, as the promised table.

    In:  records of database sources in file order (columns of `Line`; those not given are NULL). request_key:
         the name that carries the request's id in SQL comments.
    Out: one row a statement, by record_id: its `statement:` or `execute:` line, else its duration or error line.
         started_us is the stamp of the starting line, finished_us that of its duration or error line. Where one
         line gives text and duration, its stamp is the finish and started_us = stamp - duration. NULL: not shown.
         wait_us adds up what log_lock_waits reports; a wait that ended in an error counts as far as reported.
         Parse and bind steps are no statements, nor are durations whose text no line gives. BEGIN has the
         request of the next commented statement of its transaction, COMMIT, ROLLBACK and savepoints that of the
         one before. xid is that of the whole transaction, also before it was assigned.
    """
    sessions: dict[Key, Session] = {}
    xids: dict[tuple[Key, str], int] = {}
    for line in joined(lines(records)):
        if line.vxid and line.xid:
            xids[line.key, line.vxid] = line.xid
        take(line, sessions.setdefault(line.key, Session()))
    for session in sessions.values():
        session.end(None)
        attribute(session.statements, request_key)
    found = [one for session in sessions.values() for one in session.statements]
    return as_table(sorted(found, key=lambda one: one.line.record_id), xids)


def lines(records: pd.DataFrame) -> Iterator[Line]:
    """Records -> lines, NULL as None; vxid `3/0` and xid 0 say "none" and become None."""
    names = [one.name for one in fields(Line)]
    known = records.reindex(columns=names)
    columns = [known[name].astype(object).where(known[name].notna(), None).tolist() for name in names]
    vxid, xid = names.index("vxid"), names.index("xid")
    columns[vxid] = [None if one is None or one.endswith("/0") else one for one in columns[vxid]]
    columns[xid] = [int(one or 0) or None for one in columns[xid]]
    yield from map(Line, *columns)


def joined(found: Iterator[Line]) -> Iterator[Line]:
    """Lines with the DETAIL and STATEMENT lines of a stderr log, which stand right behind, taken into them."""
    held: Line | None = None
    for line in found:
        if held is not None and line.level in FOLLOWING and line.key == held.key:
            held = with_following(held, line)
        else:
            if held is not None:
                yield held
            held = line
    if held is not None:
        yield held


def with_following(line: Line, following: Line) -> Line:
    """A line with the text of the DETAIL or STATEMENT line behind it."""
    if following.level == "DETAIL":
        return replace(line, detail=following.message)
    return replace(line, query=following.message) if following.level == "STATEMENT" else line


def take(line: Line, session: Session) -> None:
    """Bring a session up to date with its next line."""
    message = line.message or ""
    if line.level in FAILED:
        fail(line, session)
    elif line.level not in LOGGED:
        return
    elif match := STARTED.match(message):
        session.end(None)
        session.running = Statement(line, message[match.end() :], line.logged_us, params=params(line))
        session.statements.append(session.running)
    elif match := TIMED.match(message):
        finish(line, match, session)
    elif match := WAITED.match(message):
        wait_us = microseconds(match[5], match[6])
        ended = match[2] in ENDS_WAIT
        session.waited_us += wait_us if ended else 0
        session.waiting_us = 0 if ended else wait_us


def finish(line: Line, match: re.Match[str], session: Session) -> None:
    """End the running statement at its duration line, or add the one that this line shows whole."""
    if match[3] is None:
        session.end(line.logged_us)
    elif match[3] in ("statement", "execute"):
        duration_us = microseconds(match[1], match[2])
        started_us = None if line.logged_us is None else line.logged_us - duration_us
        sql = (line.message or "")[match.end() :]
        session.statements.append(
            Statement(line, sql, started_us, line.logged_us, session.waits(), params(line))
        )


def fail(line: Line, session: Session) -> None:
    """End a statement at an error line: the running one if it is its text, else one that no line announced."""
    running = session.running
    if running is None or (line.query is not None and line.query.strip() != running.sql.strip()):
        session.running = None
        if line.query is None:
            return
        running = session.running = Statement(line, line.query)
        session.statements.append(running)
    running.error = (line.message or "") + (f"\nDETAIL:  {line.detail}" if line.detail else "")
    running.sqlstate = line.sqlstate or getattr(database_error(running.error), "sqlstate", None)
    session.end(line.logged_us)


def microseconds(whole_ms: str, thousandths: str) -> int:
    """`61` and `204` of `61.204 ms` -> 61204."""
    return int(whole_ms) * 1000 + int(thousandths)


def params(line: Line) -> str | None:
    """`$1 = '7'` of `Parameters: $1 = '7'`."""
    match = PARAMETERS.match(line.detail or "")
    return None if match is None or line.detail is None else line.detail[match.end() :]


def attribute(session: list[Statement], request_key: str) -> None:
    """Give each statement of a session its request: from its comment, else its line, else its transaction."""
    carried: str | None = None
    waiting: list[Statement] = []
    for one in session:
        kind = one.text.kind
        one.request_id = comment_value(one.text.comments, request_key) or one.line.request_id
        if kind == "begin":
            carried, waiting = None, []
        if one.request_id is not None:
            carried = one.request_id
            for earlier in waiting:
                earlier.request_id = carried
            waiting = []
        elif kind in IN_TRANSACTION:
            one.request_id = carried
        if one.request_id is None and kind in ("begin", "savepoint"):
            waiting.append(one)
        if kind in ENDS_TRANSACTION:
            carried, waiting = None, []


def as_table(found: list[Statement], xids: Mapping[tuple[Key, str], int]) -> pd.DataFrame:
    """Statements -> the promised columns in the promised order and types."""
    columns: dict[str, list[Any]] = {
        name: [getattr(one.line, name) for one in found]
        for name in ("record_id", "source_id", "line_no", "vxid", "resolution_us", "clock", "writer")
    }
    for name in ("request_id", "started_us", "finished_us", "wait_us", "sql", "params", "sqlstate", "error"):
        columns[name] = [getattr(one, name) for one in found]
    for name in ("shape", "table_name", "kind"):
        columns[name] = [getattr(one.text, name) for one in found]
    columns["session"] = [one.line.session or one.line.process for one in found]
    columns["xid"] = [one.line.xid or xids.get((one.line.key, one.line.vxid or "")) for one in found]
    return typed(columns, TABLES["statements"])


def typed(columns: Mapping[str, list[Any]], schema: ibis.Schema) -> pd.DataFrame:
    """The schema's columns: nullable integers where it promises integers, None for what is missing."""
    frame = pd.DataFrame({name: pd.Series(columns[name], dtype="object") for name in schema})
    return frame.astype({name: "Int64" for name in schema if schema[name].is_integer()})
