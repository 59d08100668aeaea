"""Which request raised which exception and ran which statement: by id, and by evidence where ids leave some over.

Evidence costs nothing where every exception and session is linked by its id. Where it is looked at, what is left is
first put aside in temporary tables: views on the log are read once.
"""

from functools import cache
from typing import Final

import duckdb
import ibis

from analysis import engine
from analysis.schema import TABLES, table
from analysis.signals import linking
from analysis.signals.correlate import by_request_id

Connection = duckdb.DuckDBPyConnection

OPEN_EXCEPTIONS: Final = """
CREATE OR REPLACE TEMP TABLE open_exceptions AS
SELECT * FROM exceptions ANTI JOIN links ON to_record = record_id AND to_table = 'exceptions'
ANTI JOIN flags USING (record_id)
"""

RAISED_IN: Final = """
CREATE OR REPLACE TEMP TABLE raised_in AS SELECT * REPLACE (NULL AS fields, NULL AS text) FROM records
SEMI JOIN exceptions USING (record_id)
"""

OPEN_STATEMENTS: Final = """
CREATE OR REPLACE TEMP TABLE open_statements AS
SELECT * FROM statements
WHERE (source_id, session) NOT IN (
    SELECT (source_id, session) FROM statements JOIN links ON to_record = record_id AND to_table = 'statements'
    WHERE session IS NOT NULL
)
"""
"""Sessions in which an id is known serve requests that say so; what they run without one is not a request's."""

TEMPORARY: Final = ("open_exceptions", "raised_in", "open_statements")

FORGED: Final = """
DELETE FROM links WHERE from_record IN (SELECT record_id FROM flags) OR to_record IN (SELECT record_id FROM flags)
OR from_record IN (SELECT record_id FROM retold)
"""


def load_links(connection: Connection) -> None:
    """Fill `links` from the promised tables before it: by id, then by evidence for what no id links.

    What may be forged is linked to nothing: it carries whatever id its author wrote.
    """
    connection.execute(f"INSERT INTO links BY NAME {_by_id()}")
    connection.execute(FORGED)
    connection.execute(OPEN_STATEMENTS)
    if _any(connection, "open_statements"):
        connection.execute(f"INSERT INTO links BY NAME {_statements()}")
    connection.execute(OPEN_EXCEPTIONS)
    if _any(connection, "open_exceptions"):
        connection.execute(RAISED_IN)
        connection.execute(f"INSERT INTO links BY NAME {_exceptions()}")
    for name in TEMPORARY:
        connection.execute(f"DROP TABLE IF EXISTS {name}")


def _any(connection: Connection, name: str) -> bool:
    return bool(connection.execute(f"SELECT EXISTS (FROM {name})").fetchall()[0][0])


def _genuine() -> ibis.Table:
    return table("requests").anti_join(table("flags"), "record_id").anti_join(table("retold"), "record_id")


@cache
def _by_id() -> str:
    return engine.to_sql(
        by_request_id(*(table(name) for name in ("requests", "exceptions", "records", "statements")))
    )


@cache
def _statements() -> str:
    of_open = ibis.table(TABLES["statements"], name="open_statements")
    return engine.to_sql(
        linking.statements_by_evidence(_genuine(), of_open, table("statements"), table("links"))
    )


@cache
def _exceptions() -> str:
    of_open = ibis.table(TABLES["exceptions"], name="open_exceptions")
    raised_in = ibis.table(TABLES["records"], name="raised_in")
    given = (table(name) for name in ("sources", "statements", "links"))
    return engine.to_sql(linking.exceptions_by_evidence(_genuine(), of_open, raised_in, *given))
