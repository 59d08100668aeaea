"""What happens to a row in memory between its read and its save: the columns assigned, and who else may change it."""

import ast
import builtins
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.models import Model
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.sites import MANAGERS, Site
from analysis.source.fixes.syntax import Statement, chain_names, find, names_in
from analysis.source.modules import Function

HARMLESS = frozenset(
    [
        *("logger", "logging", "log", "messages", "_", "gettext"),
        *("JsonResponse", "Response", "HttpResponse", "redirect", "render", "reverse"),
    ]
)
DELTAS = {cst.AddAssign: "+", cst.SubtractAssign: "-"}


@dataclass(frozen=True)
class Assigned:
    """One assignment to a column of a row.

    `value`  the code of the value, where it can be written again as it is: a name, an attribute, a constant
    `delta`  "+ 1" of `row.count += 1` and of `row.count = row.count + 1`
    `node`   the statement's small part
    `always` it runs whenever the save does: nothing decides about it
    """

    column: str
    value: str | None
    delta: str | None
    node: cst.Assign | cst.AugAssign
    always: bool


def assigned(site: Site, row: str, model: Model, statements: Sequence[Statement]) -> list[Assigned]:
    """The columns of the row that the statements assign, in their order.

    Raises: NotOffered, if something else may change the row: setattr, a method, a call that is handed it
    """
    found = []
    for statement in statements:
        nodes: list[cst.Assign | cst.AugAssign] = [
            *find(statement, cst.Assign),
            *find(statement, cst.AugAssign),
        ]
        for node in nodes:
            found += list(_assignment(site, row, model, node, isinstance(statement, cst.SimpleStatementLine)))
        _nobody_else(site, row, model, statement)
    return found


def _assignment(
    site: Site, row: str, model: Model, node: cst.Assign | cst.AugAssign, always: bool
) -> Iterator[Assigned]:
    of_row = m.Attribute(value=m.Name(row))
    if isinstance(node, cst.AugAssign) and m.matches(node.target, of_row):
        column = _known(site, node.target, model)
        sign = DELTAS.get(type(node.operator))
        own = row in names_in(node.value)
        delta = f"{sign} {_operand(site, node.value)}" if sign and not own else None
        yield Assigned(column, None, delta, node, always)
    if isinstance(node, cst.Assign):
        for target in node.targets:
            if m.matches(target.target, of_row):
                column = _known(site, target.target, model)
                value, delta = _simple(site, node.value, row), _delta(site, node.value, row, column)
                yield Assigned(column, value, delta, node, always)
            elif find(target.target, cst.Attribute, of_row) and not isinstance(target.target, cst.Subscript):
                raise NotOffered(f"`{row}` is changed in a tuple assignment")


def _known(site: Site, node: cst.BaseExpression, model: Model) -> str:
    assert isinstance(node, cst.Attribute)
    name = node.attr.value
    if name not in model.fields and name.removesuffix("_id") not in model.fields:
        raise NotOffered(f"`{site.code(node)}` is not a column of {model.name} that its source shows")
    return name


def _simple(site: Site, value: cst.BaseExpression, row: str) -> str | None:
    """The code of a value that is the same when it is asked for again."""
    plain = m.Name() | m.Integer() | m.Float() | m.SimpleString()
    if m.matches(value, plain) or (
        isinstance(value, cst.Attribute)
        and all(m.matches(each, m.Name() | m.Attribute()) for each in _inner(value))
    ):
        return None if chain_names(value)[:1] == [row] else site.code(value)
    return None


def _inner(node: cst.BaseExpression) -> Iterator[cst.BaseExpression]:
    while isinstance(node, cst.Attribute):
        node = node.value
        yield node


def _delta(site: Site, value: cst.BaseExpression, row: str, column: str) -> str | None:
    """ "+ 1" of `row.count + 1`."""
    if not isinstance(value, cst.BinaryOperation) or not isinstance(value.operator, cst.Add | cst.Subtract):
        return None
    if not m.matches(value.left, m.Attribute(value=m.Name(row), attr=m.Name(column))):
        return None
    if row in names_in(value.right):
        return None
    sign = "+" if isinstance(value.operator, cst.Add) else "-"
    return f"{sign} {_operand(site, value.right)}"


def _operand(site: Site, value: cst.BaseExpression) -> str:
    compound = isinstance(
        value, cst.BinaryOperation | cst.IfExp | cst.BooleanOperation | cst.Comparison | cst.Lambda
    )
    return f"({site.code(value)})" if compound and not value.lpar else site.code(value)


def _nobody_else(site: Site, row: str, model: Model, statement: Statement) -> None:
    for call in find(statement, cst.Call):
        names = chain_names(call.func)
        method = names[1] if names[:1] == [row] and len(names) == 2 else "save"
        if method not in ("save", "delete", "refresh_from_db") and not _method_reads_only(model, method):
            raise NotOffered(f"`{row}.{method}()` may change the row: what is saved is not known")
        handed = [arg for arg in call.args if m.matches(arg.value, m.Name(row))]
        if not handed or MANAGERS & set(names) or _is_harmless(site, names):
            continue
        if not _function_reads_only(site, call, names, row):
            raise NotOffered(f"`{'.'.join(names) or 'a call'}` is handed the row and may change it")


def _is_harmless(site: Site, names: list[str]) -> bool:
    if not names or names[0] == "setattr":
        return False
    return (
        names[0] in HARMLESS or names[-1] in site.models or (len(names) == 1 and hasattr(builtins, names[0]))
    )


def _method_reads_only(model: Model, name: str) -> bool:
    if name not in model.methods:
        return name.startswith("get_") and name.endswith("_display")
    return _reads_only(model.methods[name], 0)


def _function_reads_only(site: Site, call: cst.Call, names: list[str], row: str) -> bool:
    """The called function is in the repository, and neither assigns to the row nor hands it on."""
    definition = function_called(site, ".".join(names))
    if definition is None:
        return False
    for position, arg in enumerate(call.args):
        if m.matches(arg.value, m.Name(row)):
            place = position if arg.keyword is None else _position(definition, arg.keyword.value)
            if place is None or not _reads_only(definition, place):
                return False
    return True


def _position(definition: ast.FunctionDef, name: str) -> int | None:
    return next((at for at, each in enumerate(definition.args.args) if each.arg == name), None)


def function_called(site: Site, name: str) -> ast.FunctionDef | None:
    """The function of the repository that a name stands for in the file."""
    module = site.source.module(site.hit.path)
    found = site.source.find(module, name) if module is not None and name else None
    return found.node if isinstance(found, Function) and isinstance(found.node, ast.FunctionDef) else None


def _reads_only(definition: ast.FunctionDef, parameter: int) -> bool:
    """A function neither assigns to an attribute of a parameter, nor calls a method of it, nor hands it on."""
    if parameter >= len(definition.args.args):
        return False
    name = definition.args.args[parameter].arg
    return not any(_touches(node, name) for node in ast.walk(definition))


def _touches(node: ast.AST, name: str) -> bool:
    if isinstance(node, ast.Attribute | ast.Subscript):
        return isinstance(node.ctx, ast.Store | ast.Del) and _is(node.value, name)
    if isinstance(node, ast.Call):
        handed = any(_is(arg, name) for arg in (*node.args, *(each.value for each in node.keywords)))
        return handed or (isinstance(node.func, ast.Attribute) and _is(node.func.value, name))
    return False


def _is(node: ast.expr, name: str) -> bool:
    return isinstance(node, ast.Name) and node.id == name
