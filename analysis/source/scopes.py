"""What the names of a module are set to: constants, lists that grow, views that were wrapped. Read, never run.

`Code.find` knows functions, classes and imports; assignments are found here.
"""

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from analysis.source.modules import Class, Code, Function, Module, dotted

NESTED: Final = 4  # texts put together from texts
MOST_PARTS: Final = 10  # pieces of one text; with NESTED it bounds what a stranger can make this read
DEEPEST: Final = 12  # names followed from one to the next
TRANSLATIONS: Final = ("_", "gettext", "gettext_lazy", "ugettext_lazy", "pgettext_lazy", "pgettext")
DEFAULTS: Final = ("get", "getenv", "getattr", "config", "env")  # calls whose last argument is the default


@dataclass(frozen=True)
class Scope:
    """A module, or the body of a function of it, in which names have values.

    `owner`  the class that `self` is an instance of
    `bound`  the function's parameters with the arguments of the call that is followed
    """

    code: Code
    module: Module
    body: tuple[ast.stmt, ...] = ()
    owner: Class | None = None
    bound: "tuple[tuple[str, Given], ...]" = ()

    def values(self, name: str) -> "list[Given]":
        """All that a name is set to or grows by, in the order of the source; every arm of an `if` counts."""
        given = dict(self.bound).get(name)
        if given is not None:
            return [given]
        for body in (self.body, tuple(self.module.tree.body)):
            found = [
                Given(value, self, not isinstance(node, ast.Assign | ast.AnnAssign))
                for node in statements(body)
                for value in given_to(name, node)
            ]
            if found:
                return found
        return []

    def lookup(self, name: str, steps: int = DEEPEST) -> "list[Given]":
        """As `values`, followed through imports; for `module.name` and `self.name` too."""
        head, _, rest = name.partition(".")
        if steps <= 0:
            return []
        if head in ("self", "cls") and self.owner is not None:
            return self.of_class(rest)
        found = [] if rest else self.values(head)
        grows = all(given.grows for given in found)  # `from base import *`, then `urlpatterns += […]`
        return [*self.imported(name, steps), *found] if grows else found

    def imported(self, name: str, steps: int = DEEPEST) -> "list[Given]":
        """What the module that a name is imported from sets it to."""
        head, _, rest = name.partition(".")
        source = self.module.imports.get(head)
        sources = [source] if source else [v for k, v in self.module.imports.items() if k.startswith("*")]
        for each in sources:
            full = f"{each}.{rest}".rstrip(".") if source else f"{each}.{name}"
            parent, _, last = full.rpartition(".")
            module = self.code.absolute(parent, self.module.path) if parent else None
            if isinstance(module, Module) and module is not self.module:
                found = Scope(self.code, module).lookup(last, steps - 1)
                if found:
                    return found
        return []

    def of_class(self, name: str) -> "list[Given]":
        """What an attribute is set to in the body of the class, or of its nearest ancestor that does."""
        for one in self.code.ancestors(self.owner) if self.owner else ():
            value = one.assigned(name)
            if value is not None:
                return [Given(value, Scope(self.code, one.module, (), one))]
        return []

    def find(self, node: ast.expr) -> "Class | Function | Module | None":
        """The definition that a name means; of `package.name` what the package itself imports goes first."""
        name = dotted(node)
        if name is None:
            return None
        found = self.code.find(self.module, name)
        head, _, last = name.rpartition(".")
        package = self.code.find(self.module, head) if head and isinstance(found, Module) else None
        own = self.code.find(package, last) if isinstance(package, Module) else None
        return own or found

    def inside(self, function: Function, call: ast.Call) -> "Scope":
        """The body of a function as a call of it sees it."""
        parameters = [parameter.arg for parameter in function.parameters]
        if function.owner is not None:
            parameters = parameters[1:]
        given = dict(zip(parameters, call.args, strict=False))
        given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
        bound = tuple((name, Given(value, self)) for name, value in given.items())
        return Scope(self.code, function.module, tuple(function.node.body), function.owner, bound)

    def text(self, node: ast.expr | None, hole: str | None = None, steps: int = NESTED) -> str | None:
        """The text that an expression comes to; None if that cannot be read off the source.

        With a `hole`, that stands for each part of a text which cannot.
        """
        if isinstance(node, ast.Constant):
            return node.value if isinstance(node.value, str) else hole
        parts = self.parts(node, hole, steps)
        if parts is not None:
            return None if None in parts else "".join(part for part in parts if part is not None)
        name = dotted(node) if isinstance(node, ast.Name | ast.Attribute) else None
        if name is None or steps == 0:
            return hole
        found = self.lookup(name) or (self.settings(name) if "settings." in name else [])
        return found[0].scope.text(found[0].node, hole, steps - 1) if len(found) == 1 else hole

    def parts(self, node: ast.expr | None, hole: str | None, steps: int) -> list[str | None] | None:
        """The texts that an expression puts together; None if it puts nothing together."""
        if isinstance(node, ast.JoinedStr):
            return (
                [self.text(part, hole, steps) for part in node.values]
                if len(node.values) <= MOST_PARTS
                else [hole]
            )
        if isinstance(node, ast.FormattedValue):
            return [self.text(node.value, hole, steps) if node.format_spec is None else hole]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            return [self.text(node.left, hole, steps), self.text(node.right, hole, steps)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
            values = node.right.elts if isinstance(node.right, ast.Tuple) else [node.right]
            return self.filled(node.left, "%s", [self.text(value, hole, steps) for value in values], {})
        return self.called(node, hole, steps) if isinstance(node, ast.Call) else None

    def called(self, node: ast.Call, hole: str | None, steps: int) -> list[str | None] | None:
        """The text of a translation, the default of a setting, `"…".format(…)`."""
        name = (dotted(node.func) or "").rsplit(".", 1)[-1]
        if (name in TRANSLATIONS and node.args) or (name in DEFAULTS and len(node.args) > 1):
            return [self.text(node.args[-1], hole, steps)]
        if isinstance(node.func, ast.Attribute) and node.func.attr == "format":
            texts = [self.text(value, hole, steps) for value in node.args]
            named = {k.arg: self.text(k.value, hole, steps) for k in node.keywords if k.arg}
            return self.filled(node.func.value, "{}", texts, named)
        return None

    def filled(
        self, node: ast.expr, place: str, texts: Sequence[str | None], named: dict[str, str | None]
    ) -> list[str | None]:
        """A constant with plain places in it (`%s`, `{}`, `{name}`), and what is put there."""
        text = self.text(node)
        pieces = [] if text is None else re.split(r"(%s|\{\w*\})", text)
        values = iter(texts)
        found: list[str | None] = [None] if text is None else []
        for piece in pieces:
            if piece == place:
                found.append(next(values, None))
            else:
                found.append(named.get(piece[1:-1]) if piece[:1] == "{" and piece[1:-1] in named else piece)
        return found

    def settings(self, name: str) -> "list[Given]":
        """What the settings modules of the tree set a name to, if they agree."""
        last = name.rsplit(".", 1)[-1]
        modules = [self.code.module(path) for path in self.code.paths if "settings" in path]
        found = [given for module in modules if module for given in Scope(self.code, module).values(last)]
        return found[:1] if len({ast.dump(given.node) for given in found}) == 1 else []


@dataclass(frozen=True)
class Given:
    """An expression and the scope that its names belong to; `grows`: it is added to what the name was before."""

    node: ast.expr
    scope: Scope
    grows: bool = False


def statements(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a body, with those below `if`, `try`, `with` and loops, without those of definitions."""
    for node in body:
        yield node
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            for part in ("body", "orelse", "finalbody"):
                yield from statements(getattr(node, part, []))
            for handler in getattr(node, "handlers", []):
                yield from statements(handler.body)


def given_to(name: str, node: ast.stmt) -> Iterator[ast.expr]:
    """What one statement sets a name to or adds to it: `=`, `+=`, `.append`, `.extend`, `.insert`."""
    if isinstance(node, ast.Assign):
        if any(isinstance(target, ast.Name) and target.id == name for target in node.targets):
            yield node.value
    elif isinstance(node, ast.AnnAssign | ast.AugAssign):
        if isinstance(node.target, ast.Name) and node.target.id == name and node.value is not None:
            yield node.value
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        call = node.value
        if isinstance(call.func, ast.Attribute) and dotted(call.func.value) == name and call.args:
            if call.func.attr in ("append", "insert"):
                yield ast.copy_location(ast.List([call.args[-1]], ast.Load()), call)
            elif call.func.attr == "extend":
                yield call.args[0]
