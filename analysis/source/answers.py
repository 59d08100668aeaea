"""Does a block of a view end the request, and does it turn it away?"""

import ast
import re
from typing import Final

from analysis.source.modules import dotted
from analysis.source.scopes import Scope

REFUSAL: Final = re.compile(
    r"refus|error|bad_?request|forbid|denied|conflict|not_?allowed|not_?found|gone$|fail|_4\d\d", re.I
)


def ends(body: list[ast.stmt]) -> bool:
    """Does a block leave the function, whatever happens in it?"""
    if not body:
        return False
    last = body[-1]
    if isinstance(last, ast.If):
        return ends(last.body) and ends(last.orelse)
    return isinstance(last, ast.Return | ast.Raise | ast.Continue)


def is_absence(handler: ast.ExceptHandler) -> bool:
    return handler.type is not None and "DoesNotExist" in ast.unparse(handler.type)


def refuses(body: list[ast.stmt]) -> bool:
    """Does a block turn the request away: an error raised, a status from 400 up, a name that says so?"""
    last = next((node for node in body if isinstance(node, ast.Return | ast.Raise)), None)
    if isinstance(last, ast.Return):
        return last.value is not None and refusing(last.value)
    return last is not None


def refusing(node: ast.expr) -> bool:
    """Does what is answered say no?"""
    parts = list(ast.walk(node))
    numbers = [n.value for n in parts if isinstance(n, ast.Constant) and type(n.value) is int]
    names = [
        n.id if isinstance(n, ast.Name) else n.attr for n in parts if isinstance(n, ast.Name | ast.Attribute)
    ]
    return any(400 <= number < 600 for number in numbers) or any(map(REFUSAL.search, names))


def decided(test: ast.expr, scope: Scope, method: str) -> bool | None:
    """The outcome of a test that the request's method, in capitals, decides; None for any other."""
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    if not (dotted(test.left) or "").endswith("request.method"):
        return None
    named = [scope.text(each) for each in (test.comparators[0], *getattr(test.comparators[0], "elts", []))]
    return (method in named) == isinstance(test.ops[0], ast.Eq | ast.In)
