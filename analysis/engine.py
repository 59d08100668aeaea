"""Run a table expression.

Ibis compiles it and our own DuckDB connection executes it: Ibis 12's own DuckDB backend does not know DuckDB 2.0.
"""

from collections.abc import Mapping

import duckdb
import ibis
import pandas as pd
from ibis.backends.sql.datatypes import DuckDBType

from analysis.schema import TABLES


def to_sql(expr: ibis.Table) -> str:
    """The SQL that `run` would execute."""
    return str(ibis.to_sql(expr, dialect="duckdb"))


def run(expr: ibis.Table, connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Execute an expression over unbound promised tables on a connection that holds them."""
    return connection.execute(to_sql(expr)).df()


def columns(name: str) -> dict[str, str]:
    """Column -> DuckDB type of a promised table."""
    return {column: DuckDBType.to_string(kind) for column, kind in TABLES[name].items()}


def create_table(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Create the promised table `name`, empty."""
    body = ", ".join(f"{column} {kind}" for column, kind in columns(name).items())
    connection.execute(f"CREATE TABLE {name} ({body})")


def in_memory(tables: Mapping[str, pd.DataFrame]) -> duckdb.DuckDBPyConnection:
    """A fresh database in memory that holds `tables` with their promised types; columns not given are NULL.

    Raises: KeyError for a table or column that is not promised.
    """
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    for name, frame in tables.items():
        unknown = set(frame.columns) - set(TABLES[name])
        if unknown:
            raise KeyError(f"{name} has no column {', '.join(sorted(unknown))}")
        create_table(connection, name)
        connection.register("given", frame)
        names = ", ".join(frame.columns)
        connection.execute(f"INSERT INTO {name} ({names}) SELECT {names} FROM given")  # noqa: S608 - as above
        connection.unregister("given")
    return connection
