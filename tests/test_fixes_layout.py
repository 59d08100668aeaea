"""New code looks like its surroundings: imports, quotes, line length, line ends; and the rest is left alone."""

import ast

import libcst as cst
import pytest
from fixing import Files, code, marked

from analysis.source.fixes.change import module_of, own_packages
from analysis.source.fixes.imports import Import, bind, with_imports
from analysis.source.fixes.layout import Layout, fitted, layout_of

OWN = frozenset({"shop"})


def imported(text, source="django.db", name="transaction", used=()):
    module = cst.parse_module(code(text))
    return with_imports(module, [bind(module, source, name, set(used))], OWN).code


def test_a_name_joins_the_import_of_its_module_in_order():
    assert (
        imported("from django.db import IntegrityError\n")
        == "from django.db import IntegrityError, transaction\n"
    )
    assert (
        imported("from django.db import models, utils\n")
        == "from django.db import models, transaction, utils\n"
    )
    assert imported("from django.db import transaction\n", name="IntegrityError") == (
        "from django.db import IntegrityError, transaction\n"
    )
    assert imported("from django.db import (\n    connection,\n    models,\n)\n") == (
        "from django.db import (\n    connection,\n    models,\n    transaction,\n)\n"
    )


def test_a_new_import_gets_the_place_that_isort_gives_it():
    text = """
        '''A module.'''

        import os
        from functools import wraps

        from django.core import mail
        from django.http import Http404

        from shop import tasks
        from . import forms
    """
    assert imported(text).split("\n\n")[2] == (
        "from django.core import mail\nfrom django.db import transaction\nfrom django.http import Http404"
    )
    assert "import os\nfrom functools import partial, wraps\n" in imported(text, "functools", "partial")
    assert "from shop import tasks\nfrom shop.models import Voucher\nfrom . import" in imported(
        text, "shop.models", "Voucher"
    )


def test_a_new_section_stands_apart():
    assert imported("import os\n\nfrom shop import tasks\n") == (
        "import os\n\nfrom django.db import transaction\n\nfrom shop import tasks\n"
    )
    assert (
        imported("'''A module.'''\n\nx = 1\n")
        == "'''A module.'''\n\nfrom django.db import transaction\n\nx = 1\n"
    )
    assert imported("# a licence\n\nfrom django.http import Http404\n") == (
        "# a licence\n\nfrom django.db import transaction\nfrom django.http import Http404\n"
    )
    assert imported("from __future__ import annotations\n\nimport os\n", "functools", "partial") == (
        "from __future__ import annotations\n\nimport os\nfrom functools import partial\n"
    )


def test_what_is_there_is_not_imported_again():
    for text in ("from django.db import transaction\n", "def f():\n    from django.db import transaction\n"):
        assert imported(text) == text
    module = cst.parse_module("from django.db import transaction as t\n")
    assert bind(module, "django.db", "transaction", set()) == Import("django.db", "transaction", "t")


def test_a_name_that_is_taken_gets_another():
    for text in ("transaction = 1\n", "def transaction():\n    pass\n", "from pay import transaction\n"):
        assert "from django.db import transaction as db_transaction\n" in imported(text)
    assert "as db_transaction" in imported("x = 1\n", used=["transaction"])


def test_the_names_of_modules_follow_the_folders():
    tree = Files(
        {
            each: ""
            for each in (
                "manage.py",
                "shop/__init__.py",
                "shop/models.py",
                "src/app/__init__.py",
                "src/app/m.py",
            )
        }
    )
    assert own_packages(tree) >= {"manage", "shop", "app"}
    assert module_of(tree, "shop/models.py") == "shop.models"
    assert module_of(tree, "src/app/m.py") == "app.m"
    assert module_of(tree, "src/app/__init__.py") == "app"


def test_the_quotes_and_the_length_are_the_file_s():
    assert layout_of("x = 'a'\ny = 'b'\nz = \"it's\"\n").quote == "'"
    assert layout_of("'''A'''\nx = \"a\"\n").quote == '"'
    assert layout_of("x\n").limit == 88
    assert layout_of("x" * 95 + "\n").limit == 100
    assert layout_of("x" * 300 + "\n").limit == 120
    assert layout_of("x" * 95, "[tool.black]\nline-length = 79\n").limit == 79
    assert layout_of("x" * 95, "[flake8]\nmax-line-length=110\n").limit == 110


