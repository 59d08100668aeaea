"""Stamps that lack a part: which instant they are read as, and what is said of it."""

import datetime as dt
import os
import time

import pandas as pd
import pytest

from analysis.case import read_case
from analysis.evidence.local_time import runs
from analysis.evidence.years import utc_of
from analysis.evidence.zones import EPOCH
from analysis.store import open_loaded


def us(*parts):
    return (dt.datetime(*parts) - EPOCH) // dt.timedelta(microseconds=1)


@pytest.fixture
def loaded(tmp_path):
    """Write files into a folder, and their lines' instants come back; the case stays in `loaded.case`."""

    def load(toml="", modified=None, **files):
        names = {name.replace("_log", ".log"): lines for name, lines in files.items()}
        for name, lines in names.items():
            (tmp_path / name).write_text("".join(f"{line}\n" for line in lines))
            if modified:
                stamp = modified.replace(tzinfo=dt.UTC).timestamp()
                os.utime(tmp_path / name, (stamp, stamp))
        sources = "" if "[[source]]" in toml else "".join(f'[[source]]\npath = "{name}"\n' for name in names)
        (tmp_path / "case.toml").write_text(toml + sources)
        return open_loaded(read_case(tmp_path))

    return load


def syslog(*stamps):
    return [f"{stamp} web1 jobs[41]: job {number}" for number, stamp in enumerate(stamps)]


def read(case, path="sys.log"):
    query = "SELECT logged_at::VARCHAR AS stamp FROM records JOIN sources USING (source_id) WHERE path = $1"
    return case.sql(f"{query} ORDER BY line_no", [path])["stamp"].tolist()


def doubts(case, path="sys.log"):
    return case.sql("SELECT stamp_doubts FROM sources WHERE path = $1", [path])["stamp_doubts"][0]


def test_a_stamp_without_a_year_takes_it_from_the_cases_date(loaded):
    case = loaded("date = 2024-03-04\n", sys_log=syslog("Feb 29 23:59:59", "Mar  5 02:14:07"))
    assert read(case) == ["2024-02-29 23:59:59", "2024-03-05 02:14:07"]


def test_the_year_turns_within_a_file_and_a_late_line_does_not_turn_it_twice(loaded):
    lines = syslog(
        "Dec 31 23:59:58", "Jan  1 00:00:01", "Dec 31 23:59:59", "Jan  1 00:00:02", "Jan  2 07:00:00"
    )
    case = loaded("date = 2027-01-01\n", sys_log=lines)
    assert [stamp[:10] for stamp in read(case)] == [
        "2026-12-31",
        "2027-01-01",
        "2026-12-31",
        "2027-01-01",
        "2027-01-02",
    ]


def test_the_other_logs_tell_the_year_wherever_they_stand_in_the_list(loaded):
    others = [f"2023-07-{day:02} 10:00:00,000 INFO app: x" for day in (3, 4, 5)]
    case = loaded(app_log=others, zz_log=others[:1], sys_log=syslog("Jul  4 09:00:00", "Jul  4 11:00:00"))
    assert read(case) == ["2023-07-04 09:00:00", "2023-07-04 11:00:00"]
    assert doubts(case) == (
        "stamps carry no year: the first is read as of 2023, in which the other logs overlap it; "
        "stamps carry no offset: read as UTC"
    )


def test_one_forged_year_in_another_log_does_not_move_the_file(loaded):
    others = [f"2023-07-{day:02} 10:00:00,000 INFO app: x" for day in (3, 4, 5)]
    others.append("2031-07-04 10:00:00,000 INFO app: forged")
    case = loaded(app_log=others, sys_log=syslog("Jul  4 09:00:00", "Jul  6 11:00:00"))
    assert read(case)[0] == "2023-07-04 09:00:00"
    assert "records of theirs also lie in it as of 2031" in doubts(case)


def test_logs_that_do_not_overlap_give_the_nearest_year(loaded):
    case = loaded(app_log=["2024-01-05 10:00:00,000 INFO app: x"] * 3, sys_log=syslog("Dec 30 09:00:00"))
    assert read(case) == ["2023-12-30 09:00:00"]
    assert "none of it overlaps" in doubts(case)


def test_with_nothing_else_the_files_age_tells_the_year_and_that_is_said(loaded):
    case = loaded(sys_log=syslog("Dec 30 09:00:00", "Jan  2 09:00:00"), modified=dt.datetime(2025, 1, 2, 9))
    assert read(case) == ["2024-12-30 09:00:00", "2025-01-02 09:00:00"]
    assert "by the file's modification time; date = YYYY-MM-DD in case.toml would settle it" in doubts(case)


