"""Lines that an export wraps, and formats that share a file: found, loaded, and told from look-alikes."""

import csv
import io
import json

import pytest

from analysis.case import Case, CaseError, SourceSpec
from analysis.evidence.formats import shipped
from analysis.evidence.layers import OUTPUTS, OWN, select
from analysis.evidence.nested import read_name
from analysis.evidence.probe import asked
from analysis.evidence.recognise import recognise
from analysis.store import open_loaded

FORMATS = shipped()
GUNICORN = '[2026-11-24T09:14:{:02d}.481] 41 203.0.113.7 "POST /api/jobs/{}/done HTTP/1.1" 200 0.038123'
NGINX = '203.0.113.7 - ana [24/Nov/2026:09:14:{:02d} +0000] "POST /api/jobs/{}/done HTTP/1.1" 200 33 "-" "curl/8.5.0"'
DJANGO = "2026-11-24 09:14:{:02d},101 ERROR django.request: Internal Server Error: /api/jobs/{}/done"
TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "/app/jobs/views.py", line 142, in complete_job',
    "    job.save()",
    "django.db.utils.IntegrityError: duplicate key value",
]
STAMP = "2026-11-24T09:14:30.5"


def docker(line):
    return json.dumps({"log": line + "\n", "stream": "stdout", "time": STAMP + "Z"}, separators=(",", ":"))


def journald(line):
    return json.dumps(
        {"__REALTIME_TIMESTAMP": "1795511670500000", "MESSAGE": line, "_PID": "7", "PRIORITY": "6"}
    )


def cells(*row):
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerow(row)  # which it then quotes in a cell
    return out.getvalue().removesuffix("\n")


WRAPPERS = {
    "docker_json": docker,
    "kubernetes_cri": lambda line: f"{STAMP}Z stdout F {line}",
    "journald_json": journald,
    "syslog_iso": lambda line: f"{STAMP}+00:00 web1 jobs[7]: {line}",
    "syslog_rfc3164": lambda line: f"Nov 24 09:14:30 web1 jobs[7]: {line}",
    "syslog_rfc5424": lambda line: f"<14>1 {STAMP}Z web1 jobs 7 - - {line}",
    "heroku": lambda line: f"{STAMP}00000+00:00 app[web.1]: {line}",
    "docker_compose": lambda line: f"web-1  | {line}",
    "docker_compose_stamped": lambda line: f"web-1  | {STAMP}Z {line}",
    "logcli": lambda line: f'{STAMP}Z {{app="jobs"}} {line}',
    "logcli_jsonl": lambda line: json.dumps(
        {"labels": {"app": "jobs"}, "line": line, "timestamp": STAMP + "Z"}, separators=(",", ":")
    ),
}
TABLES = {
    "kibana_csv": (("@timestamp", "message"), "Nov 24, 2026 @ 09:14:30.500"),
    "datadog_csv": (("Date", "Host", "Service", "Content"), STAMP + "00Z", "web1", "jobs"),
    "splunk_csv": (("_time", "_raw"), STAMP + "+0000"),
    "cloudwatch_insights": (("@timestamp", "@message"), "2026-11-24 09:14:30.500"),
}
INNER = {"gunicorn_access_ms": GUNICORN, "combined_access": NGINX, "python_logging": DJANGO}


def exported(wrapper, lines):
    """The lines as an export would wrap them."""
    if wrapper in WRAPPERS:
        return "".join(WRAPPERS[wrapper](line) + "\n" for line in lines)
    header, *before = TABLES[wrapper]
    return "".join(f"{row}\n" for row in [cells(*header), *(cells(*before, line) for line in lines)])


def recognised(text):
    found = recognise(text.encode(), FORMATS, whole=True)
    return found[0].reading.name if found else None


@pytest.fixture
def loaded(tmp_path):
    def load(text, fmt=None, **options):
        (tmp_path / "a.log").write_text(text)
        return open_loaded(Case(tmp_path, "t", (SourceSpec("a.log", fmt, **options),)))

    return load


