"""Exceptions while a stack trace is read: each with its cause and its members, printed outermost first."""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Final

from analysis.evidence.raised import Frame, Raised, with_database_error

LONGEST_LINE: Final = 4_096
"""Characters of a line that a pattern sees: no frame is longer, a hostile line may be."""

MOST_LINES: Final = 20_000
MOST_EXCEPTIONS: Final = 200


@dataclass(eq=False)
class Node:
    """One exception. frames: in printed order; aside: lines that belong to it and are not its message."""

    type: str
    message: list[str]
    indent: int = 0
    frames: list[Frame] = field(default_factory=list)
    aside: list[str] = field(default_factory=list)
    cause: "Node | None" = None
    members: list["Node"] = field(default_factory=list)
    omitted: int = 0  # frames that it shares with the exception around it, and that are not printed again


def listed(top: Node, innermost_first: bool = True) -> list[Raised]:
    """The chain that ends in `top`, root cause first, then the members of its exceptions and their chains."""
    found: list[Raised] = []
    left: deque[tuple[Node, int | None]] = deque([(top, None)])
    while left and len(found) < MOST_EXCEPTIONS:
        last, group = left.popleft()
        chain = [last]
        while chain[-1].cause is not None and len(chain) < MOST_EXCEPTIONS:
            chain.append(chain[-1].cause)
        for node in reversed(chain):
            left.extend((member, len(found)) for member in node.members)
            found.append(replace(as_raised(node, innermost_first), member_of=group))
    return found


def as_raised(node: Node, innermost_first: bool) -> Raised:
    """One exception, its frames outermost call first."""
    frames = tuple(reversed(node.frames)) if innermost_first else tuple(node.frames)
    message = "\n".join(node.message).rstrip()
    return with_database_error(node.type, message, frames, said="\n".join([message, *node.aside]))


def lines_of(text: str) -> list[str]:
    """The lines that may be a trace's; of a longer line its beginning."""
    return [line[:LONGEST_LINE].rstrip("\r ") for line in text.split("\n")[:MOST_LINES]]


def indent_of(line: str) -> int:
    """How many white characters a line begins with."""
    return len(line) - len(line.lstrip())
