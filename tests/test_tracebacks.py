import time

import pytest

from analysis.evidence.tracebacks import exceptions, explain_fingerprint, in_app

PUBLISHED = """\
2026-03-11T15:47:23Z ERROR django.request Internal Server Error: /api/jobs/complete
Traceback (most recent call last):
  File "/app/jobs/views.py", line 142, in complete_job
    job.status = "completed"
    job.completed_at = timezone.now()
    job.save()
  File "/app/venv/lib/python3.12/django/db/models/base.py", line 822, in save
    self._perform_update(...)
django.db.utils.IntegrityError: duplicate key value violates unique constraint "jobs_job_completion_unique"
DETAIL: Key (job_id, status)=(4521, completed) already exists.
"""

HEADER = "Traceback (most recent call last):\n"
HANDLING = "\nDuring handling of the above exception, another exception occurred:\n\n"
CAUSE = "\nThe above exception was the direct cause of the following exception:\n\n"


def traceback(exception: str, *places: str) -> str:
    frames = "".join(
        f'  File "{place}", line 7, in handler\n    call()\n' for place in places or ("/app/a.py",)
    )
    return f"Traceback (most recent call last):\n{frames}{exception}\n"


def test_the_published_incident_gives_its_frame_with_three_lines_its_constraint_and_its_key():
    (one,) = exceptions(PUBLISHED)
    assert one.type == "django.db.utils.IntegrityError"
    assert one.message.endswith("already exists.")
    assert (one.sqlstate, one.constraint_name) == ("23505", "jobs_job_completion_unique")
    assert (one.key_columns, one.key_values) == (("job_id", "status"), ("4521", "completed"))
    first, second = one.frames
    assert (first.file, first.line, first.function, first.in_app) == (
        "/app/jobs/views.py",
        142,
        "complete_job",
        True,
    )
    assert first.code == 'job.status = "completed"\njob.completed_at = timezone.now()\njob.save()'
    assert (second.function, second.in_app) == ("save", False)


@pytest.mark.parametrize("marker", [HANDLING, CAUSE])
def test_a_chain_stands_in_printed_order_root_cause_first(marker):
    text = (
        traceback("KeyError: 'a'") + marker + traceback("app.errors.Missing: a") + marker + traceback("Last")
    )
    assert [one.type for one in exceptions(text)] == ["KeyError", "app.errors.Missing", "Last"]
    assert [one.message for one in exceptions(text)] == ["'a'", "a", ""]


def test_a_marker_quoted_inside_a_message_line_chains_nothing():
    quoted = "ValueError: log said: During handling of the above exception, another exception occurred:"
    (one,) = exceptions(traceback(quoted))
    assert one.message.startswith("log said")


def test_a_header_quoted_inside_a_message_starts_no_traceback():
    (one,) = exceptions(traceback('ValueError: upstream said: "Traceback (most recent call last):'))
    assert one.type == "ValueError"


def test_caret_lines_are_no_source():
    text = (
        "Traceback (most recent call last):\n"
        '  File "/app/a.py", line 4, in divide\n    return a / b\n           ~~^~~\n'
        "ZeroDivisionError: division by zero\n"
    )
    (one,) = exceptions(text)
    assert one.frames[0].code == "return a / b"
    assert one.sqlstate is None


def test_frames_without_source_lines_keep_their_order():
    text = (
        "Traceback (most recent call last):\n"
        '  File "<frozen importlib._bootstrap>", line 1, in f\n  File "/app/b.py", line 2, in g\nOSError\n'
    )
    (one,) = exceptions(text)
    assert [(frame.function, frame.code) for frame in one.frames] == [("f", ""), ("g", "")]


def test_a_repeat_count_is_neither_source_nor_frame_and_no_depth_changes_the_fingerprint():
    frame = '  File "/app/r.py", line 13, in walk\n    walk(n)\n'
    shallow = f"Traceback (most recent call last):\n{frame}RecursionError: maximum depth\n"
    repeated = "  [Previous line repeated 970 more times]\n"
    deep = f"Traceback (most recent call last):\n{frame * 3}{repeated}RecursionError: maximum depth\n"
    (one,), (other,) = exceptions(shallow), exceptions(deep)
    assert [frame.code for frame in other.frames] == ["walk(n)"] * 3
    assert one.fingerprint == other.fingerprint


