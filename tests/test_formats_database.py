"""Logs of databases and proxies through the whole loader: what each kind of line becomes, and what it must not."""

import datetime as dt

import pytest

from analysis.case import Case, SourceSpec
from analysis.evidence.detect import detect
from analysis.evidence.formats import parse, shipped
from analysis.evidence.recognise import recognise
from analysis.store import open_loaded

FORMATS = shipped()
DAY = dt.date(2026, 11, 24)
SLOW = """\
/usr/sbin/mysqld, Version: 8.0.36 (MySQL Community Server - GPL). started with:
Tcp port: 3306  Unix socket: /var/run/mysqld/mysqld.sock
Time                 Id Command    Argument
# Time: 2026-11-24T06:00:45.169604Z
# User@Host: app[app] @ web1 [10.0.0.7]  Id:  7234
# Query_time: 15.000223  Lock_time: 0.000061 Rows_sent: 1  Rows_examined: 5
use jobs;
SET timestamp=1795500030;
select sleep(15);
/usr/sbin/mysqld, Version: 8.0.36 (MySQL Community Server - GPL). started with:
Tcp port: 3306  Unix socket: /var/run/mysqld/mysqld.sock
Time                 Id Command    Argument
# Time: 2026-11-24T06:00:46.169604Z
# User@Host: root[root] @ localhost []  Id:     8
# Query_time: 0.000153  Lock_time: 0.000000 Rows_sent: 0  Rows_examined: 0
SET timestamp=1795500046;
# administrator command: Quit;
"""
OLD_SLOW = """\
# Time: 261124  6:00:45
# User@Host: root[root] @ localhost []
# Query_time: 2.000268  Lock_time: 0.000000  Rows_sent: 1  Rows_examined: 0
SET timestamp=1795500045;
select sleep(2);
# User@Host: root[root] @ localhost []
# Query_time: 0.000138  Lock_time: 0.000056  Rows_sent: 0  Rows_examined: 0
SET timestamp=1795500045;
select 1;
"""
HTTP = (
    "Nov 24 06:00:59 lb haproxy[7]: 10.0.0.7:53518 [24/Nov/2026:06:00:59.177] web app/one 0/0/0/20/20 200 59 "
    '- - ---- 1/1/0/0/0 0/0 "GET /jobs HTTP/1.1"\n'
)
TCP = "Nov 24 06:00:59 lb haproxy[7]: 10.0.0.7:41338 [24/Nov/2026:06:00:59.306] db dbs/one 1/0/50 24 -- 1/1/0/0/0 0/0\n"
FAILED = (
    "Nov 24 06:00:59 lb haproxy[7]: 10.0.0.7:41442 [24/Nov/2026:06:00:59.477] web/1: SSL handshake failure\n"
)
STARTED = "Nov 24 06:00:58 lb haproxy[1]: Proxy web started.\n"
CRON = "Nov 24 06:00:58 lb CRON[31051]: (root) CMD (true)\n"


@pytest.fixture
def load(tmp_path):
    """Load one log of a format, and return the open case."""

    def loaded(fmt, text):
        (tmp_path / "a.log").write_text(text)
        return open_loaded(Case(tmp_path, "one log", (SourceSpec("a.log", fmt),), date=DAY))

    return loaded


def best(text):
    return detect(text.encode(), FORMATS)[0].format.name


def rows(case):
    """The stretches that are records, as the loader read them."""
    found = case.sql("SELECT * FROM stretches WHERE reason IS NULL ORDER BY record_id").astype(object)
    return found.where(found.notna(), None).to_dict("records")


def test_a_slow_statement_has_its_time_user_host_and_rows(load):
    case = load("mysql_slow", SLOW)
    slow, quit_ = rows(case)
    assert (slow["query"], slow["duration_us"], slow["session"]) == ("select sleep(15)", 15_000_223, "7234")
    assert (slow["client_ip"], quit_["client_ip"]) == ("10.0.0.7", None)
    said = case.sql("SELECT fields ->> '$.rows_examined' AS n, fields ->> '$.lock_s' AS s FROM records")
    assert said.to_numpy().tolist() == [["5", "0.000061"], ["0", "0.000000"]]
    assert quit_["query"] == "# administrator command: Quit"


def test_the_banner_of_a_restart_is_no_part_of_a_statement_and_no_record(load):
    source = load("mysql_slow", SLOW).frame("sources").iloc[0]
    assert (source["records"], source["quarantined"], best(SLOW)) == (2, 3, "mysql_slow")


def test_an_entry_without_a_time_line_keeps_the_second_that_it_sets(load):
    first, second = rows(load("mariadb_slow", OLD_SLOW))
    assert first["logged_us"] == second["logged_us"] == 1_795_500_045_000_000
    assert (best(OLD_SLOW), second["query"]) == ("mariadb_slow", "select 1")


def test_entries_of_mysql_57_are_not_read_as_those_of_mariadb():
    entry = SLOW[SLOW.index("# Time: ") : SLOW.index("/usr/sbin", 9)]
    cut = entry[entry.index("# User@Host") :] + entry * 3
    fits = {each.format.name: each.fits for each in detect(cut.encode(), FORMATS)}
    assert fits == {"mysql_slow": 3, "mariadb_slow": 1}  # the last one has no other's Time: behind it


