"""Exception text -> frames, chain, database error: of Python, Java, JavaScript, Go and Ruby."""

import re
from collections.abc import Iterator
from typing import Final

from analysis.evidence.colours import uncoloured
from analysis.evidence.dberrors import error_start
from analysis.evidence.go_traces import go_exceptions
from analysis.evidence.java_traces import java_exceptions
from analysis.evidence.margins import MOST_NESTED, literal_around, unescaped
from analysis.evidence.node_traces import node_exceptions
from analysis.evidence.pgerrors import sqlstate_of_class
from analysis.evidence.python_traces import HEADER, python_exceptions
from analysis.evidence.raised import (
    Frame,
    Raised,
    explain_fingerprint,
    fingerprint,
    in_app,
    with_database_error,
    with_fingerprint,
)
from analysis.evidence.ruby_traces import ruby_exceptions

__all__ = ["Frame", "Raised", "exceptions", "explain_fingerprint", "fingerprint", "in_app"]

BARE: Final = re.compile(
    r"""((?:[A-Za-z_]\w{0,99}(?:\.|::|\$)){0,20}[A-Za-z_]\w{0,99}): """
    r"""(?:\([\w.]{1,200}\) |\(\d{4}, b?["']|\d{4} \(\w{5}\): |\(conn=\d{1,20}\) |ERROR: {1,2}|[\w:.]{1,200}: )*+$"""
)
"""A name, and all that a driver puts between it and the error text; possessive, since `ERROR: ` fits in two ways."""

LONGEST_NAME: Final = 300
LONGEST: Final = 131_072
BREAK: Final = r"(?:\n|\\{1,7}n)(?:\\{1,7}t|[\t ])*"
"""A line's end and the next one's indentation, as they are or as a JSON string shows them."""

FOREIGN: Final = (
    (re.compile(rf"{BREAK}at [^\s(]+\([^():]*(?::\d+)?\)"), java_exceptions),
    (re.compile(rf"{BREAK}at [^\n]{{0,300}}?:\d+:\d+"), node_exceptions),
    (re.compile(rf"{BREAK}goroutine \d+ "), go_exceptions),
    (re.compile(r":\d+:in [`']"), ruby_exceptions),
)
"""What a text must show before it is read as another language's."""


def exceptions(text: str) -> list[Raised]:
    """The exceptions of one record's text, in the order they were raised: root cause first, the propagated one last.

    In:  the raw record: any head line, stack trace(s), or a lone `SomeError: …` line with a database's error text.
    Out: [] where the text shows none. Behind the chain stand the members of groups (see `Raised.member_of`).
         Frames stand outermost call first.
    """
    found = python_exceptions(uncoloured(unescaped(text, HEADER)))
    if not found:
        text = uncoloured(text)
        found = foreign(text) or list(lone(text))
    return [with_fingerprint(one) for one in found]


def foreign(text: str) -> list[Raised]:
    """The exceptions of a text in another language than Python, also inside a JSON string (see `unescaped`)."""
    text = text[:LONGEST]
    for shows, read in FOREIGN:
        inner = text
        for _ in range(MOST_NESTED):
            shown = shows.search(inner)
            if shown is None:
                break
            if not shown[0].startswith("\\") and ("\n" in inner or "\\n" not in inner):
                if found := read(inner):
                    return found
                break
            inner = literal_around(inner, shown.start())
    return []


def lone(text: str) -> Iterator[Raised]:
    """The exception of a line that names one and quotes a database's error text, without a traceback."""
    start = error_start(text)
    if start is None:
        return
    named = BARE.search(text, max(0, start - LONGEST_NAME), start)
    if named is not None and (named[1].endswith(("Error", "Exception")) or sqlstate_of_class(named[1])):
        yield with_database_error(named[1], text[named.end(1) + 2 :].rstrip())
