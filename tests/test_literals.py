"""Values and text from elsewhere, as Python source that they cannot leave."""

import ast
import keyword
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.replay.literals import identifier, in_docstring, literal

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner) | st.tuples(inner, inner)
    ),
    max_leaves=20,
)


def formatted(source):
    """What ruff makes of it with 88 columns."""
    command = [sys.executable, "-m", "ruff", "format", "--isolated", "--line-length=88", "-"]
    return subprocess.run(command, input=source, capture_output=True, text=True, check=True).stdout


@given(VALUES)
def test_a_literal_says_what_the_value_was(value):
    source = literal(value)
    finite = "float(" not in source
    assert not finite or ast.literal_eval(source) == value
    assert source.isprintable() or "\n" in source


@pytest.mark.parametrize("value", [float("inf"), float("-inf")])
def test_a_float_that_has_no_literal_is_still_itself(value):
    assert eval(literal([value])) == [value]


def test_an_unknown_type_becomes_its_text():
    assert literal({"at": ast.Pass}) == '{"at": "<class \'ast.Pass\'>"}'.replace(
        "\"<class 'ast.Pass'>\"", repr(str(ast.Pass))
    )


LAID_OUT = [
    {},
    [],
    (),
    ("a",),
    "it's",
    'say "x"',
    """both ' and " """,
    {"method": "POST", "path": "/api/jobs/complete", "user": "ada_l", "entity": "4521", "n": 1},
    [
        ("A", "SELECT jobs_job", "jobs/views.py:99"),
        ("B", "SELECT jobs_job FOR UPDATE " * 3, "jobs/views.py:99"),
    ],
    {"fields": {"a" * 30: ["b" * 30, "c" * 30], "d": {"e": ["f" * 40] * 3}}, "none": [None, True, b"\x00"]},
    {"a": [1], "b" * 79: [1, 2, 3]},
]


@pytest.mark.parametrize("value", LAID_OUT)
def test_a_literal_is_laid_out_as_ruff_would(value):
    source = f"VALUE = {literal(value, len('VALUE = '), 0)}\n"
    assert source == formatted(source)


@given(st.text())
def test_text_stays_in_its_docstring(text):
    tree = ast.parse(f'"""Seen:\n{in_docstring(text)}\n"""\n')
    assert [type(node) for node in ast.walk(tree)] == [ast.Module, ast.Expr, ast.Constant]


@given(st.text())
def test_any_name_becomes_an_identifier(name):
    word = identifier(name)
    assert word.isidentifier() and word.isascii() and not keyword.iskeyword(word) and word == word.lower()


def test_a_name_keeps_its_words():
    assert identifier("jobs.views.complete_job") == "complete_job"
    assert identifier("ReviewSerializer.create") == "create"
    assert identifier("shop.CheckoutView") == "checkout_view"
    assert identifier("x.class") == "view_class"
    assert identifier("2fa") == "view_2fa"