@pytest.mark.parametrize("inner", INNER)
@pytest.mark.parametrize("wrapper", [*WRAPPERS, *TABLES])
def test_a_wrapped_line_is_read_as_what_it_is(loaded, wrapper, inner):
    case = loaded(exported(wrapper, [INNER[inner].format(n, n) for n in range(5)]))
    assert case.frame("sources")["format"].tolist() == [f"{wrapper} > {inner}"]
    stamps = case.frame("records")["logged_at"].dt.strftime("%H:%M:%S").tolist()
    assert stamps == [f"09:14:{n:02d}" for n in range(5)]
    if inner == "python_logging":
        assert case.frame("records")["message"].str.startswith("Internal Server Error").all()
        assert case.frame("requests").empty
    else:
        assert case.frame("requests")["path"].tolist() == [f"/api/jobs/{n}/done" for n in range(5)]


@pytest.mark.parametrize("wrapper", [*WRAPPERS, *TABLES])
def test_a_tracebacks_lines_stay_the_wrappers_records(loaded, wrapper):
    lines = [DJANGO.format(1, 1), *TRACEBACK, DJANGO.format(2, 2), *TRACEBACK]
    case = loaded(exported(wrapper, lines))
    assert case.frame("sources")["format"].tolist() == [f"{wrapper} > python_logging"]
    records = case.sql(
        "SELECT message, strftime(logged_at, '%S') AS second, level FROM records ORDER BY line_no"
    )
    assert [text.strip() for text in records["message"][1:5]] == [line.strip() for line in TRACEBACK]
    assert records["second"].fillna("none").tolist()[:2] == [
        "01",
        "none" if wrapper == "docker_compose" else "30",
    ]
    assert (records["level"][0], case.frame("sources")["quarantined"][0]) == ("ERROR", wrapper in TABLES)


def test_a_traceback_in_one_cell_folds_into_its_record(loaded):
    case = loaded(exported("kibana_csv", ["\n".join([DJANGO.format(n, n), *TRACEBACK]) for n in range(2)]))
    assert case.frame("sources")["format"].tolist() == ["kibana_csv > python_logging"]
    assert case.frame("records")["message"].tolist() == [
        f"Internal Server Error: /api/jobs/{n}/done" for n in (0, 1)
    ]
    assert case.frame("exceptions")["type"].tolist() == ["django.db.utils.IntegrityError"] * 2


def test_a_head_that_says_where_its_line_ends_is_found_in_a_record_of_several(loaded):
    entry = FORMATS["mariadb_slow"].samples[0].line
    inside = loaded(exported("cloudwatch_insights", [entry] * 2))
    assert inside.frame("sources")["format"].tolist() == ["cloudwatch_insights > mariadb_slow"]
    assert len(inside.frame("statements")) == 2
    beside = loaded("\n".join([DJANGO.format(1, 1), entry]) + "\n", "python_logging + mariadb_slow")
    assert beside.sql("SELECT query FROM stretches ORDER BY line_no")["query"].notna().tolist() == [
        False,
        True,
    ]


def test_wrapping_is_undone_three_deep(loaded):
    lines = [WRAPPERS["kubernetes_cri"](docker(GUNICORN.format(n, n))) for n in range(3)]
    case = loaded(exported("kibana_csv", lines))
    assert case.frame("sources")["format"].tolist() == [
        "kibana_csv > kubernetes_cri > docker_json > gunicorn_access_ms"
    ]
    assert case.frame("requests")["duration_us"].tolist() == [38_123] * 3


def test_text_and_places_stay_those_of_the_file(loaded):
    text = exported("docker_json", [GUNICORN.format(n, n) for n in range(3)])
    rows = loaded(text).sql("SELECT text, byte_start, byte_end FROM records ORDER BY record_id")
    assert [text[start:end] for start, end in zip(rows["byte_start"], rows["byte_end"], strict=True)] == [
        f"{line}\n" for line in rows["text"]
    ]


def test_the_kind_and_the_bounds_come_of_the_stamp_that_is_used(loaded):
    inside = loaded(exported("docker_json", [GUNICORN.format(n, n) for n in range(3)]))
    plain = FORMATS["gunicorn_access_ms"]
    source = inside.frame("sources").iloc[0]
    assert (source["kind"], source["marks"], source["lag_us"], source["resolution_us"]) == (
        "access",
        plain.stamp.marks,
        plain.stamp.lag_us,
        1000,
    )


