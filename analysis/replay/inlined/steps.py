"""What a step is called, and which line of the application asks for it."""

from __future__ import annotations

import os
import re
import sys

# --- inlined from here ---


def summary(sql: str) -> str:
    """A statement's verb, first table and lock: `SELECT jobs_job FOR UPDATE`."""
    sql = re.sub(r"/\*.*?\*/", " ", sql).strip()
    table = re.search(r"\b(?:FROM|INTO|UPDATE)\s+([\w\".]+)", sql, re.IGNORECASE)
    lock = re.search(r"\bFOR (?:NO KEY )?(?:UPDATE|SHARE)\b", sql)
    words = [sql.split(None, 1)[0], table and table[1], lock and lock[0]]
    return " ".join(word for word in words if word).replace('"', "")


def application_line() -> str:
    """The innermost line of the application that is running, as `jobs/views.py:98`."""
    frame, here = sys._getframe(1), os.getcwd() + os.sep
    while frame := frame.f_back:  # type: ignore[assignment]
        path = frame.f_code.co_filename
        if path.startswith(here) and path != __file__ and "site-packages" not in path:
            return f"{path[len(here) :]}:{frame.f_lineno}"
    return ""
