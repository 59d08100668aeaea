"""Lists, sets and dictionaries in memory: what they hold, and that something was left out of them on purpose."""

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.source.queries import materialise
from analysis.source.values import NOTHING, Value, merged

if TYPE_CHECKING:
    from analysis.source.trace import Tracer

GROWS = ("append", "add", "extend", "update", "insert", "appendleft")
LOOKS_UP = ("get", "pop")
TAKES_AWAY = ("difference", "difference_update")


def container_call(tracer: "Tracer", owner: Value, method: str, node: ast.Call) -> Value | None:
    """A method of a container that a plain name holds; None if it is another call."""
    name = node.func.value if isinstance(node.func, ast.Attribute) else None
    if node.keywords or not node.args or owner.query is not None or owner.foreign:
        return None
    if method in GROWS and isinstance(name, ast.Name) and owner.instance is None:
        return grown(tracer, name.id, owner, node)
    if method in LOOKS_UP and owner.rows and len(node.args) <= 2:
        key = evaluated(tracer, node.args[:1])[0]
        return Value(rows=owner.rows, origins=owner.origins | key.origins, present=True)
    if method in TAKES_AWAY and owner.instance is None and not owner.rows:
        taken = [materialise(tracer, each, node, "iterate") for each in evaluated(tracer, node.args)]
        left = owner.tainted(*taken)
        return replace(left, difference=left.difference or any(each.every_origin for each in taken))
    return None


def grown(tracer: "Tracer", name: str, owner: Value, node: ast.Call) -> Value:
    """`new.append(row)`: the list holds the row; on the arm where none was found it is what was missing."""
    added = [materialise(tracer, each, node, "iterate") for each in evaluated(tracer, node.args)]
    asked = [t for guard in tracer.own_guards for t in guard.terms if t.present is False and t.origins]
    whole = merged(owner, *added).tainted(Value(origins=frozenset[int]().union(*(t.origins for t in asked))))
    tracer.escape(*added)
    tracer.frame.env[name] = replace(
        whole, items=(), constant=None, present=None, difference=whole.difference or bool(asked)
    )
    return NOTHING


def evaluated(tracer: "Tracer", nodes: list[ast.expr]) -> list[Value]:
    from analysis.source.expressions import evaluate

    return [evaluate(tracer, node) for node in nodes]
