"""Logs that this project did not write, where `../shared/corpus` is there: read whole, and read right."""

import json
from pathlib import Path

import pytest

from analysis.case import Case, SourceSpec
from analysis.evidence.formats import detect, shipped
from analysis.store import open_loaded

CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "logs"
BEATS = {
    "nginx/access/test/access.log": "combined_access",
    "apache/access/test/ubuntu-2.2.22.log": "combined_access",
    "postgresql/log/test/postgresql-11.4.log": "postgresql_stderr",
    "postgresql/log/test/postgresql-9.6-new-timestamp.log": "postgresql_stderr",
    "postgresql/log/test/postgresql-ubuntu-9.5.log": "postgresql_stderr",
}
EXPECTED = {"status": "http.response.status_code", "method": "http.request.method", "path": "url.original"}

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no ../shared/corpus beside this checkout")


def loaded(file, fmt):
    return open_loaded(Case(file.parent, file.name, (SourceSpec(file.name, fmt),)))


@pytest.mark.parametrize(("name", "fmt"), BEATS.items())
def test_the_right_format_is_detected_from_content(name, fmt):
    assert detect((CORPUS / "beats" / name).read_bytes(), shipped())[0].format.name == fmt


@pytest.mark.parametrize("name", [name for name, fmt in BEATS.items() if fmt == "combined_access"])
def test_requests_are_read_as_filebeat_reads_them(name):
    file = CORPUS / "beats" / name
    events = json.loads(Path(f"{file}-expected.json").read_text())
    case = loaded(file, "combined_access")
    rows = case.sql("SELECT byte_start, status, method, path FROM requests JOIN records USING (record_id)")
    mine = rows.set_index("byte_start").to_dict("index")
    compared = [
        (mine[event["log.offset"]][ours], event[theirs])
        for event in events
        for ours, theirs in EXPECTED.items()
        if theirs in event and event["log.offset"] in mine
    ]
    equal = sum(str(ours) == str(theirs) for ours, theirs in compared)
    assert len(compared) > 5 and equal >= 0.97 * len(compared), [
        pair for pair in compared if pair[0] != pair[1]
    ]


@pytest.mark.parametrize("file", sorted(CORPUS.glob("lnav/test/*")), ids=lambda file: file.name)
@pytest.mark.parametrize("fmt", ["render_export", "combined_access", "json_lines", "postgresql_csvlog"])
def test_every_byte_of_a_hostile_file_is_accounted_for_whatever_format_is_claimed(file, fmt):
    row = loaded(file, fmt).frame("sources").iloc[0]
    accounted = ("record_bytes", "continuation_bytes", "blank_bytes", "quarantined_bytes")
    assert row["bytes"] == sum(row[name] for name in accounted) == file.stat().st_size
