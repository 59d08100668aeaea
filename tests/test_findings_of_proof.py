"""What the proof claims is what was played: three answers where not all was, and no error where none was seen."""

import json
from dataclasses import replace

import pytest
from replayed import error, run, step

from analysis.findings_of_proof import concluded, fact, fixed, gated, halted, observed_order
from analysis.proof import prove as chain
from analysis.proof.command import told
from analysis.proof.enacted import ControlFailed, Enacted, refuse
from analysis.proof.menu import Menu, Tried, losers
from analysis.proof.prove import (
    BOUNDED,
    EFFECT,
    NOT_ENACTED,
    OTHER,
    PROVED,
    SAFE,
    UNSURE,
    Proof,
    evidence_for,
    verdict_of,
)
from analysis.proof.signature import signature_of
from analysis.proof.team import TeamProof
from analysis.proof.tell import proofs
from analysis.replay.gate import Gate
from analysis.replay.mechanism import explains
from analysis.replay.observed import Followed
from analysis.replay.oracle import judge
from analysis.replay.outcomes import Keys
from analysis.replay.schedule import Exploration
from analysis.root_cause import RootCause
from analysis.source.fixes.proposals import Declined, Proposal
from analysis.source.hits import Hit, Place
from analysis.suspicion import NothingToProve, Observed, Raised, Suspicion

KEYS = Keys({"job": ("id",)}, {}, {"job": [{"id": 1, "by": None}]})
BOTH = (200, {"done": True})
REFUSED = (400, {"error": "already done"})
CRASHED = (500, "", error("23505", "one_each", "note"))


def rows(by):
    return {"job": [{"id": 1, "by": by}]}


SERIAL = [run("AAB", BOTH, REFUSED, rows("A"))] * 2 + [run("BBA", REFUSED, BOTH, rows("B"))] * 2
LOST = run("ABAB", BOTH, BOTH, rows("B"))
STEPS = [step("A", "SELECT job"), step("B", "SELECT job"), step("A", "INSERT note")]
COLLIDED = step("B", "INSERT note", error=error("23505", "one_each", "note"))
FAILED = run("ABAB", BOTH, CRASHED, rows("A"), steps=[*STEPS, COLLIDED])
STUCK = run("AB", BOTH, BOTH, rows("A"), stuck="blocked outside PostgreSQL")


def enacted(*runs, serial=SERIAL, complete=True):
    runs = runs or (SERIAL[0], SERIAL[2])
    exploration = Exploration(runs, len(runs), 0, complete, None if complete else "2000 runs were played")
    return Enacted((), tuple(serial), exploration, judge(serial, runs, KEYS), KEYS)


def accused(**changes):
    raised = Raised(7, "IntegrityError", "m", "23505", "one_each", (), (), ())
    statements = (Observed(0, "update", "UPDATE job", "", None, "job", None, 3),)
    given = Suspicion(
        "POST", "/jobs", "/jobs", "1", "sarah", (1, 2), (200, 500), None, raised, statements, "sure"
    )
    return replace(given, **changes)


def proof(before=None, explanation=None, of=None, **more):
    cause = RootCause(of or accused(), None, "a folder", None, (), None, ())
    verdict, reason = verdict_of(before, explanation) if before else (NOT_ENACTED, "no rows")
    return Proof(cause, verdict, reason, None, before, explanation, **more)


def explained(before, of=None):
    return explains(before.exploration, signature_of(of or accused()), before.judgement, before.serial)


@pytest.mark.parametrize(
    ("runs", "complete", "verdict"),
    [
        ((FAILED,), True, PROVED),
        ((FAILED,), False, PROVED),
        ((LOST,), True, OTHER),
        ((LOST,), False, UNSURE),
        ((), True, SAFE),
        ((), False, BOUNDED),
        ((STUCK,), True, BOUNDED),
    ],
)
def test_whether_it_is_production_s_race_has_three_answers(runs, complete, verdict):
    before = enacted(*runs, complete=complete)
    assert verdict_of(before, explained(before))[0] == verdict


def test_what_was_not_played_is_neither_counted_among_the_orders_nor_called_free_of_races():
    part = enacted(FAILED, complete=False)
    assert "orders that were played" in verdict_of(part, explained(part))[1]
    whole = enacted(FAILED)
    assert "1 of 1 distinguishable orders" in verdict_of(whole, explained(whole))[1]
    judged = replace(enacted(complete=False).judgement, duplicates=("one",))
    verdict, reason = verdict_of(replace(enacted(complete=False), judgement=judged), None)
    assert verdict == BOUNDED and "idempotency key" in reason
    assert verdict_of(replace(enacted(), judgement=judged), None)[0] == EFFECT


def test_a_silent_loser_is_convicted_without_words_of_an_error():
    silent = accused(raised=None, statuses=(200, 200))
    assert signature_of(silent) is None
    told = proof(enacted(LOST), None, silent)
    assert told.verdict == PROVED and fact(told)["same_error"] is False
    assert "that the code can lose is not that it did" in concluded(told).limits
    seen = proof(enacted(FAILED), explained(enacted(FAILED)))
    assert fact(seen)["same_error"] is True and "No error is known" not in concluded(seen).limits


def test_an_answer_5xx_without_an_exception_is_still_an_error_to_be_explained():
    untied = accused(raised=None)
    assert signature_of(untied).status == 500
    before = enacted(LOST)
    assert verdict_of(before, explained(before, untied))[0] == OTHER


