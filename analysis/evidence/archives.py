"""A file as what is to be read of it: itself, or each member of the zip or tar archive that it is.

Members are read in place and in a stream; an archive in an archive is read too, one in that is not. What is not read
is told with its reason.
"""

import zlib
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from analysis.evidence.compression import (
    FREE_OUTPUT,
    MOST_RATIO,
    RAW_DEFLATE,
    Damage,
    by_name,
    unfold,
)
from analysis.evidence.ground import ArchiveError, OnDisk, Spooled, Unfolding
from analysis.evidence.members import (
    BZIP2,
    DEFLATE,
    MOST_MEMBERS,
    START,
    ZSTD,
    Member,
    is_tar,
    is_zip,
    tar_members,
    too_many,
    zip_members,
)
from analysis.evidence.reading import FINGERPRINT, Identity, Opened, open_evidence

__all__ = ["ArchiveError", "Content", "contents"]

MOST_TOTAL: Final = 20_000_000_000
"""Bytes that all members of an archive may unfold to."""

MOST_DEPTH: Final = 2
PIECE: Final = 1 << 16
SWELLS: Final = f"ratio: the archive's files unfold to over {MOST_RATIO} times its size, or to over 20 GB"
MOST_NESTED: Final = 100
COMPRESSIONS: Final = {DEFLATE: RAW_DEFLATE, BZIP2: by_name("bz2"), ZSTD: by_name("zst")}


@dataclass(frozen=True)
class Content:
    """Something to read.

    inside: None for a file itself, 'app.log' or 'inner.zip!/app.log' for what lies in it. refused: why it is not read.
    """

    inside: str | None
    open: Callable[[], Opened]
    refused: str | None = None


def contents(file: Path) -> list[Content]:
    """What is to be read of a file, in the order in which it lies there.

    Raises: Missing, NotAFile, Unreadable; ArchiveError for an archive that is refused as a whole.
    """
    with open_evidence(file) as opened:
        start, is_plain = beginning(opened), opened.compression is None
    if not (is_zip(start) or is_tar(start)):
        return [Content(None, partial(open_evidence, file))]
    if is_zip(start) and not is_plain:
        raise ArchiveError(file, "a zip file that is compressed once more")
    ground = OnDisk(file) if is_plain else Unfolding(file, partial(open_evidence, file))
    found = list(islice(_Archive(ground, file.stat().st_size, start).contents(), MOST_MEMBERS + 1))
    if len(found) > MOST_MEMBERS:
        raise too_many(ground)
    return found


def beginning(opened: Opened) -> bytes:
    """Enough of the content to know an archive by."""
    parts = []
    left = START
    while left and (part := opened.read(left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts)


class _Archive:
    """An open archive, and how much its members have unfolded to."""

    def __init__(self, ground: OnDisk | Unfolding | Spooled, size: int, start: bytes, depth: int = 1) -> None:
        self.ground, self.size, self.depth = ground, size, depth
        searchable = None if isinstance(ground, Unfolding) else ground
        self.members = zip_members(searchable) if is_zip(start) and searchable else tar_members(ground)
        self.nested = 0
        self.given: dict[Member, int] = {}  # the most that was read of each
        self.total = 0

    def contents(self) -> Iterator[Content]:
        """Each member, and the members of those that are archives. Raises ArchiveError if there are too many."""
        seen: Counter[str] = Counter()
        for member in self.members:
            seen[member.name] += 1
            inside = member.name + (f" ({seen[member.name]})" if seen[member.name] > 1 else "")
            if member.refused:
                yield Content(inside, _nothing, member.refused)
                continue
            named = replace(member, name=inside)
            with self.open(named) as opened:
                start = beginning(opened)
            if is_zip(start) or is_tar(start):
                yield from self._nested(named, start)
            else:
                yield Content(inside, partial(self.open, named))

    def _nested(self, member: Member, start: bytes) -> Iterator[Content]:
        inside = member.name
        self.nested += 1
        if self.depth == MOST_DEPTH or self.nested > MOST_NESTED:
            yield Content(
                inside, _nothing, f"an archive, {MOST_DEPTH} deep in others or one of over {MOST_NESTED}"
            )
            return
        try:
            with self.open(member) as opened:
                copy = Spooled(self.ground.path, opened)
            for content in _Archive(copy, copy.size, start, self.depth + 1).contents():
                yield replace(content, inside=f"{inside}!/{content.inside}")
        except ArchiveError as error:
            yield Content(inside, _nothing, str(error))

    def open(self, member: Member) -> Opened:
        """A member's bytes. Raises Unreadable."""
        return Opened(self.ground.path, _MemberFile(self, member))

    def blocks(self, member: Member) -> Iterator[bytes | Damage]:
        """What a member unfolds to; last, why it ends early, if it does."""
        compression = COMPRESSIONS.get(member.method)
        if self._too_much(member, 0):
            yield Damage(0, SWELLS)
            return
        found = self._stored(member, compression.piece if compression else PIECE)
        crc = given = 0
        for block in found if compression is None else _with_damage(unfold(found, compression)):
            if isinstance(block, Damage):
                yield block
                return
            crc, given = zlib.crc32(block, crc), given + len(block)
            yield block
            if self._too_much(member, given):
                yield Damage(given, SWELLS)
                return
        if given < member.size:
            yield Damage(given, self.ground.why_short())
        elif member.crc not in (None, crc):
            yield Damage(given, "the content does not have the checksum that the archive tells")

    def _stored(self, member: Member, piece: int) -> Iterator[bytes]:
        at, end = member.offset, member.offset + member.stored
        while at < end and (block := self.ground.read_at(at, min(PIECE, end - at))):
            at += len(block)
            for start in range(0, len(block), piece):
                yield block[start : start + piece]

    def _too_much(self, member: Member, given: int) -> bool:
        more = given - self.given.get(member, 0)
        if more > 0:
            self.given[member] = given
            self.total += more
        return self.total > min(MOST_TOTAL, max(FREE_OUTPUT, MOST_RATIO * self.size))


def _with_damage(unfolding: Generator[bytes, None, Damage | None]) -> Iterator[bytes | Damage]:
    damage = yield from unfolding
    if damage:
        yield damage


class _MemberFile:
    """A member's bytes, as an unpacker would write them to disk."""

    def __init__(self, archive: _Archive, member: Member) -> None:
        self.size = member.size
        self._blocks = archive.blocks(member)
        self._why = "the archive ends within it"
        self._flaw: str | None = None
        parts: list[bytes] = []
        while sum(map(len, parts)) < FINGERPRINT and (block := self._next()):
            parts.append(block)
        self._block = memoryview(b"".join(parts))
        self.identity = Identity(0, self.size, bytes(self._block[:FINGERPRINT]))

    def readinto(self, buffer: memoryview, /) -> int:
        while not self._block and (block := self._next()):
            self._block = memoryview(block)
        got = min(len(buffer), len(self._block))
        buffer[:got] = self._block[:got]
        self._block = self._block[got:]
        return got

    def grown(self) -> bool:
        return False

    def why_short(self) -> str:
        return self._why

    def flaw(self) -> str | None:
        if self._block or self._next():
            return "the member holds more than the archive tells"
        return self._flaw

    def close(self) -> None:
        self._block = memoryview(b"")

    def _next(self) -> bytes:
        """The next block that is not empty; b"" at the end or where damage begins."""
        for block in self._blocks:
            if isinstance(block, Damage):
                self._why = self._flaw = block.reason
                return b""
            if block:
                return block
        return b""


def _nothing() -> Opened:
    raise AssertionError("a member that is refused is not opened")