def test_literals_need_no_escape_they_would_not_need():
    assert Layout('"', 88).literal("a") == '"a"'
    assert Layout("'", 88).literal("a") == "'a'"
    for text in ('"', "'", "\"'", "\n", "\\", "'''", '"""', "\x00", "ü", "\u2028"):
        for quote in "'\"":
            assert ast.literal_eval(Layout(quote, 88).literal(text)) == text


@pytest.mark.parametrize(
    ("line", "lines"),
    [
        (
            "call(aaaaaaaaaa, bbbbbbbbbb, cccccccccc)",
            ["call(", "    aaaaaaaaaa, bbbbbbbbbb, cccccccccc", ")"],
        ),
        (
            "x = call(aaaaaaaaaa, bbbbbbbbbb, cccccccccc, dddddd)",
            ["x = call(", "    aaaaaaaaaa,", "    bbbbbbbbbb,", "    cccccccccc,", "    dddddd,", ")"],
        ),
        (
            "x = Row.objects.filter(code=a, b=3).first()",
            ["x = (", "    Row.objects.filter(code=a, b=3)", "    .first()", ")"],
        ),
        ("x = aaaaaaaaaaaaaaaaaaaa + bbbbbbbbbbbbbbbbbbbbbbbbbbb", None),
        ("# call(aaaaaaaaaa, bbbbbbbbbb, cccccccccc, dddddddddd)", None),
        ('x = """call(aaaaaaaaaa, bbbbbbbbbb, cccccccccc, dddd)"""', None),
    ],
)
def test_long_lines_are_broken_as_black_does(line, lines):
    assert fitted("", f"{line}\n", Layout('"', 39)) == "\n".join(lines or [line]) + "\n"


def test_a_long_line_of_the_author_is_left_alone():
    line = "call(aaaaaaaaaa, bbbbbbbbbb, cccccccccc)\n"
    assert fitted(line, f"if x:\n    {line}", Layout('"', 39)) == f"if x:\n    {line}"


def test_line_ends_and_everything_outside_the_function_stay_as_they_are():
    text = """
        from django.db import transaction
        from shop.models import Voucher

        odd   =  [ 1,2 ,3 ]   # kept
        def other( a,b ) :  return a


        @transaction.atomic
        def redeem(request, code):
            form  =  read( request )
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.status == Voucher.USED:  #T
                return refuse("used")
            voucher.status = Voucher.USED
            voucher.save()  #A

        last   =  {}
    """
    case = marked(text, "redeem", model="Voucher")
    before = case.tree.texts["shop/views.py"].replace("\n", "\r\n")
    case.tree.texts["shop/views.py"] = before
    after = case.fixed("lock_row")
    assert after == before.replace("objects.get", "objects.select_for_update().get")


def test_tabs_stay_tabs():
    text = """
        from shop.models import Voucher


        def redeem(request, code):
            form = read(request)
            voucher = Voucher.objects.get(code=code)  #R
            if voucher.status == Voucher.USED:  #T
                return refuse("used")
            voucher.save()  #A
            return answer(form)
    """
    case = marked(text, "redeem", model="Voucher")
    case.tree.texts["shop/views.py"] = case.tree.texts["shop/views.py"].replace("    ", "\t")
    body = case.fixed("lock_row").split("read(request)\n")[1]
    assert body.split("\n")[0:2] == [
        "\twith transaction.atomic():",
        "\t\tvoucher = Voucher.objects.select_for_update().get(code=code)",
    ]
    assert "    " not in body


def test_what_cannot_be_read_is_said():
    case = marked("def f(:  #R\n    pass  #A\n", "f")
    assert "shop/views.py cannot be read: SyntaxError" in case.reason("lock_row")
    case = marked("x = 1  #R\ny = 2  #A\n", "f")
    assert "has no function f around line 1" in case.reason("lock_row")
