"""Each key of a format file does what its description says, and no more."""

import pytest

from analysis.evidence.format_file import _format
from analysis.evidence.formats import detect, parse, shipped

FORMATS = shipped()
STAMP = "2026-03-11T15:47:23Z"
BASE = {
    "title": "t",
    "url": "u",
    "kind": "app",
    "head": "line",
    "fold": False,
    "stamp": {"format": "iso", "marks": "instant", "resolution_us": 1, "lag_us": 0},
    "sample": [{"line": "x", "row": {}, "source": "here"}],
    "foreign": [{"line": "y"}],
}


def read(line, **keys):
    return parse(_format("own", BASE | keys), line)


JSON = {"logged_at": "ts", "level": "level", "host": "host"}


@pytest.mark.parametrize(
    ("line", "fits"),
    [
        (f'{{"ts":"{STAMP}","level":30,"host":"a"}}', True),
        (f'{{"ts":"{STAMP}","level":"info","host":"a"}}', False),
        (f'{{"ts":"{STAMP}","level":30}}', False),
        (f'{{"ts":"{STAMP}","level":300,"host":"a"}}', False),
        (f'{{"ts":"{STAMP}","level":null,"host":"a"}}', False),
    ],
)
def test_must_is_asked_of_the_whole_value_and_nothing_is_an_empty_one(line, fits):
    assert (read(line, json=JSON, must={"level": r"\d\d", "host": ".+"}) is not None) == fits


def test_a_must_that_takes_nothing_takes_an_absent_value():
    assert read(f'{{"ts":"{STAMP}"}}', json=JSON, must={"level": r"(?:\d\d)?"})["level"] is None


@pytest.mark.parametrize(("cells", "fits"), [("a,7", True), ("a,b", False), ("a,", False)])
def test_must_holds_for_the_cells_of_a_table(cells, fits):
    columns = {"columns": ["logged_at", "host", "process"]}
    assert (read(f"{STAMP},{cells}", csv=columns, must={"process": r"\d+"}) is not None) == fits


def test_must_not_refuses_a_whole_value_only():
    layout = "<logged_at> <host> <message>"
    assert read(f"{STAMP} info x", layout=layout, must_not={"host": "info"}) is None
    assert read(f"{STAMP} infohost x", layout=layout, must_not={"host": "info"})["message"] == "x"


def test_levels_get_their_names_and_others_stay():
    keys = {"json": JSON, "level_names": {"30": "INFO", "50": "ERROR"}}
    levels = [read(f'{{"ts":"{STAMP}","level":{level}}}', **keys)["level"] for level in (30, 50, 35, '"x"')]
    assert levels == ["INFO", "ERROR", "35", "x"]


def test_a_line_with_an_unknown_level_is_refused_where_levels_are_named():
    keys = {"layout": "<level> <logged_at> <message>", "level_names": {"I": "INFO"}}
    assert read(f"I {STAMP} x", **keys)["level"] == "INFO"
    assert read(f"Q {STAMP} x", **keys) is None


@pytest.mark.parametrize(
    ("priority", "level"),
    [
        ("3", "ERR"),
        ("34", "CRIT"),
        ("165", "NOTICE"),
        ("191", "DEBUG"),
        ("high", None),
        ("999", None),
        ("", None),
    ],
)
def test_a_syslog_priority_gives_the_level_that_is_not_there(priority, level):
    assert read(f"<{priority}>{STAMP} x", layout="<<priority>><logged_at> <message>")["level"] == level


def test_a_level_of_its_own_comes_before_the_priority():
    line = f'{{"ts":"{STAMP}","level":"INFO","priority":3}}'
    assert read(line, json=JSON | {"priority": "priority"})["level"] == "INFO"


@pytest.mark.parametrize(
    "line",
    [
        f"\x1b[2m{STAMP}\x1b[0m [\x1b[32;1minfo    \x1b[0m] a\x1b[38:5:9mb\x1b[K",
        f"{STAMP} [info    ] ab",
        f"\x1b[2K{STAMP} [info] \x1b[0mab\x1b[m",
    ],
)
def test_colours_are_not_read_and_stay_in_the_text(line):
    row = read(line, layout="<logged_at> [<level->] <message>", ansi=True)
    assert (row["level"], row["message"], row["text"]) == ("info", "ab", line)


def test_without_ansi_an_escape_is_text():
    assert read(f"{STAMP} \x1b[1minfo x", layout="<logged_at> <level> <message>") is None


