"""Backtraces of Ruby and error reports of Rails -> exceptions with frames and causes.

Source: Ruby, Exception#full_message and Exception#detailed_message (2.4 and before, 2.5 to 2.7 reversed, 3.4 quotes);
Rails, ActionDispatch::DebugExceptions#log_error.
"""

import re
from typing import Final

from analysis.evidence.raised import Frame, Raised, in_app
from analysis.evidence.trace_tree import Node, lines_of, listed

PLACE: Final = r"([^\s:`'][^:`']{0,1000}?):(\d{1,9}):in [`']([^']{0,500})'"
CALL: Final = re.compile(rf"\s*(?:\d{{1,6}}: )?(?:from )?{PLACE}$")
TYPE: Final = r"(?:[A-Z]\w{0,99}::){0,10}[A-Z]\w{0,99}"
RAISED: Final = re.compile(rf"{PLACE}: (.*?)(?: \(({TYPE})\))?$")
REPORTED: Final = re.compile(rf"(?:.{{0,1000}}(?:\] | -- : ))?({TYPE}) \((.*)$")
NAMED: Final = re.compile(rf"(?:.{{0,1000}}?[\s\]:])?({TYPE}): (.*)$")
REVERSED: Final = re.compile(r"\s+\d{1,6}: from ")
CAUSES: Final = "Causes:"
MOST_BACK: Final = 50


def ruby_exceptions(text: str) -> list[Raised]:
    """The exceptions of one record's text, root cause first, the propagated one last.

    Out: [] where no line `file:12:in 'method'` stands beside one that names a type.
    """
    lines = lines_of(text)
    first = next(
        (number for number, line in enumerate(lines) if CALL.match(line) or RAISED.match(line)), None
    )
    if first is None:
        return []
    if RAISED.match(lines[first]) or REVERSED.match(lines[first]):
        return of_interpreter(lines[first:])
    found = header(lines[max(0, first - MOST_BACK) : first])
    if found is None:
        return []
    return listed(with_causes(found, lines[first:]))


def of_interpreter(lines: list[str]) -> list[Raised]:
    """What the interpreter prints as it dies: `file:3:in 'f': message (Type)` above its callers, or below them."""
    nodes: list[Node] = []
    callers: list[Frame] = []
    for line in lines:
        if call := CALL.match(line):
            (nodes[-1].frames if nodes else callers).append(frame(call))
        elif match := RAISED.match(line):
            node = Node(match[5] or "RuntimeError", [match[4]])
            node.frames = [frame(match), *reversed(callers)]
            callers = []
            if nodes:
                nodes[-1].cause = node
            nodes.append(node)
        elif not nodes or nodes[-1].frames[1:]:
            break
        else:
            nodes[-1].message.append(line)
    return listed(nodes[0]) if nodes else []


def header(before: list[str]) -> Node | None:
    """The error that the lines before the first call report: `Type (message):`, or `Type: message`."""
    for back in range(len(before) - 1, -1, -1):
        line = before[back]
        if match := REPORTED.match(line):
            message = "\n".join([match[2], *before[back + 1 :]]).rstrip()
            if message.endswith("):"):
                return Node(match[1], [message.removesuffix("):")])
        if (match := NAMED.match(line)) and all(not one.strip() for one in before[back + 1 :]):
            return Node(match[1], [match[2]])
    return None


def with_causes(top: Node, lines: list[str]) -> Node:
    """The error with its calls, and with the causes that Rails lists below them."""
    node, causes, message = top, False, ""
    for line in lines:
        if call := CALL.match(line):
            node.frames.append(frame(call))
        elif line.strip() == CAUSES:
            causes = True
        elif causes and (match := REPORTED.match(line)) and match[2].endswith(")"):
            message = match[2].removesuffix(")")
            node.cause = Node(match[1], [message])
            node = node.cause
        elif line.strip() and not causes:
            break
    return top


def frame(match: re.Match[str]) -> Frame:
    """A call; gems and the interpreter's own files are no application's."""
    file, line, method = match[1], match[2], match[3]
    own = in_app(file) and not file.startswith(("<", "(")) and not re.match(r"[\w-]+ \(\d", file)
    return Frame(file.strip(), int(line), method, "", own)
