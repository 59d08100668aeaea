"""Formats prove their samples, say what they cannot read, and are told apart."""

import datetime as dt
from dataclasses import replace

import pyarrow as pa
import pytest

from analysis.evidence.cells import Cells
from analysis.evidence.formats import (
    SHIPPED,
    FormatError,
    bound_to,
    detect,
    parse,
    read_format,
    shipped,
    with_case,
)

FORMATS = shipped()
INCIDENT = b"""\
2026-03-11T15:47:23Z ERROR django.request Internal Server Error: /api/jobs/complete
Traceback (most recent call last):
  File "/app/jobs/views.py", line 142, in complete_job
    job.save()
15:47:23.101 POST /not/a/record job_id=1
15:47:23.102 POST /not/a/record job_id=1
django.db.utils.IntegrityError: duplicate key value
2026-03-11T15:47:24Z INFO gunicorn.access GET /api/jobs 200 18ms job_id=7 user=mike_r
2026-03-11T15:47:25Z INFO gunicorn.access GET /api/jobs 200 18ms job_id=7 user=mike_r
2026-03-11T15:47:26Z INFO gunicorn.access GET /api/jobs 200 1
"""


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_shipped_format_proves_its_samples(name):
    assert read_format(SHIPPED / f"{name}.toml") == FORMATS[name]


# The record of one is that of the other behind a line more, which the other leaves over: so it stands second.
READ_BEHIND_A_LINE = {"mysql_slow": {"mariadb_slow"}}


@pytest.mark.parametrize("name", sorted(name for name, fmt in FORMATS.items() if not fmt.explicit))
def test_no_sample_is_ambiguous(name):
    for sample in FORMATS[name].samples:
        text = "\n".join([sample.header, sample.line, ""]).encode()
        candidates = detect(text, FORMATS)
        assert candidates[0].format.name == name
        equals = [each.format for each in candidates[1:] if each.fits == candidates[0].fits]
        assert {each.name for each in equals if each.kind != "generic"} <= READ_BEHIND_A_LINE.get(name, set())


def test_explicit_formats_are_never_detected():
    line = FORMATS["apache_combined"].samples[0].line.encode()
    assert [each.format.name for each in detect(line, FORMATS)] == ["combined_access"]


def test_lines_folded_into_a_record_do_not_mislead():
    best = detect(INCIDENT, FORMATS)[0]
    assert (best.format.name, best.fits) == ("render_export", 4)


def test_the_last_line_may_be_cut():
    whole = b"15:47:23.101 POST /api/jobs/complete job_id=1\n15:47:2"
    assert [(each.format.name, each.fits, each.of) for each in detect(whole, FORMATS)] == [
        ("request_line", 1, 1)
    ]


def test_a_specific_format_wins_over_a_generic_one():
    own = replace(FORMATS["json_lines"], name="zoo", kind="app")
    line = FORMATS["json_lines"].samples[0].line.encode()
    assert [each.format.name for each in detect(line, {**FORMATS, "zoo": own})] == ["zoo", "json_lines"]


def test_prose_fits_no_format():
    assert detect(b"Dear all,\n\nplease find attached\nthe minutes.\n", FORMATS) == []


TOML = """
title = "t"
url = "u"
kind = "app"
head = { mask = ["dddd-"] }
fold = true
layout = '<logged_at> <level> <message>'
[stamp]
format = "iso"
marks = "instant"
resolution_us = 1
lag_us = 0
[[sample]]
line = '2026-03-11T15:47:23Z INFO it''s'
row = { level = "INFO" }
source = "here"
[[foreign]]
line = 'nothing'
""".replace("it''s", "its")


