"""Which line goes on with a stack trace of Java, JavaScript, Go or Ruby, where each line was logged by itself."""

import re
from typing import Final

from analysis.evidence.go_traces import panic
from analysis.evidence.trace_tree import LONGEST_LINE

FRAME: Final = re.compile(
    r"\s*at \S.{0,2000}\)(?: .{0,500})?$|\s+at \S"  # Java, JavaScript
    r"|\s*\.\.\. \d{1,9} (?:more|common|lines matching)"
    r"|\s+(?:\d{1,6}: )?from \S.{0,2000}:\d{1,9}:in [`']"  # Ruby
    r"|\s+\S{1,1000}\.(?:go|s):\d{1,9}(?: \+0x|$)"  # Go
    r"|[^\s:][^:]{0,1000}:\d{1,9}:in [`'][^']{0,500}'$"
)
RAISED: Final = re.compile(r"[^\s:][^:]{0,1000}:\d{1,9}:in [`']")
"""Ruby names the exception behind the innermost call, which begins a trace, or ends one that is printed reversed."""

LINK: Final = re.compile(r"\s*(?:Caused by|Suppressed|Wrapped by): |\s+\[(?:cause|errors)\]: ")
CLOSING: Final = re.compile(r"\s*[}\]],?$|\s+[\w']{1,50}: .{0,2000},?$")
GOROUTINE: Final = re.compile(r"goroutine \d{1,19} .{0,200}\]:$|\[signal |\s+panic: ")
CALL: Final = re.compile(
    r"(?:created by )?[\w./*()·\[\]{},~%@+-]{1,500}\(.{0,1000}\)(?: in goroutine \d{1,19})?$|created by \S"
)
REPORTED: Final = re.compile(r"(?:[A-Z]\w{0,99}::){0,10}[A-Z]\w{0,99} \(.{0,4000}$")


def goes_on(lines: list[str], line: str) -> bool:
    """Whether `line` goes on with what `lines` began; lines has one line at least."""
    line = line[:LONGEST_LINE]
    if FRAME.match(line) or LINK.match(line):
        return True
    if RAISED.match(line):
        return FRAME.match(lines[-1][:LONGEST_LINE]) is not None
    if panic(lines[0][:LONGEST_LINE]) is not None:
        return not line.strip() or GOROUTINE.match(line) is not None or CALL.match(line) is not None
    if REPORTED.match(lines[0]):  # Rails: blank lines around, and the DETAIL of an error's message
        return not line.strip() or line.startswith(("DETAIL:", "Causes:")) or len(lines) == 1
    return CLOSING.match(line) is not None and any(FRAME.match(one[:LONGEST_LINE]) for one in lines[-2:])
