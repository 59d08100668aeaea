"""What Python really printed, read back: exceptions raised by the running interpreter, against its own objects."""

import traceback
from dataclasses import dataclass

import pytest
import tblib
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.evidence.tracebacks import exceptions


class LostJob(Exception):
    pass


TYPES = (ValueError, KeyError, LostJob, OSError)
WORDS = st.lists(st.text("abcXYZ 019.,:;()-_é", max_size=12), min_size=1, max_size=3).map("\n".join)


@dataclass
class Plan:
    """An exception to raise: handled while or because of another one, or a group of others; or never raised."""

    type: type[Exception]
    message: str
    how: str = "alone"  # alone | from | while
    other: "Plan | None" = None
    members: tuple["Plan", ...] = ()
    thrown: bool = True


LEAF = st.builds(Plan, st.sampled_from(TYPES), WORDS)
UNTHROWN = st.builds(Plan, st.sampled_from(TYPES), st.text("abc ", max_size=9), thrown=st.just(False))
MEMBERS = lambda inner: st.lists(inner, min_size=1, max_size=15).map(tuple)  # noqa: E731 - Python prints 15
PLANS = st.recursive(
    LEAF,
    lambda inner: st.builds(Plan, st.sampled_from(TYPES), WORDS, st.just("from"), inner | UNTHROWN)
    | st.builds(Plan, st.sampled_from(TYPES), WORDS, st.just("while"), inner)
    | st.builds(Plan, st.just(ValueError), WORDS, members=MEMBERS(inner | UNTHROWN)),
    max_leaves=8,
)  # fmt: skip


def made(plan: Plan) -> Exception:
    if plan.members:
        return ExceptionGroup(plan.message, [caught(one) for one in plan.members])
    return plan.type(plan.message)


def caught(plan: Plan) -> Exception:
    if not plan.thrown:
        return made(plan)
    try:
        throw(plan)
    except (*TYPES, ExceptionGroup) as error:
        return error
    raise AssertionError


def throw(plan: Plan) -> None:
    if plan.how == "from":
        raise made(plan) from caught(plan.other)
    if plan.how == "while":
        try:
            throw(plan.other)
        except (*TYPES, ExceptionGroup):
            raise made(plan)  # noqa: B904 - the context is what is tried
    raise made(plan)


def chain(error: BaseException) -> list[BaseException]:
    """The exceptions that are printed for one, root cause first."""
    found = [error]
    while True:
        one = found[0]
        before = one.__cause__ if one.__cause__ is not None or one.__suppress_context__ else one.__context__
        if before is None:
            return found
        found.insert(0, before)


def printed(error: BaseException) -> tuple[list[tuple], list[tuple]]:
    """The chain, and every member of its groups: type, message, frames."""
    own, members = [], []
    for one in chain(error):
        own.append(described(one))
        for member in getattr(one, "exceptions", ()):
            of_member = printed(member)
            members += [*of_member[0], *of_member[1]]
    return own, members


def described(error: BaseException) -> tuple:
    frames = [(one.filename, one.lineno, one.name) for one in traceback.extract_tb(error.__traceback__)]
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
    lines = str(error).split("\n")
    return name, "\n".join(line.rstrip() for line in lines).rstrip(), frames


def as_described(one) -> tuple:
    return one.type, one.message, [(frame.file, frame.line, frame.function) for frame in one.frames]


@settings(max_examples=300, deadline=None)
@given(PLANS, st.sampled_from(["", "2026-03-11 15:47:23,101 ERROR jobs it broke\n"]))
def test_what_python_prints_is_read_back_whole(plan, head):
    error = caught(plan)
    found = exceptions(head + "".join(traceback.format_exception(error)))
    own, members = printed(error)
    assert [as_described(one) for one in found if one.member_of is None] == own
    assert sorted(map(str, (as_described(one) for one in found if one.member_of is not None))) == sorted(
        map(str, members)
    )
    assert not any(one.doubtful for one in found)


@settings(max_examples=100, deadline=None)
@given(LEAF | st.builds(Plan, st.sampled_from(TYPES), WORDS, st.just("while"), LEAF))
def test_the_frames_of_the_first_traceback_are_those_that_tblib_reads(plan):
    text = "".join(traceback.format_exception(caught(plan)))
    read = tblib.Traceback.from_string(text).as_dict()
    theirs = []
    while read:
        theirs.append(
            (
                read["tb_frame"]["f_code"]["co_filename"],
                read["tb_lineno"],
                read["tb_frame"]["f_code"]["co_name"],
            )
        )
        read = read["tb_next"]
    assert [(one.file, one.line, one.function) for one in exceptions(text)[0].frames] == theirs


@pytest.fixture
def nested():
    """A group in a group, the inner one's member with a cause."""
    plan = Plan(KeyError, "c", "from", Plan(ValueError, "b"))
    inner = Plan(ValueError, "inner", members=(plan, Plan(OSError, "d", thrown=False)))
    return "".join(
        traceback.format_exception(caught(Plan(ValueError, "outer", members=(inner, Plan(LostJob, "e")))))
    )


