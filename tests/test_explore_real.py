"""Exploring, judging, explaining and telling on a real PostgreSQL: the demo application, and handlers of the zoo."""

from dataclasses import replace
from pathlib import Path

import pytest
from zoo.score import enacted
from zoo.truth import handlers

from analysis.replay.app import Application, Enactment
from analysis.replay.independence import SERIALIZABLE
from analysis.replay.mechanism import NO, YES, Signature, explains
from analysis.replay.observed import follow
from analysis.replay.oracle import FAILURE, SERIAL, judge
from analysis.replay.outcomes import Reader, read_keys, volatile_places
from analysis.replay.schedule import explore
from analysis.replay.shrink import switches, witness
from analysis.replay.traces import traced
from analysis.replay.words import explained, summary

pytestmark = pytest.mark.slow

CASE = Path(__file__).parent.parent / "data" / "cases" / "jobs-complete"
PRODUCTION = Signature(
    500, "23505", "jobs_job_completion_unique", ("job_id", "status"), "insert", "jobs_jobcompletion"
)
ORDERS = ((0, 1), (1, 0))


@pytest.fixture(scope="module")
def demo(postgres):
    with Enactment(postgres, Application(CASE / "source"), CASE / "setup.py") as opened:
        yield opened


@pytest.fixture(scope="module")
def found(demo):
    """Serial runs, what was explored, and its judgement."""
    before = [demo.serial(each) for each in ORDERS]
    exploration = explore(demo.run)
    serial = [*before, *(demo.serial(each) for each in ORDERS)]
    keys = read_keys(demo.catalog, demo.fixture)
    return serial, exploration, judge(serial, exploration.runs, keys)


def test_all_interleavings_of_the_demo_that_can_be_told_apart(found):
    _, exploration, judgement = found
    assert exploration.complete
    assert len(exploration.runs) == exploration.explored == 18  # of the 736 that there are
    assert [len(judgement.of(each)) for each in (SERIAL, FAILURE)] == [2, 16]
    assert {place.rpartition("/")[2].rpartition(".")[2] for place in judgement.volatile} == {
        "completed_at",
        "created_at",
    }
    assert judgement.duplicates == ()


def test_the_row_of_the_one_who_was_answered_500(found):
    *_, judgement = found
    silent = [each for each in judgement.bad if each.overwritten]
    assert 0 < len(silent) < len(judgement.bad)
    for each in silent:
        (lost,) = each.overwritten
        assert (lost.table, set(lost.columns)) == ("jobs_job", {"result", "seal"})
        assert each.run.responses[lost.winner].status == 500
        assert each.run.responses[lost.loser].status == 200


def test_the_demo_explains_production(found):
    serial, exploration, judgement = found
    explanation = explains(exploration, PRODUCTION, judgement, serial)
    assert (explanation.answer, explanation.count) == (YES, 16)
    other = explains(exploration, Signature(500, "40P01"), judgement, serial)
    assert other.answer == NO
    assert "in no order do the requests wait for each other" in other.reason


def test_the_witness_in_words(demo, found):
    serial, exploration, _ = found
    keys = read_keys(demo.catalog, demo.fixture)

    def fails(run):
        return judge(serial, [run], keys).judged[0].verdict == FAILURE

    best = witness(exploration.runs, demo.run, fails)
    assert switches(best.choices) == 2
    said = [(each.worker, each.what) for each in explained(best)]
    assert said[0][1] == said[1][1] == "reads jobs_job"
    assert said[-1][1] == "inserts into jobs_jobcompletion"
    assert all(each.line.startswith("jobs/views.py:") for each in explained(best))
    sentence = summary(judge(serial, [best], keys).judged[0])
    assert "reads jobs_job (jobs/views.py:" in sentence
    assert "is answered 500: unique violation (SQLSTATE 23505, jobs_job_completion_unique)" in sentence


def test_the_observed_order_is_played(demo):
    """As PostgreSQL logs it with log_statement = 'mod': changes only, with their values in them."""
    statements = [each.sql for each in demo.alone(0).steps]
    update, insert = (
        next(each for each in statements if each.startswith(verb))
        .replace("%s", "'x'::text", 1)
        .replace("%s", "1")
        for verb in ("UPDATE", "INSERT")
    )
    logged = [(0, update), (1, update), (1, insert), (0, insert)]
    followed = follow(logged, demo.run)
    assert followed.missing == ()
    changes = [each for each in followed.run.steps if each.sql.startswith(("UPDATE", "INSERT"))]
    assert [each.worker for each in changes] == [0, 1, 1, 0]
    assert [each.status for each in followed.run.responses] == [500, 200]
    assert follow([(0, "DELETE FROM jobs_job")], demo.run).missing


CROSS_CHECKED = ("redeem", "transfer", "close_with_row_holding")


@pytest.mark.parametrize("name", CROSS_CHECKED)
def test_pruning_loses_nothing_on_a_real_postgresql(postgres, name):
    """Every order is played; runs that are said not to differ do not, and no outcome is missed."""
    handler = next(each for each in handlers() if each.name == name)
    with enacted(postgres, handler) as opened:
        every = []

        def noted(choices):
            every.append(opened.play(choices))
            return every[-1]

        full = explore(noted, bound=300, prune=False, isolation=opened.isolation)
        assert full.complete
        serial = [opened.enactment.serial(each, opened.isolation) for each in 2 * ORDERS]
        keys = read_keys(opened.enactment.catalog, opened.enactment.fixture)
        reader = Reader(keys, volatile_places(keys, serial))
        of_trace = {}
        for run in every:
            same = of_trace.setdefault(traced(run, opened.isolation).key(), reader.outcome(run))
            assert reader.outcome(run).same(same)
        pruned = {traced(each, opened.isolation).key() for each in opened.exploration.runs}
        assert pruned == of_trace.keys()
        assert opened.exploration.explored == len(pruned) <= len(every)


def test_the_published_handler_is_rejected_as_an_explanation(postgres):
    handler = next(each for each in handlers() if each.name == "close_as_published")
    with enacted(postgres, handler) as opened:
        explanation = explains(opened.exploration, Signature(500, "23505"), opened.judgement)
    assert explanation.answer == NO
    assert "the requests insert nothing, they only update rows of shop_order" in explanation.reason
    assert "instead, the loser's update of shop_order silently overwrites the winner's" in explanation.reason


def test_the_same_choices_give_the_same_run(demo):
    choices = explore(demo.run, bound=3).runs[-1].choices
    first = demo.run(choices)
    for _ in range(5):
        again = demo.run(choices)
        assert (again.choices, without_values(again)) == (first.choices, without_values(first))


def without_values(run):
    """The steps without their parameters, which hold stamps."""
    return [replace(each, params="") for each in run.steps]


def test_serializable_is_explored_by_its_own_rules(demo):
    """Each statement is a transaction of its own here: what it read does not bind the next."""
    found = explore(lambda choices: demo.run(choices, SERIALIZABLE), isolation=SERIALIZABLE)
    assert found.complete
    assert len(found.runs) >= 18