def test_a_message_of_several_lines_is_kept_whole():
    (one,) = exceptions(traceback("loc.<locals>.LocalError: multi\n\nline: x\n  indented") + "\n")
    assert (one.type, one.message) == ("loc.<locals>.LocalError", "multi\n\nline: x\n  indented")


def test_a_syntax_error_keeps_the_place_it_is_about():
    text = traceback("x", "/app/load.py").removesuffix("x\n") + (
        '  File "rules.py", line 1\n    x = = 1\n        ^\nSyntaxError: invalid syntax\n'
    )
    (one,) = exceptions(text)
    assert one.type == "SyntaxError"
    assert (one.frames[-1].file, one.frames[-1].function, one.frames[-1].code) == ("rules.py", "", "x = = 1")


def test_members_of_an_exception_group_stand_behind_the_chain_and_name_their_group():
    text = (
        traceback("ZeroDivisionError: division by zero")
        + HANDLING
        + "  + Exception Group Traceback (most recent call last):\n"
        '  |   File "/app/tb.py", line 6, in group\n'
        "  |     raise ExceptionGroup(...)\n"
        "  | ExceptionGroup: many (2 sub-exceptions)\n"
        "  +-+---------------- 1 ----------------\n"
        "    | Traceback (most recent call last):\n"
        '    |   File "/app/tb.py", line 9, in member\n'
        "    | ValueError: a\n"
        "    +---------------- 2 ----------------\n"
        "    | KeyError: 'x'\n"
        "    +------------------------------------\n" + CAUSE + traceback("RuntimeError: after group")
    )
    found = exceptions(text)
    assert [(one.type, one.member_of) for one in found] == [
        ("ZeroDivisionError", None),
        ("ExceptionGroup", None),
        ("RuntimeError", None),
        ("ValueError", 1),
        ("KeyError", 1),
    ]
    assert found[1].message == "many (2 sub-exceptions)"
    assert [frame.function for one in found[1:4] for frame in one.frames] == ["group", "handler", "member"]


def test_the_remote_traceback_of_a_process_pool_ends_at_its_quotes():
    text = (
        'concurrent.futures.process._RemoteTraceback: \n"""\n' + traceback("ValueError: x") + '"""\n' + CAUSE
    ) + traceback("ValueError: x")
    assert [one.message for one in exceptions(text)] == ["x", "x"]


@pytest.mark.parametrize(
    ("cut", "code"),
    [
        ('  File "/app/jobs/views.py", li', "go()"),
        ("    job.sa", "go()\njob.sa"),
        ("", "go()"),
        ("\x1b[31mgarbage", "go()"),
    ],
)
def test_a_traceback_cut_short_keeps_its_frames_and_names_no_type(cut, code):
    text = HEADER + '  File "/app/a.py", line 1, in f\n    go()\n' + cut
    (one,) = exceptions(text)
    assert (one.type, [frame.code for frame in one.frames]) == (None, [code])


def test_a_header_with_nothing_below_is_no_exception():
    assert exceptions("ERROR boom Traceback (most recent call last):\n") == []


def test_crlf_and_a_header_behind_log_text_are_read_alike():
    text = traceback("KeyError: 'a'")
    (one,) = exceptions("2026-03-11 ERROR x " + text.replace("\n", "\r\n"))
    assert one == exceptions(text)[0]


def test_an_indented_traceback_loses_its_margin():
    text = "".join(f"    {line}\n" for line in traceback("KeyError: 'a'").splitlines())
    assert exceptions("ERROR x\n" + text) == exceptions(traceback("KeyError: 'a'"))


