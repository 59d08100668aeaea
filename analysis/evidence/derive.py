"""What comes of the records: exceptions, statements, and the changes that lie beside the logs."""

from collections.abc import Iterator
from typing import Any, Final

import duckdb
import pandas as pd
import pyarrow as pa

from analysis import engine
from analysis.case import Case
from analysis.evidence import sql
from analysis.evidence.changes import commits
from analysis.evidence.deploys import deploys
from analysis.evidence.postgres import statements
from analysis.evidence.tracebacks import exceptions

Connection = duckdb.DuckDBPyConnection

AT_ONCE: Final = 10_000
FRAME: Final = pa.struct(
    {
        "file": pa.string(),
        "line": pa.int32(),
        "function": pa.string(),
        "code": pa.string(),
        "in_app": pa.bool_(),
    }
)
EXCEPTIONS: Final = pa.schema(
    {
        "record_id": pa.int64(),
        "position": pa.int32(),
        "is_last": pa.bool_(),
        "type": pa.string(),
        "message": pa.string(),
        "frames": pa.list_(FRAME),
        "fingerprint": pa.string(),
        "sqlstate": pa.string(),
        "constraint_name": pa.string(),
        "key_columns": pa.list_(pa.string()),
        "key_values": pa.list_(pa.string()),
    }
)


def load_exceptions(connection: Connection) -> None:
    """Read the tracebacks and database errors in the records' texts into `exceptions`."""
    reader = connection.cursor()
    reader.execute(sql.RAISED)
    while texts := reader.fetchmany(AT_ONCE):
        rows = [row for record_id, text in texts for row in exception_rows(record_id, text)]
        insert_table(connection, "exceptions", pa.Table.from_pylist(rows, schema=EXCEPTIONS))


def exception_rows(record_id: int, text: str) -> Iterator[dict[str, Any]]:
    """The rows of `exceptions` that one record gives."""
    chain = exceptions(text)
    for position, one in enumerate(chain):
        yield {
            "record_id": record_id,
            "position": position,
            "is_last": position == len(chain) - 1,
            "type": one.type,
            "message": one.message,
            "frames": [vars(frame) for frame in one.frames],
            "fingerprint": one.fingerprint,
            "sqlstate": one.sqlstate,
            "constraint_name": one.constraint_name,
            "key_columns": list(one.key_columns),
            "key_values": list(one.key_values),
        }


def load_statements(connection: Connection, request_key: str, request_ids: bool) -> None:
    """Read the database's lines into `statements`."""
    lines = connection.execute("SELECT * FROM database_lines ORDER BY record_id").df()
    if lines.empty:
        return
    found = statements(lines, request_key)
    insert_table(connection, "statements", found if request_ids else found.assign(request_id=None))


def load_changes(connection: Connection, case: Case) -> list[str]:
    """Read the deploy lists and the repository; say which rows of a list could not be read."""
    problems: list[str] = []
    for path in case.deploys:
        found, bad = deploys(case.folder / path, case.zone)
        insert_table(connection, "deploys", found.assign(path=path))
        problems += [f"{path}:{row.line_no}: {row.reason}" for row in bad]
    if case.repository is not None:
        history, hunks = commits(case.folder / case.repository)
        insert_table(connection, "commits", history)
        insert_table(connection, "hunks", hunks)
    return problems


def insert_table(connection: Connection, table: str, given: pa.Table | pd.DataFrame) -> None:
    """Insert what is given into a promised table, by name; columns that it lacks are NULL."""
    present = given.column_names if isinstance(given, pa.Table) else list(given.columns)
    names = ", ".join(name for name in engine.columns(table) if name in present)
    connection.register("given", given)
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM given")  # noqa: S608 - our schema's names
    connection.unregister("given")
