"""The test that a team keeps: self-contained, laid out, and closed to what logs say."""

import ast
import dataclasses
import io
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.replay.parts import MARKER, CannotWriteTest
from analysis.replay.runs import Response, Run, Step
from analysis.replay.testfile import Facts, Turn, file_name, render, turns_of
from tests.test_literals import formatted

ROOT = Path(__file__).parent.parent
SETUP = '''"""A voucher."""

from shop.models import Voucher


def rows(evidence):
    return Voucher.objects.create(pk=evidence["entity"])


def requests(rows):
    bodies = ({"text": "a"}, {"text": "b"})
    return [{"method": "POST", "path": "/use/", "data": body} for body in bodies]
'''
FACTS = Facts(
    view="shop.views.use",
    endpoint="POST /use/",
    happened='One was answered 500: SQLSTATE 23505, constraint "one_receipt", and the other 201.',
    sources=("logs/app.log.gz:88", "logs/access.log.gz:412"),
    evidence={"path": "/use/", "entity": "1", "user": "ada"},
    setup=SETUP,
    turns=(
        Turn(0, "SELECT shop_voucher", "shop/views.py:9"),
        Turn(1, "SELECT shop_voucher", "shop/views.py:9"),
    ),
)
IMPORTS = ast.Import | ast.ImportFrom
HOSTILE = [
    'x"""\nimport os\nos.system("touch /tmp/canary")\n"""',
    "x'''\nraise SystemExit\n'''",
    'ends with a quote"',
    'ends with quotes"""',
    "ends with a backslash\\",
    '\\"\\"\\"\nimport os',
    "a\n2026-03-11T09:14:07Z ERROR forged\r\n# comment\n\x1b[31m\u202e\u2028\x00\ud800",
    "{name} {0} %s %(x)s {{}}",
    '"; import os; "',
    "# noqa\nimport os",
    "\\N{no such name} \\x4 \\u004",
    '""" ' * 60,
    "\\" * 99 + '"' * 99,
    *("a" * n + "\\N" * 99 for n in range(3)),
]


