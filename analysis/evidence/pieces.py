"""The lines of a block: where they lie, which start records, which belong to none."""

from dataclasses import dataclass, replace

import numpy as np

from analysis.evidence.heads import Head
from analysis.evidence.views import CR, LF, Bools, Bytes, Ints


@dataclass(frozen=True)
class Position:
    """A place in the stream between two blocks, and what the lines before it decide about those behind."""

    byte: int = 0
    line_no: int = 1
    in_line: bool = False  # the next byte continues the line `line_no`
    in_stray: bool = False  # the line before the next byte, or around it, is a stray one
    seen_head: bool = False

    @property
    def lines(self) -> int:
        """Lines up to here, a cut one included."""
        return self.line_no - 1 + self.in_line


@dataclass(frozen=True)
class Pieces:
    """Lines of a block: the first may continue a line of the block before, the last may go on in the next.

    stray: belongs to no record. begins: indices of the pieces where a record or stray lines begin. last_solid: index
    of the last piece up to each one that is not blank; -1: none.
    """

    block: Bytes
    starts: Ints
    ends: Ints
    heads: Bools
    stray: Bools
    begins: Ints
    last_solid: Ints

    def whole(self) -> tuple[Ints, Ints]:
        """First and last piece of each stretch that is known to end in the block."""
        return self.begins[:-1], self.last_solid[self.begins[1:] - 1]

    def may_be_cut(self, at: Position) -> bool:
        """Whether the last line has no end, and its beginning lies in this block, at `at`."""
        begins_here = len(self.starts) > at.in_line
        return begins_here and bool(self.block[-1] != LF)

    def without_last(self) -> "Pieces":
        """The same, but the last line belongs to no record and to no other stray lines."""
        last = len(self.starts) - 1
        heads, stray = self.heads.copy(), self.stray.copy()
        heads[last], stray[last] = False, True
        begins = np.append(self.begins[self.begins < last], last)
        return replace(self, heads=heads, stray=stray, begins=begins)

    def behind(self, at: Position) -> Position:
        """The place behind the block, which lies at `at`."""
        if not len(self.block):
            return at
        in_line = bool(self.block[-1] != LF)
        return Position(
            byte=at.byte + len(self.block),
            line_no=at.line_no + len(self.starts) - in_line,
            in_line=in_line,
            in_stray=bool(self.stray[-1]),
            seen_head=at.seen_head or bool(self.heads.any()),
        )


def pieces(block: Bytes, ends: Ints, head: Head, fold: bool, at: Position) -> Pieces:
    """Judge the lines, which end at `ends`, of the block that lies at `at`."""
    starts = np.concatenate((ends[:0], [0], ends[:-1]))[: len(ends)]
    blank = _blank(block, starts, ends)
    heads = head.starts(block, starts, ends) & ~blank
    if at.in_line:
        blank[:1] = heads[:1] = False
    stray = ~(heads | blank)
    if at.in_line:
        stray[:1] = at.in_stray
    if fold:
        stray[0 if at.seen_head else _first(heads) :] = False
    joins_stray = np.concatenate(([at.in_stray], stray))[:-1]
    begins = np.flatnonzero(heads | (stray & ~joins_stray))
    return Pieces(block, starts, ends, heads, stray, begins, _last_solid(blank))


def _blank(block: Bytes, starts: Ints, ends: Ints) -> Bools:
    """Which pieces are LF or CR LF and nothing else."""
    first = block[starts]
    blank: Bools = first == LF
    crs = np.flatnonzero(first == CR)
    blank[crs] = (ends[crs] - starts[crs] == 2) & (block[ends[crs] - 1] == LF)
    return blank


def _first(flags: Bools) -> int:
    return int(np.argmax(flags)) if flags.any() else len(flags)


def _last_solid(blank: Bools) -> Ints:
    own = np.arange(len(blank))
    return np.maximum.accumulate(np.where(blank, -1, own)) if blank.any() else own
