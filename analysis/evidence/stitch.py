"""Stack traces whose lines were logged one by one -> the traces again.

Docker, Kubernetes, journald, syslog and mod_wsgi make a record of each line; a server's workers write into one
another's traces. What tells the writers apart is their mark: process, thread, logger, stream and level. Lines of one
mark are put together again; lines without a mark of their own too, and where two traces are open at once among them,
the result is doubtful.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from analysis.evidence.colours import without_colours
from analysis.evidence.foreign_lines import goes_on
from analysis.evidence.python_traces import CHAINED, EXCEPTION, HEADER, SEPARATOR
from analysis.evidence.raised import Raised
from analysis.evidence.tracebacks import exceptions

MOST_LINES: Final = 5_000
MOST_NOISE: Final = 200
"""Lines of the same mark between two of a trace that are taken for somebody else's, before it is given up."""

NEAR_US: Final = 1_000_000
ERRORS: Final = frozenset({"error", "err", "critical", "crit", "fatal", "alert", "emerg", "severe", "e", "f"})
ANNOUNCES: Final = re.compile(
    r"\b(?:ERROR|CRITICAL|FATAL)\b|Internal Server Error|\bException (?:on|in)\b|\bError (?:handling|running|while)\b"
)
LIKELY: Final = re.compile(r"[^\W\d][\w.<>]*(?:Error|Exception|Warning|Exit|Interrupt|Group)(?:: .*|:)?$")
"""The line that ends a traceback without indentation: nothing else tells it from source."""

BEHIND: Final = re.compile(
    r"DETAIL:|HINT:|CONTEXT:|LINE \d+:|\s+\^|\[SQL: |\[parameters: |\(Background on this error|\s*\|"
)
"""What may stand behind a Python exception's first line and be told from the next line of a log."""

TAG: Final = re.compile(
    r"\[([0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,64}|(?:remote|client) [0-9a-fA-F.:]{2,64})\](?: |$)"
)
"""What says whose request a line is about: its id before each line of Rails, the peer before those of mod_wsgi."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record near a piece of a trace."""

    record_id: int
    source_id: int
    process: str | None
    thread: str | None
    logger: str | None
    level: str | None
    stream: str | None
    logged_us: int | None
    message: str | None
    text: str | None  # where it has several lines, or no message

    @property
    def is_folded(self) -> bool:
        return "\n" in (self.text or "")


@dataclass(frozen=True)
class Stitched:
    """A trace of several records. record_id: where it is told of; record_ids: all that hold a line of it."""

    record_id: int
    record_ids: tuple[int, ...]
    exceptions: tuple[Raised, ...]


Mark = tuple[object, ...]


@dataclass(slots=True)
class Open:
    """A trace whose end is not known yet."""

    told_in: int
    raw: list[str]
    records: list[int]
    lines: list[str]  # without colours
    noise: int = 0
    named: bool = False  # Python: the exception's line has come
    stripped: bool = False  # Python: without indentation

    def takes(self, line: str) -> bool | None:
        """Whether the trace goes on with this line; None: it does not, but may later."""
        if len(self.lines) >= MOST_LINES:
            return False
        if self.lines[0].endswith(HEADER):
            return self.python_takes(line)
        return goes_on(self.lines, line)

    def python_takes(self, line: str) -> bool | None:
        bare = line.strip()
        if self.named:
            if bare in CHAINED or not bare or BEHIND.match(line):
                return True
            return bare.endswith(HEADER) and self.lines[-1].strip() in ("", *CHAINED)
        if self.lines[-1].strip().endswith(HEADER):
            self.stripped = line.startswith('File "')
        if self.stripped:
            self.named = LIKELY.match(line) is not None
            return True
        if line.startswith("  "):
            return True
        of_group = SEPARATOR.match(self.lines[-1]) is not None
        if len(self.lines) > 1 and (is_type(line) or (of_group and (not bare or bare in CHAINED))):
            self.named = True
            return True
        return None if self.noise < MOST_NOISE else False

    def add(self, raw: str, record_id: int) -> None:
        line = without_colours(raw)
        self.raw.append(raw)
        self.lines.append(line)
        if self.records[-1] != record_id:
            self.records.append(record_id)
        if line.strip().endswith(HEADER):
            self.named = self.stripped = False


