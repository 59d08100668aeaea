"""Reads off a view what it takes from a request and which rows it wants: look-ups, refusals, keys, conversions.

A walk over the statements in the order in which a request that succeeds goes through them; calls inside the tree are
followed to DEEPEST. What refuses (`if …: return refuse(…)`, `raise`) tells what must not be so.

Source: https://docs.djangoproject.com/en/5.2/ref/request-response/#attributes
"""

import ast
from collections.abc import Iterable
from typing import Final

from analysis.source.answers import decided, ends, is_absence, refuses, refusing
from analysis.source.constants import constant_of
from analysis.source.hits import Place
from analysis.source.intake_calls import DEEPEST, called, header_name
from analysis.source.models import Models
from analysis.source.modules import Class, Code, Function, dotted
from analysis.source.scopes import Scope
from analysis.source.takes import UNKNOWN, Intake, Source, Wanted
from analysis.source.wants import require

BODIES: Final = {"POST": "body", "data": "body", "body": "body", "GET": "query", "query_params": "query"}
MOST_CALLS: Final = 1_000  # that are followed for one view
CLEANED: Final = ("validated_data", "cleaned_data", "data")


class Reader:
    """Walks one view. `method`: of the request, in capitals."""

    def __init__(self, code: Code, models: Models, method: str) -> None:
        self.code, self.models, self.method = code, models, method
        self.intake, self.left = Intake(), MOST_CALLS

    def view(self, function: Function, captured: Iterable[str]) -> Intake:
        """What a view takes and wants, with what its decorators in the tree do before it."""
        parameters = [parameter.arg for parameter in function.parameters]
        env = {name: Source("url", (name,)) for name in (*parameters, *captured)}
        for decorator in function.node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            wrapper = Scope(self.code, function.module).find(called)
            if isinstance(wrapper, Function):
                for node in ast.walk(wrapper.node):
                    if isinstance(node, ast.FunctionDef) and any(a.arg == "request" for a in node.args.args):
                        inner = Function(f"{wrapper.name}.{node.name}", node, wrapper.module)
                        self.run(inner, env | {"request": Source("request")}, 1)
        first = [parameter.arg for parameter in function.parameters][:2]
        method = function.owner is not None
        names = zip(first, ("self", "request") if method else ("request",), strict=False)
        try:
            self.run(function, env | {name: Source(kind) for name, kind in names})
        except RecursionError:
            self.left = 0
        if self.left <= 0:
            self.intake.gaps.append(f"{function.module.path}:{function.node.lineno}: too much to follow")
        return self.intake

    def run(self, function: Function, env: dict[str, Source], depth: int = 0) -> Source:
        """The body of a function with its parameters bound; what it returns where it goes on to its end."""
        self.left -= 1
        return (self.left > 0 and Frame(self, function, env, depth).block(function.node.body)) or UNKNOWN


