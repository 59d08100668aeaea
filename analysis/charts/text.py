"""Text for labels: hostile until made visible, measured before it is drawn."""

import re
import unicodedata
from functools import lru_cache
from typing import Final

from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.ft2font import LoadFlags

from analysis.safe_text import escaped, mask_secrets

FONT: Final = "DejaVu Sans"  # ships with matplotlib: the same outlines on every machine
ELLIPSIS: Final = "…"
LONGEST: Final = 400  # characters looked at; no label is as long

UNIT: Final = re.compile(r"(?<=\d) (?=(?:%|ms|s)(?!\w))")  # a number stays with its unit
INVISIBLE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Mn", "Me", "Mc"})


def visible(text: str) -> str:
    r"""`text` on one line, secrets masked, with what could not be seen written as escapes: `\x1b`, `\u202e`.

    Covers control, format (bidi overrides, zero-width), surrogate and stacked combining characters, line breaks, and
    characters that the charts' font lacks.
    """
    told = mask_secrets(text[: 4 * LONGEST])  # cut far behind what is shown, so that no secret is cut open
    short = told if len(told) <= LONGEST else told[: LONGEST - 1] + ELLIPSIS
    whole = unicodedata.normalize("NFC", short)
    return "".join(character if is_drawable(character) else escaped(character) for character in whole)


@lru_cache(maxsize=4096)
def is_drawable(character: str) -> bool:
    """Whether the charts' font shows `character` as itself, in both weights."""
    if unicodedata.category(character) in INVISIBLE:
        return False
    return all(get_font(path).get_char_index(ord(character)) for path in font_files())


@lru_cache(maxsize=1)
def font_files() -> tuple[str, str]:
    """Files of the charts' font: regular and bold."""
    return findfont(face(False), fallback_to_default=False), findfont(face(True), fallback_to_default=False)


def face(bold: bool) -> FontProperties:
    """The charts' font in one weight."""
    return FontProperties(family=FONT, weight="bold" if bold else "normal")


def width_of(text: str, size: float, bold: bool = False) -> float:
    """Width in inches of the longest line of `text` set in `size` points: the sum of advances, kerning left out."""
    return max(sum(advance(character, bold) for character in line) for line in text.split("\n")) * size / 72


@lru_cache(maxsize=4096)
def advance(character: str, bold: bool) -> float:
    """How far `character` moves the pen, in units of its size."""
    font = get_font(font_files()[bold])
    font.set_size(100, 72)
    return font.load_char(ord(character), LoadFlags.NO_HINTING).linearHoriAdvance / 65536 / 100


def fitted(text: str, width_in: float, size: float, bold: bool = False) -> str:
    """`text`, visible, and shortened in its middle until it is at most `width_in` wide.

    In the middle, because a path says the most at its two ends.
    """
    whole = visible(text)
    if width_of(whole, size, bold) <= width_in:
        return whole
    fits, too_long = 0, len(whole)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if width_of(without_middle(whole, middle), size, bold) <= width_in:
            fits = middle
        else:
            too_long = middle
    return without_middle(whole, fits)


def without_middle(text: str, kept: int) -> str:
    """The first and last characters of `text`, `kept` in all, around an ellipsis."""
    head = (kept + 1) // 2
    return text[:head] + ELLIPSIS + text[len(text) - (kept - head) :]


def wrapped(text: str, width_in: float, size: float, bold: bool = False, most: int = 2) -> list[str]:
    """`text`, visible, broken at spaces into at most `most` lines; the last one is shortened if it must be."""
    lines = [""]
    for word in UNIT.sub("\u00a0", visible(text)).split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if lines[-1] and len(lines) < most and width_of(longer, size, bold) > width_in:
            lines.append(word)
        else:
            lines[-1] = longer
    return [fitted(line, width_in, size, bold) for line in lines]
