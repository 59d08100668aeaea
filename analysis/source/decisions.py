"""Tests: what they ask about, and whether passing them means that a row was there."""

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.source.events import Term
from analysis.source.queries import materialise
from analysis.source.values import Value

if TYPE_CHECKING:
    from analysis.source.trace import Tracer


def judged(tracer: "Tracer", node: ast.UnaryOp | ast.Compare) -> Value:
    """A yes or no about what was read."""
    found = terms(tracer, node)
    asking = [term for term in found if term.origins or term.attrs or term.claims]
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], ast.In | ast.NotIn):
        asking = list(found[:1])  # `key in found`: about what was found, whatever the key is
    present = {term.present for term in asking}
    return Value(
        origins=frozenset[int]().union(*(term.origins for term in found)),
        attrs=frozenset[tuple[int, str]]().union(*(term.attrs for term in found)),
        claims=frozenset[int]().union(*(term.claims for term in found)),
        present=present.pop() if len(present) == 1 else None,
    )


def terms(tracer: "Tracer", node: ast.expr) -> tuple[Term, ...]:
    """What a test asks about."""
    from analysis.source.expressions import evaluate

    match node:
        case ast.UnaryOp(op=ast.Not()):
            return tuple(inverse(term) for term in terms(tracer, node.operand))
        case ast.BoolOp():
            return tuple(term for part in node.values for term in terms(tracer, part))
        case ast.Compare():
            return comparison(tracer, node)
    value = evaluate(tracer, node)
    if value.query is not None:
        value = materialise(tracer, value, node, "iterate")
    present = value.present
    if present is None and (value.rows or value.claims):
        present = True
    return (as_term(value, present),)


def as_term(value: Value, present: bool | None, difference: bool = False, equal: bool = False) -> Term:
    everything = value.every_origin
    return Term(everything, value.attrs, value.claims, present, difference or value.difference, equal)


def inverse(term: Term) -> Term:
    return replace(term, present=None if term.present is None else not term.present)


def comparison(tracer: "Tracer", node: ast.Compare) -> tuple[Term, ...]:
    """What a comparison asks about, both sides of each operator."""
    from analysis.source.expressions import evaluate

    left, before = evaluate(tracer, node.left), node.left
    found: list[Term] = []
    for op, part in zip(node.ops, node.comparators, strict=True):
        right = evaluate(tracer, part)
        if isinstance(op, ast.In | ast.NotIn):
            right = materialise(tracer, right, part, "iterate")
            inside = isinstance(op, ast.In)
            found.append(as_term(right, inside, difference=not inside and bool(right.every_origin)))
            found.append(as_term(left, None))
        else:
            found += compared(left, op, right, part, ast.unparse(before))
        left, before = right, part
    return tuple(found)


def compared(left: Value, op: ast.cmpop, right: Value, part: ast.expr, left_text: str) -> list[Term]:
    """`x is None`, `count > 0`, `row.status == OPEN`: presence where it is asked for, else the values alone."""
    number = part.value if isinstance(part, ast.Constant) and type(part.value) is int else None
    nothing = isinstance(part, ast.Constant) and part.value is None
    if (nothing or number in (0, 1)) and (left.rows or not left.attrs):
        absent = (
            (isinstance(op, ast.Is | ast.Eq) and number != 1)
            or (isinstance(op, ast.Lt | ast.NotEq) and number == 1)
            or (isinstance(op, ast.LtE) and number == 0)
        )
        return [as_term(left, not absent)]
    equal = isinstance(op, ast.Eq | ast.NotEq)
    return [
        replace(as_term(left, None, equal=equal), against=ast.unparse(part)),
        replace(as_term(right, None, equal=equal), against=left_text),
    ]