class Frame:
    """One call of a function."""

    def __init__(self, reader: Reader, function: Function, env: dict[str, Source], depth: int) -> None:
        self.reader, self.function, self.env, self.depth = reader, function, env, depth
        self.scope = Scope(reader.code, function.module, tuple(function.node.body), function.owner)
        self.intake = reader.intake

    def place(self, node: ast.AST) -> Place:
        return Place(self.function.module.path, getattr(node, "lineno", 1))

    def block(self, body: list[ast.stmt]) -> Source | None:
        """The statements of a block; the value of the `return` that ends it, None if it goes on."""
        for number, node in enumerate(body):
            returned = (
                self.choice(node, body[number + 1 :]) if isinstance(node, ast.If) else self.statement(node)
            )
            if returned is not None:
                return returned
        return None

    def statement(self, node: ast.stmt) -> Source | None:
        if isinstance(node, ast.Return):
            return self.returned(node.value)
        if isinstance(node, ast.With | ast.AsyncWith | ast.Try):
            return self.within(node)
        if isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign):
            self.assign(node)
        elif isinstance(node, ast.Expr):
            self.value(node.value)
        elif isinstance(node, ast.Assert):
            require(self, node.test, True)
        elif isinstance(node, ast.For | ast.AsyncFor):
            self.value(node.iter)
            self.block(node.body)
        return None

    def returned(self, node: ast.expr | None) -> Source:
        """What a `return` gives; of `done() if paid else refuse()` the arm that does not refuse."""
        if isinstance(node, ast.IfExp) and refusing(node.body) != refusing(node.orelse):
            require(self, node.test, refusing(node.orelse))
            return self.value(node.orelse if refusing(node.body) else node.body)
        return UNKNOWN if node is None else self.value(node)

    def within(self, node: ast.With | ast.AsyncWith | ast.Try) -> Source | None:
        """A block that a context or handlers surround. A row whose absence is handled, not refused, may be absent."""
        for item in getattr(node, "items", []):
            self.value(item.context_expr)
        known = len(self.intake.rows)
        returned = self.block(node.body)
        for handler in getattr(node, "handlers", []):
            if is_absence(handler) and not refuses(handler.body):
                for wanted in self.intake.rows[known:]:
                    wanted.required = wanted.required if wanted.referred else None
                other = self.block(handler.body)
                returned = other if returned is None else returned
        return returned if returned is not None else self.block(getattr(node, "orelse", []))

    def assign(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign) -> None:
        value = self.value(node.value) if node.value is not None else UNKNOWN
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                self.env[target.id] = UNKNOWN if isinstance(node, ast.AugAssign) else value
            elif isinstance(target, ast.Tuple):
                for number, each in enumerate(target.elts):
                    if isinstance(each, ast.Name):
                        self.env[each.id] = self.part(value, number)

    def part(self, of: Source, number: int) -> Source:
        """One of several values: of a header that was split, else the first of what a call returned."""
        if of.kind != "parts":
            return of if number == 0 else UNKNOWN
        return Source("header", (of.path[0], "0" if number == 0 else "1"))

    def choice(self, node: ast.If, rest: list[ast.stmt]) -> Source | None:
        """Goes the way on which the request is not turned away. rest: the statements behind the `if`."""
        known = decided(node.test, self.scope, self.reader.method)
        if known is not None:
            return self.block(node.body if known else node.orelse)
        if ends(node.body) and not refuses(node.body) and refuses(node.orelse or rest):
            require(self, node.test, True)
            return self.block(node.body)
        if ends(node.body) and not ends(node.orelse):
            require(self, node.test, False)
            return self.block(node.orelse)
        if ends(node.orelse) and not ends(node.body):
            require(self, node.test, True)
            return self.block(node.body)
        return self.both(node)

    def both(self, node: ast.If) -> Source | None:
        """Neither arm turns the request away: both are read."""
        if isinstance(node.test, ast.Compare) and self.value(node.test.left).kind == "header":
            require(self, node.test, True)
        else:
            self.value(node.test)
        returned = self.block(node.body)
        return returned if returned is not None and not node.orelse else self.block(node.orelse) or returned

    def value(self, node: ast.expr | None) -> Source:
        """Where the value of an expression comes from; what is read on the way is noted."""
        if isinstance(node, ast.Constant):
            return Source("const", value=node.value)
        if isinstance(node, ast.Call):
            return called(self, node)
        if isinstance(node, ast.Name | ast.Attribute | ast.Subscript):
            return self.reached(node)
        if isinstance(node, ast.Await | ast.NamedExpr | ast.Starred):
            inner = self.value(node.value)
            if isinstance(node, ast.NamedExpr):
                self.env[node.target.id] = inner
            return inner
        for child in ast.iter_child_nodes(node) if isinstance(node, ast.expr) else ():
            if isinstance(child, ast.expr):
                self.value(child)
        return UNKNOWN

    def reached(self, node: ast.Name | ast.Attribute | ast.Subscript) -> Source:
        """`job`, `job.status`, `payload["x"]`."""
        if isinstance(node, ast.Name):
            return self.env[node.id] if node.id in self.env else self.named(node)
        of = self.value(node.value)
        return (
            self.item(of, self.value(node.slice))
            if isinstance(node, ast.Subscript)
            else self.attribute(of, node)
        )

    def named(self, node: ast.Name | ast.Attribute) -> Source:
        """A model by its class, a constant by its name."""
        found = self.scope.find(node)
        if isinstance(found, Class):
            model = self.reader.models.of(found)
            return Source("model", value=model.name) if model else UNKNOWN
        if isinstance(node, ast.Attribute) and isinstance(owner := self.scope.find(node.value), Class):
            member = constant_of(self.reader.code, owner, node.attr)  # Order.Status.OPEN, Status.OPEN
            return UNKNOWN if member is None else Source("const", value=member)
        given = self.scope.lookup(dotted(node) or "")
        if len(given) == 1 and isinstance(given[0].node, ast.Constant):
            return Source("const", value=given[0].node.value)
        return UNKNOWN

    def attribute(self, of: Source, node: ast.Attribute) -> Source:
        name = node.attr
        if of.kind == "request":
            return self.of_request(name)
        if of.kind == "self":
            return self.of_self(name)
        if of.kind == "model":
            return self.of_model(of, node)
        if of.kind in ("row", "attr") and of.row is not None:
            return self.of_row(of, name)
        self.intake.staff |= of.kind == "user" and name in ("is_staff", "is_superuser")
        kept = {"rows": of, "validated": Source("body") if name in CLEANED else UNKNOWN, "": self.named(node)}
        return kept.get(of.kind, UNKNOWN)

    def of_request(self, name: str) -> Source:
        """The user, the body in its forms, the query."""
        self.intake.user |= name == "user"
        self.intake.is_json |= name in ("data", "body")
        if name in ("headers", "META"):
            return Source("header")
        return Source("user") if name == "user" else Source(BODIES[name]) if name in BODIES else UNKNOWN

    def of_row(self, of: Source, name: str) -> Source:
        """An attribute of a row; a property of the model is read as its function."""
        method = self.method_of(of, name)
        if method is not None and method.is_property:
            return self.reader.run(method, {method.parameters[0].arg: of}, self.depth + 1)
        return Source("attr", (*of.path, name), of.row)

    def method_of(self, of: Source, name: str) -> Function | None:
        """A method of a row's model, in the tree, no deeper than calls are followed."""
        if of.kind != "row" or of.row is None or self.depth >= DEEPEST:
            return None
        model = self.reader.models.named(self.intake.rows[of.row].model)
        return self.reader.code.method(model.cls, name) if model else None

    def manager_method(self, model: str, name: str) -> Function | None:
        """A method of a manager or queryset of the tree that serves a model."""
        facts = self.reader.models.named(model)
        for manager in facts.managers.values() if facts and self.depth < DEEPEST else ():
            found = self.reader.code.find(facts.cls.module, manager) if facts else None
            method = self.reader.code.method(found, name) if isinstance(found, Class) else None
            if method is not None:
                return method
        return None

    def inside(self, method: Function, of: Source) -> "Frame":
        return Frame(
            self.reader, method, {method.parameters[0].arg: of} if method.parameters else {}, self.depth + 1
        )

    def of_self(self, name: str) -> Source:
        """Of a class-based view: the request, the URL's parts, what the class sets."""
        if name in ("request", "kwargs"):
            return Source("request" if name == "request" else "url")
        given = self.scope.of_class(name)
        return Frame(self.reader, self.function, {}, self.depth).value(given[0].node) if given else UNKNOWN

    def of_model(self, of: Source, node: ast.Attribute) -> Source:
        """`Job.OPEN` is a constant; `Job.objects` a query for a row of which nothing is known yet."""
        model = self.reader.models.named(of.value)
        constant = constant_of(self.reader.code, model.cls, node.attr) if model else None
        if constant is not None:
            return Source("const", value=constant)
        if node.attr[:1].isupper() or (model and node.attr in model.fields):
            return UNKNOWN
        self.intake.rows.append(Wanted(str(of.value), self.place(node)))
        return Source("rows", row=len(self.intake.rows) - 1)

    def item(self, of: Source, key: Source) -> Source:
        """`payload["x"]`, `self.kwargs["pk"]`."""
        if of.kind in ("body", "query", "url") and isinstance(key.value, str):
            found = Source(of.kind, (*of.path, key.value))
            self.intake.take(of, "dict" if of.path else "")
            self.intake.take(found)
            return found
        if of.kind == "header" and not of.path and isinstance(key.value, str):
            self.intake.headers.add(header_name(key.value))
            return Source("header", (header_name(key.value),))
        if of.kind == "parts" and isinstance(key.value, int):
            return self.part(of, key.value)
        if of.kind == "found":
            return of
        return Source("row", row=of.row) if of.kind == "rows" else UNKNOWN

    def arguments(self, node: ast.Call) -> tuple[list[Source], dict[str, Source]]:
        return [self.value(each) for each in node.args], {
            k.arg: self.value(k.value) for k in node.keywords if k.arg
        }
