"""What a zip or tar archive says it holds. Every number in it may be a lie; nothing is extracted."""

import io
import re
import stat
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from analysis.evidence.ground import ArchiveError, Ground, OnDisk, Spooled

MOST_MEMBERS: Final = 10_000
MOST_DIRECTORY: Final = 1 << 24
"""Bytes of a zip file's central directory that are read into memory."""

LONGEST_NAME: Final = 1 << 16
BLOCK: Final = 512  # of a tar file
START: Final = 1 << 9
LEAVES: Final = "its name leads out of the archive"
ENCRYPTED: Final = "encrypted; unpack it with its password, and name the files"
ELSEWHERE: Final = "a link or device, which has no content of its own"

ZIP_MAGICS: Final = (b"PK\x03\x04", b"PK\x05\x06")
LOCAL_HEADER: Final = struct.Struct("<4s22xHH")
"""Source: PKWARE APPNOTE 6.3.10, section 4.3.7."""

DEFLATE, BZIP2, ZSTD = 8, 12, 93
METHODS: Final = {0, DEFLATE, BZIP2, ZSTD}


@dataclass(frozen=True)
class Member:
    """One file in an archive.

    offset, stored: where its bytes lie in the archive; size: how many they unfold to. refused: why it is not read.
    """

    name: str
    offset: int = 0
    stored: int = 0
    size: int = 0
    method: int = 0
    crc: int | None = None
    refused: str | None = None


def is_zip(start: bytes) -> bool:
    return start.startswith(ZIP_MAGICS)


def is_tar(start: bytes) -> bool:
    """Whether the first `BLOCK` bytes are a tar header: ustar's or GNU's magic, and the checksum."""
    return start[257:262] == b"ustar" and _checked(start[:BLOCK])


def leads_out(name: str) -> bool:
    """Whether an unpacker would put it outside of its folder."""
    parts = re.split(r"[/\\]", name)
    return not name or name[0] in "/\\" or ".." in parts or bool(re.match(r"[A-Za-z]:", name))


def zip_members(ground: OnDisk | Spooled) -> list[Member]:
    """The members, folders left out. Raises ArchiveError if there are too many or the directory is damaged."""
    try:
        with zipfile.ZipFile(_Directory(ground)) as archive:
            found = archive.infolist()
    except (
        zipfile.BadZipFile,
        NotImplementedError,
        ValueError,
        struct.error,
        OverflowError,
        OSError,
    ) as error:
        raise ArchiveError(ground.path, f"a damaged zip file ({error})") from error
    if len(found) > MOST_MEMBERS:
        raise too_many(ground)
    return [_zip_member(ground, info) for info in found if not info.is_dir()]


def _zip_member(ground: Ground, info: zipfile.ZipInfo) -> Member:
    member = Member(info.filename, size=info.file_size)
    mode = info.external_attr >> 16
    if leads_out(info.filename):
        return replace(member, refused=LEAVES)
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return replace(member, refused=ELSEWHERE)
    if info.flag_bits & 1:
        return replace(member, refused=ENCRYPTED)
    if info.compress_type not in METHODS:
        return replace(member, refused=f"compressed by zip's method {info.compress_type}")
    header = ground.read_at(info.header_offset, LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size or not header.startswith(ZIP_MAGICS[0]):
        return replace(member, refused="no header where the directory says")
    _, name_length, extra_length = LOCAL_HEADER.unpack(header)
    offset = info.header_offset + LOCAL_HEADER.size + name_length + extra_length
    return replace(member, offset=offset, stored=info.compress_size, method=info.compress_type, crc=info.CRC)


class _Directory(io.RawIOBase):
    """A zip file for `zipfile`, which may read its directory but not more of it than `MOST_DIRECTORY`."""

    def __init__(self, ground: OnDisk | Spooled) -> None:
        self._ground, self._at = ground, 0

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0, /) -> int:
        self._at = offset + (0, self._at, self._ground.size)[whence]
        if self._at < 0:  # as of a file: a zip file without members is too short for what `zipfile` looks for
            raise OSError("an offset before the beginning")
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            size = max(0, self._ground.size - self._at)
        if size > MOST_DIRECTORY:
            raise too_many(self._ground)
        data = self._ground.read_at(self._at, size)
        self._at += len(data)
        return data


def too_many(ground: Ground) -> ArchiveError:
    return ArchiveError(ground.path, f"holds more than {MOST_MEMBERS:,} files")


def tar_members(ground: Ground) -> Iterator[Member]:
    """The members, folders left out; the last one is refused, and has no name, where the headers end too early.

    Source: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Header Block"; GNU tar manual, "Basic Tar Format".
    Raises: ArchiveError if there are too many.
    """
    at = count = 0
    told: dict[str, str] = {}  # by extended headers, about the next member
    while header := ground.read_at(at, BLOCK):
        if not header.strip(b"\0") and len(header) == BLOCK:
            return
        count += 1
        if count > MOST_MEMBERS:
            raise too_many(ground)
        if len(header) < BLOCK or not _checked(header) or (size := _number(header[124:136])) is None:
            yield Member("", refused=f"no tar header at byte {at}: {ground.why_short()}")
            return
        kind, data = header[156:157], at + BLOCK
        if kind in (b"L", b"x"):
            if size > LONGEST_NAME:
                yield Member("", refused=f"byte {at}: a header of {size} bytes")
                return
            told |= _extended(kind, ground.read_at(data, size))
        else:
            size = int(told["size"]) if re.fullmatch("[0-9]{1,19}", told.get("size", "")) else size
            if kind not in (b"g", b"K", b"5"):
                yield _tar_member(told.get("path") or _name(header), kind, data, size)
            told = {} if kind not in (b"g", b"K") else told
        at = data + -(-size // BLOCK) * BLOCK
    yield Member("", refused=f"it ends at byte {at}, without an end mark: {ground.why_short()}")


def _tar_member(name: str, kind: bytes, offset: int, size: int) -> Member:
    refused = None
    if leads_out(name):
        refused = LEAVES
    elif kind in (b"1", b"2", b"3", b"4", b"6"):
        refused = ELSEWHERE
    elif kind not in (b"0", b"\0", b"7"):
        refused = f"of tar's kind {kind!r}"
    return Member(name, offset, size, size, refused=refused)


def _extended(kind: bytes, data: bytes) -> dict[str, str]:
    if kind == b"L":
        return {"path": _text(data)}
    records = re.findall(rb"[0-9]+ (path|size)=([^\n]*)\n", data)
    return {key.decode(): _text(value) for key, value in records}


def _name(header: bytes) -> str:
    prefix = _text(header[345:500]) if header[257:263] == b"ustar\0" else ""
    return f"{prefix}/{_text(header[:100])}" if prefix else _text(header[:100])


def _text(data: bytes) -> str:
    return data.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _number(data: bytes) -> int | None:
    """An octal number, or GNU's base 256; None: neither, or no length of a file."""
    if data[0] == 0x80:
        number = int.from_bytes(data[1:], "big")
        return number if number < 1 << 63 else None
    text = data.strip(b" \0")
    return int(text or b"0", 8) if re.fullmatch(rb"[0-7]*", text) else None


def _checked(header: bytes) -> bool:
    wanted = _number(header[148:156])
    return wanted == sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
