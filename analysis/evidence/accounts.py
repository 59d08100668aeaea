"""What the bytes of a stream are accounted as: records, continuations, blank and quarantined lines."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from analysis.evidence.views import Bools, Ints

MOST_LINES: Final = 2**31 - 1

PLACE: Final = (
    ("line_no", pa.int64()),
    ("line_count", pa.int32()),
    ("byte_start", pa.int64()),
    ("byte_end", pa.int64()),
)
RECORDS: Final = pa.schema(
    [*PLACE, ("text", pa.string_view()), ("damaged", pa.bool_()), ("head_end", pa.int64())]
)
QUARANTINE: Final = pa.schema([*PLACE, ("reason", pa.string())])


@dataclass(frozen=True)
class Stretches:
    """Neighbouring lines, one stretch a row: a record, or stray lines, which belong to none."""

    is_record: Bools
    line_no: Ints
    last_line: Ints
    byte_start: Ints
    head_end: Ints
    byte_end: Ints

    def where(self, chosen: Bools) -> "Stretches":
        return Stretches(*(column[chosen] for column in vars(self).values()))

    def place(self) -> list[pa.Array]:
        """The columns of `PLACE`."""
        line_count = np.minimum(self.last_line - self.line_no + 1, MOST_LINES).astype(np.int32)
        return [pa.array(column) for column in (self.line_no, line_count, self.byte_start, self.byte_end)]


def joined(parts: list[Stretches]) -> Stretches:
    columns = zip(*(vars(part).values() for part in parts), strict=True)
    return Stretches(*(np.concatenate(column) for column in columns))


@dataclass
class Unfinished:
    """The last stretch of a block, which the next block may carry on.

    held: the first bytes of a record (of stray lines none), as many as its text needs.
    """

    is_record: bool
    line_no: int
    last_line: int
    byte_start: int
    head_end: int
    byte_end: int
    held: bytearray

    def stretch(self) -> Stretches:
        numbers = (self.line_no, self.last_line, self.byte_start, self.head_end, self.byte_end)
        return Stretches(np.array([self.is_record]), *(np.array([number]) for number in numbers))

    def raw(self) -> bytes:
        r"""The record's bytes, without its final \n or \r\n if they are all held."""
        size = self.byte_end - self.byte_start
        raw = bytes(self.held[:size])
        if len(raw) < size:
            return raw
        return raw[:-2] if raw.endswith(b"\r\n") else raw.removesuffix(b"\n")


@dataclass(frozen=True)
class Counts:
    """What a stream was found to hold, up to `bytes`.

    bytes = record + continuation + blank + quarantined bytes, and lines = records + continuation_lines + blank_lines
    + quarantined: a record counts with its head line, its other lines are continuations.
    """

    bytes: int = 0
    lines: int = 0
    records: int = 0
    record_bytes: int = 0
    continuation_lines: int = 0
    continuation_bytes: int = 0
    blank_lines: int = 0
    blank_bytes: int = 0
    quarantined: int = 0
    quarantined_bytes: int = 0

    def plus(self, found: Stretches, to_byte: int, to_line: int) -> "Counts":
        """The counts up to a place where all stretches have ended; what lies between them is blank lines."""
        lines = found.last_line - found.line_no + 1
        sizes = found.byte_end - found.byte_start
        heads = found.head_end - found.byte_start
        is_record = found.is_record
        return Counts(
            bytes=to_byte,
            lines=to_line,
            records=self.records + int(is_record.sum()),
            record_bytes=self.record_bytes + int(heads[is_record].sum()),
            continuation_lines=self.continuation_lines + int((lines - 1)[is_record].sum()),
            continuation_bytes=self.continuation_bytes + int((sizes - heads)[is_record].sum()),
            blank_lines=self.blank_lines + to_line - self.lines - int(lines.sum()),
            blank_bytes=self.blank_bytes + to_byte - self.bytes - int(sizes.sum()),
            quarantined=self.quarantined + int(lines[~is_record].sum()),
            quarantined_bytes=self.quarantined_bytes + int(sizes[~is_record].sum()),
        )