def written(tmp_path, text):
    folder = tmp_path / "formats"
    folder.mkdir()
    (folder / "own.toml").write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('{ level = "INFO" }', '{ level = "WARN" }', "parsed to the wrong row\n  want: .*WARN.*\n  got:  .*INFO"),
        ('title = "t"', 'title = "t"\ncolour = 1', "unknown key colour"),
        ("lag_us = 0", "lag_us = 0\nfuzz = 1", r"\[stamp\] unknown key fuzz"),
        ("lag_us = 0", "", r"\[stamp\] lacks lag_us"),
        ('marks = "instant"', 'marks = "end"', "marks = 'end'; wanted one of start"),
        ('kind = "app"', 'kind = "apps"', "kind = 'apps'; wanted one of access"),
        ("<message>'", "<message>'\n[csv]\ncolumns = ['a']", "wants one of layout"),
        ("<logged_at> <level>", "<logged_at><level>", "nothing separates"),
        ("[[foreign]]\nline = 'nothing'\n", "", "lacks foreign"),
        ("line = 'nothing'", "line = '2026-03-11T15:47:23Z INFO x'", "foreign 1 must be refused"),
        ("23Z INFO its", "23Z its", "sample 1 is refused, it does not fit"),
        ("23Z INFO its", "23ZZZZZZZ INFO its", "its stamp cannot be read"),
        ("line = '2026-", "line = 'x2026-", "sample 1 must be one record"),
        ('{ mask = ["dddd-"] }', '"lines"', "head = 'lines'; wanted"),
        ("layout = '<logged_at> <level> <message>'", "regex = '^(?P<logged_at>.*) (x)'", "each group must be named"),
        ("layout = '<logged_at> <level> <message>'", "regex = '^(?P<logged_at>.*)(?=x)'", "cannot be read"),
        ("title =", "title", "is not TOML"),
        ("fold = true", 'fold = "yes"', "fold = 'yes'; wanted true or false"),
        ("fold = true", "fold = true\nmust = { levels = 'x' }", r"must\.levels: no layout, .* names this field"),
        ("fold = true", "fold = true\nmust = { level = '(' }", r"must\.level = '\('"),
        ("fold = true", "fold = true\nmust = { message = 'x' }", "sample 1 is refused, by must: .*'message': 'x'"),
        ("fold = true", "fold = true\nmust_not = { level = 'INFO' }", "sample 1 is refused, by must_not"),
        ("fold = true", "fold = true\nprefix = '%p '", "has none of %m, %t and %n"),
        ("<level>", "<+level->", "only a value of its own can be padded"),
        ("fold = true", "fold = true\nlevels = [30]", r"levels = \[30\]; wanted a list of texts"),
        ("fold = true", "fold = true\nlevel_names = { I = 30 }", "level_names = .*; wanted a table of texts"),
        ("fold = true", 'fold = true\nmust = { message = "\\u0000" }', "holds a NUL"),
        ("[[sample]]", "[[foreign]]\nline = 5\n[[sample]]", "line = 5; wanted a text"),
        ("[[sample]]", "[[sample]]\nwanted = { entity = 7 }", "wanted = .*; wanted a table of texts"),
    ],
)  # fmt: skip
def test_a_wrong_format_says_what_to_mend(tmp_path, old, new, says):
    assert old in TOML
    with pytest.raises(FormatError, match=rf"(?s)^own\.toml: .*{says}"):
        with_case(written(tmp_path, TOML.replace(old, new)))


@pytest.mark.parametrize(
    ("csv", "says"),
    [
        ("columns = ['logged_at', 'level']\ndelimiter = '||'", r"delimiter = '\|\|'; wanted one character"),
        ("header = 5\nmap = { logged_at = 'ts' }", r"header = 5; wanted true, or"),
        ("header = true", r"wants columns = \[…\], or header = true and \[csv\.map\]"),
    ],
)
def test_a_table_that_cannot_be_cut_says_what_to_mend(tmp_path, csv, says):
    text = TOML.replace("layout = '<logged_at> <level> <message>'", f"[csv]\n{csv}")
    with pytest.raises(FormatError, match=rf"^own\.toml: \[csv\] {says}"):
        with_case(written(tmp_path, text))


def test_a_format_without_samples_is_refused(tmp_path):
    text = TOML[: TOML.index("[[sample]]")] + TOML[TOML.index("[[foreign]]") :]
    with pytest.raises(FormatError, match="lacks sample"):
        with_case(written(tmp_path, text))


def test_a_cases_format_joins_the_shipped_ones(tmp_path):
    assert set(with_case(written(tmp_path, TOML))) == {*FORMATS, "own"}


def test_hostile_format_text_stays_a_literal(tmp_path):
    text = TOML.replace("<level> <message>", "<level> '); DROP TABLE x; -- <message>".replace("'", "’"))
    text = text.replace("INFO its", "INFO ’); DROP TABLE x; -- its").replace("’", "\\u0027")
    text = text.replace("layout = '", 'layout = "').replace("<message>'", '<message>"')
    text = text.replace("line = '2026", 'line = "2026').replace("its'", 'its"')
    fmt = with_case(written(tmp_path, text))["own"]
    assert parse(fmt, "2026-03-11T15:47:23Z INFO '); DROP TABLE x; -- hi")["message"] == "hi"


