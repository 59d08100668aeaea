"""The two requests: the case's own setup.py, or one that is written from the code. Run for real where it can be."""

import ast
import os
from pathlib import Path
from textwrap import dedent

import pytest
from test_intake import MODELS, Files

from analysis.replay.app import Application, Enactment
from analysis.replay.plan import Evidence
from analysis.replay.requests import draft, laid_out, nested, setup_of
from analysis.replay.server import running
from analysis.replay.values import number_or_text, pair
from analysis.source.facts import Facts
from analysis.source.takes import Taken, Want
from analysis.source.trees import FolderTree
from analysis.source.urlconf import endpoint

CASE = Path(__file__).parent.parent / "data/cases/jobs-complete"
DEMO = CASE / "source"
SETTINGS = """
    ROOT_URLCONF = "config.urls"
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "shop"]
"""
URLS = """
    from django.urls import path
    from shop import views
    urlpatterns = [path("orders/<number>/pay", views.view), path("pay", views.view)]
"""


def drafted(view, evidence=None, path="/pay", settings=SETTINGS, **files):
    text = "from shop.models import Line, Order\n" + dedent(view)
    given = {
        "config/settings.py": settings,
        "config/urls.py": URLS,
        "shop/models.py": MODELS,
        "shop/views.py": text,
    }
    given |= {name.replace("__", "/") + ".py": content for name, content in files.items()}
    facts = Facts(
        Files({name: dedent(content) for name, content in given.items()} | {"shop/__init__.py": ""})
    )
    return draft(facts, endpoint(facts.code, "POST", path), evidence or Evidence("POST", path))


def calls(setup):
    """The rows that a draft makes: name -> source of the call."""
    (rows,) = (n for n in ast.parse(setup.text).body if isinstance(n, ast.FunctionDef) and n.name == "rows")
    return {n.targets[0].id: ast.unparse(n.value) for n in rows.body if isinstance(n, ast.Assign)}


def sent(setup, key="data"):
    """The bodies of the two requests, as source."""
    found = [n for n in ast.walk(ast.parse(setup.text)) if isinstance(n, ast.Dict)]
    tables = [
        {ast.literal_eval(k): v for k, v in zip(n.keys, n.values, strict=True)}
        for n in found
        if all(isinstance(k, ast.Constant) for k in n.keys)
    ]
    return [ast.unparse(table[key]) for table in tables if "method" in table and key in table]


# What is written


def test_a_row_is_made_as_the_view_wants_it():
    setup = drafted("""
        def view(request, number):
            order = Order.objects.get(number=number, owner=request.user)
            if order.status != Order.OPEN or order.cents < 5:
                return refuse()
            order.note = request.POST["note"]
    """, Evidence("POST", "/orders/A7/pay", "ada"), "/orders/A7/pay")  # fmt: skip
    assert calls(setup) == {
        "user": "make(get_user_model(), username='ada')",
        "order": "make(Order, number='A7', owner=user, status='open', cents=15)",
    }
    assert sent(setup) == ["{'note': 'A'}", "{'note': 'B'}"]
    assert setup.missing == ()


def test_the_entity_of_the_logs_is_the_row_that_the_body_names():
    view = (
        "def view(request):\n    Order.objects.get(pk=request.POST['order'])\n    return request.POST['note']"
    )
    setup = drafted(view, Evidence("POST", "/pay", entity="4521"))
    assert calls(setup) == {"order": "make(Order, pk=4521)"}
    assert sent(setup)[0] == "{'order': rows['order'].pk, 'note': 'A'}"


def test_without_an_entity_the_row_has_whatever_number_it_gets():
    view = "def view(request):\n    Order.objects.get(pk=request.POST['order'])\n    return request.POST['n']"
    assert calls(drafted(view)) == {"order": "make(Order)"}


def test_what_the_logs_show_of_the_body_is_sent_by_the_first_request():
    view = "def view(request):\n    return int(request.POST['cents']), request.POST['note']"
    setup = drafted(view, Evidence("POST", "/pay", fields={"cents": "70", "note": "B"}))
    assert sent(setup) == ["{'cents': 70, 'note': 'B'}", "{'cents': 2, 'note': 'A'}"]


def test_one_row_that_is_looked_up_twice_is_made_once():
    view = """
        def view(request):
            if not Order.objects.filter(pk=request.POST["o"], status="open").update(cents=1):
                return refuse()
            return Order.objects.get(pk=request.POST["o"]), request.POST["x"]
    """
    assert calls(drafted(view)) == {"order": "make(Order, status='open')"}


@pytest.mark.parametrize(
    ("query", "row"),
    [
        ("cents__gte=int(request.POST['c'])", "make(Order, number='1', cents=10)"),
        ("cents__lt=F('limit')", "make(Order, number='1', cents=0, limit=10)"),
        ("cents__gt=100", "make(Order, number='1', cents=110)"),
        ("paid_at__lt=timezone.now()", "make(Order, number='1', paid_at=timezone.now() - timedelta(days=1))"),
    ],
)
def test_an_order_in_a_look_up_is_met(query, row):
    view = f"""
        def view(request):
            if not Order.objects.filter(number=request.POST["n"], {query}).update(status="x"):
                return refuse()
    """
    assert calls(drafted(view)) == {"order": row}


