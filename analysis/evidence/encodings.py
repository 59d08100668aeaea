"""Text in UTF-16 or UTF-32, known by its byte order mark, as UTF-8; all other bytes as they are."""

import codecs
from collections.abc import Generator, Iterator
from itertools import chain
from typing import Final

MARKS: Final = (  # the longer first: UTF-16's begin UTF-32's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""Source: The Unicode Standard, section 23.8, "Byte Order Mark"."""

LONGEST_MARK: Final = 4


def encoding_of(start: bytes) -> str | None:
    """The codec of a text that begins with `start`; None: UTF-8 or nothing known."""
    return next((codec for mark, codec in MARKS if start.startswith(mark)), None)


def as_utf8(blocks: Iterator[bytes]) -> Generator[bytes, None, str | None]:
    """The blocks in UTF-8, with the mark; surrogates that stand alone are kept, so nothing is lost.

    Returns: why the text ends early, if it does.
    """
    start = b""
    for block in blocks:
        start += block
        if len(start) >= LONGEST_MARK:
            break
    codec = encoding_of(start)
    if codec is None:
        yield start
        yield from blocks
        return None
    decoder = codecs.getincrementaldecoder(codec)("surrogatepass")
    try:
        for block in chain([start], blocks):
            yield decoder.decode(block).encode("utf-8", "surrogatepass")
        decoder.decode(b"", final=True)
    except UnicodeDecodeError as error:
        return f"not {codec}: {error.reason}"
    return None


def likely_utf16(start: bytes) -> str | None:
    """The encoding that the bytes look like, of ASCII text in UTF-16 without a mark: every other one is NUL."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    many = 0.9 * (len(start) // 2)
    if len(start) < 16 or not (even == 0 or odd == 0):
        return None
    return "UTF-16LE" if odd > many else "UTF-16BE" if even > many else None
