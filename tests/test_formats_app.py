"""Formats of application loggers, databases and log exports: told apart, and never read as more than they say."""

import pytest

from analysis.evidence.formats import bound_to, detect, parse, shipped

FORMATS = shipped()


def detected(text):
    return [each.format.name for each in detect(text.encode(), FORMATS)][:1]


def read(name, line, **wanted):
    return parse(FORMATS[name], line, wanted)


def read_csv(name, header, line):
    return parse(bound_to(FORMATS[name], f"{header}\n".encode()), line)


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("2026-03-11 15:47:23.108 UTC [4242] LOG:  stats: 0 xacts/s", "postgresql_stderr"),
        ("2026-03-11 15:47:23.108 UTC [4242] LOG stats: 0 xacts/s", "pgbouncer"),
        ("2026-03-11 15:47:23.108 UTC [4242]: [3-1] db=jobs,user=app LOG:  stats", "postgresql_cloudsql"),
        ("2026-03-11 15:47:23.108 UTC [4242] app@jobs LOG:  stats", "postgresql_stderr"),
        ("2026-03-11 15:47:23 UTC:10.0.0.7(51234):app@jobs:[4242]:LOG:  stats", "postgresql_rds"),
    ],
)
def test_postgresql_prefixes_and_pgbouncer_are_told_apart(line, name):
    assert detected(line) == [name]


def test_a_thread_in_brackets_is_not_the_process_of_pgbouncer():
    assert detected("2026-03-11 15:47:23.108 UTC [main] LOG stats: 0 xacts/s") == []


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("2026-11-24T06:00:45.000001Z 0 [Note] InnoDB: ready", "mysql_error"),
        ("2026-11-24T06:00:45.000001Z\t    9 Query\tselect 1", "mysql_general"),
        ("2026-11-24  6:00:45 0 [Note] InnoDB: ready", "mariadb_error"),
        ("261124  6:00:45 [Note] InnoDB: ready", "mysql_error_old"),
    ],
)
def test_mysql_logs_are_told_apart_by_their_stamp(line, name):
    assert detected(line) == [name]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('{"event": "x", "level": "info", "timestamp": "2026-03-11T15:47:23Z"}', "structlog_json"),
        ('{"event": "x", "timestamp": "2026-03-11T15:47:23Z", "level": "info"}', "structlog_json"),
        ('{"message": "x", "level": "info", "timestamp": "2026-03-11T15:47:23Z"}', "json_lines"),
        ('{"levelname": "INFO", "message": "x", "asctime": "2026-03-11 15:47:23,101"}', "python_json_logger"),
        ('{"time":"2026-03-11T15:47:23Z","level":"INFO","msg":"x"}', "go_slog_json"),
        ('{"msg":"x","time":"2026-03-11T15:47:23Z","level":"INFO"}', "json_lines"),
        ('{"a":1,"time":"2026-03-11T15:47:23Z","level":"INFO","msg":"x"}', "json_lines"),
        ('{"level":30,"time":1795500027880,"pid":1,"hostname":"vm","msg":"x"}', "pino"),
        ('{"level":30,"time":1795500027880,"msg":"x"}', "json_lines"),
        ('{"labels":{"a":"b"},"line":"x","timestamp":"2026-03-11T15:47:23Z"}', "logcli_jsonl"),
    ],
)
def test_json_loggers_are_told_apart_by_their_own_keys(line, name):
    assert detected(line) == [name]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("@timestamp,@message\n2026-03-11 15:47:23.101,hi\n", "cloudwatch_insights"),
        ('"@timestamp",message\n"Mar 11, 2026 @ 15:47:23.101",hi\n', "kibana_csv"),
        ('"_raw","_time"\nhi,"2026-03-11T15:47:23.101+0000"\n', "splunk_csv"),
        ("Date,Host,Service,Message\n2026-03-11T15:47:23.101Z,a,b,hi\n", "datadog_csv"),
        ("Timestamp,Message\n2026-03-11T15:47:23.101Z,hi\n", "csv_export"),
    ],
)
def test_csv_exports_are_told_apart_by_their_time_column(text, name):
    assert detected(text) == [name]


