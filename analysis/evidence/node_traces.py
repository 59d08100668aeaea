"""Stack traces of JavaScript in V8 -> exceptions with frames, causes and the errors of an AggregateError.

Source: V8, "Stack trace API"; Node.js, util.inspect of an Error with `cause` or `errors`.
"""

import re
from typing import Final

from analysis.evidence.raised import Frame, Raised, in_app
from analysis.evidence.trace_tree import Node, indent_of, lines_of, listed

AT: Final = re.compile(
    r"\s*at (?:async )?(?:new )?(?:(.{1,500}) \()?([^()\s][^()]{0,1000}?):(\d{1,9}):(\d{1,9})\)?(?: \{)?$"
)
PLACELESS: Final = re.compile(
    r"\s+at (?:.{1,500} \()?(?:<anonymous>|native|index \d{1,9})\)?(?: \{)?$|\s+\.\.\. \d{1,9} lines matching"
)
NAMED: Final = re.compile(
    r"\s*(?:\[cause\]: )?(?:Uncaught |Unhandled )?"
    r"((?:[A-Z][\w$]{0,99}\.){0,5}[A-Z][\w$]{0,99}|error)(?: \[\w{1,100}\])?(?:: (.*))?$"
)
IN_LINE: Final = re.compile(r"[\s:>)\]]([A-Z][\w$]{0,99}(?:Error|Exception))(?: \[\w{1,100}\])?: (.*)$")
ERRORS: Final = re.compile(r"\s*\[errors\]: \[$")
MOST_BACK: Final = 50


def node_exceptions(text: str) -> list[Raised]:
    """The exceptions of one record's text, root cause first, the propagated one last, then those of its groups.

    Out: [] where no line `at name (file:12:3)` stands below one that names a type.
    """
    lines = lines_of(text)
    first = next((number for number, line in enumerate(lines) if AT.match(line)), None)
    if first is None:
        return []
    named = header(lines[max(0, first - MOST_BACK) : first], IN_LINE)
    if named is None or indent_of(lines[first]) <= named.indent:
        return []
    read(named, lines[first:])
    return listed(named)


def header(before: list[str], in_line: re.Pattern[str] | None) -> Node | None:
    """The error that the lines before a frame name, with the further lines of its message."""
    for back in range(len(before) - 1, -1, -1):
        line = before[back]
        match = NAMED.match(line) or (in_line.search(line[:2_000]) if in_line else None)
        if match and is_error(match[1], match[2]):
            return Node(match[1], [match[2] or "", *before[back + 1 :]], indent_of(line))
    return None


def is_error(name: str, message: str | None) -> bool:
    """Whether a word before a colon is an error's name: no level, nor what console.trace prints."""
    if message is None:
        return name.endswith(("Error", "Exception"))
    return not name.isupper() and name != "Trace"


def read(top: Node, lines: list[str]) -> None:
    """Give the outermost error all that the lines below its message say."""
    open_nodes = [top]
    groups: set[int] = set()
    held: list[str] = []  # lines that may be the beginning of the next error
    for line in lines:
        if frame := AT.match(line):
            named = header(held, None) if held else None
            if named is not None:
                attach(named, open_nodes, groups)
            else:
                set_aside(held, open_nodes)
            held = []
            open_nodes[-1].frames.append(as_frame(frame))
        elif PLACELESS.match(line):
            continue
        elif ERRORS.match(line):
            enclosing(open_nodes, indent_of(line))
            groups.add(id(open_nodes[-1]))
        elif indent_of(line) > top.indent or line.strip() in ("}", "]", "", "},"):
            held.append(line)
        else:
            break
    set_aside(held, open_nodes)


def set_aside(held: list[str], open_nodes: list[Node]) -> None:
    """Give lines of properties to the errors in whose braces they stand."""
    for line in held:
        enclosing(open_nodes, indent_of(line))
        open_nodes[-1].aside.append(line)


def attach(named: Node, open_nodes: list[Node], groups: set[int]) -> None:
    """Tie an error inside another one's properties to it: as its cause, or as one of its errors."""
    enclosing(open_nodes, named.indent)
    around = open_nodes[-1]
    if id(around) in groups:
        around.members.append(named)
    elif around.cause is None:
        around.cause = named
    else:
        around.members.append(named)
    open_nodes.append(named)


def enclosing(open_nodes: list[Node], indent: int) -> None:
    """Leave the errors whose properties cannot hold a line with this indentation."""
    while len(open_nodes) > 1 and open_nodes[-1].indent >= indent:
        open_nodes.pop()


def as_frame(match: re.Match[str]) -> Frame:
    """A frame, `file://` and `[as alias]` taken off."""
    name, file, line, _ = match.groups()
    file = file.removeprefix("file://")
    function = (name or "").partition(" [as ")[0]
    own = in_app(file) and not file.startswith(("node:", "internal/")) and "/" in file.replace("\\", "/")
    return Frame(file, int(line), function, "", own)
