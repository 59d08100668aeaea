"""Compressed files: known by their first bytes, unfolded member after member, stopped where they swell like a bomb."""

import bz2
import lzma
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Final, Protocol

import zstandard

FREE_OUTPUT: Final = 10_000_000
"""Bytes that any compressed file may unfold to before its ratio is judged."""

MOST_RATIO: Final = 200
"""Bytes out for a byte in, above which a compressed file is taken for a decompression bomb."""

MOST_MEMORY: Final = 1 << 28  # what one xz file may ask for; zstd's own limit is half of it


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

RAW_DEFLATE: Final = Compression("deflate", (), lambda: zlib.decompressobj(wbits=-15))
"""As in zip files, where nothing tells it but the directory."""

DECOMPRESSION_ERRORS: Final = (zlib.error, zstandard.ZstdError, OSError, lzma.LZMAError)  # OSError: bz2's

LONGEST_MAGIC: Final = max(len(magic) for one in COMPRESSIONS for magic in one.magics)


def compression_of(start: bytes) -> Compression | None:
    """What a file that begins with `start` is compressed with; None: nothing known."""
    return next((one for one in COMPRESSIONS if start.startswith(one.magics)), None)


def by_name(name: str) -> Compression:
    """The compression with this name. Raises StopIteration for an unknown one."""
    return next(one for one in COMPRESSIONS if one.name == name)


def unfold(pieces: Iterator[bytes], compression: Compression) -> Generator[bytes, None, Damage | None]:
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