def test_times_of_day_are_told_apart_by_what_follows():
    assert detected("15:47:23.101 [main] INFO  c.e.Jobs -- started") == ["logback"]
    assert detected("15:47:23 Worker 1e2e: started with PID 14070") == ["rq_worker"]
    assert detected("15:47:23 GET /api/jobs") == ["request_line"]
    assert detected("15:47:23 and so to bed") == []


SLOW = """\
# User@Host: app[app] @ localhost []
# Query_time: 0.000153  Lock_time: 0.000061 Rows_sent: 1  Rows_examined: 5
SET timestamp=1481294279;
{}"""


@pytest.mark.parametrize(
    ("tail", "query"),
    [
        ("select 1;\n# Time: 161209 14:38:00", "select 1"),
        ("select 1;\n/usr/sbin/mysqld, Version: 5.5.53. started with:\nTcp port: 3306", "select 1"),
        ("select ';\n# a comment\n';", "select ';\n# a comment\n'"),
        ("select\n  1;", "select\n  1"),
    ],
)
def test_a_slow_statement_ends_where_the_next_record_announces_itself(tail, query):
    row = read("mariadb_slow", SLOW.format(tail))
    assert (row["query"], row["duration_us"]) == (query, 153)


def test_a_slow_record_without_figures_is_refused():
    assert read("mariadb_slow", SLOW.format("select 1;").replace("Query_time", "Took")) is None
    assert read("mysql_slow", "# Time: 2018-08-07T16:27:47.169604Z\n# administrator command: Quit;") is None


@pytest.mark.parametrize(
    ("command", "query", "message"),
    [
        ("Query\tselect 1", "select 1", None),
        ("Execute\tselect 1", "select 1", None),
        ("Prepare\tselect ?", None, "select ?"),
        ("Connect\tapp@localhost on jobs using Socket", None, "app@localhost on jobs using Socket"),
        ("Quit\t", None, None),
    ],
)
def test_only_what_ran_is_a_query_of_the_general_log(command, query, message):
    row = read("mysql_general", f"2025-08-15T14:04:10.394852Z\t   10 {command}")
    assert (row["query"], row["message"], row["session"]) == (query, message, "10")


RAILS = """\
Started POST "/api/jobs/complete" for 203.0.113.7 at 2026-11-24 06:06:44 +0000
Started GET "/ok" for 203.0.113.8 at 2026-11-24 06:06:44 +0000
Completed 200 OK in 3ms
Completed 500 Internal Server Error in 9ms
"""


def test_untagged_rails_lines_give_no_status_to_the_request_before_them():
    first, second = (line for line in RAILS.splitlines() if line.startswith("Started"))
    assert read("rails", first)["status"] is None
    row = read("rails", second + "\nCompleted 200 OK in 3ms\nCompleted 500 Internal Server Error in 9ms")
    assert (row["path"], row["status"], row["duration_us"]) == ("/ok", None, None)
    assert detected(RAILS) == ["rails"]


def ruby(message):
    row = read("ruby_logger", f"I, [2026-11-24T06:06:46.361200 #7]  INFO -- : {message}")
    return row["request_id"], row["method"], row["status"], row["duration_us"]


def test_rails_messages_are_read_only_where_they_are_rails_own():
    assert ruby("[a3db] Completed 200 OK in 3ms (Views: 0.1ms)") == ("a3db", None, 200, 3000)
    assert ruby("method=GET path=/ok format=html status=200 duration=3.15 view=0.11") == (
        None,
        "GET",
        200,
        3150,
    )
    assert ruby("Completed 200 jobs in time") == (None, None, None, None)
    assert ruby('he said: Started GET "/ok" for 203.0.113.7 at noon') == (None, None, None, None)


