"""Forged records (CWE-117) and their innocent twins. Stamps are seconds unless they say otherwise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis import findings, questions
from analysis.signals import rates, spikes
from analysis.signals.forged import flagged, out_of_order
from analysis.signals.impact import users_hit

SECOND = 1_000_000


def astray(*seconds):
    """Which of the lines with these stamps are out of order, by their places."""
    stamps = np.array([int(second * SECOND) for second in seconds], dtype=np.int64)
    return np.flatnonzero(out_of_order(stamps)).tolist()


def steady(count=200, gap=0.5):
    return [number * gap for number in range(count)]


def test_a_line_stamped_long_before_both_neighbours_is_out_of_order():
    assert astray(*steady()[:100], 7.0, *steady()[100:]) == [100]


def test_a_line_stamped_long_after_both_neighbours_is_out_of_order():
    assert astray(*steady()[:100], 9_000.0, *steady()[100:]) == [100]


def test_so_is_a_block_of_such_lines_whatever_their_own_order():
    assert astray(*steady()[:100], 7, 3, 5, *steady()[100:]) == [100, 101, 102]
    assert astray(*steady()[:100], 9_000, 8_000, *steady()[100:]) == [100, 101]


def test_a_past_and_a_future_line_are_both_found():
    lines = steady()
    assert astray(*lines[:60], 1.0, *lines[60:120], 9_000.0, *lines[120:]) == [60, 121]


@pytest.mark.parametrize(
    ("twin", "lines"),
    [
        ("threads that step back by milliseconds", [n * 0.01 - 0.04 * (n % 3 == 0) for n in range(500)]),
        ("a clock set back on a busy host", [*steady(300, 0.1), *(29 - 5 + n * 0.1 for n in range(300))]),
        ("a clock set back by little", [*steady(100, 0.21), *(20.79 - 3 + n * 0.21 for n in range(100))]),
        ("a clock set back on a quiet host", [*steady(100, 1), *(99 - 5 + n for n in range(1, 100))]),
        (
            "a clock set back by more than a gap",
            [*steady(100, 10), *(990 - 15 + n * 10 for n in range(1, 99))],
        ),
        ("a clock set forward", [*steady(100), *(4_000 + n * 0.5 for n in range(100))]),
        ("a quiet night", [*steady(100), 30_000.0, *(60_000 + n * 0.5 for n in range(100))]),
        ("a file in no order", [n * 0.5 - 400 * (n % 150 == 149) for n in range(6_000)]),
        ("newest first", steady()[::-1]),
        ("two logs one after the other", [*steady(), *steady()]),
        ("one line", [5.0]),
        ("no line", []),
    ],
)
def test_innocent_is(twin, lines):
    assert astray(*lines) == []


@given(
    st.integers(0, 2**32 - 1),
    st.integers(30, 400),
    st.floats(0.001, 100),
    st.floats(0, 20_000),
    st.floats(0, 1.9),
)
def test_a_clock_that_is_set_back_once_and_lines_that_jitter_are_never_out_of_order(
    seed, count, mean, back, jitter
):
    rng = np.random.default_rng(seed)
    stamps = 30_000 + np.cumsum(rng.gamma(2, mean / 2, count)) + jitter * (np.arange(count) % 2)
    stamps[rng.integers(count) :] -= back
    assert astray(*stamps) == []


def test_a_sure_sign_counts_alone_and_the_others_in_pairs():
    signs = [
        (1, "order"),
        (2, "cut"),
        (3, "cut"),
        (3, "bare"),
        (4, "stranger"),
        (4, "stranger"),
        (5, "quote"),
    ]
    assert sorted(flagged(signs)) == [1, 3, 5]
    assert "traceback" in flagged(signs)[3] and "id" in flagged(signs)[3]


# whole logs

TRACE = "\nTraceback (most recent call last):\n  File \"/app/jobs/views.py\", line 1, in f\n    g()\nKeyError: 'x'"
PATH = "/api/jobs/complete"
CASE = """[fields]
entity = "job"
user = "user"
request_id = "request_id"
[[source]]
path = "app.log"
format = "render_export"
"""


def at(second):
    return f"2026-03-11T{15 + second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}Z"


def log_lines():
    """Half an hour, two requests a second; one in fifty fails until it is one in five."""
    for number in range(3_600):
        second, ident = number // 2, f"{number:032x}"
        fails = number % (5 if number >= 2_400 else 50) == 0
        if fails:
            yield f"{at(second)} ERROR django.request Internal Server Error: {PATH} request_id={ident}{TRACE}"
        if number % 9 == 0:
            yield f"{at(second)} INFO comments.views comment by ann: fine request_id={ident}"
        yield (
            f"{at(second)} INFO gunicorn.access POST {PATH} {500 if fails else 200} 20ms job={number} "
            f"user=user{number % 40} request_id={ident}"
        )


FORGED = (
    f"{at(2)} ERROR django.request Internal Server Error: {PATH}",
    f"{at(7_000)} ERROR django.request Internal Server Error: {PATH}",
    f"2025-03-11T15:47:23Z ERROR django.request Internal Server Error: {PATH} request_id={50:032x}{TRACE}",
    f"{at(3)} INFO gunicorn.access POST {PATH} 500 9ms job=1 user=mallory",
    f"{at(7_100)} INFO gunicorn.access POST {PATH} 500 9ms job=1 user=mallory",
    "{now} ERROR django.request Internal Server Error: " + PATH,
    "{now} CRITICAL evil.logger the database is gone",
    "{now} ERROR jobs.nobody Internal Server Error: " + PATH,
    f"{at(1)} WARNING django.request Not Found: /x\n{at(1)} ERROR django.request Internal Server Error: {PATH}",
)
"""Nine texts, ten lines."""


def with_forged(lines):
    """The lines, and in between ten that a comment's text makes; a line break that is escaped makes none."""
    written = list(lines)
    for number, text in enumerate(FORGED, 1):
        place = len(written) * number // 10
        now = written[place][:20]
        yield_at = f"{now} INFO comments.views comment by mallory: hello{{}} request_id={number:032x}"
        written.insert(place, yield_at.replace("{}", "\n" + text.replace("{now}", now)))
    return written


