"""Lines of OpenTelemetry that hold several records: each is one, and every byte stays where it was."""

import json
import math

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.case import Case, SourceSpec
from analysis.evidence.formats import detect, shipped
from analysis.evidence.items import exploded, items, tiles
from analysis.evidence.recognise import recognise
from analysis.store import open_loaded

LOGS = ("resourceLogs", "scopeLogs", "logRecords")
FORMATS = shipped()
HUGE = 10**400


def text(value):
    return {"stringValue": value}


def pairs(**values):
    return [{"key": key.replace("_", "."), "value": text(value)} for key, value in values.items()]


def log(n, body, **attributes):
    return {
        "timeUnixNano": f"17732440430000{n:02d}000",
        "body": text(body),
        "attributes": pairs(**attributes),
    }


def batch(*scopes, service="jobs"):
    resource = {"attributes": pairs(service_name=service)}
    scoped = [{"scope": {"name": f"s{n}"}, "logRecords": records} for n, records in enumerate(scopes)]
    return {"resourceLogs": [{"resource": resource, "scopeLogs": scoped}]}


def span(n, kind, **attributes):
    times = {"startTimeUnixNano": f"17732440430{n:02d}000000", "endTimeUnixNano": f"17732440431{n:02d}000000"}
    return {**times, "traceId": f"t{n}", "name": f"span {n}", "kind": kind, "attributes": pairs(**attributes)}


@pytest.fixture
def loaded(tmp_path):
    def load(content, fmt=None):
        (tmp_path / "a.jsonl").write_bytes(content.encode())
        return open_loaded(Case(tmp_path, "t", (SourceSpec("a.jsonl", fmt),)))

    return load


def lines(*documents, **options):
    return "".join(json.dumps(document, **options) + "\n" for document in documents)


TWO = [batch([log(1, "a"), log(2, "ß")], [log(3, "c")]), batch([log(4, "d")], service="mail")]


@pytest.mark.parametrize("options", [{}, {"separators": (",", ":")}, {"ensure_ascii": False}])
def test_each_log_record_is_a_record(loaded, options):
    content = lines(*TWO, **options)
    case = loaded(content)
    rows = case.sql(
        "SELECT line_no, line_count, message, logger, fields ->> 'service' AS service, "
        "epoch_us(logged_at) % 1000000 AS us FROM records ORDER BY record_id"
    )
    assert rows.values.tolist() == [
        [1, 1, "a", "s0", "jobs", 1],
        [1, 0, "ß", "s0", "jobs", 2],
        [1, 0, "c", "s1", "jobs", 3],
        [2, 1, "d", "s0", "mail", 4],
    ]
    assert case.frame("sources")[["format", "ordered_by"]].values.tolist() == [["otlp_logs", "stamp"]]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_slices_rebuild_the_file_and_each_line_counts_once(loaded, newline):
    content = (
        lines(*TWO, {"resourceLogs": []}, ensure_ascii=False).replace("\n", newline)
        + newline
        + "stray"
        + newline
    )
    case = loaded(content, "otlp_logs")
    raw = content.encode()
    places = case.sql(
        "SELECT byte_start, byte_end FROM records UNION ALL SELECT byte_start, byte_end FROM quarantine"
    )
    slices = [raw[start:end] for start, end in sorted(places.itertuples(index=False))]
    assert b"".join(slices) == raw.replace(newline.encode() * 2, newline.encode())
    row = case.frame("sources").iloc[0]
    assert row[["lines", "records", "continuation_lines", "blank_lines", "quarantined"]].tolist() == [
        5,
        2,
        0,
        1,
        2,
    ]
    parts = ("record_bytes", "continuation_bytes", "blank_bytes", "quarantined_bytes")
    assert row["bytes"] == sum(row[name] for name in parts) == len(raw)
    texts = case.sql("SELECT text, byte_start, byte_end FROM records ORDER BY record_id")
    assert [
        raw[start:end].decode().rstrip("\r\n") for _, start, end in texts.itertuples(index=False)
    ] == texts["text"].tolist()


def test_an_item_that_cannot_be_read_is_quarantined_alone(loaded):
    case = loaded(lines(batch([log(1, "a"), {"body": text("no stamp")}, log(3, "c")])), "otlp_logs")
    assert case.frame("records")["message"].tolist() == ["a", "c"]
    quarantine = case.frame("quarantine").iloc[0]
    assert (quarantine["line_no"], quarantine["line_count"]) == (1, 0) and quarantine[
        "byte_end"
    ] > quarantine["byte_start"]


@pytest.mark.parametrize("first", [True, False])
def test_the_accounts_hold_whichever_item_is_quarantined(loaded, first):
    records = [{"body": text("no stamp")}, log(3, "c")]
    row = loaded(lines(batch(records if first else records[::-1])), "otlp_logs").frame("sources").iloc[0]
    assert row["record_bytes"] + row["quarantined_bytes"] == row["bytes"]
    assert (row["records"], row["quarantined"]) == ((0, 1) if first else (1, 0))


