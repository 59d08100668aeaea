"""The user's own rule about the rows, in SQL: a SELECT of the rows that break it.

It is asked of the final rows of each run, and not in PostgreSQL but in DuckDB, without files and network: so it
cannot disturb the application that is re-enacted.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import duckdb
import pandas as pd

from analysis.replay.oracle import Rows


class BadInvariant(ValueError):
    """The invariant cannot be asked; says why, and which tables there are."""


def invariant(sql: str, columns: Mapping[str, Sequence[str]]) -> Callable[[Rows], bool]:
    """Whether no row breaks the rule; for `judge`.

    In:   sql: returns the rows that break it: "SELECT job_id FROM completion GROUP BY job_id HAVING count(*) > 1"
          columns: of each table, known even if it is empty
    Raises (when it is asked): BadInvariant
    """

    def holds(rows: Rows) -> bool:
        with duckdb.connect(config={"enable_external_access": "false"}) as database:
            for table, names in columns.items():
                database.register(table, _frame(rows.get(table, ()), names))
            try:
                return database.execute(sql).fetchone() is None
            except duckdb.Error as error:
                why = str(error).partition("\n")[0]
                tables = ", ".join(sorted(columns))
                raise BadInvariant(f"the invariant cannot be asked: {why}; tables: {tables}") from None

    return holds


def _frame(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame([[row.get(name) for name in names] for row in rows], columns=list(names))
