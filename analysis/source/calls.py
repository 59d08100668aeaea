"""Calls: those of the framework by what they do, those of the tree by following them."""

import ast
import re
from typing import TYPE_CHECKING

from analysis.source import words
from analysis.source.containers import container_call
from analysis.source.effects import foreign_call
from analysis.source.forms import construct_form, form_method, is_form, super_call
from analysis.source.givens import adopt
from analysis.source.modules import Class, Function, dotted
from analysis.source.queries import keywords, query_method, read_rows
from analysis.source.rows import construct, row_method
from analysis.source.values import NOTHING, Query, Row, Value

if TYPE_CHECKING:
    from analysis.source.trace import Tracer


# A class that an attribute or a name stands for: which model it is, its tree does not tell here.
MODEL_CLASS = re.compile(
    r"(?:^|[._])(?:model|model_class|model_cls|MODEL|MODEL_CLASS|[A-Z]+_(?:CLASS|MODEL))$"
)
FOREIGN_MODEL = re.compile(r"^django\.contrib\.\w+\.models\.[A-Z]\w*$")


def call(tracer: "Tracer", node: ast.Call) -> Value:
    """The value of a call."""
    from analysis.source.expressions import evaluate
    from analysis.source.named_calls import named_call

    if isinstance(node.func, ast.Attribute):
        return method_call(tracer, node, node.func)
    if isinstance(node.func, ast.Name):
        return named_call(tracer, node, node.func.id)
    return opaque(tracer, node, evaluate(tracer, node.func))


def apply(tracer: "Tracer", called: Value, node: ast.Call) -> Value:
    """Calls a function or class of the tree, or something foreign."""
    if called.type is not None:
        model = tracer.models.of(called.type)
        if model is not None:
            return construct(tracer, called.type, node)
        return construct_other(tracer, called.type, node)
    if called.function is not None:
        return follow(tracer, called.function, called.bound, node)
    if FOREIGN_MODEL.search(called.foreign):
        name = called.foreign.rsplit(".", 1)[-1]
        return Value(rows=(Row(name, "fresh", values=keywords(tracer, node), name=name),))
    if called.foreign and not makes_row(node):
        return foreign_call(tracer, called, node)
    return opaque(tracer, node, called)


def makes_row(node: ast.Call) -> bool:
    """`self.MODEL(name=…)`, `model(name=…)`: a row of a class that the text does not tell."""
    return bool(node.keywords) and not node.args and bool(MODEL_CLASS.search(ast.unparse(node.func)))


def construct_other(tracer: "Tracer", one: Class, node: ast.Call) -> Value:
    from analysis.source.expressions import evaluate

    if is_form(tracer, one):
        return construct_form(tracer, one, node)
    args = [evaluate(tracer, arg) for arg in node.args]
    given = keywords(tracer, node)
    tracer.escape(*args, *given.values())
    return Value(instance=one).tainted(*args, *given.values())


def follow(tracer: "Tracer", function: Function, bound: Value | None, node: ast.Call) -> Value:
    """Runs a function of the tree with the arguments of the call."""
    from analysis.source.expressions import evaluate

    args = [evaluate(tracer, arg) for arg in node.args]
    given = keywords(tracer, node)
    first = [bound] if bound is not None and not is_static(function) else []
    return tracer.inline(function, [*first, *args], given, node)


def is_static(function: Function) -> bool:
    return "staticmethod" in function.decorators


def method_call(tracer: "Tracer", node: ast.Call, func: ast.Attribute) -> Value:
    from analysis.source.expressions import evaluate

    text = dotted(func) or ""
    if is_super(func.value):
        return super_call(tracer, node, func.attr)
    if func.attr in words.SENDS or text.endswith(("transaction.on_commit", ".delay_on_commit")):
        signature = evaluate(tracer, func.value) if isinstance(func.value, ast.Call) else NOTHING
        return foreign_call(tracer, Value(foreign=text or func.attr).tainted(signature), node)
    owner = evaluate(tracer, func.value)
    if owner.query is None and not owner.rows and owner.instance is None and known_owner(owner):
        return apply(tracer, evaluate(tracer, func), node)
    found = owned_call(tracer, owner, func.attr, node)
    return found if found is not None else unknown_call(tracer, owner, func.attr, node, text)