@pytest.mark.parametrize(
    ("said", "message", "logger", "fields"),
    [
        ("job_completed                  a=1 b=2", "job_completed", None, {"a": "1", "b": "2"}),
        ("an event longer than the thirty of the padding a=1", None, None, {"a": "1"}),
        ("job failed                     [jobs.views] a=1", "job failed", "jobs.views", {"a": "1"}),
        ("retry [2 of 3]", "retry [2 of 3]", None, {}),
        ("low on ink", "low on ink", None, {}),
    ],
)
def test_a_structlog_event_its_logger_and_its_pairs(said, message, logger, fields):
    row = read("structlog_console", f"2026-11-24 06:00:27 [info     ] {said}")
    expected = message or "an event longer than the thirty of the padding"
    assert (row["message"], row["logger"], row["fields"]) == (expected, logger, fields)


@pytest.mark.parametrize(
    ("tail", "message", "fields"),
    [
        ("msg=hello n=3", "hello", {"n": "3"}),
        ('msg="hello there" n=3', "hello there", {"n": "3"}),
        ('msg="a \\"b\\" msg=c" n=3', 'a \\"b\\" msg=c', {"n": "3"}),
        ("msg=hello", "hello", {}),
    ],
)
def test_a_slog_message_may_be_quoted(tail, message, fields):
    row = read("go_slog_text", f"time=2022-11-08T15:28:26.000-05:00 level=INFO {tail}")
    assert (row["message"], row["fields"]) == (message, fields)


def test_a_celery_duration_is_the_workers_and_not_the_results():
    task = "Task tasks.add[41bfc7f1-5afa-43f7-8564-c5723e91eb7b]"
    head = "[2026-11-24 06:04:20,722: INFO/ForkPoolWorker-1]"
    assert read("celery_worker", f"{head} {task} succeeded in 0.0045s: 3")["duration_us"] == 4500
    assert read("celery_worker", f"{head} {task} retry: succeeded in 0.0045s: 3")["duration_us"] is None
    assert read("celery_worker", f"{head} jobs[7] about to fail")["fields"] == {}
    assert read("celery_worker", f"{head} it succeeded in 0.0045s: 3")["fields"] == {}


def test_a_spring_boot_trace_is_one_of_micrometer():
    line = "2026-03-11T15:47:23.101Z  INFO 1 --- [jobs] [main] [{}] c.e.Jobs   : on"
    trace = "803b448a0489f84084905d3093480352"
    assert read("spring_boot", line.format(f"{trace}-3425f23bb2432450"))["trace_id"] == trace
    blank = read("spring_boot", line.format(" " * 49))
    assert read("spring_boot", line.format(f"{trace[1:]}-3425f23bb2432450"))["trace_id"] is None
    assert (blank["trace_id"], blank["logger"], blank["message"]) == (None, "c.e.Jobs", "on")


def test_a_datadog_status_is_a_level_and_not_an_http_status():
    row = read_csv("datadog_csv", "Date,Status,Message", "2026-03-11T15:47:23.101Z,error,hi")
    assert (row["level"], row["status"]) == ("error", None)


def test_a_local_export_is_not_taken_for_utc():
    kibana = read_csv("kibana_csv", "@timestamp,message", '"Mar 11, 2026 @ 15:47:23.101",hi')
    insights = read_csv("cloudwatch_insights", "@timestamp,@message", "2026-03-11 15:47:23.101,hi")
    assert (kibana["zoned"], insights["zoned"]) == (False, True)
    assert kibana["logged_at"] == insights["logged_at"]


def test_lines_of_another_writer_are_left_over_and_not_guessed():
    text = '{"level":30,"time":1795500027880,"pid":1,"hostname":"vm","msg":"x"}\nnode: warning\n'
    best = detect(text.encode(), FORMATS)[0]
    assert (best.format.name, best.fits, best.of) == ("pino", 1, 2)
