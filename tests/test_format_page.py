"""A format's page says what the format does, and nothing raw reaches the terminal."""

import pytest

from analysis.case import CaseError
from analysis.evidence.formats import shipped
from analysis.format_commands import shown, tried
from analysis.format_page import length, page

FORMATS = shipped()


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_each_format_has_a_page_without_a_control_character(name):
    text = "\n".join(page(FORMATS[name]))
    assert FORMATS[name].url in text and FORMATS[name].samples[0].source in text
    assert not any((ord(letter) < 32 and letter not in "\n\t") or ord(letter) == 127 for letter in text)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("gunicorn_access_duration", "it marks        the finish of a request"),
        (
            "gunicorn_access_duration",
            'layout          <client_ip> <_> <user_id> [<logged_at>] "<?request>" <status>',
        ),
        ("gunicorn_access_duration", "must match      duration_s: "),
        ("log4j", "where a line begins with the regex"),
        ("w3c", "columns         those of the last line before that begins with #Fields:"),
        ("w3c", "  | #Fields: date time s-ip"),
        ("csv_export", "columns         those of the header line"),
        ("postgresql_csvlog", "a record starts at each line outside of quotes"),
        ("pino", "level           30 is INFO"),
        ("pino", "must not match  version: 0"),
        ("docker_json", "wraps           message may be a line of another format"),
        (
            "loguru",
            "layout          <logged_at> <+logged_at> | <level-> | <logger>:<function>:<line> - <message>",
        ),
        ("loguru", "colours         are taken out"),
        ("apache_combined", "access, chosen by name only"),
        ("uvicorn_default", "no stamp at all"),
        ("journald_json", "stamp           us since 1970"),
        ("mysql_error", "it may be late  by up to 1 ms"),
    ],
)
def test_a_page_says_what_the_format_does(name, says):
    assert says in "\n".join(shown(name))


@pytest.mark.parametrize(
    ("us", "text"), [(1, "1 µs"), (1_000, "1 ms"), (1_500, "1500 µs"), (2_000_000, "2 s"), (0, "0 µs")]
)
def test_a_length_has_the_largest_unit_without_a_fraction(us, text):
    assert length(us) == text


def test_a_format_that_learns_its_columns_is_tried_with_a_header():
    assert "method             GET" in list(
        tried("w3c", r"#Fields: date time cs-method\n2026-03-11 15:47:23 GET")
    )
    with pytest.raises(CaseError, match=r"give 'HEADER\\nLINE'"):
        list(tried("csv_export", "2026-03-11 15:47:23,hi"))
