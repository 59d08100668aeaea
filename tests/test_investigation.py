import json

import pandas as pd
import pytest

import analysis
from analysis.findings import Finding
from analysis.investigation import show_drawn, show_told

ACCESS = (
    '[2026-11-24T09:14:0{second}.481] 41 203.0.113.7 "POST /api/jobs/{second}/done HTTP/1.1" 200 0.038123 '
    "job={second} user=ana request_id=r{second}\n"
)


@pytest.fixture
def folder(tmp_path):
    case = tmp_path / "case"
    case.mkdir()
    (case / "access.log").write_text("".join(ACCESS.format(second=second) for second in range(5)))
    (case / "case.toml").write_text(
        '[fields]\nentity = "job"\nuser = "user"\n[[source]]\npath = "access.log"\n'
        "[window]\nsince = 2026-11-24T09:14:01Z\n"
    )
    return case


def seconds(case):
    return case.run(case.requests.order_by("record_id"))["entity"].tolist()


def test_the_cases_window_holds_until_another_is_given(folder):
    assert seconds(analysis.investigate(str(folder), "x")) == list("1234")
    assert seconds(analysis.investigate(str(folder), "x", since="2026-11-24T10:14:03+01:00")) == list("34")
    assert seconds(analysis.investigate(str(folder), "x", until="2026-11-24T09:14:02.481")) == list("12")


def test_a_window_that_misses_all_requests_says_where_they_are(folder):
    case = analysis.investigate(str(folder), "x", since="2027-01-01T00:00:00")
    (told,) = case.outside()
    assert "from 2026-11-24 09:14:00 to 2026-11-24 09:14:04" in told.claim
    assert analysis.investigate(str(folder), "x").outside() == []


def test_records_are_told_by_their_places_in_the_order_given(folder):
    case = analysis.investigate(str(folder), "x")
    assert case.places([3, 1]) == [("access.log", 3), ("access.log", 1)]


def test_a_table_for_people_has_times_and_places(folder):
    case = analysis.investigate(str(folder), "x")
    shown = case.readable(
        pd.DataFrame({"first_us": [1_795_511_640_481_000], "first_failure": [2], "gap_us": [7]})
    )
    assert shown.columns.tolist() == ["first_at", "first_failure", "gap_us"]
    assert shown.iloc[0].astype(str).tolist() == ["2026-11-24 09:14:00.481000", "access.log:2", "7"]


def test_what_was_told_is_left_for_the_summary_and_nowhere_else(folder, tmp_path):
    before = sorted(folder.iterdir())
    case = analysis.investigate(str(folder), "02_test", out=str(tmp_path / "out"))
    case.tell(Finding("It rose.", (2,), "Nothing."))
    case.fact(answered=3)
    case.save()
    answers = json.loads((tmp_path / "out" / "answers" / "02_test.json").read_text())
    assert answers["findings"][0]["evidence"] == ["access.log:2"] and answers["facts"] == {"answered": 3}
    assert sorted(folder.iterdir()) == before


def test_without_an_out_nothing_is_written(folder):
    case = analysis.investigate(str(folder), "02_test")
    case.tell(Finding("It rose."))
    case.save()
    assert sorted(file.name for file in folder.iterdir()) == ["access.log", "case.toml"]


def test_a_folder_without_case_toml_is_looked_at(folder):
    (folder / "case.toml").unlink()
    case = analysis.open_case(folder)
    assert case.frame("requests")["user_id"].tolist() == ["ana"] * 5


def test_requests_without_a_stamp_are_told_and_those_with_one_are_not(folder, tmp_path):
    assert analysis.investigate(str(folder), "x").unstamped() == []
    (tmp_path / "bare").mkdir()
    asked = 'INFO:     127.0.0.1:34124 - "POST /api/jobs/7 HTTP/1.1" {}\n'
    lines = (asked.format(status) for status in ("200 OK", "500 Internal Server Error"))
    (tmp_path / "bare" / "web.log").write_text("".join(lines))
    (told,) = analysis.investigate(str(tmp_path / "bare"), "x").unstamped()
    assert told.claim.startswith("2 requests without a stamp, 1 of them failed")


def test_a_line_of_another_year_does_not_hide_a_spike(folder):
    lines = [
        f'[2026-11-24T09:{14 + number // 60}:{number % 60:02d}.481] 41 203.0.113.7 "GET /a HTTP/1.1" 200 0.038123\n'
        for number in range(300)
    ]
    (folder / "access.log").write_text("".join([lines[0].replace("2026", "2019"), *lines]))
    (folder / "case.toml").write_text('[[source]]\npath = "access.log"\n')
    case = analysis.investigate(str(folder), "x")
    (told,) = case.without_strays()
    assert told.claim.startswith(
        "1 request stamped far from all others (from 2019-11-24 to 2026-11-24 in all) is"
    )
    assert case.extent()[1] == 300
    given = analysis.investigate(str(folder), "x", since="2019-01-01T00:00:00")
    assert given.without_strays() == []
    assert given.extent()[1] == 301


def test_findings_are_told_again_under_the_notebooks_that_told_them(monkeypatch):
    sent = []
    monkeypatch.setattr("analysis.display._send", sent.append)
    told = [
        {"notebook": notebook, "claim": claim, "limits": "", "evidence": ["a:b.log:7"]}
        for notebook, claim in [
            ("02_error_spike", "rose"),
            ("02_error_spike", "fell"),
            ("06_proof", "<proved>"),
        ]
    ]
    show_told(told)
    assert [each["text/plain"] for each in sent] == [
        "Error spike\n\nrose\na:b.log:7\n\nfell\na:b.log:7",
        "Proof\n\n<proved>\na:b.log:7",
    ]
    assert [each["text/html"].count('class="finding"') for each in sent] == [2, 1]
    assert "&lt;proved&gt;" in sent[1]["text/html"]


def test_a_chart_that_no_notebook_drew_is_left_out(tmp_path, monkeypatch):
    """An endpoint that was named by hand has no pair, and no chart of one."""
    sent = []
    monkeypatch.setattr("analysis.investigation.show_svg", lambda svg, alt: sent.append((svg, alt)))
    (tmp_path / "charts").mkdir()
    (tmp_path / "charts" / "witness.svg").write_text("<svg/>")
    show_drawn({"interleaving": "a", "witness": "b"}, str(tmp_path), "interleaving", "witness", "other")
    assert sent == [("<svg/>", "b")]