def stamped(stamp, name="json_lines"):
    row = parse(FORMATS[name], f'{{"ts": "{stamp}"}}')
    return row["logged_at"], row["resolution_us"], row["zoned"]


@pytest.mark.parametrize(
    ("stamp", "logged_at", "resolution_us", "zoned"),
    [
        ("2026-03-11T15:47:23Z", (15, 47, 23), 1_000_000, True),
        ("2026-03-11T15:47:23.1Z", (15, 47, 23, 100_000), 100_000, True),
        ("2026-03-11 15:47:23,101", (15, 47, 23, 101_000), 1_000, False),
        ("2026-03-11 15:47:23.123456", (15, 47, 23, 123_456), 1, False),
        ("2026-03-11T15:47:23.123456789Z", (15, 47, 23, 123_456), 1, True),
        ("2026-03-11T15:47:23.101+02:00", (13, 47, 23, 101_000), 1_000, True),
        ("2026-03-11T15:47:23-0530", (21, 17, 23), 1_000_000, True),
        ("2026-03-11T15:47:23+02", (13, 47, 23), 1_000_000, True),
        ("2026-03-11 15:47:23.101 UTC", (15, 47, 23, 101_000), 1_000, True),
        ("2026-03-11 15:47:23.101 CEST", (15, 47, 23, 101_000), 1_000, None),
        ("1773244043", (15, 47, 23), 1_000_000, True),
        ("1773244043.25", (15, 47, 23, 250_000), 10_000, True),
        ("1773244043101", (15, 47, 23, 101_000), 1_000, True),
        ("1773244043101002", (15, 47, 23, 101_002), 1, True),
        ("1773244043101002999", (15, 47, 23, 101_002), 1, True),
    ],
)
def test_a_stamp_is_read_with_its_zone_and_step(stamp, logged_at, resolution_us, zoned):
    assert stamped(stamp) == (dt.datetime(2026, 3, 11, *logged_at), resolution_us, zoned)


@pytest.mark.parametrize(
    "stamp",
    [
        *(
            "",
            "-",
            "infinity",
            "epoch",
            "2026-03-11",
            "2026-13-11T15:47:23Z",
            "2026-03-11T15:47:60Z",
            "20260311",
        ),
        *(
            "2026-03-11T15:47:23+25:00",
            "2026-03-11T15:47:23 Europe/Berlin",
            "2026-03-11T15:47:23 or so",
            "1e300",
        ),
        *("-1773244043", "0044-03-15T12:00:00Z", "2026-03-11 (BC) 00:00:00"),
    ],
)
def test_what_is_no_stamp_is_none(stamp):
    row = parse(FORMATS["json_lines"], f'{{"ts": "{stamp}"}}')
    assert (row["parsed"], row["stamp_ok"], row["logged_us"]) == (True, False, None)


@pytest.mark.parametrize(
    ("value", "duration_us", "step_us"),
    [
        ('"duration_s": "0.038123"', 38_123, 1),
        ('"duration_s": "2"', 2_000_000, 1_000_000),
        ('"duration_ms": 18', 18_000, 1_000),
        ('"duration_ms": 18.25', 18_250, 10),
        ('"duration_us": 7', 7, 1),
        ('"duration_ms": "1e-3"', 1, 1),
        ('"duration_ms": "-"', None, None),
        ('"duration_ms": -4', None, None),
        ('"duration_ms": "nan"', None, None),
        ('"duration_ms": 1e300', None, None),
        ('"level": "INFO"', None, None),
    ],
)
def test_a_duration_keeps_its_step(value, duration_us, step_us):
    row = parse(FORMATS["json_lines"], f'{{"ts": "2026-03-11T15:47:23Z", {value}}}')
    assert (row["duration_us"], row["duration_step_us"]) == (duration_us, step_us)


WANTED = {"entity": "job_id", "user_id": "user", "request_id": "request_id"}


def request(tail, path="/api"):
    row = parse(FORMATS["request_line"], f"15:47:23.101 GET {path}{tail}", WANTED)
    return row["entity"], row["user_id"], row["fields"]


