"""The witness: the fewest switches, and still what was looked for."""

import itertools

import pytest
from postgres_model import Op, player

from analysis.replay.schedule import explore
from analysis.replay.shrink import fewest, switches, witness
from analysis.replay.traces import traced

ROWS = {("a", 0): 0, ("b", 0): 0}
CLIMB = [Op("read", "b"), Op("read"), Op("update", value=1), Op("read", "b"), Op("commit")]


def lost(run):
    return [each.body for each in run.responses] == ["[0, 0, 1, 0]"] * 2


def test_the_fewest_switches_of_all_orders_that_lose_an_update():
    play = player((CLIMB, CLIMB), ROWS)
    every = [play(prefix) for prefix in set(itertools.product((0, 1), repeat=8))]
    found = explore(play)
    best = witness(found.runs, play, lost)
    assert lost(best)
    assert switches(best.choices) == min(switches(each.choices) for each in every if lost(each)) == 2


def test_a_run_keeps_its_trace():
    play = player((CLIMB, CLIMB), ROWS)
    for run in explore(play, prune=False).runs:
        choices = fewest(run)
        assert switches(choices) <= switches(run.choices)
        again = play(choices)
        assert again.choices == choices
        assert traced(again).key() == traced(run).key()


@pytest.mark.parametrize("first", [0, 1])
def test_waits_and_deadlocks_stay_what_they_are(first):
    programs = (
        [Op("add", "a", value=1), Op("add", "b", value=1), Op("commit")],
        [Op("add", "b", value=1), Op("add", "a", value=1), Op("commit")],
    )
    play = player(programs, ROWS)
    victim = witness(explore(play).runs, play, lambda run: run.responses[first].status == 500)
    assert victim.deadlock
    assert switches(victim.choices) == 3 - first or switches(victim.choices) <= 3


def test_none_where_there_is_none():
    play = player((CLIMB, CLIMB), ROWS)
    assert witness(explore(play).runs, play, lambda run: run.deadlock) is None


def test_a_witness_that_cannot_be_played_again_is_not_believed():
    play = player((CLIMB, CLIMB), ROWS)
    runs = [each for each in explore(play).runs if lost(each)]
    other = player(([Op("commit")], [Op("commit")]), ROWS)
    assert witness(runs, other, lost) == min(runs, key=lambda run: (switches(run.choices), run.choices))