def is_type(line: str) -> bool:
    """Whether a line below a traceback names its exception: no bare word, as some program may have printed it."""
    named = EXCEPTION.match(line)
    return named is not None and (named[2] is not None or "." in named[1] or named[1][0].isupper())


@dataclass
class Stitcher:
    """What is open between two records of one stretch of a file."""

    open: dict[Mark, Open] = field(default_factory=dict)
    latest: dict[Mark, Line] = field(default_factory=dict)
    used: set[int] = field(default_factory=set)

    def take(self, line: Line) -> Iterator[Stitched]:
        """Read the next record."""
        for mark, raw in marked(line):
            text = without_colours(raw)
            one = self.open.get(mark)
            takes = None if one is None else one.takes(text)
            if one is not None and takes:
                one.add(raw, line.record_id)
                self.used.add(line.record_id)
            elif one is not None and takes is None and not text.strip().endswith(HEADER):
                one.noise += 1
            else:
                yield from self.begin(mark, raw, line)
        self.latest[heard_by(line)] = line

    def begin(self, mark: Mark, raw: str, line: Line) -> Iterator[Stitched]:
        """A line that goes on with nothing: it may begin a trace."""
        text = without_colours(raw)
        one = self.open.pop(mark, None)
        if (
            one is not None
            and one.lines[0].endswith(HEADER)
            and text.strip().endswith(HEADER)
            and not one.named
        ):
            one.add(
                raw, line.record_id
            )  # two traces in one another: kept in one text, which makes them doubtful
            self.open[mark] = one
            return
        if one is not None:
            yield from ended(one)
        told_in = self.announced_by(line) if text.strip().endswith(HEADER) and not line.is_folded else line
        self.open[mark] = Open(told_in.record_id, [raw], [line.record_id], [text])

    def announced_by(self, line: Line) -> Line:
        """The record right before a header that tells of the error, else the header's own."""
        before = self.latest.get(heard_by(line))
        if before is None or before.record_id in self.used or before.is_folded:
            return line
        stamps = [each.logged_us for each in (before, line) if each.logged_us is not None]
        if max(stamps, default=0) - min(stamps, default=0) > NEAR_US:
            return line
        tells = (before.level or "").lower() in ERRORS or ANNOUNCES.search((before.message or "")[:2_000])
        return before if tells else line

    def end(self) -> Iterator[Stitched]:
        """The stretch is over."""
        for one in self.open.values():
            yield from ended(one)
        self.open.clear()


def stitched(stretches: Iterable[list[Line]]) -> Iterator[Stitched]:
    """The traces that lie in more than one record.

    In:  stretches of files in their order, each from a piece of a trace on, with all records in between
    """
    for stretch in stretches:
        stitcher = Stitcher()
        for line in stretch:
            yield from stitcher.take(line)
        yield from stitcher.end()


def ended(one: Open) -> Iterator[Stitched]:
    """What a trace gives, if it is one and lies in several records."""
    if len(one.records) < 2:
        return
    found = exceptions("\n".join(one.raw))
    if found:
        yield Stitched(one.told_in, tuple(one.records), tuple(found))


def marked(line: Line) -> Iterator[tuple[Mark, str]]:
    """The lines of a record with their marks; lines folded into it have none, they may be another writer's."""
    first, *folded = (line.text or "").split("\n")
    unread = line.message is None and line.logged_us is None  # else a record without message has an empty one
    marks = (*who(line), line.level)
    tag, message = untagged(first if unread and not any(marks) else line.message or "")
    yield (line.source_id, *marks, tag) if any((*marks, tag)) else (line.source_id,), message.rstrip("\r\n")
    for text in folded:
        yield (line.source_id,), text.rstrip("\r")


def untagged(message: str) -> tuple[str, str]:
    tag = TAG.match(message)
    return (tag[1], message[tag.end() :]) if tag else ("", message)


def who(line: Line) -> Mark:
    return line.process, line.thread, line.logger, line.stream


def heard_by(line: Line) -> Mark:
    """Through what a record came: a stream where one is named, else a process."""
    return (line.source_id, line.stream) if line.stream else (line.source_id, line.process, line.thread)