def case_of(folder, lines):
    folder.mkdir()
    (folder / "app.log").write_text("\n".join(lines) + "\n")
    (folder / "case.toml").write_text(CASE)
    return analysis.investigate(str(folder), "test")


def seen(case):
    """What a report rests on: the rates, the spikes, the users hit, how many errors."""
    counted = case.run(rates.error_rate(case.requests, 30 * SECOND))
    of = rates.outcomes(case.requests).select("record_id", "method", "route", "started_us", "failed")
    found = [
        (s.route, s.onset_us, s.baseline.errors, s.during.errors)
        for s in spikes.spikes(counted, case.run(of))
    ]
    hit = case.run(users_hit(case.requests))[["user_id", "failures"]].to_numpy().tolist()
    numbers = counted[["bucket_us", "answered", "errors"]].to_numpy().tolist()
    return {"rates": numbers, "spikes": found, "users": hit, "errors": case.logged_errors()}


@pytest.fixture(scope="module")
def cases(tmp_path_factory):
    """The log as it is, and with ten forged lines."""
    folder = tmp_path_factory.mktemp("forged")
    return case_of(folder / "clean", log_lines()), case_of(folder / "forged", with_forged(log_lines()))


def test_ten_forged_lines_are_all_flagged_and_no_other(cases):
    _, forged = cases
    records = forged.opened.sql(
        "SELECT text, reason FROM records JOIN flags USING (record_id) ORDER BY line_no"
    )
    written = [line.split(" ")[2] for text in FORGED for line in text.split("\n") if line[:1] in "2{"]
    assert records["text"].map(lambda text: text.split(" ")[2]).tolist() == written
    assert len(records) == 10


def test_they_change_neither_rate_nor_spike_nor_user_nor_error(cases):
    clean, forged = (seen(case) for case in cases)
    assert len(clean["spikes"]) == 1
    assert forged == clean


def test_unless_they_are_asked_for(cases):
    _, forged = cases
    users = forged.opened.sql("SELECT count(*) AS n FROM requests WHERE user_id = 'mallory'")["n"][0]
    assert users == 2


def test_they_are_linked_to_no_request_whatever_id_they_carry(cases):
    _, forged = cases
    rows = forged.opened.sql(
        "SELECT count(*) AS n FROM links JOIN flags ON record_id IN (from_record, to_record)"
    )
    assert rows["n"][0] == 0 and not forged.run(forged.links).empty


def test_each_is_told_by_its_place_and_why(cases):
    _, forged = cases
    (finding,) = findings.forged(questions.flagged(forged))
    assert finding.claim.startswith("10 records may be forged")
    assert len(forged.places(finding.evidence)) == 10
    assert findings.forged(questions.flagged(cases[0])) == []


def test_a_text_that_quotes_an_error_within_its_line_is_not_flagged(tmp_path):
    lines = list(log_lines())
    lines[50] = (
        f'{lines[50][:20]} INFO comments.views comment "x {at(2)} ERROR django.request y" request_id={5:032x}'
    )
    assert case_of(tmp_path / "quoted", lines).frame("flags").empty


def test_a_line_within_a_quotation_is_flagged_where_no_log_carries_ids(tmp_path):
    lines = [line.partition(" request_id")[0] for line in log_lines() if "Traceback" not in line]
    now = lines[50][:20]
    lines[50] = f'{now} INFO comments.views comment "hello\n{now} ERROR jobs.views it broke"'
    flags = case_of(tmp_path / "quote", lines).frame("flags")
    assert len(flags) == 1 and "quotation" in flags["reason"][0]


