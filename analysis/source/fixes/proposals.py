"""What a fix offers: the changed files, the patch, and what the request that comes second will see.

A proposal is a change that may be right; only the re-enactment of every interleaving says that it is.
"""

import difflib
from dataclasses import dataclass
from typing import Final

DEV_NULL: Final = "/dev/null"
QUOTED: Final = {'"': '\\"', "\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"}


class NotOffered(Exception):
    """A fix does not fit this function; the message says why."""


@dataclass(frozen=True)
class Proposal:
    """One fix of the menu, applied.

    `files`      the new text of each file that changes, by path
    `diff`       the same as a patch that `git apply` takes
    `loser`      what the request that comes second is answered
    `waits`      which of its statements wait for the first one, and until when
    `migration`  it changes the schema
    """

    name: str
    title: str
    files: dict[str, str]
    diff: str
    why: str
    loser: str
    waits: str
    migration: bool = False


@dataclass(frozen=True)
class Declined:
    """A fix of the menu that was not offered, and the reason."""

    name: str
    reason: str


def patch(before: dict[str, str | None], after: dict[str, str]) -> str:
    """A git patch from the texts of some files to their new texts; None: the file is new."""
    return "".join(
        _file_patch(path, before.get(path), text)
        for path, text in sorted(after.items())
        if before.get(path) != text
    )


def _file_patch(path: str, before: str | None, after: str) -> str:
    old, new = _quoted(f"a/{path}"), _quoted(f"b/{path}")
    head = f"diff --git {old} {new}\n" + ("new file mode 100644\n" if before is None else "")
    body = difflib.unified_diff(
        _lines(before or ""), _lines(after), DEV_NULL if before is None else old, new, n=3
    )
    return head + "".join(line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}" for line in body)


NO_NEWLINE: Final = "\\ No newline at end of file\n"


def _lines(text: str) -> list[str]:
    """Lines as git counts them: split at \\n only."""
    *whole, last = text.split("\n")
    return [f"{line}\n" for line in whole] + ([last] if last else [])


def _quoted(path: str) -> str:
    """A path in a patch's head, in quotes where git wants them (git-diff(1), core.quotePath)."""
    if all(each not in QUOTED and ord(each) >= 32 for each in path):
        return path
    return '"' + "".join(QUOTED.get(each, each) for each in path) + '"'
