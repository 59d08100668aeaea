"""What an expression stands for, and what it reads on the way."""

import ast
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analysis.source.attributes import attribute
from analysis.source.calls import call
from analysis.source.decisions import as_term, judged, terms
from analysis.source.events import Term
from analysis.source.modules import Class, Function, Module, assignment
from analysis.source.queries import materialise
from analysis.source.values import NOTHING, Value, merged

if TYPE_CHECKING:
    from analysis.source.trace import Tracer


def evaluate(tracer: "Tracer", node: ast.expr | None) -> Value:
    """The value of an expression; its reads and writes become events of the tracer."""
    if node is None:
        return NOTHING
    tracer.spend()
    known = KINDS.get(type(node))
    if known is not None:
        return known(tracer, node)
    parts = [evaluate(tracer, part) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    return gathered(tuple(parts))


def inner(tracer: "Tracer", node: ast.Await | ast.Starred | ast.FormattedValue) -> Value:
    return evaluate(tracer, node.value)


def assigned(tracer: "Tracer", node: ast.NamedExpr) -> Value:
    value = evaluate(tracer, node.value)
    tracer.bind(node.target, value)
    return value


def unary(tracer: "Tracer", node: ast.UnaryOp) -> Value:
    return judged(tracer, node) if isinstance(node.op, ast.Not) else evaluate(tracer, node.operand)


def sequence(tracer: "Tracer", node: ast.Tuple | ast.List) -> Value:
    items = tuple(evaluate(tracer, element) for element in node.elts)
    return Value(items=items) if isinstance(node, ast.Tuple) else gathered(items)


def gathered(items: tuple[Value, ...]) -> Value:
    """A container: it stands for its elements."""
    if not items:
        return NOTHING
    value = merged(*items)
    return replace(value, constant=None, items=(), present=None)


def name(tracer: "Tracer", node: ast.Name) -> Value:
    known = tracer.frame.env.get(node.id)
    return known if known is not None else meaning(tracer, node.id)


def meaning(tracer: "Tracer", text: str) -> Value:
    """A name of the module: a class, a function, a module, or something from elsewhere."""
    module = tracer.frame.module
    found = tracer.code.find(module, text)
    if isinstance(found, Class):
        return Value(type=found)
    if isinstance(found, Function):
        return Value(function=found)
    if isinstance(found, Module):
        return Value(module=found)
    assigned = assignment(module.tree.body, text)
    if isinstance(assigned, ast.Call | ast.Attribute | ast.Name) and tracer.frame.function is not None:
        value = tracer.in_module(module, assigned)
        if value.type or value.query or value.function or value.instance:
            return value
    origin = module.imports.get(text, text)
    if (
        text[:1].isupper()
        and (model := tracer.models.named(origin.rsplit(".", 1)[-1], module.path)) is not None
    ):
        return Value(
            type=model.cls
        )  # a model behind a swappable setting, a registry, or an import the tree does not show
    return Value(foreign=origin)


def conditional(tracer: "Tracer", node: ast.IfExp) -> Value:
    test = terms(tracer, node.test)
    guard = tracer.guard(node.test, test)
    branch = tracer.branch()
    with tracer.under(guard, branch, 1):
        body = evaluate(tracer, node.body)
    with tracer.under(tracer.inverted(guard), branch, 0):
        other = evaluate(tracer, node.orelse)
    asked = Value(origins=guard.origins, attrs=guard.attrs)
    return merged(body, other).tainted(asked)


def either(tracer: "Tracer", node: ast.BoolOp) -> Value:
    values = [evaluate(tracer, node.values[0])]
    with ExitStack() as decided:
        for part in node.values[1:]:
            last = values[-1]
            present = last.present if last.present is not None else True if last.rows else None
            guard = tracer.guard(part, (as_term(last, present),) if present is not None else ())
            guard = tracer.inverted(guard) if isinstance(node.op, ast.Or) else guard
            decided.enter_context(tracer.under(guard, tracer.branch(), 1))
            values.append(evaluate(tracer, part))
    value = merged(*values)
    known = [v.present for v in values if v.present is not None]
    unclear = frozenset[int]().union(*(v.every_origin for v in values if v.present is None))
    if tracer.trace.figures(unclear):  # whether rows are there, and how many: neither is what it tells
        known = []
        value = replace(value, present=None)
    return replace(value, present=known[0] if len(known) == 1 else value.present, constant=None)


def computed(tracer: "Tracer", node: ast.BinOp) -> Value:
    left, right = evaluate(tracer, node.left), evaluate(tracer, node.right)
    if right.query is not None and not isinstance(node.op, ast.BitOr | ast.BitAnd):
        right = materialise(tracer, right, node.right, "iterate")
    taken = isinstance(node.op, ast.Sub) and bool(right.every_origin)
    return Value(
        origins=left.every_origin | right.every_origin,
        attrs=left.attrs | right.attrs,
        claims=left.claims | right.claims,
        difference=taken or left.difference or right.difference,
        expression=left.expression or right.expression,
        arithmetic=isinstance(node.op, ast.Add | ast.Sub) or left.arithmetic or right.arithmetic,
        query=left.query if isinstance(node.op, ast.BitOr | ast.BitAnd) else None,
    )


def comprehension(
    tracer: "Tracer", node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
) -> Value:
    asked: list[Term] = []
    walked: list[Value] = []
    for part in node.generators:
        source = materialise(tracer, evaluate(tracer, part.iter), part.iter, "iterate")
        walked.append(source)
        tracer.bind(part.target, tracer.element(source))
        for test in part.ifs:
            asked += terms(tracer, test)
    if isinstance(node, ast.DictComp):
        value = gathered((evaluate(tracer, node.key), evaluate(tracer, node.value)))
    else:
        value = gathered((evaluate(tracer, node.elt),))
    origins = frozenset[int]().union(*(t.origins for t in asked), *(w.every_origin for w in walked))
    attrs = frozenset[tuple[int, str]]().union(*(t.attrs for t in asked))
    return replace(
        value,
        origins=value.origins | origins,
        attrs=value.attrs | attrs,
        difference=value.difference or any(t.difference for t in asked) or any(w.difference for w in walked),
    )


def subscript(tracer: "Tracer", node: ast.Subscript) -> Value:
    owner = evaluate(tracer, node.value)
    index = evaluate(tracer, node.slice) if not isinstance(node.slice, ast.Slice) else NOTHING
    if owner.query is not None:
        if isinstance(node.slice, ast.Slice):
            return owner
        return materialise(tracer, owner, node, "index")
    if (
        owner.items
        and isinstance(index.constant, int)
        and -len(owner.items) <= index.constant < len(owner.items)
    ):
        return owner.items[index.constant]
    return replace(owner, items=(), constant=None).tainted(index)


KINDS: dict[type[ast.expr], Callable[["Tracer", Any], Value]] = {
    ast.Constant: lambda tracer, node: Value(constant=node.value),
    ast.Name: name,
    ast.Attribute: attribute,
    ast.Call: call,
    ast.Await: inner,
    ast.Starred: inner,
    ast.FormattedValue: inner,
    ast.NamedExpr: assigned,
    ast.IfExp: conditional,
    ast.BoolOp: either,
    ast.UnaryOp: unary,
    ast.Compare: judged,
    ast.BinOp: computed,
    ast.Tuple: sequence,
    ast.List: sequence,
    ast.ListComp: comprehension,
    ast.SetComp: comprehension,
    ast.GeneratorExp: comprehension,
    ast.DictComp: comprehension,
    ast.Subscript: subscript,
    ast.Lambda: lambda tracer, node: NOTHING,
}
