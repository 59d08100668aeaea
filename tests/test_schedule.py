"""Every distinguishable order, each once: against the full enumeration on a model of PostgreSQL."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres_model import Op, player

from analysis.replay import independence, schedule, traces
from analysis.replay.independence import (
    FREE,
    ISOLATIONS,
    READ_COMMITTED,
    REPEATABLE_READ,
    SERIALIZABLE,
    Locks,
)
from analysis.replay.runs import Run
from analysis.replay.schedule import Diverged, explore
from analysis.replay.traces import traced

ROWS = {(table, key): 0 for table in ("a", "b", "parent") for key in (0, 1)} | {("parent", 2): 0}

STATEMENTS = [
    "read",
    "count",
    "update",
    "add",
    "insert",
    "delete",
    "child",
    "set all",
    "select for update",
    "select for update nowait",
    "select for update skip locked",
]


def statements(alone=False):
    return st.builds(
        Op,
        st.sampled_from(STATEMENTS),
        st.sampled_from(["a", "a", "b", "parent"]),
        st.sampled_from([0, 0, 1, 2]),
        st.sampled_from([1, 2, 3]),
        st.sampled_from([None, None, None, 0, 1]),
        st.just(alone),
    )


@st.composite
def programs(draw):
    """A request: statements outside a transaction, then perhaps one transaction with perhaps a savepoint in it."""
    before = draw(st.lists(statements(alone=True), max_size=1))
    inside = draw(st.lists(statements(), min_size=1, max_size=3))
    if draw(st.booleans()):
        inside.insert(
            draw(st.integers(1, len(inside))), Op("stop unless", when=draw(st.sampled_from([0, 1])))
        )
    elif draw(st.booleans()):
        start = draw(st.integers(0, len(inside) - 1))
        end = draw(st.integers(start + 1, len(inside)))
        kind = draw(st.sampled_from(["release", "rollback to"]))
        inside[start:end] = [Op("savepoint"), *inside[start:end], Op(kind)]
    return [*before, *inside, Op(draw(st.sampled_from(["commit", "commit", "commit", "rollback"])))]


def outcome(run: Run) -> object:
    return (
        tuple((each.status, each.body) for each in run.responses),
        repr(run.rows),
    )


def compared(two, isolation):
    """Runs in full, runs pruned, and what is wrong with the pruned ones."""
    play = player(two, ROWS, isolation)
    outcomes = {}

    def noted(prefix):
        run = play(prefix)
        outcomes.setdefault(traced(run, isolation).key(), set()).add(outcome(run))
        return run

    full = explore(noted, bound=10**6, prune=False, isolation=isolation)
    pruned = explore(play, bound=10**6, isolation=isolation)
    assert full.complete and pruned.complete
    wrong = []
    if any(len(each) > 1 for each in outcomes.values()):
        wrong.append("one trace, two outcomes")
    if {outcome(each) for each in full.runs} != {outcome(each) for each in pruned.runs}:
        wrong.append("an outcome missed")
    if {traced(each, isolation).key() for each in pruned.runs} != outcomes.keys():
        wrong.append("a trace missed")
    if pruned.explored != len(outcomes):
        wrong.append("a trace played twice")
    return full.explored, pruned.explored, wrong


@pytest.mark.parametrize("isolation", ISOLATIONS)
@settings(max_examples=30, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(two=st.tuples(programs(), programs()))
def test_pruning_loses_no_outcome(isolation, two):
    *_, wrong = compared(two, isolation)
    assert wrong == []


def transaction(*ops, end="commit"):
    return [*ops, Op(end)]


def add(table, value=1):
    return Op("add", table, value=value)


TELLING = {
    "lost update": 2 * (transaction(Op("read"), Op("update", value=1)),),
    "insert": 2 * (transaction(Op("count"), Op("insert", key=2)),),
    "deadlock": (transaction(add("a"), add("b")), transaction(add("b"), add("a"))),
    "deadlock in a savepoint": (
        transaction(Op("savepoint"), add("a"), add("b"), Op("release"), Op("read", "parent")),
        transaction(Op("savepoint"), add("b"), add("a"), Op("release"), add("parent")),
    ),
    "parent goes": (transaction(Op("child", "c")), transaction(Op("delete", "parent"))),
    "parent locked": (transaction(Op("child", "c")), transaction(Op("select for update nowait", "parent"))),
    "snapshot": (transaction(Op("read", "b"), Op("read", "a")), transaction(add("a"))),
    "write skew": (transaction(Op("read", "a"), add("b")), transaction(Op("read", "b"), add("a"))),
    "nowait": 2 * (transaction(Op("select for update nowait"), Op("read", "b")),),
    "frees": (transaction(add("a"), end="rollback"), transaction(Op("select for update skip locked"))),
    "reads before its locks": (
        transaction(Op("read", "b"), Op("select for update")),
        transaction(Op("select for update"), add("b")),
    ),
}


@pytest.mark.parametrize("name", TELLING)
@pytest.mark.parametrize("isolation", ISOLATIONS)
def test_telling_programs(name, isolation):
    *_, wrong = compared(TELLING[name], isolation)
    assert wrong == []


def without(**changes):
    """The independence rule with something forgotten."""
    rule = independence.dependent
    return lambda one, two: rule(replace(one, **changes), replace(two, **changes))


def without_shares(one, two):
    both = (replace(each, locks=Locks(each.locks.takes)) for each in (one, two))
    return independence.dependent(*both)


FORGOTTEN = {
    "commits publish": (without(publishes=frozenset()), READ_COMMITTED, "lost update"),
    "commits and rollbacks free locks": (without(frees=FREE), READ_COMMITTED, "frees"),
    "writes lock": (without(locks=FREE), READ_COMMITTED, "deadlock"),
    "parents are locked": (without_shares, READ_COMMITTED, "parent locked"),
    "locks held close circles": (without(holds=FREE), READ_COMMITTED, "deadlock in a savepoint"),
    "statements see": (without(sees=frozenset()), READ_COMMITTED, "lost update"),
    "the first statement fixes the snapshot": (without(sees_all=False), REPEATABLE_READ, "snapshot"),
    "serializable transactions conflict": (without(serializable=False), SERIALIZABLE, "write skew"),
    "anything": (lambda one, two: False, READ_COMMITTED, "insert"),
}


@pytest.mark.parametrize("forgotten", FORGOTTEN)
def test_the_comparison_catches_a_wrong_rule(forgotten, monkeypatch):
    rule, isolation, name = FORGOTTEN[forgotten]
    monkeypatch.setattr(traces, "dependent", rule)
    monkeypatch.setattr(schedule, "dependent", rule)
    *_, wrong = compared(TELLING[name], isolation)
    assert wrong != []


def test_what_cannot_be_told_apart_is_played_once():
    apart = (transaction(add("a"), Op("read", "a")), transaction(add("b"), Op("read", "b")))
    found = explore(player(apart, ROWS))
    assert (found.explored, len(found.runs), found.complete, found.bounded) == (1, 1, True, None)
    assert found.pruned == 3


def test_all_orders_without_pruning():
    apart = (transaction(Op("read", "a")), transaction(Op("read", "b")))
    found = explore(player(apart, ROWS), prune=False)
    assert found.explored == 6  # 4 over 2
    assert len(found.runs) == 1  # of one trace


def test_the_lost_update_is_among_the_runs():
    found = explore(player(TELLING["lost update"], ROWS))
    assert Counter(each.responses[1].body for each in found.runs)["[0, 1]"] >= 2
    assert all(each.choices for each in found.runs)


def test_the_same_each_time():
    play = player(TELLING["deadlock"], ROWS)
    assert explore(play) == explore(play)
    assert any(each.deadlock for each in explore(play).runs)


def test_above_the_bound_it_says_so_and_every_order_with_one_pause_was_played():
    long = 2 * (transaction(*map(add, "abab")),)
    full = explore(player(long, ROWS, READ_COMMITTED))
    found = explore(player(long, ROWS, READ_COMMITTED), bound=3)
    assert not found.complete
    assert found.bounded == "stopped after 3 runs, then every order with one preemption"
    assert found.explored <= 3 + 2 * (1 + 5)
    one_pause = {traced(each).key() for each in full.runs if pauses(each) == 1}
    assert one_pause <= {traced(each).key() for each in found.runs}


def pauses(run):
    went_on = [
        one
        for one, two, can in zip(run.choices, run.choices[1:], run.enabled[1:], strict=False)
        if one != two and one in can
    ]
    return len(went_on)


def test_a_bound_that_is_just_enough_is_complete():
    play = player(TELLING["lost update"], ROWS)
    count = explore(play).explored
    assert explore(play, bound=count).complete
    assert not explore(play, bound=count - 1).complete


def test_stops_at_what_was_looked_for():
    found = explore(player(TELLING["deadlock"], ROWS), until=lambda run: run.deadlock)
    assert found.runs[-1].deadlock
    assert not found.complete
    assert found.bounded.startswith("stopped at the first run that was looked for")


def test_runs_that_cannot_be_finished_end_the_search():
    play = player(TELLING["lost update"], ROWS)

    def stuck(prefix):
        """B waits for something outside PostgreSQL as soon as A went twice before it."""
        run = play(prefix)
        if run.choices[:3] == (0, 0, 1):
            return replace(
                run,
                choices=run.choices[:3],
                enabled=run.enabled[:3],
                steps=run.steps[:3],
                stuck="waits for a lock",
            )
        return run

    once = explore(stuck)
    assert not once.complete
    assert once.bounded.startswith("1 runs could not be finished")
    assert sum(each.stuck is not None for each in once.runs) == 1
    always = explore(lambda prefix: replace(play(prefix), stuck="waits for a lock"))
    assert always.explored == 3
    assert always.bounded == "stopped after 3 runs that could not be finished: waits for a lock"


def test_three_requests_are_bounded_by_preemptions_and_it_says_so():
    found = explore(player(3 * (transaction(Op("read"), Op("update", value=1)),), ROWS))
    assert found.bounded == "only orders with at most 2 preemptions"
    assert not found.complete
    assert max(map(pauses, found.runs)) == 2
    assert len({outcome(each) for each in found.runs}) > 1


def test_two_requests_may_be_bounded_by_preemptions_too():
    play = player(TELLING["lost update"], ROWS)
    found = explore(play, prune=False, preemptions=1)
    assert found.bounded == "only orders with at most 1 preemptions"
    assert max(map(pauses, found.runs)) == 1


def test_a_run_that_does_not_follow_its_choices_is_an_error():
    play = player(TELLING["lost update"], ROWS)
    with pytest.raises(Diverged, match="step 3: request 1 was to go, but only"):
        explore(lambda prefix: replace(play(prefix), enabled=6 * ((0,),)) if prefix else play(prefix))


def test_a_run_that_does_something_else_after_the_same_choices_is_an_error():
    count = 0

    def play(prefix):
        nonlocal count
        count += 1
        programs = TELLING["lost update"] if count == 1 else 2 * (transaction(Op("read", "b"), Op("update")),)
        return player(programs, ROWS)(prefix)

    with pytest.raises(Diverged, match="after the same choices; asked the same"):
        explore(play)


def test_requests_that_ask_the_database_nothing():
    found = explore(player(([], []), ROWS))
    assert (found.explored, found.complete) == (1, True)


@pytest.mark.parametrize("isolation", ISOLATIONS)
@pytest.mark.parametrize("name", TELLING)
def test_where_the_level_is_not_known_no_outcome_is_lost(name, isolation):
    play = player(TELLING[name], ROWS, isolation)
    known, unknown = explore(play, prune=False, isolation=isolation), explore(play, isolation=None)
    assert unknown.complete
    assert {outcome(each) for each in unknown.runs} == {outcome(each) for each in known.runs}


def test_a_statement_that_is_not_understood_is_dependent_on_all():
    def unknown(prefix):
        run = play(prefix)
        steps = [replace(each, writes=None) if each.reads == {"b"} else each for each in run.steps]
        return replace(run, steps=tuple(steps))

    play = player((transaction(Op("read", "b")), transaction(Op("read", "a"))), ROWS)
    assert explore(play).explored == 1
    assert explore(unknown).explored == explore(unknown, prune=False).explored == 6
