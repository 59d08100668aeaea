import pandas as pd
import pytest
from hostile import INJECTIONS

from analysis import findings, findings_of_duplicates, wording
from analysis.schema import AGAIN
from analysis.signals.spikes import Rate, Spike

AT_US = 1_773_244_043_101_000  # 2026-03-11 15:47:23.101 UTC


def a_spike(**changes):
    given = {
        "method": "POST",
        "route": "/api/jobs/complete",
        "onset_bucket_us": AT_US,
        "end_bucket_us": None,
        "peak_bucket_us": AT_US,
        "baseline": Rate(2, 1000, 0.002, 0.0, 0.01),
        "during": Rate(153, 1000, 0.153, 0.13, 0.18),
        "peak": Rate(20, 100, 0.2, 0.1, 0.3),
        "p_value": 1e-9,
        "onset_us": AT_US,
        "onset_from": AT_US - 500_000,
        "onset_by": AT_US,
        "first_failure": 7,
        "end_us": None,
        "end_from": None,
        "end_by": None,
        "last_failure": 9,
    }
    return Spike(**(given | changes))


def deploys(*offsets_us):
    return pd.DataFrame(
        {"deployed_us": [AT_US + us for us in offsets_us], "version": ["v41", "v42"][: len(offsets_us)]}
    )


@pytest.mark.parametrize(
    ("us", "text"),
    [(7_000, "7 ms"), (400, "0.4 ms"), (12_345, "12 ms"), (1_000_000, "1 s"), (90_500_000, "90.5 s")],
)
def test_a_span_is_written_as_a_person_would(us, text):
    assert wording.milliseconds(us) == text


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0.0 %"), (0.002, "0.20 %"), (0.153, "15.3 %"), (1, "100.0 %")]
)
def test_a_rate_has_the_digits_it_needs(rate, text):
    assert wording.percent(rate) == text


def test_few_names_are_all_named_and_many_are_counted():
    assert wording.named(["a", "b"]) == "a, b"
    assert wording.named(list("abcdefg")) == "a, b, c, d, e and 2 more"


def test_a_spike_says_from_what_to_what_when_and_since_which_deploy():
    told = findings.spike(a_spike(), deploys(-60_000_000, -5_200_000))
    assert "rose from 0.20 % to 15.3 % (153 of 1,000 requests) at 15:47:23.101 UTC" in told.claim
    assert told.claim.endswith("The last deploy before it, v42, began 5.2 s earlier.")
    assert told.evidence == (7, 9) and "not because of it" in told.limits


def test_a_deploy_after_the_onset_is_not_blamed():
    told = findings.spike(a_spike(), deploys(+1_000_000))
    assert "deploy" not in told.claim and "deploy" not in told.limits


def test_a_spike_that_goes_on_says_so_and_one_that_ended_says_when():
    assert "No return to the baseline" in findings.spike(a_spike(), deploys()).limits
    assert "fell back at 15:47:24.101" in findings.spike(a_spike(end_us=AT_US + 1_000_000), deploys()).claim


def test_without_a_status_there_is_no_rate_and_without_a_rise_no_spike():
    assert "cannot be computed" in findings.no_spike(0, 3).claim
    assert "No endpoint's error rate rose" in findings.no_spike(500, 3).claim


def hit(*users):
    return pd.DataFrame({"user_id": list(users), "first_failure": list(range(len(users)))})


def summary(**columns):
    given = {"failures": 5, "failures_unknown": 0, "users_spared": 2} | columns
    return pd.DataFrame([given])


def test_users_are_named_and_the_unknown_are_counted_apart():
    (told,) = findings.users(hit("ana", "bob"), summary(failures_unknown=3), "a 5xx")
    assert told.claim == "2 users got a 5xx: ana, bob. 2 other users did not."
    assert "3 failures of unknown users" in told.limits and told.evidence == (0, 1)


def test_where_nobody_failed_nothing_is_said():
    assert findings.users(hit(), summary(failures=0), "a 5xx") == []


@pytest.mark.parametrize(("before", "kind"), [(0, "New: "), (3, "Not new: ")])
def test_a_cause_is_new_if_it_was_never_seen_before(before, kind):
    row = {"type": "django.db.utils.IntegrityError", "constraint_name": "jobs_unique", "method": "POST"}
    row |= {"route": "/jobs", "before": before, "after": 9, "first_failure": 4}
    told = findings.cause(row)
    assert told.claim.startswith(f"{kind}IntegrityError on jobs_unique") and told.evidence == (4,)


