"""What the fixes have to know of a model: its columns, its keys, its constants, and whether `save` is its own."""

import ast
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

from analysis.source.model_facts import REFERENCES
from analysis.source.model_facts import Model as Facts
from analysis.source.models import Models
from analysis.source.modules import Code


@dataclass(frozen=True)
class Field:
    """A field: `kind` is its class, "ForeignKey"; `column` its name in the table; `target` the model it points to."""

    name: str
    kind: str
    null: bool = False
    auto_now: bool = False
    column: str = ""
    target: str | None = None

    @property
    def relation(self) -> bool:
        return self.kind in REFERENCES


@dataclass(frozen=True)
class Model:
    """A model class.

    `unique`     the sets of columns of which the database keeps the values of all rows apart
    `constants`  class attributes with a literal value: {"OPEN": "open"}; "Status.OPEN" for a nested class
    `methods`    what it, or a base in the repository, defines
    `table`      `db_table` of its Meta
    """

    name: str
    path: str
    fields: dict[str, Field] = field(default_factory=dict)
    unique: tuple[frozenset[str], ...] = ()
    constants: dict[str, Any] = field(default_factory=dict)
    methods: dict[str, ast.FunctionDef] = field(default_factory=dict)
    managers: tuple[str, ...] = ()
    table: str | None = None

    def covers(self, columns: frozenset[str]) -> bool:
        """Two rows with the same values in `columns` cannot exist."""
        return any(key <= columns for key in self.unique)

    @property
    def manager(self) -> str:
        """The name of its manager: `objects`, unless it declares others only."""
        return "objects" if not self.managers or "objects" in self.managers else self.managers[0]


def read_models(source: Code) -> dict[str, Model]:
    """The models of a repository by class name. A name that two apps share is left out: it would be a guess."""
    models = Models(source)
    return {
        name: _model(models, facts)
        for name, classes in models.by_name.items()
        if len(classes) == 1 and (facts := models.of(classes[0])) is not None
    }


def app_folder(path: str) -> PurePosixPath:
    """The folder of the app that a models file belongs to: `jobs` of `jobs/models.py` and `jobs/models/job.py`."""
    parts = PurePosixPath(path).parts
    at = next((index for index, part in enumerate(parts) if part in ("models", "models.py")), len(parts) - 1)
    return PurePosixPath(*parts[:at])


def _model(models: Models, facts: Facts) -> Model:
    family = list(models.code.ancestors(facts.cls))
    meta = facts.cls.inner("Meta")
    return Model(
        name=facts.cls.simple,
        path=facts.cls.module.path,
        fields={name: _field(name, call, facts.references.get(name)) for name, call in facts.fields.items()},
        unique=tuple(each.fields for each in facts.uniques if not each.conditional),
        constants={name: value for each in reversed(family) for name, value in _constants(each.node).items()},
        methods={
            name: function.node
            for each in reversed(family)
            for name, function in each.methods.items()
            if isinstance(function.node, ast.FunctionDef)
        },
        managers=tuple(facts.managers),
        table=_literal(_assignments(meta).get("db_table")) if meta else None,
    )


def _field(name: str, call: ast.Call, target: str | None) -> Field:
    given = {
        each.arg
        for each in call.keywords
        if isinstance(each.value, ast.Constant) and each.value.value is True
    }
    kind = ast.unparse(call.func).rpartition(".")[2]
    named = next((_literal(each.value) for each in call.keywords if each.arg == "db_column"), None)
    column = named if isinstance(named, str) else f"{name}_id" if kind in REFERENCES else name
    return Field(name, kind, "null" in given, "auto_now" in given, column, target)


def _assignments(node: ast.ClassDef) -> dict[str, ast.expr]:
    return {
        each.targets[0].id: each.value
        for each in node.body
        if isinstance(each, ast.Assign) and len(each.targets) == 1 and isinstance(each.targets[0], ast.Name)
    }


def _constants(node: ast.ClassDef) -> dict[str, Any]:
    """The literals of a class; of a choice (`OPEN = "open", _("Open")`) its value."""
    found: dict[str, Any] = {}
    for target, value in _assignments(node).items():
        literal = _literal(value.elts[0] if isinstance(value, ast.Tuple) and value.elts else value)
        if isinstance(literal, str | int | float | bool):
            found[target] = literal
    for each in node.body:
        if isinstance(each, ast.ClassDef) and each.name != "Meta":
            found |= {f"{each.name}.{name}": value for name, value in _constants(each).items()}
    return found


def _literal(value: ast.expr | None) -> Any:
    try:
        return None if value is None else ast.literal_eval(value)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError):
        return None
