"""Terminal colours around a stack trace -> the trace as it stands without them.

Source: ECMA-48, 5th ed., sections 8.3.117 (Select Graphic Rendition) and 8.3.41 (Erase in Line).
"""

import re
from collections.abc import Iterator
from typing import Final

COLOURS: Final = r"\x1b\[[0-9;:]*[mK]"
COLOUR: Final = re.compile(COLOURS)
OFF: Final = r"(?:0*|2[2-9]|[345]9)"
RESET: Final = re.compile(rf"\x1b\[{OFF}(?:;{OFF})*[mK]")
RUN: Final = rf"(?:{COLOURS})*"
BEFORE: Final = re.compile(RUN)
NAMED: Final = re.compile(rf"({RUN})((?:E +)?[^\W\d][\w.<>]*)({RUN}:)({RUN})( |$)({RUN})")
"""An exception's name, and where the brush may change: who paints whole lines, as pytest does, before the name; Python
3.13 around the name and around the message; Rich behind the colon, and single words of the message."""

NEXT: Final = re.compile(
    r"\s+(?:at|from|File) \S|.*\(most recent call last\)|(?:During handling of|The above exception was) |Caused by: "
)
"""What does not go on with a message."""


def without_colours(text: str) -> str:
    """A text with no colours at all."""
    return COLOUR.sub("", text) if "\x1b[" in text else text


def uncoloured(text: str) -> str:
    """A text without the colours that a program put around stack traces; those that a message has itself stay.

    Of frames, source and headers all are taken. Of a message the brush that was taken up right before it, and at its
    end what puts down a brush that the message did not take up.
    """
    return "\n".join(_lines(text)) if "\x1b[" in text else text


def _lines(text: str) -> Iterator[str]:
    message: list[str] = []
    in_trace = False
    for line in text.split("\n"):
        bare = without_colours(line)
        if NEXT.match(bare):
            yield from _message(message)
            message, in_trace = [], True
            yield bare
        elif message or (not bare.startswith(" ") and NAMED.match(line)):
            message.append(line)
        elif in_trace:  # a line cut within its colour names no exception
            yield bare if bare.startswith(" ") or not COLOUR.match(line) or RESET.search(line) else line
        else:
            yield _closed(BEFORE.sub("", line, count=1))
    yield from _message(message)


def _message(lines: list[str]) -> list[str]:
    """The lines of one exception, from its name on."""
    named = NAMED.match(lines[0]) if lines else None
    if named is None:
        return lines
    before, name, colon, rich, blank, brush = named.groups()
    if before and colon == ":" and (rich or brush) and RESET.fullmatch(rich or brush):
        return [without_colours(line) for line in lines]
    rest = lines[0][named.end() :]
    first = f"{name}:{blank}{rest if before or colon != ':' or rich else brush + rest}"
    if before and colon == ":" and _closed(first) != first:
        return [_closed(first), *(_closed(BEFORE.sub("", line, count=1)) for line in lines[1:])]
    return _closed("\n".join([first, *lines[1:]])).split("\n")


def _closed(text: str) -> str:
    """A text without what at its end puts down a brush that it did not take up."""
    held, cut, before = False, None, 0
    for colour in COLOUR.finditer(text):
        if not text[before : colour.start()].isspace() and before != colour.start():
            cut = None
        is_reset = RESET.fullmatch(colour[0]) is not None
        if cut is None and is_reset and not held:
            cut = colour.start()
        held, before = not is_reset, colour.end()
    if cut is None or text[before:].strip():
        return text
    return text[:cut] + without_colours(text[cut:])
