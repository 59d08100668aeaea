"""Links by evidence on the captured incident, its ids ignored, scored against the links that its ids give."""

import json
from pathlib import Path

import pandas as pd
import pytest

import analysis
from analysis.schema import table
from analysis.signals.linking import RELIABLE, siblings

CASE = Path(__file__).parent.parent / "data" / "cases" / "jobs-complete"
CURVE = (0.99, 0.95, 0.9, 0.5)


@pytest.fixture(scope="module")
def by_ids():
    opened = analysis.open_case(CASE)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def without_ids():
    opened = analysis.open_case(CASE, request_ids=False)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def found(without_ids):
    return without_ids.frame("links")


@pytest.fixture(scope="module")
def judged(found, by_ids):
    """The links with `right`: False too where no id tells of a request; how many targets there are, by table."""
    truth = by_ids.frame("links")
    both = found.merge(truth, "left", on=["to_record", "to_table"], suffixes=("", "_true"))
    return both.assign(right=both["from_record"] == both["from_record_true"]), truth[
        "to_table"
    ].value_counts()


def score(judged, of, least):
    """Precision and recall of the links to one table whose confidence is `least` or more."""
    links, targets = judged
    believed = links[(links["to_table"] == of) & (links["confidence"] >= least)]
    right = believed["right"].sum()
    return right / len(believed), right / targets[of]


@pytest.mark.parametrize("of", ["exceptions", "statements"])
def test_reliable_links_are_right_and_few_are_missed(judged, of):
    curve = pd.DataFrame([(least, *score(judged, of, least)) for least in CURVE])
    curve.columns = ["confidence", "precision", "recall"]
    print(f"\n{of}\n{curve.round(4).to_string(index=False)}")
    precision, recall = score(judged, of, RELIABLE)
    assert precision >= 0.99
    assert recall >= 0.95


def test_each_rule_is_right_as_often_as_its_links_say(judged):
    links = judged[0].dropna(subset="from_record_true")
    rules = links.groupby(["to_table", "rule"]).agg(right=("right", "mean"), said=("confidence", "mean"))
    assert rules[rules["right"] < rules["said"] - 1e-9].empty


def test_the_candidates_of_one_record_are_not_believed_more_than_once_in_all(found):
    assert found.groupby(["to_table", "to_record"])["confidence"].sum().max() <= 1 + 1e-9


def test_statements_of_the_deploys_own_session_are_linked_to_no_request(found, without_ids):
    statements = without_ids.frame("statements")
    migration = statements[statements["sql"].str.contains("pg_catalog.pg_class", regex=False)]
    assert len(migration)
    session = statements[statements["session"].isin(migration["session"])]
    assert not set(session["record_id"]) & set(found["to_record"])


def test_the_siblings_of_each_loser_are_the_requests_that_beat_it(without_ids, by_ids):
    rows = without_ids.run(siblings(table("requests"), table("links")))
    ids = by_ids.frame("requests").set_index("record_id")["request_id"]
    told = set(zip(rows["failed_record"].map(ids), rows["sibling_record"].map(ids), strict=True))
    truth = json.loads((CASE / "truth.json").read_text())["pairs"]
    beaten = {(pair["loser"], *(set(pair["requests"]) - {pair["loser"]})) for pair in truth if pair["loser"]}
    assert told == beaten
    assert rows["confidence"].min() >= RELIABLE


def test_no_line_of_the_case_is_taken_for_a_forged_one(by_ids, without_ids):
    assert by_ids.frame("flags").empty and without_ids.frame("flags").empty