def known_owner(owner: Value) -> bool:
    return owner.type is None and (owner.module is not None or owner.function is not None)


def owned_call(tracer: "Tracer", owner: Value, method: str, node: ast.Call) -> Value | None:
    """A method of what is known to be a queryset, a row, a class or an object; None if it has no such method."""
    if method == "get_object_for_this_type":
        return specific(tracer, owner, node)
    if owner.query is not None:
        found = query_method(tracer, owner, method, node)
        return found if found is not None else custom_query_method(tracer, owner, method, node)
    if owner.rows:
        return row_call(tracer, owner, method, node)
    if owner.type is not None:
        return class_call(tracer, owner, method, node)
    return instance_call(tracer, owner, method, node) if owner.instance is not None else None


def is_super(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "super"


def custom_query_method(tracer: "Tracer", owner: Value, method: str, node: ast.Call) -> Value:
    """A method that a manager or queryset of the tree adds: followed; an unknown one keeps the queryset."""
    from analysis.source.expressions import evaluate

    assert owner.query is not None
    if method in ("model", "build"):
        given = keywords(tracer, node)
        return Value(rows=(Row(owner.query.model, "fresh", values=given, parent=owner.query.parent),))
    model = tracer.models.named(owner.query.model)
    for name in dict.fromkeys(model.managers.values()) if model else ():
        found = tracer.code.find(model.cls.module, name) if model else None
        if isinstance(found, Class) and (function := tracer.code.method(found, method)) is not None:
            return follow(tracer, function, owner, node)
    args = [evaluate(tracer, arg) for arg in node.args]
    given = keywords(tracer, node)
    if method.startswith(("get_for_", "get_by_", "get_or_none")):
        return read_rows(tracer, owner.query, "first", node)
    return owner.tainted(*args, *given.values())


def row_call(tracer: "Tracer", owner: Value, method: str, node: ast.Call) -> Value | None:
    """A method of a row: Django's, the model's own, or a serializer or form that a guess took for a row."""
    row = owner.rows[0]
    model = tracer.models.named(row.model, tracer.frame.module.path)
    own = tracer.code.method(model.cls, method) if model is not None else None
    builtin_method = (
        row_method(tracer, owner, method, node) if own is None or method in ("save", "delete") else None
    )
    if builtin_method is not None:
        return builtin_method
    if own is not None:
        return follow(tracer, own, owner, node).tainted(Value(origins=owner.every_origin))
    return None


def class_call(tracer: "Tracer", owner: Value, method: str, node: ast.Call) -> Value:
    assert owner.type is not None
    function = tracer.code.method(owner.type, method)
    if function is not None:
        bound = owner if "classmethod" in function.decorators else None
        return follow(tracer, function, bound, node)
    return opaque(tracer, node, owner)


def instance_call(tracer: "Tracer", owner: Value, method: str, node: ast.Call) -> Value | None:
    assert owner.instance is not None
    if is_form(tracer, owner.instance):
        found = form_method(tracer, owner, method, node)
        if found is not None:
            return found
    function = tracer.code.method(owner.instance, method)
    if function is not None:
        return follow(tracer, function, owner, node)
    if method == "get_object":
        return view_object(tracer, owner, node)
    if method in ("get_serializer", "get_form"):
        from analysis.source.validation import form_of

        form = form_of(tracer, owner.instance)
        return construct_form(tracer, form, node) if form is not None else None
    return None


def view_object(tracer: "Tracer", owner: Value, node: ast.Call) -> Value:
    """`self.get_object()` of a generic view: the row that the URL names."""
    assert owner.instance is not None
    query: Query | None = None
    for one in tracer.code.ancestors(owner.instance):
        for name in ("queryset", "model"):
            source = one.assigned(name)
            if source is None or query is not None:
                continue
            value = tracer.in_module(one.module, source)
            query = value.query or (
                Query(tracer.models.key(value.type), tracer.models.key(value.type)) if value.type else None
            )
    query = query or Query(None, "self.get_object()")
    lock = tracer.emit("lock", "select_for_update", node, model=query.model) if query.locked else None
    read = tracer.emit("read", "get_object", node, model=query.model, base=query.base, lookups=("pk",))
    row = Row(query.model, "read", read.order, lock.order if lock else None, "self.get_object()")
    read.rows = (row,)
    return Value(rows=(row,), origins=frozenset({read.order}), present=True)


def unknown_call(tracer: "Tracer", owner: Value, method: str, node: ast.Call, text: str) -> Value:
    """A method of something unknown: a queryset or a row if only those have it, else a function of that name."""
    from analysis.source.expressions import evaluate

    assert isinstance(node.func, ast.Attribute)
    container = container_call(tracer, owner, method, node)
    if container is not None:
        return container
    if method in words.TELLTALE or looks_like_manager(method, node, text):
        base = ast.unparse(node.func.value)
        model = tracer.models.guessed(base.rsplit(".", 1)[-1].removesuffix("()"), tracer.frame.module.path)
        parent = owner.row or (owner.bound.row if owner.bound else None)
        found = query_method(tracer, Value(query=Query(model, model or base, parent=parent)), method, node)
        assert found is not None
        return found
    if owner.foreign:
        return foreign_call(tracer, Value(foreign=f"{owner.foreign}.{method}", bound=owner), node)
    if method in ("save", "delete") and isinstance(node.func.value, ast.Name) and len(node.args) == 0:
        row = adopt(tracer, node.func.value.id, owner)
        found = row_method(tracer, row, method, node)
        assert found is not None
        return found
    if method not in words.COMMON_METHODS and not method.startswith("__"):
        candidate = only_one(tracer, method)
        if candidate is not None:
            return follow(tracer, candidate, evaluate(tracer, node.func.value), node).tainted(owner)
    return opaque(tracer, node, owner)


def only_one(tracer: "Tracer", method: str) -> Function | None:
    """The one method of that name in the tree, or the one that all others override."""
    found = [f for f in tracer.code.functions_named(method, 4) if f.owner is not None]
    roots = [
        f
        for f in found
        if f.owner and not any(f is not o and o.owner in [*tracer.code.ancestors(f.owner)] for o in found)
    ]
    return roots[0] if len(roots) == 1 else None


def specific(tracer: "Tracer", owner: Value, node: ast.Call) -> Value:
    """content_type.get_object_for_this_type(pk=row.pk): the same row as its most specific class."""
    given = keywords(tracer, node)
    identity = next(
        (i for value in given.values() for i, attr in sorted(value.attrs) if attr in ("pk", "id")), 0
    )
    model = tracer.trace.rows[identity].model if identity in tracer.trace.rows else None
    read = tracer.emit("read", "get", node, model=model, base=model or "?", lookups=("pk",))
    row = Row(model, "read", read.order, name=ast.unparse(node)[:60])
    read.rows = (row,)
    return Value(rows=(row,), origins=frozenset({read.order}), present=True).tainted(owner)


def looks_like_manager(method: str, node: ast.Call, text: str) -> bool:
    """`x.things.get(name=…)`, `self.create(user=…)`, `things.first()`: by the name and the arguments."""
    named = bool(node.keywords) and not node.args
    if method in ("get", "create", "acreate", "aget") and named:
        return text.count(".") >= 1 and not text.startswith(
            ("requests.", "client.", "cache.", "self.client.")
        )
    if method in ("first", "last", "count", "all") and not node.args and not node.keywords:
        return text.count(".") >= 2
    return False


def opaque(tracer: "Tracer", node: ast.Call, called: Value) -> Value:
    """A call that cannot be followed: what comes back depends on what went in."""
    from analysis.source.expressions import evaluate

    if makes_row(node):
        row = Row(None, "fresh", values=keywords(tracer, node), made_under=tuple(tracer.guards))
        return Value(rows=(row,))
    args = [evaluate(tracer, arg) for arg in node.args]
    given = list(keywords(tracer, node).values())
    tracer.escape(*args, *given)
    return Value(origins=called.every_origin, attrs=called.attrs).tainted(*args, *given)
