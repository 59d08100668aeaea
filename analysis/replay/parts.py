"""Modules that are copied into the generated test, each as its imports and the rest."""

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analysis.replay.imports import Import, imports_of

INLINED: Final = Path(__file__).parent / "inlined"
PLAYER: Final = ("steps", "player", "race", "outcome")
MARKER: Final = "# --- inlined from here ---\n"
DIRECTIVES: Final = re.compile(r"[ ]+# (?:noqa|type: ignore)\S*(?: \S+)?$", re.MULTILINE)
FUNCTIONS: Final = ("rows", "requests")


class CannotWriteTest(ValueError):
    """The setup file cannot be copied into a test as it is; says why, and what to do."""


@dataclass(frozen=True)
class Part:
    """A module without its imports and its docstring, and the names that it defines."""

    imports: tuple[Import, ...]
    body: str
    defined: frozenset[str]


def player_parts() -> list[Part]:
    """The player, in the order in which its modules are copied."""
    return [_player_part((INLINED / f"{name}.py").read_text(encoding="utf-8")) for name in PLAYER]


def _player_part(source: str) -> Part:
    head, _, body = DIRECTIVES.sub("", source).partition(MARKER)
    imports = [each for each in imports_of(ast.parse(head).body) if not _is_own(each)]
    return Part(tuple(imports), body.strip("\n"), _defined(ast.parse(body).body))


def _is_own(each: Import) -> bool:
    return each.module.startswith("analysis.") or each.name == "TYPE_CHECKING"


def setup_part(source: str, path: str = "setup.py") -> Part:
    """The setup file, which must define `rows(evidence)` and `requests(rows)`.

    Raises: CannotWriteTest
    """
    try:
        module = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise CannotWriteTest(f"{path} is not Python: {error}") from None
    for name in FUNCTIONS:
        if name not in _defined(module.body):
            raise CannotWriteTest(
                f"{path} defines no function {name}(); it needs rows(evidence) and requests(rows)"
            )
    taken_out: list[ast.stmt] = [
        each for each in module.body if isinstance(each, ast.Import | ast.ImportFrom)
    ]
    if any(isinstance(each, ast.ImportFrom) and each.level for each in taken_out):
        raise CannotWriteTest(f"{path} imports relatively, which a test cannot do; name the package in full")
    if ast.get_docstring(module) is not None:
        taken_out.append(module.body[0])
    kept = [each for each in module.body if each not in taken_out]
    return Part(tuple(imports_of(taken_out)), _without(source, taken_out, path), _defined(kept))


def _without(source: str, nodes: Sequence[ast.stmt], path: str) -> str:
    """The source without the lines of these statements, and never more than two blank lines in a row."""
    lines = source.splitlines()
    for node in nodes:
        for number in range(node.lineno - 1, node.end_lineno or node.lineno):
            lines[number] = ""
    body = re.sub(r"\n{4,}", "\n\n\n", "\n".join(line.rstrip() for line in lines).strip("\n"))
    if len(ast.parse(body).body) != len(ast.parse(source).body) - len(nodes):
        raise CannotWriteTest(f"{path} has an import and another statement on one line; give each its own")
    return body


def _defined(nodes: Sequence[ast.stmt]) -> frozenset[str]:
    """The names that statements at the top level of a module define, imports aside."""
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif not isinstance(node, ast.Import | ast.ImportFrom):
            names = [each for each in ast.walk(node) if isinstance(each, ast.Name)]
            found.update(each.id for each in names if isinstance(each.ctx, ast.Store))
    return frozenset(found)


def refuse_taken_names(setup: Part, others: Sequence[Part], path: str = "setup.py") -> None:
    """The setup file and the rest of the test must not use one name for two things.

    Raises: CannotWriteTest
    """
    imported = {each.bound: each for part in others for each in part.imports}
    defined = {name for part in others for name in part.defined}
    for each in setup.imports:
        if each.bound in defined or imported.get(each.bound, each) != each:
            raise CannotWriteTest(
                f"{path} imports {each.bound}, a name that the test's player needs; import it under another name"
            )
    for name in sorted(setup.defined & (defined | set(imported))):
        raise CannotWriteTest(
            f"{path} defines {name}, a name that the test's player needs; call it something else"
        )
