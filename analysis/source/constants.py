"""Constants in the body of a class: statuses, choices."""

import ast
from typing import Any

from analysis.source.modules import Class, Code


def constant_of(code: Code, one: Class, name: str) -> Any:
    """A constant in the body of a class or of its ancestors; of a pair with a label (`"open", _("Open")`) the first."""
    for owner in code.ancestors(one):
        for node in owner.node.body:
            for target in node.targets if isinstance(node, ast.Assign) else ():
                value = value_at(target, node.value, name) if isinstance(node, ast.Assign) else None
                if isinstance(value, ast.Tuple) and value.elts:
                    value = value.elts[0]
                if isinstance(value, ast.Constant):
                    return value.value
    return None


def value_at(target: ast.expr, value: ast.expr, name: str) -> ast.expr | None:
    """What a name is set to by `name = …` or `one, name = …, …`."""
    if isinstance(target, ast.Name):
        return value if target.id == name else None
    pairs = zip(getattr(target, "elts", []), getattr(value, "elts", []), strict=False)
    return next((v for t, v in pairs if isinstance(t, ast.Name) and t.id == name), None)
