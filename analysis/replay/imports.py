"""Import statements, gathered and written in the order that isort gives them."""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 88


@dataclass(frozen=True, order=True)
class Import:
    """One name: `import module as alias` where `name` is "", else `from module import name as alias`."""

    module: str
    name: str = ""
    alias: str = ""

    @property
    def bound(self) -> str:
        """The name that it defines."""
        return self.alias or self.name or self.module.partition(".")[0]

    @property
    def section(self) -> int:
        top = self.module.partition(".")[0]
        if top == "__future__":
            return 0
        return 1 if top in sys.stdlib_module_names else 2 if top == "django" else 3

    @property
    def clause(self) -> str:
        return (self.name or self.module) + (f" as {self.alias}" if self.alias else "")


def imports_of(nodes: Iterable[ast.stmt]) -> list[Import]:
    """The imports among some statements; relative ones are left to the caller."""
    found = []
    for node in nodes:
        if isinstance(node, ast.Import):
            found += [Import(each.name, "", each.asname or "") for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            found += [Import(node.module or "", each.name, each.asname or "") for each in node.names]
    return found


def import_block(imports: Iterable[Import]) -> str:
    """The imports as source: sections with a blank line between, in each `import` before `from`, names sorted."""
    sections: dict[int, set[Import]] = defaultdict(set)
    for each in imports:
        sections[each.section].add(each)
    return "\n\n".join("\n".join(_section(sections[number])) for number in sorted(sections))


def _section(imports: set[Import]) -> list[str]:
    lines = [f"import {each.clause}" for each in sorted(imports) if not each.name]
    modules: dict[str, list[str]] = defaultdict(list)
    for each in sorted(imports):
        if each.name:
            modules[each.module].append(each.clause)
    return lines + [_from(module, names) for module, names in sorted(modules.items())]


def _from(module: str, names: list[str]) -> str:
    names = sorted(names, key=_isort_key)
    line = f"from {module} import {', '.join(names)}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"from {module} import (", *(f"    {each}," for each in names), ")"])


def _isort_key(name: str) -> tuple[int, str]:
    """isort's order within a line: CONSTANTS, then Classes, then functions."""
    plain = name.partition(" ")[0]
    return (0 if plain.isupper() and len(plain) > 1 else 1 if plain[:1].isupper() else 2, name)
