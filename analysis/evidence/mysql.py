"""Records of MySQL's and MariaDB's slow and general logs -> statements.

Source: MySQL 8.4 manual, sections "The Slow Query Log" and "The General Query Log"; MariaDB Knowledge Base, "Slow Query
Log Overview". A statement stands there as it came, with whatever line breaks it has.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pandas as pd

from analysis.evidence.mysqlerrors import SQLSTATES
from analysis.evidence.postgres import Key, Line, Statement, as_table, attribute, lines
from analysis.evidence.sqltext import LONGEST, left_open, read_mysql

MOST_PIECES: Final = 5
"""Records that one statement with headers in its text is looked for in."""

OPENING_US: Final = 1_000
"""Lock_time counts the opening of the tables as well, which takes tens of µs: less is no wait for anybody."""

NO_STATEMENT: Final = re.compile(r"(?:#[^\n]*\n?|\s)*")
"""Nothing but comments, as in `# administrator command: Quit`."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record: its line, its whole text, and what its header says of the statement. query None: it fits nothing."""

    line: Line
    text: str
    query: str | None
    duration_us: int | None
    wait_us: int | None
    marks: str
    errno: str | None


def statements(records: pd.DataFrame, request_key: str = "request_id") -> pd.DataFrame:
    """The statements that a slow or general log of MySQL shows, as the promised table.

    In:  records of `sql.STATEMENT_LINES`, in file order. request_key: the name that carries the request's id in SQL
         comments.
    Out: one row a statement, by record_id. A slow log's stamp is finished_us, and started_us = stamp - Query_time; a
         general log's is started_us, and finished_us is NULL. wait_us is Lock_time from a millisecond on: in the
         logs of MySQL 8 that were at hand with the waits for rows, of MariaDB 10.11 (measured) without. sqlstate,
         and error as `error 1062`, where a log tells the error's number. Requests are attributed as
         `postgres.statements` does.

    A line within a statement that looks like a header cuts its record in two. They are put together where the first
    ends within a string or comment, and one behind it closes that, but not what it opened itself: a statement with an
    unpaired quote that the server refused is logged too, and what follows it is no part of it.
    """
    found: list[Statement] = []
    sessions: dict[Key, list[Statement]] = {}
    for entry in whole(list(entries(records))):
        if entry.query is None or NO_STATEMENT.fullmatch(entry.query):
            continue
        one = statement(entry)
        found.append(one)
        sessions.setdefault(entry.line.key, []).append(one)
    for of_session in sessions.values():
        attribute(of_session, request_key)
    return as_table(found, {})


def entries(records: pd.DataFrame) -> Iterator[Entry]:
    """Rows as entries, NULL as None."""
    names = ("text", "query", "duration_us", "wait_us", "marks", "errno")
    columns = [records[name].astype(object).where(records[name].notna(), None).tolist() for name in names]
    for line, text, query, *times, marks, errno in zip(lines(records), *columns, strict=True):
        duration_us, wait_us = (None if time is None else int(time) for time in times)
        yield Entry(line, text or "", query, duration_us, wait_us, marks, errno)


def whole(found: list[Entry]) -> Iterator[Entry]:
    """The entries, those that lines of a statement's own text began taken into it."""
    at = 0
    while at < len(found):
        entry, end = found[at], at + 1
        if entry.query is not None and (mark := left_open(entry.query)):
            end, query = closed(found, at, mark)
            entry = replace(entry, query=query)
        yield entry
        at = end


def closed(found: list[Entry], at: int, mark: str) -> tuple[int, str]:
    """Where the statement that the entry at `at` leaves open ends, and its text; as it is if no entry closes it."""
    first = found[at]
    query = first.query or ""
    text = first.text[max(0, first.text.rfind(query)) :]
    for end in range(at + 1, min(at + 1 + MOST_PIECES, len(found))):
        if found[end].line.source_id != first.line.source_id or len(text) > LONGEST:
            break
        text += "\n" + found[end].text
        if closes(found[end], mark) and not left_open(text):
            return end + 1, text.rstrip().removesuffix(";")
    return at + 1, query


def closes(entry: Entry, mark: str) -> bool:
    """Whether an entry is no statement by itself, but may be the rest of one: it ends what it did not begin."""
    if entry.query is None:
        return True
    if mark == "/*":
        return entry.query.count("*/") > entry.query.count("/*")
    return left_open(entry.query) is not None or any(mark in one for one in read_mysql(entry.query).comments)


def statement(entry: Entry) -> Statement:
    """One entry as a statement."""
    times: dict[str, Any] = {}
    stamp, duration_us = entry.line.logged_us, entry.duration_us
    if entry.marks == "start":
        times["started_us"] = stamp
    else:
        times["finished_us"] = stamp
        times["started_us"] = None if stamp is None or duration_us is None else stamp - duration_us
    if entry.wait_us is not None and entry.wait_us >= OPENING_US:
        times["wait_us"] = entry.wait_us
    if entry.errno not in (None, "0"):
        times["sqlstate"] = SQLSTATES.get(str(entry.errno), "HY000")
        times["error"] = f"error {entry.errno}"
    return Statement(entry.line, entry.query or "", **times, read=read_mysql)
