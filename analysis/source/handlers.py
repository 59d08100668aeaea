"""From the view that a URL pattern names to the function or method that answers an HTTP method.

Source: https://docs.djangoproject.com/en/5.2/ref/class-based-views/base/#view
"""

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from analysis.source.hits import Place
from analysis.source.modules import Class, Code, Function, dotted
from analysis.source.scopes import Given, Scope, statements

HOOKS: Final = {
    "get": ("get", "retrieve", "list", "get_object", "get_queryset", "get_context_data"),
    "post": ("post", "create", "perform_create", "form_valid"),
    "put": ("put", "update", "perform_update", "form_valid"),
    "patch": ("patch", "partial_update", "update", "perform_update"),
    "delete": ("delete", "destroy", "perform_destroy", "form_valid"),
}
"""What Django's and REST framework's generic views call for each HTTP method, the outermost first."""
SAVED_BY: Final = {"post": ("create", "save"), "put": ("update", "save"), "patch": ("update", "save")}
DEEPEST: Final = 8
MOST_ARGUMENTS: Final = 4  # of a call that are tried as the view that it wraps


@dataclass(frozen=True)
class Handler:
    """Who answers. `function`: qualified within its module; None: no code of the repository, `reason` says why.

    `hooks`   further methods of the repository that a generic view calls: (path, qualified name, line)
    """

    place: Place | None
    function: str | None
    hooks: tuple[tuple[Place, str], ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Asked:
    """An HTTP method, in lower case; which method of a viewset answers which, where a router says so."""

    code: Code
    method: str
    actions: dict[str, str]
    steps: int = DEEPEST

    def view(
        self, node: ast.expr | None, scope: Scope, actions: dict[str, str] | None = None
    ) -> Handler | None:
        """What answers if this is the view; None if that cannot be read off the source."""
        asked = replace(self, steps=self.steps - 1, actions=self.actions if actions is None else actions)
        if node is None or not self.steps:
            return None
        if isinstance(node, ast.Dict):  # {"get": show, "post": send}
            table = {scope.text(key): value for key, value in zip(node.keys, node.values, strict=True) if key}
            return asked.view(table.get(self.method), scope)
        if isinstance(node, ast.Tuple):  # (view, {…}), a view with flags
            return asked.view(node.elts[0] if node.elts else None, scope)
        if isinstance(node, ast.Lambda):
            inner = asked.view(node.body.func, scope) if isinstance(node.body, ast.Call) else None
            return inner or Handler(Place(scope.module.path, node.lineno), "<lambda>")
        return of_call(asked, node, scope) if isinstance(node, ast.Call) else of_name(asked, node, scope)


def handler(code: Code, given: Given, method: str, actions: dict[str, str]) -> Handler:
    """The function or method behind a view, for an HTTP method in lower case."""
    spelled = ast.unparse(given.node)[:80]
    nothing = Handler(
        None, None, (), f"the view {spelled!r} is not in the repository, or made when it starts"
    )
    return Asked(code, method, actions).view(given.node, given.scope) or nothing


def of_name(asked: Asked, node: ast.expr, scope: Scope) -> Handler | None:
    """A view by its name, or by its dotted path as text."""
    text = scope.text(node) if isinstance(node, ast.Constant) else dotted(node)
    if text is None:
        return None
    if isinstance(node, ast.Constant):
        found = asked.code.absolute(text, scope.module.path)
    else:
        found = local(scope, text) or scope.find(node)
    if isinstance(found, Function):
        return Handler(place_of(found), found.name)
    if isinstance(found, Class):
        return of_class(asked, found)
    return first(asked.view(value.node, value.scope) for value in scope.lookup(text))


def first(found: Iterable[Handler | None]) -> Handler | None:
    return next((each for each in found if each is not None), None)


def local(scope: Scope, name: str) -> Function | None:
    """A function that is defined inside the function whose body the scope is."""
    for node in statements(scope.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name:
            outer = next((f for f in scope.module.functions.values() if node in f.node.body), None)
            return Function(f"{outer.name}.{name}" if outer else name, node, scope.module)
    return None


def of_call(asked: Asked, node: ast.Call, scope: Scope) -> Handler | None:
    """`X.as_view()`, a decorator around a view, `partial(view, …)`, an instance, a function that returns a view."""
    if isinstance(node.func, ast.Attribute) and node.func.attr == "as_view":
        return asked.view(node.func.value, scope, dict(mapped(node, scope)) or asked.actions)
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    wrapped = [each for each in given if not isinstance(each, ast.Constant | ast.Dict | ast.Tuple)][
        :MOST_ARGUMENTS
    ]
    return first(asked.view(each, scope) for each in wrapped) or made(asked, node, scope)


def made(asked: Asked, node: ast.Call, scope: Scope) -> Handler | None:
    """The view that a call makes: an instance, a class that is loaded by its name, a function that is returned."""
    found = scope.find(node.func)
    if isinstance(found, Class):
        called = asked.code.method(found, "__call__")
        return (
            Handler(place_of(called), called.name) if called else from_outside(asked.code, found, "__call__")
        )
    names = [scope.text(argument) for argument in node.args]
    loaded = asked.code.absolute(".".join(map(str, names)), "") if names and None not in names else None
    if isinstance(loaded, Class):  # get_class("shop.views", "OrderView")
        return of_class(asked, loaded)
    if not isinstance(found, Function):
        return None
    inside = scope.inside(found, node)
    returned = [each.value for each in statements(found.node.body) if isinstance(each, ast.Return)]
    return first(asked.view(value, inside) for value in returned)


def mapped(node: ast.Call, scope: Scope) -> Iterator[tuple[str, str]]:
    """`as_view({"post": "complete"})`: methods of a viewset by HTTP method."""
    tables = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "actions")]
    for table in tables:
        for key, value in zip(table.keys, table.values, strict=True) if isinstance(table, ast.Dict) else ():
            name, action = scope.text(key), scope.text(value)
            if name and action:
                yield name.lower(), action


