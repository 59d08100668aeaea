"""Exception text -> frames, chain, database error.

Source: the output of Python's `traceback` module (library reference, "traceback"), 3.8 to 3.13, and the cut and
re-wrapped forms of it that log exports hold.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final

from analysis.evidence.pgerrors import database_error, error_start, sqlstate_of_class

HEADER: Final = "Traceback (most recent call last):"
GROUP_HEADER: Final = "Exception Group Traceback (most recent call last):"
LONGEST: Final = 262_144
CHAINED: Final = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
FRAME: Final = re.compile(r'  File "([^"]*)", line (\d{1,9})(?:, in (.*))?$')
EXCEPTION: Final = re.compile(r"([^\W\d][\w.<>]*)(?::(?: (.*))?)?$")
BARE: Final = re.compile(r"([A-Za-z_][\w.]*): $")
LONGEST_NAME: Final = 200
QUOTES: Final = '"""'
"""Closes the remote traceback that concurrent.futures quotes."""
MEMBERS: Final = re.compile(r"\s*\+-\+-")
LIBRARY: Final = re.compile(
    r"(?:^|/)(?:site-packages|dist-packages|lib(?:64)?/python\d[\d.]*|python\d[\d.]*/lib|\.?v(?:irtual)?env)/",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Frame:
    """One call: where it stood and the source lines printed under it."""

    file: str
    line: int
    function: str
    code: str
    in_app: bool


@dataclass(frozen=True)
class Raised:
    """One exception of a chain; `type` is None where the record ends before it is named."""

    type: str | None
    message: str
    frames: tuple[Frame, ...] = ()
    sqlstate: str | None = None
    constraint_name: str | None = None
    key_columns: tuple[str, ...] = ()
    key_values: tuple[str, ...] = ()
    fingerprint: str = ""


def exceptions(text: str) -> list[Raised]:
    """The exceptions of one record's text, in printed order: the first is the root cause, the last propagated.

    In:  the raw record: any head line, traceback(s), or a lone `SomeError: …` line with a database's error text.
    Out: [] where the text shows none. Of an exception group the outer one is kept, its members are not part of
         the chain. Frames stand outermost call first; a SyntaxError's own place is a frame without function.
         What stands more than LONGEST characters behind the first traceback's header is not looked at.
    """
    found = [one for block in blocks(traceback_lines(text)) if (one := raised(block)) is not None] or lone(
        text
    )
    return [replace(one, fingerprint=fingerprint(one)) for one in found]


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
    places = [f"{frame.function} in {file_suffix(frame.file)}" for frame in frames]
    once = [place for number, place in enumerate(places) if number == 0 or places[number - 1] != place]
    return (one.type or "", *once)


def file_suffix(file: str) -> str:
    """The last folder and the file name."""
    return "/".join(file.replace("\\", "/").split("/")[-2:])


def in_app(file: str) -> bool:
    """Whether a file is the application's own: no library, no virtual environment, no `<frozen …>`."""
    return not file.startswith("<") and LIBRARY.search(file.replace("\\", "/")) is None


def traceback_lines(text: str) -> list[str]:
    """The lines from the first traceback's header on; [] where there is none."""
    header = text.find(HEADER)
    if header < 0:
        return []
    start = max(text.rfind("\n", 0, header) + 1, header - LONGEST_NAME)
    return [line.rstrip() for line in text[start : start + LONGEST].split("\n")]


def blocks(lines: list[str]) -> Iterator[list[str]]:
    """The lines below each traceback's header, up to the next header or chain marker, their margin removed.

    Within an exception group only the outer header counts: its members' stand behind a margin of bars.
    """
    block: list[str] | None = None
    indent = ""
    for line in lines:
        if is_header(line, first=block is None):
            if block is not None:
                yield block
            block, indent = [], margin(line)
        elif block is not None and line.strip() in CHAINED:
            yield block
            block = None
        elif block is not None:
            block.append(line.removeprefix(indent))
    if block is not None:
        yield block


def is_header(line: str, first: bool) -> bool:
    """Whether a traceback starts below; the text of a log line may stand before the first header only."""
    return line.endswith(HEADER) and (first or line.strip() in (HEADER, f"+ {GROUP_HEADER}"))


def margin(header: str) -> str:
    """What stands before each line of the traceback under this header."""
    indent = header[: len(header) - len(header.lstrip())]
    if header.strip() == f"+ {GROUP_HEADER}":
        return f"{indent}| "
    return indent if header.strip() == HEADER else ""


def raised(block: list[str]) -> Raised | None:
    """The exception of one traceback; None where nothing of it is left but the header."""
    stack, end = frames(block)
    named = EXCEPTION.match(block[end]) if end < len(block) else None
    if named is None:
        return Raised(None, "", stack) if stack else None
    rest = takewhile(lambda line: line != QUOTES and not MEMBERS.match(line), block[end + 1 :])
    return with_database_error(named[1], "\n".join([named[2] or "", *rest]).rstrip(), stack)


def frames(block: list[str]) -> tuple[tuple[Frame, ...], int]:
    """The calls of one traceback, and the number of the first line behind them."""
    found: list[tuple[re.Match[str], list[str]]] = []
    end = 0
    for end, line in enumerate(block):  # noqa: B007 - read behind the loop
        if line and not line.startswith("  "):
            break
        if match := FRAME.match(line):
            found.append((match, []))
        elif found and is_code(line):
            found[-1][1].append(line.removeprefix("    "))
    else:
        end = len(block)
    stack = (
        Frame(match[1], int(match[2]), match[3] or "", "\n".join(code), in_app(match[1]))
        for match, code in found
    )
    return tuple(stack), end


def is_code(line: str) -> bool:
    """Whether a line under a frame is source: no caret line, no repeat count, no frame that was cut short."""
    return bool(line.strip(" ^~")) and not line.startswith(('  File "', "  [Previous line repeated "))


def with_database_error(exception_type: str, message: str, stack: tuple[Frame, ...]) -> Raised:
    """An exception, with what its message or class tells of a database's error."""
    error = database_error(message)
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
    )


def lone(text: str) -> Iterator[Raised]:
    """The exception of a line that names one and quotes a database's error text, without a traceback."""
    start = error_start(text)
    if start is None:
        return
    named = BARE.search(text, max(0, start - LONGEST_NAME), start)
    if named is not None and (named[1].endswith(("Error", "Exception")) or sqlstate_of_class(named[1])):
        yield with_database_error(named[1], text[start:].rstrip(), ())
