"""Stack traces of the Java virtual machine -> exceptions with frames, causes and what they suppressed.

Source: java.lang.Throwable.printStackTrace (API documentation, with its "Caused by", "Suppressed" and "... 12 more");
logback manual, "Layouts", %ex and %rEx (packaging data, "common frames omitted", "Wrapped by").
"""

import re
from typing import Final

from analysis.evidence.raised import Frame, Raised
from analysis.evidence.trace_tree import Node, indent_of, lines_of, listed

AT: Final = re.compile(
    r"\s+at (?:[\w.@$-]{0,200}/{1,2}){0,2}([\w.$<>/-]{1,500})\.([\w$<>-]{1,200})"
    r"\(([^():]{0,300})(?::(\d{1,7}))?\)(?: .*)?$"
)
TYPE: Final = r"(?:[A-Za-z_$][\w$]{0,99}\.){1,20}[A-Z_$][\w$]{0,199}"
NAMED: Final = re.compile(
    rf"(?:Exception in thread \"[^\"]{{0,200}}\" )?({TYPE}|[A-Z]\w{{0,99}}(?:Exception|Error))(?:: (.*))?$"
)
IN_LINE: Final = re.compile(rf"[\s:>)\]]({TYPE}(?:Exception|Error|Throwable))(?:: (.*))?$")
LINKED: Final = re.compile(rf"\s*(Caused by|Suppressed|Wrapped by): ({TYPE}|[A-Z]\w{{0,199}})(?:: (.*))?$")
OMITTED: Final = re.compile(r"\s+\.\.\. (\d{1,6}) (?:more|common frames omitted)")
MOST_BACK: Final = 50
"""Lines that a message may have before its first frame."""

MOST_SHARED: Final = 1_024
"""Frames that a trace may omit: a JVM keeps no more of one stack (java, -XX:MaxJavaStackTraceDepth)."""

LIBRARIES: Final = (
    *("java.", "javax.", "jdk.", "sun.", "com.sun.", "jakarta.", "kotlin.", "kotlinx.", "scala.", "groovy."),
    *("org.springframework.", "org.apache.", "org.hibernate.", "org.eclipse.", "org.postgresql.", "org.h2."),
    *("com.mysql.", "org.mariadb.", "com.zaxxer.", "com.fasterxml.", "io.netty.", "io.undertow.", "reactor."),
    *(
        "org.jboss.",
        "org.junit.",
        "org.mybatis.",
        "com.google.common.",
        "io.micrometer.",
        "akka.",
        "io.vertx.",
    ),
)
"""Packages of the platform and of the common frameworks: a class says nothing else of where it came from."""


def java_exceptions(text: str) -> list[Raised]:
    """The exceptions of one record's text, root cause first, the propagated one last, then the suppressed ones.

    Out: [] where no line `at package.Class.method(File.java:12)` stands below one that names a type. A frame's file is
         put together from the package and the file's name. A cause's frames that the trace omits, since it shares them
         with the exception that it caused, are filled in.
    """
    lines = lines_of(text)
    first = next((number for number, line in enumerate(lines) if AT.match(line)), None)
    if first is None:
        return []
    named = header(lines[max(0, first - MOST_BACK) : first])
    if named is None:
        return []
    top, message = named
    top.message += message
    return listed(read(top, lines[first:]))


def header(before: list[str]) -> tuple[Node, list[str]] | None:
    """The exception that the lines before the first frame name, and the further lines of its message."""
    for back in range(len(before) - 1, -1, -1):
        line = before[back]
        match = NAMED.match(line) or IN_LINE.search(line[:2_000])
        if match:
            return Node(match[1], [match[2] or ""], indent_of(line)), before[back + 1 :]
    return None


def read(top: Node, lines: list[str]) -> Node:
    """The outermost exception with all that the lines below its message say."""
    current, in_message = top, False
    around: list[Node] = [top]  # of each indentation the last exception, the least indented first
    for line in lines:
        if link := LINKED.match(line):
            made = Node(link[2], [link[3] or ""], indent_of(line))
            current, in_message = made, True
            top = linked(link[1], made, around, top)
        elif frame := AT.match(line):
            in_message = False
            current.frames.append(as_frame(frame))
        elif omitted := OMITTED.match(line):
            in_message = False
            current.omitted = min(int(omitted[1]), MOST_SHARED)
        elif in_message:
            current.message.append(line)
        elif line.strip():
            break
    fill_in(top)
    return top


def fill_in(top: Node) -> None:
    """Give causes and suppressed exceptions the frames that the trace omits: the last ones of that around them."""
    left = [top]
    while left:
        node = left.pop()
        for inner in [*node.members, *([node.cause] if node.cause else [])]:
            inner.frames += node.frames[max(0, len(node.frames) - inner.omitted) :]
            left.append(inner)


def linked(how: str, made: Node, around: list[Node], top: Node) -> Node:
    """Tie a new exception to the one that it caused, or that suppressed it; the outermost one after that."""
    while len(around) > 1 and around[-1].indent > made.indent:
        around.pop()
    near = around[-1]
    if how == "Suppressed":
        if near.indent == made.indent and len(around) > 1:
            around.pop()
            near = around[-1]
        near.members.append(made)
        around.append(made)
        return top
    around[-1] = made
    if how == "Wrapped by":
        made.cause = near
        return made if near is top else top
    near.cause = made
    return top


def as_frame(match: re.Match[str]) -> Frame:
    """A frame; `Native Method` and `Unknown Source` name no file."""
    of_class, method, file, line = match.groups()
    known = file if "." in file else ""
    package = of_class.rpartition(".")[0].replace(".", "/")
    path = f"{package}/{known}" if package and known else known or of_class
    return Frame(path, int(line or 0), method, "", not of_class.startswith(LIBRARIES))
