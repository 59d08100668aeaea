"""How a file is to be read, told from its first bytes: its format, what that wraps, and what stands beside it."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from analysis.evidence.detect import Candidate, detect, first_lines
from analysis.evidence.format_file import Format
from analysis.evidence.nested import MOST_PARTS, MOST_WRAPPERS, Reading, is_dated
from analysis.evidence.probe import bound_to, fitting, placed, said

MOST_LINES: Final = 2000
"""Lines in which a second format is looked for: its lines may be rare."""

WRAPPED_SHARE: Final = 0.5
"""Of the wrapped lines that could begin a record, how many must be read for them to be somebody's log."""

BESIDE_SHARE: Final = 0.1
"""Of the lines that could begin a record and that no format reads so far, how many a further format must read."""

Formats = Mapping[str, Format]


@dataclass(frozen=True)
class Recognised:
    """A way to read a file, and how well the first lines of it fit."""

    reading: Reading
    fits: int
    of: int

    @property
    def reason(self) -> str:
        return f"{self.fits} of the first {self.of} records fit {self.reading.outer[0].name}"


def recognise(head: bytes, formats: Formats, whole: bool = False) -> list[Recognised]:
    """How a file that begins with `head` can be read, best first; whole: it ends there."""
    candidates = detect(head, formats, whole)
    found = [Recognised(Reading((), (each.format,)), each.fits, each.of) for each in candidates]
    if not candidates:
        return []
    best = _outermost(candidates, first_lines(head, whole))
    lines = _lines(first_lines(head, whole, MOST_LINES))
    inside = _inside(best, b"".join(lines), formats)
    parts = inside.parts if inside.wrappers else _beside(best.format, lines, formats)
    if inside.wrappers or len(parts) > 1:
        found.insert(0, Recognised(Reading(inside.wrappers, parts), best.fits, best.of))
    return found


def _outermost(candidates: Sequence[Candidate], data: bytes) -> Candidate:
    """The best candidate; or one that wraps lines which fit the best as they are, where it reads as many records.

    A lenient field at the beginning of a format, as the user's name of access logs, can swallow what is around it.
    """
    best = candidates[0]
    for other in candidates[1:]:
        may_wrap = other.fits >= best.fits and other.format.wraps and not best.format.wraps
        if may_wrap and sum(fitting(best.format, _wrapped(other.format, data))) >= best.fits:
            return other
    return best


def _inside(best: Candidate, data: bytes, formats: Formats) -> Reading:
    """What the format's wrapped lines are in turn, as far down as they are somebody's log."""
    wrappers: list[Format] = []
    parts: tuple[Format, ...] = (best.format,)
    while len(wrappers) < MOST_WRAPPERS and len(parts) == 1 and parts[0].wraps is not None:
        values = _wrapped(parts[0], data)
        data = "\n".join(values).encode()
        lines = _lines(data)
        inner = next(
            (each.format for each in detect(data, formats, whole=True) if _may_be_inner(each.format)), None
        )
        if inner is None:
            break
        found = _beside(inner, lines, formats)
        rest = lines
        for fmt in found:
            rest = _unread(fmt, rest)
        if _share(lines, rest) < WRAPPED_SHARE:
            break
        wrappers.append(parts[0])
        parts = found
    return Reading(tuple(wrappers), parts)


def _wrapped(fmt: Format, data: bytes) -> list[str]:
    """The lines that the records of a format carry."""
    fmt = bound_to(fmt, data)
    texts = [text for _, text in placed(fmt, data)]
    return said(fmt, texts, fmt.wraps) if texts and fmt.wraps else []


def _may_be_inner(fmt: Format) -> bool:
    """A generic format would take a payload that somebody logged for a log line of its own."""
    return fmt.kind != "generic" and not fmt.is_table


def _beside(first: Format, lines: Sequence[bytes], formats: Formats) -> tuple[Format, ...]:
    """The format and up to two more that read a good share of what those before leave.

    One line alone that lies among the folded lines of another record is more likely quoted there.
    """
    parts = [first]
    if first.is_table or not is_dated(first):
        return (first,)
    rest = _unread(first, lines)
    while rest and len(parts) < MOST_PARTS:
        found = (
            each for each in detect(b"".join(rest), formats, whole=True) if _may_be_beside(each.format, parts)
        )
        second = next(found, None)
        least = 2 if any(part.fold for part in parts) else 1
        if second is None:
            break
        before, rest = rest, _unread(second.format, rest)
        if len(before) - len(rest) < least or _share(before, rest) < BESIDE_SHARE:
            break
        parts.append(second.format)
    return tuple(parts)


def _may_be_beside(fmt: Format, parts: Sequence[Format]) -> bool:
    return _may_be_inner(fmt) and is_dated(fmt) and fmt not in parts


def _unread(fmt: Format, lines: Sequence[bytes]) -> list[bytes]:
    """The lines that are not the first of a record which fits."""
    found = placed(fmt, b"".join(lines))
    fits = fitting(fmt, [text for _, text in found])
    read = {
        place
        for (line_no, text), is_read in zip(found, fits, strict=True)
        if is_read
        for place in _read(fmt, line_no, text)
    }
    return [line for number, line in enumerate(lines, 1) if number not in read]


def _read(fmt: Format, line_no: int, text: str) -> Iterator[int]:
    """The lines of a record that its format looks at."""
    yield from range(line_no, line_no + 1 + (text.count("\n") if fmt.whole else 0))


def _lines(data: bytes) -> list[bytes]:
    return io.BytesIO(data).readlines()


def _share(lines: Sequence[bytes], rest: Sequence[bytes]) -> float:
    """What share of the records is read if `rest` is what is left of the lines."""
    read = len(lines) - len(rest)
    return read / max(1, read + _beginnings(rest))


def _beginnings(lines: Sequence[bytes]) -> int:
    """How many lines could begin a record.

    What starts with a blank does not, nor what stands next to it: as the head and the end of a traceback, or SQL.
    """
    flush = [re.match(rb"\S", line) is not None for line in lines]
    return sum(map(all, zip(flush, [*flush[1:], True], [True, *flush], strict=False)))
