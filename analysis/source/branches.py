"""Statements that decide, repeat, catch or surround, executed on paper."""

import ast
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.source import words
from analysis.source.decisions import terms
from analysis.source.events import Event, Guard, Term
from analysis.source.expressions import evaluate
from analysis.source.following import block, caught, handled, manages
from analysis.source.modules import dotted
from analysis.source.queries import materialise
from analysis.source.values import NOTHING, Value, merged

if TYPE_CHECKING:
    from analysis.source.trace import Tracer

Env = dict[str, Value]


def run_block(tracer: "Tracer", body: list[ast.stmt]) -> str:
    from analysis.source.statements import run_block

    return run_block(tracer, body)


def run_if(tracer: "Tracer", node: ast.If) -> str:
    guard = tracer.guard(node.test, terms(tracer, node.test))
    return run_arms(tracer, [(guard, node.body), (tracer.inverted(guard), node.orelse)])


def run_arms(tracer: "Tracer", arms: list[tuple[Guard, list[ast.stmt]]]) -> str:
    """Executes the arms of a decision; what follows it is known to have taken one that does not end."""
    branch = tracer.branch()
    before = tracer.frame.env
    ends: list[str] = []
    after: list[Env] = []
    for arm, (guard, body) in enumerate(arms):
        tracer.frame.env = dict(before)
        with tracer.under(guard, branch, arm):
            ends.append(run_block(tracer, body))
        after.append(tracer.frame.env)
    open_arms = [arm for arm, end in enumerate(ends) if not end]
    tracer.frame.env = joined([after[arm] for arm in open_arms] or after)
    if not open_arms:
        return "raise" if all(end == "raise" for end in ends) else "loop" if "loop" in ends else "return"
    if len(open_arms) == 1 and len(arms) > 1:
        arm = open_arms[0]
        closing = [end for end in ends if end]
        tracer.guards.append(replace(arms[arm][0], refuses="raise" if "raise" in closing else closing[0]))
        tracer.path.append((branch, arm))
    return ""


def joined(envs: list[Env]) -> Env:
    """The names after branches meet."""
    if len(envs) == 1:
        return envs[0]
    found: Env = {}
    for name in dict.fromkeys(key for env in envs for key in env):
        values = list(dict.fromkeys(id(env[name]) for env in envs if name in env))
        some = [env[name] for env in envs if name in env]
        found[name] = some[0] if len(values) == 1 else merged(*some)
    return found


def run_for(tracer: "Tracer", node: ast.For | ast.AsyncFor) -> str:
    source = materialise(tracer, evaluate(tracer, node.iter), node.iter, "iterate")
    term = (
        Term(source.every_origin, source.attrs, present=False, difference=True)
        if source.difference
        else Term()
    )
    before = dict(tracer.frame.env)
    tracer.bind(node.target, tracer.element(source))
    names = tuple(n.id for n in ast.walk(node.iter) if isinstance(n, ast.Name) and n.id in tracer.frame.env)
    for target in ast.walk(node.target):
        if isinstance(target, ast.Name):
            tracer.frame.aliases[target.id] = names
    outer, tracer.frame.breaks = tracer.frame.breaks, []
    tracer.loops += 1
    with tracer.under(tracer.guard(node, (term,)), tracer.branch(), 1, always=True):
        run_block(tracer, node.body)
    tracer.loops -= 1
    tracer.frame.env = joined([before, tracer.frame.env, *tracer.frame.breaks])
    tracer.frame.breaks = outer
    run_block(tracer, node.orelse)
    return ""


def run_while(tracer: "Tracer", node: ast.While) -> str:
    forever = isinstance(node.test, ast.Constant) and bool(node.test.value)
    guard = tracer.guard(node.test, terms(tracer, node.test))
    before = dict(tracer.frame.env)
    outer, tracer.frame.breaks = tracer.frame.breaks, []
    tracer.loops += 1
    branch = tracer.branch()
    outside, tracer.frame.leaving = tracer.frame.leaving, []
    with tracer.under(guard, branch, 1, always=forever):
        ending = run_block(tracer, node.body)
    tracer.loops -= 1
    tracer.guards += left_by(tracer, guard, forever)
    tracer.frame.leaving = outside
    tracer.frame.env = joined([tracer.frame.env, *tracer.frame.breaks, *([] if forever else [before])])
    tracer.frame.breaks = outer
    run_block(tracer, node.orelse)
    return ending if forever and ending in ("return", "raise") else ""


