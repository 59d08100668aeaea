"""A unique constraint written into the `Meta` of a model, and the migration that makes it.

Source: Django, "Constraints reference", UniqueConstraint; "Migration Operations", AddConstraint.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.change import own_packages
from analysis.source.fixes.imports import bind, with_imports
from analysis.source.fixes.layout import Layout, fitted, layout_of
from analysis.source.fixes.models import Model, app_folder
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.syntax import Statement, find, replaced
from analysis.source.trees import Tree

NUMBERED: Final = re.compile(r"(\d{4})_\w+")
PLAIN: Final = re.compile(r"\w+")
SAFE: Final = re.compile(r"[\w .:-]*")
LONGEST_LINE: Final = 60
LONGEST_NAME: Final = 63  # PostgreSQL cuts identifiers there

MIGRATION: Final = '''"""One {table} row for each ({columns}){only}.

The constraint cannot be made while there are duplicates. This finds them; keep one row
of each group:

    SELECT {columns}, count(*) FROM {table}{where}
    GROUP BY {columns} HAVING count(*) > 1;
"""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ({label}, {last}),
    ]

    operations = [
        migrations.AddConstraint(
            model_name={model},
            constraint={constraint},
        ),
    ]
'''


@dataclass(frozen=True)
class Constraint:
    """One row for each value of `fields`, of the rows with the values of `condition` only."""

    model: Model
    fields: tuple[str, ...]
    condition: tuple[tuple[str, object], ...] = ()

    @property
    def name(self) -> str:
        app = app_folder(self.model.path).name
        words = [*self.fields, *(name for name, _ in self.condition)]
        return f"{app}_{self.model.name.lower()}_{'_'.join(words)}"[: LONGEST_NAME - 7] + "_unique"

    def code(self, layout: Layout, models: str = "models") -> str:
        """`models.UniqueConstraint(…)`, the values as literals."""
        literal = layout.literal
        fields = ", ".join(map(literal, self.fields))
        words = ", ".join(f"{name}={literal(value)}" for name, value in self.condition)
        condition = f", condition={models}.Q({words})" if words else ""
        return f"{models}.UniqueConstraint(fields=[{fields}]{condition}, name={literal(self.name)})"


def constrained(tree: Tree, text: str, constraint: Constraint) -> str:
    """The models file with the constraint in the Meta of its model.

    Raises: NotOffered, if the class is not in the file, or its constraints are no list
    """
    module = cst.parse_module(text)
    layout = layout_of(text, tree.read("pyproject.toml") or "")
    models = bind(module, "django.db", "models", set())
    found = [each for each in find(module, cst.ClassDef) if each.name.value == constraint.model.name]
    if len(found) != 1 or not isinstance(found[0].body, cst.IndentedBlock):
        raise NotOffered(f"the class {constraint.model.name} was not found in {constraint.model.path}")
    model = found[0]
    code = constraint.code(layout, models.local)
    meta = next(
        (each for each in model.body.body if isinstance(each, cst.ClassDef) and each.name.value == "Meta"),
        None,
    )
    changed = (
        _new_meta(module, model, code)
        if meta is None
        else replaced(model, meta, _in_meta(module, meta, code))
    )
    module = with_imports(replaced(module, model, changed), [models], own_packages(tree))
    return fitted(text, module.code, layout)


def _new_meta(module: cst.Module, model: cst.ClassDef, code: str) -> cst.ClassDef:
    """A Meta behind the fields and managers, before the first method."""
    meta = cst.parse_statement(
        f"class Meta:\n    constraints = [\n        {code},\n    ]\n", config=module.config_for_parsing
    )
    body: list[Statement] = [each for each in model.body.body if isinstance(each, cst.BaseStatement)]
    at = next((index for index, each in enumerate(body) if isinstance(each, cst.FunctionDef)), len(body))
    body.insert(at, meta.with_changes(leading_lines=[cst.EmptyLine(indent=False)]))
    return model.with_changes(body=model.body.with_changes(body=body))


def _in_meta(module: cst.Module, meta: cst.ClassDef, code: str) -> cst.ClassDef:
    for each in find(meta, cst.Assign, m.Assign(targets=[m.AssignTarget(m.Name("constraints"))])):
        if not isinstance(each.value, cst.List):
            raise NotOffered("the constraints of the model are not written as one list")
        return replaced(meta, each.value, _appended(module, each.value, code))
    line = cst.parse_statement(f"constraints = [\n    {code},\n]\n", config=module.config_for_parsing)
    assert isinstance(meta.body, cst.IndentedBlock)
    return meta.with_changes(body=meta.body.with_changes(body=[*meta.body.body, line]))


def _appended(module: cst.Module, old: cst.List, code: str) -> cst.List:
    """The list with one element more, laid out as its others."""
    new = cst.Element(cst.parse_expression(code, config=module.config_for_parsing))
    if not old.elements:
        return old.with_changes(elements=[new])
    *others, last = old.elements
    gap = old.lbracket.whitespace_after
    between = cst.Comma(
        whitespace_after=gap if isinstance(gap, cst.ParenthesizedWhitespace) else cst.SimpleWhitespace(" ")
    )
    closing = last.comma
    if isinstance(gap, cst.ParenthesizedWhitespace) and not isinstance(closing, cst.Comma):
        closing = cst.Comma(whitespace_after=old.rbracket.whitespace_before)
        old = old.with_changes(rbracket=cst.RightSquareBracket())
    return old.with_changes(
        elements=[*others, last.with_changes(comma=between), new.with_changes(comma=closing)]
    )


def migration(tree: Tree, constraint: Constraint) -> tuple[str, str]:
    """The path and the text of the migration that makes the constraint, after the last one of the app.

    Raises: NotOffered, if the app has no migrations, or two that nothing follows
    """
    folder = app_folder(constraint.model.path) / "migrations"
    names = {
        PurePosixPath(path).stem: tree.read(path) or ""
        for path in tree.paths()
        if PurePosixPath(path).parent == folder and NUMBERED.fullmatch(PurePosixPath(path).stem)
    }
    last, label = _leaf(names, app_folder(constraint.model.path).name)
    layout = layout_of(names[last])
    table = constraint.model.table or f"{label}_{constraint.model.name.lower()}"
    fields = [constraint.model.fields[name] for name in constraint.fields]
    columns = [each.column for each in fields]
    only = " AND ".join(
        f"{constraint.model.fields[name].column} = {_sql(value)}" for name, value in constraint.condition
    )
    # NULL is never equal for a constraint, but one group for GROUP BY
    there = [f"{each.column} IS NOT NULL" for each in fields if each.null]
    where = " AND ".join([*([only] if only else []), *there])
    if not all(PLAIN.fullmatch(each) for each in (table, label, *columns)):
        raise NotOffered("a name of the table or of a column has characters that need quotes")
    number = int(last.split("_", maxsplit=1)[0]) + 1
    path = str(folder / f"{number:04d}_{constraint.name}.py")
    text = MIGRATION.format(
        table=table,
        columns=", ".join(columns),
        only=f" where {only}" if only else "",
        where=_on_a_line(len(f"{', '.join(columns)} {table}"), where),
        label=layout.literal(label),
        last=layout.literal(last),
        model=layout.literal(constraint.model.name.lower()),
        constraint=constraint.code(layout),
    )
    return path, fitted("", text, layout)


def _on_a_line(before: int, where: str) -> str:
    """The condition behind the columns and the table, or on a line of its own where that would be long."""
    if not where:
        return ""
    return f" WHERE {where}" if before + len(where) < LONGEST_LINE else f"\n    WHERE {where}"


def _leaf(migrations: dict[str, str], folder: str) -> tuple[str, str]:
    """The migration that no other one follows, and the label of the app."""
    followed: set[str] = set()
    label = folder
    for text in migrations.values():
        for app, name in _named(text):
            if name in migrations:
                followed.add(name)
                label = app
    leaves = sorted(migrations.keys() - followed)
    if len(leaves) != 1:
        raise NotOffered(
            f"the app has no migration to build on in {folder}/migrations"
            if not leaves
            else f"{len(leaves)} migrations of {folder} are followed by none: {', '.join(leaves)}"
        )
    return leaves[0], label


def _named(text: str) -> list[tuple[str, str]]:
    """What a migration depends on or replaces."""
    try:
        module = ast.parse(text)
    except (SyntaxError, ValueError):
        return []
    found = []
    for node in ast.walk(module):
        if isinstance(node, ast.Assign) and any(
            isinstance(t, ast.Name) and t.id in ("dependencies", "replaces") for t in node.targets
        ):
            for each in ast.walk(node.value):
                if isinstance(each, ast.Tuple) and len(each.elts) == 2:
                    names = [part.value for part in each.elts if isinstance(part, ast.Constant)]
                    if len(names) == 2 and all(isinstance(name, str) for name in names):
                        found.append((str(names[0]), str(names[1])))
    return found


def _sql(value: object) -> str:
    if isinstance(value, bool | int):
        return str(value).lower()
    if isinstance(value, str) and SAFE.fullmatch(value):
        return f"'{value}'"
    raise NotOffered("a value of the look-up has characters that need escapes")
