"""Bytes -> records, every byte accounted for.

A line ends with LF and nothing else. The stream is worked through block by block. What a block leaves unfinished waits
in `Unfinished` for the next one, so neither a line nor a record has to fit into a block.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import pyarrow as pa

from analysis.evidence import views
from analysis.evidence.accounts import QUARANTINE, RECORDS, Counts, Stretches, Unfinished, joined
from analysis.evidence.heads import BadHead, EveryLine, Head, LongLine, Mask, Pattern, Quoted
from analysis.evidence.pieces import Pieces, Position, pieces
from analysis.evidence.views import LF, Bools, Bytes, Ints

__all__ = [
    "QUARANTINE",
    "RECORDS",
    "BadHead",
    "Batch",
    "Counts",
    "EveryLine",
    "Head",
    "LongLine",
    "Mask",
    "Pattern",
    "Quoted",
    "split",
]

CHUNK: Final = 1 << 22
TEXT_CAP: Final = 1 << 20
LONGEST_NEWLINE: Final = 2
MOST_LINES: Final = 1 << 18
"""Lines in a batch: a line costs some 300 bytes while it is worked on, however short it is."""

LONGEST_HELD: Final = 1 << 20
"""Bytes of a line that wait for the rest of it; of a longer one each block is worked through as it comes."""

BOM: Final = b"\xef\xbb\xbf"

BEFORE_ANY: Final = "no record starts before this line"
NO_HEAD: Final = "the line does not start a record, and records of this format have one line"


class Stream(Protocol):
    """Where bytes come from; a buffer that `readinto` filled is not written to again."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...


@dataclass(frozen=True)
class Batch:
    """Records and quarantined stretches that ended in one block, in the order of the file, and the counts so far."""

    records: pa.RecordBatch
    quarantine: pa.RecordBatch
    counts: Counts


def nothing_cut() -> None:
    """A stream that was read to its true end."""


def split(
    stream: Stream,
    head: Head,
    fold: bool,
    chunk_bytes: int = CHUNK,
    text_cap: int = TEXT_CAP,
    cut: Callable[[], str | None] = nothing_cut,
) -> Iterator[Batch]:
    """Cut a stream into records, in constant memory.

    fold: lines that start no record belong to the record before them, and so do blank lines between them; else they
    are quarantined, as are lines before the first record. A blank line is LF or CR LF alone; a byte order mark at the
    beginning counts as blank bytes.
    cut: asked at the end of a stream that does not end with a newline: why its last line is not whole. That line is
    then quarantined for this reason, unless it is longer than `LONGEST_HELD`: its text is capped and so marked anyway.
    Out:  batches with `RECORDS` (text: views on the block, UTF-8; damaged: it had to be repaired, or capped at
          text_cap bytes) and `QUARANTINE`; the last batch's counts cover the whole stream.
    """
    splitter = Splitter(head, fold, text_cap)
    held = max(head.reach, min(chunk_bytes, LONGEST_HELD))
    carry = _beginning(stream)
    if carry.startswith(BOM):
        splitter.at, carry = Position(byte=len(BOM)), carry[len(BOM) :]
    while True:
        block, final = _read(stream, carry, chunk_bytes)
        used = len(block) if final else _usable(block, held)
        carry = block[used:].tobytes()
        why_cut = cut() if final and block[-1:].tobytes() != b"\n" else None
        done = 0
        for part, line_ends in _parts(block[:used]):
            done += len(part)
            last = final and done == used
            yield splitter.batch(part, line_ends, last, why_cut if last else None)
        if final:
            return


def _beginning(stream: Stream) -> bytes:
    """As many bytes as a byte order mark has, fewer only where the stream is shorter."""
    found = np.empty(len(BOM), dtype=np.uint8)
    filled = 0
    while filled < len(found) and (got := stream.readinto(found.data[filled:])):
        filled += got
    return found[:filled].tobytes()


def _read(stream: Stream, carry: bytes, size: int) -> tuple[Bytes, bool]:
    """A block of the carry and up to `size` new bytes, and whether the stream has ended."""
    block = np.empty(len(carry) + size, dtype=np.uint8)
    room = block.data
    room[: len(carry)] = carry
    filled = len(carry)
    while filled < len(block):
        got = stream.readinto(room[filled:])
        if not got:
            return block[:filled], True
        filled += got
    return block, False


def _usable(block: Bytes, reach: int) -> int:
    """How much of the block can be judged: a line whose beginning is not all there waits for more."""
    tail = block[-(reach + LONGEST_NEWLINE) :].tobytes()
    if (last := tail.rfind(b"\n")) >= 0:
        return len(block) - len(tail) + last + 1
    return len(block) if len(block) >= reach + LONGEST_NEWLINE else 0


