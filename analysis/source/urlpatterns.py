"""The URL patterns of a module as data: `path`, `re_path`, `include`, lists that are put together, routers.

Source: https://docs.djangoproject.com/en/5.2/ref/urls/
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from analysis.source.hits import Place
from analysis.source.modules import Class, Code, Function, Module, dotted
from analysis.source.routers import registered
from analysis.source.routes import CONVERTERS, Unreadable, route_regex, whole
from analysis.source.scopes import Given, Scope, statements

PATHS: Final = ("path", "re_path", "url")
METHODS: Final = ("get", "post", "put", "patch", "delete", "head", "options")
ROUTER_URLS: Final = ("urls", "get_urls")
NO_PATTERNS: Final = ("static", "staticfiles_urlpatterns")
LANGUAGES: Final = (("^", ""), ("^[a-z]{2,3}(?:-[a-zA-Z0-9]{1,8}){0,3}/", "<language>/"))
HOLE: Final = "\0"
"""Stands for a part of a route that cannot be read."""
ANYTHING: Final = ".*?"
SHORTEST: Final = 3  # letters of a route besides its holes without which it would match anything
DEEPEST: Final = 16
MOST_READ: Final = 20_000  # expressions that are looked at for one tree


@dataclass(frozen=True)
class Pattern:
    """One pattern. `regex` None: it cannot be read, `reason` says why.

    `target`   the view as the source spells it; None for an include
    `includes` the patterns below it, as the source spells them
    `loose`    a part of the route could not be read, so what it matches may be too much
    `actions`  which method of the target's class answers which HTTP method, where a router says so
    """

    regex: str | None
    route: str
    place: Place
    target: Given | None = None
    includes: Given | None = None
    actions: dict[str, str] = field(default_factory=dict)
    reason: str = ""
    loose: bool = False


class Patterns:
    """Reads the patterns of a tree."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self.left = MOST_READ
        self._modules: dict[str, list[Pattern]] = {}
        self._asked: list[
            tuple[str, ...]
        ] = []  # names that are being read: `urlpatterns = […] + urlpatterns`

    @cached_property
    def converters(self) -> dict[str, str]:
        """Django's converters and those that the tree registers."""
        return CONVERTERS | dict(own_converters(self.code))

    def of_module(self, module: Module) -> list[Pattern]:
        """What `urlpatterns` of a module comes to."""
        if module.path not in self._modules:
            self._modules[module.path] = []
            name = ast.Name("urlpatterns", ast.Load(), lineno=1, col_offset=0)
            self._modules[module.path] = self.read(Given(name, Scope(self.code, module)))
        return self._modules[module.path]

    def included(self, given: Given) -> list[Pattern]:
        """The patterns that an argument of `include()` names."""
        node, scope = given.node, given.scope
        if isinstance(node, ast.Tuple) and node.elts and not is_pattern(node.elts[0]):
            node = node.elts[0]  # (patterns, app_name)
        text = scope.text(node)
        found = scope.find(node) if text is None else self.code.absolute(text, scope.module.path)
        if isinstance(found, Module):
            return self.of_module(found)
        if text is not None:
            return [unread(node, scope, f"the module {text!r} is not in the repository")]
        return self.read(Given(node, scope))

    def read(self, given: Given, steps: int = DEEPEST) -> list[Pattern]:
        """The patterns that an expression comes to; one without a regex for each that cannot be read."""
        node, scope = given.node, given.scope
        parts = put_together(node)
        self.left -= 1
        if steps == 0 or self.left < 0:
            return []
        if parts is not None:
            return [pattern for part in parts for pattern in self.read(Given(part, scope), steps - 1)]
        if isinstance(node, ast.Call):
            return self.of_call(node, scope, steps)
        if isinstance(node, ast.Attribute) and node.attr in ROUTER_URLS:
            return self.of_router(node.value, scope, steps)
        return self.of_name(node, scope, steps)

    def of_name(self, node: ast.expr, scope: Scope, steps: int) -> list[Pattern]:
        """A list by its name, wherever it is put together."""
        name = dotted(node) or ""
        found = scope.lookup(name) if name else []
        if not found:
            return [unread(node, scope, "computed when the application starts")]
        asked: tuple[str, ...] = (found[-1].scope.module.path, name.rsplit(".", 1)[-1])
        if asked in self._asked:  # the name as it was before: what it was imported as, if it was
            found = [] if (*asked, "import") in self._asked else scope.imported(name)
            asked = (*asked, "import")
        self._asked.append(asked)
        patterns = [pattern for each in found for pattern in self.read(each, steps - 1)]
        self._asked.pop()
        return patterns

    def of_call(self, node: ast.Call, scope: Scope, steps: int) -> list[Pattern]:
        """`path(…)`, a function that puts patterns together or passes them on."""
        name = (dotted(node.func) or "").rsplit(".", 1)[-1]
        if name in PATHS:
            return [self.one(node, scope, name, {})]
        if name == "i18n_patterns":
            inside = Given(ast.copy_location(ast.List(node.args, ast.Load()), node), scope)
            place = place_of(node, scope)
            return [Pattern(regex, route, place, includes=inside) for regex, route in LANGUAGES]
        if isinstance(node.func, ast.Attribute) and node.func.attr in ROUTER_URLS:
            return self.of_router(node.func.value, scope, steps)
        if isinstance(function := scope.find(node.func), Function):
            return self.of_function(function, node, scope, steps)
        passed = passed_on(node, name)
        if passed is None:
            return [unread(node, scope, f"{name or 'a call'}() makes it when the application starts")]
        return [pattern for each in passed for pattern in self.read(Given(each, scope), steps - 1)]

    def of_function(self, function: Function, node: ast.Call, scope: Scope, steps: int) -> list[Pattern]:
        """A function of the tree: one that wraps `path()`, handlers by HTTP method, or one that returns a list."""
        methods = {k.arg.lower(): k.value for k in node.keywords if k.arg and k.arg.lower() in METHODS}
        if node.args and methods and scope.text(node.args[0]) is not None:
            return [self.one(node, scope, "path", methods)]
        inside = scope.inside(function, node)
        patterns = []
        for statement in statements(function.node.body):
            if isinstance(statement, ast.Return) and statement.value is not None:
                patterns += self.read(Given(statement.value, inside), steps - 1)
        return patterns or [unread(node, scope, f"{function.name}() makes it when the application starts")]

    def of_router(self, node: ast.expr, scope: Scope, steps: int) -> list[Pattern]:
        """`router.urls`: what was registered with it, or what `get_urls` of its class in the tree returns."""
        name = dotted(node) or ast.unparse(node)[:60]
        if name.endswith("admin.site") or name == "site":
            return [unread(node, scope, "the admin's own patterns")]
        routes = list(registered(self.code, scope, name))
        if routes:
            return [
                Pattern(each.regex, each.regex or "?", Place(each.path, each.line), each.view, None,
                        each.actions, each.reason)
                for each in routes
            ]  # fmt: skip
        for given in scope.lookup(name):
            one = given.scope.find(given.node.func) if isinstance(given.node, ast.Call) else None
            method = self.code.method(one, "get_urls") if isinstance(one, Class) else None
            if method is not None and isinstance(one, Class):
                body = tuple(method.node.body)
                inside = Scope(self.code, method.module, body, one)
                returned = [n.value for n in statements(body) if isinstance(n, ast.Return) and n.value]
                return [p for value in returned for p in self.read(Given(value, inside), steps - 1)]
        return [unread(node, scope, f"nothing in the repository is registered with {name}")]

    def one(self, node: ast.Call, scope: Scope, name: str, methods: dict[str, ast.expr]) -> Pattern:
        """`path(route, view)`, `re_path(regex, include(…))`."""
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        arguments = dict(zip(("route", "view"), node.args, strict=False)) | given
        route = scope.text(arguments.get("route") or arguments.get("regex"), HOLE) or ""
        view = arguments.get("view")
        if methods:
            view = ast.Dict([ast.Constant(method) for method in methods], list(methods.values()))
        inside = includes_of(view) if view is not None else None
        if HOLE in route and inside is None and len(re.findall(r"\w", route)) < SHORTEST:
            return unread(node, scope, "its route is computed when the application starts")
        try:
            ends = inside is None
            regex = (
                route_regex(route, ends, self.converters)
                if name == "path"
                else whole(route)
                if ends
                else route
            )
        except Unreadable as error:
            return unread(node, scope, str(error))
        return Pattern(
            regex.replace(re.escape(HOLE), ANYTHING).replace(HOLE, ANYTHING),
            route.replace(HOLE, "…"),
            place_of(node, scope),
            None if view is None or inside is not None else Given(view, scope),
            None if inside is None else Given(inside, scope),
            loose=HOLE in route,
        )


