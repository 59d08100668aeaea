"""Which side is right where both read a field otherwise: `differences.toml` against what is found."""

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache

from tests.corpus.filebeat import Difference
from tests.corpus.logs import HERE

SIDES = ("ours", "theirs", "both")


@dataclass(frozen=True)
class Reason:
    """Why `count` differences of one kind are there, and which side is right."""

    file: str
    field: str
    kind: str
    count: int
    right: str
    why: str

    def explains(self, one: Difference) -> bool:
        return (self.field, self.kind) == (one.name, one.kind) and fnmatch(one.file, self.file)


@cache
def reasons() -> tuple[Reason, ...]:
    """Raises: ValueError for an entry that names neither side."""
    text = (HERE / "differences.toml").read_text(encoding="utf-8")
    found = [Reason(**each) for each in tomllib.loads(text)["difference"]]
    wrong = [each for each in found if each.right not in SIDES or not each.why]
    if wrong:
        raise ValueError(
            f"differences.toml: right must be one of {', '.join(SIDES)} and why be said: {wrong}"
        )
    return tuple(found)


def unexplained(differences: Iterable[Difference], given: Iterable[Reason]) -> list[str]:
    """What differs and no reason explains, and reasons that explain another count than they say."""
    left, given = list(differences), list(given)
    problems = []
    for reason in given:
        explained = [one for one in left if reason.explains(one)]
        left = [one for one in left if one not in explained]
        if len(explained) != reason.count:
            key = f"{reason.file} {reason.field} {reason.kind}"
            problems.append(f"{key}: {reason.count} differences explained, {len(explained)} found")
    return problems + [
        f"{one.file} byte {one.offset} {one.name}: ours {one.ours!r}, theirs {one.theirs!r}" for one in left
    ]
