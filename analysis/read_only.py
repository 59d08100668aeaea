"""A database opened so that it can be read, and nothing else can be reached through it."""

from functools import cache
from pathlib import Path
from typing import Final

import duckdb

from analysis.evidence.load import create_tables
from analysis.evidence.seal import SealError, remedy

LOCK_DOWN: Final = (
    "SET TimeZone='UTC'",
    "SET GLOBAL TimeZone='UTC'",
    "SET python_enable_replacements=false",
    "SET autoload_known_extensions=false",
    "SET autoinstall_known_extensions=false",
    "SET allow_community_extensions=false",
    "SET enable_external_access=false",
    "SET lock_configuration=true",
)

# Whatever a database can define that a query then runs or reads.
DEFINED: Final = """
SELECT view_name, sql FROM duckdb_views() WHERE NOT internal
UNION ALL SELECT table_name, sql FROM duckdb_tables()
UNION ALL SELECT index_name, sql FROM duckdb_indexes()
UNION ALL SELECT sequence_name, sql FROM duckdb_sequences()
UNION ALL SELECT type_name, NULL FROM duckdb_types() WHERE NOT internal
UNION ALL SELECT function_name, macro_definition FROM duckdb_functions() WHERE NOT internal
ORDER BY ALL
"""


def open_read_only(database: Path) -> duckdb.DuckDBPyConnection:
    """A connection that can read this database and reach nothing else.

    Raises: SealError if DuckDB cannot read it, or if it defines other than the promised tables, such as a view or a
    macro of a stranger's.
    """
    try:
        connection = duckdb.connect(str(database), read_only=True)
        locked_down = connection.execute("SELECT current_setting('lock_configuration')").fetchall()[0][0]
        if not locked_down:  # it is if this process has the database open already: they share their settings
            quieten(connection)
            for statement in LOCK_DOWN:
                connection.execute(statement)
        found = connection.execute(DEFINED).fetchall()
    except duckdb.Error as error:
        raise SealError(f"{database}: DuckDB cannot read it ({error}); {remedy(database.parent)}") from error
    if found != promised():
        connection.close()
        raise SealError(f"{database}: defines other than this kit's own tables; {remedy(database.parent)}")
    return connection


def quieten(connection: duckdb.DuckDBPyConnection) -> None:
    """No progress bar, which DuckDB else writes to stdout while a query takes seconds.

    In a notebook that can draw none there is none, and asking for none is an error.
    """
    if connection.execute("SELECT current_setting('enable_progress_bar')").fetchall()[0][0]:
        connection.execute("SET enable_progress_bar=false")


@cache
def promised() -> list[tuple[str, str]]:
    """What a database made by this kit defines, as DuckDB writes it down."""
    with duckdb.connect() as connection:
        create_tables(connection)
        return connection.execute(DEFINED).fetchall()
