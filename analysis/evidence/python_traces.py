"""Python's tracebacks -> exceptions with their frames, chains and groups.

Source: the output of Python's `traceback` module (library reference, "traceback"), 3.8 to 3.13, and the cut and
re-wrapped forms of it that log exports hold.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import takewhile
from typing import Final

from analysis.evidence.margins import without_prefix
from analysis.evidence.raised import Frame, Raised, in_app, with_database_error

HEADER: Final = "Traceback (most recent call last):"
GROUP_HEADER: Final = "Exception Group Traceback (most recent call last):"
LONGEST: Final = 262_144
CHAINED: Final = (
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
FRAME: Final = re.compile(r'  File "([^"]*)", line (\d{1,9})(?:, in (.*))?$')
EXCEPTION: Final = re.compile(r"([^\W\d][\w.<>]*)(?::(?: (.*))?)?$")
MOST_LINES: Final = 10_000
MOST_EXCEPTIONS: Final = 500
LONGEST_NAME: Final = 200
LONGEST_MESSAGE: Final = 100
"""Lines that a message may have before a chain marker, where no header stands over it."""

QUOTES: Final = '"""'
"""Closes the remote traceback that concurrent.futures quotes."""

SEPARATOR: Final = re.compile(r"( *)\+-(\+-)?-*(?: (?:(\d{1,9})|\.\.\.) -+)?$")
"""A group's ` +-+------- 1 -------` opens its members, ` +-------- 2 -------` goes on, ` +----------` closes them."""

LOG_LINE: Final = re.compile(
    r"\[?\d{4}[-/.]\d{2}[-/.]\d{2}[T \]]|\[\d{1,2}/[A-Z][a-z]{2}/\d{4}|\d{1,3}(?:\.\d{1,3}){3}(?::\d+)? - "
    r"|(?:DEBUG|INFO|WARNING|ERROR|CRITICAL):? "
)
"""The beginning of a log line that another writer put between the lines of a stack."""

CUT_SHORT: Final = re.compile(r'\s*(?:File "|\[Previous line repeated )')


@dataclass
class Part:
    """One exception while it is read; lines: those below its header."""

    lines: list[str]
    parent: "Part | None"
    has_header: bool
    broken_into: bool = False

    def in_stack(self) -> bool:
        """Whether the frames go on as far as the lines so far tell."""
        return self.has_header and (not self.lines or self.lines[-1].startswith("  "))


@dataclass
class Level:
    """Where chained exceptions stand one after another: the text itself, or one member of a group."""

    margin: str
    parent: Part | None
    part: Part | None = None
    indent: str = ""  # of the part's own lines, at the outermost level


@dataclass
class Reader:
    """What is known between two lines."""

    levels: list[Level] = field(default_factory=lambda: [Level("", None)])
    parts: list[Part] = field(default_factory=list)

    def take(self, line: str) -> None:
        """Read the next line."""
        separator = SEPARATOR.match(line) if self.in_group() else None
        if separator is not None:
            self.separate(separator)
            return
        while len(self.levels) > 1 and not line.startswith(self.levels[-1].margin.rstrip()):
            self.close()
        level = self.levels[-1]
        text = without(level.margin, line)
        if is_header(text, first=level.part is None and not self.parts):
            self.start(level, text)
        elif text.strip() in CHAINED and (level.part is not None or level.parent is not None):
            self.end(level)
            level.part = Part([], level.parent, has_header=False)
        elif level.part is not None and not (level.part.in_stack() and LOG_LINE.match(text)):
            level.part.lines.append(without(level.indent, text))

    def in_group(self) -> bool:
        level = self.levels[-1]
        return len(self.levels) > 1 or level.indent.endswith("| ")

    def separate(self, separator: re.Match[str]) -> None:
        """Open, go on with, or close the members of a group."""
        indent, opens, number = separator.groups()
        margin = f"{indent}  | " if opens else f"{indent}| "
        if not opens:
            while len(self.levels) > 1 and self.levels[-1].margin != margin:
                self.close()
        level = self.levels[-1]
        if opens:
            group = self.end(level)
        else:
            group = level.parent
            if len(self.levels) > 1:
                self.close()
        if opens or number:
            self.levels.append(Level(margin, group, Part([], group, has_header=False)))

    def start(self, level: Level, header: str) -> None:
        """A header: the lines below it are an exception's."""
        unfinished = level.part if level.part is not None and level.part.has_header else None
        if unfinished is not None and not is_named(unfinished.lines):
            unfinished.broken_into = True
        self.end(level)
        level.part = Part(
            [], level.parent, has_header=True, broken_into=bool(unfinished and unfinished.broken_into)
        )
        level.indent = margin(header) if len(self.levels) == 1 else ""

    def end(self, level: Level) -> Part | None:
        """End the level's exception, if one is open."""
        part, level.part = level.part, None
        if part is not None and (part.has_header or any(line.strip() for line in part.lines)):
            self.parts.append(part)
        return part

    def close(self) -> None:
        """Leave a member of a group."""
        self.end(self.levels[-1])
        self.levels.pop()


