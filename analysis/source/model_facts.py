"""What one model class says: fields, references, and what is unique.

Source: https://docs.djangoproject.com/en/5.2/ref/models/options/#unique-together
        https://docs.djangoproject.com/en/5.2/ref/models/constraints/#uniqueconstraint
"""

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from analysis.source.modules import Class, assignment, dotted

REFERENCES = ("ForeignKey", "OneToOneField", "ParentalKey", "OneToOneRel")


@dataclass(frozen=True)
class Unique:
    """Columns that no two rows share; `conditional` holds for a part of the rows only."""

    fields: frozenset[str]
    conditional: bool = False


@dataclass
class Model:
    """The facts of one model. `open_ended`: a base or a constraint could not be read, so more may be unique.

    `name` is the class name; where two models of the tree share it, the path stands before it.
    """

    name: str
    cls: Class
    fields: dict[str, ast.Call] = field(default_factory=dict)
    references: dict[str, str] = field(default_factory=dict)  # field -> simple name of the target
    many: dict[str, str] = field(default_factory=dict)  # many-to-many field -> simple name of the target
    related_names: dict[str, str] = field(default_factory=dict)  # field -> name on the target
    uniques: list[Unique] = field(default_factory=list)
    managers: dict[str, str] = field(default_factory=dict)  # attribute -> manager or queryset class
    abstract: bool = False
    open_ended: bool = False

    def single(self, reference: str) -> bool:
        """Is the other side of a reference one row at most?"""
        return "OneToOne" in (dotted(self.fields[reference].func) or "")

    def unique_within(self, names: Iterable[str]) -> Unique | None:
        """A constraint that covers a look-up by these fields: at most one row can answer it."""
        columns = {name.split("__", 1)[0] for name in names}
        given = columns | {name.removesuffix("_id") for name in columns}
        if "pk" in given or "id" in given:
            return Unique(frozenset({"id"}))
        return next((unique for unique in self.uniques if unique.fields <= given), None)


def commonprefix(one: str, other: str) -> str:
    length = next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
    return one[:length]


def plural(attribute: str, model: str) -> bool:
    simple = model.rpartition(":")[2].lower()
    return attribute.endswith(("s", "_set")) and attribute.lower().replace("_", "") != simple


def has_field(one: Class) -> bool:
    return any(
        isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and is_field(node.value)
        for node in one.node.body
    )


def is_field(call: ast.Call) -> bool:
    name = (dotted(call.func) or "").rsplit(".", 1)[-1]
    return name.endswith("Field") or name in REFERENCES


def is_abstract(one: Class) -> bool:
    meta = one.inner("Meta")
    value = assignment(meta.body, "abstract") if meta else None
    return isinstance(value, ast.Constant) and value.value is True


def read_fields(model: Model, one: Class) -> None:
    for node in one.node.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target = node.targets[0]
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            target = node.target
        else:
            continue
        if not isinstance(target, ast.Name) or not isinstance(node.value, ast.Call):
            continue
        call = node.value
        if is_field(call):
            read_field(model, target.id, call)
        elif (
            target.id.endswith("objects")
            or "Manager" in ast.unparse(call.func)
            or "as_manager" in ast.unparse(call)
        ):
            names = re.findall(r"\w*(?:Manager|Query[Ss]et)\b", ast.unparse(call))
            if names:
                model.managers[target.id] = names[-1]


def read_field(model: Model, name: str, call: ast.Call) -> None:
    kind = (dotted(call.func) or "").rsplit(".", 1)[-1]
    given = {k.arg: k.value for k in call.keywords if k.arg}
    model.fields[name] = call
    if true(given.get("unique")) or true(given.get("primary_key")) or kind == "OneToOneField":
        model.uniques.append(Unique(frozenset({name})))
    if given.get("unique") is not None and not isinstance(given["unique"], ast.Constant):
        model.open_ended = True
    if kind.endswith("ManyToManyField"):
        model.many[name] = target_name(
            given.get("to") or (call.args[0] if call.args else None), model.cls.simple
        )
    if kind in REFERENCES or kind.endswith("ForeignKey"):
        target = given.get("to") or (call.args[0] if call.args else None)
        model.references[name] = target_name(target, model.cls.simple)
        related = given.get("related_name")
        if isinstance(related, ast.Constant) and isinstance(related.value, str):
            model.related_names[name] = related.value
        elif kind == "OneToOneField":
            model.related_names[name] = model.cls.simple.lower()


def target_name(node: ast.expr | None, own: str) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return own if node.value == "self" else node.value.rsplit(".", 1)[-1]
    text = (dotted(node) if node is not None else None) or "?"
    return "User" if text.endswith("AUTH_USER_MODEL") else text.rsplit(".", 1)[-1]


def read_meta(model: Model, meta: ast.ClassDef) -> None:
    body = [part for part in ast.walk(meta) if isinstance(part, ast.stmt)]
    together = assignment(body, "unique_together")
    if together is not None:
        model.uniques += [Unique(frozenset(names)) for names in name_sets(together)]
    constraints = assignment(body, "constraints")
    if constraints is None:
        return
    if not isinstance(constraints, ast.List | ast.Tuple):
        model.open_ended = True
        return
    for one in constraints.elts:
        if isinstance(one, ast.Call) and (dotted(one.func) or "").endswith("UniqueConstraint"):
            model.uniques.append(unique_constraint(one))
        elif not isinstance(one, ast.Call):
            model.open_ended = True


def unique_constraint(call: ast.Call) -> Unique:
    """UniqueConstraint(fields=…) or UniqueConstraint(Lower("email"), …): the columns it names, wrapped or not."""
    given = {k.arg: k.value for k in call.keywords if k.arg}
    nodes = [*call.args, *([given["fields"]] if "fields" in given else [])]
    names = {
        n.value
        for node in nodes
        for n in ast.walk(node)
        if isinstance(n, ast.Constant) and isinstance(n.value, str)
    }
    return Unique(
        frozenset(name.removesuffix("_id") for name in names) or frozenset({"?"}), "condition" in given
    )


def name_sets(node: ast.expr) -> list[set[str]]:
    """`("a", "b")`, `[("a", "b"), …]` and `{("a", "b")}` as sets of names."""
    if not isinstance(node, ast.List | ast.Tuple | ast.Set):
        return []
    if node.elts and all(isinstance(e, ast.Constant) for e in node.elts):
        return [{str(e.value) for e in node.elts if isinstance(e, ast.Constant)}]
    return [names for element in node.elts for names in name_sets(element)]


def true(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
