"""Opening a file of evidence: read-only, once, hashed on the way, decompressed by what it holds, not by its name."""

import bz2
import hashlib
import io
import lzma
import os
import stat
import zlib
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import zstandard

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

FREE_OUTPUT: Final = 10_000_000
"""Bytes that any compressed file may unfold to before its ratio is judged."""

MOST_RATIO: Final = 200
"""Bytes out for a byte in, above which a compressed file is taken for a decompression bomb."""

READ_AHEAD: Final = 1 << 20
MOST_MEMORY: Final = 1 << 28  # what one xz file may ask for; zstd's own limit is half of it

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
class Damage:
    """Why the content ends early.

    offset: byte of the file (as it lies on disk) from which on nothing was delivered; inside corrupt data it is
    known to 1 KiB.
    """

    offset: int
    reason: str


class Decompressor(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


@dataclass(frozen=True)
class Compression:
    """A compressed format.

    magics: what its files can start with. begin: a decompressor for one member of a file. piece: bytes given to it at
    once, so few that what they unfold to stays under 50 MB (bz2: one block of zeros is 40 bytes in, 46 MB out).
    """

    name: str
    magics: tuple[bytes, ...]
    begin: Callable[[], Decompressor]
    piece: int = 1024


COMPRESSIONS: Final = (
    Compression("gz", (b"\x1f\x8b\x08",), lambda: zlib.decompressobj(wbits=31)),
    Compression(
        "zst",
        (b"\x28\xb5\x2f\xfd", *(bytes((first,)) + b"\x2a\x4d\x18" for first in range(0x50, 0x60))),
        lambda: zstandard.ZstdDecompressor().decompressobj(),
    ),
    Compression(
        "bz2",
        tuple(b"BZh%d" % level + block for level in range(1, 10) for block in (b"1AY&SY", b"\x17rE8P\x90")),
        bz2.BZ2Decompressor,
        piece=32,
    ),
    Compression(
        "xz",
        (b"\xfd7zXZ\x00",),
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=MOST_MEMORY),
    ),
)

DECOMPRESSION_ERRORS: Final = (zlib.error, zstandard.ZstdError, OSError, lzma.LZMAError)  # OSError: bz2's


class Opened(io.RawIOBase):
    """The content of a file as a stream of bytes; `sha256` and `damage` are whole once it was read to its end.

    What a writer appends after the opening is not read. A buffer given to `readinto` must stay as it is until the
    next call: a plain file is hashed from it in a second thread.
    """

    def __init__(self, path: Path, file: io.FileIO) -> None:
        self.path = path
        self.file_bytes = os.fstat(file.fileno()).st_size
        self.damage: Damage | None = None
        self.compression = _compression(file)
        self._file = file
        self._left = self.file_bytes
        self._digest = hashlib.sha256()
        self._hasher = ThreadPoolExecutor(1)
        self._hashing: Future[None] | None = None
        self._unfolding = (
            _unfold(self._pieces(self.compression.piece), self.compression) if self.compression else None
        )
        self._unfolded = memoryview(b"")

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

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer", /) -> int:
        """Put the next bytes of the content into the buffer and say how many; 0 at the end.

        Raises: Unreadable if the medium fails.
        """
        target = memoryview(buffer).cast("B")
        if self.compression is None:
            return self._take(target)
        while not self._unfolded and self._unfolding:
            self._unfold_next(self._unfolding)
        got = min(len(self._unfolded), len(target))
        target[:got] = self._unfolded[:got]
        self._unfolded = self._unfolded[got:]
        return got

    def close(self) -> None:
        if not self.closed:
            self._hasher.shutdown()
            self._file.close()
        super().close()

    def _unfold_next(self, unfolding: Generator[bytes, None, Damage | None]) -> None:
        try:
            self._unfolded = memoryview(next(unfolding))
        except StopIteration as end:
            self._unfolding = None
            self.damage = self.damage or end.value
            for _ in self._pieces(READ_AHEAD):  # what lies behind the damage belongs to the file's hash
                pass

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
            raise Unreadable(self.path, f"{error.strerror} at byte {self._file.tell()}") from error
        self._left -= got
        if got:
            self._hashing = self._hasher.submit(self._digest.update, target[:got])
        elif target:
            self.file_bytes, self._left = self.file_bytes - self._left, 0
            self.damage = Damage(self.file_bytes, "the file was cut shorter while it was read")
        return got

    def _finish_hashing(self) -> None:
        if self._hashing:
            self._hashing.result()


def open_evidence(path: Path) -> Opened:
    """Open a regular file for reading, whatever of plain, gz, zst, bz2 or xz its first bytes say it is.

    Raises: Missing, NotAFile, Unreadable: at once, without waiting for a FIFO or touching a device.
    """
    try:
        _refuse_irregular(path, path.stat().st_mode)
        with ExitStack() as undo:
            file = undo.enter_context(io.FileIO(os.open(path, OPEN_FLAGS)))
            _refuse_irregular(path, os.fstat(file.fileno()).st_mode)
            opened = Opened(path, file)
            undo.pop_all()
            return opened
    except (FileNotFoundError, NotADirectoryError) as error:
        raise Missing(path) from error
    except OSError as error:
        raise Unreadable(path, error.strerror or str(error)) from error


def _refuse_irregular(path: Path, mode: int) -> None:
    kinds = ((stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a FIFO"), (stat.S_ISSOCK, "a socket"))
    if not stat.S_ISREG(mode):
        raise NotAFile(path, next((name for is_kind, name in kinds if is_kind(mode)), "a device"))


def _compression(file: io.FileIO) -> Compression | None:
    start = file.read(max(len(magic) for one in COMPRESSIONS for magic in one.magics))
    file.seek(0)
    return next((one for one in COMPRESSIONS if start.startswith(one.magics)), None)


def _unfold(pieces: Iterator[bytes], compression: Compression) -> Generator[bytes, None, Damage | None]:
    """Decompress member after member; return where and why that ended early, if it did."""
    engine = compression.begin()
    member_at = taken = given = given_before = 0
    for piece in pieces:
        taken += len(piece)
        data = piece
        while data := data.lstrip(b"\0") if engine.eof else data:  # members may be padded with NULs
            if engine.eof:
                engine, member_at, given_before = compression.begin(), taken - len(data), given
            try:
                output = engine.decompress(data)
            except DECOMPRESSION_ERRORS as error:
                if member_at and given == given_before:
                    return Damage(
                        member_at, f"what follows the compressed data is not {compression.name}: {error}"
                    )
                return Damage(taken - len(data), f"corrupt {compression.name} data: {error}")
            given += len(output)
            yield output
            data = engine.unused_data if engine.eof else b""
            if given > max(FREE_OUTPUT, MOST_RATIO * taken):
                return Damage(taken, f"ratio: over {MOST_RATIO} bytes out for each byte in, as in a bomb")
    return None if engine.eof else Damage(taken, f"the {compression.name} data end in the middle")