def test_a_row_that_came_with_another_is_not_made_again():
    view = """
        def view(request):
            line = Line.objects.get(pk=request.POST["line"])
            Order.objects.select_for_update().get(pk=line.order_id)
            line.text = request.POST["text"]
    """
    assert calls(drafted(view)) == {"line": "make(Line)"}


def test_what_a_new_row_refers_to_is_made_and_told_apart_where_nothing_else_is():
    view = "def view(request):\n    Line.objects.create(order_id=request.POST['order'])"
    setup = drafted(view)
    assert calls(setup) == {"order": "make(Order)", "order_2": "make(Order)"}
    assert sent(setup) == ["{'order': rows['order'].pk}", "{'order': rows['order_2'].pk}"]


def test_a_json_body_is_nested():
    view = """
        import json
        def view(request):
            p = json.loads(request.body)
            return p["a"]["b"], float(p["a"]["c"])
    """
    assert sent(drafted(view), "json")[0] == "{'a': {'b': 'A', 'c': 1.0}}"


def test_the_parts_of_a_query_are_sent_in_the_path():
    setup = drafted("def view(request):\n    return request.GET['coupon']")
    assert sent(setup, "path") == ["'/pay?' + 'coupon={}'.format('A')", "'/pay?' + 'coupon={}'.format('B')"]


@pytest.mark.parametrize(
    ("view", "missing"),
    [
        ("def view(request):\n    return 1", "something in which the two requests differ"),
        (
            "def view(request):\n    if closed(request):\n        return refuse()\n    return request.POST['a']",
            "shop/views.py:3",
        ),
        (
            "def view(request):\n    Order.objects.get(number=secret())\n    return request.POST['a']",
            "Order(number=…)",
        ),
        ("other = 1", "the view 'views.view' is not in the repository"),
    ],
)
def test_what_is_missing_is_said_and_marked_in_a_file_that_is_still_python(view, missing):
    setup = drafted(view)
    assert any(missing in each for each in setup.missing)
    assert "# TODO: " in setup.text
    names = {n.name for n in ast.parse(setup.text).body if isinstance(n, ast.FunctionDef)}
    assert {"rows", "requests", "make"} <= names


def test_a_user_who_cannot_log_in_by_a_session_is_missing():
    view = "def view(request):\n    Order.objects.get(owner=request.user)\n    return request.POST['a']"
    settings = SETTINGS.replace('"django.contrib.sessions", ', "")
    assert drafted(view).missing == ()
    assert drafted(view, settings=settings).missing == (
        "how the application knows who asks: a header, a cookie",
    )


TOKEN_SETTINGS = (
    SETTINGS.replace('"django.contrib.sessions"', '"rest_framework.authtoken"')
    + '    REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.TokenAuthentication"]}\n'
)


def test_where_rest_frameworks_tokens_tell_who_asks_one_is_made_and_sent():
    view = "def view(request):\n    Order.objects.get(owner=request.user)\n    return request.POST['a']"
    setup = drafted(view, settings=TOKEN_SETTINGS)
    assert setup.missing == ()
    assert calls(setup)["token"] == "make(Token, user=user, key='only-for-the-re-enactment')"
    assert setup.text.count('"Authorization": "Token only-for-the-re-enactment"') == 2
    assert "from rest_framework.authtoken.models import Token" in setup.text


def test_no_token_is_made_where_nobody_is_asked_for_or_where_only_the_table_of_tokens_is_installed():
    anybody = (
        "def view(request):\n    Order.objects.get(pk=request.POST['order'])\n    return request.POST['a']"
    )
    assert "Token" not in drafted(anybody, settings=TOKEN_SETTINGS).text
    table_only = TOKEN_SETTINGS.replace("DEFAULT_AUTHENTICATION_CLASSES", "OTHER").replace(
        "TokenAuth", "BasicAuth"
    )
    view = "def view(request):\n    Order.objects.get(owner=request.user)\n    return request.POST['a']"
    setup = drafted(view, settings=table_only)
    assert setup.missing == ("how the application knows who asks: a header, a cookie",)
    assert "Token" not in setup.text


def test_the_cases_own_file_goes_before_a_draft(tmp_path):
    facts = Facts(FolderTree(DEMO))
    found = endpoint(facts.code, "POST", "/api/jobs/complete")
    (tmp_path / "setup.py").write_text("def rows(evidence): ...\n")
    own = setup_of(tmp_path / "setup.py", facts, found, Evidence("POST", "/api/jobs/complete"))
    assert (own.own, own.text) == (True, "def rows(evidence): ...\n")
    assert not setup_of(tmp_path / "nothing.py", facts, found, Evidence("POST", "/api/jobs/complete")).own