@pytest.mark.parametrize(
    ("name", "lacks"),
    [
        ("journald_json > python_logging", "python_logging"),  # a zone
        ("syslog_rfc3164 > python_logging", "syslog_rfc3164"),  # a year
        ("syslog_rfc3164 > gunicorn_access_ms", "syslog_rfc3164"),
        ("docker_json > uvicorn_default", "docker_json"),
    ],
)
def test_what_is_settled_is_the_stamp_that_lacks_most(name, lacks):
    assert read_name(name, FORMATS, "").unsettled == FORMATS[lacks].stamp


def test_a_stamp_without_a_date_leaves_the_wrappers(loaded):
    line = 'INFO:     127.0.0.1:4{} - "GET /jobs/{} HTTP/1.1" 200 OK'
    case = loaded(exported("docker_json", [line.format(n, n) for n in range(3)]))
    source, requests = case.frame("sources").iloc[0], case.frame("requests")
    assert (source["format"], source["marks"]) == ("docker_json > uvicorn_default", "instant")
    assert case.frame("records")["logged_at"].dt.strftime("%H:%M:%S.%f").tolist() == ["09:14:30.500000"] * 3
    assert requests["path"].tolist() == [f"/jobs/{n}" for n in range(3)]


def test_what_the_inner_line_does_not_say_the_wrapper_does(loaded):
    case = loaded(exported("journald_json", [GUNICORN.format(n, n) for n in range(3)]))
    records = case.frame("records")
    assert set(records["process"]) == {"41"} and set(records["level"]) == {"INFO"}
    assert records["message"].isna().all()


@pytest.mark.parametrize(
    "lines",
    [
        [f"job {n} done" for n in range(9)],
        [f'{{"job": {n}, "state": "done"}}' for n in range(9)],
        [f'{{"ts": "2020-01-01T00:00:0{n}Z", "event": "payload"}}' for n in range(9)],
        [f"got {GUNICORN.format(n, n)}" for n in range(9)],
        [*(f"job {n} done" for n in range(9)), GUNICORN.format(1, 1)],
        TRACEBACK,
    ],
    ids=["free text", "JSON", "a payload with a stamp", "a quoted line", "one line of nine", "a traceback"],
)
def test_a_wrapper_of_something_else_stays_itself(lines):
    assert recognised(exported("docker_json", lines)) == "docker_json"


def test_the_columns_are_those_of_one_format():
    plain = asked(
        FORMATS["docker_json"], [docker("x")], select(read_name("docker_json", FORMATS, ""), "given", {})
    )
    nested = asked(
        FORMATS["docker_json"],
        [docker("x")],
        select(read_name("docker_json > rails", FORMATS, ""), "given", {}),
    )
    assert set(plain[0]) == {"text", *OUTPUTS} and set(nested[0]) == {*plain[0], *OWN}


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("docker_json > nope", "format 'nope' is unknown"),
        ("nginx_error > gunicorn_access_ms", "nginx_error wraps no line"),
        ("docker_json > kibana_csv", "kibana_csv is a table"),
        ("docker_json + nginx_error > gunicorn_access_ms", "behind the last > only"),
        ("gunicorn_access_ms + request_line", "request_line has stamps without a date"),
        ("rails + rq_worker + uwsgi + traefik_common", "at most 3 wrappers and 3 formats"),
        ("docker_json >", "format '' is unknown"),
    ],
)
def test_formats_that_do_not_go_together_are_refused_with_why(loaded, name, says):
    with pytest.raises(CaseError, match=says):
        loaded("x\n", name)


def test_a_hostile_line_stays_a_value_at_each_depth(loaded):
    lines = [f"2026-11-24 09:14:0{n},101 ERROR jobs: '); DROP TABLE x; --" for n in range(3)]
    case = loaded(exported("docker_json", lines))
    assert case.frame("records")["message"].tolist() == ["'); DROP TABLE x; --"] * 3
