"""PostgreSQL error texts, as a driver or the server prints them -> SQLSTATE, constraint, key.

Source: PostgreSQL manual, appendix A "PostgreSQL Error Codes"; the English texts are those of the server's
sources (src/backend, messages of the executor, the lock manager and the constraint checks).
"""

import re
from dataclasses import dataclass
from itertools import islice
from typing import Final

LONGEST: Final = 65_536
"""Characters of a text that are looked at: an error text is short, a hostile one need not be."""

MOST_STARTS: Final = 200

NAME: Final = r'"(?P<{}>[^"\n]{{1,255}})"'
TABLE: Final = NAME.format("table")
CONSTRAINT: Final = NAME.format("constraint")
COLUMN: Final = NAME.format("column")
LAST_TABLE: Final = NAME.format("last_table")

TEXTS: Final[tuple[tuple[str, str], ...]] = (
    ("23505", rf"duplicate key value violates unique constraint {CONSTRAINT}"),
    ("23505", rf"could not create unique index {CONSTRAINT}"),
    ("23503", rf"insert or update on table {TABLE} violates foreign key constraint {CONSTRAINT}"),
    (
        "23503",
        rf"update or delete on table {TABLE} violates foreign key constraint {CONSTRAINT} on table {LAST_TABLE}",
    ),
    (
        "23001",
        rf"update or delete on table {TABLE} violates RESTRICT setting of foreign key constraint {CONSTRAINT}"
        rf" on table {LAST_TABLE}",
    ),
    ("23502", rf"null value in column {COLUMN}(?: of relation {TABLE})? violates not-null constraint"),
    ("23514", rf"new row for relation {TABLE} violates check constraint {CONSTRAINT}"),
    ("23514", rf"check constraint {CONSTRAINT} of relation {TABLE} is violated by some row"),
    ("23P01", rf"conflicting key value violates exclusion constraint {CONSTRAINT}"),
    ("40001", r"could not serialize access due to (?:concurrent|read/write)"),
    ("40001", r"canceling statement due to conflict with recovery"),
    ("40P01", r"deadlock detected[ \t]*(?=\n|$)"),
    ("55P03", rf"could not obtain lock on (?:row in )?relation {TABLE}"),
    ("55P03", r"canceling statement due to lock timeout"),
    ("57014", r"canceling statement due to (?:statement timeout|user request)"),
    ("57014", r"canceling autovacuum task"),
    ("25P02", r"current transaction is aborted, commands ignored until end of transaction block"),
    ("25P03", r"terminating connection due to idle-in-transaction timeout"),
    ("57P01", r"terminating connection due to administrator command"),
    ("53300", r"sorry, too many clients already|remaining connection slots are reserved"),
    ("22001", r"value too long for type character"),
    ("22003", r"numeric field overflow"),
    ("22P02", r"invalid input syntax for type"),
    ("42P01", rf"relation {TABLE} does not exist"),
    ("42501", r"permission denied for (?:table|relation) "),
    ("42601", r'syntax error at or near "'),
)
PATTERNS: Final = tuple((sqlstate, re.compile(text)) for sqlstate, text in TEXTS)

START: Final = re.compile(r"(?:\A|\n|: {1,2}|\) )(?=[a-z])")
"""Where an error text may begin: a line's start, or behind `SomeError: `, `ERROR:  ` or `(SomeError) `."""

STATED: Final = re.compile(r"SQLSTATE[\s:=\[(]{1,4}([0-9A-Z]{5})\b|(?:\A|\n)ERROR:[ ]{1,4}([0-9A-Z]{5}): ")

CLASSES: Final = {
    "UniqueViolation": "23505",
    "ForeignKeyViolation": "23503",
    "RestrictViolation": "23001",
    "NotNullViolation": "23502",
    "CheckViolation": "23514",
    "ExclusionViolation": "23P01",
    "SerializationFailure": "40001",
    "DeadlockDetected": "40P01",
    "LockNotAvailable": "55P03",
    "QueryCanceled": "57014",
    "InFailedSqlTransaction": "25P02",
}
"""Exception classes of psycopg and (with `Error` behind it) asyncpg: they tell where the text is translated."""