def test_of_an_endpoint_only_what_is_known_is_said():
    assert wording.endpoint({"method": float("nan"), "route": "/jobs"}) == "/jobs"
    assert wording.endpoint({"method": "POST", "route": None}) == "POST"


def test_a_cause_without_an_exception_is_said_to_have_none():
    row = {"type": None, "constraint_name": None, "method": "GET", "route": "/", "before": 0, "after": 1}
    told = findings.cause(row | {"first_failure": 1})
    assert told.claim == "No exception is linked to 1 failure: 0 before the onset and 1 since, on GET /."


def test_what_was_read_counts_lines_and_names_damage():
    sources = pd.DataFrame({"lines": [10], "quarantined": [2], "damage": ["byte 7: cut"], "path": ["a.gz"]})
    quarantine = pd.DataFrame({"line_count": [1, 1], "reason": ["unfit", "unfit"]})
    told = findings.read_whole(sources, quarantine, ["deploys.csv:3: no stamp"])
    assert told.claim == "1 file with 10 lines were read; 2 of them fit no format."
    assert "a.gz" in told.limits and "deploys.csv:3" in told.limits


def test_lines_that_stand_in_two_files_are_told_apart_from_those_that_fit_no_format():
    sources = pd.DataFrame(
        {"lines": [10, 8], "quarantined": [0, 8], "damage": [None, None], "path": ["a", "b"]}
    )
    quarantine = pd.DataFrame({"line_count": [8], "reason": [f"{AGAIN}it stands in a too"]})
    told = findings.read_whole(sources, quarantine, ["b: 8 lines from 1 to 8 stand in a too"])
    assert told.claim.endswith(
        "8 of them stand in another file too and count once; every other line fits its format."
    )
    assert told.limits.endswith("Not counted: b: 8 lines from 1 to 8 stand in a too.")


def test_problems_beyond_the_first_few_are_counted():
    sources = pd.DataFrame({"lines": [1], "quarantined": [0], "damage": [None], "path": ["a"]})
    quarantine = pd.DataFrame({"line_count": [], "reason": pd.Series([], dtype=str)})
    told = findings.read_whole(sources, quarantine, [f"d.csv:{number}: no stamp" for number in range(7)])
    assert told.limits.endswith("d.csv:4: no stamp; and 2 more.")


@pytest.mark.parametrize("text", INJECTIONS)
def test_what_a_log_says_to_its_reader_stands_in_no_sentence_of_ours(text):
    """THREATS, T20: users, routes, keys and constraints are a stranger's words."""
    endpoint = {"method": "POST", "route": text}
    error = {"type": f"app.{text}", "constraint_name": text, "sqlstate": "23505"}
    counts = {"overlapping_failed": 5, "overlapping_passed": 9, "single_failed": 1, "single_passed": 90}
    judged = {
        "verdict": "suspect",
        "risk_ratio": 9.0,
        "ratio_low": 2.0,
        "ratio_high": 30.0,
        "p_adjusted": 1e-6,
    }
    pair = {"entity": text, "user_id": text, "gap_us": 7_000, "overlap": "sure", "first_record": 1}
    places = {"record_id": 3, "first_record": 1, "second_record": 2}
    orders = {"order_first": "undecided", "order_second": "undecided"}
    keys = {"key_columns": [text], "key_values": [text]}
    hit = pd.DataFrame({"user_id": [text], "first_failure": [1]})
    summary = pd.DataFrame({"failures": [1], "failures_unknown": [0], "users_spared": [0]})
    window = pd.DataFrame(
        {"was_open": ["yes"], "table_name": [text], "opens_by": [1], "closes_from": [9_000]}
    )
    told = [
        findings.spike(a_spike(route=text), deploys().assign(version=[])),
        findings.spike(a_spike(), pd.DataFrame({"deployed_us": [AT_US - 1], "version": [text]})),
        *findings.users(hit, summary, "a 5xx"),
        findings.cause(endpoint | error | {"before": 0, "after": 3, "first_failure": 1}),
        findings_of_duplicates.suspect(endpoint | counts | judged),
        findings_of_duplicates.interleaved(endpoint | pair | {"second_record": 2}, window),
        findings_of_duplicates.named_by_error(error | keys | places | orders),
    ]
    said = " ".join(finding.claim + finding.limits for finding in told)
    assert text not in said and "a name of" in said


@pytest.mark.parametrize("text", ["sarah_k", "Sarah Kim", "/api/jobs/{id}", "jobs_job_completion_unique"])
def test_a_name_is_said_as_it_is(text):
    assert wording.said_name(text) == text
