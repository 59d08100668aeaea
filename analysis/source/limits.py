"""Limits: fields, and rows that refer to a model, that the model's own methods compare with something."""

import ast
import re
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from analysis.source.facts import Facts
from analysis.source.hits import Place
from analysis.source.model_facts import Model

ALLOWS = re.compile(r"avail|can_|valid|usable|redeem|full|remain|limit|exceed|allow|left|spent|exhaust", re.I)


@dataclass(frozen=True)
class Limit:
    """Where a model compares a counter of its own, and in which method."""

    place: Place
    function: str


_fields: "WeakKeyDictionary[Facts, dict[str, dict[str, Limit]]]" = WeakKeyDictionary()
_relations: "WeakKeyDictionary[Facts, dict[str, dict[str, Place]]]" = WeakKeyDictionary()


def limit_of(facts: Facts, model: str | None, field: str) -> Limit | None:
    """Where the model compares a counter of its own with a limit; None if it never does."""
    known = _fields.setdefault(facts, {})
    if model is not None and model not in known:
        found = facts.models.named(model)
        known[model] = compared(facts, found) if found else {}
    return known.get(model or "", {}).get(field)


def limited_relations(facts: Facts, model: str | None) -> dict[str, Place]:
    """The models whose rows a method of this one counts before it allows something, with the place."""
    known = _relations.setdefault(facts, {})
    if model is not None and model not in known:
        found = facts.models.named(model)
        known[model] = counted(facts, found) if found else {}
    return known.get(model or "", {})


def compared(facts: Facts, model: Model) -> dict[str, Limit]:
    """Attributes of self in an order comparison, in the methods of the model and of its bases."""
    places: dict[str, Limit] = {}
    for one in facts.code.ancestors(model.cls):
        for method in one.methods.values():
            for node in ast.walk(method.node):
                if isinstance(node, ast.Compare | ast.BinOp) and ordered(node):
                    for name in own_attributes(node):
                        places.setdefault(name, Limit(Place(one.module.path, node.lineno), method.simple))
    return places


def counted(facts: Facts, model: Model) -> dict[str, Place]:
    """Relations of self whose rows are counted in a comparison, in a method that allows or refuses."""
    places: dict[str, Place] = {}
    for one in facts.code.ancestors(model.cls):
        for method in one.methods.values():
            for node in ast.walk(method.node) if ALLOWS.search(method.simple) else ():
                if isinstance(node, ast.expr) and asks_how_many(node):
                    for name in own_attributes(node):
                        target, many = facts.models.related(name, model.name, one.module.path)
                        if target is not None and many:
                            places.setdefault(target, Place(one.module.path, node.lineno))
    return places


def asks_how_many(node: ast.expr) -> bool:
    """`self.uses.count() < 3`, `len(self.uses) < 3`, `self.uses.exists()`."""
    if isinstance(node, ast.Compare):
        return bool(re.search(r"\.count\(\)|len\(", ast.unparse(node)))
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "exists"


def ordered(node: ast.Compare | ast.BinOp) -> bool:
    """`used < limit`, and `limit - used`, the room that is left."""
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.Sub) and len(own_attributes(node)) > 1
    return any(isinstance(op, ast.Lt | ast.LtE | ast.Gt | ast.GtE) for op in node.ops)


def own_attributes(node: ast.AST) -> list[str]:
    return [
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self"
    ]
