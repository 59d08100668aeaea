"""How an application knows who asks: Django's sessions, REST framework's tokens, a header that its middleware reads.

Source: https://docs.djangoproject.com/en/5.2/topics/auth/default/
https://www.django-rest-framework.org/api-guide/authentication/ (TokenAuthentication)
"""

import ast
from dataclasses import dataclass
from typing import Final

from analysis.source.facts import Facts
from analysis.source.intake import Reader
from analysis.source.modules import Class, Function
from analysis.source.scopes import Scope
from analysis.source.takes import Intake, Source

SESSIONS: Final = ("django.contrib.auth", "django.contrib.sessions")
TOKENS: Final = "rest_framework.authentication.TokenAuthentication"
TOKEN_MODEL: Final = "rest_framework.authtoken.models"
ENTRIES: Final = ("__call__", "process_request", "process_view")


@dataclass(frozen=True)
class Access:
    """`model`: class name of those who log in; is_default: `get_user_model()` names it; logs_in: by a session.

    has_token: by a row of REST framework's own table of tokens, and `Authorization: Token …`.
    """

    model: str | None = None
    is_default: bool = False
    logs_in: bool = False
    has_token: bool = False


def access_of(facts: Facts, intake: Intake) -> Access:
    """Who logs in and how; look-ups that middleware does in a header are added to the intake."""
    installed = listed(facts, "INSTALLED_APPS")
    for name in listed(facts, "MIDDLEWARE"):
        one = facts.code.absolute(name, "")
        if isinstance(one, Class | Function):
            take_headers(facts, one, intake)
    setting = facts.setting("AUTH_USER_MODEL")
    named = str(setting.value).rsplit(".", 1)[-1] if isinstance(setting, ast.Constant) else None
    if TOKENS in listed(facts, "REST_FRAMEWORK") and "Token" not in facts.models.by_name:
        return Access(named or "User", True, False, True)
    sessions = all(app in installed for app in SESSIONS)
    if sessions:
        return Access(named or "User", True, True)
    looked_up = [user_model(facts, wanted.model, wanted.lookups) for wanted in intake.rows]
    known = [name for name in looked_up if name] + (["User"] if "User" in facts.models.by_name else [])
    return Access(named or (known[0] if known else None), False, False)


def user_model(facts: Facts, model: str, lookups: dict[str, Source]) -> str | None:
    """The model that a row refers to where it is looked up by the user."""
    found = facts.models.named(model)
    names = [name for name, source in lookups.items() if source.kind == "user"]
    return next((found.references[n] for n in names if found and n in found.references), None)


def take_headers(facts: Facts, one: Class | Function, intake: Intake) -> None:
    """Rows that a middleware finds by a header: tokens, keys."""
    if isinstance(one, Function):
        function = inner_function(one)
    else:
        function = next((m for name in ENTRIES if (m := facts.code.method(one, name))), None)
    if function is None:
        return
    found = Reader(facts.code, facts.models, "").view(function, ())
    rows = [row for row in found.rows if any(source.kind == "header" for source in row.lookups.values())]
    intake.rows += rows
    intake.schemes |= found.schemes if rows else {}


def inner_function(one: Function) -> Function | None:
    """What a middleware that is written as a function returns."""
    inner = [node for node in one.node.body if isinstance(node, ast.FunctionDef)]
    return Function(f"{one.name}.{inner[-1].name}", inner[-1], one.module) if inner else None


def listed(facts: Facts, name: str) -> list[str]:
    """The texts of a list that the settings hold, however it is put together."""
    texts: list[str] = []
    for path in facts.settings:
        module = facts.code.module(path)
        for given in Scope(facts.code, module).lookup(name) if module else ():
            texts += [
                n.value
                for n in ast.walk(given.node)
                if isinstance(n, ast.Constant) and isinstance(n.value, str)
            ]
    return list(dict.fromkeys(texts))
