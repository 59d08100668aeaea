"""Where records start in a file that several formats share."""

import re
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from analysis.evidence.format_file import Format
from analysis.evidence.heads import EveryLine, Head, LongLine, Pattern
from analysis.evidence.layout import Layout
from analysis.evidence.views import CR, LF, Bools, Bytes, Ints

NONE: Final = 0
FOLDING: Final = 1
SINGLE: Final = 2
"""What a line is: no head, the head of a record that may go on, or a record by itself."""


@dataclass(frozen=True)
class Shared:
    """A record starts where one of the heads says so, and behind a record that has one line.

    heads: each with whether the records that it starts may go on. What stands behind an access line and starts
    nothing, as the rest of a traceback that another worker's access line cut in two, is no part of that line: it is a
    record of its own, a fragment.
    """

    heads: tuple[tuple[Head, bool], ...]
    in_line: bool = False  # the next byte continues a line
    behind_single: bool = False

    @property
    def reach(self) -> int:
        return max(head.reach for head, _ in self.heads)

    def starts(self, chunk: Bytes, line_starts: Ints, line_ends: Ints) -> Bools:
        if not len(line_starts):
            return np.zeros(0, dtype=np.bool_)
        what = self._what(chunk, line_starts, line_ends)
        solid = ~_blank(chunk, line_starts, line_ends)
        if self.in_line:  # the rest of a line that was judged before says nothing
            what[0], solid[0] = NONE, False
        before = np.concatenate(([SINGLE if self.behind_single else NONE], what[solid]))[:-1]
        fragments = np.zeros(len(what), dtype=np.bool_)
        fragments[np.flatnonzero(solid)] = before == SINGLE
        found: Bools = (what != NONE) | fragments
        return found

    def after(self, chunk: Bytes) -> "Shared":
        if not len(chunk):
            return self
        in_line = bool(chunk[-1] != LF)
        breaks = np.flatnonzero(chunk == LF) + 1
        ends = np.append(breaks, len(chunk)) if in_line else breaks
        starts = np.concatenate(([0], ends[:-1]))
        begun = slice(int(self.in_line), None)  # what goes on with a line was judged where that began
        starts, ends = starts[begun], ends[begun]
        solid = np.flatnonzero(~_blank(chunk, starts, ends))
        behind_single = self.behind_single
        if len(solid):
            behind_single = bool(self._what(chunk, starts[solid[-1:]], ends[solid[-1:]])[0] == SINGLE)
        return replace(self, in_line=in_line, behind_single=behind_single)

    def _what(self, chunk: Bytes, line_starts: Ints, line_ends: Ints) -> Ints:
        what = np.full(len(line_starts), NONE)
        for head, folds in self.heads:
            open_ = np.flatnonzero(what == NONE)
            found = head.starts(chunk, line_starts[open_], line_ends[open_])
            what[open_[found]] = FOLDING if folds else SINGLE
        return what


def _blank(chunk: Bytes, line_starts: Ints, line_ends: Ints) -> Bools:
    first = chunk[line_starts]
    blank: Bools = (first == LF) | (
        (first == CR) & (line_ends - line_starts == 2) & (chunk[line_ends - 1] == LF)
    )
    return blank


def head_alone(fmt: Format) -> Head:
    """The head of a format that has a file to itself: of every line, those that are too short to fit are left out.

    A record has a stamp, so an object has a member; before it may stand spaces, see `extract._json`.
    """
    least = fmt.stamp.shortest
    if not isinstance(fmt.head, EveryLine) or fmt.csv is not None or not least:
        return fmt.head
    return LongLine(least) if fmt.json is None else LongLine(len('{"":}') + least, b"{ ")


def head_beside(fmt: Format) -> Head:
    """The head of a format that stands beside others: one that takes every line for a record must say which.

    Then it is what every record of the format holds: the literals of its layout, or a match of its regex.
    """
    if not isinstance(fmt.head, EveryLine):
        return fmt.head
    if fmt.json is not None:
        return Pattern(r"[ \t]*\{")
    ways = [_literals(fmt.layout)] if fmt.layout else []
    return Pattern("|".join([*ways, *([fmt.regex] if fmt.regex else [])]))


def _literals(layout: Layout) -> str:
    """A regex for what holds the layout's literals in their order."""
    needed = [
        each.until
        for each, after in zip(layout.fields, [*layout.fields[1:], None], strict=True)
        if after is None or after.mark != "*"
    ]
    return re.escape(layout.start) + ".*?".join(["", *(re.escape(each) for each in needed if each)])
