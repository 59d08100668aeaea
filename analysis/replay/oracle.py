"""What interleavings came to, judged by what the same requests come to one after the other. It needs no invariant.

A run whose outcome some serial order gives is *serial*. Else it is a *failure* if a request was answered 5xx, got no
answer, or ended in an unhandled database error or a deadlock; else an *anomaly*. A deadlock or a serialization failure
that the application tried again with success is serial. What could not be played to its end is *stuck*, and no
acquittal. Where the serial orders themselves do a thing twice, locks are no cure: see `duplicates`.

Source: Papadimitriou, "The serializability of concurrent database updates", JACM 1979.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from analysis.replay.differences import differences
from analysis.replay.outcomes import NAMES, Keys, Outcome, Places, Reader, by_order, volatile_places
from analysis.replay.runs import DatabaseError, Response, Run

SERIAL, ANOMALY, FAILURE, STUCK = "serial", "anomaly", "failure", "stuck"
DEADLOCK: Final = "40P01"
SERIALIZATION: Final = "40001"
IN_WORDS: Final = {
    DEADLOCK: "deadlock",
    SERIALIZATION: "serialization failure",
    "23505": "unique violation",
    "23503": "foreign key violation",
    "23P01": "exclusion violation",
    "55P03": "lock not available",
}

Rows = Mapping[str, Sequence[Mapping[str, Any]]]


class NotComparable(ValueError):
    """The serial runs are too few, or not serial: nothing can be judged by them."""


@dataclass(frozen=True)
class Overwritten:
    """A row holds what one request wrote although another was answered as if it had prevailed."""

    table: str
    key: tuple[Any, ...]
    columns: tuple[str, ...]
    loser: int
    winner: int


@dataclass(frozen=True)
class Judged:
    """One run. `order`: the serial order that gives its outcome; `reason`: one sentence, "" where it is serial.

    `kind`         equal for runs with the same outcome
    `differences`  to the nearest serial outcome, line by line
    `breaks`       the user's invariant does not hold afterwards
    """

    run: Run
    verdict: str
    kind: int = 0
    order: tuple[int, ...] | None = None
    reason: str = ""
    differences: tuple[str, ...] = ()
    overwritten: tuple[Overwritten, ...] = ()
    breaks: bool = False


@dataclass(frozen=True)
class Duplicate:
    """Both requests, one after the other, were answered with success and made such a row each."""

    table: str
    equal: tuple[str, ...]  # columns in which the rows agree
    different: tuple[str, ...]


@dataclass(frozen=True)
class Judgement:
    """All runs judged. `volatile`: the places left out. `kinds`: how many outcomes there are, the serial ones too."""

    judged: tuple[Judged, ...]
    volatile: Places
    duplicates: tuple[Duplicate, ...]
    kinds: int
    serial_breaks: bool = False  # the invariant is broken by a serial order too

    def of(self, verdict: str) -> list[Judged]:
        return [each for each in self.judged if each.verdict == verdict]

    @property
    def bad(self) -> list[Judged]:
        return [each for each in self.judged if each.verdict in (ANOMALY, FAILURE)]

    @property
    def safe(self) -> bool:
        """Nothing bad, and nothing that could not be played."""
        return all(each.verdict == SERIAL and not each.breaks for each in self.judged)


def judge(
    serial: Sequence[Run],
    runs: Sequence[Run],
    keys: Keys | None = None,
    invariant: Callable[[Rows], bool] | None = None,
) -> Judgement:
    """Judges each run by the serial ones.

    In:   serial: every order of the requests, each at least twice, best some before and some after the others
          keys: primary and foreign keys and the rows before each run; without them new rows are not renamed
          invariant: whether the rows, {table: rows}, are as they should be
    Raises: NotComparable
    """
    check(serial)
    keys = keys or Keys()
    volatile = volatile_places(keys, serial)
    reader = Reader(keys, volatile)
    orders = {order: (group[0], reader.outcome(group[0])) for order, group in by_order(serial).items()}
    kinds: list[Outcome] = [outcome for _, outcome in orders.values()]
    judged = []
    for run in runs:
        outcome = reader.outcome(run)
        kind = next((number for number, each in enumerate(kinds) if outcome.same(each)), len(kinds))
        kinds += [outcome] if kind == len(kinds) else []
        breaks = invariant is not None and not invariant({**keys.fixture, **run.rows})
        judged.append(replace(_judged(run, outcome, orders, keys), kind=kind, breaks=breaks))
    serial_breaks = invariant is not None and not all(
        invariant({**keys.fixture, **each.rows}) for each in serial
    )
    return Judgement(tuple(judged), volatile, duplicates(serial, keys, volatile), len(kinds), serial_breaks)


def check(serial: Sequence[Run]) -> None:
    """Raises NotComparable."""
    groups = by_order(serial)
    if any(len(group) < 2 for group in groups.values()) or not groups:
        raise NotComparable("each serial order must be played at least twice, to tell what is volatile")
    stuck = next((each.stuck for each in serial if each.stuck), None)
    if stuck:
        raise NotComparable(f"the requests could not even be played one after the other: {stuck}")
    for run in serial:
        if _switches(run) >= max(len(set(run.choices)), 1):
            raise NotComparable(f"a run that was given as serial goes back and forth: {run.choices}")


def _switches(run: Run) -> int:
    return sum(one != two for one, two in zip(run.choices, run.choices[1:], strict=False))


Orders = Mapping[tuple[int, ...], tuple[Run, Outcome]]


def _judged(run: Run, outcome: Outcome, orders: Orders, keys: Keys) -> Judged:
    if run.stuck is not None:
        return Judged(run, STUCK, reason=run.stuck)
    order = next((order for order, (_, each) in orders.items() if outcome.same(each)), None)
    if order is not None:
        return Judged(run, SERIAL, order=order)
    apart = min((differences(outcome, each) for _, each in orders.values()), key=len)
    verdict, reason = ANOMALY, "no serial order gives this outcome"
    for name, response in zip(NAMES, run.responses, strict=False):
        if (failure := failure_of(name, response)) is not None:
            verdict, reason = FAILURE, failure
            break
    return Judged(
        run, verdict, reason=reason, differences=tuple(apart), overwritten=overwritten(run, orders, keys)
    )


def failure_of(name: str, response: Response) -> str | None:
    """In words why an answer is a failure: 5xx, none at all, or a deadlock; None where it is not."""
    error = response.error
    if response.status >= 500 or response.status == 0 or error is not None:
        error = error or next(reversed(response.raised), None)
        said = f"is answered {response.status}" if response.status else "gets no answer"
        return f"{name} {said}: {in_words(error)}" if error else f"{name} {said}"
    deadlock = next((each for each in response.raised if each.sqlstate == DEADLOCK), None)
    return f"{name} is answered {response.status} after a deadlock" if deadlock else None


def in_words(error: DatabaseError) -> str:
    if error.sqlstate is None:
        return f"{error.type}: {error.message}".rstrip(": ")
    words = IN_WORDS.get(error.sqlstate, error.type.rpartition(".")[2])
    return f"{words} (SQLSTATE {error.sqlstate}{f', {error.constraint}' if error.constraint else ''})"


def overwritten(run: Run, orders: Orders, keys: Keys) -> tuple[Overwritten, ...]:
    """The old rows that hold one request's values although another was answered as if its own had prevailed.

    Which values are whose, the serial orders show in which one request alone has success.
    """
    alone = {prevailing(each): each for each, _ in orders.values()}
    found = []
    for loser, hers in alone.items():
        for winner, his in alone.items():
            if loser is None or winner is None or loser == winner:
                continue
            if run.responses[loser].status == hers.responses[loser].status:
                found += [
                    Overwritten(table, key, columns, loser, winner)
                    for table, key, columns in _held(run, his, hers, keys)
                ]
    return tuple(found)


def prevailing(run: Run) -> int | None:
    """The only request of a serial run that was answered with success; None where all were, or none."""
    good = [number for number, each in enumerate(run.responses) if 0 < each.status < 400]
    return good[0] if len(good) == 1 else None


def _held(
    run: Run, his: Run, hers: Run, keys: Keys
) -> Iterator[tuple[str, tuple[Any, ...], tuple[str, ...]]]:
    """Old rows with the values that they have in one serial run and not in the other: table, key, columns."""
    for table, before in keys.fixture.items():
        for key in (keys.of(table, each) for each in before):
            rows = [_row_with(keys, each, table, key) for each in (run, his, hers)]
            if key is not None and None not in rows:
                now, one, other = (row or {} for row in rows)
                columns = tuple(name for name in now if now[name] == one.get(name) != other.get(name))
                if columns:
                    yield table, key, columns


def _row_with(keys: Keys, run: Run, table: str, key: tuple[Any, ...] | None) -> Mapping[str, Any] | None:
    rows = run.rows.get(table, keys.fixture.get(table, ()))
    return next((row for row in rows if key is not None and keys.of(table, row) == key), None)


def duplicates(serial: Sequence[Run], keys: Keys, volatile: Places) -> tuple[Duplicate, ...]:
    """Where serial orders already do a thing twice: the cure is an idempotency key, not a lock.

    In every order all requests are answered with success, each inserts into one table, and two of its new rows agree
    in all their foreign keys and in something else that is not volatile. Innocent: the second is refused; the rows
    hang on different parents; the second only changes what the first made.
    """
    if not all(0 < each.status < 400 for run in serial for each in run.responses):
        return ()
    reader = Reader(keys, volatile)
    found = []
    for table in sorted(set.intersection(*(_inserted_by_all(run) for run in serial)) if serial else ()):
        new = [row for row in serial[0].rows.get(table, ()) if reader.is_new(table, row)]
        pairs = ((one, two) for number, one in enumerate(new) for two in new[number + 1 :])
        agreeing = (each for one, two in pairs if (each := _agreement(table, one, two, keys, volatile)))
        if (duplicate := next(agreeing, None)) is not None:
            found.append(duplicate)
    return tuple(found)


def _inserted_by_all(run: Run) -> set[str]:
    tables: dict[int, set[str]] = {number: set() for number in range(len(run.responses))}
    for step in run.steps:
        if step.sql.lstrip().upper().startswith("INSERT") and step.error is None:
            tables[step.worker] |= step.writes or set()
    return set.intersection(*tables.values()) if tables else set()


def _agreement(
    table: str, one: Mapping[str, Any], two: Mapping[str, Any], keys: Keys, volatile: Places
) -> Duplicate | None:
    given = keys.given_column(table)
    columns = [
        each for each in one if each != given and volatile.isdisjoint({f"{table}.{each}", f"{table}.{each}?"})
    ]
    equal = [each for each in columns if one[each] == two.get(each)]
    pointing = [each for each in columns if (table, each) in keys.foreign]
    if not set(pointing) <= set(equal) or not any(one[each] is not None for each in equal):
        return None
    return Duplicate(table, tuple(equal), tuple(each for each in columns if each not in equal))