def test_only_colours_go():
    line = f"{STAMP} info \x1b]0;title\x07 [31m \x1b[2J"
    assert read(line, layout="<logged_at> <level> <message>", ansi=True)["message"] == line[len(STAMP) + 6 :]


def test_an_object_of_a_printed_list_may_have_its_comma():
    keys = {"json": JSON, "fold": True}
    for tail in ("", ",", ",  ", "\n  "):
        assert read(f'  {{\n "ts":"{STAMP}",\n "level":"a,"\n }}{tail}', **keys)["level"] == "a,"
    assert read(f'{{"ts":"{STAMP}"}};', **keys) is None


PRETTY = b"""\
{
    "events": [
        {
            "logStreamName": "web/1",
            "timestamp": 1773244043101,
            "message": "one {",
            "ingestionTime": 1773244043900
        },
        {
            "logStreamName": "web/1",
            "timestamp": 1773244043102,
            "message": "two",
            "ingestionTime": 1773244043900
        }
    ],
    "searchedLogStreams": []
}
"""


def test_events_of_a_printed_document_are_read_one_by_one():
    best = detect(PRETTY, FORMATS, whole=True)[0]
    assert (best.format.name, best.fits) == ("cloudwatch_json", 2)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        (
            '{"name":"a","hostname":"h","pid":1,"level":30,"msg":"m","time":"2026-03-11T15:47:23Z","v":0}',
            "bunyan",
        ),
        ('{"hostname":"h","pid":1,"level":30,"msg":"m","time":1773244043101}', "pino"),
        ('{"hostname":"h","level":30,"msg":"m","time":1773244043101}', "json_lines"),
        ('{"@timestamp":"2026-03-11T15:47:23Z","message":"m","ecs":{"version":"1"}}', "ecs_json"),
        (
            '{"@timestamp":"2026-03-11T15:47:23Z","message":"m","@version":"1","level":"INFO"}',
            "logstash_json",
        ),
        ('{"@timestamp":"2026-03-11T15:47:23Z","message":"m","level":"INFO"}', "json_lines"),
        ('{"level":"info","ts":1773244043.1,"caller":"a.go:7","msg":"m"}', "zap_json"),
        ('{"level":"info","ts":1773244043.1,"msg":"m"}', "json_lines"),
        ('{"levelname":"INFO","asctime":"2026-03-11 15:47:23,101","message":"m"}', "python_json_logger"),
        ('{"timestamp":"2026-03-11T15:47:23Z","message":"m","logName":"mine"}', "json_lines"),
        (f"{STAMP} ERROR 4127 --- [jobs] [main] [{' ' * 49}] c.e.Jobs : failed", "level_message"),
        (f"{STAMP} info: started", "level_message"),
        (f"{STAMP} INFO app started", "render_export"),
        (f"{STAMP} INFO a=1 started", "level_message"),
        ("2026-03-11 15:47:23,101 INFO [main] com.example.Jobs - on", "log4j"),
        ("2026-03-11 15:47:23,101 [main] INFO com.example.Jobs - on", "log4j"),
        ("2026-03-11 15:47:23,101 [INFO] jobs: on", "python_logging_brackets"),
        ("2026-03-11 15:47:23,101 INFO jobs: on", "python_logging"),
        ("2026-03-11 15:47:23,101 INFO     jobs: on", "python_logging"),
        ("2026-03-11 15:47:23,101 INFO [7] on", "level_message"),
        ("2026-03-11 15:47:23,101 on and on", None),
        ("2026-03-11T15:47:23.1Z info vpxd[45715] [Originator@6876 sub=x] hi", "level_message"),
        ("2026-03-11T15:47:23.1Z web1 vpxd[45715]: hi", "syslog_iso"),
        ("2026/03/11 15:47:23 http: TLS handshake error", "go_log"),
        ("2026/03/11 15:47:23 [error] 7#7: *1 open() failed", "nginx_error"),
        ('time="2026-03-11T15:47:23Z" level=info msg=hi', "logfmt"),
        ("time=2026-03-11T15:47:23Z level=INFO msg=hi", "go_slog_text"),
        ("the time=now level=info", None),
    ],
)
def test_look_alikes_are_told_apart(line, name):
    assert [each.format.name for each in detect(line.encode(), FORMATS)][:1] == ([name] if name else [])
