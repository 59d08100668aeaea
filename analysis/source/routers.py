"""What Django REST framework's routers make of the viewsets that are registered with them.

Source: https://www.django-rest-framework.org/api-guide/routers/ (SimpleRouter, "Routing for extra actions")
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from analysis.source.modules import Class, Code, Function, dotted, is_test
from analysis.source.scopes import Given, Scope

ON_LIST: Final = {"get": "list", "post": "create"}
ON_ONE: Final = {"get": "retrieve", "put": "update", "patch": "partial_update", "delete": "destroy"}
ACTIONS: Final = ("action", "list_route", "detail_route")
END: Final = r"/?\Z"  # whether the slash is wanted is the router's matter: a path of a log was answered
DEEPEST: Final = 4  # routers nested in one another


@dataclass(frozen=True)
class Registered:
    """One URL of a viewset: which of its methods answers which HTTP method. `regex` None: `reason` says why."""

    regex: str | None
    view: Given
    actions: dict[str, str] = field(default_factory=dict)
    path: str = ""
    line: int = 1
    reason: str = ""


def registered(code: Code, scope: Scope, name: str, steps: int = DEEPEST) -> Iterator[Registered]:
    """The URLs behind `name.urls`, in the order of registration."""
    prefix = nested_prefix(code, scope, name, steps)
    for call, where in registrations(code, scope, name):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "extend":
            other = call.args[0]
            if isinstance(other, ast.Attribute) and other.attr == "registry" and steps:
                yield from registered(code, where, dotted(other.value) or "", steps - 1)
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        arguments = dict(zip(("prefix", "viewset"), call.args, strict=False)) | given
        if "viewset" not in arguments:
            continue
        view = Given(arguments["viewset"], where)
        text = where.text(arguments["prefix"])
        if text is None or prefix is None:
            reason = "a router's prefix is computed when the application starts"
            yield Registered(None, view, {}, where.module.path, call.lineno, reason)
            continue
        for regex, actions in urls_of(code, view, prefix + text.strip("^")):
            yield Registered(regex, view, actions, where.module.path, call.lineno)


def registrations(code: Code, scope: Scope, name: str) -> Iterator[tuple[ast.Call, Scope]]:
    """The calls of `name.register(…)` and `name.registry.extend(…)`, in the router's module first, then elsewhere."""
    home = scope.lookup(name)
    module = home[0].scope.module if home else scope.module
    last = name.rsplit(".", 1)[-1]
    yield from ((call, Scope(code, module)) for call in calls_on(last, module.tree))
    for path in code.paths:
        if path == module.path or is_test(path) or ".register(" not in (code.text(path) or ""):
            continue
        other = code.module(path)
        for alias, source in (other.imports if other else {}).items():
            parent, _, imported = source.rpartition(".")
            if other and imported == last and parent and code.absolute(parent, path) is module:
                yield from ((call, Scope(code, other)) for call in calls_on(alias, other.tree))


def calls_on(name: str, tree: ast.AST) -> Iterator[ast.Call]:
    names = (f"{name}.register", f"{name}.registry.extend")
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and dotted(node.func) in names and (node.args or node.keywords):
            yield node


def nested_prefix(code: Code, scope: Scope, name: str, steps: int) -> str | None:
    """The path above a router that is nested in another (drf-nested-routers); "" for one that is not."""
    home = scope.lookup(name)
    if not home or not isinstance(home[0].node, ast.Call):
        return ""
    call, where = home[0].node, home[0].scope
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    arguments = dict(zip(("parent_router", "parent_prefix"), call.args, strict=False)) | given
    if "parent_prefix" not in arguments or steps == 0:
        return ""
    parent, text = where.text(arguments["parent_prefix"]), where.text(arguments.get("lookup"))
    above = nested_prefix(code, where, dotted(arguments["parent_router"]) or "", steps - 1)
    if parent is None or above is None:
        return None
    lookup = f"{text}_" if text else "nested_1_"
    return f"{above}{parent}/(?P<{lookup}pk>[^/.]+)/"


def urls_of(code: Code, view: Given, prefix: str) -> Iterator[tuple[str, dict[str, str]]]:
    """The regular expressions of one viewset, with the methods of the class by HTTP method."""
    one = view.scope.find(view.node)
    lookup = lookup_of(code, one) if isinstance(one, Class) else "(?P<pk>[^/.]+)"
    extra = list(extra_actions(code, one)) if isinstance(one, Class) else []
    root = f"^{prefix}"
    slash = "/" if prefix else ""
    yield f"{root}{END}", ON_LIST
    yield from ((f"{root}{slash}{path}{END}", actions) for detail, path, actions in extra if not detail)
    yield f"{root}{slash}{lookup}{END}", ON_ONE
    yield from ((f"{root}{slash}{lookup}/{path}{END}", actions) for detail, path, actions in extra if detail)


def lookup_of(code: Code, one: Class) -> str:
    """The group that captures which object is meant."""
    scope = Scope(code, one.module)
    said = {
        name: next((scope.text(v) for c in code.ancestors(one) if (v := c.assigned(name)) is not None), None)
        for name in ("lookup_url_kwarg", "lookup_field", "lookup_value_regex")
    }
    name = said["lookup_url_kwarg"] or said["lookup_field"] or "pk"
    return f"(?P<{re.sub(r'[^0-9A-Za-z_]', '_', name)}>{said['lookup_value_regex'] or '[^/.]+'})"


def extra_actions(code: Code, one: Class) -> Iterator[tuple[bool, str, dict[str, str]]]:
    """Methods under `@action`: of one object or of the list, the last part of the path, HTTP method -> method."""
    seen: set[str] = set()
    for owner in code.ancestors(one):
        for method in owner.methods.values():
            if method.simple in seen:
                continue
            seen.add(method.simple)
            for call in method.node.decorator_list:
                if isinstance(call, ast.Call) and (dotted(call.func) or "").rsplit(".", 1)[-1] in ACTIONS:
                    yield extra_action(method, call, owner, code)


def extra_action(
    method: Function, call: ast.Call, owner: Class, code: Code
) -> tuple[bool, str, dict[str, str]]:
    scope = Scope(code, owner.module)
    given = {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    arguments = dict(zip(("methods", "detail"), call.args, strict=False)) | given
    detail = arguments.get("detail")
    named = (dotted(call.func) or "").rsplit(".", 1)[-1]
    is_detail = named == "detail_route" or (isinstance(detail, ast.Constant) and detail.value is True)
    methods = [scope.text(each) for each in getattr(arguments.get("methods"), "elts", [])] or ["get"]
    actions = {each.lower(): method.simple for each in methods if each}
    for other in owner.methods.values():  # @complete.mapping.delete
        for mapping in other.decorators:
            if mapping.startswith(f"{method.simple}.mapping."):
                actions[mapping.rsplit(".", 1)[-1]] = other.simple
    return is_detail, scope.text(arguments.get("url_path")) or method.simple, actions
