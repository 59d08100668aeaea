"""The order that a database log shows, played as it was: observed statements matched with enacted ones by shape."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from analysis.replay.runs import STATEMENT, Run, Step
from analysis.replay.schedule import Play

LITERAL: Final = re.compile(
    r"(?:\b[EeNnBbXx])?'(?:[^']|'')*'(?:::\w+(?:\[\])?)?|%s|\$\d+|(?<![\w\".])-?\d+(?:\.\d+)?(?![\w\"])"
    r"|\b(?:true|false|null)\b",
    re.IGNORECASE,
)

LONGEST: Final = 8_000  # characters by which statements are compared; the log may hold anything
SHOWN: Final = 200

Statement = tuple[int, str]  # who, and the SQL text or its shape
Shape = Callable[[str], str]


@dataclass(frozen=True)
class Followed:
    """The observed order on the enacted steps. `missing`: observed statements without a counterpart, each with why."""

    run: Run
    missing: tuple[str, ...]

    @property
    def choices(self) -> tuple[int, ...]:
        return self.run.choices


def follow(observed: Sequence[Statement], play: Play, shape: Shape | None = None) -> Followed:
    """Plays the order in which a database log shows the statements of each request.

    In:   observed: (worker, SQL text or shape), as they began; "COMMIT" and "ROLLBACK" count too
          shape: what makes an observed and an enacted statement equal
    When a step came that the log does not show (it may log changes only), nobody knows: first all such are played just
    before the request's next observed statement, then, if that leads elsewhere, just after its last one.
    """
    late = _followed(observed, play, shape or shape_of, early=False)
    if not late.missing:
        return late
    return min(
        late, _followed(observed, play, shape or shape_of, early=True), key=lambda each: len(each.missing)
    )


def _followed(observed: Sequence[Statement], play: Play, shape: Shape, early: bool) -> Followed:
    walk = _Walk(play, shape)
    missing = []
    if early:
        for worker in dict.fromkeys(worker for worker, _ in observed):
            walk.approach(worker, observed)
    for number, (worker, sql) in enumerate(observed, 1):
        place, ahead = walk.look(worker, sql)
        if place is None:
            why = "has no counterpart" if ahead else "cannot begin: the request waits, or is done"
            missing.append(f"statement {number}, of request {worker}, {why}: {sql[:SHOWN]}")
            continue
        walk.choices += (worker,) * (place + 1)
        if early:
            walk.approach(worker, observed[number:])
    return Followed(play(walk.choices), tuple(missing))


class _Walk:
    """How far each request is."""

    def __init__(self, play: Play, shape: Shape) -> None:
        self.play, self.shape = play, shape
        self.choices: tuple[int, ...] = ()
        self.run = play(())

    def look(self, worker: int, sql: str) -> tuple[int | None, list[Step]]:
        """Among the steps that a request does next if nobody comes between, the first of this shape."""
        here = len(self.choices)
        if self.run.choices[: here + 1] != (*self.choices, worker):
            self.run = self.play((*self.choices, worker))
        ahead = list(_ahead(self.run, worker, here))
        wanted = self.shape(sql)
        return next((place for place, step in enumerate(ahead) if self.of(step) == wanted), None), ahead

    def of(self, step: Step) -> str:
        return self.shape(step.sql if step.kind == STATEMENT else step.kind)

    def approach(self, worker: int, observed: Iterable[Statement]) -> None:
        """Goes on with a request up to its next observed statement."""
        sql = next((sql for who, sql in observed if who == worker), None)
        place = self.look(worker, sql)[0] if sql is not None else None
        self.choices += (worker,) * (place or 0)


def _ahead(run: Run, worker: int, start: int) -> Iterator[Step]:
    for who, step in zip(run.choices[start:], run.steps[start:], strict=True):
        if who != worker:
            return
        yield step


def shape_of(sql: str) -> str:
    """A statement without its values, so that a logged one equals one with placeholders."""
    text = re.sub(r"/\*.*?\*/", " ", sql[:LONGEST], flags=re.DOTALL)
    text = LITERAL.sub("?", text)
    text = re.sub(r"\(\s*\?(?:\s*,\s*\?)+\s*\)", "(?)", text)
    return " ".join(text.split()).rstrip("; ").lower()
