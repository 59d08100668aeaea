"""The scheduler's own session, and what PostgreSQL says of others and of errors."""

from __future__ import annotations

import re
import time
from typing import Any

from django.db import DatabaseError, connection

DEADLOCK = "40P01"
JOIN_S = 2.0  # for a thread to end after an abort
TEXT = 100_000  # characters of a body or a statement's parameters that are kept


def fetched(sql: str, parameters: Any = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return list(cursor.fetchall()) if cursor.description else []


def wait_until_gone(sessions: list[int]) -> None:
    """A session that was closed or terminated holds its locks until its process has ended."""
    deadline = time.monotonic() + JOIN_S
    while fetched("SELECT 1 FROM pg_stat_activity WHERE pid = ANY(%s) LIMIT 1", [sessions]):
        if time.monotonic() > deadline:
            return
        time.sleep(0.0005)


def described(error: BaseException) -> dict[str, Any]:
    """An exception, with PostgreSQL's own words where it has them (psycopg 2 and 3: `diag`)."""
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    diag = getattr(error.__cause__ if isinstance(error, DatabaseError) else error, "diag", None)
    detail = getattr(diag, "message_detail", None)
    if detail and getattr(diag, "sqlstate", None) == DEADLOCK:
        detail = re.sub(r"\d+", "N", detail)  # processes and transactions, which are others each time
    return {
        "type": name,
        "sqlstate": getattr(diag, "sqlstate", None),
        "constraint": getattr(diag, "constraint_name", None),
        "table": getattr(diag, "table_name", None),
        "detail": detail,
        "message": getattr(diag, "message_primary", None) or str(error)[:TEXT],
    }
