"""Traces whose lines were logged one by one, through the whole loader: put together, and no two workers' merged."""

import json
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.case import Case, SourceSpec
from analysis.evidence.stitch import Line, stitched
from analysis.store import open_loaded
from tests.test_nested import WRAPPERS

HEAD = "2026-11-24 09:14:30,101 ERROR django.request: Internal Server Error: /api/jobs/7/done"
ACCESS = '[2026-11-24T09:14:30.481] 41 203.0.113.7 "POST /api/jobs/8/done HTTP/1.1" 200 0.038123'
TRACE = """\
Traceback (most recent call last):
  File "/app/jobs/views.py", line 142, in complete_job
    job.save()
psycopg.errors.UniqueViolation: duplicate key value violates unique constraint "u"
DETAIL:  Key (job_id)=(7) already exists.

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File "/app/venv/lib/python3.12/django/db/models/base.py", line 822, in save
    self._perform_update()
    ~~~~~~~~~~~~~~~~~~~~^^
django.db.utils.IntegrityError: duplicate key value violates unique constraint "u"
DETAIL:  Key (job_id)=(7) already exists.
""".splitlines()
OTHER = [
    line.replace("views", "tasks").replace("job_id", "task_id").replace("complete_job", "run")
    for line in TRACE
]


@pytest.fixture
def loaded(tmp_path):
    """Write lines into one log of a named format, load it, and return its exceptions with their records' places."""

    def load(fmt, lines):
        (tmp_path / "app.log").write_text("\n".join(lines) + "\n")
        case = open_loaded(Case(tmp_path, "t", (SourceSpec("app.log", fmt),)))
        return case.sql(
            "SELECT e.*, r.line_no, l.line_no AS last_line FROM exceptions e JOIN records r USING (record_id)"
            " JOIN records l ON l.record_id = e.last_record ORDER BY e.record_id, position"
        )

    return load


def told(found):
    return list(zip(found["type"].str.rpartition(".")[2], found["line_no"], found["last_line"], strict=True))


@pytest.mark.parametrize("wrapper", WRAPPERS)
def test_a_trace_of_a_record_a_line_is_put_together_and_told_of_where_it_was_announced(loaded, wrapper):
    lines = [ACCESS, HEAD, *TRACE, ACCESS, "2026-11-24 09:14:31,101 INFO jobs: done"]
    found = loaded(
        f"{wrapper} > gunicorn_access_ms + python_logging", [WRAPPERS[wrapper](line) for line in lines]
    )
    assert told(found) == [("UniqueViolation", 2, 16), ("IntegrityError", 2, 16)]
    assert found["key_values"].map(list).tolist() == [["7"]] * 2
    assert [len(frames) for frames in found["frames"]] == [1, 1]
    assert not found["doubtful"].any()


@pytest.mark.parametrize("wrapper", [name for name in WRAPPERS if not name.startswith("heroku")])
def test_another_process_s_lines_in_between_are_left_out(loaded, wrapper):
    inside = [
        ACCESS if number % 3 else "2026-11-24 09:14:31,101 INFO jobs: done" for number in range(len(TRACE))
    ]
    lines = [HEAD, *(line for both in zip(TRACE, inside, strict=True) for line in both)]
    found = loaded(
        f"{wrapper} > gunicorn_access_ms + python_logging", [WRAPPERS[wrapper](line) for line in lines]
    )
    assert [kind for kind, *_ in told(found)] == ["UniqueViolation", "IntegrityError"]


def syslog(pid, line):
    return f"2026-11-24T09:14:30.5+00:00 web1 jobs[{pid}]: {line}"


def journald(pid, line):
    return json.dumps(
        {"__REALTIME_TIMESTAMP": "1795511670500000", "MESSAGE": line, "_PID": str(pid), "PRIORITY": "3"}
    )


def mod_wsgi(pid, line):
    return f"[Tue Nov 24 06:00:33.089268 2026] [wsgi:error] [pid {pid}:tid 1396671] [remote 10.0.0.1:18384] {line}"


def heroku(dyno, line):
    return f"2026-11-24T09:14:30.500000+00:00 app[web.{dyno}]: {line.strip()}"


@pytest.mark.parametrize(
    ("fmt", "write"),
    [("syslog_iso", syslog), ("journald_json", journald), ("apache_error", mod_wsgi), ("heroku", heroku)],
)
def test_two_workers_traces_line_by_line_in_one_another_are_never_merged(loaded, fmt, write):
    lines = [
        write(pid, line)
        for both in zip(TRACE, OTHER, strict=True)
        for pid, line in zip((41, 42), both, strict=True)
    ]
    found = loaded(fmt, lines)
    files = [[frame["file"].rpartition("/")[2] for frame in frames] for frames in found["frames"]]
    assert files == [["views.py"], ["base.py"], ["tasks.py"], ["base.py"]]
    assert [list(columns) for columns in found["key_columns"]] == [["job_id"]] * 2 + [["task_id"]] * 2
    assert found["record_id"].nunique() == 2 and not found["doubtful"].any()


def test_two_traces_in_one_another_that_nothing_tells_apart_are_doubtful(loaded):
    lines = [WRAPPERS["docker_json"](line) for both in zip(TRACE, OTHER, strict=True) for line in both]
    found = loaded("docker_json", lines)
    assert found["doubtful"].all() and len(found) > 0


def test_an_access_line_inside_a_folded_trace_does_not_cut_it(loaded):
    lines = [HEAD, *TRACE[:3], ACCESS, *TRACE[3:], "2026-11-24 09:14:31,101 INFO jobs: done"]
    found = loaded("gunicorn_access_ms + python_logging", lines)
    assert told(found) == [("UniqueViolation", 1, 6), ("IntegrityError", 1, 6)]


