"""Opening a file of evidence: read-only, once, hashed on the way, decompressed by what it holds, not by its name."""

import hashlib
import io
import os
import stat
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from analysis.evidence.compression import LONGEST_MAGIC, Damage, compression_of, unfold
from analysis.evidence.encodings import as_utf8, encoding_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Damage", "Missing", "NotAFile", "Opened", "Unopenable", "Unreadable", "open_evidence"]

READ_AHEAD: Final = 1 << 20
FINGERPRINT: Final = 1 << 10
"""Bytes of a file's beginning by which it is known again."""

SETTLED_S: Final = 0.1
"""A file that was written to more lately may be in the middle of a line: its writer is given as long to go on."""

# A FIFO put in place of the file between stat and open must not make the open wait.
OPEN_FLAGS: Final = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)


class Unopenable(Exception):
    """A piece of evidence that cannot be read."""


class Missing(Unopenable):
    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: no such file. Check the path, and that the export lies where the case says."
        )


class NotAFile(Unopenable):
    def __init__(self, path: Path, found: str) -> None:
        super().__init__(
            f"{path}: wanted a regular file, found {found}. Copy the log to a file and name that."
        )


class Unreadable(Unopenable):
    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: cannot be read ({reason}). Give this user read access, or copy the file.")


@dataclass(frozen=True)
class Identity:
    """What a file is known by when its name may have gone to another: log rotation renames and truncates.

    Source: logrotate(8), "copytruncate"; the first bytes tell a file from another one in a reused inode.
    """

    inode: int
    size: int
    start: bytes

    def is_still(self, later: "Identity") -> bool:
        """Whether `later` is this file, unchanged or longer."""
        return self.inode == later.inode and self.size <= later.size and later.start.startswith(self.start)


class Raw(Protocol):
    """Bytes as they lie on disk, or in an archive."""

    size: int  # of what is to be read
    identity: Identity

    def readinto(self, buffer: memoryview, /) -> int | None: ...
    def grown(self) -> bool:
        """Whether more lies there by now than `size`, or comes in a moment."""

    def why_short(self) -> str:
        """Why it ended before `size`."""

    def flaw(self) -> str | None:
        """Asked when `size` bytes were read: what is wrong with them all the same."""

    def close(self) -> None: ...


class PlainFile(io.FileIO):
    """A file; what a writer appends after the opening is not part of it."""

    def __init__(self, descriptor: int) -> None:
        super().__init__(descriptor)
        state = os.fstat(descriptor)
        self.size = state.st_size
        self.identity = Identity(state.st_ino, self.size, self.read(min(FINGERPRINT, self.size)))
        self.seek(0)

    def grown(self) -> bool:
        until = time.monotonic() + SETTLED_S  # and not longer, should the clock of the file's system be ahead
        while (state := os.fstat(self.fileno())).st_size <= self.size:
            if time.time() - state.st_mtime > SETTLED_S or time.monotonic() > until:
                return False
            time.sleep(SETTLED_S / 20)
        return True

    def why_short(self) -> str:
        return "the file was cut shorter while it was read"

    def flaw(self) -> None:
        return None


