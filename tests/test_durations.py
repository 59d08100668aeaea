"""Durations: their unit, their step, and those that a log writes in parts."""

from dataclasses import replace

import pytest

from analysis.evidence.format_file import FormatError
from analysis.evidence.formats import parse, read_format, shipped
from analysis.evidence.stamps import Sum

FORMATS = shipped()


def length(key, value):
    base = FORMATS["json_lines"]
    fmt = replace(base, json={**base.json, key: (f"/{key}",)})
    row = parse(fmt, f'{{"ts": "2026-03-11T15:47:23Z", "{key}": "{value}"}}')
    return row["duration_us"], row["duration_step_us"]


@pytest.mark.parametrize(
    ("key", "value", "us", "step"),
    [
        ("duration_ns", "38123456", 38_123, 1),
        ("duration_ns", "999", 0, 1),
        ("duration_ns", "-1", None, None),
        ("duration_us", "38123", 38_123, 1),
        ("duration_ms", "38.1", 38_100, 100),
        ("duration_s", "1.5e-3", 1_500, 1),
        ("duration_s", "2", 2_000_000, 1_000_000),
        ("duration_s", "1e300", None, None),
    ],
)
def test_a_duration_is_read_in_its_unit_with_its_step(key, value, us, step):
    assert length(key, value) == (us, step)


ALB = FORMATS["aws_alb"].samples[0].line


@pytest.mark.parametrize(
    ("parts", "us", "step"),
    [
        ("0.001 0.020 0.300", 321_000, 3_000),
        ("0.001 0.02 0.3", 321_000, 111_000),
        ("-1 -1 -1", None, None),
        ("0.001 0.020 -1", None, None),
        ("0.001 - 0.300", None, None),
    ],
)
def test_parts_make_a_duration_only_together_and_their_steps_add_up(parts, us, step):
    row = parse(FORMATS["aws_alb"], ALB.replace("0.000 0.001 0.000", parts))
    assert (row["duration_us"], row["duration_step_us"]) == (us, step)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ('sum = ["a_s"]\nunit = "duration_s"', "wanted two or more fields"),
        ('sum = ["a_s", "b_s"]\nunit = "s"', "duration] unit = 's'; wanted one of duration_us"),
        ('sum = ["a_s", "b_s"]\nunit = "duration_s"\nof = 1', "unknown key of"),
    ],
)
def test_a_sum_that_says_too_little_is_refused(tmp_path, given, message):
    file = tmp_path / "own.toml"
    file.write_text(
        'title = "t"\nurl = "u"\nkind = "app"\nhead = "line"\nfold = false\nlayout = "<logged_at> <a_s> <b_s>"\n'
        f'[stamp]\nformat = "iso"\nmarks = "finish"\nresolution_us = 1\nlag_us = 0\n[duration]\n{given}\n'
        '[[sample]]\nline = "2026-03-11T15:47:23Z 1 2"\nsource = "s"\nrow = {}\n[[foreign]]\nline = "x"\n'
    )
    with pytest.raises(FormatError, match=message):
        read_format(file)


def test_the_format_of_a_load_balancer_names_its_parts():
    assert FORMATS["aws_alb"].duration == Sum(("request_s", "target_s", "response_s"), "duration_s")