def test_an_exception_named_without_a_traceback_counts_where_a_database_error_stands_behind_it():
    message = 'duplicate key value violates unique constraint "u"'
    (one,) = exceptions(
        f"ERROR jobs psycopg.errors.UniqueViolation: {message}\nDETAIL:  Key (id)=(1) already exists."
    )
    assert (one.type, one.sqlstate, one.key_values) == ("psycopg.errors.UniqueViolation", "23505", ("1",))
    assert one.frames == ()


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-11 INFO jobs ValueError: bad input",
        'ERROR:  duplicate key value violates unique constraint "u"',  # the server's own log line
        'INFO note: duplicate key value violates unique constraint "u"',
        "INFO all is well",
        "",
    ],
)
def test_a_line_that_names_no_exception_with_a_database_error_is_none(text):
    assert exceptions(text) == []


def test_a_class_tells_the_sqlstate_where_the_server_speaks_another_language():
    message = "doppelter Schlüsselwert verletzt Unique-Constraint »u«"
    (one,) = exceptions(traceback(f"psycopg.errors.UniqueViolation: {message}"))
    assert (one.sqlstate, one.constraint_name) == ("23505", None)


@pytest.mark.parametrize(
    ("file", "own"),
    [
        ("/app/jobs/views.py", True),
        ("C:\\site\\jobs\\views.py", True),
        ("/srv/library/python_tools/a.py", True),
        ("/srv/venvoy/a.py", True),
        ("/app/vendor/views.py", True),
        ("/app/vendor/github.com/lib/pq/conn.go", False),
        ("/app/venv/lib/python3.12/django/db/models/base.py", False),
        ("/usr/lib/python3/dist-packages/x.py", False),
        ("/opt/app/.venv/x.py", False),
        ("C:\\Python312\\Lib\\json\\decoder.py", False),
        ("<frozen importlib._bootstrap>", False),
    ],
)
def test_libraries_are_not_in_the_application(file, own):
    assert in_app(file) is own


def test_the_fingerprint_ignores_line_numbers_leading_folders_messages_and_library_frames():
    one = exceptions(PUBLISHED)[0]
    moved = (
        PUBLISHED.replace("142", "150").replace("/app/jobs", "/srv/releases/7/jobs").replace("4521", "9")
    ).replace("line 822, in save", "line 900, in save_base")
    assert exceptions(moved)[0].fingerprint == one.fingerprint
    assert len(one.fingerprint) == 16
    assert explain_fingerprint(one) == ("django.db.utils.IntegrityError", "complete_job in jobs/views.py")


@pytest.mark.parametrize(
    "other",
    [
        PUBLISHED.replace("complete_job", "cancel_job"),
        PUBLISHED.replace("jobs/views.py", "jobs/api.py"),
        PUBLISHED.replace("utils.IntegrityError", "utils.OperationalError"),
    ],
)
def test_the_fingerprint_tells_another_function_file_or_type_apart(other):
    assert exceptions(other)[0].fingerprint != exceptions(PUBLISHED)[0].fingerprint


def test_with_no_frame_in_the_application_all_frames_count():
    one, other = (
        exceptions(traceback("KeyError: 1", f"/usr/lib/python3.12/{name}.py"))[0] for name in ("json", "http")
    )
    assert one.fingerprint != other.fingerprint


@pytest.mark.parametrize(
    "pump",
    [
        "\n",
        "a.",
        '  File "',
        HEADER,
        HEADER + '  File "x", line 1, in f\n',
        HEADER + "A\n" + HANDLING,
        "  + Exception Group " + HEADER,
        ": d",
        "Key (",
        'E: duplicate key value violates unique constraint "',
        "A: " + "ERROR: " * 30 + 'b) duplicate key value violates unique constraint "u"\n',
    ],
)
@pytest.mark.parametrize("start", ["", HEADER + '  File "a", line 1, in f\n', HEADER + "E: "])
def test_a_hostile_megabyte_takes_a_fifth_of_a_second(start, pump):
    text = start + pump * (1_000_000 // len(pump))
    spent = []
    for _ in range(3):  # the least of three: other processes share the machine
        begun = time.process_time()
        exceptions(text)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.2