def put_together(node: ast.expr) -> list[ast.expr] | None:
    """The parts of a list, a sum, or both arms of a choice; None for anything else."""
    if isinstance(node, ast.List | ast.Tuple):
        return [each.value if isinstance(each, ast.Starred) else each for each in node.elts]
    if isinstance(node, ast.Starred):
        return [node.value]
    if isinstance(node, ast.BinOp):
        return [node.left, node.right]
    return [node.body, node.orelse] if isinstance(node, ast.IfExp) else None


def passed_on(node: ast.Call, name: str) -> list[ast.expr] | None:
    """The lists of patterns that a foreign function takes; None for one that cannot be told to hand them on."""
    if name in NO_PATTERNS:
        return []
    if name == "patterns":  # before Django 1.10: a prefix for the views goes first
        return node.args[1:]
    return node.args if name == "format_suffix_patterns" or len(node.args) == 1 else None


def is_pattern(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and (dotted(node.func) or "").rsplit(".", 1)[-1] in PATHS


def unread(node: ast.expr, scope: Scope, reason: str) -> Pattern:
    return Pattern(None, ast.unparse(node)[:80], place_of(node, scope), reason=reason)


def place_of(node: ast.expr, scope: Scope) -> Place:
    return Place(scope.module.path, getattr(node, "lineno", 1))


def includes_of(view: ast.expr) -> ast.expr | None:
    """The argument of `include(…)`, also below a decorator; `admin.site.urls` and `router.urls` as they are."""
    if isinstance(view, ast.Attribute) and view.attr == "urls":
        return view
    if isinstance(view, ast.Tuple | ast.List):
        return view
    if isinstance(view, ast.Call) and (dotted(view.func) or "").rsplit(".", 1)[-1].endswith("include"):
        given = [keyword.value for keyword in view.keywords if keyword.arg == "arg"]
        arguments = [*view.args, *given]
        named = dotted(view.func) or ""
        return (
            (arguments[0] if named.endswith(".include") or named == "include" else arguments[-1])
            if arguments
            else None
        )
    return None


def own_converters(code: Code) -> Iterator[tuple[str, str]]:
    """`register_converter(YearConverter, "year")` with the class's regex."""
    for path in code.paths:
        if "register_converter(" not in (code.text(path) or ""):
            continue
        module = code.module(path)
        for node in ast.walk(module.tree) if module else ():
            if isinstance(node, ast.Call) and dotted(node.func) in (
                "register_converter",
                "converters.register_converter",
            ):
                assert module is not None
                scope = Scope(code, module)
                name = scope.text(node.args[1]) if len(node.args) > 1 else None
                one = scope.find(node.args[0]) if node.args else None
                regexes = [c.assigned("regex") for c in code.ancestors(one)] if isinstance(one, Class) else []
                regex = next((scope.text(r) for r in regexes if r is not None), None)
                if name and regex:
                    yield name, regex