def test_a_member_names_its_own_group(nested):
    found = exceptions(nested)
    assert [(one.message, one.member_of) for one in found] == [
        ("outer (2 sub-exceptions)", None),
        ("inner (2 sub-exceptions)", 0),
        ("b", 1),
        ("'c'", 1),
        ("d", 1),
        ("e", 0),
    ]


def test_members_that_python_only_counts_are_no_exceptions():
    members = tuple(Plan(ValueError, str(number), thrown=False) for number in range(17))
    text = "".join(traceback.format_exception(caught(Plan(ValueError, "many", members=members))))
    assert "and 2 more exceptions" in text
    assert [one.message for one in exceptions(text)] == ["many (17 sub-exceptions)", *map(str, range(15))]


def deep(levels: int) -> str:
    """A group in a group, and so on: what only a forger writes, since Python stops at ten."""
    lines = [
        "  + Exception Group Traceback (most recent call last):",
        '  |   File "a.py", line 1, in f',
        "  | G: 0",
    ]
    for level in range(levels):
        lines += [
            "  " * (level + 1) + "+-+---------------- 1 ----------------",
            "  " * (level + 2) + f"| G: {level}",
        ]
    return "\n".join(lines)


def test_groups_nested_a_thousand_deep_raise_no_recursion_error():
    assert len(exceptions(deep(300))) > 100


@pytest.mark.parametrize("prefix", ["web-1  | ", "[41] stderr: "])
def test_a_prefix_on_every_line_is_taken_off(prefix, nested):
    prefixed = "".join(f"{prefix}{line}\n" for line in nested.splitlines())
    assert exceptions(prefixed) == exceptions(nested)


def test_a_stamp_in_the_prefix_may_go_on_and_another_process_s_line_is_left_out():
    lines = [
        "Traceback (most recent call last):",
        '  File "/app/a.py", line 3, in f',
        "    go()",
        "KeyError: 1",
    ]
    stamped = [f"Mar 11 15:47:2{number} web jobs[41]: {line}" for number, line in enumerate(lines)]
    stamped.insert(2, "Mar 11 15:47:22 web jobs[42]: ValueError: somebody else's")
    (one,) = exceptions("\n".join(stamped))
    assert (one.type, one.frames[0].code) == ("KeyError", "go()")


def test_a_log_line_before_the_header_is_no_prefix_of_the_lines():
    (one,) = exceptions(
        'ERROR x Traceback (most recent call last):\n  File "a.py", line 1, in f\nKeyError: 1'
    )
    assert one.type == "KeyError"


def test_a_traceback_without_its_indentation_is_read_as_with_it():
    text = "".join(traceback.format_exception(caught(Plan(LostJob, "gone", "while", Plan(KeyError, "x")))))
    stripped = "\n".join(line.strip() for line in text.splitlines())
    assert [as_described(one) for one in exceptions(stripped)] == [
        as_described(one) for one in exceptions(text)
    ]


def test_source_that_looks_like_a_type_is_no_exception_where_a_better_one_follows():
    text = 'Traceback (most recent call last):\nFile "a.py", line 1, in f\nanswer: int = 4\nValueError: 4\n'
    (one,) = exceptions(text)
    assert (one.type, one.frames[0].code) == ("ValueError", "answer: int = 4")


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_traceback_inside_json_is_read_however_often_it_was_quoted(times):
    import json

    text = "".join(
        traceback.format_exception(caught(Plan(ValueError, 'a "b" \\ c', "while", Plan(KeyError, "é"))))
    )
    line = text
    for _ in range(times):
        line = json.dumps({"level": "ERROR", "exc_info": line, "path": "/x"})
    assert exceptions(line) == exceptions(text)


def test_a_traceback_in_a_python_literal_is_read():
    text = "".join(traceback.format_exception(caught(Plan(ValueError, "a"))))
    assert exceptions(f"ERROR task failed: {text!r} (will retry)") == exceptions(text)


def test_carets_between_the_lines_of_one_statement_are_no_source():  # the form of 3.13
    text = (
        'Traceback (most recent call last):\n  File "a.py", line 3, in f\n'
        "    return total(\n           ~~~~~^\n        a,\n        ^^\n    )\n    ^\nTypeError: a\n"
    )
    assert exceptions(text)[0].frames[0].code == "return total(\n    a,\n)"


def test_a_traceback_that_another_one_breaks_into_is_doubtful():
    first = 'Traceback (most recent call last):\n  File "a.py", line 3, in f\n'
    found = exceptions(first + first.replace("a.py", "b.py") + "KeyError: 1\nValueError: 2\n")
    assert [one.doubtful for one in found] == [True, True]
    assert [frame.file for frame in found[0].frames] == ["a.py"]


HOSTILE = (
    *("  + Exception Group Traceback (most recent call last):\n", "  +-+--- 1 ---\n", "    +--- 2 ---\n", "    +---\n"),
    *("  | ", "Traceback (most recent call last):\n", '  File "a", line 1, in f\n', 'File "a", line 1\n', "    x\n"),
    *("E: m\n", "\nDuring handling of the above exception, another exception occurred:\n", "\\n", '"', "web | ", "\\"),
)  # fmt: skip


@given(st.lists(st.sampled_from(HOSTILE) | st.text(max_size=4), max_size=30).map("".join))
def test_no_text_raises(text):
    exceptions(text)
