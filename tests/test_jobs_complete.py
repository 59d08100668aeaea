"""The captured incident, scored against what really happened (data/cases/jobs-complete/truth.json)."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

import analysis
from analysis.signals import correlate, duplicates, rates, silent, spikes
from analysis.signals.impact import causes, users_hit

CASE = Path(__file__).parent.parent / "data" / "cases" / "jobs-complete"
COMPLETE = ("POST", "/api/jobs/complete")
WINDOW_US = 1_000_000


@pytest.fixture(scope="module")
def truth():
    return json.loads((CASE / "truth.json").read_text())


@pytest.fixture(scope="module")
def case():
    return analysis.open_case(CASE)


@pytest.fixture(scope="module")
def overlaps(case):
    """Pairs of request ids -> how surely they overlapped, as the kit judges it."""
    ids = case.frame("requests").set_index("record_id")["request_id"]
    pairs = case.run(duplicates.pairs(case.table("requests"), WINDOW_US))
    both = zip(pairs["first_record"].map(ids), pairs["second_record"].map(ids), strict=True)
    return {frozenset(ids): overlap for ids, overlap in zip(both, pairs["overlap"], strict=True)}


def suspects(case):
    pairs = duplicates.pairs(case.table("requests"), WINDOW_US)
    counts = case.run(correlate.two_by_two(correlate.exposure(case.table("requests"), pairs)))
    judged = correlate.suspects(counts)
    return [tuple(row) for row in judged.loc[judged["verdict"] == "suspect", ["method", "route"]].to_numpy()]


def found_spikes(case):
    requests = case.table("requests")
    counts = case.run(rates.error_rate(requests, 5_000_000))
    of = rates.outcomes(requests).select("record_id", "method", "route", "started_us", "failed")
    return spikes.spikes(counts, case.run(of))


def test_every_request_is_there_once_and_every_line_read(case, truth):
    requests = case.frame("requests")
    assert len(requests) == requests["request_id"].nunique() == truth["requests"]
    assert case.frame("sources")["quarantined"].sum() == 0


def test_every_decidable_overlap_is_found_and_none_invented(overlaps, truth):
    decidable = [pair for pair in truth["pairs"] if not pair["undecidable"]]
    said = Counter(
        (pair["overlapping"], overlaps.get(frozenset(pair["requests"]), "missing")) for pair in decidable
    )
    assert said[True, "sure"] == sum(pair["overlapping"] for pair in decidable) > 100
    assert said[False, "sure"] == said[False, "missing"] == 0


def test_what_is_called_sure_really_overlapped(overlaps, truth):
    wrong = [
        pair
        for pair in truth["pairs"]
        if overlaps.get(frozenset(pair["requests"])) == "sure" and not pair["overlapping"]
    ]
    assert wrong == []


def test_what_is_called_none_really_lay_apart_or_could_not_be_decided(overlaps, truth):
    wrong = [
        pair
        for pair in truth["pairs"]
        if overlaps.get(frozenset(pair["requests"])) == "none"
        and pair["overlapping"]
        and not pair["undecidable"]
    ]
    assert wrong == []


def test_one_spike_with_the_first_failure_in_its_interval(case, truth):
    (spike,) = found_spikes(case)
    assert (spike.method, spike.route) == COMPLETE
    first = truth["first_failure"]
    assert spike.onset_from - 2_000 <= first["entry_ns"] // 1000 <= spike.onset_by + 2_000
    assert truth["deploys"][1]["began_ns"] // 1000 < spike.onset_us
    assert spike.end_us is not None and spike.end_from <= truth["last_failure"]["exit_ns"] // 1000 + 2_000


def test_the_new_cause_first_struck_where_the_race_did(case, truth):
    (spike,) = found_spikes(case)
    of = causes(case.table("exceptions"), case.table("links"), case.table("requests"), spike.onset_us)
    found = case.run(of)
    (new,) = found[found["before"] == 0].to_dict("records")
    ids = case.frame("requests").set_index("record_id")["request_id"]
    assert ids[new["first_failure"]] == truth["first_failure"]["request_id"]
    assert (new["constraint_name"], new["failures"]) == ("jobs_job_completion_unique", truth["races_lost"])


def test_the_rates_before_and_during_are_the_true_ones(case, truth):
    (spike,) = found_spikes(case)
    before, bad = truth["phases"]["before"], truth["phases"]["bad"]
    assert spike.baseline.rate == pytest.approx(before["completion_error_rate"], rel=0.3)
    assert spike.during.rate == pytest.approx(bad["completion_error_rate"], rel=0.05)


def test_the_users_are_exactly_those_who_were_hit(case, truth):
    exceptions, links = case.table("exceptions"), case.table("links")
    raced = exceptions.filter(exceptions.constraint_name == "jobs_job_completion_unique")
    of = links.semi_join(raced, links.to_record == raced.record_id).from_record
    hit = case.run(users_hit(case.table("requests"), only=of, by=()))
    assert sorted(hit["user_id"]) == sorted(truth["users_hit"])


def test_polls_tabs_and_idempotent_puts_are_not_accused(case, truth):
    assert truth["innocent"]["poll_repeats"] > 100 and truth["innocent"]["idempotent_put_pairs"] > 100
    assert suspects(case) == [COMPLETE]


def test_who_is_called_overwritten_really_was(case, truth):
    requests = case.table("requests")
    completions = requests.filter(requests.route == COMPLETE[1])
    pairs = duplicates.pairs(completions, WINDOW_US)
    names = ("links", "statements", "records")
    losers = case.run(silent.silent_losers(pairs, *(case.table(name) for name in names)))
    entities = case.frame("requests").set_index("record_id")["entity"]
    sure = set(losers.loc[losers["overwritten"] == "sure", "victim_record"].map(entities).astype(int))
    true = set(truth["without_an_error"]["overwritten"]["jobs"])
    assert len(sure) > 50 and sure <= true


def test_every_failure_has_its_exception_by_request_id(case, truth):
    failed = case.sql("SELECT record_id FROM requests WHERE status >= 500")["record_id"]
    linked = case.sql("SELECT DISTINCT from_record FROM links WHERE to_table = 'exceptions'")["from_record"]
    assert set(failed) == set(linked)


def test_the_guilty_commit_is_among_the_commits_read(case, truth):
    commits = case.frame("commits")
    assert truth["guilty_commit"] in set(commits["revision"]) and len(commits) >= 25
    assert set(case.frame("deploys")["revision"]) <= set(commits["revision"])


def test_the_capture_holds_what_a_case_needs(truth):
    assert truth["requests"] >= 20_000 and truth["users"] >= 200 and len(truth["users_hit"]) >= 23
    assert 0 < truth["phases"]["before"]["completion_error_rate"] < 0.005
    assert 0.08 < truth["phases"]["bad"]["completion_error_rate"] < 0.25
    unrelated = truth["unrelated_errors"]["by_phase"]
    assert all(sum(unrelated[phase].values()) > 0 for phase in ("before", "bad"))
    size = sum(file.stat().st_size for file in CASE.rglob("*") if file.is_file())
    assert size < 15_000_000


def test_no_captured_line_names_a_machine():
    text = (CASE / "truth.json").read_text()
    assert not re.search(r"/(?:home|root|work|Users)/", text)
