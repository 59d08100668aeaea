"""The check of a hit: the `if`, how it refuses, and the same condition in the words of a query.

Source: Django, "QuerySet API reference", "Field lookups" and "exclude()" (how it treats NULL).
"""

import ast
import copy
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.change import f_import
from analysis.source.fixes.models import Field, Model
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.queries import query_at
from analysis.source.fixes.sites import Site, Span
from analysis.source.fixes.syntax import Statement, find, names_in

OPERATORS: Final[dict[type[cst.BaseCompOp], str]] = {
    cst.Equal: "==",
    cst.NotEqual: "!=",
    cst.Is: "==",
    cst.IsNot: "!=",
    cst.In: "in",
    cst.NotIn: "not in",
    cst.LessThan: "<",
    cst.LessThanEqual: "<=",
    cst.GreaterThan: ">",
    cst.GreaterThanEqual: ">=",
}
LOOKUPS: Final = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
OPPOSITE: Final = {
    "<": ">=",
    "<=": ">",
    ">": "<=",
    ">=": "<",
    "==": "!=",
    "!=": "==",
    "in": "not in",
    "not in": "in",
}
MIRRORED: Final = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}
EMPTY = {
    "CharField": "''",
    "TextField": "''",
    "SlugField": "''",
    "IntegerField": "0",
    "PositiveIntegerField": "0",
}


@dataclass(frozen=True)
class Guard:
    """What refuses, at `place`: mostly `if test: refusal`. `body` is what it does, `answer` its last statement."""

    node: Statement
    body: cst.IndentedBlock
    place: str
    answer: str


def guard_of(site: Site) -> Guard:
    """The check of the hit, if it refuses by leaving; where the hit names none, the first one about the row it reads.

    Raises: NotOffered, if nothing is checked or the check does not end in return, raise or continue
    """
    node = _check(site)
    if node is None or not isinstance(node.body, cst.IndentedBlock):
        raise NotOffered("nothing is checked that a second request could be refused with")
    last = node.body.body[-1]
    if not leaves(last):
        line = site.places[node].start.line
        raise NotOffered(f"the check at {site.hit.path}:{line} does not refuse: there is no answer to copy")
    return Guard(
        node, node.body, f"{site.hit.path}:{site.places[node].start.line}", " ".join(site.code(last).split())
    )


def leaves(node: cst.CSTNode) -> bool:
    """The statement ends the function, or the turn of the loop."""
    return m.matches(node, m.SimpleStatementLine(body=[m.Return() | m.Raise() | m.Continue()]))


def _check(site: Site) -> cst.If | None:
    read, act = site.line_here(site.hit.read), site.line_here(site.hit.act)
    line = site.line_here(site.hit.test) if site.hit.test is not None else read
    checks = find(site.function, cst.If)
    named = next((each for each in checks if line is not None and site.covers(each.test, line)), None)
    query = query_at(site, read)
    if named is not None or site.hit.test is not None or query is None or query.target is None:
        return named
    between = (each for each in checks if (read or 0) < site.places[each].start.line < (act or 0))
    return next((each for each in between if query.target in names_in(each.test)), None)


def refusal(
    site: Site,
    guard: Guard,
    row: str | None = None,
    assigned: AbstractSet[str] = frozenset(),
    *,
    given: bool = False,
) -> cst.IndentedBlock:
    """The guard's own refusal, once more.

    A row that was changed in memory is read again, where the refusal shows it, or where the caller holds it (`given`).
    """
    body = [each.deep_clone() for each in guard.body.body]
    body[0] = body[0].with_changes(leading_lines=[])
    shown = row is not None and any(
        find(each, cst.Attribute, m.Attribute(value=m.Name(row), attr=m.Name(name)))
        for each in body
        for name in assigned
    )
    if shown or given:
        body.insert(0, site.statement(f"{row}.refresh_from_db()"))
    return guard.body.with_changes(body=body, footer=[], header=cst.TrailingWhitespace())


def guard_index(span: Span, guard: Guard) -> int:
    """Where the guard stands in the span's block.

    Raises: NotOffered, if it stands in another one
    """
    for index, each in enumerate(span.block.body):
        if each is guard.node:
            return index
    raise NotOffered("the check and the act are not in one block of the function")


@dataclass(frozen=True)
class Condition:
    """A condition on one row as arguments of `filter` and of `exclude`; `expressions`: F() is in them."""

    kept: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    expressions: bool = False

    def __add__(self, other: "Condition") -> "Condition":
        return Condition(
            self.kept + other.kept, self.left_out + other.left_out, self.expressions or other.expressions
        )


