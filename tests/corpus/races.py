"""Real race fixes: the file before and after, what two readers said of it, and whether our checks say the same.

A racy side is right when a hit in the labelled function has the label's class and covers its lines; a safe side is
right when its function has no hit. The class and lines are known of the side before only; of a side that is still
racy after its fix, the class alone.
"""

import ast
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from analysis.source import hits_in
from analysis.source.hits import Hit, Place
from analysis.source.trees import FolderTree
from tests.corpus.logs import HERE

RACES: Final = HERE.parents[2] / "shared" / "corpus" / "django_races" / "races.json"
HELD: Final = (
    HERE / "races_held.json"
)  # further fixes, labelled by one reader; no check was written with them in view
HELD_2: Final = (
    HERE / "races_held_2.json"
)  # more of them, found later; labelled before the checks were run on them
# Likewise, of nine other projects: 17 of 23 when they were first run, before any miss was read.
HELD_3: Final = HERE / "races_held_3.json"
# Likewise, of eleven more, after what the third taught was built in: 5 of 16 when they were first run.
HELD_4: Final = HERE / "races_held_4.json"
SIDES: Final = ("before", "after")
NEAR: Final = 3  # lines
SAME: Final = {"last-item/limited-use": "limited-use", "next-free/max+1": "next-free"}
KIN: Final = (
    # What the labels call one thing and a check may rightly call another, as one class holds the other.
    frozenset({"check-then-insert", "get-except-create", "get-or-create-unconstrained", "lock-absent-row"}),
    frozenset({"lost-update", "counter-increment"}),
    # A lock that does not hold: the race under it, named for what it breaks.
    frozenset({"lock-never-evaluated", "next-free"}),
    frozenset({"lock-after-check", "check-then-insert"}),
)


@dataclass(frozen=True)
class Label:
    """What two readers said of one side of one fix; `racy` None where they differ."""

    case: str
    repo: str
    commit: str
    side: str
    path: str
    functions: tuple[str, ...]
    racy: bool | None
    kind: str | None
    lines: tuple[
        tuple[int, ...], ...
    ]  # the check's and the act's, where they were given; several where the text has more

    def holds(self, name: str) -> bool:
        """Whether a function, or the class it is a method of, is one that is labelled."""
        parts = name.split(".")
        tails = {".".join(parts[first:last]) for last in range(1, len(parts) + 1) for first in range(last)}
        return bool(tails & set(self.functions))

    def named(self, hit: Hit) -> bool:
        """Whether the hit's class is the label's."""
        return self.kind in (None, "other") or hit.check == SAME.get(self.kind, self.kind)

    def akin(self, hit: Hit) -> bool:
        """Whether the hit's class is the label's or one that stands for it."""
        kind = SAME.get(self.kind or "", self.kind)
        return self.named(hit) or any({kind, hit.check} <= kin for kin in KIN)

    def acted_on(self, hit: Hit) -> bool:
        """Whether the hit is about the model that the label is about, where it had to be written down."""
        return notes()["models"].get(self.case, hit.model) == hit.model

    def covered(self, hit: Hit) -> bool:
        """Whether the labelled lines lie between the hit's first and last line of the file, or close to it."""
        found = [each.line for each in places(hit) if each.path == self.path]
        first, last = min(found, default=0) - NEAR, max(found, default=0) + NEAR
        return any(all(first <= line <= last for line in lines) for lines in self.lines)

    def touched(self, hit: Hit) -> bool:
        """Stricter: whether each labelled line is close to a line that the hit names."""
        found = [each.line for each in places(hit) if each.path == self.path]
        return any(
            all(any(abs(line - each) <= NEAR for each in found) for line in lines) for lines in self.lines
        )


@dataclass(frozen=True)
class Side:
    """A label, and the hits in what it labels."""

    label: Label
    hits: tuple[Hit, ...]

    @property
    def right(self) -> bool:
        if not self.label.racy:
            return not self.hits
        return any(self.label.akin(hit) and self.fits(hit) for hit in self.hits)

    @property
    def strictly(self) -> bool:
        """Right with the label's own class and with each of its lines named."""
        if not self.label.racy:
            return not self.hits
        return any(self.label.named(hit) and self.label.touched(hit) and self.fits(hit) for hit in self.hits)

    def fits(self, hit: Hit) -> bool:
        """Whether the hit is about the labelled lines and model."""
        return self.label.covered(hit) and self.label.acted_on(hit)


@dataclass(frozen=True)
class Other:
    """A function of the same files that no label is about: its text, and the hits in it."""

    case: str
    repo: str
    side: str
    path: str
    name: str
    text: str
    hits: tuple[Hit, ...]

    @property
    def key(self) -> tuple[str, str, str, str]:
        """The same text of the same function is one function, in however many cases it stands."""
        return self.repo, self.path, self.name, self.text


@dataclass(frozen=True)
class Judgement:
    """Whether a hit in another function would be defended to its maintainer, and why."""

    repo: str
    path: str
    function: str
    check: str
    defend: bool
    why: str


def places(hit: Hit) -> list[Place]:
    """Every place that a hit names."""
    return [hit.read, *hit.reads, *([hit.test] if hit.test else []), *hit.calls, hit.act]


def labels(file: Path = RACES) -> Iterator[Label]:
    """Both sides of every case."""
    for case in json.loads(file.read_text(encoding="utf-8")):
        second = case["second_reader"]
        given = [second.get("check_line_before"), second.get("act_line_before")]
        lines = [[line for line in given if line is not None], *notes()["lines"].get(case["id"], [])]
        for side in SIDES:
            said = case["scored"].get(side)
            yield Label(
                case["id"],
                case["repo"],
                case["commit"],
                side,
                case["path"],
                tuple(notes()["functions"].get(case["id"], case["functions"])),
                None if said is None else said == "racy",
                second.get("class"),
                tuple(map(tuple, lines)) if side == "before" else ((),),
            )


def read_side(folder: Path, label: Label) -> tuple[Side, list[Other]]:
    """The hits in one file, in what is labelled and in the rest of it."""
    tree = FolderTree(folder / label.case / label.side)
    hits = hits_in(tree, label.path)
    asked = {hit for name in label.functions for hit in hits_in(tree, label.path, name)}
    side = Side(label, tuple(sorted(asked | {hit for hit in hits if label.holds(hit.function)}, key=str)))
    others = [
        Other(
            label.case,
            label.repo,
            label.side,
            label.path,
            name,
            text,
            tuple(hit for hit in hits if hit.function == name),
        )
        for name, text in functions(tree.read(label.path) or "")
        if not label.holds(name)
    ]
    return side, others


def functions(text: str) -> Iterator[tuple[str, str]]:
    """The outermost functions of a module and the methods of its classes: qualified name and text."""

    def within(body: list[ast.stmt], prefix: str) -> Iterator[tuple[str, str]]:
        for node in body:
            if isinstance(node, ast.ClassDef):
                yield from within(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{prefix}{node.name}", ast.unparse(node)

    yield from within(ast.parse(text).body, "")


@cache
def notes() -> dict[str, Any]:
    """The hand-written part: other names of labelled functions, labels that are argued, judged hits."""
    return tomllib.loads((HERE / "races_judged.toml").read_text(encoding="utf-8"))


def judgements() -> dict[tuple[str, str, str, str], Judgement]:
    """By repository, path, function and check. Raises: ValueError where one is judged twice."""
    found = {}
    for each in notes().get("hit", []):
        judged = Judgement(**each)
        key = judged.repo, judged.path, judged.function, judged.check
        if key in found:
            raise ValueError(f"races_judged.toml: judged twice: {key}")
        found[key] = judged
    return found