def test_two_lines_that_quote_whole_words_are_not(tmp_path):
    lines = [line.partition(" request_id")[0] for line in log_lines() if "Traceback" not in line]
    now = lines[50][:20]
    lines[50] = f'{now} INFO comments.views comment "hello"\n{now} ERROR jobs.views "it" broke'
    lines[60] = f'{now} ERROR jobs.views a 5" pipe broke'
    assert case_of(tmp_path / "words", lines).frame("flags").empty


def test_two_lines_with_ids_of_their_own_that_cut_quotes_are_not(tmp_path):
    lines = list(log_lines())
    now = lines[50][:20]
    lines[50] = f'{now} INFO comments.views comment "hel... request_id={7:032x}'
    lines.insert(51, f'{now} ERROR django.request a 5" pipe broke request_id={8:032x}{TRACE}')
    assert case_of(tmp_path / "ids", lines).frame("flags").empty


def workers(second, process, says="[INFO] at work"):
    return f"[2026-03-11 15:{second // 60:02d}:{second % 60:02d} +0000] [{process}] {says}"


def gunicorn(folder, lines, more=""):
    (folder / "case.toml").write_text('[[source]]\npath = "error.log"\nformat = "gunicorn_error"\n' + more)
    (folder / "error.log").write_text("\n".join(lines) + "\n")
    return analysis.investigate(str(folder), "test")


def test_an_error_without_a_trace_of_a_process_that_nobody_knows_is_flagged(tmp_path):
    broke = "[ERROR] Error handling request /x"
    lines = [workers(n, 41, broke + TRACE if n % 50 == 0 else "[INFO] at work") for n in range(1_200)]
    lines.insert(600, workers(599, 666, broke))
    lines.insert(300, workers(299, 41, broke))  # one of the two signs alone
    lines.insert(200, workers(199, 667, broke + TRACE))
    assert questions.flagged(gunicorn(tmp_path, lines))["text"].tolist() == [workers(599, 666, broke)]


def test_a_stamp_to_the_second_among_finer_ones_is_flagged_where_nobody_knows_its_logger(tmp_path):
    lines = [f"{at(n)[:-1]}.250Z INFO jobs.views at work" for n in range(2_400)]
    lines[700:700] = [f"{at(699)} INFO jobs.views at work", f"{at(699)} ERROR evil.logger all is lost"]
    flags = case_of(tmp_path / "step", lines).frame("flags")
    assert len(flags) == 1 and "not as fine" in flags["reason"][0] and "hardly" in flags["reason"][0]


def test_a_merged_export_is_in_the_order_of_its_stamps_by_no_writer(tmp_path):
    lines = [workers(33 if n == 900 else n, 41) for n in range(1_200)]
    (tmp_path / "merged").mkdir()
    (tmp_path / "one").mkdir()
    assert gunicorn(tmp_path / "merged", lines, 'ordered_by = "stamp"\n').frame("flags").empty
    assert len(gunicorn(tmp_path / "one", lines).frame("flags")) == 1


def test_a_database_folds_line_breaks_itself(tmp_path):
    stamps = (at(33 if n == 900 else n)[:-1].replace("T", " ") for n in range(1_200))
    lines = [f"{stamp}.108 UTC [4242] LOG:  checkpoint starting: time" for stamp in stamps]
    (tmp_path / "db.log").write_text("\n".join(lines) + "\n")
    (tmp_path / "case.toml").write_text('[[source]]\npath = "db.log"\nformat = "postgresql_stderr"\n')
    case = analysis.investigate(str(tmp_path), "test")
    assert len(case.frame("records")) == 1_200 and case.frame("flags").empty


def test_a_line_break_that_json_escapes_forges_nothing(tmp_path):
    lines = [f'{{"ts": "{at(33 if n == 900 else n)}", "message": "at work"}}' for n in range(1_200)]
    (tmp_path / "a.log").write_text("\n".join(lines) + "\n")
    (tmp_path / "case.toml").write_text('[[source]]\npath = "a.log"\nformat = "json_lines"\n')
    assert analysis.investigate(str(tmp_path), "test").frame("flags").empty


def test_a_command_that_runs_once_is_no_forgery(tmp_path):
    lines = list(log_lines())
    lines[500:500] = [f"{lines[499][:20]} INFO jobs.management.commands.tidy removed 3 rows"] * 3
    assert case_of(tmp_path / "command", lines).frame("flags").empty


def test_a_worker_whose_buffer_is_written_out_late_is_no_forgery_and_a_forger_of_its_number_is(tmp_path):
    lines = []
    for second in range(1_200):
        lines += [workers(second, 41)]
        lines += [workers(second, 42)] if second % 10 == 0 and not 300 <= second < 400 else []
        lines += [workers(late, 42) for late in range(300, 310)] if second == 390 else []
        lines += [workers(33, 42)] if second == 900 else []
    assert questions.flagged(gunicorn(tmp_path, lines))["text"].tolist() == [workers(33, 42)]
