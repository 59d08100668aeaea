"""Where the application's own code is, and which line of it is running."""

from __future__ import annotations

import functools
import os
import sys
import threading
from types import SimpleNamespace
from typing import Any

from django.db.backends.utils import CursorWrapper

APPLICATION = SimpleNamespace(root="", setup="")  # real paths; set when it is opened
WRAPPING = CursorWrapper._execute_with_wrappers.__code__


@functools.cache
def is_application(path: str) -> bool:
    inside = path.startswith(APPLICATION.root + os.sep) and path != APPLICATION.setup
    return inside and "site-packages" not in path and "dist-packages" not in path


def application_line(kind: str) -> str:
    """The application's innermost line on the stack, beyond its wrappers of statements: "jobs/views.py:98"."""
    frame: Any = sys._getframe(1)
    while frame and kind not in ("commit", "rollback") and frame.f_code is not WRAPPING:
        frame = frame.f_back
    return _innermost(frame)


def standing(thread: threading.Thread) -> str:
    """The application's innermost line in another thread."""
    return _innermost(sys._current_frames().get(thread.ident or 0)) or "no line of the application"


def _innermost(frame: Any) -> str:
    while frame and not is_application(frame.f_code.co_filename):
        frame = frame.f_back
    return f"{os.path.relpath(frame.f_code.co_filename, APPLICATION.root)}:{frame.f_lineno}" if frame else ""
