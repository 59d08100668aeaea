"""Coloured stack traces are read as uncoloured ones; the colours of a message stay in it."""

import json
import time

import pytest

import analysis
from analysis.evidence.colours import COLOUR, uncoloured
from analysis.evidence.tracebacks import exceptions

# Written by Python 3.13 with FORCE_COLOR=1; the message has a colour of its own.
PYTHON = """\
Traceback (most recent call last):
  File \x1b[35m"/app/views.py"\x1b[0m, line \x1b[35m8\x1b[0m, in \x1b[35mcomplete\x1b[0m
    return save(job) + \x1b[31msave\x1b[0m\x1b[1;31m(job + 1)\x1b[0m
                       \x1b[31m~~~~\x1b[0m\x1b[1;31m^^^^^^^^^\x1b[0m
  File \x1b[35m"/app/views.py"\x1b[0m, line \x1b[35m4\x1b[0m, in \x1b[35msave\x1b[0m
    raise KeyError("job 4")
\x1b[1;35mKeyError\x1b[0m: \x1b[35m'job 4'\x1b[0m

The above exception was the direct cause of the following exception:

Traceback (most recent call last):
  File \x1b[35m"/app/views.py"\x1b[0m, line \x1b[35m10\x1b[0m, in \x1b[35mcomplete\x1b[0m
    raise error
\x1b[1;35mValueError\x1b[0m: \x1b[35mduplicate key value violates unique constraint "u"
DETAIL:  Key (a)=(4) \x1b[31mexists\x1b[0m.\x1b[0m
"""
# Written by better_exceptions 0.3.3, whose names and messages have no colours.
BETTER = """\
Traceback (most recent call last):
  File "/app/views.py", line 4, in save
    \x1b[33;1mraise\x1b[m \x1b[35;1mKeyError\x1b[m("job 4")
KeyError: 'job 4'
"""
# Written by IPython 9.18 in its plain mode, its frames in Python's words, and by pytest 9.2.
IPYTHON = """\
Traceback \x1b[96m(most recent call last)\x1b[39m:
\x1b[96m  \x1b[39m\x1b[96mFile \x1b[39m"\x1b[32m/app/views.py\x1b[39m", line 4, in \x1b[95msave\x1b[39m
\x1b[33m    \x1b[39m\x1b[33mraise KeyError("job 4")\x1b[39m
\x1b[91mKeyError\x1b[39m\x1b[91m:\x1b[39m 'job 4'
"""
PYTEST = """\
>           \x1b[94mraise\x1b[39;49;00m \x1b[96mValueError\x1b[39;49;00m(\x1b[33m"\x1b[39;49;00m\x1b[90m\x1b[39;49;00m
\x1b[1m\x1b[31mE           IntegrityError: duplicate key value violates unique constraint "u"\x1b[0m
\x1b[1m\x1b[31mE           DETAIL:  Key (a)=(4) \x1b[31mexists\x1b[0m.\x1b[0m
"""
# The lines below the box that Rich 15 draws: it paints words of the message.
RICH = """\
\x1b[1;91mIntegrityError: \x1b[0mduplicate key value violates unique constraint \x1b[32m"u"\x1b[0m
DETAIL:  Key \x1b[1m(\x1b[0ma\x1b[1m)\x1b[0m=\x1b[1m(\x1b[0m\x1b[1;36m4\x1b[0m\x1b[1m)\x1b[0m already exists.
"""
RED = """\
\x1b[31m2026-03-11 15:47:23 ERROR jobs failed
Traceback (most recent call last):
  File "/app/views.py", line 4, in save
    raise KeyError("job 4")
KeyError: 'job 4'\x1b[0m
"""
EACH = "".join(f"\x1b[31m{line}\x1b[0m\n" for line in RED.removeprefix("\x1b[31m").splitlines())
JAVA = """\
\x1b[31mjava.lang.IllegalStateException: job \x1b[32m4\x1b[0m is done\x1b[0m
\x1b[90m\tat com.example.Jobs.save(Jobs.java:4)\x1b[0m
\tat \x1b[90mcom.example.Jobs.complete\x1b[0m(Jobs.java:8)
"""
SETS = [PYTHON, BETTER, IPYTHON, PYTEST, RICH, RED, EACH, JAVA]


def told(text):
    return [(one.type, one.constraint_name, one.frames, one.fingerprint) for one in exceptions(text)]


