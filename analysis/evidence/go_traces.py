"""Panics and fatal errors of Go -> exceptions with the frames of the goroutine that died.

Source: Go, package runtime, printpanics and traceback; net/http, (*conn).serve: `http: panic serving …`.
"""

import re
from itertools import pairwise
from typing import Final

from analysis.evidence.raised import Frame, Raised, in_app
from analysis.evidence.trace_tree import Node, lines_of, listed

PANIC: Final = re.compile(r"(?:^|.{0,1000}?[\s:\]])(panic|fatal error): (.*)$")
SERVING: Final = re.compile(r".{0,1000}?http: panic serving [^\s]{1,200}: (.*)$")
GOROUTINE: Final = re.compile(r"goroutine \d{1,19}(?: .{0,200})? ?\[[^\]]{1,200}\]:$")
CALL: Final = re.compile(
    r"(?:created by )?([\w./*()·\[\]{},~%@+-]{1,500}?)(?:\([^()]*(?:\(\.\.\.\)[^()]*)?\))?(?: in goroutine \d{1,19})?$"
)
PLACE: Final = re.compile(r"\s+(\S{1,1000}\.(?:go|s)):(\d{1,9})(?: \+0x[0-9a-f]{1,16})?$")
RUNTIME: Final = "runtime error: "
MOST_BACK: Final = 50


def go_exceptions(text: str) -> list[Raised]:
    """The panics of one record's text, the first one first; a panic while another one unwinds is the next of the chain.

    Out: [] where no `goroutine 1 [running]:` stands below a panic's line. The type is `runtime error`, `panic` or
         `fatal error`: Go prints a value's type for some values only. The frames are the first goroutine's.
    """
    lines = lines_of(text)
    first = next((number for number, line in enumerate(lines) if GOROUTINE.match(line)), None)
    if first is None:
        return []
    panics = [one for line in lines[max(0, first - MOST_BACK) : first] if (one := panic(line)) is not None]
    if not panics:
        return []
    for before, after in pairwise(panics):
        after.cause = before
    panics[-1].frames = frames(lines[first + 1 :])
    return listed(panics[-1])


def panic(line: str) -> Node | None:
    """What a line says died of."""
    match = PANIC.match(line)
    kind, message = (match[1], match[2]) if match else ("panic", None)
    if message is None:
        served = SERVING.match(line)
        if served is None:
            return None
        message = served[1]
    message = message.removesuffix(" [recovered]")
    if message.startswith(RUNTIME):
        return Node("runtime error", [message.removeprefix(RUNTIME)])
    return Node(kind, [message])


def frames(lines: list[str]) -> list[Frame]:
    """The calls of one goroutine, innermost first: a line for the function, one for the place."""
    found: list[Frame] = []
    call = None
    for line in lines:
        if not line.strip() or GOROUTINE.match(line):
            break
        place = PLACE.match(line)
        if place is None:
            call = CALL.match(line)
        elif call is not None:
            file, function = place[1], call[1]
            own = in_app(file) and function != "panic" and not function.startswith("runtime.")
            found.append(Frame(file, int(place[2]), function, "", own))
            call = None
    return found