@pytest.mark.parametrize(("seconds", "year"), [(10**12, 9999), (-(10**12), 1970), (1_772_700_000, 2026)])
def test_a_files_age_beyond_the_calendar_is_no_error(seconds, year):
    assert utc_of(seconds).year == year


def test_a_leap_day_is_of_a_leap_year(loaded):
    case = loaded(sys_log=syslog("Feb 29 09:00:00"), modified=dt.datetime(2026, 5, 1))
    assert read(case) == ["2024-02-29 09:00:00"]


def test_a_leap_day_of_a_year_that_has_none_is_kept_in_quarantine(loaded):
    case = loaded(
        "date = 2026-03-01\n", sys_log=syslog("Feb 28 09:00:00", "Feb 29 09:00:00", "Mar  1 09:00:00")
    )
    assert read(case) == ["2026-02-28 09:00:00", "2026-03-01 09:00:00"]
    assert case.frame("quarantine")["line_no"].tolist() == [2]
    assert case.frame("quarantine")["reason"][0].startswith("the stamp's day does not exist")


def test_years_that_run_beyond_the_calendar_end_in_quarantine(loaded):
    lines = syslog(*["Jan 10 00:00:00", "May 10 00:00:00", "Sep 10 00:00:00"] * 8_000)
    case = loaded("date = 2026-01-01\n", sys_log=lines)
    row = case.frame("sources").iloc[0]
    assert row["records"] + row["quarantined"] == 24_000 and row["quarantined"] > 0


def test_a_late_line_at_midnight_does_not_add_a_day(loaded):
    lines = [f"{time} GET /x" for time in ("23:59:59.900", "00:00:00.100", "23:59:59.950", "00:00:00.200")]
    case = loaded("date = 2026-03-11\n", a_log=lines)
    days = [stamp[:10] for stamp in read(case, "a.log")]
    assert days == ["2026-03-11", "2026-03-12", "2026-03-11", "2026-03-12"]


def test_a_day_of_silence_is_no_late_line(loaded):
    lines = [f"{time} GET /x" for time in ("02:00:00.000", "20:00:00.000", "02:00:00.000", "20:00:00.000")]
    case = loaded("date = 2026-03-11\n", a_log=lines)
    assert [stamp[8:13] for stamp in read(case, "a.log")] == ["11 02", "11 20", "12 02", "12 20"]


GENERAL = [
    "mariadbd, Version: 10.11.18-MariaDB-0+deb12u1-log (Debian 12). started with:",
    "Tcp port: 0  Unix socket: /run/mysqld/mysqld.sock",
    "Time\t\t    Id Command\tArgument",
    "\t\t     2 Quit\t",
    "261124  8:24:54\t     3 Connect\troot@localhost on  using Socket",
    "\t\t     3 Query\tselect 1",
    "261124 18:24:56\t     5 Query\tinsert into c",
    "values (1,'x')",
    "\t\t     5 Quit\t",
]


def test_a_blank_stamp_is_that_of_the_line_before_and_before_the_first_there_is_none(loaded):
    case = loaded('zone = "Europe/Berlin"\n', sys_log=GENERAL)
    assert read(case)[1:] == ["2026-11-24 07:24:54"] * 2 + ["2026-11-24 17:24:56"] * 2
    assert case.frame("records")["logged_us"].isna().tolist() == [True, False, False, False, False]
    assert doubts(case).endswith("1 record carries no stamp: it is in no rate, and only its place orders it")


UVICORN = [
    "INFO:     Started server process [16829]",
    'INFO:     127.0.0.1:34124 - "POST /api/jobs/7 HTTP/1.1" 200 OK',
    'INFO:     127.0.0.1:34124 - "POST /api/jobs/7 HTTP/1.1" 500 Internal Server Error',
    "ERROR:    Exception in ASGI application",
    "Traceback (most recent call last):",
    '  File "/app/main.py", line 7, in done',
    '    raise ValueError("no such job")',
    "ValueError: no such job",
]


def test_a_log_without_stamps_is_read_whole_with_every_bound_open(loaded):
    case = loaded(sys_log=UVICORN)
    row = case.frame("sources").iloc[0]
    assert (row["format"], row["records"], row["quarantined"]) == ("uvicorn_default", 4, 0)
    bounds = case.frame("requests")[["stamp_us", "starts_from", "starts_by", "ends_from", "ends_by"]]
    assert len(bounds) == 2 and bounds.isna().all(axis=None)
    assert case.frame("requests")["status"].tolist() == [200, 500]
    assert case.frame("exceptions")["type"].tolist() == ["ValueError"]
    assert "4 records carry no stamp" in doubts(case)