def _parts(block: Bytes) -> Iterator[tuple[Bytes, Ints]]:
    """The block in parts of a bounded number of lines, and where in the part each line ends."""
    ends = np.flatnonzero(block == LF) + 1
    if len(block) and (not len(ends) or ends[-1] < len(block)):
        ends = np.append(ends, len(block))
    start = 0
    for first in range(0, max(1, len(ends)), MOST_LINES):
        part_ends = ends[first : first + MOST_LINES]
        stop = int(part_ends[-1]) if len(part_ends) else 0
        yield block[start:stop], part_ends - start
        start = stop


class Splitter:
    """What is known between two blocks."""

    def __init__(self, head: Head, fold: bool, text_cap: int) -> None:
        self.head = head
        self.fold = fold
        self.text_cap = text_cap
        self.most_held = text_cap + LONGEST_NEWLINE
        self.at = Position()
        self.unfinished: Unfinished | None = None
        self.counts = Counts()

    def batch(self, block: Bytes, line_ends: Ints, final: bool, cut: str | None) -> Batch:
        """Work through the next bytes of the stream, all of which can be judged now.

        cut: why the stream's last line, if it has no newline, is not whole.
        """
        found = pieces(block, line_ends, self.head, self.fold, self.at)
        is_cut = cut is not None and found.may_be_cut(self.at)
        if is_cut:
            found = found.without_last()
        self._carry_on(found)
        ended: list[Unfinished | None] = [None, None]  # before and behind what begins and ends in this block
        if len(found.begins):
            ended[0], self.unfinished = self.unfinished, self._begun(found, int(found.begins[-1]))
        if final:
            ended[1], self.unfinished = self.unfinished, None
        before, behind = ([one] if one else [] for one in ended)
        whole = self._whole(found)
        text, damaged = self._texts(found, before, behind)
        self.at = found.behind(self.at)
        self.head = self.head.after(block)
        every = joined([*(one.stretch() for one in before), whole, *(one.stretch() for one in behind)])
        one = self.unfinished
        self.counts = self.counts.plus(
            every, one.byte_start if one else self.at.byte, one.line_no - 1 if one else self.at.lines
        )
        records, stray = every.where(every.is_record), every.where(~every.is_record)
        reasons = [BEFORE_ANY if self.fold else NO_HEAD] * (len(stray.line_no) - is_cut) + [cut] * is_cut
        return Batch(
            pa.record_batch(
                [*records.place(), text, pa.array(damaged), pa.array(records.head_end)], schema=RECORDS
            ),
            pa.record_batch([*stray.place(), pa.array(reasons, pa.string())], schema=QUARANTINE),
            self.counts,
        )

    def _carry_on(self, found: Pieces) -> None:
        """Give the unfinished stretch what comes before the next one begins."""
        until = int(found.begins[0]) if len(found.begins) else len(found.starts)
        one = self.unfinished
        if one is None or not until:
            return
        last = int(found.last_solid[until - 1])
        if last >= 0:
            if self.at.line_no == one.line_no:
                one.head_end = self.at.byte + int(found.ends[0])
            one.last_line = self.at.line_no + last
            one.byte_end = self.at.byte + int(found.ends[last])
        if one.is_record:
            room = self.most_held - len(one.held)
            one.held += found.block[: min(room, int(found.ends[until - 1]))].tobytes()

    def _begun(self, found: Pieces, first: int) -> Unfinished:
        start, is_record = int(found.starts[first]), bool(found.heads[first])
        last = int(found.last_solid[-1])
        return Unfinished(
            is_record,
            line_no=self.at.line_no + first,
            last_line=self.at.line_no + last,
            byte_start=self.at.byte + start,
            head_end=self.at.byte + int(found.ends[first]),
            byte_end=self.at.byte + int(found.ends[last]),
            held=bytearray(found.block[start : start + self.most_held * is_record].tobytes()),
        )

    def _whole(self, found: Pieces) -> Stretches:
        """The stretches that begin and end in the block."""
        first, last = found.whole()
        return Stretches(
            is_record=found.heads[first],
            line_no=self.at.line_no + first,
            last_line=self.at.line_no + last,
            byte_start=self.at.byte + found.starts[first],
            head_end=self.at.byte + found.ends[first],
            byte_end=self.at.byte + found.ends[last],
        )

    def _texts(
        self, found: Pieces, before: list[Unfinished], behind: list[Unfinished]
    ) -> tuple[pa.Array, Bools]:
        """The texts of the records that end in the block, views on it where they can be, and which are damaged."""
        first, last = found.whole()
        is_record = found.heads[first]
        starts = found.starts[first[is_record]]
        ends = views.content_ends(found.block, starts, found.ends[last[is_record]])
        around = [[one.raw() for one in some if one.is_record] for some in (before, behind)]
        return views.texts(found.block, starts, ends, (around[0], around[1]), self.text_cap)
