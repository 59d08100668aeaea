"""Statements, executed on paper."""

import ast
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from analysis.source.branches import run_for, run_if, run_match, run_try, run_while, run_with
from analysis.source.decisions import terms
from analysis.source.expressions import evaluate
from analysis.source.modules import Function
from analysis.source.values import NOTHING, Value, merged

if TYPE_CHECKING:
    from analysis.source.trace import Tracer


def run_block(tracer: "Tracer", body: list[ast.stmt]) -> str:
    """Executes statements; how they end: "" (they run through), "return", "raise" or "loop" (break, continue)."""
    for node in body:
        ending = run(tracer, node)
        if ending:
            return ending
    return ""


def run(tracer: "Tracer", node: ast.stmt) -> str:
    """Executes one statement; how it ends, as in `run_block`."""
    tracer.spend()
    known = KINDS.get(type(node))
    if known is not None:
        return known(tracer, node)
    run_simple(tracer, node)
    return ""


def run_return(tracer: "Tracer", node: ast.Return) -> str:
    value = evaluate(tracer, node.value)
    tracer.escape(value)
    tracer.frame.returns.append(decided(tracer, value) if is_flag(node.value) else found_free(tracer, value))
    return "return"


def found_free(tracer: "Tracer", value: Value) -> Value:
    """What is given back where no row had it: `if not ….filter(code=code).exists(): return code`."""
    asked = [t for guard in tracer.own_guards for t in guard.terms if t.present is False and t.origins]
    if not asked or value.rows or value.query is not None or len(tracer.active) < 2:
        return value
    return replace(value.tainted(Value(origins=asked[-1].origins)), free=True)


def run_raise(tracer: "Tracer", node: ast.Raise) -> str:
    evaluate(tracer, node.exc)
    return "raise"


def run_jump(tracer: "Tracer", node: ast.Break | ast.Continue) -> str:
    tracer.frame.breaks.append(dict(tracer.frame.env))
    if isinstance(node, ast.Break):
        tracer.frame.leaving.append(tuple(tracer.own_guards))
    return "loop"


def run_definition(tracer: "Tracer", node: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    nested = Function(f"{tracer.trace.function}.{node.name}", node, tracer.frame.module)
    tracer.closures[nested] = tracer.frame.env
    tracer.frame.env[node.name] = Value(function=nested)
    return ""


def run_simple(tracer: "Tracer", node: ast.stmt) -> None:
    match node:
        case ast.Assign():
            value = evaluate(tracer, node.value)
            if is_flag(node.value) and isinstance(node.targets[0], ast.Name):
                value = decided(tracer, value)
            for target in node.targets:
                tracer.bind(target, value)
                mark_counter(tracer, target, node.value)
        case ast.AnnAssign():
            if node.value is not None:
                tracer.bind(node.target, evaluate(tracer, node.value))
        case ast.AugAssign():
            augment(tracer, node)
        case ast.Assert():
            guard = tracer.guard(node, terms(tracer, node.test))
            tracer.guards.append(replace(guard, refuses="raise"))
        case ast.Expr():
            if isinstance(node.value, ast.Yield | ast.YieldFrom):
                tracer.escape(evaluate(tracer, node.value.value))
            else:
                evaluate(tracer, node.value)


def is_flag(node: ast.expr | None) -> bool:
    return node is None or (
        isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool))
    )


def mark_counter(tracer: "Tracer", target: ast.expr, value: ast.expr) -> None:
    """`row.uses = row.uses + 1` is `row.uses += 1`; of any other assignment the new value's text is kept."""
    last = tracer.trace.events[-1] if tracer.trace.events else None
    if not isinstance(target, ast.Attribute) or last is None or last.node is not target:
        return
    last.base = ast.unparse(value)
    parts = [
        part
        for part in ast.walk(value)
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Add | ast.Sub)
    ]
    if any(ast.unparse(side) == ast.unparse(target) for part in parts for side in (part.left, part.right)):
        last.verb = "augment"


def decided(tracer: "Tracer", value: Value) -> Value:
    """A flag or None that is set or returned on one arm of a decision tells what the decision was about."""
    guards = [guard for guard in tracer.own_guards if guard.origins or guard.attrs or guard.claims]
    if not guards:
        return value
    told = Value(
        origins=frozenset[int]().union(*(guard.origins for guard in guards)),
        attrs=frozenset[tuple[int, str]]().union(*(guard.attrs for guard in guards)),
    )
    present = next((term.present for term in guards[-1].terms if term.present is not None), None)
    truth = (present if value.constant else not present) if present is not None else None
    return replace(value.tainted(told), present=truth, claims=value.claims.union(*(g.claims for g in guards)))


def augment(tracer: "Tracer", node: ast.AugAssign) -> None:
    """`x.attr += value` is a read and a write of the same attribute."""
    value = evaluate(tracer, node.value)
    if isinstance(node.target, ast.Attribute):
        owner = evaluate(tracer, node.target.value)
        if owner.rows:
            old = Value(
                origins=owner.every_origin, attrs=frozenset((id(r), node.target.attr) for r in owner.rows)
            )
            counts = isinstance(node.op, ast.Add | ast.Sub) and not isinstance(value.constant, str)
            new = Value(expression=value.expression).tainted(value, old)
            tracer.set_attribute(owner, node.target.attr, new, node.target, "augment" if counts else "assign")
            return
    if isinstance(node.target, ast.Name):
        current = tracer.frame.env.get(node.target.id, NOTHING)
        difference = isinstance(node.op, ast.Sub) and bool(value.every_origin)
        tracer.frame.env[node.target.id] = replace(
            merged(current, value), constant=None, difference=difference or current.difference, present=None
        )
    elif isinstance(node.target, ast.Subscript):
        tracer.bind(node.target, evaluate(tracer, node.target.value).tainted(value))


KINDS: dict[type[ast.stmt], Callable[["Tracer", Any], str]] = {
    ast.If: run_if,
    ast.For: run_for,
    ast.AsyncFor: run_for,
    ast.While: run_while,
    ast.Try: run_try,
    ast.TryStar: run_try,
    ast.With: run_with,
    ast.AsyncWith: run_with,
    ast.Match: run_match,
    ast.Return: run_return,
    ast.Raise: run_raise,
    ast.Break: run_jump,
    ast.Continue: run_jump,
    ast.FunctionDef: run_definition,
    ast.AsyncFunctionDef: run_definition,
}