BERLIN = 'zone = "Europe/Berlin"\n'


def local(*times, day="2026-10-25"):
    return [f"{day} {time},000 INFO app: x" for time in times]


def both(case, path="a.log"):
    query = """
        SELECT strftime(logged_at, '%d %H:%M') AS first, strftime(make_timestamp(other_us), '%H:%M') AS other
        FROM records JOIN sources USING (source_id) WHERE path = $1 ORDER BY line_no
    """
    frame = case.sql(query, [path])
    return [(first, None if pd.isna(other) else other) for first, other in frame.itertuples(index=False)]


def test_an_hour_that_is_twice_gives_both_readings_and_says_so(loaded):
    case = loaded(BERLIN, a_log=local("01:59:00", "02:10:00", "02:50:00", "03:00:00"))
    assert both(case) == [
        ("24 23:59", None),
        ("25 00:10", "01:10"),
        ("25 00:50", "01:50"),
        ("25 02:00", None),
    ]
    assert doubts(case, "a.log") == (
        "stamps carry no offset: read as Europe/Berlin; 2 stamps lie in an hour that Europe/Berlin has twice: "
        "line 2 is of 2026-10-25 00:10:00 or 2026-10-25 01:10:00 UTC"
    )


def test_the_step_back_in_a_file_tells_the_second_pass_from_the_first(loaded):
    lines = local("01:59:00", "02:10:00", "02:50:00", "02:05:00", "02:59:59", "03:00:00")
    case = loaded(BERLIN, a_log=lines)
    assert both(case) == [
        *[("24 23:59", None), ("25 00:10", None), ("25 00:50", None)],
        *[("25 01:05", None), ("25 01:59", None), ("25 02:00", None)],
    ]
    assert doubts(case, "a.log") == "stamps carry no offset: read as Europe/Berlin"


def test_a_line_that_is_late_by_a_second_at_the_turn_does_not_confuse_the_passes(loaded):
    lines = local("02:10:00", "02:59:59", "02:00:00", "02:59:58", "02:00:01", "02:30:00")
    assert [first for first, other in both(loaded(BERLIN, a_log=lines))] == [
        *["25 00:10", "25 00:59", "25 01:00", "25 00:59", "25 01:00", "25 01:30"]
    ]


@pytest.mark.parametrize(
    "times",
    [
        ("02:50:00", "02:10:00", "02:50:00", "02:10:00"),  # two writers, or a clock set by hand
        ("02:10:00", "02:05:00", "02:50:00"),  # a little back: a late line
        ("02:50:00", "04:00:00", "02:10:00"),  # another file behind the first
        ("02:59:58", "02:00:00", "02:59:59"),  # the last one is late, or an hour later
    ],
)
def test_an_order_that_does_not_show_the_passes_leaves_both_readings(loaded, times):
    case = loaded(BERLIN, a_log=local(*times))
    assert None not in [other for (_, other), time in zip(both(case), times, strict=True) if time < "03"]


def test_a_merged_export_shows_no_passes(loaded):
    toml = BERLIN + '[[source]]\npath = "a.log"\nordered_by = "stamp"\n'
    case = loaded(toml, a_log=local("02:50:00", "02:10:00"))
    assert [other for _, other in both(case)] == ["01:50", "01:10"]


def test_a_time_that_never_was_gives_both_readings(loaded):
    case = loaded(BERLIN, a_log=local("01:59:59", "02:30:00", "03:00:00", day="2026-03-29"))
    assert both(case) == [("29 00:59", None), ("29 00:30", "01:30"), ("29 01:00", None)]
    assert "1 stamp lies in an hour that Europe/Berlin skips: line 2" in doubts(case, "a.log")


def test_a_zones_own_name_tells_the_pass(loaded):
    case = loaded(BERLIN, a_log=[f'{{"ts": "2026-10-25 02:30:00.000 {name}"}}' for name in ("CEST", "CET")])
    assert both(case) == [("25 00:30", None), ("25 01:30", None)]
    assert doubts(case, "a.log") == "stamps carry no offset: read as Europe/Berlin"


