"""What was exported twice counts once; what only looks alike counts twice."""

import gzip
import random
from datetime import datetime, timedelta

import pytest

from analysis.case import read_case
from analysis.evidence.overlaps import LEAST, TRANSITIONS
from analysis.schema import AGAIN
from analysis.store import open_loaded

START = datetime(2026, 11, 24, 9)


def lines(count, seed=1, step=1.0):
    """Distinct lines of an application, some of them in the same second."""
    chance = random.Random(seed)
    stamps = [START + timedelta(seconds=step * number * 0.4) for number in range(count)]
    texts = [
        f"INFO app.jobs job {chance.randrange(10_000)} took {chance.randrange(900)} ms\n" for _ in stamps
    ]
    return [f"{stamp:%Y-%m-%dT%H:%M:%S}Z {text}" for stamp, text in zip(stamps, texts, strict=True)]


@pytest.fixture
def opened(tmp_path):
    """Write files, by name, into a case and load it."""

    def load(format="render_export", **files):
        case = ""
        for name, text in files.items():
            content = "".join(text).encode()
            path = tmp_path / name.replace("_", ".")
            path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
            case += f'[[source]]\npath = "{path.name}"\nformat = "{format}"\n'
        (tmp_path / "case.toml").write_text(case)
        return open_loaded(read_case(tmp_path))

    return load


def counted(case):
    """path -> records that count, and lines that are left out since they stand in another file too."""
    rows = case.sql("SELECT path, records FROM sources").itertuples(index=False)
    query = """SELECT path, sum(q.line_count) AS lines FROM quarantine AS q JOIN sources USING (source_id)
               WHERE starts_with(reason, ?) GROUP BY path"""
    again = {row.path: int(row.lines) for row in case.sql(query, [AGAIN]).itertuples()}
    return {path: (records, again.get(path, 0)) for path, records in rows}


def test_the_same_file_under_another_name_counts_once(opened):
    case = opened(a_log=lines(3), b_log=lines(3))
    assert counted(case) == {"a.log": (3, 0), "b.log": (0, 3)}
    assert case.manifest.problems == ["b.log: 3 lines from 1 to 3 stand in a.log too"]


def test_a_compressed_copy_counts_once(opened):
    assert counted(opened(a_log=lines(3), b_gz=lines(3))) == {"a.log": (3, 0), "b.gz": (0, 3)}


def test_a_copy_with_tracebacks_blank_lines_and_garbage_is_still_accounted_for(opened):
    text = [
        "garbage before any record\n",
        *lines(2),
        "Traceback (most recent call last):\n",
        '  File "a.py", line 1, in f\n',
        "ValueError: x\n",
        "\n",
        *lines(1),
    ]
    case = opened(a_log=text, b_log=text)
    sources = case.frame("sources")
    assert sources["records"].tolist() == [3, 0] and sources["quarantined"].tolist() == [1, 7]
    assert len(case.frame("exceptions")) == 1


def test_three_copies_count_once(opened):
    case = opened(a_log=lines(3), b_log=lines(3), c_log=lines(3))
    assert [records for records, _ in counted(case).values()] == [3, 0, 0]


def test_files_that_differ_in_one_letter_both_count(opened):
    other = [line.replace("job", "jab") for line in lines(3)]
    assert counted(opened(a_log=lines(3), b_log=other)) == {"a.log": (3, 0), "b.log": (3, 0)}


def test_the_shared_lines_of_two_overlapping_exports_count_once(opened):
    every = lines(500)
    case = opened(a_log=every[:300], b_log=every[200:])
    assert counted(case) == {"a.log": (300, 0), "b.log": (200, 100)}
    assert case.manifest.problems == ["b.log: 100 lines from 1 to 100 stand in a.log too"]


def test_an_extract_beside_its_whole_log_counts_once(opened):
    every = lines(500)
    assert counted(opened(a_log=every, b_log=every[::7])) == {"a.log": (500, 0), "b.log": (0, 72)}


def test_the_extract_is_left_out_although_its_name_comes_first(opened):
    every = lines(500)
    assert counted(opened(a_log=every[::7], b_log=every)) == {"a.log": (0, 72), "b.log": (500, 0)}


def test_an_export_with_lines_of_another_machine_in_between_counts_once(opened):
    one, other = lines(200), lines(200, seed=2)
    merged = sorted([*one, *other], key=lambda line: line[:20])
    assert counted(opened(a_log=one, b_log=merged)) == {"a.log": (0, 200), "b.log": (400, 0)}


def test_fewer_lines_than_a_run_are_no_overlap(opened):
    every = lines(500)
    at = 300 - LEAST + 1
    assert counted(opened(a_log=every[:300], b_log=every[at:]))["b.log"] == (500 - at, 0)


def test_health_checks_of_two_machines_in_the_same_second_are_no_overlap(opened):
    beats = [f"{START + timedelta(seconds=each):%Y-%m-%dT%H:%M:%S}Z INFO app alive\n" for each in range(900)]
    own = [sorted([*beats, *lines(300, seed=seed, step=5)], key=lambda line: line[:20]) for seed in (1, 2)]
    assert counted(opened(a_log=own[0], b_log=own[1])) == {"a.log": (1200, 0), "b.log": (1200, 0)}


def test_two_machines_that_write_nothing_but_the_same_few_lines_are_no_overlap(opened):
    tasks = TRANSITIONS - 1
    beats = [
        f"{START + timedelta(seconds=each):%Y-%m-%dT%H:%M:%S}Z INFO beat task {each % tasks} sent\n"
        for each in range(900)
    ]
    case = opened(a_log=beats[:-1], b_log=beats[1:])
    assert counted(case) == {"a.log": (899, 0), "b.log": (899, 0)}


def test_what_two_machines_write_when_they_start_together_is_no_overlap(opened):
    start = [f"2026-11-24T09:00:0{each // 8}Z INFO app step {each} of start\n" for each in range(40)]
    later = [lines(300, seed=seed) for seed in (1, 2)]
    later = [[line for line in each if "T09:00:0" not in line] for each in later]
    case = opened(a_log=start + later[0], b_log=start + later[1])
    assert [again for _, again in counted(case).values()] == [0, 0]


def test_the_same_request_lines_of_two_attempts_in_one_file_both_count(opened):
    assert counted(opened(a_log=lines(100) * 2, b_log=lines(5, seed=3)))["a.log"] == (200, 0)


def test_the_requests_of_an_overlap_are_not_in_the_rates_twice(opened):
    line = '[{}.000] 41 203.0.113.7 "GET /api/jobs/{} HTTP/1.1" {} 0.038123 job=- user=- request_id=-\n'
    stamps = [START + timedelta(seconds=number) for number in range(300)]
    every = [line.format(at.isoformat(), n, 500 if n % 3 else 200) for n, at in enumerate(stamps)]
    case = opened("gunicorn_access_ms", a_log=every[:200], b_log=every[100:])
    statuses = case.sql("SELECT status, count(*) AS n FROM requests GROUP BY status ORDER BY status")
    assert statuses["n"].tolist() == [100, 200]