def test_an_access_line_that_no_format_knows_is_no_part_of_the_trace_around_it(loaded):
    uvicorn = 'INFO:     127.0.0.1:53132 - "GET / HTTP/1.1" 200 OK'
    combined = '203.0.113.7 - ana [24/Nov/2026:09:14:30 +0000] "GET / HTTP/1.1" 200 33 "-" "curl/8.5.0"'
    lines = [HEAD, TRACE[0], uvicorn, *TRACE[1:3], combined, *TRACE[3:]]
    found = loaded("python_logging", lines)
    assert told(found) == [("UniqueViolation", 1, 1), ("IntegrityError", 1, 1)]
    assert found["frames"].map(len).tolist() == [1, 1]


def test_whole_folded_traces_one_after_another_stay_as_they_are(loaded):
    found = loaded("python_logging", [HEAD, *TRACE, HEAD, *OTHER])
    assert told(found) == [
        ("UniqueViolation", 1, 1),
        ("IntegrityError", 1, 1),
        ("UniqueViolation", 16, 16),
        ("IntegrityError", 16, 16),
    ]


JAVA = """\
java.lang.IllegalStateException: outer
\tat com.acme.jobs.JobController.complete(JobController.java:142)
\tat java.base/java.lang.Thread.run(Thread.java:1583)
Caused by: java.io.IOException: inner
\tat com.acme.jobs.Pool.flush(Pool.java:5)
\t... 1 more""".splitlines()
NODE = """\
TypeError: x is undefined
    at complete (/app/dist/jobs.js:142:11) {
  [cause]: Error: inner
      at save (/app/dist/job.js:3:4)
}""".splitlines()
GO = """\
panic: runtime error: index out of range [5] with length 3

goroutine 1 [running]:
main.complete(0x1)
\t/app/main.go:142 +0x1d
created by main.main in goroutine 1
\t/app/main.go:3 +0x1""".splitlines()
RUBY = """\
/app/job.rb:3:in `complete': gone (Lost)
\tfrom /app/job.rb:9:in `block in run'
\tfrom /app/job.rb:1:in `<main>'""".splitlines()


@pytest.mark.parametrize(
    ("trace", "types"),
    [
        (JAVA, ["java.io.IOException", "java.lang.IllegalStateException"]),
        (NODE, ["Error", "TypeError"]),
        (GO, ["runtime error"]),
        (RUBY, ["Lost"]),
    ],
)
@pytest.mark.parametrize("wrapper", ["docker_json", "kubernetes_cri", "syslog_iso"])
def test_other_languages_traces_of_a_record_a_line_are_put_together_too(loaded, wrapper, trace, types):
    lines = ["plain output", *trace, "more plain output", "and more"]
    found = loaded(wrapper, [WRAPPERS[wrapper](line) for line in lines])
    assert found["type"].tolist() == types
    assert found["record_id"].nunique() == 1
    assert (found["line_no"].iloc[0], found["last_line"].iloc[0]) == (2, 1 + len(trace))


@pytest.mark.parametrize(
    "lines",
    [
        ["  indented", "  at noon", "the end"],
        ["Traceback (most recent call last):", "nothing came of it"],
        ["Error: x", "y"],
        [" ", " ", " "],
        ["the trains:", "   at platform 9 (Central)", "   at platform 3"],
    ],
)
def test_records_that_only_look_like_pieces_of_a_trace_give_none(loaded, lines):
    assert loaded("docker_json", [WRAPPERS["docker_json"](line) for line in lines]).empty


def logged(number, message, process=None, text=None):
    return Line(number, 1, process, None, None, None, None, None, message, text)


def test_a_print_behind_a_trace_is_no_part_of_its_message():
    lines = [logged(number, line) for number, line in enumerate([*TRACE[:4], "saved the rest", "all good"])]
    (one,) = stitched([lines])
    assert one.exceptions[0].message == 'duplicate key value violates unique constraint "u"'
    assert one.record_ids == (0, 1, 2, 3)


def test_a_group_of_a_record_a_line_keeps_its_members():
    text = textwrap.dedent("""\
          + Exception Group Traceback (most recent call last):
          |   File "/app/tb.py", line 6, in group
          | ExceptionGroup: many (2 sub-exceptions)
          +-+---------------- 1 ----------------
            | ValueError: a
            +---------------- 2 ----------------
            | KeyError: 'x'
            +------------------------------------""")
    lines = [f"  {line}" for line in text.splitlines()]
    (one,) = stitched([[logged(number, line) for number, line in enumerate(lines)]])
    assert [each.type for each in one.exceptions] == ["ExceptionGroup", "ValueError", "KeyError"]


PIECES = (*TRACE, *JAVA, *NODE, *GO, *RUBY, "", "x", "  | ", '  File "', "\tat ")


@given(
    st.lists(
        st.tuples(
            st.sampled_from(PIECES) | st.text(max_size=4), st.sampled_from([None, "1", "2"]), st.booleans()
        ),
        max_size=40,
    )
)
def test_no_order_of_lines_raises_and_no_record_is_told_of_twice_for_one_process(given_lines):
    lines = [
        logged(number, message, process, f"{message}\n{message}" if folded else None)
        for number, (message, process, folded) in enumerate(given_lines)
    ]
    found = list(stitched([lines]))
    for one in found:
        assert one.record_ids == tuple(sorted(set(one.record_ids)))
        if not any(folded for _, _, folded in given_lines):
            assert len({lines[number].process for number in one.record_ids}) == 1
