"""The two requests to re-enact: the case's own `setup.py`, or one that is written from the code and the evidence.

A `setup.py` has two functions: `rows(evidence) -> dict` makes the rows once, through the application's models;
`requests(rows) -> list` gives two or more requests with distinguishable bodies. It runs inside the application.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from analysis.replay.access import TOKEN_MODEL, Access, access_of
from analysis.replay.literals import WIDTH, literal
from analysis.replay.plan import SECRET, Evidence, Made, Plan, Planner
from analysis.source.facts import Facts
from analysis.source.intake import Reader
from analysis.source.models import Models
from analysis.source.modules import Function
from analysis.source.takes import Intake
from analysis.source.urlconf import Endpoint

MARK: Final = "# --- inlined from here ---\n"
MAKING: Final = Path(__file__).with_name("making.py")


@dataclass(frozen=True)
class Setup:
    """The text of a `setup.py`. `missing`: what somebody has to fill in before it can be run; `own`: the case's."""

    text: str
    missing: tuple[str, ...] = ()
    own: bool = False


def setup_of(file: Path, facts: Facts, endpoint: Endpoint, evidence: Evidence) -> Setup:
    """The case's own file if it is there, else a draft."""
    if file.exists():
        return Setup(file.read_text(encoding="utf-8"), (), True)
    return draft(facts, endpoint, evidence)


def draft(facts: Facts, endpoint: Endpoint, evidence: Evidence) -> Setup:
    """A `setup.py` from what the view takes and wants; what could not be told from the code is marked TODO."""
    view = view_of(facts, endpoint)
    if view is None:
        reason = endpoint.reason or "the view is not in the repository"
        return Setup(rendered(facts.models, Plan(missing=[reason]), Access(), evidence, endpoint), (reason,))
    reader = Reader(facts.code, facts.models, evidence.method.upper())
    intake = reader.view(view, endpoint.captured)
    for place, name in endpoint.hooks:
        hook = next((f for f in facts.functions(place.path) if f.name == name), None)
        if hook is not None and hook is not view:
            intake = reader.view(hook, endpoint.captured)
    access = access_of(facts, intake)
    plan = Planner(facts.models, intake, evidence, endpoint.captured, access.model).run()
    if access.has_token and intake.user:
        plan.rows.append(Made("token", "Token", {"user": "user", "key": literal(SECRET)}))
        plan.headers["Authorization"] = f"Token {SECRET}"
    plan.missing += missing_in(plan, intake, access)
    return Setup(rendered(facts.models, plan, access, evidence, endpoint), tuple(plan.missing))


def view_of(facts: Facts, endpoint: Endpoint) -> Function | None:
    if endpoint.place is None or endpoint.function is None:
        return None
    return next((f for f in facts.functions(endpoint.place.path) if f.name == endpoint.function), None)


def missing_in(plan: Plan, intake: Intake, access: Access) -> list[str]:
    """What a plan lacks for two requests that are answered and can be told apart."""
    found = []
    if intake.user and not (access.logs_in or plan.headers):
        found.append("how the application knows who asks: a header, a cookie")
    if plan.is_alike:
        found.append("something in which the two requests differ: no free part of a body was found")
    return found


def rendered(models: Models, plan: Plan, access: Access, evidence: Evidence, endpoint: Endpoint) -> str:
    """The text of the file: readable, no text of a log but as a literal."""
    view = f"{endpoint.place} {endpoint.function}" if endpoint.place else "a view that was not found"
    head = [
        '"""Rows and requests, written from what the view reads and refuses. Check it, change it, keep it.',
        "",
        f"The view: {words(view)}",
        '"""',
        "",
        *imports_of(models, plan, access),
        "",
        "",
    ]
    text = "\n".join([*head, *rows_text(plan, access), "", "", *requests_text(plan, access, evidence)])
    making = MAKING.read_text(encoding="utf-8").split(MARK, 1)[1].strip()
    return f"{text}\n\n\n{making}\n"


def words(text: str) -> str:
    """Without what could end a docstring."""
    return re.sub(r"[^\w ./:<>-]", "?", text)


