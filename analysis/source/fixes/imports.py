"""An import added where isort would put it, and the name by which the file can use it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.syntax import find, replaced

FUTURE, STDLIB, OTHERS, OWN, NEAR = range(5)
EMPTY_LINE: Final = cst.EmptyLine(indent=False)
Statement = cst.SimpleStatementLine | cst.BaseCompoundStatement


@dataclass(frozen=True)
class Import:
    """`from module import name`, or `import name` where `module` is empty; `local` is what the file calls it."""

    module: str
    name: str
    local: str

    @property
    def renamed(self) -> str:
        return self.name if self.name == self.local else f"{self.name} as {self.local}"


def bind(module: cst.Module, source: str, name: str, used: set[str]) -> Import:
    """How a file can call `name` of the module `source`: as it has imported it, else by a name that is free.

    `used` are the names that the function binds itself: a parameter called `transaction` is not the module.
    """
    for each in find(module, cst.ImportFrom):
        if source_of(each) == source and not isinstance(each.names, cst.ImportStar):
            for alias in each.names:
                local = alias.evaluated_alias or alias.evaluated_name
                if alias.evaluated_name == name and local not in used:
                    return Import(source, name, local)
    taken = used | _bound(module)
    prefix = source.split(".")[1 if source.startswith("django.") else 0] if source else "the"
    free = next(each for each in (name, f"{prefix}_{name}", f"{prefix}_{name}_") if each not in taken)
    return Import(source, name, free)


def source_of(node: cst.ImportFrom) -> str:
    """What a `from` import imports from: "shop.models", ".models"."""
    return "." * len(node.relative) + _dotted(node.module)


def _bound(module: cst.Module) -> set[str]:
    """The names that the module binds at its top level."""
    found = set()
    for each in module.body:
        if isinstance(each, cst.FunctionDef | cst.ClassDef):
            found.add(each.name.value)
        elif isinstance(each, cst.SimpleStatementLine):
            for small in each.body:
                if isinstance(small, cst.Import | cst.ImportFrom) and not isinstance(
                    small.names, cst.ImportStar
                ):
                    found |= {alias.evaluated_alias or alias.evaluated_name for alias in small.names}
                elif isinstance(small, cst.Assign):
                    found |= {t.target.value for t in small.targets if isinstance(t.target, cst.Name)}
    return found


def with_imports(module: cst.Module, wanted: list[Import], own: frozenset[str]) -> cst.Module:
    """The module with the imports that it does not have yet. `own`: the top packages of the repository."""
    for each in wanted:
        if not has_import(module, each):
            module = _extended(module, each) or _inserted(module, each, own)
    return module


def has_import(module: cst.Module, wanted: Import) -> bool:
    """The module has the import, at its top or in a function."""
    for each in [*find(module, cst.ImportFrom), *find(module, cst.Import)]:
        if isinstance(each, cst.ImportFrom) and source_of(each) != wanted.module:
            continue
        if isinstance(each, cst.Import) and wanted.module:
            continue
        if isinstance(each, cst.Import | cst.ImportFrom) and not isinstance(each.names, cst.ImportStar):
            for alias in each.names:
                if (alias.evaluated_name, alias.evaluated_alias or alias.evaluated_name) == (
                    wanted.name,
                    wanted.local,
                ):
                    return True
    return False


def _extended(module: cst.Module, wanted: Import) -> cst.Module | None:
    """The name put into the `from` import of the same module that the file has at its top level."""
    for each, small in _top_imports(module):
        if not isinstance(small, cst.ImportFrom) or isinstance(small.names, cst.ImportStar):
            continue
        if not wanted.module or source_of(small) != wanted.module:
            continue
        names = list(small.names)
        at = sum(_name_key(alias.evaluated_name) < _name_key(wanted.name) for alias in names)
        new = _alias(wanted)
        last = names[-1]
        if at < len(names):
            comma = next(
                (alias.comma for alias in names if not isinstance(alias.comma, cst.MaybeSentinel)), None
            )
            names.insert(
                at, new.with_changes(comma=comma if comma and at < len(names) - 1 else _comma(names))
            )
        else:
            names[-1] = last.with_changes(comma=_comma(names))
            names.append(new.with_changes(comma=last.comma))
        changed = small.with_changes(names=names)
        return replaced(module, each, each.with_changes(body=[changed]))
    return None


def _comma(names: list[cst.ImportAlias]) -> cst.Comma:
    """The comma that the names of an import are parted by: with a line break, where each has a line."""
    found = next((alias.comma for alias in names[:-1] if isinstance(alias.comma, cst.Comma)), None)
    return found or cst.Comma(whitespace_after=cst.SimpleWhitespace(" "))


def _inserted(module: cst.Module, wanted: Import, own: frozenset[str]) -> cst.Module:
    """The import as a line of its own, in isort's order; a section that begins with it gets an empty line."""
    line = cst.SimpleStatementLine(body=[_node(wanted)])
    key = _key(wanted.module or wanted.name, bool(wanted.module), 0, own)
    known = [(each, _key_of(small, own)) for each, small in _top_imports(module)]
    body = list(module.body)
    before = [(each, its) for each, its in known if its < key]
    after = next(((each, its) for each, its in known if its > key), None)
    if after is not None and after[1][0] == key[0] and (not before or before[-1][1][0] != key[0]):
        return _led_in(module, body, line, after[0], [])
    if before:
        at = body.index(before[-1][0]) + 1
        gap = [EMPTY_LINE] if before[-1][1][0] != key[0] else []
        return module.with_changes(body=[*body[:at], line.with_changes(leading_lines=gap), *body[at:]])
    if after is not None:
        return _led_in(module, body, line, after[0], [EMPTY_LINE])
    at = _after_docstring(body)
    gap = [EMPTY_LINE] if at else []
    return module.with_changes(body=[*body[:at], line.with_changes(leading_lines=gap), *body[at:]])


