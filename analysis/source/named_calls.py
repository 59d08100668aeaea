"""Calls by a plain name: shortcuts, builtins, and what the module itself defines."""

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.source import words
from analysis.source.calls import apply, opaque
from analysis.source.queries import keywords, materialise, read_rows
from analysis.source.values import NOTHING, Query, Row, Value, merged

if TYPE_CHECKING:
    from analysis.source.trace import Tracer


def named_call(tracer: "Tracer", node: ast.Call, name: str) -> Value:
    """A call of `name(…)`: of the names that Python and Django give a meaning, else of the module's own."""
    from analysis.source.expressions import evaluate

    plain = name.rsplit(".", 1)[-1]
    if plain in words.GETS_OR_404:
        return get_or_404(tracer, node, plain)
    if plain in words.DATABASE_VALUES:
        value = opaque(tracer, node, NOTHING)
        return replace(value, expression=True, origins=frozenset(), attrs=frozenset())
    if plain in words.FIGURES or plain in words.GATHERS:
        return builtin(tracer, node, plain)
    known, least = BUILTINS.get(plain, (None, 0))
    if known is not None and len(node.args) >= least:
        return known(tracer, node)
    return apply(tracer, evaluate(tracer, node.func), node)


def user_model(tracer: "Tracer", node: ast.Call) -> Value:
    model = tracer.models.named("User")
    return Value(type=model.cls) if model else Value(foreign="User")


def parent_class(tracer: "Tracer", node: ast.Call) -> Value:
    return Value(foreign="super", bound=tracer.frame.env.get("self") or tracer.frame.env.get("cls"))


def get_or_404(tracer: "Tracer", node: ast.Call, name: str) -> Value:
    """get_object_or_404(model or manager or queryset, …)."""
    from analysis.source.expressions import evaluate

    source = evaluate(tracer, node.args[0]) if node.args else NOTHING
    query = source.query
    if query is None:
        model = tracer.models.key(source.type) if source.type else None
        base = ast.unparse(node.args[0]) if node.args else "?"
        query = Query(model or (base if base.isidentifier() and base[:1].isupper() else None), model or base)
    given = keywords(tracer, node)
    values = [evaluate(tracer, arg) for arg in node.args[1:]] + list(given.values())
    query = replace(
        query,
        lookups=(*query.lookups, *given),
        narrowed=True,
        origins=query.origins.union(*(v.every_origin for v in values)),
        attrs=query.attrs.union(*(v.attrs for v in values)),
    )
    return read_rows(tracer, query, name.removeprefix("a"), node)


def get_attribute(tracer: "Tracer", node: ast.Call) -> Value:
    """getattr(row, name): an attribute that the text may not tell."""
    from analysis.source.expressions import evaluate

    name = node.args[1]
    if isinstance(name, ast.Constant) and isinstance(name.value, str) and name.value.isidentifier():
        plain = ast.Attribute(value=node.args[0], attr=name.value, ctx=ast.Load())
        return evaluate(tracer, ast.copy_location(plain, node))
    owner = evaluate(tracer, node.args[0])
    return Value(origins=owner.every_origin, attrs=frozenset((id(row), "?") for row in owner.rows))


def has_attribute(tracer: "Tracer", node: ast.Call) -> Value:
    """hasattr(row, name): of a reverse one-to-one it asks the database whether the other row is there."""
    value = get_attribute(tracer, node)
    return Value(origins=value.every_origin, attrs=value.attrs, present=True if value.rows else None)


def narrow(tracer: "Tracer", node: ast.Call) -> Value:
    """isinstance(x, Model): from here on x is a row, if nobody knew better."""
    from analysis.source.expressions import evaluate

    value, kind = (evaluate(tracer, arg) for arg in node.args)
    model = tracer.models.of(kind.type) if kind.type else None
    if model is not None and isinstance(node.args[0], ast.Name) and not value.rows:
        row = Row(model.name, "given", name=node.args[0].id)
        tracer.frame.env[node.args[0].id] = Value(rows=(row,), origins=value.every_origin)
    return Value(origins=value.every_origin, attrs=value.attrs)


def set_attribute(tracer: "Tracer", node: ast.Call) -> Value:
    """setattr(row, name, value)."""
    from analysis.source.expressions import evaluate

    owner, name, value = (evaluate(tracer, arg) for arg in node.args)
    attr = name.constant if isinstance(name.constant, str) else "?"
    if owner.rows:
        tracer.set_attribute(owner, attr, value, node, "assign")
    return NOTHING


def builtin(tracer: "Tracer", node: ast.Call, name: str) -> Value:
    """list(), len(), sorted() and the like run a queryset; the result stands for its elements."""
    from analysis.source.expressions import evaluate

    args = [materialise(tracer, evaluate(tracer, arg), arg, "iterate") for arg in node.args]
    args += [value for value in keywords(tracer, node).values() if value is not NOTHING]
    value = replace(merged(*args), items=(), constant=None) if args else NOTHING
    if name in ("len", "sum"):
        tracer.trace.count(value.every_origin)
        value = replace(value, attrs=frozenset())
    if name == "any" and value.every_origin:  # is one of them there?
        value = replace(value, attrs=frozenset(), present=True)
    if name in words.FIGURES:
        return replace(value, rows=(), origins=value.every_origin, instance=None)
    return value


BUILTINS: dict[str, tuple[Callable[["Tracer", ast.Call], Value], int]] = {
    "getattr": (get_attribute, 2),
    "setattr": (set_attribute, 3),
    "hasattr": (has_attribute, 2),
    "isinstance": (narrow, 2),
    "get_user_model": (user_model, 0),
    "super": (parent_class, 0),
}