class Opened(io.RawIOBase):
    """The content of a file as a stream of bytes; `sha256` and `damage` are whole once it was read to its end.

    Content: decompressed, and in UTF-8 where a byte order mark says UTF-16 or UTF-32. A buffer given to `readinto`
    must stay as it is until the next call: a plain file is hashed from it in a second thread.
    """

    def __init__(self, path: Path, raw: Raw) -> None:
        self.path = path
        self.file_bytes = raw.size
        self.identity = raw.identity
        self.damage: Damage | None = None
        self._file = raw
        self._left = self.file_bytes
        self._digest = hashlib.sha256()
        self._hasher = ThreadPoolExecutor(1)
        self._hashing: Future[None] | None = None
        self.compression = compression_of(raw.identity.start[:LONGEST_MAGIC])
        is_utf8 = encoding_of(raw.identity.start) is None
        self._blocks = None if self.compression is None and is_utf8 else self._converted()
        self._block = memoryview(b"")

    @property
    def sha256(self) -> str:
        """SHA-256 of the file as it lies on disk.

        Raises: ValueError while a part of it is still to be read.
        """
        if self._left:
            raise ValueError(
                f"{self.path}: {self._left} bytes are still to be read; read it to its end first"
            )
        self._finish_hashing()
        return self._digest.hexdigest()

    @property
    def taken_bytes(self) -> int:
        """How many bytes of the file, as it lies on disk, were read so far."""
        return self.file_bytes - self._left

    def cut(self) -> str | None:
        """Why a last line without a newline is not whole; None if it is. To be asked at the end of the content."""
        if self.damage:
            return f"the line is cut off where the file is damaged, at byte {self.damage.offset} of the file"
        if self._file.grown():
            return "the line was still being written when it was read; the next load reads it whole"
        return None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Put the next bytes of the content into the buffer and say how many; 0 at the end.

        Raises: Unreadable if the medium fails.
        """
        target = memoryview(buffer).cast("B")
        if self._blocks is None:
            return self._take(target)
        while not self._block and (block := next(self._blocks, None)) is not None:
            self._block = memoryview(block)
        got = min(len(self._block), len(target))
        target[:got] = self._block[:got]
        self._block = self._block[got:]
        return got

    def close(self) -> None:
        if not self.closed:
            self._hasher.shutdown()
            self._file.close()
        super().close()

    def _converted(self) -> Iterator[bytes]:
        """The content's blocks, then, unseen, what lies behind damage: it belongs to the file's hash."""
        why = yield from as_utf8(self._unfolded())
        if why and not self.damage:
            self.damage = Damage(self.taken_bytes, why)
        for _ in self._pieces(READ_AHEAD):
            pass

    def _unfolded(self) -> Iterator[bytes]:
        if self.compression is None:
            yield from self._pieces(READ_AHEAD)
            return
        damage = yield from unfold(self._pieces(self.compression.piece), self.compression)
        self.damage = self.damage or damage

    def _pieces(self, size: int) -> Iterator[bytes]:
        while True:
            block = bytearray(READ_AHEAD)
            got = self._take(memoryview(block))
            if not got:
                return
            for start in range(0, got, size):
                yield bytes(block[start : min(start + size, got)])

    def _take(self, target: memoryview) -> int:
        """Read raw bytes of the file and hash them; 0 at the end of what was there at the opening."""
        self._finish_hashing()
        target = target[: self._left]
        try:
            got = self._file.readinto(target) or 0
        except OSError as error:
            raise Unreadable(self.path, f"{error.strerror} at byte {self.taken_bytes}") from error
        self._left -= got
        if got and not self._left and (flaw := self._file.flaw()):
            self.damage = Damage(self.file_bytes, flaw)
        if got:
            self._hashing = self._hasher.submit(self._digest.update, target[:got])
        elif target:
            self.file_bytes, self._left = self.file_bytes - self._left, 0
            self.damage = Damage(self.file_bytes, self._file.why_short())
        return got

    def _finish_hashing(self) -> None:
        if self._hashing:
            self._hashing.result()


def open_evidence(path: Path) -> Opened:
    """Open a regular file for reading, whatever of plain, gz, zst, bz2 or xz its first bytes say it is.

    Raises: Missing, NotAFile, Unreadable: at once, without waiting for a FIFO or touching a device.
    """
    file = open_plain(path)
    try:
        return Opened(path, file)
    except BaseException:
        file.close()
        raise


def open_plain(path: Path) -> PlainFile:
    """A regular file's bytes as they lie on disk. Raises as `open_evidence` does."""
    try:
        _refuse_irregular(path, path.stat().st_mode)
        with ExitStack() as undo:
            descriptor = os.open(path, OPEN_FLAGS)
            undo.callback(os.close, descriptor)
            _refuse_irregular(path, os.fstat(descriptor).st_mode)
            file = PlainFile(descriptor)
            undo.pop_all()
            return file
    except (FileNotFoundError, NotADirectoryError, ValueError) as error:  # ValueError: a NUL in the name
        raise Missing(path) from error
    except OSError as error:
        raise Unreadable(path, error.strerror or str(error)) from error


def _refuse_irregular(path: Path, mode: int) -> None:
    kinds = ((stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    if not stat.S_ISREG(mode):
        raise NotAFile(path, next((name for is_kind, name in kinds if is_kind(mode)), "a device"))
