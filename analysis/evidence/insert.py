"""Tables made in Python -> the promised tables."""

import duckdb
import pandas as pd
import pyarrow as pa

from analysis import engine


def insert_table(connection: duckdb.DuckDBPyConnection, table: str, given: pa.Table | pd.DataFrame) -> None:
    """Insert what is given into a promised table, by name; columns that it lacks are NULL."""
    present = given.column_names if isinstance(given, pa.Table) else list(given.columns)
    names = ", ".join(name for name in engine.columns(table) if name in present)
    connection.register("given", given)
    connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM given")  # noqa: S608 - our schema's names
    connection.unregister("given")