def left_by(tracer: "Tracer", guard: Guard, forever: bool) -> list[Guard]:
    """What is known after a loop: that its test failed, or what led to its one `break`, where it asks for rows."""
    leaving = tracer.frame.leaving
    known = [tracer.inverted(guard)] if not forever and not leaving else []
    known += leaving[0] if forever and len(leaving) == 1 else ()
    asked = (
        replace(g, terms=tuple(t for t in g.terms if t.present is not None and (t.origins or t.claims)))
        for g in known
    )
    return [replace(one, refuses="loop") for one in asked if one.terms]


def run_try(tracer: "Tracer", node: ast.Try | ast.TryStar) -> str:
    """The body under its handlers, then each handler as another arm than the `else` block."""
    names = [name for handler in node.handlers for name in handled(handler)]
    before, first, mark = dict(tracer.frame.env), tracer.next_order(), len(tracer.handlers)
    tracer.handlers += names
    path = len(tracer.path)
    ending = run_block(tracer, node.body)
    del tracer.handlers[mark:]
    del tracer.path[path:]
    tried = [event for event in tracer.trace.events if event.order > first]
    env = tracer.frame.env
    arms: list[tuple[Guard, list[ast.stmt]]] = [(tracer.guard(node, ()), node.orelse)]
    arms += [(handler_guard(tracer, handler, tried), handler.body) for handler in node.handlers]
    branch, ends, after = tracer.branch(), [], []
    for arm, (guard, body) in enumerate(arms):
        tracer.frame.env = dict(env) if arm == 0 else joined([before, env])
        caught_as = node.handlers[arm - 1].name if arm else None
        if caught_as is not None:
            tracer.frame.env[caught_as] = Value(origins=guard.origins)
        with tracer.under(guard, branch, arm, always=arm == 0):
            ends.append((run_block(tracer, body) or ending) if arm == 0 else run_block(tracer, body))
        after.append(tracer.frame.env)
    still = [arm for arm, end in enumerate(ends) if not end]
    tracer.frame.env = joined([after[arm] for arm in still] or after)
    if len(still) == 1 and still[0] and ends[0] != "loop":  # what follows is the handler's: the rest has gone
        tracer.guards.append(replace(arms[still[0]][0], refuses=ends[0]))
        tracer.path.append((branch, still[0]))
    final = run_block(tracer, node.finalbody)
    if final:
        return final
    return (
        ""
        if still
        else "raise"
        if all(e == "raise" for e in ends)
        else "loop"
        if "loop" in ends
        else "return"
    )


def handler_guard(tracer: "Tracer", handler: ast.ExceptHandler, tried: list[Event]) -> Guard:
    """`except X.DoesNotExist` decides that the row was not there."""
    last = {name.rsplit(".", 1)[-1] for name in caught(handler)}
    if "ValidationError" in last:
        cleaned = frozenset(e.order for e in tried if e.verb == "full_clean")
        return tracer.guard(handler, (Term(cleaned, present=True),) if cleaned else ())
    if not last & words.ABSENT_ERRORS and not any(name.endswith("DoesNotExist") for name in last):
        return tracer.guard(handler, ())
    reads = [e for e in tried if e.kind == "read" and e.verb in words.RAISES_ABSENT]
    guard = tracer.guard(handler, (Term(frozenset(e.order for e in reads), present=False),) if reads else ())
    return replace(guard, handler=True)


def run_with(tracer: "Tracer", node: ast.With | ast.AsyncWith) -> str:
    with ExitStack() as opened:
        for item in node.items:
            wrapping = manages(tracer, item.context_expr)
            value = (
                evaluate(tracer, item.context_expr) if not wrapping.lock and not wrapping.atomic else NOTHING
            )
            known = value.rows or value.query or value.instance or value.type or value.items or value.foreign
            opened.enter_context(block(tracer, node, wrapping.lock, wrapping.atomic))
            if item.optional_vars is not None:
                name = dotted(item.context_expr.func) if isinstance(item.context_expr, ast.Call) else None
                tracer.bind(
                    item.optional_vars,
                    value if known else Value(foreign=name or "context", origins=value.origins),
                )
        return run_block(tracer, node.body)


def run_match(tracer: "Tracer", node: ast.Match) -> str:
    value = evaluate(tracer, node.subject)
    asked = (Term(value.every_origin, value.attrs, value.claims),)
    arms = [(tracer.guard(node, asked), case.body) for case in node.cases]
    total = any(isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None for case in node.cases)
    return run_arms(tracer, arms if total else [*arms, (tracer.guard(node, asked), [])])
