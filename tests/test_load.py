"""A folder of logs through the whole loader into the promised tables."""

import datetime as dt
import gzip
import hashlib

import duckdb
import pytest

from analysis.case import CaseError, read_case
from analysis.evidence.load import Reader, Settings, create_tables
from analysis.evidence.reading import Opened, Unreadable, open_evidence
from analysis.evidence.sources import find_sources
from analysis.evidence.zones import EPOCH
from analysis.signals.linking import RELIABLE
from analysis.store import open_loaded, quiet

ACCESS = (
    '[2026-11-24T09:14:07.481] 41 203.0.113.7 "POST /api/jobs/{id}/done HTTP/1.1" 200 0.038123 '
    "job={id} user=ana request_id={id}a"
)
ERROR = """2026-11-24T09:14:07Z ERROR django.request Internal Server Error: /api/jobs/7/done request_id=7a
Traceback (most recent call last):
  File "/app/jobs/views.py", line 142, in complete_job
    job.save()
django.db.utils.IntegrityError: duplicate key value violates unique constraint "jobs_unique"
DETAIL:  Key (job_id)=(7) already exists.
"""


def us(*parts):
    return int((dt.datetime(*parts) - EPOCH) / dt.timedelta(microseconds=1))


@pytest.fixture
def loaded(tmp_path):
    """Write files and a case.toml into a folder, load it, and return the open case."""

    def load(toml="", request_ids=True, **files):
        names = {name.replace("_", "."): content for name, content in files.items()}
        for name, content in names.items():
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        sources = "" if "[[source]]" in toml else "".join(f'[[source]]\npath = "{name}"\n' for name in names)
        (tmp_path / "case.toml").write_text(toml + sources)
        return open_loaded(read_case(tmp_path), request_ids=request_ids)

    return load


FIELDS = '[fields]\nentity = "job"\nuser = "user"\nrequest_id = "request_id"\n'


def test_requests_exceptions_and_links_come_of_two_logs(loaded):
    case = loaded(FIELDS, access_log=ACCESS.format(id=7) + "\n" + ACCESS.format(id=8) + "\n", app_log=ERROR)
    requests = case.frame("requests")
    assert requests["route"].tolist() == ["/api/jobs/{id}/done"] * 2
    assert requests["request_key"].tolist() == [f"POST /api/jobs/{{id}}/done {job} ana" for job in (7, 8)]
    raised = case.frame("exceptions").iloc[0]
    assert (raised["sqlstate"], raised["constraint_name"], list(raised["key_values"])) == (
        "23505",
        "jobs_unique",
        ["7"],
    )
    links = case.frame("links")
    assert links[["from_record", "to_record"]].values.tolist() == [
        [requests["record_id"][0], raised["record_id"]]
    ]


def test_without_request_ids_nothing_carries_one_and_nothing_is_linked_surely(loaded):
    case = loaded(FIELDS, request_ids=False, access_log=ACCESS.format(id=7) + "\n", app_log=ERROR)
    assert (
        case.frame("records")["request_id"].isna().all() and case.frame("requests")["request_id"].isna().all()
    )
    links = case.frame("links")
    assert links[["rule", "confidence"]].values.tolist() == [["path+key+time across clocks", 0.7]]
    assert links[links["confidence"] >= RELIABLE].empty


def test_a_finish_stamp_and_a_duration_bound_start_and_finish(loaded):
    case = loaded('[[source]]\npath = "a.log"\nlag_ms = 2\n', a_log=ACCESS.format(id=7))
    row = case.frame("requests").iloc[0]
    stamp = us(2026, 11, 24, 9, 14, 7, 481_000)
    assert (row["ends_from"], row["ends_by"]) == (stamp - 2_000, stamp + 999)
    assert (row["starts_from"], row["starts_by"]) == (stamp - 2_000 - 38_123, stamp + 999 - 38_123)


