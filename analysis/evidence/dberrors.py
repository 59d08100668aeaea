"""The database's error in an exception's message, whatever database and driver it comes from."""

import re
from dataclasses import replace
from typing import Final

from analysis.evidence import mysqlerrors, pgerrors, sqliteerrors
from analysis.evidence.mysqlerrors import mysql_error
from analysis.evidence.pgerrors import LONGEST, DatabaseError
from analysis.evidence.sqliteerrors import sqlite_error

STATEMENTS: Final = (
    ("[SQL: ", ("]\n[parameters: ", "] [parameters: ", "]\n(Background on", "] (Background on", "]\n", "]")),
    ("; SQL [", ("]; ",)),
    ("\n  sql: '", ("',\n", "'\n")),
    ("\n  sql: `", ("`,\n", "`\n")),
)
"""What stands before and behind a statement: SQLAlchemy (twice, 1.3 and 1.4 on), Spring, mysql2 for Node."""

IN_QUOTES: Final = re.compile(r"u?(['\"])(.*)\1", re.DOTALL)


def database_error(text: str) -> DatabaseError | None:
    """What the error text of PostgreSQL, MySQL, MariaDB or SQLite in `text` says; None where there is none.

    In: one exception's message, with all its lines. Out: `sql` is the statement, where the message quotes it.
    """
    text = text[:LONGEST]
    found = mysql_error(text) or sqlite_error(text) or pgerrors.database_error(text)
    return None if found is None else replace(found, sql=statement(text))


def error_start(text: str) -> int | None:
    """Where the first error text of a database begins."""
    found = (
        search(text[:LONGEST]) for search in (pgerrors.error_start, mysqlerrors.start, sqliteerrors.start)
    )
    return min((start for start in found if start is not None), default=None)


def statement(text: str) -> str | None:
    """The SQL that a message quotes."""
    for before, behind in STATEMENTS:
        start = text.find(before)
        if start < 0:
            continue
        start += len(before)
        ends = (text.find(one, start) for one in behind)
        end = next((one for one in ends if one >= 0), None)
        if end is not None:
            said = text[start:end]
            quoted = IN_QUOTES.fullmatch(said)
            return quoted[2] if quoted else said
    return None
