"""Who calls a function, as far as the text tells: a helper may rely on the lock that all its callers take."""

import ast
import re

from analysis.source.facts import Facts
from analysis.source.modules import Function, is_test

MOST = 6  # files read; what more of them call is a helper of everybody, and nobody's promise holds for it
LOCKS = re.compile(r"select_for_update|\w*lock\w*\(|LOCK TABLE|advisory", re.I)
SCOPES = re.compile(rf"\batomic\b|{LOCKS.pattern}", re.I)


def all_callers_lock(facts: Facts, function: Function, steps: int = 2) -> bool:
    """Is there a caller in the tree, and does every one of them, or of theirs, lock something before the call?"""
    found = callers(facts, function)
    return bool(found) and all(
        locks_first(facts, one, call) or (steps > 1 and all_callers_lock(facts, one, steps - 1))
        for one, call in found
    )


def callers(facts: Facts, function: Function) -> list[tuple[Function, ast.Call]]:
    """The functions that call one of this name, with the call; none if too many files do."""
    word = re.compile(rf"\b{re.escape(function.simple)}\s*\(")
    paths = [
        path
        for path in facts.code.paths
        if not is_test(path)
        and (text := facts.code.text(path))
        and function.simple in text
        and word.search(text)
    ]
    if len(paths) > MOST:
        return []
    found = []
    for path in paths:
        for one in facts.functions(path):
            if one is function:
                continue
            for node in ast.walk(one.node):
                if isinstance(node, ast.Call) and named(node) == function.simple:
                    found.append((one, node))
    return found


def named(node: ast.Call) -> str:
    return (
        node.func.attr
        if isinstance(node.func, ast.Attribute)
        else node.func.id
        if isinstance(node.func, ast.Name)
        else ""
    )


def locks_first(facts: Facts, caller: Function, call: ast.Call) -> bool:
    """Does the caller's text lock something above the call, in no block that ends, and lets it go, before the call?"""
    scopes = transactions(caller)
    outer = facts.atomic_requests or any("atomic" in name for name in caller.decorators)
    for node in ast.walk(caller.node):
        if (
            isinstance(node, ast.Call)
            and node.lineno <= call.lineno
            and node is not call
            and LOCKS.search(ast.unparse(node.func) + "(")
        ):
            around = [scope for scope in scopes if any(one is node for one in ast.walk(scope))]
            if outer or not around or any(one is call for one in ast.walk(around[0])):
                return True
    return False


def transactions(caller: Function) -> list[ast.With | ast.AsyncWith]:
    """The blocks that open a transaction or hold a lock, the outermost first: a nested one ends nothing."""
    return [
        node
        for node in ast.walk(caller.node)  # breadth first
        if isinstance(node, ast.With | ast.AsyncWith)
        and any(SCOPES.search(ast.unparse(item.context_expr)) for item in node.items)
    ]
