"""What happened before what in one run: the order that its dependent steps force (Mazurkiewicz's trace).

Two runs of one trace cannot be told apart by the requests, the database or its clients.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from analysis.replay.independence import READ_COMMITTED, Footprint, dependent, footprints
from analysis.replay.runs import Run

Clock = dict[int, int]  # for each request, how many of its steps came before, and must


@dataclass(frozen=True)
class Traced:
    """A run, with each step's footprint and vector clock (its own step counted).

    `places`        of each step, the how-manieth of its request it is, from 1
    `predecessors`  of each step, the earlier ones of others that it races with
    """

    run: Run
    footprints: Sequence[Footprint]
    places: Sequence[int]
    clocks: Sequence[Clock]
    predecessors: Sequence[tuple[int, ...]]

    def key(self) -> Hashable:
        """Equal for runs of one trace."""
        steps = self.run.steps
        return frozenset(
            (step.worker, place, frozenset(clock.items()))
            for step, place, clock in zip(steps, self.places, self.clocks, strict=True)
        )

    def races(self, number: int) -> tuple[int, ...]:
        """The earlier steps of others that this one depends on with none between, latest first."""
        return self.predecessors[number]

    def before(self, earlier: int, later: int) -> bool:
        """Whether a step must come before another."""
        worker = self.run.steps[earlier].worker
        return self.clocks[later].get(worker, 0) >= self.places[earlier]

    def initials(self, earlier: int, later: int) -> set[int]:
        """Who can go first where `earlier` stood, when all that does not need it, and then `later`, come before it."""
        free = [each for each in range(earlier + 1, later) if not self.before(earlier, each)] + [later]
        return {
            self.run.steps[each].worker
            for position, each in enumerate(free)
            if not any(self.before(other, each) for other in free[:position])
        }


def traced(run: Run, isolation: str | None = READ_COMMITTED) -> Traced:
    """Works the clocks out, in one pass over the pairs of steps."""
    prints = footprints(run.steps, isolation)
    through = {number: step.through for number, step in enumerate(run.steps)}
    places: list[int] = []
    clocks: list[Clock] = []
    races: list[tuple[int, ...]] = []
    own: dict[int, int] = {}  # request -> its latest step
    for number, step in enumerate(run.steps):
        clock: Clock = {}
        mine = own.get(step.worker)
        if mine is not None:
            _join(clock, clocks[mine])
            if (end := through[mine]) is not None:  # it could not go on before its wait was over
                _join(clock, clocks[end])
        place = clock.get(step.worker, 0) + 1
        found = []
        for earlier in range(number - 1, -1, -1):
            other = run.steps[earlier].worker
            if other == step.worker or clock.get(other, 0) >= places[earlier]:
                continue
            if dependent(prints[earlier], prints[number]) or through[earlier] == number:
                found.append(earlier)
                _join(clock, clocks[earlier])
        clock[step.worker] = place
        own[step.worker] = number
        places.append(place)
        clocks.append(clock)
        races.append(tuple(found))
    return Traced(run, prints, places, clocks, races)


def _join(clock: Clock, other: Clock) -> None:
    for worker, count in other.items():
        clock[worker] = max(clock.get(worker, 0), count)
