"""Which orders of the steps of two or more requests there are: all that can be told apart, each played once.

Stateless depth-first search: a run is played from its beginning, its first choices are given, then the request that
went last goes on while it can. Of the orders that differ only in the sequence of independent steps one is played.

Sources: Flanagan and Godefroid, "Dynamic partial-order reduction", POPL 2005; Abdulla, Aronis, Jonsson and Sagonas,
"Optimal dynamic partial order reduction", POPL 2014 (source sets, with sleep sets of Godefroid 1996); for the bound
on three or more, Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from analysis.replay.independence import READ_COMMITTED, Footprint, dependent
from analysis.replay.runs import Run
from analysis.replay.traces import Traced, traced

Play = Callable[[tuple[int, ...]], Run]

BOUND: Final = 2000  # runs
STUCK: Final = 3  # runs that could not be finished: each costs seconds
PREEMPTIONS: Final = 2  # with three or more requests


SAME: Final = "asked the same, the application must do the same: look for caches, clocks and random choices"


class Diverged(RuntimeError):
    """The same choices did not give the same run: the requests depend on more than the order of their steps."""


@dataclass(frozen=True)
class Exploration:
    """What was played.

    `runs`      one of each distinguishable order, in the order in which they were found
    `explored`  how many runs were played for them
    `pruned`    choices that were not played, since they lead to orders that cannot be told from these
    `complete`  every distinguishable order is among the runs; else `bounded` says what was left out
    """

    runs: tuple[Run, ...]
    explored: int
    pruned: int
    complete: bool
    bounded: str | None = None


@dataclass
class Node:
    """A state on the way of the present run: who can go, who is to go, who went, and who need not."""

    enabled: tuple[int, ...]
    sleep: dict[int, Footprint]
    todo: set[int]
    switches: int  # preemptions on the way here
    done: dict[int, Footprint] = field(default_factory=dict)

    def open(self) -> list[int]:
        return sorted(self.todo - self.done.keys() - self.sleep.keys())


class Search:
    """The state of one exploration."""

    def __init__(self, play: Play, isolation: str | None, prune: bool, preemptions: int | None) -> None:
        self.play, self.isolation = play, isolation
        self.prune, self.preemptions = prune, preemptions
        self.nodes: list[Node] = []
        self.choices: list[int] = []
        self.last: Traced | None = None
        self.found: dict[object, Run] = {}
        self.explored = self.pruned = self.stuck = 0

    def run(self, prefix: tuple[int, ...]) -> Traced:
        run = self.play(prefix)
        self.explored += 1
        self.stuck += run.stuck is not None
        check(run, prefix, self.last.run if self.last else None)
        found = traced(run, self.isolation)
        self.found.setdefault(found.key(), run)
        return found

    def all_orders(self) -> Iterator[Run]:
        """Plays run after run, and yields each."""
        prefix: tuple[int, ...] | None = ()
        while prefix is not None:
            found = self.run(prefix)
            if len(found.run.responses) > 2:  # who is woken first is PostgreSQL's choice: nothing is complete
                self.prune = False
                self.preemptions = PREEMPTIONS if self.preemptions is None else self.preemptions
            self.extend(found, max(len(prefix) - 1, 0))
            self.last = found
            yield found.run
            prefix = self.next_prefix()

    def extend(self, found: Traced, start: int) -> None:
        """Adds the states of a run behind its given choices, and what its races call for."""
        del self.nodes[start + 1 :], self.choices[start:]
        for number in range(start, len(found.run.steps)):
            chosen = found.run.choices[number]
            if number == len(self.nodes):
                self.nodes.append(self.new_node(found, number))
            node = self.nodes[number]
            if chosen in node.sleep:
                node.todo = set([each for each in node.enabled if each not in node.sleep][:1])
                return
            node.todo.add(chosen)
            node.done[chosen] = found.footprints[number]
            self.choices.append(chosen)
            if self.prune:
                for earlier in found.races(number):
                    self.reverse(found, earlier, number)

    def new_node(self, found: Traced, number: int) -> Node:
        enabled = found.run.enabled[number]
        if number == 0:
            return Node(enabled, {}, set() if self.prune else set(enabled), 0)
        before, chosen = self.nodes[number - 1], found.run.choices[number - 1]
        switches = before.switches + self.preempts(number - 1, chosen, found.run)
        if not self.prune:
            return Node(enabled, {}, self.allowed(found.run, number, switches), switches)
        asleep = {**before.sleep, **before.done}
        asleep.pop(chosen, None)
        happened = found.footprints[number - 1]
        sleep = {who: each for who, each in asleep.items() if not dependent(each, happened)}
        return Node(enabled, sleep, set(), switches)

    def preempts(self, number: int, chosen: int, run: Run) -> bool:
        """Whether another one went although the last one could have gone on."""
        return (
            number > 0
            and run.choices[number - 1] != chosen
            and run.choices[number - 1] in run.enabled[number]
        )

    def allowed(self, run: Run, number: int, switches: int) -> set[int]:
        last, enabled = run.choices[number - 1], set(run.enabled[number])
        if self.preemptions is None or switches < self.preemptions or last not in enabled:
            return enabled
        return {last}

    def reverse(self, found: Traced, earlier: int, later: int) -> None:
        """Sees to it that an order is played in which the later step of a race comes first."""
        node = self.nodes[earlier]
        initials = found.initials(earlier, later)
        if initials.isdisjoint(node.todo):
            possible = sorted(initials.intersection(node.enabled))
            node.todo.update(possible[:1] or node.enabled)

    def next_prefix(self) -> tuple[int, ...] | None:
        while self.nodes:
            number = len(self.nodes) - 1
            if waiting := self.nodes[number].open():
                return (*self.choices[:number], waiting[0])
            node = self.nodes.pop()
            self.pruned += len(set(node.enabled) - node.done.keys())
        return None

    def one_preemption(self) -> Iterator[Run]:
        """Every order in which one request pauses once and the others go on meanwhile."""
        self.last = None
        for first in self.nodes[0].enabled:
            alone = self.run((first,)).run
            for number in range(1, len(alone.choices)):
                if alone.choices[number - 1] != first:
                    break
                for other in set(alone.enabled[number]) - {first}:
                    yield self.run((*alone.choices[:number], other)).run


def explore(
    play: Play,
    bound: int = BOUND,
    prune: bool = True,
    isolation: str | None = READ_COMMITTED,
    preemptions: int | None = None,
    until: Callable[[Run], bool] = lambda run: False,
) -> Exploration:
    """Plays every distinguishable order of two requests.

    In:   play: plays the choices given, then lets the request that went last go on while it can
          bound: how many runs at most; beyond it every order with one preemption is played, and no more
          prune: False plays every order, with three or more requests those with few preemptions
          isolation: of the transactions as they are played; None: not known, which costs more runs
          until: stops at the first run for which it is true
    Raises: Diverged
    """
    search = Search(play, isolation, prune, preemptions)
    bounded = None
    for run in search.all_orders():
        if until(run):
            bounded = f"stopped at the first run that was looked for, after {search.explored} runs"
            break
        if search.stuck >= STUCK:
            bounded = f"stopped after {search.stuck} runs that could not be finished: {run.stuck}"
            break
        if search.explored >= bound and search.next_prefix() is not None:
            bounded = f"stopped after {search.explored} runs, then every order with one preemption"
            for _ in search.one_preemption():
                pass
            break
    if bounded is None and search.stuck:
        bounded = f"{search.stuck} runs could not be finished, and what would have come after is not known"
    elif bounded is None and search.preemptions is not None:
        bounded = f"only orders with at most {search.preemptions} preemptions"
    runs = tuple(search.found.values())
    return Exploration(runs, search.explored, search.pruned, bounded is None, bounded)


def check(run: Run, prefix: tuple[int, ...], last: Run | None) -> None:
    """Raises Diverged where a run did not follow its choices, or did something else than the run before on them."""
    for number, wanted in enumerate(prefix):
        can = run.enabled[number] if number < len(run.enabled) else ()
        if wanted not in can or run.choices[number] != wanted:
            raise Diverged(
                f"step {number + 1}: request {wanted} was to go, but only {list(can)} could; {SAME}"
            )
    for number in range(len(prefix) - 1 if last else 0):
        assert last is not None
        if _what(run, number) != _what(last, number):
            raise Diverged(
                f"step {number + 1} was {last.steps[number].sql or last.steps[number].kind!r} "
                f"and is {run.steps[number].sql or run.steps[number].kind!r} after the same choices; {SAME}"
            )


def _what(run: Run, number: int) -> tuple[object, ...]:
    step = run.steps[number]
    return run.enabled[number], step.worker, step.kind, step.reads, step.writes, step.locks