def test_a_served_span_is_a_request_and_another_is_not(loaded):
    served = span(1, 2, http_request_method="POST", url_path="/jobs/7/done")
    made = span(2, 3, http_request_method="GET", url_path="/other")
    document = {
        "resourceSpans": [
            {"scopeSpans": [{"scope": {}, "spans": [served, made, span(3, "SPAN_KIND_INTERNAL")]}]}
        ]
    }
    case = loaded(lines(document))
    assert case.frame("sources")[["format", "kind", "marks"]].values.tolist() == [
        ["otlp_spans", "access", "start"]
    ]
    assert case.frame("records")["message"].tolist() == ["span 1", "span 2", "span 3"]
    request = case.frame("requests").iloc[0]
    assert (len(case.frame("requests")), request["path"], request["duration_us"]) == (
        1,
        "/jobs/7/done",
        100_000,
    )
    assert request["ends_from"] - request["starts_from"] == 100_000


@pytest.mark.parametrize(
    "end", [math.inf, HUGE, str(HUGE), -1, "soon", None, [1]], ids=lambda end: str(end)[:9]
)
def test_a_span_that_ends_at_no_instant_has_no_duration_and_is_kept(loaded, end):
    """Found by fuzzing: digits put into a nanosecond stamp."""
    broken = span(1, 2, http_request_method="POST", url_path="/jobs/7/done") | {"endTimeUnixNano": end}
    sound = span(2, 2, http_request_method="GET", url_path="/other")
    case = loaded(
        lines({"resourceSpans": [{"scopeSpans": [{"scope": {}, "spans": [broken, sound]}]}]}), "otlp_spans"
    )
    durations = case.frame("requests").set_index("path")["duration_us"]
    assert durations["/other"] == 100_000
    assert "/jobs/7/done" not in durations or pd.isna(durations["/jobs/7/done"])
    row = case.frame("sources").iloc[0]
    assert row["record_bytes"] + row["quarantined_bytes"] == row["bytes"]


def test_a_span_without_a_start_does_not_take_those_beside_it_with_it(loaded):
    whole, broken = span(1, 2), span(2, 2)
    del broken["startTimeUnixNano"]
    case = loaded(lines({"resourceSpans": [{"scopeSpans": [{"spans": [broken, whole]}]}]}), "otlp_spans")
    assert case.frame("records")["message"].tolist() == ["span 1"]
    assert case.frame("quarantine")["line_no"].tolist() == [1]


def test_blanks_before_a_batch_are_no_matter():
    line = " \t" + json.dumps(batch([log(1, "a"), log(2, "b")]))
    assert [item["body"] for *_, item in items(line, LOGS)] == ["a", "b"]


def test_an_exception_in_an_attribute_is_an_exception(loaded):
    trace = 'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\n    x()\nValueError: bad'
    case = loaded(lines(batch([log(1, "boom", exception_stacktrace=trace)])))
    assert case.frame("exceptions")[["type", "message"]].values.tolist() == [["ValueError", "bad"]]


def test_a_body_may_be_a_line_of_another_log():
    line = '[2026-11-24T09:14:07.481] 41 203.0.113.7 "POST /api/jobs/7/done HTTP/1.1" 200 0.038123'
    content = lines(batch([log(n, line) for n in range(4)])).encode()
    assert recognise(content, FORMATS, whole=True)[0].reading.name == "otlp_logs > gunicorn_access_ms"
    assert recognise(lines(*TWO).encode(), FORMATS, whole=True)[0].reading.name == "otlp_logs"


def test_json_that_speaks_of_resource_logs_is_no_batch():
    line = '{"ts": "2026-03-11T15:47:23Z", "message": "resourceLogs", "resourceLogs": 3}\n'
    assert "otlp_logs" not in {each.format.name for each in detect(line.encode(), FORMATS)}


@pytest.mark.parametrize(
    "line",
    [
        *(
            "",
            "null",
            "[]",
            "{",
            '{"resourceLogs": 3}',
            '{"resourceLogs": [3]}',
            '{"resourceLogs": {"a": 1}}',
        ),
        '{"resourceLogs": [{"scopeLogs": [{"logRecords": [1]}]}]}',
        '{"resourceLogs": [], "resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": {}}]}]}], "resourceLogs": []}',
        '{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"body": ' + '{"arrayValue": {"values": [' * 30_000,
        '{"resourceLogs": [{"scopeLogs": [{"logRecords": [{"attributes": 7}]}]}]}',
    ],
)
def test_what_is_no_batch_has_no_items(line):
    assert items(line, LOGS) == []
    assert exploded(pa.record_batch({"text": [line]}), LOGS).to_pylist() == [{"text": line, "item": None}]


BODIES = st.lists(st.lists(st.text(max_size=9), max_size=4), max_size=4)


@given(BODIES, st.sampled_from([None, 1]), st.booleans())
def test_any_batch_is_tiled_by_its_items(bodies, indent, ascii_only):
    document = batch(*[[log(n, body) for n, body in enumerate(scope)] for scope in bodies])
    line = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    found = items(line, LOGS)
    assert [item["body"] for *_, item in found] == [body for scope in bodies for body in scope]
    assert all(
        json.loads(line[start:end])["body"]["stringValue"] == item["body"] for start, end, item in found
    )
    assert "".join(tiles(line, found)) == line
