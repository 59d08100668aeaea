"""An exception as a log shows it, whatever language it was raised in, and what makes two of them the same error."""

import hashlib
import json
import re
from dataclasses import dataclass, replace
from typing import Final

from analysis.evidence.dberrors import database_error
from analysis.evidence.pgerrors import sqlstate_of_class

LIBRARY: Final = re.compile(
    r"(?:^|/)(?:site-packages|dist-packages|lib(?:64)?/python\d[\d.]*|python\d[\d.]*/lib|\.?v(?:irtual)?env"
    r"|node_modules|go/pkg/mod|vendor(?!/.*\.py$)"  # Go's and Ruby's; a package of Python's may have the name
    r"|go(?:lang)?(?:/[\d.]+/libexec)?/src/(?:pkg/)?(?:runtime|net|database|internal|text)"
    r"|(?:libexec|go-\d[\d.]*)/src|gems|ruby/\d[\d.]*|lib/ruby)/",
    re.IGNORECASE,
)

NUMBERED: Final = re.compile(r"\$\d+")
"""Java numbers its lambdas and anonymous classes by their place in the class, so that any edit moves them."""


@dataclass(frozen=True)
class Frame:
    """One call: where it stood and the source lines printed under it. line 0: not printed."""

    file: str
    line: int
    function: str
    code: str
    in_app: bool


@dataclass(frozen=True)
class Raised:
    """One exception of a chain; `type` is None where the record ends before it is named.

    member_of: the place, in the list that holds this one too, of the group whose member it is, or of the exception
    that suppressed it; None: it is of the chain. doubtful: other lines stand between its own, and nothing tells them
    apart.
    """

    type: str | None
    message: str
    frames: tuple[Frame, ...] = ()
    sqlstate: str | None = None
    constraint_name: str | None = None
    key_columns: tuple[str, ...] = ()
    key_values: tuple[str, ...] = ()
    fingerprint: str = ""
    error_code: str | None = None
    table_name: str | None = None
    sql: str | None = None
    member_of: int | None = None
    doubtful: bool = False


def with_database_error(
    exception_type: str, message: str, stack: tuple[Frame, ...] = (), said: str | None = None
) -> Raised:
    """An exception, with what its message or class tells of a database's error.

    said: the message and all else that the log prints with it, if that is more.
    """
    error = database_error(message if said is None else said)
    if error is None:
        return Raised(exception_type, message, stack, sqlstate_of_class(exception_type))
    return Raised(
        exception_type,
        message,
        stack,
        error.sqlstate,
        error.constraint_name,
        error.key_columns,
        error.key_values,
        error_code=error.error_code,
        table_name=error.table_name,
        sql=error.sql,
    )


def with_fingerprint(one: Raised) -> Raised:
    """The exception with its fingerprint filled in."""
    return replace(one, fingerprint=fingerprint(one))


def fingerprint(one: Raised) -> str:
    """A stable name for "the same error again": 16 hex digits over `explain_fingerprint`."""
    parts = json.dumps(explain_fingerprint(one), ensure_ascii=True)
    return hashlib.sha256(parts.encode()).hexdigest()[:16]


def explain_fingerprint(one: Raised) -> tuple[str, ...]:
    """What the fingerprint is made of: the type, then `function in folder/file` of each frame in the application.

    All frames where none is in the application. No line numbers, which any edit moves; no leading folders, which
    differ by host; a recursion counts once, however deep it went.
    """
    frames = [frame for frame in one.frames if frame.in_app] or one.frames
    places = [f"{NUMBERED.sub('$', frame.function)} in {file_suffix(frame.file)}" for frame in frames]
    once = [place for number, place in enumerate(places) if number == 0 or places[number - 1] != place]
    return (one.type or "", *once)


def file_suffix(file: str) -> str:
    """The last folder and the file name."""
    return "/".join(file.replace("\\", "/").split("/")[-2:])


def in_app(file: str) -> bool:
    """Whether a file is the application's own: no library, no virtual environment, no `<frozen …>`."""
    return not file.startswith("<") and LIBRARY.search(file.replace("\\", "/")) is None