def python_exceptions(text: str) -> list[Raised]:
    """The exceptions of one record's text, in printed order: the first is the root cause, the last propagated.

    Out: [] where the text shows none. Behind the chain stand the members of its exception groups, each with its own
         chain in printed order. Frames stand outermost call first; a SyntaxError's own place is a frame without
         function. Of what stands behind the first header LONGEST characters, MOST_LINES lines and
         MOST_EXCEPTIONS exceptions are looked at.
    """
    reader = Reader()
    lines = traceback_lines(text)
    cause = untraced_cause(text)
    if cause is not None:
        reader.parts.append(cause)
    for line in lines:
        if len(reader.parts) < MOST_EXCEPTIONS:
            reader.take(line)
    last = reader.levels[-1].part
    if last is not None and not last.has_header and len(reader.levels) == 1:
        reader.levels[-1].part = None  # a chain's last exception was raised, so it has a header
    while len(reader.levels) > 1:
        reader.close()
    reader.end(reader.levels[0])
    return numbered([(part, one) for part in reader.parts if (one := raised(part)) is not None])


def numbered(found: list[tuple[Part, Raised]]) -> list[Raised]:
    """The chain, then the members, each with the place of its group; a member whose group says nothing is left out."""
    ordered = sorted(found, key=lambda each: each[0].parent is not None)
    places = {id(part): place for place, (part, _) in enumerate(ordered)}
    broken = any(part.broken_into for part, _ in ordered)
    return [
        replace(one, member_of=None if part.parent is None else places.get(id(part.parent)), doubtful=broken)
        for part, one in ordered
        if part.parent is None or id(part.parent) in places
    ]


def traceback_lines(text: str) -> list[str]:
    """The lines from the first traceback's header on, their common prefix removed; [] where there is none."""
    header = text.find(HEADER)
    if header < 0:
        return []
    start = max(text.rfind("\n", 0, header) + 1, header - LONGEST_NAME)
    lines = [
        line.rstrip("\r\t ") for line in text[start : start + LONGEST].split("\n", MOST_LINES)[:MOST_LINES]
    ]
    return without_prefix(lines, (f"  + {GROUP_HEADER}", HEADER))


def untraced_cause(text: str) -> Part | None:
    """The cause that was never raised, and so stands without traceback before the first chain marker."""
    header = text.find(HEADER)
    before = text[max(0, header - LONGEST) : header].rstrip() if header >= 0 else ""
    marker = next((one for one in CHAINED if before.endswith(one)), None)
    if marker is None:
        return None
    lines = before.removesuffix(marker).rstrip().split("\n")[-LONGEST_MESSAGE:]
    for number in range(len(lines) - 1, -1, -1):
        if EXCEPTION.match(lines[number]):
            return Part(lines[number:], None, has_header=False)
    return None


def is_header(line: str, first: bool) -> bool:
    """Whether a traceback starts below; the text of a log line may stand before the first header only."""
    return line.endswith(HEADER) and (first or line.strip() in (HEADER, GROUP_HEADER, f"+ {GROUP_HEADER}"))


def without(margin: str, line: str) -> str:
    """A line without its margin; of an empty line the margin has lost its end."""
    return "" if margin and line == margin.rstrip() else line.removeprefix(margin)


def margin(header: str) -> str:
    """What stands before each line of the traceback under this header."""
    indent = header[: len(header) - len(header.lstrip())]
    if header.strip() == f"+ {GROUP_HEADER}":
        return f"{indent}| "
    return indent if header.strip() == HEADER else ""


def raised(part: Part) -> Raised | None:
    """The exception of one traceback; None where nothing of it is left but the header."""
    first = 0 if part.has_header else next((at for at, line in enumerate(part.lines) if line.strip()), 0)
    block = indented(part.lines[first:]) if part.has_header else part.lines[first:]
    stack, end = frames(block)
    named = EXCEPTION.match(block[end]) if end < len(block) else None
    if named is None:
        return Raised(None, "", stack) if stack else None
    rest = takewhile(lambda line: line != QUOTES, block[end + 1 :])
    return with_database_error(named[1], "\n".join([named[2] or "", *rest]).rstrip(), stack)


def is_named(block: list[str]) -> bool:
    """Whether the lines under a header reach the exception's type."""
    block = indented(block)
    _, end = frames(block)
    return end < len(block) and EXCEPTION.match(block[end]) is not None


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


def indented(block: list[str]) -> list[str]:
    """The lines under a header with the indentation that some collectors take off: frames by 2, their source by 4."""
    first = next(iter(block), "")
    if not first.startswith('File "'):
        return block
    last = max(number for number, line in enumerate(block) if FRAME.match(f"  {line}") or number == 0)
    end = last + 1 + named_at(block[last + 1 :])
    kept = [f"  {line}" if CUT_SHORT.match(line) else f"    {line}" for line in block[:end]]
    return [*kept, *block[end:]]


def named_at(lines: list[str]) -> int:
    """Which line below the last frame names the exception: not the first, which is source, where another one can."""
    ends = ("Error", "Exception", "Warning", "Exit", "Interrupt", "Group")
    looks = [EXCEPTION.match(line) for line in lines[: LONGEST_MESSAGE * 2]]
    likely = (number for number, match in enumerate(looks) if match and match[1].endswith(ends))
    possible = (number for number, match in enumerate(looks) if match and match[2] and number)
    return next(likely, next(possible, next(iter_matches(looks), len(lines))))


def iter_matches(looks: list[re.Match[str] | None]) -> Iterator[int]:
    """The numbers of the lines that match."""
    return (number for number, match in enumerate(looks) if match)
