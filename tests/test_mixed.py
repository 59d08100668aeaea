"""Several formats in one file: found, each line given to the record that it is of, and look-alikes left alone."""

import io
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.case import Case, SourceSpec
from analysis.evidence.formats import parse, shipped
from analysis.evidence.heads import EveryLine, Mask
from analysis.evidence.nested import read_name
from analysis.evidence.recognise import recognise
from analysis.evidence.shared import Shared
from analysis.evidence.split import split
from analysis.store import open_loaded

FORMATS = shipped()
GUNICORN = '[2026-11-24T09:{:02d}:{:02d}.481] 41 203.0.113.7 "POST /api/jobs/{}/done HTTP/1.1" 200 0.038123'
COMBINED = '203.0.113.7 - - [24/Nov/2026:09:{:02d}:{:02d} +0000] "POST /api/jobs/{}/done HTTP/1.1" 200 33 "-" "curl/8"'
DJANGO = "2026-11-24 09:{:02d}:{:02d},101 ERROR django.request: Internal Server Error: /api/jobs/{}/done"
TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "/app/jobs/views.py", line 142, in complete_job',
    "    job.save()",
    "django.db.utils.IntegrityError: duplicate key value",
    "DETAIL:  Key (job_id)=(7) already exists.",
]
SQL = ["SELECT id", "  FROM jobs", " WHERE id = 7;"]


@pytest.fixture
def loaded(tmp_path):
    def load(text, fmt=None, **options):
        (tmp_path / "a.log").write_text(text)
        return open_loaded(Case(tmp_path, "t", (SourceSpec("a.log", fmt, **options),)))

    return load


def named(lines):
    found = recognise("".join(f"{line}\n" for line in lines).encode(), FORMATS, whole=True)
    return found[0].reading.name if found else None