def _led_in(
    module: cst.Module,
    body: list[Statement],
    line: cst.SimpleStatementLine,
    next_one: cst.SimpleStatementLine,
    gap: list[cst.EmptyLine],
) -> cst.Module:
    """The line before another one, with the empty lines and comments that led to that one."""
    at = body.index(next_one)
    new = [line.with_changes(leading_lines=next_one.leading_lines), next_one.with_changes(leading_lines=gap)]
    return module.with_changes(body=[*body[:at], *new, *body[at + 1 :]])


def _after_docstring(body: list[Statement]) -> int:
    return int(bool(body) and m.matches(body[0], m.SimpleStatementLine(body=[m.Expr(m.SimpleString())])))


def _top_imports(
    module: cst.Module,
) -> Iterator[tuple[cst.SimpleStatementLine, cst.Import | cst.ImportFrom]]:
    for each in module.body:
        if isinstance(each, cst.SimpleStatementLine) and len(each.body) == 1:
            small = each.body[0]
            if isinstance(small, cst.Import | cst.ImportFrom):
                yield each, small


def _key_of(small: cst.Import | cst.ImportFrom, own: frozenset[str]) -> tuple[int, bool, str]:
    if isinstance(small, cst.ImportFrom):
        return _key(_dotted(small.module), True, len(small.relative), own)
    return _key(small.names[0].evaluated_name, False, 0, own)


def _key(name: str, is_from: bool, dots: int, own: frozenset[str]) -> tuple[int, bool, str]:
    """isort's order: the section, plain imports before `from` imports, the name."""
    top = name.split(".", maxsplit=1)[0]
    if dots:
        return NEAR, is_from, name.lower()
    section = FUTURE if top == "__future__" else STDLIB if top in sys.stdlib_module_names else OTHERS
    return (OWN if top in own else section), is_from, name.lower()


def _name_key(name: str) -> tuple[int, str]:
    """isort's order of names: CONSTANTS, Classes, functions."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2), name.lower()


def _alias(wanted: Import) -> cst.ImportAlias:
    asname = None if wanted.name == wanted.local else cst.AsName(name=cst.Name(wanted.local))
    return cst.ImportAlias(name=cst.Name(wanted.name), asname=asname)


def _node(wanted: Import) -> cst.Import | cst.ImportFrom:
    code = f"from {wanted.module} import {wanted.renamed}" if wanted.module else f"import {wanted.renamed}"
    line = cst.parse_statement(code)
    assert isinstance(line, cst.SimpleStatementLine)
    small = line.body[0]
    assert isinstance(small, cst.Import | cst.ImportFrom)
    return small


def _dotted(node: cst.BaseExpression | None) -> str:
    if isinstance(node, cst.Attribute):
        return f"{_dotted(node.value)}.{node.attr.value}"
    return node.value if isinstance(node, cst.Name) else ""
