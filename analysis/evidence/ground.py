"""Where an archive's bytes lie: on disk, in a compressed stream, or in an unnamed temporary file."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from analysis.evidence.reading import Opened, Unopenable, Unreadable, open_plain

BLOCK: Final = 1 << 20
MOST_SPOOLED: Final = 1 << 30
"""Bytes of an archive in an archive: it has to be searched, so it waits in a temporary file without a name."""


class ArchiveError(Unopenable):
    """An archive that is not read, whole or from some place on."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}. Unpack what is needed of it, and name those files.")


class Ground(Protocol):
    """Bytes that can be read at any place; what was opened for it is closed when nobody holds it any more."""

    path: Path

    def read_at(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end. Raises Unreadable."""

    def why_short(self) -> str:
        """Why it ends where it does."""


class OnDisk:
    """A file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file = open_plain(path)
        self.size = self._file.size
        self.identity = self._file.identity

    def read_at(self, offset: int, size: int) -> bytes:
        parts = []
        size = size if 0 <= offset < self.size else 0  # a lie, perhaps too long for the system
        try:
            while size > 0 and (part := os.pread(self._file.fileno(), min(size, BLOCK), offset)):
                parts.append(part)
                offset, size = offset + len(part), size - len(part)
        except OSError as error:
            raise Unreadable(self.path, f"{error.strerror} at byte {offset}") from error
        return b"".join(parts)

    def why_short(self) -> str:
        return "the archive ends within it"

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


class Unfolding:
    """A compressed stream. Reading onwards is cheap; to read what lies behind it begins anew."""

    def __init__(self, path: Path, begin: Callable[[], Opened]) -> None:
        self.path = path
        self._begin = begin
        self._stream = begin()
        self._at = 0

    def read_at(self, offset: int, size: int) -> bytes:
        if offset < self._at:
            self._stream.close()
            self._stream, self._at = self._begin(), 0
        while self._at < offset:
            if not self._read(min(BLOCK, offset - self._at)):
                return b""
        parts = []
        while size > 0 and (part := self._read(min(BLOCK, size))):
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def why_short(self) -> str:
        damage = self._stream.damage
        return (
            f"byte {damage.offset} of the archive: {damage.reason}"
            if damage
            else "the archive ends within it"
        )

    def _read(self, size: int) -> bytes:
        part = self._stream.read(size) or b""
        self._at += len(part)
        return part

    def __del__(self) -> None:
        if hasattr(self, "_stream"):
            self._stream.close()


class Spooled:
    """An archive that lies in another one, copied to a temporary file that has no name.

    Raises: ArchiveError if it is too long, or there is no room.
    """

    def __init__(self, path: Path, content: Opened) -> None:
        self.path = path
        self.size = 0
        try:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when nobody holds it
            while block := content.read(BLOCK):
                self.size += self._file.write(block)
                if self.size > MOST_SPOOLED:
                    raise ArchiveError(path, f"an archive in it is longer than {MOST_SPOOLED >> 20} MiB")
            self._file.flush()
        except OSError as error:
            raise ArchiveError(path, f"no room for an archive in it: {error.strerror}") from error
        self._damage = content.damage

    def read_at(self, offset: int, size: int) -> bytes:
        return os.pread(self._file.fileno(), size, offset) if 0 <= offset < self.size else b""

    def why_short(self) -> str:
        return self._damage.reason if self._damage else "the archive ends within it"

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()