@pytest.mark.parametrize("text", SETS)
def test_a_coloured_trace_is_read_as_an_uncoloured_one(text):
    assert told(text) == told(COLOUR.sub("", text)) != []


@pytest.mark.parametrize("text", SETS)
def test_in_a_json_string_too(text):
    message = json.dumps(text)[1:-1]
    assert told(f"ERROR failed: {message}") == told(f"ERROR failed: {COLOUR.sub('', message)}")


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            PYTHON,
            [
                "'job 4'",
                'duplicate key value violates unique constraint "u"\nDETAIL:  Key (a)=(4) \x1b[31mexists\x1b[0m.',
            ],
        ),
        (BETTER, ["'job 4'"]),
        (IPYTHON, ["'job 4'"]),
        (
            PYTEST,
            [
                'duplicate key value violates unique constraint "u"\n'
                "E           DETAIL:  Key (a)=(4) \x1b[31mexists\x1b[0m."
            ],
        ),
        (RICH, ['duplicate key value violates unique constraint "u"\nDETAIL:  Key (a)=(4) already exists.']),
        (RED, ["'job 4'"]),
        (EACH, ["'job 4'"]),
        (JAVA, ["job \x1b[32m4\x1b[0m is done"]),
    ],
)  # fmt: skip
def test_a_message_loses_the_colours_around_it_and_keeps_its_own(text, messages):
    assert [one.message for one in exceptions(text)] == messages


@pytest.mark.parametrize(
    "message",
    [
        "\x1b[31mred\x1b[0m",
        "a \x1b[1m\x1b[31mb\x1b[0m",
        "\x1b[31mnever put down",
        "one\n\x1b[31mtwo\x1b[0m\nthree",
        "\x1b[2Jscreen \x1b]0;title\x07",
    ],
)
def test_the_escapes_of_a_message_in_an_uncoloured_trace_stay(message):
    plain = f'Traceback (most recent call last):\n  File "/app/a.py", line 1, in f\n    go()\nValueError: {message}\n'
    (one,) = exceptions(plain)
    assert one.message == message


def test_a_text_without_escapes_is_the_same_object():
    text = "KeyError: 'x'"
    assert uncoloured(text) is text


@pytest.mark.parametrize("line", ["\x1b[31mKeyboardInterrupt\x1b[0m", "\x1b[1;35mKeyboardInterrupt\x1b[0m"])
def test_a_name_without_a_message_is_read_too(line):
    (one,) = exceptions(PYTHON[: PYTHON.index("\x1b[1;35mKeyError")] + line + "\n")
    assert (one.type, one.frames[-1].code) == ("KeyboardInterrupt", 'raise KeyError("job 4")')


@pytest.fixture
def case(tmp_path):
    def opened(text):
        (tmp_path / "app.log").write_text(text)
        return analysis.open_case(str(tmp_path))

    return opened


def test_the_records_keep_their_bytes(case):
    head = "2026-03-11 15:47:23,101 ERROR django.request: Internal Server Error: /jobs\n"
    found = case((head + PYTHON) * 2)
    assert found.sql("SELECT text FROM records")["text"].tolist() == [(head + PYTHON).rstrip("\n")] * 2
    assert found.sql("SELECT type FROM exceptions WHERE is_last")["type"].tolist() == ["ValueError"] * 2


def test_coloured_lines_that_were_logged_one_by_one_are_put_together(case):
    lines = [
        json.dumps({"log": line + "\n", "stream": "stderr", "time": f"2026-03-11T15:47:23.{at:09}Z"})
        for at, line in enumerate(PYTHON.splitlines())
    ]
    found = case("\n".join(lines) + "\n")
    rows = found.sql("SELECT type, constraint_name, len(frames) AS n FROM exceptions ORDER BY position")
    assert rows.astype(object).where(rows.notna(), None).values.tolist() == [
        ["KeyError", None, 2],
        ["ValueError", "u", 1],
    ]


@pytest.mark.parametrize(
    "pump", ["\x1b[31m", "\x1b[0m", "\x1b[", "A: \x1b[0m", "\x1b[31mA\x1b[0m: x\n", "0;", " \x1b[m"]
)
@pytest.mark.parametrize("start", ["", "\x1b[31mA: ", "\x1b["])
def test_a_hostile_megabyte_of_colours_takes_linear_time(start, pump):
    text = start + pump * (1_000_000 // len(pump))
    spent = []
    for _ in range(3):
        begun = time.process_time()
        uncoloured(text)
        spent.append(time.process_time() - begun)
    assert min(spent) < 0.7
