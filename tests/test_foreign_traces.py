"""Stack traces of Java, JavaScript, Go and Ruby."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.evidence.tracebacks import exceptions, explain_fingerprint


def types(text):
    return [(one.type, one.member_of) for one in exceptions(text)]


def places(one):
    return [(frame.file, frame.line, frame.function, frame.in_app) for frame in one.frames]


# Shape of Spring Boot's reports of a failed insert (spring-projects/spring-framework and elimu-ai/webapp issues);
# classes of the application renamed, frames left out.
JAVA = """\
2026-03-11 15:47:23.101 ERROR 4127 --- [nio-8080-exec-2] o.a.c.c.C.[dispatcherServlet] : Servlet.service() threw exception
org.springframework.dao.DataIntegrityViolationException: could not execute statement; SQL [insert into job values (?)]; constraint [u]
\tat org.springframework.orm.jpa.JpaTransactionManager.doCommit(JpaTransactionManager.java:517) ~[spring-orm-6.1.jar!/:6.1]
\tat com.acme.jobs.JobService$$SpringCGLIB$$0.complete(<generated>)
\tat com.acme.jobs.JobController.lambda$complete$0(JobController.java:142)
\tat java.base/java.lang.Thread.run(Thread.java:1583)
Caused by: java.sql.SQLIntegrityConstraintViolationException: Duplicate entry '52' for key 'job.u'
\tat com.mysql.cj.jdbc.exceptions.SQLError.createSQLException(SQLError.java:117)
\tat com.acme.jobs.JobService.complete(JobService.java:31)
\t... 2 more
\tSuppressed: java.lang.IllegalStateException: closing
\t\tat com.acme.jobs.Pool.close(Pool.java:9)
\tCaused by: java.io.IOException: broken
\t\tat com.acme.jobs.Pool.flush(Pool.java:5)
"""  # noqa: E501 - as logback prints it


def test_a_java_trace_gives_its_chain_root_cause_first_and_what_was_suppressed():
    assert types(JAVA) == [
        ("java.sql.SQLIntegrityConstraintViolationException", None),
        ("org.springframework.dao.DataIntegrityViolationException", None),
        ("java.io.IOException", 0),
        ("java.lang.IllegalStateException", 0),
    ]


def test_a_java_cause_has_its_own_frames_and_those_that_the_trace_omits():
    assert places(exceptions(JAVA)[0]) == [
        ("java/lang/Thread.java", 1583, "run", False),
        ("com/acme/jobs/JobController.java", 142, "lambda$complete$0", True),
        ("com/acme/jobs/JobService.java", 31, "complete", True),
        ("com/mysql/cj/jdbc/exceptions/SQLError.java", 117, "createSQLException", False),
    ]


def test_the_database_s_error_is_read_out_of_a_java_trace():
    root = exceptions(JAVA)[0]
    assert (root.sqlstate, root.error_code, root.constraint_name, root.key_values) == (
        "23000",
        "1062",
        "u",
        ("52",),
    )
    assert exceptions(JAVA)[1].sql is None  # no error text of a database's


def test_a_java_message_of_several_lines_is_kept_whole():
    # PostgreSQL's JDBC driver
    text = (
        'Exception in thread "main" org.postgresql.util.PSQLException: ERROR: duplicate key value violates unique'
        ' constraint "u"\n  Detail: Key (job_id)=(7) already exists.\n\tat com.acme.Main.main(Main.java:3)\n'
    )
    (one,) = exceptions(text)
    assert (one.sqlstate, one.constraint_name, one.key_values) == ("23505", "u", ("7",))
    assert one.message.endswith("already exists.")


def test_logback_s_root_cause_first_gives_the_same_order():
    text = (
        "ERROR x\njava.io.IOException: a\n\tat com.acme.A.f(A.java:1)\n"
        "Wrapped by: java.lang.RuntimeException: b\n\tat com.acme.B.g(B.java:2)\n"
    )
    assert [kind for kind, _ in types(text)] == ["java.io.IOException", "java.lang.RuntimeException"]


def functions(text):
    return [[frame.function for frame in one.frames] for one in exceptions(text)]


def test_logback_s_root_cause_first_omits_the_frames_of_the_exception_below():
    text = (
        "java.io.IOException: a\n\tat com.acme.A.f(A.java:1)\n\t... 3 common frames omitted\n"
        "Wrapped by: java.lang.RuntimeException: b\n\tat com.acme.B.g(B.java:2)\n\t... 2 common frames omitted\n"
        "Wrapped by: java.lang.Error: c\n\tat com.acme.C.h(C.java:3)\n\tat com.acme.C.main(C.java:4)\n"
    )
    assert functions(text) == [["main", "h", "g", "f"], ["main", "h", "g"], ["main", "h"]]


def test_each_suppressed_exception_omits_the_frames_of_the_one_that_suppressed_it():
    text = (
        "java.io.IOException: a\n\tat com.acme.A.f(A.java:1)\n\tat com.acme.A.g(A.java:2)\n"
        "\tat com.acme.A.main(A.java:3)\n"
        "\tSuppressed: java.lang.Error: b\n\t\tat com.acme.B.k(B.java:1)\n\t\tat com.acme.B.l(B.java:2)\n"
        "\t\t... 1 more\n"
        "\tSuppressed: java.lang.Error: c\n\t\tat com.acme.B.m(B.java:3)\n\t\t... 2 more\n"
    )
    assert functions(text) == [["main", "g", "f"], ["main", "l", "k"], ["main", "g", "m"]]


def test_frames_said_to_be_omitted_again_and_again_are_filled_in_once():
    cause = "Caused by: java.lang.Error: x\n" + "\t... 999999 more\n" * 3
    text = "java.lang.Error: x\n" + "\tat com.acme.A.f(A.java:1)\n" * 2 + cause * 12
    assert [len(names) for names in functions(text)] == [2] * 13


# Shape of an error with a cause in Node.js 21 (nodejs/node issue 51637), with node-postgres's properties written in.
NODE = """\
Error: could not complete job
    at complete (/app/dist/jobs.js:142:11)
    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)
    at async /app/node_modules/express/lib/router/layer.js:95:5 {
  [cause]: error: duplicate key value violates unique constraint "u"
      at Parser.parseErrorMessage (/app/node_modules/pg-protocol/dist/parser.js:287:98)
      at Job.save [as _save] (file:///app/dist/models/job.js:31:7)
      ... 2 lines matching cause stack trace ...
      at new Promise (<anonymous>) {
    length: 206,
    severity: 'ERROR',
    code: '23505',
    detail: 'Key (job_id)=(7) already exists.',
    constraint: 'u'
  }
}
"""


def test_a_javascript_trace_gives_its_chain_and_the_cause_s_database_error():
    root, last = exceptions(NODE)
    assert (root.type, last.type, last.message) == ("error", "Error", "could not complete job")
    assert (root.sqlstate, root.constraint_name, root.key_columns, root.key_values) == (
        "23505",
        "u",
        ("job_id",),
        ("7",),
    )
    assert places(root) == [
        ("/app/dist/models/job.js", 31, "Job.save", True),
        ("/app/node_modules/pg-protocol/dist/parser.js", 287, "Parser.parseErrorMessage", False),
    ]
    assert places(last)[-1] == ("/app/dist/jobs.js", 142, "complete", True)


AGGREGATE = """\
AggregateError: parents
    at REPL5:1:20 {
  [errors]: [
    Error: parent 1
        at one (/app/a.js:2:3) {
      [cause]: TypeError: cause 1
          at two (/app/a.js:2:32)
    },
    RangeError [ERR_X]: parent 2
        at three (/app/a.js:3:3)
  ]
}
"""


def test_the_errors_of_an_aggregate_error_are_its_members():
    assert types(AGGREGATE) == [("AggregateError", None), ("TypeError", 0), ("Error", 0), ("RangeError", 0)]


# Printed by net/http of Go 1.13 (diodechain/diode_client issue 7); the application's names changed.
GO = """\
2020/02/27 01:59:21 http: panic serving 10.0.0.1:60825: runtime error: invalid memory address or nil pointer dereference
goroutine 1612195 [running]:
net/http.(*conn).serve.func1(0xc000091360)
        /usr/local/go/src/net/http/server.go:1767 +0x139
panic(0x8ce5c0, 0xefdb00)
        /usr/local/go/src/runtime/panic.go:679 +0x1b2
github.com/gorilla/websocket.(*Conn).Close(...)
        /go/pkg/mod/github.com/gorilla/websocket@v1.4.1/conn.go:344
github.com/acme/jobs/rpc.(*ProxyServer).pipeProxy(0xc0003cec40, 0xa03900, 0xc0000d6620, 0xc0000dea00)
        /jobs/rpc/proxy.go:119 +0x3eb
created by net/http.(*Server).Serve
        /usr/local/go/src/net/http/server.go:2927 +0x38e

goroutine 7 [select]:
main.other()
        /jobs/other.go:1 +0x1
"""


def test_a_go_panic_gives_the_dead_goroutine_s_frames():
    (one,) = exceptions(GO)
    assert (one.type, one.message) == ("runtime error", "invalid memory address or nil pointer dereference")
    assert [(frame.file.rpartition("/")[2], frame.in_app) for frame in one.frames] == [
        ("server.go", False),
        ("proxy.go", True),
        ("conn.go", False),
        ("panic.go", False),
        ("server.go", False),
    ]
    assert one.frames[1].function == "github.com/acme/jobs/rpc.(*ProxyServer).pipeProxy"


def test_a_go_panic_while_another_one_unwinds_is_a_chain():
    text = (
        'panic: ERROR: duplicate key value violates unique constraint "u" (SQLSTATE 23505) [recovered]\n'
        "\tpanic: second\n\ngoroutine 1 [running]:\nmain.main()\n\t/app/main.go:12 +0x1d\nexit status 2\n"
    )
    first, second = exceptions(text)
    assert (first.sqlstate, first.constraint_name, second.message) == ("23505", "u", "second")
    assert places(second) == [("/app/main.go", 12, "main.main", True)]


def test_a_go_package_whose_name_begins_like_panic_is_the_application_s():
    text = "panic: x\n\ngoroutine 1 [running]:\npanics.Do()\n\t/app/panics/do.go:3 +0x1\n"
    assert places(exceptions(text)[0]) == [("/app/panics/do.go", 3, "panics.Do", True)]


RUBY_FRAMES = (
    "\tfrom /app/job.rb:9:in `block in run'\n"
    "\tfrom /usr/lib/ruby/gems/3.0.0/gems/puma-5/lib/puma.rb:2:in `each'\n"
)


@pytest.mark.parametrize(
    "text",
    [
        "/app/job.rb:3:in `complete': gone (Jobs::Lost)\n" + RUBY_FRAMES,
        "/app/job.rb:3:in 'complete': gone (Jobs::Lost)\n" + RUBY_FRAMES.replace("`", "'"),
        "Traceback (most recent call last):\n"
        "\t2: from /usr/lib/ruby/gems/3.0.0/gems/puma-5/lib/puma.rb:2:in `each'\n"
        "\t1: from /app/job.rb:9:in `block in run'\n"
        "/app/job.rb:3:in `complete': gone (Jobs::Lost)\n",
    ],
)
def test_a_ruby_backtrace_is_read_in_each_of_its_forms(text):
    (one,) = exceptions(text)
    assert (one.type, one.message) == ("Jobs::Lost", "gone")
    assert places(one) == [
        ("/usr/lib/ruby/gems/3.0.0/gems/puma-5/lib/puma.rb", 2, "each", False),
        ("/app/job.rb", 9, "block in run", True),
        ("/app/job.rb", 3, "complete", True),
    ]


def test_a_ruby_cause_is_the_first_of_the_chain():
    text = (
        "/app/a.rb:5:in `rescue in f': outer (Outer)\n\tfrom /app/a.rb:2:in `f'\n"
        "/app/a.rb:3:in `f': inner (Inner)\n\tfrom /app/a.rb:9:in `<main>'\n"
    )
    assert [kind for kind, _ in types(text)] == ["Inner", "Outer"]


REQUEST = "7c6c6013-a263-43b2-9e96-4691ff25d04c"
# Written after what ActionDispatch::DebugExceptions logs, not captured.
RAILS = f"""\
F, [2026-03-11T15:47:23.101 #4127] FATAL -- : [{REQUEST}]
[{REQUEST}] ActiveRecord::RecordNotUnique (PG::UniqueViolation: ERROR:  duplicate key value violates unique \
constraint "u"
DETAIL:  Key (job_id)=(7) already exists.
):
~~
app/models/job.rb:31:in `complete'
app/controllers/jobs_controller.rb:142:in `complete'
~~
Causes:
PG::UniqueViolation (ERROR:  duplicate key value violates unique constraint "u")
~~
app/models/job.rb:31:in `complete'
""".replace("~", " ")


def test_a_rails_report_gives_type_message_key_and_cause():
    root, last = exceptions(RAILS)
    assert (root.type, last.type) == ("PG::UniqueViolation", "ActiveRecord::RecordNotUnique")
    assert (last.sqlstate, last.constraint_name, last.key_values) == ("23505", "u", ("7",))
    assert places(last) == [
        ("app/controllers/jobs_controller.rb", 142, "complete", True),
        ("app/models/job.rb", 31, "complete", True),
    ]


@pytest.mark.parametrize("text", [JAVA, NODE, GO, RAILS])
@pytest.mark.parametrize("times", [1, 2])
def test_a_trace_inside_json_is_read_as_the_trace_itself(text, times):
    line = text.partition("\n")[2] if text in (JAVA, RAILS) else text
    bare = exceptions(line)
    for _ in range(times):
        line = json.dumps({"level": "error", "message": "it\nbroke", "stack": line, "pid": 7})
    assert exceptions(line) == bare


@pytest.mark.parametrize(("text", "number"), [(JAVA, "142"), (NODE, "142"), (GO, "119"), (RAILS, "142")])
def test_the_fingerprint_does_not_move_with_line_numbers(text, number):
    moved = text.replace(f":{number}", ":977")
    assert moved != text
    assert [one.fingerprint for one in exceptions(moved)] == [one.fingerprint for one in exceptions(text)]


def test_a_java_lambda_that_got_another_number_is_the_same_place():
    again = exceptions(JAVA.replace("lambda$complete$0", "lambda$complete$4"))
    assert again[0].fingerprint == exceptions(JAVA)[0].fingerprint


def test_the_fingerprint_says_the_application_s_frames_only():
    assert explain_fingerprint(exceptions(NODE)[1]) == ("Error", "complete in dist/jobs.js")


@pytest.mark.parametrize(
    "text",
    [
        "INFO Error: none so far at home",
        "INFO the train leaves\n    at platform 9 (Central)\n",
        "WARN com.acme.Retry: again\n    at 15:47:23 (local)\n",
        "INFO see com.acme.Job for details (Job.java:12)",
        "INFO meeting at x (room:1:2)",
        "INFO panic: do not\n",
        "INFO goroutine 1 [running]:\nmain.main()\n\t/app/main.go:12 +0x1d\n",  # a dump that nobody died of
        "INFO\n    at f (/app/a.js:1:2)\n",  # console.trace without a name
        "ERROR: it broke\n    at f (/app/a.js:1:2)\n",  # a level is no type
        "Trace: here\n    at f (/app/a.js:1:2)\n",  # console.trace
        "INFO saw job.rb:3:in the listing",
        "Started GET /x\nJobs (all):\n",
    ],
)
def test_text_that_only_looks_like_a_trace_is_none(text):
    assert exceptions(text) == []


PUMPS = (
    *("\n\tat a.b.C.d(E.java:1)", "\n    at f (/a.js:1:2)", "\ngoroutine 1 [running]:", "a.rb:1:in `f': m (T)\n"),
    *("\n\tat ", "\\nat ", "\\", "Caused by: a.B: c\n", "\tSuppressed: a.B: c\n", "panic: ", "A::", "a.B", "\n\n"),
    *("  [cause]: Error: x\n", "  [errors]: [\n", "/a.go:1 +0x1\n", "\t1: from a.rb:1:in `f'\n", "T (m):\n", " at a"),
    *(":1:in `", "X: ", "\t... 9 more\n", "(((", "http: panic serving "),
    *("a(" + "b" * 4000 + "\n", "    at " + "async " * 670 + "\n"),
)  # fmt: skip
STARTS = (
    *("", "java.lang.E: m\n\tat a.B.c(D.java:1)\n", "Error: m\n    at f (/a.js:1:2)\n"),
    *("panic: m\n\ngoroutine 1 [running]:\n", "a.rb:1:in `f': m (T)\n", "T (m):\n\na.rb:1:in `f'\n"),
)  # fmt: skip


@pytest.mark.parametrize("pump", PUMPS)
@pytest.mark.parametrize("start", STARTS)
def test_a_hostile_megabyte_takes_a_fifth_of_a_second(start, pump):
    text = start + pump * (1_000_000 // len(pump))
    spent = []
    for _ in range(3):  # the least of three: other processes share the machine
        begun = time.process_time()
        exceptions(text)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.2


@given(st.lists(st.sampled_from([*PUMPS, *STARTS]) | st.text(max_size=4), max_size=20).map("".join))
def test_no_text_raises(text):
    exceptions(text)