# Strangers' text

HOSTILE = [
    '"; import os #',
    "'''\nimport os\n'''",
    '"""',
    "\\",
    "{0}",
    "x\ny",
    "\x1b[31m",
    "9" * 400,
    "é\u202e",
    "__import__('os')",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_log_is_a_literal_and_nothing_else(text):
    view = """
        def view(request):
            Order.objects.get(pk=request.POST["o"], owner=request.user)
            return request.POST["a"]
    """

    def shape(value):
        evidence = Evidence("POST", f"/pay?x={value}", value, value, {value: value}, {"a": value})
        setup = drafted(view, evidence)
        return [type(n).__name__ for n in ast.walk(ast.parse(setup.text))], setup.text

    nodes, source = shape(text)
    assert nodes == shape("plain")[0]
    assert "\x1b" not in source and "\u202e" not in source


@pytest.mark.parametrize("name", ['a"]; import os #', "a\nb", '"""', "\\"])
def test_names_that_the_code_gives_are_literals_too(name):
    setup = drafted(f"def view(request):\n    return request.POST[{name!r}]")
    assert ast.literal_eval(sent(setup)[0]) == {name: "A"}


def test_a_number_is_written_as_one_and_anything_else_as_text():
    given = ["7", "0", "007", "7.0", "-7", "٧", "9" * 30, ""]
    assert [number_or_text(text) for text in given] == [
        "7",
        "0",
        '"007"',
        '"7.0"',
        '"-7"',
        '"٧"',
        f'"{"9" * 30}"',
        '""',
    ]


@pytest.mark.parametrize(
    ("kind", "name", "wants", "values"),
    [
        ("int", "x", [], (1, 2)),
        ("", "email", [], ("a@example.org", "b@example.org")),
        ("", "quantity", [], (1, 2)),
        ("", "text", [], ("A", "B")),
        ("", "update", [], ("A", "B")),
        ("int", "x", [Want("above", 10)], (11, 12)),
        ("str", "x", [Want("is", "yes")], ("yes", "yes")),
        ("bool", "x", [], (True, True)),
    ],
)
def test_a_pair_of_values_is_of_the_type_and_differs_where_it_may(kind, name, wants, values):
    assert pair(Taken("body", (name,), kind, wants)) == values


def test_a_long_dictionary_is_laid_out_over_lines():
    tree = nested({("a", "b"): "1", ("a", "c"): '"' + "x" * 80 + '"', ("d",): "[]"})
    text = laid_out(tree, 0, 0)
    assert ast.literal_eval(text) == {"a": {"b": 1, "c": "x" * 80}, "d": []}
    assert text.splitlines()[:2] == ["{", '    "a": {']


# For real


@pytest.fixture(scope="module")
def server():
    with running(os.environ.get("RACE_FORENSICS_POSTGRES")) as found:
        yield found


def played(server, root, settings, setup, evidence, tmp_path):
    file = tmp_path / "setup.py"
    file.write_text(setup)
    with Enactment(server, Application(root, settings), file, evidence.as_dict()) as enactment:
        alone = enactment.alone(0).responses[0].status
        return alone, [response.status for response in enactment.serial([0, 1]).responses], enactment.requests


@pytest.mark.slow
def test_the_draft_for_the_bundled_case_gets_productions_answers_without_a_setup_file(server, tmp_path):
    """Custom tokens, a JSON body read through three helpers, a status that has to be right."""
    facts = Facts(FolderTree(DEMO))
    evidence = Evidence("POST", "/api/jobs/complete", "sarah_k", "4521")
    setup = draft(facts, endpoint(facts.code, "POST", "/api/jobs/complete"), evidence)
    alone, serial, requests = played(server, DEMO, "config.settings", setup.text, evidence, tmp_path)
    assert (setup.missing, alone, serial) == ((), 200, [200, 400])
    assert requests[0].body != requests[1].body
    assert b'"job_id": 4521' in requests[0].body


@pytest.mark.slow
def test_the_cases_own_file_gets_productions_answers(server, tmp_path):
    evidence = Evidence("POST", "/api/jobs/complete", "sarah_k", "4521")
    text = (CASE / "setup.py").read_text()
    alone, serial, requests = played(server, DEMO, "config.settings", text, evidence, tmp_path)
    assert (alone, serial) == (200, [200, 400])
    assert requests[0].body != requests[1].body


@pytest.mark.slow
def test_a_draft_that_wants_the_wrong_status_is_refused_by_the_application(server, tmp_path):
    """The twin: the control above would notice."""
    facts = Facts(FolderTree(DEMO))
    evidence = Evidence("POST", "/api/jobs/complete", "sarah_k", "4521")
    text = draft(facts, endpoint(facts.code, "POST", "/api/jobs/complete"), evidence).text
    wrong = text.replace('status="in_progress"', 'status="open"')
    assert wrong != text
    assert played(server, DEMO, "config.settings", wrong, evidence, tmp_path)[0] == 400