@pytest.mark.parametrize(
    ("overlap", "words"),
    [("sure", "the two overlapped"), ("possible", "undecided"), ("none", "did not overlap")],
)
def test_a_conviction_says_whether_production_s_two_overlapped(overlap, words):
    assert words in concluded(proof(enacted(LOST), None, accused(overlap=overlap))).limits


def test_an_observed_order_that_ends_otherwise_is_not_called_production_s():
    def told(played, **more):
        ended = judge(SERIAL, [played], KEYS).judged[0]
        observed = Followed(played, more.get("missing", ()))
        return observed_order(proof(enacted(FAILED), None, observed=observed, ended=ended))[0]

    as_it_was = told(FAILED)
    assert ", as in production; the outcome is none that a serial order gives." in as_it_was.claim
    other = told(SERIAL[0])
    assert "answered 200 and 400; in production 200 and 500: this is not how it went there" in other.claim
    assert "one that a serial order gives" in other.claim
    assert "another order than production's" in told(FAILED, missing=("statement 1 …",)).limits


def test_no_fix_and_no_test_are_said_to_be_none():
    nothing = proof(enacted(LOST), None, menu=Menu((), (), ()))
    assert "No fix of the menu fits" in fixed(nothing)[0].claim
    assert gated(nothing)[0].claim == "No test is kept: no fix survived."
    assert gated(proof()) == []
    broken = replace(nothing, menu=None, halts=("no fix was tried: no room",))
    assert gated(broken) == [] and halted(broken)[0].claim == "No fix was tried: no room."


def test_a_test_that_no_fix_has_made_pass_yet_is_said_to_be_one():
    team = TeamProof("test_race_x.py", "", Gate((), 100, 0, True, "", has_fix=False))
    (half,) = gated(proof(enacted(LOST), None, team=team))
    assert "no fix was kept, so nothing shows yet what makes it pass: 100 repeats, 0 flakes" in half.claim
    (whole,) = gated(proof(enacted(LOST), None, team=replace(team, gate=replace(team.gate, has_fix=True))))
    assert "passes with it: 200 repeats" in whole.claim


def test_the_command_says_why_no_fix_was_tried_and_what_to_do():
    menu = Menu((), (Declined("lock_row", "no query"), Declined("f_expression", "no query")), ())
    lines = list(told(proof(enacted(LOST), None, menu=menu)))
    assert "- no fix of the menu fits this code: write one by hand" in "\n".join(lines)
    assert "- not offered: lock_row, f_expression: no query" in lines
    one = Tried(Proposal("lock_row", "Lock", "Why.", "", {}, (), ""), None, True, "none breaks it")
    assert "not offered" not in "\n".join(told(proof(enacted(LOST), None, menu=replace(menu, tried=(one,)))))


def test_a_change_known_to_do_nothing_that_survives_is_not_passed_over():
    one = Tried(Proposal("lock_row", "Lock", "Why.", "", {}, (), ""), None, True, "", losers=("400",))
    nothing = replace(one, proposal=replace(one.proposal, name="atomic_alone"))
    menu = Menu((one,), (), (nothing,))
    assert (
        "atomic_alone, taken to do nothing, survives too" in fixed(proof(enacted(LOST), menu=menu))[0].limits
    )
    menu = replace(menu, placebos=(replace(nothing, kept=False),))
    assert "1 change known to do nothing failed" in fixed(proof(enacted(LOST), menu=menu))[0].limits


SECRET = "hunter2hunter2"
TOLD = json.dumps({"error": "x" * 70, "url": f"postgres://app:{SECRET}@db/jobs"})


def test_secrets_in_answers_are_masked_before_the_answer_is_cut():
    (said,) = losers([run("AB", BOTH, (409, TOLD))])
    assert SECRET[:5] not in said and "***" in said
    with pytest.raises(ControlFailed) as refused:
        refuse(0, run("A", (401, f"{'x' * 179} postgres://app:{SECRET}@db")), (), 200)
    assert SECRET[:5] not in str(refused.value)


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (FileNotFoundError(2, "No such file", "setup.py"), "setup.py: No such file"),
        (NothingToProve("no [app]"), "no [app]"),
        (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero; please report this"),
    ],
)
def test_a_proof_that_cannot_be_made_leaves_the_rest_of_the_report(monkeypatch, failure, words):
    def prove(case):
        raise failure

    monkeypatch.setattr("analysis.proof.tell.prove", prove)
    found, why = proofs(None, True)
    assert found == [] and words in why


def test_what_ends_after_the_conviction_does_not_undo_it(monkeypatch):
    place = Place("jobs/views.py", 3)
    hit = Hit("lost-update", "save", place, None, place, "Job", "", "", ())
    convicted = replace(proof(enacted(LOST), witness=LOST), hit=hit)

    def no_room(*_):
        raise OSError("no room")

    monkeypatch.setattr(chain, "show", lambda *_: convicted)
    monkeypatch.setattr(chain, "try_menu", no_room)
    found = chain.proved(None, convicted.cause, None, 1)
    assert (found.verdict, found.halts) == (PROVED, ("no fix was tried: no room",))


def test_the_requests_are_drafted_without_the_secrets_of_the_logs():
    told = evidence_for(accused(path=f"/jobs?token={SECRET}1"))
    assert SECRET in told.path
    assert SECRET not in chain.without_secrets(told).path