KEY_ENDS: Final = (
    ") already exists.",
    ") is not present in table ",
    ") is still referenced from table ",
    ") conflicts with existing key (",
    ") is duplicated.",
)


@dataclass(frozen=True)
class DatabaseError:
    """What a database's error text says.

    error_code: the database's own code, where that is no SQLSTATE. sql: the statement that the text quotes.
    """

    sqlstate: str | None
    constraint_name: str | None = None
    key_columns: tuple[str, ...] = ()
    key_values: tuple[str, ...] = ()
    table_name: str | None = None
    error_code: str | None = None
    sql: str | None = None


def database_error(text: str) -> DatabaseError | None:
    """What a PostgreSQL error text says, or None when it is no such text.

    In: one error with its DETAIL, as psycopg, Django or the server's log print it. An SQLSTATE that the text
    states (`SQLSTATE 23505`, `ERROR:  23505: …`) wins over one concluded from the English message.
    Out: key_values has one entry a column, or the raw text as one entry where the commas cannot be told apart.
    """
    text = text[:LONGEST]
    stated = STATED.search(text)
    found = recognised(text)
    if found is None and stated is None:
        return None
    named = {} if found is None else found[1].groupdict()
    sqlstate = (stated[1] or stated[2]) if stated else (None if found is None else found[0])
    columns, values = key(text)
    if named.get("column"):
        columns, values = (named["column"],), ()
    return DatabaseError(
        sqlstate, named.get("constraint"), columns, values, named.get("last_table") or named.get("table")
    )


def sqlstate_of_class(exception_type: str) -> str | None:
    """The SQLSTATE that a driver's exception class stands for: psycopg.errors.UniqueViolation -> 23505."""
    name = exception_type.replace("::", ".").rpartition(".")[2]
    return CLASSES.get(name) or CLASSES.get(name.removesuffix("Error"))


def error_start(text: str) -> int | None:
    """Where the first English error message of the text begins."""
    found = recognised(text[:LONGEST])
    return None if found is None else found[1].start()


def recognised(text: str) -> tuple[str, re.Match[str]] | None:
    """SQLSTATE and match of the first English error message in the text."""
    for start in islice(START.finditer(text), MOST_STARTS):
        for sqlstate, pattern in PATTERNS:
            if match := pattern.match(text, start.end()):
                return sqlstate, match
    return None


def key(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Columns and values of `Key (job_id, status)=(4521, completed) already exists.`; empty where there is none."""
    start = text.find("Key (")
    middle = text.find(")=(", start)
    if start < 0 or middle < 0:
        return (), ()
    end = max(text.rfind(ending) for ending in KEY_ENDS[:3])
    if end <= middle:
        end = max(text.find(ending, middle) for ending in KEY_ENDS[3:])
    if end <= middle:
        return (), ()
    columns = top_level(text[start + len("Key (") : middle])
    return columns, split_values(text[middle + len(")=(") : end], len(columns))


def split_values(raw: str, count: int) -> tuple[str, ...]:
    """The values of a key of `count` columns.

    PostgreSQL prints them bare, so a value may itself hold ", ". Each value gives at least one part: as many
    parts as columns can be split in one way only, more parts in several, and then nothing is guessed.
    """
    parts = tuple(raw.split(", "))
    return parts if len(parts) == count else (raw,)


def top_level(columns: str) -> tuple[str, ...]:
    """Column names or expressions, split at the commas outside parentheses and quotes."""
    found, start, depth, quoted = [], 0, 0, ""
    for position, character in enumerate(columns):
        if quoted:
            quoted = "" if character == quoted else quoted
        elif character in "\"'":
            quoted = character
        elif character in "()":
            depth += 1 if character == "(" else -1
        elif character == "," and depth == 0:
            found.append(columns[start:position].strip())
            start = position + 1
    return (*found, columns[start:].strip())