def test_a_foreign_zones_name_is_a_local_reading_and_is_flagged(loaded):
    names = ("CEST", "EST", "EST", "CET")
    case = loaded(BERLIN, a_log=[f'{{"ts": "2026-07-01 12:00:00.000 {name}"}}' for name in names])
    assert [first for first, _ in both(case)] == ["01 10:00"] * 4
    assert doubts(case, "a.log").split("; ")[1:] == [
        "2 of them say EST, which Europe/Berlin is not then (line 2 is the first)",
        "1 of them say CET, which Europe/Berlin is not then (line 4 is the first)",
    ]


def test_offsets_and_local_stamps_may_stand_in_one_file(loaded):
    stamps = ["2026-07-01T12:00:00+02:00", "2026-07-01T12:00:00", "2026-07-01T10:00:00Z"]
    case = loaded(BERLIN, a_log=[f'{{"ts": "{stamp}"}}' for stamp in stamps])
    assert [first for first, _ in both(case)] == ["01 10:00"] * 3
    assert doubts(case, "a.log") == "1 of 3 stamps carry no offset: read as Europe/Berlin"


def test_an_offset_in_the_doubtful_hour_leaves_no_doubt(loaded):
    stamps = ["2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00"]
    case = loaded(BERLIN, a_log=[f'{{"ts": "{stamp}"}}' for stamp in stamps])
    assert both(case) == [("25 00:30", None), ("25 01:30", None)]
    assert doubts(case, "a.log") is None


def test_no_order_is_claimed_across_a_doubtful_stamp(loaded):
    lines = ['{"ts": "2026-10-25T02:30:00", "method": "GET", "path": "/a"}']
    lines += ['{"ts": "2026-10-25T00:45:00Z", "method": "GET", "path": "/b"}']
    case = loaded(BERLIN, a_log=lines)
    first, second = case.frame("requests")[["starts_by", "ends_from"]].itertuples(index=False)
    assert first.ends_from < second.starts_by < first.starts_by


@pytest.mark.parametrize("zone", ["Z", " Z", "z", " UTC", "+00:00", " +0000", ""])
def test_a_stamp_is_as_fine_as_its_digits_whatever_zone_stands_behind_them(loaded, zone):
    case = loaded(a_log=[f'{{"ts": "2026-07-01T12:00:00.123{zone}"}}'])
    assert case.frame("records")["resolution_us"].tolist() == [1_000]


LEAP = "2017-01-01 00:00:00"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("json_lines", '{"ts": "2016-12-31T23:59:60Z"}'),
        ("json_lines", '{"ts": "2016-12-31 23:59:60.75"}'),
        ("json_lines", '{"ts": "2017-01-01T05:29:60.75+05:30"}'),
        ("nginx_combined", '1.2.3.4 - - [31/Dec/2016:23:59:60 +0000] "GET / HTTP/1.1" 200 5 "-" "curl"'),
        ("redis", "14051:M 31 Dec 2016 23:59:60.898 * Ready to accept connections"),
        ("syslog_rfc3164", "Dec 31 23:59:60 web1 kernel: Clock: inserting leap second 23:59:60 UTC"),
        ("request_line", "23:59:60.500 GET /x"),
    ],
)
def test_a_leap_second_is_somewhere_in_the_next_one(loaded, name, line):
    toml = f'date = 2016-12-31\n[[source]]\npath = "a.log"\nformat = "{name}"\n'
    case = loaded(toml, a_log=[line])
    assert read(case, "a.log") == [LEAP]
    assert case.frame("records")["resolution_us"].tolist() == [1_000_000]


@pytest.mark.parametrize("stamp", ["2016-12-31T23:60:05Z", "2016-12-31T23:58:60Z", "2016-12-31T23:59:61Z"])
def test_what_looks_like_a_leap_second_is_no_stamp(loaded, stamp):
    toml = '[[source]]\npath = "a.log"\nformat = "json_lines"\n'
    case = loaded(toml, a_log=[f'{{"ts": "{stamp}"}}', '{"ts": "2016-12-31T23:59:59Z"}'])
    assert case.frame("quarantine")["line_no"].tolist() == [1]


def test_days_far_apart_are_stretches_of_their_own():
    assert runs([1, 2, 4, 7, 9, 2_900_000]) == [(1, 4), (7, 9), (2_900_000, 2_900_000)]


def test_one_forged_year_does_not_make_the_zone_be_asked_for_every_day_since(loaded):
    lines = [line for day in ("2026-10-25", "9998-10-25") for line in local("01:00:00", "02:30:00", day=day)]
    started = time.process_time()
    case = loaded(BERLIN, a_log=lines)
    assert both(case) == [("24 23:00", None), ("25 00:30", "01:30")] * 2
    assert time.process_time() - started < 5
