import json
from pathlib import Path

import numpy as np
import pytest

from analysis import engine
from analysis.evidence.deploys import DeploysError, deploys

SECOND, MINUTE, HOUR, DAY = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000


def listed(folder: Path, text: str, **options: str):
    path = folder / "deploys"
    path.write_text(text, encoding="utf-8")
    return deploys(path, **options)


def at(stamp: str) -> int:
    return int(np.datetime64(stamp, "us").astype(np.int64))


def test_a_csv_with_a_header_becomes_the_promised_table_by_time(tmp_path):
    found, bad = listed(
        tmp_path,
        "deployed_at,version,revision,note\n"
        '2026-03-11T15:40:00Z,v8,0f3a,"drop the lock, finally"\n'
        "2026-03-10T09:00:00.250+02:00,v7,9c1d,\n",
    )
    assert bad == []
    assert found.deployed_us.tolist() == [at("2026-03-10 07:00:00.250"), at("2026-03-11 15:40:00")]
    assert found.version.tolist() == ["v7", "v8"]
    assert found.note.tolist() == [None, "drop the lock, finally"]
    assert found.resolution_us.tolist() == [1000, SECOND]
    assert found.line_no.tolist() == [3, 2]
    database = engine.in_memory({"deploys": found})
    assert database.execute("SELECT count(*) FROM deploys WHERE deployed_at > '2026-03-11'").fetchone() == (
        1,
    )


ENTRIES = [
    {"at": "2026-03-11T15:40:00Z", "tag": "v8", "sha": "0f3a", "message": "drop"},
    {"timestamp": 1773243600, "release": "v9", "commit": "9c1d", "description": "add"},
]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (json.dumps(ENTRIES, indent=1), [2, 8]),
        ("\n".join(json.dumps(entry) for entry in ENTRIES), [1, 2]),
        ("\ufeff" + json.dumps(ENTRIES), [1, 1]),
    ],
)
def test_a_json_list_and_json_lines_are_read_alike_and_keep_their_line(tmp_path, text, lines):
    found, bad = listed(tmp_path, text)
    assert bad == []
    assert found[["version", "revision", "note"]].values.tolist() == [
        ["v8", "0f3a", "drop"],
        ["v9", "9c1d", "add"],
    ]
    assert found.deployed_us.tolist() == [at("2026-03-11 15:40"), at("2026-03-11 15:40")]
    assert found.line_no.tolist() == lines


@pytest.mark.parametrize(
    ("stamp", "instant", "step"),
    [
        ("2026-03-11", "2026-03-11", DAY),
        ("2026-03-11 15:40", "2026-03-11 15:40", MINUTE),
        ("2026-03-11T15:40:05", "2026-03-11 15:40:05", SECOND),
        ("20260311T154005Z", "2026-03-11 15:40:05", SECOND),
        ("2026-03-11T15:40:05.5Z", "2026-03-11 15:40:05.5", 100_000),
        ("2026-03-11T15:40:05.123456789Z", "2026-03-11 15:40:05.123456", 1),
        ("2026-03-11T15:40+05:30", "2026-03-11 10:10", MINUTE),
        ("1773243600", "2026-03-11 15:40", SECOND),
        ("1773243600250", "2026-03-11 15:40:00.250", 1000),
        ("1773243600250001", "2026-03-11 15:40:00.250001", 1),
    ],
)
def test_a_stamp_is_known_as_finely_as_it_was_written(tmp_path, stamp, instant, step):
    found, bad = listed(tmp_path, f"time\n{stamp}\n")
    assert bad == []
    assert (found.deployed_us.item(), found.resolution_us.item()) == (at(instant), step)


def test_a_stamp_without_offset_is_read_in_the_callers_zone_and_one_with_offset_is_not(tmp_path):
    found, _ = listed(tmp_path, "time\n2026-07-01 12:00:00\n2026-07-01 12:00:00Z\n", zone="Europe/Berlin")
    assert found.deployed_us.tolist() == [at("2026-07-01 10:00"), at("2026-07-01 12:00")]


def test_a_wall_clock_that_the_zone_has_twice_is_known_to_the_hour(tmp_path):
    found, _ = listed(tmp_path, "time\n2026-10-25 02:30:00\n", zone="Europe/Berlin")
    assert (found.deployed_us.item(), found.resolution_us.item()) == (at("2026-10-25 00:30"), HOUR + SECOND)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("2026-03-29 02:30:00,v1", "skips"),
        ("yesterday,v1", "no ISO 8601 stamp"),
        ("0001-01-01T00:00:00Z,v1", "a year that no deploy has"),
        ("12345678901,v1", "no ISO 8601 stamp"),
        ("20260311T154545454545454545454545005Z,v1", "no ISO 8601 stamp"),
        (",v1", "no stamp"),
        ("2026-03-11", "2 fields wanted, 1 found"),
    ],
)
def test_a_bad_row_is_returned_beside_and_the_others_are_kept(tmp_path, row, reason):
    found, bad = listed(tmp_path, f"time,tag\n{row}\n2026-03-11,v2\n", zone="Europe/Berlin")
    assert found.version.tolist() == ["v2"]
    assert [(one.line_no, reason in one.reason) for one in bad] == [(2, True)]


def test_bad_json_lines_are_counted_by_their_line(tmp_path):
    nested = '{"a":' + "[" * 100_000
    found, bad = listed(tmp_path, f'{{"at": "2026-03-11"}}\n{{"at"\n[1]\n{nested}\n{{"at": 1e400}}\n')
    assert len(found) == 1
    assert [one.line_no for one in bad] == [2, 3, 4, 5]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "version,note\nv1,x\n",
        '[{"at": "2026-03-11"}',
        "[",
        "[" * 100_000,
        'time\n"' + "x" * 200_000 + '"\n',
    ],
)
def test_a_file_that_is_no_list_of_deploys_is_refused_with_its_path(tmp_path, text):
    with pytest.raises(DeploysError, match="deploys: "):
        listed(tmp_path, text)


def test_a_missing_or_too_large_file_is_refused(tmp_path):
    with pytest.raises(DeploysError, match="no such file"):
        deploys(tmp_path / "none.csv")
    with pytest.raises(DeploysError, match="at most 10,000,000 bytes"):
        listed(tmp_path, "time\n" + "x" * 10_000_000)


def test_an_empty_list_is_an_empty_table(tmp_path):
    found, bad = listed(tmp_path, "[]")
    assert (len(found), bad) == (0, [])
    engine.in_memory({"deploys": found})
