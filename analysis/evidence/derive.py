"""What comes of the records: exceptions, statements, and the changes that lie beside the logs."""

import duckdb

from analysis.case import Case
from analysis.evidence import mysql, postgres, sql
from analysis.evidence.changes import commits
from analysis.evidence.deploys import deploys
from analysis.evidence.insert import insert_table
from analysis.evidence.raise_rows import load_exceptions

__all__ = ["load_changes", "load_exceptions", "load_statements"]

Connection = duckdb.DuckDBPyConnection


def load_statements(connection: Connection, request_key: str, request_ids: bool) -> None:
    """Read the database's lines into `statements`."""
    reads = (
        ("SELECT * FROM database_lines ORDER BY record_id", postgres.statements),
        (sql.STATEMENT_LINES, mysql.statements),
    )
    for query, statements in reads:
        lines = connection.execute(query).df()
        if not lines.empty:
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