def times(template, count):
    return [template.format(n // 60, n % 60, n) for n in range(count)]


def stdout(access, requests, errors, seed=7, cut=0.2):
    """A worker's stdout, and what each line is: access | log | of the record begun at that line | a piece of it."""
    chance = random.Random(seed)
    lines, truth = [], []
    at = sorted(chance.sample(range(requests), errors))
    for n in range(requests):
        if n in at:
            head = len(lines)
            lines.append(DJANGO.format(n // 60, n % 60, n))
            truth.append("log")
            for line in TRACEBACK:
                if chance.random() < cut:
                    lines.append(access.format(n // 60, n % 60, n))
                    truth.append("access")
                lines.append(line)
                truth.append(head)
        lines.append(access.format(n // 60, n % 60, n))
        truth.append("access")
    return lines, truth


@pytest.mark.parametrize(
    ("access", "name"), [(GUNICORN, "gunicorn_access_ms"), (COMBINED, "combined_access")]
)
@pytest.mark.parametrize(("requests", "errors"), [(300, 30), (300, 3), (60, 50)])
def test_at_least_95_of_100_lines_are_attributed_rightly(loaded, access, name, requests, errors):
    lines, truth = stdout(access, requests, errors)
    case = loaded("\n".join(lines) + "\n")
    assert set(case.frame("sources")["format"][0].split(" + ")) == {name, "python_logging"}
    rows = case.sql(
        "SELECT line_no - 1 AS line_no, line_count, method, logger, r.message FROM records AS r "
        "LEFT JOIN requests USING (record_id, line_no) ORDER BY line_no"
    )
    right, known = 0, {}
    for row in rows.itertuples():
        is_access, is_log = isinstance(row.method, str), isinstance(row.logger, str)
        known[row.line_no] = is_access or is_log
        right += truth[row.line_no] == "access" if is_access else truth[row.line_no] == "log" if is_log else 0
        for place in range(row.line_no + (is_access or is_log), row.line_no + row.line_count):
            # of its own record, or of a piece that claims none
            right += (
                truth[place] == row.line_no if is_log else not is_access and isinstance(truth[place], int)
            )
    assert right >= 0.95 * len(lines), (right, len(lines))
    assert case.frame("sources")["quarantined"][0] == 0


def test_the_rest_of_a_traceback_that_was_cut_in_two_is_a_record_of_its_own(loaded):
    lines = [
        DJANGO.format(0, 0, 7),
        *TRACEBACK[:2],
        GUNICORN.format(0, 1, 7),
        "",
        *TRACEBACK[2:],
        GUNICORN.format(0, 2, 8),
    ]
    case = loaded("\n".join(lines) + "\n", "gunicorn_access_ms + python_logging")
    rows = case.sql(
        "SELECT line_no, line_count, message, logged_at::VARCHAR AS logged_at FROM records ORDER BY line_no"
    )
    assert rows["line_no"].tolist() == [1, 4, 6, 9] and rows["line_count"].tolist() == [3, 1, 3, 1]
    assert (rows["message"][2], rows["logged_at"][2]) == ("    job.save()", "2026-11-24 09:00:01.481")
    assert case.frame("sources")[["records", "quarantined", "blank_lines"]].values.tolist() == [[4, 0, 1]]


def test_marks_and_lag_of_a_request_are_those_of_the_access_format(loaded):
    lines = [*times(DJANGO, 3), GUNICORN.format(0, 1, 7), GUNICORN.format(0, 2, 8)]
    case = loaded("\n".join(lines) + "\n", "python_logging + gunicorn_access_ms")
    alone = loaded("\n".join(lines[3:]) + "\n", "gunicorn_access_ms")
    source, stamp = case.frame("sources").iloc[0], FORMATS["gunicorn_access_ms"].stamp
    assert (source["kind"], source["marks"], source["lag_us"]) == ("access", stamp.marks, stamp.lag_us)
    bounds = ["starts_from", "starts_by", "ends_from", "ends_by"]
    assert case.frame("requests")[bounds].values.tolist() == alone.frame("requests")[bounds].values.tolist()


def test_a_lag_that_the_case_gives_holds_for_every_line(loaded):
    lines = [*times(DJANGO, 2), *times(GUNICORN, 2)]
    case = loaded("\n".join(lines) + "\n", "python_logging + gunicorn_access_ms", lag_us=5)
    assert case.frame("sources")["lag_us"].tolist() == [5]
    assert set(case.frame("requests").eval("stamp_us - ends_from")) == {5}


@pytest.mark.parametrize(
    ("lines", "name"),
    [
        (times(GUNICORN, 20), "gunicorn_access_ms"),
        ([*times(GUNICORN, 20), *TRACEBACK * 3], "gunicorn_access_ms"),
        ([line for head in times(DJANGO, 20) for line in (head, *TRACEBACK)], "python_logging"),
        ([line for head in times(DJANGO, 20) for line in (head, *SQL)], "python_logging"),
        (
            [*times(DJANGO, 20), "quoted by a user:", GUNICORN.format(0, 0, 7), *times(DJANGO, 20)],
            "python_logging",
        ),
        ([*times(GUNICORN, 20), "listening at http://0.0.0.0:8000", "booting"], "gunicorn_access_ms"),
        ([*times(DJANGO, 20), *["0.1.2.3 - - nothing"] * 20], "python_logging"),
    ],
    ids=[
        "one",
        "tracebacks",
        "folded tracebacks",
        "SQL",
        "one quoted line",
        "banners",
        "half an access line",
    ],
)
def test_what_is_no_second_format_is_not_taken_for_one(lines, name):
    assert named(lines) == name


def test_a_rare_second_format_is_found_behind_many_lines_of_the_first():
    assert named([*times(GUNICORN, 1500), *times(DJANGO, 2)]) == "gunicorn_access_ms + python_logging"


def test_three_formats_are_read():
    lines = [*times(GUNICORN, 30), *times(COMBINED, 20), *times(DJANGO, 10)]
    assert named(lines) == "gunicorn_access_ms + combined_access + python_logging"


def test_wrapped_lines_may_be_of_several_formats(loaded):
    lines = [f"web-1  | {line}" for line in [*times(GUNICORN, 6), *times(DJANGO, 5), *TRACEBACK]]
    case = loaded("\n".join(lines) + "\n")
    assert case.frame("sources")["format"].tolist() == [
        "docker_compose > gunicorn_access_ms + python_logging"
    ]
    assert len(case.frame("requests")) == 6 and len(case.frame("records")) == 16


HEAD = Shared(((Mask(("a:",)), True), (Mask(("d:",)), False)))


def cut(data, size, head=HEAD):
    batches = list(split(io.BytesIO(data), head, True, chunk_bytes=size))
    places = [row for batch in batches for row in batch.records.select(["line_no", "text"]).to_pylist()]
    return [tuple(row.values()) for row in places], batches[-1].counts


def slowly(data):
    """The same in one pass over the lines."""
    records, behind_single, begun = [], False, False
    for number, raw in enumerate(io.BytesIO(data).readlines(), 1):
        text = raw.decode()
        if raw in (b"\n", b"\r\n"):
            if records and begun:
                records[-1][1].append(text)
            continue
        starts = text[1:2] == ":" and text[0] in "abc019"
        if starts or behind_single:
            records.append((number, []))
            begun = True
        if begun:
            records[-1][1].append(text)
        behind_single = starts and text[0] in "019"
    return [
        (number, "".join(lines).rstrip("\n\r") if "".join(lines).strip("\r\n") else "")
        for number, lines in records
    ]


LINES = st.lists(
    st.sampled_from(["a:x", "1:y", "0:", "b:", " z", "", "\r", "a", "1", "long" * 9, "9:" + "w" * 40])
)


@given(LINES, st.integers(1, 40), st.booleans())
def test_pieces_of_any_size_give_the_same_records(lines, size, ends):
    data = "\n".join(lines).encode() + b"\n" * ends
    got, counts = cut(data, size)
    assert (got, counts) == cut(data, 1 << 16)
    assert [(number, text.rstrip("\r\n")) for number, text in got] == slowly(data)


def test_blank_lines_cost_next_to_nothing():
    data = b"1:x\n" + b"\n" * (1 << 19) + b"a"
    start = time.process_time()
    records, counts = cut(data, 1 << 22)
    assert time.process_time() - start < 1
    assert (records[0], records[1], counts.blank_lines) == ((1, "1:x"), ((1 << 19) + 2, "a"), 1 << 19)


def test_a_format_that_takes_every_line_says_which_are_its_own_beside_another():
    head = read_name("combined_access + python_logging", FORMATS, "").head
    lines = [
        COMBINED.format(0, 0, 7),
        *TRACEBACK,
        DJANGO.format(0, 0, 7),
        *TRACEBACK,
        COMBINED.format(0, 1, 8),
    ]
    records, _ = cut("\n".join(lines).encode(), 1 << 16, head)
    assert [number for number, _ in records] == [1, 2, 7, 13]
    assert isinstance(FORMATS["combined_access"].head, EveryLine)


@pytest.mark.parametrize("name", [name for name, fmt in FORMATS.items() if isinstance(fmt.head, EveryLine)])
def test_a_format_that_takes_every_line_is_asked_for_none_that_cannot_fit(name):
    fmt = FORMATS[name]
    lines = [sample.line for sample in fmt.samples]
    if fmt.json is not None:
        lines += [f"  {line}" for line in lines]
        lines += [
            f'{{"{place[1:]}":{stamp}}}' for place in fmt.json["logged_at"] for stamp in ("1", '"1-1-1"')
        ]
    chance = random.Random(name)
    for _ in range(100):
        line = chance.choice(lines)
        at = chance.randrange(len(line) + 1)
        lines.append(line[:at] + line[at + chance.choice((1, 2, 8, 40)) :])
    head = read_name(name, FORMATS, "").head
    for line in lines:
        batches = list(split(io.BytesIO(line.encode()), head, False))
        assert batches[-1].counts.records or parse(fmt, line) is None, line


@pytest.mark.parametrize("short", ["a", "{", " ", "[]", "{}", '"', '{"":', "\u00a0{"])
def test_neighbours_that_are_no_object_are_one_stretch_of_quarantined_lines(loaded, short):
    record = '{"ts":"2026-11-24T09:14:07Z","message":"m"}\n'
    case = loaded(record + f"{short}\n" * 50 + f" {record}", "json_lines")
    assert case.sql("SELECT line_no, line_count FROM quarantine").values.tolist() == [[2, 50]]
    assert case.frame("records")["line_no"].tolist() == [1, 52]
