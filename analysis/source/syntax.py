"""Small questions to a syntax tree, a text or a path."""

import ast
import re

DEEPEST = 150  # nested blocks or brackets that the reader follows; the parser itself allows more


def assignment(body: list[ast.stmt], name: str) -> ast.expr | None:
    for node in body:
        if isinstance(node, ast.Assign):
            targets, value = node.targets, node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            targets, value = [node.target], node.value
        else:
            continue
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            return value
    return None


def dotted(node: ast.expr) -> str | None:
    """`a.b.c` as text; None for anything else."""
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return ".".join([node.id, *reversed(parts)])


def too_deep(text: str) -> bool:
    """Would the reader, which calls itself for each level, run out of stack? Judged before parsing."""
    depth = deepest = 0
    for match in re.finditer(r"[\[({]|[\])}]", text):
        depth = depth + 1 if match[0] in "[({" else max(0, depth - 1)
        deepest = max(deepest, depth)
    indents = max((len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip()), default=0)
    return deepest > DEEPEST or indents > 4 * DEEPEST


def common(one: str, other: str) -> int:
    """How many leading folders two paths share."""
    count = 0
    for a, b in zip(one.split("/"), other.split("/"), strict=False):
        if a != b:
            break
        count += 1
    return count


def is_test(path: str) -> bool:
    """Code that only tests, migrations or hand-started scripts run: no two requests meet in it."""
    parts = path.split("/")
    if any(
        part in ("tests", "test", "testing", "migrations", "scripts", "benchmarks", "fixtures")
        for part in parts[:-1]
    ):
        return True
    if "management" in parts[:-1] and "commands" in parts[:-1]:
        return True
    name = parts[-1]
    return (
        name.startswith("test_")
        or name.endswith("_test.py")
        or name in ("tests.py", "conftest.py", "factories.py", "setup.py", "sampledata.py", "seed.py")
    )
