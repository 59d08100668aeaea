"""SQLite error texts -> result code, table and columns.

Source: SQLite, "Result and Error Codes"; the texts are those of its sources (sqlite3UniqueConstraint, vdbe.c, main.c).
"""

import re
from itertools import islice
from typing import Final

from analysis.evidence.pgerrors import LONGEST, MOST_STARTS, DatabaseError

ENDS: Final = r"[ \t]*(?=\n|\)|\Z)"
"""Behind a text that is as short as prose."""

PLACES: Final = r"(?P<places>[^\n)]{1,2000})"

TEXTS: Final = (
    ("SQLITE_CONSTRAINT_UNIQUE", rf"UNIQUE constraint failed: {PLACES}"),
    ("SQLITE_CONSTRAINT_NOTNULL", rf"NOT NULL constraint failed: {PLACES}"),
    ("SQLITE_CONSTRAINT_CHECK", r"CHECK constraint failed: (?P<constraint>[^\n)]{1,255})"),
    ("SQLITE_CONSTRAINT_FOREIGNKEY", rf"FOREIGN KEY constraint failed{ENDS}"),
    ("SQLITE_BUSY", rf"(?:The )?database (?:file )?is locked{ENDS}"),
    ("SQLITE_BUSY", r"The database file is locked \("),
    ("SQLITE_LOCKED", r"database (?:schema|table) is locked: (?P<table>[^\s)]{1,255})"),
    ("SQLITE_READONLY", rf"attempt to write a readonly database{ENDS}"),
    ("SQLITE_ERROR", rf"no such table: (?P<table>[^\s)]{{1,255}}){ENDS}"),
)
PATTERNS: Final = tuple((code, re.compile(text)) for code, text in TEXTS)
START: Final = re.compile(r"(?:\A|\n|: {1,2}|\) |\] )(?=[A-Zadn])")


def sqlite_error(text: str) -> DatabaseError | None:
    """What an SQLite error text says, or None when it is no such text.

    Out: error_code is the name of the result code. SQLite knows no SQLSTATE and prints no values; of a unique index on
    an expression it names the index: `UNIQUE constraint failed: index 'name'`.
    """
    found = recognised(text[:LONGEST])
    return None if found is None else described(found[0], found[1].groupdict())


def start(text: str) -> int | None:
    """Where the first error text begins."""
    found = recognised(text)
    return None if found is None else found[1].start()


def recognised(text: str) -> tuple[str, re.Match[str]] | None:
    """Result code and match of the first error text."""
    for place in islice(START.finditer(text), MOST_STARTS):
        for code, pattern in PATTERNS:
            if match := pattern.match(text, place.end()):
                return code, match
    return None


def described(code: str, named: dict[str, str | None]) -> DatabaseError:
    """The error that a text names."""
    places = (named.get("places") or "").strip()
    if places.startswith("index '"):
        return DatabaseError(None, places.removeprefix("index '").rstrip("'"), error_code=code)
    parts = [place.strip().rpartition(".") for place in places.split(",") if place.strip()]
    table = parts[0][0] if parts else named.get("table")
    constraint = (named.get("constraint") or "").strip()
    return DatabaseError(
        None, constraint or None, tuple(name for _, _, name in parts), (), table or None, code
    )