def imports_of(models: Models, plan: Plan, access: Access) -> list[str]:
    """Standard library, Django, the application, each sorted."""
    used = repr(plan.rows)
    standard = ["import datetime as dt", "import uuid"]
    standard += ["from datetime import timedelta"] if "timedelta" in used else []
    standard += ["from decimal import Decimal", "from typing import Any"]
    django = ["from django.contrib.auth import get_user_model"] if is_default(plan, access) else []
    django += ["from django.core.management.color import no_style"]
    django += ["from django.db import connection", "from django.db.models import Model"]
    django += ["from django.utils import timezone"] if "timezone" in used else []
    own: dict[str, set[str]] = {}
    for made in plan.rows:
        model = models.named(made.model)
        if model is not None and not (access.is_default and made.name == "user"):
            own.setdefault(model.cls.module.dotted, set()).add(model.name)
    if access.has_token and any(made.name == "token" for made in plan.rows):
        own[TOKEN_MODEL] = {"Token"}
    lines = [f"from {module} import {', '.join(sorted(names))}" for module, names in sorted(own.items())]
    return [*standard, "", *django, *(["", *lines] if lines else [])]


def is_default(plan: Plan, access: Access) -> bool:
    return access.is_default and any(made.name == "user" for made in plan.rows)


def rows_text(plan: Plan, access: Access) -> list[str]:
    """The function that makes the rows."""
    lines = ["def rows(evidence: dict[str, Any]) -> dict[str, Any]:"]
    lines += [f"    # TODO: {words(each)}" for each in plan.missing]
    for made in plan.rows:
        if made.because:
            lines.append(f"    # {', '.join(dict.fromkeys(map(words, made.because)))}")
        model = "get_user_model()" if access.is_default and made.name == "user" else made.model
        given = "".join(f", {name}={value}" for name, value in made.given.items())
        lines.append(f"    {made.name} = make({model}{given})")
    names = ", ".join(f'"{made.name}": {made.name}' for made in plan.rows)
    return [*lines, f"    return {{{names}}}"]


def requests_text(plan: Plan, access: Access, evidence: Evidence) -> list[str]:
    """The function that gives the two requests."""
    lines = ["def requests(rows: dict[str, Any]) -> list[dict[str, Any]]:", "    return ["]
    for number in (0, 1):
        request: dict[str, Any] = {"method": literal(evidence.method.upper())}
        request["path"] = path_text(plan, evidence.path, number)
        if plan.headers:
            request["headers"] = {name: literal(value) for name, value in plan.headers.items()}
        if is_default(plan, access) and access.logs_in:
            request["user"] = 'rows["user"]'
        if plan.bodies:
            body = {path: pair[number] for path, pair in plan.bodies.items()}
            request["json" if plan.is_json else "data"] = nested(body)
        lines.append(f"        {laid_out(request, 8, 8)},")
    return [*lines, "    ]"]


def path_text(plan: Plan, path: str, number: int) -> str:
    """The path, with the parts of the query that the view reads where the log shows none."""
    if not plan.query or "?" in path:
        return literal(path)
    names = "&".join(f"{quote(name[-1])}={{}}" for name in plan.query)
    return f"{literal(f'{path}?')} + {literal(names)}.format({', '.join(pair[number] for pair in plan.query.values())})"


def nested(parts: Mapping[tuple[str, ...], str]) -> dict[str, Any]:
    """{("a", "b"): "1"} -> {"a": {"b": "1"}}"""
    heads: dict[str, dict[tuple[str, ...], str]] = {}
    for path, value in parts.items():
        heads.setdefault(path[0], {})[path[1:]] = value
    return {head: below[()] if () in below else nested(below) for head, below in heads.items()}


def laid_out(tree: Any, before: int, indent: int) -> str:
    """A dictionary of source texts as source, over several lines where it is too long for one."""
    if not isinstance(tree, dict):
        return str(tree)
    line = (
        "{"
        + ", ".join(f"{literal(key)}: {laid_out(value, 0, -WIDTH * 9)}" for key, value in tree.items())
        + "}"
    )
    if before + len(line) + 1 <= WIDTH or indent < 0 or not tree:
        return line
    pad = " " * (indent + 4)
    keys = [(f"{pad}{literal(key)}: ", value) for key, value in tree.items()]
    rows = [f"{key}{laid_out(value, len(key), indent + 4)}," for key, value in keys]
    return "\n".join(["{", *rows, " " * indent + "}"])
