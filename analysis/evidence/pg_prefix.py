"""PostgreSQL's log_line_prefix, compiled to what a format needs: where a record starts, its regex, its stamp.

Source: PostgreSQL 18 manual, section 19.8.3, log_line_prefix; src/backend/utils/error/elog.c, log_status_format().
"""

import re
from dataclasses import dataclass
from typing import Final

STAMP: Final = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"
ESCAPES: Final = {
    "a": ("application_name", ".*?"),
    "u": ("database_user", ".*?"),
    "d": ("database", ".*?"),
    "r": ("connection_from", r"\S*?"),
    "h": ("client_ip", r"\S*?"),
    "L": ("local_address", r"\S*?"),
    "b": ("backend_type", ".*?"),
    "p": ("process", r"\d+"),
    "P": ("leader", r"\d*"),
    "t": ("logged_at", rf"{STAMP} \S+?"),
    "m": ("logged_at", rf"{STAMP}\.\d{{3}} \S+?"),
    "n": ("logged_at", r"\d{10}\.\d{3}"),
    "i": ("command_tag", ".*?"),
    "e": ("sqlstate", "[0-9A-Z]{5}"),
    "c": ("session", r"[0-9a-f]+\.[0-9a-f]+"),
    "l": ("line_number", r"\d+"),
    "s": ("session_start", rf"{STAMP} \S+?"),
    "v": ("vxid", r"(?:-?\d+/\d+)?"),
    "x": ("xid", r"\d+"),
    "Q": ("query_id", r"-?\d+"),
}
STEPS: Final = {"t": ("iso", 1_000_000), "m": ("iso", 1_000), "n": ("epoch_s", 1_000)}
LEVELS: Final = (
    *("DEBUG", "DEBUG1", "DEBUG2", "DEBUG3", "DEBUG4", "DEBUG5", "INFO", "NOTICE", "WARNING", "ERROR", "LOG"),
    *("FATAL", "PANIC", "DETAIL", "HINT", "QUERY", "CONTEXT", "LOCATION", "BACKTRACE", "STATEMENT"),
)
LEVEL: Final = f"(?:{'|'.join(LEVELS)}):  "
PIECE: Final = re.compile(r"%(-?\d*)([a-zA-Z%])|%?[^%]+|%")


class BadPrefix(ValueError):
    """A log_line_prefix that no lines can be read by."""


@dataclass(frozen=True)
class Prefix:
    """What a log_line_prefix says of its lines: regexes for a record's start and for all of it, and the stamp."""

    head: str
    regex: str
    stamp_format: str
    resolution_us: int


def read_prefix(prefix: str) -> Prefix:
    """Compile a log_line_prefix.

    Raises: BadPrefix for an unknown escape, or where no stamp is written.
    """
    pieces, seen, optional, step = [], set[str](), 0, None
    for padding, escape in _pieces(prefix):
        if escape == "q":
            pieces.append("(?:")
            optional += 1
        elif padding is None:
            pieces.append(re.escape(escape))
        else:
            name, pattern = _named(escape, prefix)
            step = step or STEPS.get(escape)
            group = f"(?:{pattern})" if name in seen else f"(?P<{name}>{pattern})"
            seen.add(name)
            pieces.append(f" *{group} *" if padding else group)
    if step is None:
        raise BadPrefix(f"prefix {prefix!r} has none of %m, %t and %n, so its lines carry no time")
    start = "".join(pieces) + ")?" * optional
    return Prefix(f"{start}{LEVEL}", rf"(?s)^{start}(?P<level>[A-Z]+\d?):  (?P<message>.*)$", *step)


def _pieces(prefix: str) -> list[tuple[str | None, str]]:
    """The padding and letter of each escape; None and the text for what stands between them."""
    pieces: list[tuple[str | None, str]] = []
    for found in PIECE.finditer(prefix):
        padding, letter = found[1], found[2]
        pieces.append(
            (None, "%" if letter == "%" else found[0]) if letter in (None, "%") else (padding, letter)
        )
    return pieces


def _named(escape: str, prefix: str) -> tuple[str, str]:
    """Raises: BadPrefix."""
    if escape not in ESCAPES:
        known = " ".join(f"%{letter}" for letter in (*ESCAPES, "q", "%"))
        raise BadPrefix(f"prefix {prefix!r}: %{escape} is unknown; known: {known}")
    return ESCAPES[escape]