def test_a_stamp_that_marks_nobody_knows_what_bounds_one_side_only(loaded):
    line = "15:47:23.101 POST /api/jobs/complete job_id=4521 user=sarah_k"
    case = loaded('date = 2026-03-11\n[[source]]\npath = "a.log"\nlag_ms = 0\n', a_log=line)
    row = case.frame("requests").iloc[0]
    stamp = us(2026, 3, 11, 15, 47, 23, 101_000)
    assert (row["starts_by"], row["ends_from"]) == (stamp + 999, stamp)
    assert case.sql("SELECT starts_from, ends_by FROM requests").isna().all(axis=None)


def test_stamps_with_only_a_time_get_the_date_and_go_past_midnight(loaded):
    lines = [f"{time} GET /x" for time in ("23:59:59.900", "23:59:59.850", "00:00:00.100")]
    case = loaded("date = 2026-03-11\n", a_log="\n".join(lines))
    days = case.sql("SELECT logged_at::DATE::VARCHAR AS day FROM records ORDER BY record_id")["day"].tolist()
    assert days == ["2026-03-11", "2026-03-11", "2026-03-12"]


def test_stamps_with_only_a_time_and_no_date_are_refused_with_what_to_do(loaded):
    with pytest.raises(CaseError, match="add date = YYYY-MM-DD"):
        loaded(a_log="15:47:23.101 GET /x")


def test_local_stamps_are_read_in_the_cases_zone_on_both_sides_of_a_change(loaded):
    lines = [f"2026-03-29 {time},000 INFO app: x" for time in ("01:30:00", "03:30:00")]
    case = loaded('zone = "Europe/Berlin"\n', a_log="\n".join(lines))
    assert case.frame("records")["logged_us"].tolist() == [us(2026, 3, 29, 0, 30), us(2026, 3, 29, 1, 30)]


def test_stamps_that_carry_an_offset_do_not_follow_the_cases_zone(loaded):
    case = loaded('zone = "Europe/Berlin"\n', app_log=ERROR)
    assert case.frame("records")["logged_us"].tolist() == [us(2026, 11, 24, 9, 14, 7)]


def test_what_fits_nothing_is_quarantined_and_every_byte_accounted_for(loaded):
    stray, unfit = "what is this?\n", "[2026-11-24T09:14:08.000] not a request\n"
    content = stray + ACCESS.format(id=7) + "\n\n" + unfit + ACCESS.format(id=8) + "\n"
    case = loaded('[[source]]\npath = "a.log"\nformat = "gunicorn_access_ms"\n', a_log=content)
    row = case.frame("sources").iloc[0]
    assert (row["records"], row["quarantined"], row["blank_lines"], row["lines"]) == (2, 2, 1, 5)
    spans = case.sql(
        "SELECT byte_start, byte_end FROM records UNION ALL SELECT byte_start, byte_end FROM quarantine ORDER BY 1"
    ).values.tolist()
    assert "".join(content[start:end] for start, end in spans) == content.replace("\n\n", "\n")
    assert case.frame("quarantine")["line_no"].tolist() == [1, 4]


def test_a_compressed_file_is_read_by_its_magic_and_hashed_as_it_lies(loaded):
    packed = gzip.compress(ACCESS.format(id=7).encode() + b"\n")
    case = loaded(FIELDS, access_log=packed)
    row = case.frame("sources").iloc[0]
    assert (row["sha256"], row["file_bytes"]) == (hashlib.sha256(packed).hexdigest(), len(packed))
    assert row["bytes"] == len(ACCESS.format(id=7)) + 1


