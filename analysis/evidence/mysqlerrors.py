"""MySQL and MariaDB error texts, as a driver prints them -> SQLSTATE, error number, constraint, table, key.

Source: MySQL 8.4 Error Message Reference, "Server Error Message Reference" and "Client Error Message Reference";
MariaDB Knowledge Base, "MariaDB Error Codes".
"""

import re
from itertools import islice
from typing import Final

from analysis.evidence.pgerrors import LONGEST, MOST_STARTS, DatabaseError

QUOTED: Final = r"'(?P<{}>[^'\n]{{1,255}})'"
NAME: Final = r"`(?P<{}>[^`\n]{{1,255}})`"
COLUMN: Final = QUOTED.format("column")
OF_TABLE: Final = rf"(?:`[^`\n]{{1,255}}`\.)?{NAME.format('table')}"
CHILD: Final = (
    rf"(?: \({OF_TABLE}(?:, CONSTRAINT {NAME.format('constraint')})?"
    r"(?: FOREIGN KEY \((?P<columns>[^()\n]{1,1000})\))?)?"
)
AGAIN: Final = "; try restarting transaction"

TEXTS: Final[tuple[tuple[str, str, str], ...]] = (
    ("23000", "1062", r"Duplicate entry '"),  # the rest is read by `duplicate`: a value may hold quotes
    ("23000", "1452", rf"Cannot add or update a child row: a foreign key constraint fails{CHILD}"),
    ("23000", "1451", rf"Cannot delete or update a parent row: a foreign key constraint fails{CHILD}"),
    ("23000", "1048", rf"Column {COLUMN} cannot be null\b"),
    ("HY000", "1364", rf"Field {COLUMN} doesn't have a default value"),
    ("HY000", "3819", rf"Check constraint {QUOTED.format('constraint')} is violated"),
    ("23000", "4025", rf"CONSTRAINT {NAME.format('constraint')} failed for {OF_TABLE}"),
    ("40001", "1213", rf"Deadlock found when trying to get lock{AGAIN}"),
    ("HY000", "1205", rf"Lock wait timeout exceeded{AGAIN}"),
    ("HY000", "1020", rf"Record has changed since last read in table {QUOTED.format('table')}"),
    ("HY000", "3572", r"Statement aborted because lock\(s\) could not be acquired immediately"),
    ("HY000", "3024", r"Query execution was interrupted, maximum statement execution time exceeded"),
    ("70100", "1317", r"Query execution was interrupted"),
    ("22001", "1406", rf"Data too long for column {COLUMN} at row "),
    ("22003", "1264", rf"Out of range value for column {COLUMN} at row "),
    ("42S02", "1146", rf"Table {QUOTED.format('table')} doesn't exist"),
    ("08004", "1040", r"Too many connections"),
    ("HY000", "2006", r"(?:MySQL s|S)erver has gone away"),
    ("HY000", "2013", r"Lost connection to (?:MySQL )?server during query"),
)
PATTERNS: Final = tuple((sqlstate, code, re.compile(text)) for sqlstate, code, text in TEXTS)
SQLSTATES: Final = {code: sqlstate for sqlstate, code, _ in TEXTS}
"""By error number."""

START: Final = re.compile(r"""(?:\A|\n|: {1,2}|\) |; |\(\d{4}, b?["']|\b\d{4} |\) \()(?=[A-Z])""")
"""Where an error text may begin: a line's start, or behind `SomeError: `, `(conn=7) `, `(1062, "`, `1062 `."""

DUPLICATE_KEY: Final = re.compile(r"' for key (?:'([^'\n]{1,255})'|(\d{1,5}))")
ESCAPED: Final = "\\'"


def mysql_error(text: str) -> DatabaseError | None:
    """What a MySQL or MariaDB error text says, or None when it is no such text.

    Out: error_code is the server's error number. For error 1062 key_values is the key as printed, whose columns the
    server joins by `-` and does not name; constraint_name is the index. table_name is without its database.
    """
    text = text[:LONGEST].replace(ESCAPED, "'")
    found = recognised(text)
    if found is None:
        return None
    sqlstate, code, match = found
    return duplicate(text, match.end()) if code == "1062" else described(sqlstate, code, match)


def start(text: str) -> int | None:
    """Where the first error text begins."""
    found = recognised(text)
    return None if found is None else found[2].start()


def recognised(text: str) -> tuple[str, str, re.Match[str]] | None:
    """SQLSTATE, error number and match of the first error text."""
    for place in islice(START.finditer(text), MOST_STARTS):
        for sqlstate, code, pattern in PATTERNS:
            if match := pattern.match(text, place.end()):
                return sqlstate, code, match
    return None


def described(sqlstate: str, code: str, match: re.Match[str]) -> DatabaseError:
    """The error that a text names."""
    named = match.groupdict()
    columns = (named["column"],) if named.get("column") else key_columns(named.get("columns") or "")
    table = (named.get("table") or "").rpartition(".")[2]
    return DatabaseError(sqlstate, named.get("constraint"), columns, (), table or None, code)


def duplicate(text: str, value_start: int) -> DatabaseError | None:
    """Error 1062; since MySQL 8.0.19 its index is `table.index`."""
    end = DUPLICATE_KEY.search(text, value_start)
    if end is None:
        return None
    table, _, index = (end[1] or end[2]).rpartition(".")
    return DatabaseError(
        "23000", index, (), (text[value_start : end.start()],), table.rpartition(".")[2] or None, "1062"
    )


def key_columns(listed: str) -> tuple[str, ...]:
    """The names of "`job_id`, `status`"."""
    return tuple(name.strip().strip("`") for name in listed.split(",") if name.strip())