def test_pairs_are_found_in_any_order_and_the_rest_is_kept():
    assert request(" user=ann x=1 job_id=7") == ("7", "ann", {"x": "1"})
    assert request(' job_id="7 8" user=-') == ("7 8", None, {})
    assert request(' note="a=b c" note=2') == (None, None, {"note": "2"})


def test_a_longer_key_is_another_key():
    assert request(" old_job_id=7 xuser=ann") == (None, None, {"old_job_id": "7", "xuser": "ann"})


def test_hostile_pairs_stay_values():
    assert request(""" job_id=');-- a\\"b={"c":1} """)[::2] == ("');--", {'a\\"b': '{"c":1}'})


def test_the_query_string_is_asked_last():
    assert request("", "/api?job_id=7&user=a%20b") == ("7", "a b", {})
    assert request(" job_id=8", "/api?job_id=7") == ("8", None, {})
    assert request("", "/api?job_id=%FF&xuser=1") == ("%FF", None, {})


def test_a_message_may_carry_the_ids():
    line = "2026-03-11T15:47:23Z ERROR jobs.views no such job job_id=7, user=ann"
    row = parse(FORMATS["render_export"], line, WANTED)
    assert (row["entity"], row["user_id"], row["message"]) == ("7", "ann", "no such job job_id=7, user=ann")


def test_words_that_look_like_a_request_are_no_request():
    line = "2026-03-11T15:47:23Z INFO jobs.views GET well soon 200 18ms"
    assert parse(FORMATS["render_export"], line)["method"] is None


@pytest.mark.parametrize(
    "line",
    [
        *('{"ts": 1', '["ts"]', "null", '"ts"', '{"a": "\\ud800"}', "", "{}x"),
        '{"a":' * 100_000,
    ],
)
def test_what_is_no_json_object_is_refused(line):
    assert parse(FORMATS["json_lines"], line) is None


def test_odd_json_is_read():
    line = (
        '{"Level": "b", "level": "a", "level": "c", "ts": "2026-03-11T15:47:23Z", "n": NaN, "big": '
        + "9" * 5000
        + "}"
    )
    assert parse(FORMATS["json_lines"], line, {"entity": "Level", "user_id": "/deep/er"})["entity"] == "b"
    assert parse(FORMATS["json_lines"], line)["level"] == "a"


def test_a_wanted_pointer_leads_below_a_known_name():
    line = '{"ts": "2026-03-11T15:47:23Z", "user": {"id": 7}}'
    assert parse(FORMATS["json_lines"], line, {"user_id": "/user/id"})["user_id"] == "7"


def test_one_bad_csv_record_does_not_shift_the_others():
    fmt = bound_to(FORMATS["csv_export"], b"ts,message\n")
    texts = ['1,"a\nb"', '2,"bad', "3,x,y", '4,"say ""hi"""', "", '5,"a"b']
    got = Cells(fmt).of(pa.record_batch({"text": pa.array(texts)})).select(["c0", "c1", "cells"]).to_pylist()
    assert [tuple(row.values()) for row in got] == [
        ("1", "a\nb", 2),
        (None, None, None),
        ("3", "x", 3),
        ("4", 'say "hi"', 2),
        (None, None, 0),
        (None, None, None),
    ]  # fmt: skip


def test_a_header_line_is_no_record():
    fmt = bound_to(FORMATS["csv_export"], b"Timestamp,Job's,Message\n")
    assert parse(fmt, "Timestamp,Job's,Message") is None
    row = parse(fmt, "2026-03-11T15:47:23Z,7,hi")
    assert (row["message"], row["fields"]) == ("hi", {"job's": "7"})


def test_the_message_is_the_head_line_and_a_statement_the_whole_record():
    app = "2026-03-11T15:47:23Z ERROR django.request Oh\nTraceback (most recent call last):"
    database = "2026-03-11 15:47:23.101 UTC [7] STATEMENT:  SELECT\n\t1"
    assert parse(FORMATS["render_export"], app)["message"] == "Oh"
    assert parse(FORMATS["postgresql_stderr"], database)["message"] == "SELECT\n\t1"


def test_carries_zone_is_what_the_format_fixes():
    assert FORMATS["nginx_combined"].carries_zone
    assert not FORMATS["render_export"].carries_zone
    fmt = FORMATS["python_logging"]
    assert replace(fmt, stamp=replace(fmt.stamp, zone="UTC")).carries_zone
