"""The published excerpts, read as they are: what can be said, and what would have decided the rest."""

from pathlib import Path

import pytest

import analysis
from analysis import questions
from analysis.signals import correlate, duplicates

CASE = Path(__file__).parent.parent / "data" / "cases" / "published"


@pytest.fixture
def case():
    return analysis.investigate(str(CASE), "test")


@pytest.fixture
def telling(case):
    pairs = duplicates.pairs(case.requests, 1_000_000)
    counts = case.run(correlate.two_by_two(correlate.exposure(case.requests, pairs)))
    return questions.telling_pair(case, pairs, correlate.suspects(counts))


def test_two_duplicates_seven_milliseconds_apart_with_an_undecided_overlap(case, telling):
    (pair,) = case.run(telling).to_dict("records")
    assert (pair["entity"], pair["user_id"], pair["gap_us"]) == ("4521", "sarah_k", 7_000)
    assert (pair["overlap"], pair["started"]) == ("possible", "undecided")


def test_which_was_stamped_first_is_decided(case, telling):
    assert questions.stamped_first(case, telling)["stamped"].tolist() == ["before"]


def test_the_error_names_the_pairs_key_and_is_undecided_against_both(case, telling):
    (error,) = questions.errors_naming(case, telling).to_dict("records")
    assert (error["constraint_name"], error["sqlstate"]) == ("jobs_job_completion_unique", "23505")
    assert dict(zip(error["key_columns"], error["key_values"], strict=True)) == {
        "job_id": "4521",
        "status": "completed",
    }
    assert (error["order_first"], error["order_second"]) == ("undecided", "undecided")


def test_a_frame_keeps_all_source_lines_printed_under_it(case):
    frames = case.frame("exceptions")["frames"][0]
    assert (frames[0]["file"], frames[0]["line"], frames[0]["in_app"]) == ("/app/jobs/views.py", 142, True)
    assert len(frames[0]["code"].splitlines()) == 3 and not frames[1]["in_app"]


def test_what_would_have_decided_it_is_said_by_place(case, telling):
    (pair,) = case.run(telling).to_dict("records")
    missing = questions.would_have_decided(case, pair)
    assert any("what the stamp of requests.log:1 marks" in phrase for phrase in missing)
    assert any("a duration or a finish stamp of requests.log:2" in phrase for phrase in missing)


def test_none_of_its_lines_is_taken_for_a_forged_one(case):
    assert case.frame("flags").empty