def of_class(asked: Asked, one: Class) -> Handler:
    """The method of a class that answers, and the further ones that a generic view calls."""
    method = "get" if asked.method == "head" else asked.method
    if asked.actions and method not in asked.actions:
        return Handler(None, None, (), f"{one.name} maps no {method.upper()} here: it is answered with 405")
    names = called_for(method, asked.actions.get(method))
    found = [each for name in names if (each := asked.code.method(one, name)) is not None]
    found += [each for owner in served(asked.code, one) for each in saving(asked.code, owner, method)]
    found = found or [each for each in [asked.code.method(one, "dispatch")] if each is not None]
    if not found:
        return from_outside(asked.code, one, method)
    return Handler(
        place_of(found[0]), found[0].name, tuple((place_of(each), each.name) for each in found[1:])
    )


def called_for(method: str, action: str | None) -> list[str]:
    """Names of methods that are called for an HTTP method, or for the action that a router maps it to."""
    hooks = HOOKS.get(method, (method,))
    if action is None:
        return list(hooks)
    if action in ("list", "retrieve"):
        return [action, "get_object", "get_queryset"]
    return [action, *(hook for hook in hooks if hook != action)] if action in hooks else [action]


def from_outside(code: Code, one: Class, name: str) -> Handler:
    outside = ", ".join(code.foreign_bases(one)) or "nothing"
    reason = f"{one.name} has no {name}; what answers comes from outside: {outside}"
    return Handler(Place(one.module.path, one.node.lineno), None, (), reason)


def served(code: Code, one: Class) -> Iterator[Class]:
    """The serializer or form of a generic view."""
    for name in ("serializer_class", "form_class"):
        for owner in code.ancestors(one):
            value = owner.assigned(name)
            if value is not None:
                found = Scope(code, owner.module).find(value)
                if isinstance(found, Class):
                    yield found
                break


def saving(code: Code, one: Class, method: str) -> Iterator[Function]:
    names = SAVED_BY.get(method, ())
    yield from (found for name in names if (found := code.method(one, name)) is not None)


def place_of(function: Function) -> Place:
    return Place(function.module.path, function.node.lineno)
