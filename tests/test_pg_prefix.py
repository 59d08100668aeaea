"""Any log_line_prefix becomes a format, and what it does not say is not guessed."""

import datetime as dt

import pytest

from analysis.case import Case, SourceSpec
from analysis.evidence.format_file import with_prefix
from analysis.evidence.formats import FormatError, parse, shipped
from analysis.evidence.pg_prefix import ESCAPES, BadPrefix, read_prefix
from analysis.store import open_loaded

STDERR = shipped()["postgresql_stderr"]
AT = dt.datetime(2026, 3, 11, 15, 47, 23)


def read(prefix, line):
    return parse(with_prefix(STDERR, prefix), line)


@pytest.mark.parametrize(
    ("prefix", "before", "values"),
    [
        ("%m [%p] ", "2026-03-11 15:47:23.108 UTC [42] ", {"process": "42", "zoned": True}),
        ("%t [%p]: [%l-1] db=%d,user=%u ", "2026-03-11 15:47:23 CET [42]: [7-1] db=jobs,user=app ", {"process": "42"}),
        ("%m|%u|%d|%a|%h|%c|%v|%x|%e|",
         "2026-03-11 15:47:23.108 UTC|app|jobs|my app|10.0.0.7|65ef.1092|4/118|902|23505|",
         {"session": "65ef.1092", "vxid": "4/118", "xid": 902, "sqlstate": "23505", "client_ip": "10.0.0.7"}),
        ("%n %p ", "1773244043.108 42 ", {"process": "42", "zoned": True}),
        ("%m [%p] %q%u@%d ", "2026-03-11 15:47:23.108 UTC [42] app@jobs ", {"process": "42"}),
        ("%m [%p] %q%u@%d ", "2026-03-11 15:47:23.108 UTC [42] ", {"process": "42"}),
        ("%m [%6p] %-10u ", "2026-03-11 15:47:23.108 +00 [    42] app        ", {"process": "42"}),
        ("%m %r 100%% ", "2026-03-11 15:47:23.108 UTC 10.0.0.7(51234) 100% ", {}),
        ("%m:%s:%p:", "2026-03-11 15:47:23.108 UTC:2026-03-11 15:40:11 UTC:42:", {"process": "42"}),
        ("[%m] (%t) ", "[2026-03-11 15:47:23.108 UTC] (2026-03-11 15:47:23 UTC) ", {}),
        ("%m [%p] %u@%d ", "2026-03-11 15:47:23.108 UTC [42] @ ", {"process": "42"}),
    ],
)  # fmt: skip
def test_a_prefix_is_read(prefix, before, values):
    row = read(prefix, f"{before}STATEMENT:  insert into x\n\tvalues (1)")
    assert row["logged_at"].replace(microsecond=0) == AT
    assert (row["level"], row["message"]) == ("STATEMENT", "insert into x\n\tvalues (1)")
    assert {name: row[name] for name in values} == values


def test_the_stamp_is_as_fine_as_the_prefix():
    assert read("%t ", "2026-03-11 15:47:23 UTC LOG:  x")["resolution_us"] == 1_000_000
    assert read("%m ", "2026-03-11 15:47:23.108 UTC LOG:  x")["resolution_us"] == 1_000


def test_who_spoke_is_kept():
    line = "2026-03-11 15:47:23.108 UTC [42] app@jobs LOG:  x"
    assert read("%m [%p] %q%u@%d ", line)["fields"] == {"database_user": "app", "database": "jobs"}


@pytest.mark.parametrize(
    "line",
    [
        "2026-03-11 15:47:23.108 UTC [x] LOG:  x",
        "2026-03-11 15:47:23.108 UTC [42] POST:  x",
        "2026-03-11 15:47:23.108 UTC [42] LOG: x",
        "2026-03-11 15:47:23 UTC [42] LOG:  x",
        "x 2026-03-11 15:47:23.108 UTC [42] LOG:  x",
    ],
)
def test_another_prefix_is_refused(line):
    assert read("%m [%p] ", line) is None


@pytest.mark.parametrize(
    ("prefix", "says"),
    [
        ("%p ", "none of %m, %t and %n"),
        ("", "none of %m"),
        ("%m %z ", "%z is unknown"),
        ("%m %j", "known: %a"),
    ],
)
def test_a_prefix_that_cannot_be_read_says_why(prefix, says):
    with pytest.raises(BadPrefix, match=says):
        read_prefix(prefix)


def test_each_escape_of_the_manual_is_known():
    assert {*ESCAPES, "q"} == set("audrhLbpPtmnieclsvxqQ")


LOG = b"""\
pid=42 2026-03-11 15:47:23.108 UTC app@jobs ERROR:  duplicate key value violates unique constraint "one"
pid=42 2026-03-11 15:47:23.108 UTC app@jobs DETAIL:  Key (job_id)=(7) already exists.
pid=42 2026-03-11 15:47:23.108 UTC app@jobs STATEMENT:  insert into done
\tvalues (7)
"""


def test_a_case_may_give_the_prefix(tmp_path):
    (tmp_path / "db.log").write_bytes(LOG)
    case = open_loaded(Case(tmp_path, "prefix", (SourceSpec("db.log", prefix="pid=%p %m %q%u@%d "),)))
    rows = case.sql("SELECT level, process, line_count FROM records ORDER BY line_no")
    assert [tuple(row) for row in rows.to_numpy()] == [
        ("ERROR", "42", 1),
        ("DETAIL", "42", 1),
        ("STATEMENT", "42", 2),
    ]
    assert case.sql("SELECT sqlstate, table_name FROM statements")["table_name"].tolist() == ["done"]


def test_a_bad_prefix_of_a_case_names_the_file(tmp_path):
    (tmp_path / "db.log").write_bytes(LOG)
    with pytest.raises(FormatError, match=r"db\.log: prefix 'pid=%p ' has none of"):
        open_loaded(Case(tmp_path, "prefix", (SourceSpec("db.log", prefix="pid=%p "),)))
