"""Which format a file has, told from its first bytes.

Each format is tried as the loader would read it. What a record must hold to fit is looked for in plain text first,
since to plan a format's SQL costs more than to run it.
"""

import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from analysis.evidence.cells import is_directive
from analysis.evidence.colours import without_colours
from analysis.evidence.extract import REGEX_CAP
from analysis.evidence.format_file import Format
from analysis.evidence.heads import Head
from analysis.evidence.layout import Layout
from analysis.evidence.probe import bound_to, cut, fitting

PEEK_LINES: Final = 200


@dataclass(frozen=True)
class Candidate:
    """How well a format fits: `fits` of `of` records."""

    format: Format
    fits: int
    of: int


class Peek:
    """The first lines of a file, cut once for each way to cut them."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self._cuts: dict[tuple[Head, bool], tuple[list[str], int]] = {}

    def cut(self, fmt: Format) -> tuple[list[str], int]:
        """The records as the format's head makes them, and how many lines belong to none."""
        how = (fmt.head, fmt.fold)
        if how not in self._cuts:
            self._cuts[how] = cut(*how, self.data)
        return self._cuts[how]


def first_lines(head: bytes, whole: bool, most: int = PEEK_LINES) -> bytes:
    """The first `most` lines of a file that begins with `head`.

    whole: the file ends where `head` ends. If it goes on, the last line may be cut and is left out, unless it is alone.
    """
    cut_at = len(head) if whole else head.rfind(b"\n") + 1
    return b"".join(io.BytesIO(head[:cut_at] or head).readlines()[:most])


def detect(head: bytes, formats: Mapping[str, Format], whole: bool = False) -> list[Candidate]:
    """Which formats a file's first bytes fit, best first; whole: they are all of it.

    The one that reads most records wins; among equals the one with fewer lines left over, then a specific one
    before a generic one and one that reads stamps before one that does not. Lines folded into a record count for
    nothing, so a traceback cannot mislead.
    """
    peek = Peek(first_lines(head, whole))
    found = [try_format(fmt, peek) for fmt in formats.values() if not fmt.explicit]
    return sorted(
        (candidate for candidate in found if candidate.fits),
        key=lambda each: (-each.fits, each.of, *_rank(each.format), each.format.name),
    )


def _rank(fmt: Format) -> tuple[bool, bool]:
    return fmt.kind == "generic", fmt.stamp.format == "none"


def try_format(fmt: Format, peek: Peek) -> Candidate:
    """How well a format fits the peek."""
    fmt = bound_to(fmt, peek.data)
    texts, left_over = peek.cut(fmt)
    fits = sum(fitting(fmt, texts)) if may_fit(fmt, texts) else 0
    of = len(texts) + left_over - sum(fmt.csv is not None and is_directive(fmt.csv, text) for text in texts)
    return Candidate(fmt, fits, of)


def may_fit(fmt: Format, texts: Sequence[str]) -> bool:
    """Whether any of the texts holds what a record of the format cannot do without: false only if none fits."""
    if fmt.json is not None:
        keys = [re.escape(_top(place)) for place in fmt.json.get("logged_at", ())]
        stamp = re.compile(f'"(?:{"|".join(keys)})"' if keys else "", re.IGNORECASE)
        return any(text.lstrip().startswith("{") and stamp.search(text) for text in texts)
    if fmt.csv is not None:
        if fmt.csv.directive:
            return any(text.startswith(fmt.csv.directive) for text in texts)
        stamps = (fmt.csv.named or {}).get("logged_at", fmt.csv.columns)
        return not {*stamps}.isdisjoint(name.strip().lower() for name in fmt.csv.columns)
    if fmt.fold and not fmt.whole:
        texts = [text.partition("\n")[0].rstrip("\r") for text in texts]
    if fmt.ansi:
        texts = [without_colours(text) for text in texts]
    by_layout = fmt.layout is not None and any(_holds(text, fmt.layout) for text in texts)
    return by_layout or (fmt.regex is not None and _matches(texts, fmt.regex))


def _top(place: str) -> str:
    """The outermost key of a JSON pointer, as it stands in JSON."""
    return place[1:].partition("/")[0].replace("~1", "/").replace("~0", "~")


def _holds(text: str, layout: Layout) -> bool:
    """Whether the layout's literals stand in the text, in their order."""
    if not text.startswith(layout.start):
        return False
    at = len(layout.start)
    for field, behind in zip(layout.fields, (*layout.fields[1:], None), strict=True):
        if behind is not None and behind.mark == "*":  # none is fine: then the field reaches to the end
            return True
        at = text.find(field.until, at) + len(field.until)
        if at < len(field.until):
            return False
    return True


def _matches(texts: Sequence[str], regex: str) -> bool:
    """Whether RE2 finds the regex in any text, with `.` for a newline too, which takes no match away."""
    if any(len(text) > REGEX_CAP for text in texts):
        return True
    return pc.any(pc.match_substring_regex(pa.array(texts, pa.string()), f"(?s){regex}")).as_py() or False