def test_a_cut_file_is_read_up_to_the_cut_and_says_so(loaded):
    lines = "".join(ACCESS.format(id=number) + "\n" for number in range(20_000))
    packed = gzip.compress(lines.encode())
    case = loaded(FIELDS, access_log=packed[: len(packed) // 2])
    row = case.frame("sources").iloc[0]
    assert 0 < row["records"] < 20_000 and "byte" in row["damage"]


def test_neighbouring_ids_and_uuids_become_one_route(loaded):
    paths = ["/a/1/2/3", "/a/0b9e6b6c-5c3f-4c5e-9d5a-1f2e3d4c5b6a/x?id=5", "/a/v2/b", "/a/12ab"]
    lines = [ACCESS.format(id=7).replace("/api/jobs/7/done", path) for path in paths]
    case = loaded(FIELDS, a_log="\n".join(lines))
    routes = case.sql("SELECT route FROM requests ORDER BY record_id")["route"].tolist()
    assert routes == ["/a/{id}/{id}/{id}", "/a/{id}/x", "/a/v2/b", "/a/12ab"]


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('[[source]]\npath = "a.log"\nformat = "nope"\n', "format 'nope' is unknown; known: "),
        ('[[source]]\npath = "a.log"\n', "fits no known format"),
    ],
)
def test_a_format_that_is_unknown_or_fits_nothing_is_refused(loaded, toml, message):
    with pytest.raises(CaseError, match=message):
        loaded(toml, a_log="\x00\x01\x02 neither\nnor\n")


BATCHES = "".join(
    f"2026-11-24T09:14:07.000Z INFO gunicorn.access GET /x 200 {n % 90}ms pad={'x' * 90}\n"
    for n in range(60_000)
)


def test_records_lie_in_the_order_of_the_file_whichever_thread_took_them(loaded):
    case = loaded(app_log=BATCHES)
    assert case.frame("records")["line_no"].tolist() == list(range(1, 60_001))


def test_a_medium_that_fails_midway_is_reported_as_what_it_is(tmp_path):
    class Failing(Opened):
        def readinto(self, buffer):
            if self.taken_bytes:
                raise Unreadable(self.path, "Input/output error")
            return super().readinto(buffer)

    (tmp_path / "app.log").write_text(BATCHES)
    (tmp_path / "case.toml").write_text('[[source]]\npath = "app.log"\n')
    settings = Settings(read_case(tmp_path))
    with duckdb.connect() as connection, open_evidence(tmp_path / "app.log") as whole:
        create_tables(connection)
        reader = Reader(connection, find_sources(settings.case)[0][0], settings, 1)
        with (
            Failing(whole.path, whole._file) as opened,
            pytest.raises(Unreadable, match="Input/output error"),
        ):
            reader.load(opened, quiet)


MESSAGES = ["plain", "é ünï 👩‍👩‍👧 e\u0301", "ends in blanks  ", "x", "GET /a?b=c 200 7ms k=v"]


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_message_that_is_kept_as_a_part_of_its_text_comes_back_as_it_was(loaded, newline):
    lines = [f"2026-11-24T09:14:07Z INFO app {each}" for each in MESSAGES]
    follow = ["Traceback (most recent call last):", "ValueError: é"]
    case = loaded(app_log=newline.join([*lines, *follow, *lines, ""]))
    assert case.frame("records")["message"].tolist() == MESSAGES * 2


def test_a_message_that_is_no_part_of_its_text_is_kept_too(loaded):
    lines = ['{"time": "2026-11-24T09:14:07Z", "level": "INFO", "message": "say \\"a\\" é"}'] * 2
    case = loaded('[[source]]\npath = "a.log"\nformat = "json_lines"\n', a_log="\n".join(lines))
    assert case.frame("records")["message"].tolist() == ['say "a" é'] * 2


def test_a_line_that_is_no_record_hides_no_midnight(loaded):
    lines = ["23:59:59.900 GET /x", "00:00:00.050 is nothing", "00:00:00.100 GET /x"]
    toml = 'date = 2026-03-11\n[[source]]\npath = "a.log"\nformat = "request_line"\n'
    case = loaded(toml, a_log="\n".join(lines))
    days = case.sql("SELECT logged_at::DATE::VARCHAR AS day FROM records ORDER BY record_id")["day"].tolist()
    assert days == ["2026-03-11", "2026-03-12"]
