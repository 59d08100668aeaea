"""Which lines of a log start a record."""

from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from analysis.evidence import views
from analysis.evidence.views import Bools, Bytes, Ints

QUOTE: Final = ord('"')
WORD: Final = 8
TOP_BITS: Final = 0x8080808080808080
LOW_BITS: Final = 0x7F7F7F7F7F7F7F7F


class BadHead(ValueError):
    """A mask or regex that cannot say where records start."""


class Head(Protocol):
    """Says which lines of a chunk start a record."""

    @property
    def reach(self) -> int:
        """Bytes at the beginning of a line that decide."""

    def starts(self, chunk: Bytes, line_starts: Ints, line_ends: Ints) -> Bools:
        """One answer a line. The lines tile the chunk; the last one may be cut behind its first `reach` bytes."""

    def after(self, chunk: Bytes) -> "Head":
        """The head that reads on where `chunk` ends."""


@dataclass(frozen=True)
class EveryLine:
    """Each line that is not blank is a record, as in JSON lines."""

    reach: int = 0

    def starts(self, chunk: Bytes, line_starts: Ints, line_ends: Ints) -> Bools:
        return np.ones(len(line_starts), dtype=np.bool_)

    def after(self, chunk: Bytes) -> "EveryLine":
        return self


@dataclass(frozen=True)
class LongLine:
    """Each line of at least `least` bytes, its end included, that begins with one of the bytes `first`; empty: any.

    For formats whose shorter lines hold no record: neighbours of these are one stray stretch, which costs nothing,
    where a record that is tried and does not fit costs some microseconds.
    """

    least: int
    first: bytes = b""

    @property
    def reach(self) -> int:
        return self.least

    def starts(self, chunk: Bytes, line_starts: Ints, line_ends: Ints) -> Bools:
        found: Bools = line_ends - line_starts >= self.least
        if self.first:
            found &= np.isin(np.arange(256), list(self.first))[chunk[line_starts]]
        return found

    def after(self, chunk: Bytes) -> "LongLine":
        return self


@dataclass(frozen=True)
class Mask:
    """A record starts where one of the masks fits: d a digit, a an ASCII letter, anything else itself.

    Raises: BadHead for a mask that is empty or not printable ASCII.
    """

    masks: tuple[str, ...]

    def __post_init__(self) -> None:
        for mask in self.masks or ("",):
            if not mask or not (mask.isascii() and mask.isprintable()):
                raise BadHead(
                    f"mask {mask!r}: wanted printable ASCII such as 'dddd-dd-dd dd:dd:dd'; mend the format"
                )

    @property
    def reach(self) -> int:
        return max(map(len, self.masks))

    def starts(self, chunk: Bytes, line_starts: Ints, line_ends: Ints) -> Bools:
        found = np.zeros(len(line_starts), dtype=np.bool_)
        for mask in self.masks:
            left = np.flatnonzero(~found)
            words = compiled(mask)
            columns = views.windows(chunk, line_starts[left], WORD * len(words)).view("<u8").T
            fits = np.logical_and.reduce(
                [word.fits(column) for word, column in zip(words, columns, strict=True)]
            )
            found[left[fits]] = True
        return found

    def after(self, chunk: Bytes) -> "Mask":
        return self


@dataclass(frozen=True)
class Word:
    """Eight bytes of a mask, compared at once: `low <= byte | fold <= high` where `cared` has the byte's top bit.

    Source: Warren, Hacker's Delight, 2nd ed., section 6-1 (bytes side by side in a word).
    """

    fold: int
    from_low: int
    past_high: int
    cared: int

    def fits(self, words: npt.NDArray[np.uint64]) -> Bools:
        folded = (words & np.uint64(LOW_BITS)) | np.uint64(self.fold)
        # Sums of seven bits: each top bit is one comparison's answer and no byte carries into the next.
        inside = (folded + np.uint64(self.from_low)) & ~(folded + np.uint64(self.past_high)) & ~words
        found: Bools = (inside & np.uint64(self.cared)) == np.uint64(self.cared)
        return found


@cache
def compiled(mask: str) -> tuple[Word, ...]:
    """The mask as words; its last one does not care for what lies behind the mask."""
    classes = {"d": (0, ord("0"), ord("9")), "a": (0x20, ord("a"), ord("z"))}
    words = []
    for start in range(0, len(mask), WORD):
        bounds = [classes.get(one, (0, ord(one), ord(one))) for one in mask[start : start + WORD]]
        padding = b"\0" * (WORD - len(bounds))
        parts = (
            bytes(fold for fold, _, _ in bounds),
            bytes(0x80 - low for _, low, _ in bounds),
            bytes(0x7F - high for _, _, high in bounds),
            b"\x80" * len(bounds),
        )
        words.append(Word(*(int.from_bytes(part + padding, "little") for part in parts)))
    return tuple(words)


@dataclass(frozen=True)
class Pattern:
    """A record starts where the regex matches a line's beginning; of long lines `reach` bytes are looked at.

    RE2 syntax, on bytes: linear in the line's length, and `.` is one byte.
    Raises: BadHead for a regex that RE2 does not take.
    """

    regex: str
    reach: int = 1 << 16

    def __post_init__(self) -> None:
        try:
            self._matches(pa.array([b""], pa.large_binary()))
        except pa.ArrowInvalid as error:
            raise BadHead(
                f"regex {self.regex!r}: {error} (RE2 has no lookaround or backreferences)"
            ) from error

    def starts(self, chunk: Bytes, line_starts: Ints, line_ends: Ints) -> Bools:
        ends = np.minimum(views.content_ends(chunk, line_starts, line_ends), line_starts + self.reach)
        lines = views.array(pa.binary_view(), views.views(chunk, 0, line_starts, ends), chunk)
        found: Bools = self._matches(lines.cast(pa.large_binary())).to_numpy(zero_copy_only=False)
        return found

    def after(self, chunk: Bytes) -> "Pattern":
        return self

    def _matches(self, lines: pa.Array) -> pa.Array:
        return pc.match_substring_regex(lines, rf"\A(?:{self.regex})")


@dataclass(frozen=True)
class Quoted:
    """A record is a CSV row: a line starts one unless it lies inside quotes. To be folded.

    Source: RFC 4180, section 2 (a quote inside quotes is doubled, so an odd count so far means inside).
    """

    inside: bool = False
    reach: int = 0

    def starts(self, chunk: Bytes, line_starts: Ints, line_ends: Ints) -> Bools:
        quotes = (chunk == QUOTE).view(np.uint8)
        odd = np.bitwise_xor.reduceat(quotes, line_starts)
        inside = np.bitwise_xor.accumulate(np.concatenate(([np.uint8(self.inside)], odd[:-1])))
        outside: Bools = inside == 0
        return outside

    def after(self, chunk: Bytes) -> "Quoted":
        return replace(self, inside=self.inside ^ bool(np.count_nonzero(chunk == QUOTE) % 2))
