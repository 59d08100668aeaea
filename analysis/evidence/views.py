"""Arrow strings that are views on bytes read elsewhere: nothing is copied but what has to be repaired."""

import codecs
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

LF: Final = 10
CR: Final = 13
VIEW: Final = 16
INLINE: Final = 12
"""Bytes that an Arrow view holds in itself instead of pointing at them."""


def windows(data: Bytes, starts: Ints, width: int) -> Bytes:
    """The `width` bytes at each of the ascending `starts`, as rows; NULs stand for what lies behind the end."""
    whole = int(np.searchsorted(starts, len(data) - width, side="right"))
    rows = np.empty(len(starts), dtype=f"V{width}")
    if whole:
        rows[:whole] = _sliding(data, width)[starts[:whole]]
    if whole < len(starts):
        first = starts[whole]
        tail = np.zeros(int(starts[-1] - first) + width, dtype=np.uint8)
        tail[: max(0, len(data) - first)] = data[first:]
        rows[whole:] = _sliding(tail, width)[starts[whole:] - first]
    return rows.view(np.uint8).reshape(len(starts), width)


def _sliding(data: Bytes, width: int) -> npt.NDArray[np.void]:
    return np.ndarray((len(data) - width + 1,), f"V{width}", data, 0, (1,))


def content_ends(data: Bytes, starts: Ints, ends: Ints) -> Ints:
    r"""Where each of the non-empty ranges ends without its final \n or \r\n."""
    without_lf: Ints = ends - (data[ends - 1] == LF)
    crlf = np.flatnonzero(data[without_lf - 1] == CR)
    without_lf[crlf] -= (without_lf[crlf] < ends[crlf]) & (without_lf[crlf] > starts[crlf])
    return without_lf


def views(data: Bytes, buffer_index: int, starts: Ints, ends: Ints) -> Bytes:
    """Arrow's 16-byte views on ascending ranges of `data`, as rows; data is under 2 GiB.

    Source: Arrow columnar format, "Variable-size Binary View Layout".
    """
    lengths = ends - starts
    rows = np.empty((len(starts), 4), dtype=np.int32)
    rows[:, 0] = lengths
    rows[:, 1] = windows(data, starts, 4).view(np.int32)[:, 0]
    rows[:, 2] = buffer_index
    rows[:, 3] = starts
    short = np.flatnonzero(lengths <= INLINE)
    if len(short):
        inline = windows(data, starts[short], INLINE)
        inline[np.arange(INLINE) >= lengths[short, np.newaxis]] = 0
        rows[short, 1:] = inline.view(np.int32)
    return rows.view(np.uint8)


def array(kind: pa.DataType, rows: Bytes, *buffers: Bytes) -> pa.Array:
    """An Arrow array of `kind` (string_view or binary_view) from rows that `views` made on `buffers`."""
    parts = [None, pa.py_buffer(np.ascontiguousarray(rows)), *(pa.py_buffer(buffer) for buffer in buffers)]
    return pa.Array.from_buffers(kind, len(rows), parts)


def is_clean(data: Bytes) -> bool:
    """Whether the bytes are valid UTF-8 without a NUL."""
    if not len(data) or data.view(np.int8).min() > 0:
        return True
    if data.min() == 0:
        return False
    offsets = pa.py_buffer(np.array([0, len(data)], dtype=np.int64))
    whole = pa.Array.from_buffers(pa.large_string(), 1, [None, offsets, pa.py_buffer(data)])
    try:
        whole.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def dirty(data: Bytes, starts: Ints, ends: Ints, longest: int) -> Ints:
    """Which of the ascending ranges may need `readable`: not clean, or longer than `longest`."""
    suspect = ends - starts > longest
    if len(starts) and not is_clean(data[starts[0] : ends[-1]]):
        odd = data[starts[0] : ends[-1]].view(np.int8) <= 0
        suspect |= np.logical_or.reduceat(odd, starts - starts[0])
    return np.flatnonzero(suspect)


def readable(raw: bytes, longest: int) -> tuple[bytes, bool]:
    r"""The first `longest` bytes as UTF-8, what is none and NULs as \xNN; and whether that changed anything."""
    capped = len(raw) > longest
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    text = decoder.decode(raw[:longest], final=not capped)  # a cap may cut a character: then it is left out
    repaired = text.replace("\0", "\\x00").encode()
    return repaired, capped or repaired != raw


def texts(
    block: Bytes, starts: Ints, ends: Ints, around: tuple[list[bytes], list[bytes]], longest: int
) -> tuple[pa.Array, Bools]:
    """The ranges of a block as strings, and which are not what the bytes say.

    around: texts in front of the block's and behind them; they are copied, and so is what needs `readable`.
    """
    before, behind = around
    odd = dirty(block, starts, ends, longest)
    own = range(len(before), len(before) + len(starts))
    rows = [*range(own.start), *(odd + own.start).tolist(), *range(own.stop, own.stop + len(behind))]
    raws = [*before, *(block[starts[row] : ends[row]].tobytes() for row in odd), *behind]
    shown = [readable(raw, longest) for raw in raws]
    copies = np.frombuffer(b"".join(text for text, _ in shown), dtype=np.uint8)
    copy_ends = np.cumsum([len(text) for text, _ in shown], dtype=np.int64)
    table = np.empty((own.stop + len(behind), VIEW), dtype=np.uint8)
    table[own.start : own.stop] = views(block, 0, starts, ends)
    table[rows] = views(copies, 1, np.concatenate(([0], copy_ends))[:-1], copy_ends)
    damaged = np.zeros(len(table), dtype=np.bool_)
    damaged[rows] = [changed for _, changed in shown]
    return array(pa.string_view(), table, block, copies), damaged
