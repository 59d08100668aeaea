"""Of the orders that go wrong, the one that is easiest to tell: with the fewest switches between the requests.

The steps of one run may be put into any order that keeps what happened before what (its trace): that changes nothing,
but may bring the steps of a request together. The order found is played again before it is believed.
"""

import itertools
from collections.abc import Callable, Iterable

from analysis.replay.independence import READ_COMMITTED
from analysis.replay.runs import Run
from analysis.replay.schedule import Play
from analysis.replay.traces import Traced, traced

Progress = tuple[int, ...]  # how many of its steps each request has done


def witness(
    runs: Iterable[Run], play: Play, wanted: Callable[[Run], bool], isolation: str | None = READ_COMMITTED
) -> Run | None:
    """The run with the fewest switches for which `wanted` is true; None if there is none."""
    candidates = [run for run in runs if wanted(run)]
    best = [
        (switches(choices), len(choices), choices)
        for choices in (fewest(each, isolation) for each in candidates)
    ]
    for count, _, choices in sorted(best):
        run = play(choices)
        if run.choices == choices and wanted(run) and switches(run.choices) == count:
            return run
    return min(candidates, key=lambda run: (switches(run.choices), run.choices), default=None)


def switches(choices: Iterable[int]) -> int:
    """How often another request goes than the one before."""
    return sum(one != two for one, two in itertools.pairwise(choices))


def fewest(run: Run, isolation: str | None = READ_COMMITTED) -> tuple[int, ...]:
    """The choices of an order of the same trace with the fewest switches."""
    found = traced(run, isolation)
    workers = sorted(set(run.choices))
    steps = {who: [number for number, each in enumerate(run.choices) if each == who] for who in workers}
    # Breadth-first over how far each request is: the best way there that ends with each of them.
    ways: dict[tuple[Progress, int], tuple[int, tuple[int, ...]]] = {((0,) * len(workers), -1): (0, ())}
    for _ in run.choices:
        ways = _one_further(ways, found, workers, steps)
    return min((count, choices) for count, choices in ways.values())[1]


def _one_further(
    ways: dict[tuple[Progress, int], tuple[int, tuple[int, ...]]],
    found: Traced,
    workers: list[int],
    steps: dict[int, list[int]],
) -> dict[tuple[Progress, int], tuple[int, tuple[int, ...]]]:
    further: dict[tuple[Progress, int], tuple[int, tuple[int, ...]]] = {}
    for (done, last), (count, choices) in ways.items():
        for place, who in enumerate(workers):
            if done[place] == len(steps[who]) or not _may(found, steps[who][done[place]], done, workers):
                continue
            there = (*done[:place], done[place] + 1, *done[place + 1 :]), who
            way = (count + (last not in (-1, who)), (*choices, who))
            further[there] = min(further.get(there, way), way)
    return further


def _may(found: Traced, number: int, done: Progress, workers: list[int]) -> bool:
    """Whether all that must come before a step is done."""
    own = found.run.choices[number]
    clock = found.clocks[number]
    return all(clock.get(who, 0) - (who == own) <= count for who, count in zip(workers, done, strict=True))
