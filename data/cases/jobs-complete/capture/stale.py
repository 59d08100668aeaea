"""Tracebacks that print the wrong lines, because the file had been replaced when they were written.

Python reads the source when it formats a traceback. A worker of the old release that fails while a
deploy has already put the new files in place prints the new file's line under the old line number.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

from records import Served, Trace

FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line (?P<line>\d+), in .*\n    (?P<code>.*)$', re.M)


def stale_traces(
    traces: Iterable[Trace],
    served: Iterable[Served],
    current: Path,
    release: Callable[[str], Path],
) -> list[str]:
    """The request ids of tracebacks that do not match the code that served them."""
    revisions = {note.request_id: note.revision for note in served}
    return [
        trace.request_id
        for trace in traces
        if trace.request_id in revisions and not matches(trace, current, release(revisions[trace.request_id]))
    ]


def matches(trace: Trace, current: Path, release: Path) -> bool:
    for frame in FRAME.finditer(trace.text):
        path = Path(frame["file"])
        if not path.is_relative_to(current) or path.is_relative_to(current / "venv"):
            continue
        lines = (release / path.relative_to(current)).read_text().splitlines()
        number = int(frame["line"])
        if number > len(lines) or lines[number - 1].strip() != frame["code"].strip():
            return False
    return True
