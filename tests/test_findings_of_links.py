"""How links were made, in words; and what a doubtful link may not do to a report."""

import pandas as pd
import pytest

import analysis
from analysis import findings_of_links, questions

APP = "2026-11-24T09:14:{second:02d}Z ERROR django.request Internal Server Error: {path}\n"
TRACE = "Traceback (most recent call last):\n  File \"/app/a.py\", line 1, in f\n    g()\nKeyError: 'x'\n"
ACCESS = (
    '[2026-11-24T09:14:{second:02d}.{ms:03d}] 1 192.0.2.1 "POST {path} HTTP/1.1" {status} 0.050000 '
    "job=1 user={user} \n"
)
CASE = """[fields]
entity = "job"
user = "user"
[[source]]
path = "app.log"
format = "render_export"
clock = "host"
[[source]]
path = "access.log"
format = "gunicorn_access_ms"
clock = "host"
"""


def tied(*rows):
    return pd.DataFrame(rows, columns=["to_table", "rule", "confidence", "records", "candidates"])


def case_of(folder, errors, requests):
    """A case of (second, path) of errors and (second, ms, path, status, user) of requests."""
    (folder / "app.log").write_text(
        "".join(APP.format(second=second, path=path) + TRACE for second, path in errors)
    )
    names = ("second", "ms", "path", "status", "user")
    lines = [ACCESS.format(**dict(zip(names, row, strict=True))) for row in requests]
    (folder / "access.log").write_text("".join(lines))
    (folder / "case.toml").write_text(CASE)
    return analysis.investigate(str(folder), "test")


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (["request_id"], "request id"),
        (["path+user+time"], "path, user and time"),
        (["status+time", "path+key+status+time"], "path, key, status and time"),
        (["session+time across clocks", "request_id"], "request id, session and time"),
        ([], ""),
    ],
)
def test_evidence_is_named_once_and_in_one_order(rules, words):
    assert findings_of_links.by_what(rules) == words


def test_what_is_not_reliable_is_told_as_ambiguous_and_not_as_linked():
    rows = tied(
        ("exceptions", "request_id", 1.0, 3, 1),
        ("exceptions", "path+key+time", 0.99, 2, 1),
        ("exceptions", "path+time", 0.9, 1, 1),
        ("exceptions", "ambiguous", 0.5, 4, 2),
        ("statements", "ambiguous", 0.5, 9, 2),
    )
    (told,) = findings_of_links.how_linked(rows, "exceptions", 12)
    assert told.claim == (
        "5 of 12 errors are linked to a request: 3 by request id; 2 by path, key and time. "
        "Of the others, 5 ambiguous, 2 linked to none."
    )
    assert "inferred" in told.limits and "counts nowhere" in told.limits
    assert findings_of_links.ties_fact(rows)["exceptions"] == {"by_id": 3, "by_evidence": 2, "ambiguous": 5}


def test_where_ids_link_all_nothing_is_said_of_evidence():
    (told,) = findings_of_links.how_linked(tied(("exceptions", "request_id", 1.0, 3, 1)), "exceptions", 3)
    assert told.claim == "3 of 3 errors are linked to a request: 3 by request id."
    assert "inferred" not in told.limits


def test_nothing_is_said_of_what_is_not_there():
    assert findings_of_links.how_linked(tied(), "statements", 0) == []


def test_the_curve_counts_what_is_linked_at_each_confidence_or_above():
    rows = tied(
        ("exceptions", "a", 0.99, 3, 1), ("exceptions", "b", 0.5, 2, 2), ("statements", "c", 0.95, 7, 1)
    )
    assert findings_of_links.curve(rows).to_numpy().tolist() == [
        [1.0, 0, 0],
        [0.99, 3, 0],
        [0.95, 3, 7],
        [0.5, 5, 7],
    ]


def test_two_failures_in_one_second_leave_a_cause_open_and_their_candidates_reachable(tmp_path):
    requests = [(7, 400, "/a", 500, "ann"), (7, 410, "/a", 500, "bob")]
    case = case_of(tmp_path, [(7, "/a"), (7, "/a")], requests)
    assert case.run(case.links).empty
    assert questions.causes_around(case, [])["type"].isna().all()
    assert len(questions.candidates(case)) == 4


def test_one_failure_alone_has_its_error_for_a_cause(tmp_path):
    case = case_of(tmp_path, [(7, "/a")], [(7, 400, "/a", 500, "ann"), (7, 410, "/b", 500, "bob")])
    assert questions.causes_around(case, [])["type"].notna().sum() == 1
    ties, (told,) = questions.ties(case)
    assert told.claim == "1 of 1 error is linked to a request: 1 by path, status and time."
    assert ties["confidence"].tolist() == [0.97]


def test_the_sibling_of_a_failed_request_is_told_with_its_confidence(tmp_path):
    requests = [(7, 390, "/a", 200, "ann"), (7, 400, "/a", 500, "ann"), (7, 410, "/b", 500, "bob")]
    case = case_of(tmp_path, [(7, "/a")], requests)
    found = questions.siblings_of(case, pd.DataFrame())
    (told,) = findings_of_links.siblings_found(found)
    assert told.claim == (
        "The sibling that succeeded began 10 ms earlier (confidence 0.97, by equal keys); overlap: sure."
    )
    assert case.places(told.evidence) == [
        ("app.log", 1),
        ("access.log", 2),
        ("access.log", 1),
    ]


def test_no_sibling_is_told_where_nothing_succeeded(tmp_path):
    case = case_of(tmp_path, [(7, "/a")], [(7, 400, "/a", 500, "ann")])
    assert findings_of_links.siblings_found(questions.siblings_of(case, pd.DataFrame())) == []