def allowed(
    site: Site, test: cst.BaseExpression, row: str, model: Model, *, negated: bool = True
) -> Condition:
    """The condition under which a guard lets a row pass: the opposite of its test.

    Raises: NotOffered, if the test is more than comparisons of the row's own columns
    """
    if isinstance(test, cst.UnaryOperation) and isinstance(test.operator, cst.Not):
        return allowed(site, test.expression, row, model, negated=not negated)
    if isinstance(test, cst.BooleanOperation):
        if isinstance(test.operator, cst.Or if negated else cst.And):
            return allowed(site, test.left, row, model, negated=negated) + allowed(
                site, test.right, row, model, negated=negated
            )
        raise NotOffered("the check allows either of two conditions: one filter() cannot say that")
    if isinstance(test, cst.Comparison) and len(test.comparisons) == 1:
        return _comparison(site, test, row, model, negated)
    if (inner := _property(site, test, row, model)) is not None:
        return allowed(site, inner, row, model, negated=negated)
    if (column := _column(test, row, model)) is not None:
        return _truth(site, column, negated)
    raise NotOffered(f"the check `{site.code(test)}` is no comparison of a column of the row")


def _comparison(site: Site, test: cst.Comparison, row: str, model: Model, negated: bool) -> Condition:
    target = test.comparisons[0]
    operator = OPERATORS[type(target.operator)]
    column, value = _column(test.left, row, model), target.comparator
    if column is None and operator in MIRRORED:
        column, value, operator = _column(value, row, model), test.left, MIRRORED[operator]
    if column is None:
        raise NotOffered(f"the check `{site.code(test)}` is no comparison of a column of the row")
    operator = OPPOSITE[operator] if negated else operator
    if m.matches(value, m.Name("None")):
        return Condition((f"{column.name}__isnull={operator == '=='}",))
    written, expression = _value(site, value, row, model)
    if operator in LOOKUPS:
        return Condition((f"{column.name}__{LOOKUPS[operator]}={written}",), (), expression)
    said = (f"{column.name}__in={written}" if operator.endswith("in") else f"{column.name}={written}",)
    return (
        Condition((), said, expression) if operator in ("!=", "not in") else Condition(said, (), expression)
    )


def _property(site: Site, test: cst.BaseExpression, row: str, model: Model) -> cst.BaseExpression | None:
    """What a property of the model returns, in terms of the row, where it is one expression."""
    if not isinstance(test, cst.Attribute) or not m.matches(test.value, m.Name(row)):
        return None
    definition = model.methods.get(test.attr.value)
    if definition is None or [ast.unparse(each) for each in definition.decorator_list] != ["property"]:
        return None
    *others, last = definition.body
    if (
        any(not isinstance(each, ast.Expr) for each in others)
        or not isinstance(last, ast.Return)
        or last.value is None
    ):
        return None
    value = copy.deepcopy(last.value)
    for node in ast.walk(value):
        if isinstance(node, ast.Name) and node.id == definition.args.args[0].arg:
            node.id = row
    return site.expression(ast.unparse(value))


def _column(node: cst.BaseExpression, row: str, model: Model) -> Field | None:
    """The column of `row.column`."""
    if m.matches(node, m.Attribute(value=m.Name(row))) and isinstance(node, cst.Attribute):
        name = node.attr.value
        if name in model.fields:
            return model.fields[name]
        if name.endswith("_id") and name[:-3] in model.fields:
            return Field(name, "IntegerField", model.fields[name[:-3]].null)
        raise NotOffered(f"`{row}.{name}` is not a column of {model.name} that its source shows")
    return None


def _value(site: Site, node: cst.BaseExpression, row: str, model: Model) -> tuple[str, bool]:
    other = _column(node, row, model)
    if other is not None:
        return f"{f_import(site)[0]}({site.layout.literal(other.name)})", True
    if row in names_in(node):
        raise NotOffered(f"the check computes with the row: `{site.code(node)}`")
    return site.code(node), False


def _truth(site: Site, column: Field, negated: bool) -> Condition:
    """`if row.column`, by the kind of the column."""
    if column.kind in ("BooleanField", "NullBooleanField"):
        if not column.null:
            return Condition((f"{column.name}={not negated}",))
        return Condition((), (f"{column.name}=True",)) if negated else Condition((f"{column.name}=True",))
    if column.relation or column.kind in ("DateTimeField", "DateField", "UUIDField"):
        return Condition((f"{column.name}__isnull={negated}",))
    if column.kind in EMPTY and not column.null:
        empty = site.layout.literal("") if EMPTY[column.kind] == "''" else EMPTY[column.kind]
        return (
            Condition((f"{column.name}={empty}",)) if negated else Condition((), (f"{column.name}={empty}",))
        )
    raise NotOffered(f"what makes `{column.name}` true or false is not known from its source")
