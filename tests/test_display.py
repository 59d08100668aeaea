"""Text from a log can be shown: masked, visible, escaped."""

import base64
import re
import time
from dataclasses import dataclass
from datetime import datetime
from html.parser import HTMLParser

import pandas as pd
import pytest
from hostile import INNOCENT, PAYLOADS, SECRETS
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from matplotlib.figure import Figure

from analysis.display import cell_text, figure_png, finding_bundle, source_line, table_bundle, table_csv
from analysis.safe_text import code_span, mask_secrets, masked, safe, visible

UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)


@dataclass(frozen=True)
class Claimed:
    claim: str
    limits: str


class Seen(HTMLParser):
    """The tags and the text that a parser finds."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@pytest.mark.parametrize(("line", "secret"), SECRETS.items())
def test_a_secret_is_masked(line, secret):
    assert secret not in mask_secrets(line)
    assert "***" in mask_secrets(line)


@pytest.mark.parametrize("line", INNOCENT)
def test_a_line_that_only_talks_of_secrets_is_left_as_it_is(line):
    assert mask_secrets(line) == line


@pytest.mark.parametrize("line", SECRETS)
def test_masking_twice_is_masking_once(line):
    assert mask_secrets(mask_secrets(line)) == mask_secrets(line)


def test_what_stands_around_a_secret_stays():
    assert mask_secrets("a postgres://app:pw@db/jobs b") == "a postgres://app:***@db/jobs b"
    assert mask_secrets("/login?password=pw&next=/") == "/login?password=***&next=/"


@pytest.mark.parametrize(
    "pump", ["password", "token: a", "://", "postgres://a:", "'", '"\\', "eyJaaaaa.", "cookie: ", "a@"]
)
def test_masking_takes_time_in_proportion_to_the_text(pump):
    def seconds(size):
        text = pump * (size // len(pump))
        started = time.perf_counter()
        mask_secrets(text)
        return time.perf_counter() - started

    assert seconds(200_000) < 12 * seconds(50_000) + 0.2  # a quadratic rule: 16 times, and seconds


def test_control_and_bidi_characters_become_escapes():
    assert visible("\x1b[31m \u202e \x85 \U000e0041 \ud800") == "\\x1b[31m \\u202e \\x85 \\U000e0041 \\ud800"


def test_newline_tab_and_letters_of_any_script_stay():
    text = "a\tb\nZürich 東京 שלום naïve 🙂"
    assert visible(text) == text


@given(st.text())
def test_nothing_unshowable_is_left(text):
    assert not UNSHOWABLE.search(safe(text))


def test_an_escape_does_not_hide_where_a_secret_ends():
    assert safe("password=ab\x00s3cr3t next") == "password=*** next"


@pytest.mark.parametrize("payload", PAYLOADS)
def test_nothing_in_the_text_ends_a_code_span(payload):
    span = code_span(payload)
    fence = re.match("`+", span)[0]
    assert span.endswith(fence)
    assert "\n" not in span
    assert fence not in re.findall("`+", span[len(fence) : -len(fence)])


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_in_a_table_is_text(payload):
    shown = Seen(table_bundle(pd.DataFrame({payload: [payload]}), payload, rows=5)["text/html"])
    assert set(shown.tags) <= {"table", "caption", "thead", "tbody", "tr", "th", "td"}
    assert shown.text.count(safe(payload)[:100]) == 3


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_payload_in_a_finding_is_text(payload):
    shown = Seen(finding_bundle(Claimed(payload, payload), [(payload, 7)])["text/html"])
    assert set(shown.tags) <= {"div", "p", "b", "ul", "li", "code"}
    assert shown.text.count(safe(payload)) == 3


@pytest.mark.parametrize("payload", PAYLOADS)
def test_a_bundle_holds_nothing_unshowable(payload):
    bundle = table_bundle(pd.DataFrame({payload: [payload]}), payload, rows=5)
    assert not any(UNSHOWABLE.search(text) for text in bundle.values())


def test_a_long_cell_is_cut_and_whole_in_its_title():
    html = table_bundle(pd.DataFrame({"agent": ["x" * 119 + "<yz>"]}), "", rows=5)["text/html"]
    assert f'<td title="{"x" * 119}&lt;yz&gt;">{"x" * 119}…</td>' in html


def test_a_cell_of_the_limit_is_not_cut():
    assert f"<td>{'x' * 120}</td>" in table_bundle(pd.DataFrame({"a": ["x" * 120]}), "", rows=5)["text/html"]


def test_numbers_are_marked_for_the_right_and_nulls_say_so():
    html = table_bundle(pd.DataFrame({"n": [1, None], "s": ["-", None]}), "", rows=5)["text/html"]
    assert '<th scope="col" class="num">n</th><th scope="col">s</th>' in html
    assert '<td class="num">1</td><td>-</td>' in html
    assert html.count('<td class="null">NULL</td>') == 2


def test_a_cut_table_says_how_many_rows_there_are():
    bundle = table_bundle(pd.DataFrame({"n": range(3)}), "Sources", rows=2)
    assert "<caption>Sources — 2 of 3 rows; all of them in the CSV</caption>" in bundle["text/html"]
    assert bundle["text/csv"] == "n\n0\n1\n2\n"


def test_an_empty_table_keeps_its_columns():
    bundle = table_bundle(pd.DataFrame({"n": []}), "", rows=2)
    assert "<tbody></tbody>" in bundle["text/html"]
    assert bundle["text/csv"] == "n\n"


@pytest.mark.parametrize("value", [None, float("nan"), pd.NA, pd.NaT])
def test_every_kind_of_null_reads_null(value):
    assert cell_text(value) == "NULL"


def test_values_that_are_lists_are_shown_and_are_no_nulls():
    assert cell_text(["a", "b"]) == "['a', 'b']"
    assert cell_text([]) == "[]"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4521, "4521"),
        (0.034204, "0.0342"),
        (3.0, "3"),
        (12345.6, "12346"),
        (1e-7, "1e-07"),
        (float("inf"), "inf"),
    ],
)
def test_numbers_are_short_and_identifiers_whole(value, text):
    assert cell_text(value) == text


def test_an_instant_shows_milliseconds_unless_it_has_more():
    assert cell_text(datetime(2026, 3, 11, 15, 47, 23, 101000)) == "2026-03-11 15:47:23.101"
    assert cell_text(datetime(2026, 3, 11, 15, 47, 23, 101500)) == "2026-03-11 15:47:23.101500"
    assert cell_text(datetime(2026, 3, 11, 15, 0)) == "2026-03-11 15:00:00"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1"])
def test_a_formula_in_the_csv_is_text(text):
    row = table_csv(pd.DataFrame({"a": [text]})).split("\n", 1)[1]
    assert row.lstrip('"').startswith("'")


def test_a_negative_number_in_the_csv_is_a_number():
    assert table_csv(pd.DataFrame({"gap_us": [-7], "note": ["a=b"]})) == "gap_us,note\n-7,a=b\n"


def test_a_finding_lists_its_lines_and_folds_the_many():
    bundle = finding_bundle(Claimed("23 users", "nothing"), [("app.log", n) for n in range(1, 16)])
    first, rest = bundle["text/html"].split("<details>")
    assert first.count("<li>") == 12
    assert "<summary>3 more</summary>" in rest
    assert rest.count("<li>") == 3
    assert "app.log:15" in bundle["text/plain"]


def test_a_finding_without_evidence_shows_no_empty_list():
    assert "<ul" not in finding_bundle(Claimed("none", "all"), [])["text/html"]


def test_a_finding_that_names_no_limits_claims_none():
    bundle = finding_bundle(Claimed("23 users", ""), [])
    assert bundle == {
        "text/html": '<div class="finding"><p class="claim">23 users</p></div>',
        "text/plain": "23 users",
    }


def test_of_a_finding_told_again_fewer_places_are_unfolded_and_none_is_lost():
    bundle = finding_bundle(Claimed("23 users", ""), [("app.log", n) for n in range(1, 8)], shown=4)
    first, rest = bundle["text/html"].split("<details>")
    assert (first.count("<li>"), rest.count("<li>")) == (4, 3)
    assert "<summary>3 more</summary>" in rest


def test_a_place_is_written_as_editors_take_it():
    assert source_line(("app.log", 2207)) == "app.log:2207"


def test_markup_is_not_trusted_for_its_type():
    assert "<b>" not in table_bundle(pd.DataFrame({"a": [Markup("<b>x</b>")]}), "", rows=5)["text/html"]


def test_a_picture_is_the_same_bytes_each_time():
    figure = Figure(figsize=(2, 1))
    figure.subplots().plot([1, 2])
    assert base64.b64decode(figure_png(figure)).startswith(b"\x89PNG")
    assert figure_png(figure) == figure_png(figure)


def test_a_value_whose_name_says_that_it_is_a_secret_is_masked_whatever_it_looks_like():
    given = {"key": {"api_key": "plain", "token": "", "job": "4521"}, "max_tokens": "9", "session_id": 7}
    assert masked(given) == given | {"key": {"api_key": "***", "token": "", "job": "4521"}}
