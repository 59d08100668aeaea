import json

import pytest

from analysis.verdict import NONE, OPEN, PROVED, SHOWN, SUSPECTED, UNKNOWN, decide, read_verdict, sum_up

SPIKE = {"method": "POST", "route": "/jobs"}
OTHER = {"method": "GET", "route": "/jobs"}
SAME = {"proved": True, "same_error": True}
SILENT = {"proved": True, "same_error": False}


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        ({"answered": 9, "spikes": [SPIKE], "suspects": [SPIKE]}, SUSPECTED),
        ({"answered": 0, "spikes": [], "suspects": [SPIKE]}, SUSPECTED),
        ({"answered": 9, "spikes": [SPIKE], "suspects": []}, OPEN),
        ({"answered": 9, "spikes": [SPIKE], "suspects": [OTHER]}, OPEN),
        ({"answered": 9, "spikes": [], "suspects": [SPIKE]}, OPEN),
        ({"answered": 9, "spikes": [], "suspects": []}, NONE),
        ({"answered": 9, "spikes": [], "suspects": [], "errors": [{}], "would_have_decided": ["x"]}, UNKNOWN),
        ({"answered": 9, "spikes": [], "suspects": [], "errors": [], "would_have_decided": ["x"]}, NONE),
        ({"answered": 0, "spikes": [], "suspects": []}, UNKNOWN),
        ({}, UNKNOWN),
        ({"answered": 9, "spikes": [SPIKE], "suspects": [SPIKE], "proof": SAME}, PROVED),
        ({"answered": 9, "spikes": [SPIKE], "suspects": [SPIKE], "proof": SILENT}, SHOWN),
        ({"answered": 9, "spikes": [SPIKE], "suspects": [], "proof": SAME}, OPEN),
        ({"answered": 9, "spikes": [], "suspects": [], "proof": SILENT}, SHOWN),
        ({"answered": 9, "spikes": [], "suspects": [], "proof": {"proved": False}}, NONE),
    ],
)
def test_the_facts_decide(facts, verdict):
    assert decide(facts) == verdict


def answers(folder, name, claim, **facts):
    (folder / "answers").mkdir(exist_ok=True)
    finding = {"notebook": name, "claim": claim, "evidence": [], "limits": ""}
    (folder / "answers" / f"{name}.json").write_text(
        json.dumps({"findings": [finding], "facts": facts, "charts": {name: claim}})
    )


def test_the_answers_of_all_notebooks_are_summed_up_what_was_read_last(tmp_path):
    answers(tmp_path, "01_evidence", "read", lines=3)
    answers(tmp_path, "02_error_spike", "rose", answered=9, spikes=[SPIKE])
    answers(tmp_path, "03_interleaving", "overlapped", suspects=[SPIKE])
    verdict = sum_up("a case", str(tmp_path))
    assert [finding["claim"] for finding in verdict.findings] == ["rose", "overlapped", "read"]
    assert verdict.verdict == SUSPECTED and verdict.incident
    assert read_verdict(tmp_path) == verdict


def test_without_a_place_for_answers_nothing_is_claimed_and_what_to_do_is_said():
    verdict = sum_up("a case", "")
    assert (verdict.verdict, verdict.findings) == (UNKNOWN, [])
    assert "same `out`" in verdict.missing_table()["missing"][0]