@pytest.mark.parametrize(
    ("sign", "level"), [(".", "DEBUG"), ("-", "VERBOSE"), ("*", "NOTICE"), ("#", "WARNING")]
)
@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("redis", "7:M 24 Nov 2026 06:00:27.898"),
        ("redis_4", "7:M 24 Nov 06:00:27.898"),
        ("redis_4", "[7] 24 Nov 06:00:27.898"),
        ("redis_2_4", "[7] 24 Nov 06:00:27"),
    ],
)
def test_a_sign_of_redis_is_its_level(load, name, start, sign, level):
    text = f"{start} {sign} Ready to accept connections\n"
    (row,) = rows(load(name, text))
    assert (row["level"], row["process"], best(text)) == (level, "7", name)
    assert (
        dt.datetime.fromtimestamp(row["logged_us"] // 1_000_000, dt.UTC).isoformat()
        == "2026-11-24T06:00:27+00:00"
    )


def test_the_banner_of_redis_and_a_signal_belong_to_the_record_before(load):
    text = "7:M 30 May 12:50:13.457 * Increased\n    _._\n _.-``\n\n7:signal-handler (1496141561) Received SIGINT\n"
    (row,) = rows(load("redis_4", text))
    assert row["line_count"] == 5


@pytest.mark.parametrize(
    ("prefix", "user", "database"),
    [
        ("app@jobs ", "app", "jobs"),
        ("user=app,db=jobs,app=gunicorn,client=10.0.0.7 ", "app", "jobs"),
        ("[unknown]@[unknown] ", None, None),
        ("", None, None),
    ],
)
def test_a_prefix_of_postgresql_names_user_and_database(prefix, user, database):
    fmt = FORMATS["postgresql_stderr"]
    row = parse(fmt, f"2026-11-24 06:06:39.019 UTC [20825-1] {prefix}ERROR:  deadlock detected")
    assert (row["fields"].get("database_user"), row["fields"].get("database")) == (user, database)
    assert (row["process"], row["level"], row["message"]) == ("20825", "ERROR", "deadlock detected")


@pytest.mark.parametrize("message", ["HINTS: 12 of 7", "order: 12", "6000a: 12", "23505:12", "https: 12"])
def test_a_message_that_only_looks_verbose_keeps_its_beginning(message):
    row = parse(FORMATS["postgresql_stderr"], f"2026-11-24 06:06:39.019 UTC [20825] ERROR:  {message}")
    assert (row["message"], row["sqlstate"]) == (message, None)


def test_a_verbose_log_gives_statements_and_their_sqlstate(load):
    stamp = "2026-11-24 06:06:39.019 UTC [20825]"
    text = (
        f"{stamp} LOG:  00000: duration: 37.118 ms  statement: select 1\n\t from jobs\n"
        f"{stamp} LOCATION:  exec_simple_query, postgres.c:975\n"
        f"{stamp} ERROR:  23505: duplicate key value\n{stamp} STATEMENT:  insert into jobs values (1)\n"
    )
    found = load("postgresql_stderr", text).frame("statements")
    assert found["sql"].tolist() == ["select 1\n\t from jobs", "insert into jobs values (1)"]
    assert found["sqlstate"].tolist()[1] == "23505"
    assert (found["finished_us"] - found["started_us"]).tolist()[0] == 37_118


def test_of_a_proxy_only_http_makes_requests(load):
    case = load("haproxy_http", HTTP + TCP + FAILED + STARTED)
    assert case.frame("requests")["path"].tolist() == ["/jobs"]
    messages = case.sql("SELECT message FROM records WHERE message IS NOT NULL")
    assert messages["message"].tolist() == ["SSL handshake failure"]
    assert [row["duration_us"] for row in rows(case)] == [20_000, 50_000, None]
    assert case.frame("sources")["quarantined"].tolist() == [1]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (HTTP * 3, "syslog_rfc3164 > haproxy_http"),
        (STARTED + HTTP * 3, "syslog_rfc3164 > haproxy_http"),
        (STARTED + CRON + HTTP * 3, "syslog_rfc3164 > haproxy_http"),
        (STARTED + CRON, "syslog_rfc3164"),
    ],
)
def test_other_lines_beside_a_proxy_s_are_read_as_well_as_its_requests(text, name):
    assert recognise(text.encode(), FORMATS)[0].reading.name == name


def test_a_connection_of_nginx_stands_apart_from_the_message():
    line = "2026/11/24 06:00:32 [error] 13303#13303: {}open() failed, client: 127.0.0.1"
    row = parse(FORMATS["nginx_error"], line.format("*3 "))
    assert (row["message"], row["fields"]["connection"]) == ("open() failed, client: 127.0.0.1", "3")
    assert parse(FORMATS["nginx_error"], line.format("*.txt "))["message"].startswith("*.txt open()")


def test_a_forwarded_address_tells_nginx_main_from_any_other_text():
    line = '10.0.0.1 - - [24/Nov/2026:06:00:33 +0000] "GET / HTTP/1.1" 200 3 "-" "curl/8" "{}"\n'
    assert best(line.format("203.0.113.7, 10.0.0.9")) == best(line.format("-")) == "nginx_main"
    assert [each.format.name for each in detect(line.format("in 12 ms").encode(), FORMATS)] == []


def test_lines_of_innodb_without_a_stamp_have_the_one_before(load):
    text = "161209 14:18:50  InnoDB: Log file did not exist\nInnoDB: Setting log file size to 5 MB\n"
    stamped, unstamped = rows(load("mysql_error_old", text))
    assert stamped["logged_us"] == unstamped["logged_us"] is not None