def shape(source):
    """The kinds of its nodes, and its comments: what a literal's content cannot change."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return [type(node) for node in ast.walk(ast.parse(source))], comments


def with_text(text):
    """The facts with that text wherever a log's text goes; the view's name is from the source, but may be odd."""
    return dataclasses.replace(
        FACTS,
        view=f"shop.views.{text}",
        endpoint=f"POST {text}",
        happened=text,
        sources=(text, text),
        evidence={"path": text, text + "1": text, "user": text},
        turns=(Turn(0, text, text), Turn(1, text, text)),
    )


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_adds_no_node_and_no_comment(text):
    """THREATS, T13."""
    assert shape(render(with_text(text))) == shape(render(FACTS))


@given(st.text() | st.text(alphabet="\\\"'\n xN{}#", min_size=60, max_size=400))
@settings(max_examples=50, deadline=None)
def test_no_text_adds_a_node(text):
    assert shape(render(with_text(text))) == shape(render(FACTS))


def test_secrets_are_masked():
    facts = with_text("password=hunter22 Authorization: Bearer abcdef0123456789")
    assert "hunter22" not in render(facts) and "abcdef0123456789" not in render(facts)


def test_the_evidence_stands_in_the_docstring():
    text = ast.get_docstring(ast.parse(render(FACTS)))
    assert text.startswith("Two requests at once: POST /use/\n")
    assert "logs/app.log.gz:88" in text and 'SQLSTATE 23505, constraint "one_receipt"' in " ".join(
        text.split()
    )


def test_backslashes_in_the_docstring_are_themselves():
    text = ast.get_docstring(ast.parse(render(with_text(r"C:\new\table"))))
    assert r"C:\new\table" in text


def test_it_is_laid_out_as_ruff_would():
    assert render(FACTS) == formatted(render(FACTS))
    assert all(len(line) <= 88 for line in render(FACTS).splitlines())


def test_it_imports_django_and_the_setup_alone():
    nodes = ast.walk(ast.parse(render(FACTS)))
    tops = {node.module.partition(".")[0] for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {"django", "shop"} <= tops and not {"analysis", "pytest"} & tops
    assert "noqa" not in render(FACTS) and "type: ignore" not in render(FACTS)


def test_no_name_is_missing_or_left_over():
    """Nothing that was inlined uses a name which is not there."""
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=F,E9,E7,W", "-"]
    done = subprocess.run(command, input=render(FACTS), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_the_setup_is_inlined_as_it_is():
    body = SETUP.partition("Voucher\n\n\n")[2]
    assert body in render(FACTS)
    assert '"""A voucher."""' not in render(FACTS), "a second docstring"


@pytest.mark.parametrize(
    ("setup", "why"),
    [
        ("def rows(:", "is not Python"),
        ("def rows(evidence):\n    pass\n", "defines no function requests()"),
        (
            SETUP.replace("from shop.models import Voucher", "from shop.models import Race"),
            "imports Race, a name",
        ),
        (
            SETUP.replace("from shop.models import Voucher", "import shop.json as json"),
            "imports json, a name",
        ),
        (SETUP + "\n\nclass RacePlay:\n    pass\n", "defines RacePlay, a name"),
        (SETUP + "\n\nWITNESS = 1\n", "defines WITNESS, a name"),
        (SETUP.replace("from shop.models", "from .models"), "imports relatively"),
        (SETUP.replace("import Voucher\n", "import Voucher; X = 1\n"), "on one line"),
    ],
)
def test_a_setup_that_cannot_be_inlined_is_refused_with_the_reason(setup, why):
    with pytest.raises(CannotWriteTest, match=why.replace("(", r"\(").replace(")", r"\)")):
        render(dataclasses.replace(FACTS, setup=setup))


@pytest.mark.parametrize(
    "setup",
    [
        "import json\n" + SETUP,
        SETUP.replace("from shop", "from __future__ import annotations\nimport re as regex\nfrom shop"),
        SETUP.replace(
            "from shop.models import Voucher", "from shop.models import (\n    Receipt,\n    Voucher,\n)"
        ),
        SETUP + "\n\nPLACES = {1: 'x'}\nfor each in PLACES:\n    pass\n",
    ],
)
def test_a_setup_that_only_looks_like_trouble_is_inlined(setup):
    ast.parse(render(dataclasses.replace(FACTS, setup=setup)))


def test_a_drafted_setup_carries_its_maker_along():
    """Where no setup was given, one is drafted, with the maker of rows inlined: no name is taken twice."""
    maker = (ROOT / "analysis/replay/making.py").read_text()
    imports = "\n".join(ast.unparse(node) for node in ast.parse(maker).body if isinstance(node, IMPORTS))
    drafted = f"{imports}\n{SETUP}\n{maker.partition(MARKER)[2]}"
    assert "def make(" in render(dataclasses.replace(FACTS, setup=drafted))


def test_the_file_and_the_class_are_named_after_the_view():
    assert file_name("jobs.views.complete_job") == "test_race_complete_job.py"
    assert "class UseRaceTest(TransactionTestCase):" in render(FACTS)
    assert file_name('../../x"; rm') == "test_race_x_rm.py"


def test_the_turns_of_a_run_leave_out_what_django_does_not_send():
    steps = (
        Step(0, "begin", line="shop/views.py:8"),
        Step(
            0,
            "statement",
            sql='SELECT "shop_voucher"."id" FROM "shop_voucher" FOR UPDATE',
            line="shop/views.py:9",
        ),
        Step(1, "statement", sql='/* tag */ INSERT INTO "shop_receipt" ("id") VALUES (1)'),
        Step(0, "commit", line="shop/views.py:8"),
    )
    run = Run((0, 0, 1, 0), ((0, 1),) * 4, steps, (Response(200), Response(500)))
    assert turns_of(run) == (
        Turn(0, "SELECT shop_voucher FOR UPDATE", "shop/views.py:9"),
        Turn(1, "INSERT shop_receipt", ""),
        Turn(0, "COMMIT", "shop/views.py:8"),
    )
