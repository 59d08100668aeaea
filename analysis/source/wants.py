"""What must be so for a test to come out as wanted: a status, a number large enough, a type, a row that is there."""

import ast
from typing import TYPE_CHECKING, Any, Final

from analysis.source.modules import dotted
from analysis.source.takes import Source, Want

if TYPE_CHECKING:
    from analysis.source.intake import Frame

FLIPPED: Final = {"is": "not", "not": "is", "above": "below", "below": "above", "true": "false", "false": "true",
                  "none": "some", "some": "none"}  # fmt: skip
ORDERS: Final = {ast.Gt: "above", ast.GtE: "above", ast.Lt: "below", ast.LtE: "below"}
TYPES: Final = ("int", "float", "str", "bool", "list", "dict")


def require(frame: "Frame", test: ast.expr, wanted: bool) -> None:
    """Notes what a test that comes out as `wanted` tells of rows and of the body; what cannot be read is a gap."""
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        require(frame, test.operand, not wanted)
    elif isinstance(test, ast.BoolOp):
        every = isinstance(test.op, ast.And) == wanted
        for each in test.values if every else test.values[-1:]:
            require(frame, each, wanted)
        for each in () if every else test.values[:-1]:
            frame.value(each)
    elif isinstance(test, ast.Compare) and len(test.ops) == 1:
        compared(frame, test, wanted)
    elif isinstance(test, ast.Call) and dotted(test.func) == "isinstance" and len(test.args) == 2:
        kind = (dotted(test.args[1]) or "").rsplit(".", 1)[-1]
        source = frame.value(test.args[0])
        if wanted and kind in TYPES:
            frame.intake.take(source, kind)
    elif inner := asked_inside(frame, test):
        require(*inner, wanted)
    else:
        note(frame, frame.value(test), Want("true" if wanted else "false", place=frame.place(test)), test)


def asked_inside(frame: "Frame", test: ast.expr) -> "tuple[Frame, ast.expr] | None":
    """The test that a method or property of a row makes, where it does nothing else: `job.is_open`."""
    node = test.func if isinstance(test, ast.Call) else test
    if not isinstance(node, ast.Attribute) or (isinstance(test, ast.Call) and (test.args or test.keywords)):
        return None
    of = frame.value(node.value)
    method = frame.method_of(of, node.attr)
    body = [each for each in method.node.body if not is_docstring(each)] if method else []
    if method is None or len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
        return None
    return frame.inside(method, of), body[0].value


def is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def compared(frame: "Frame", test: ast.Compare, wanted: bool) -> None:
    """`job.status != Job.OPEN`, `balance < amount`, `found is None`, `status in (…)`."""
    left, right = frame.value(test.left), frame.value(test.comparators[0])
    operator = type(test.ops[0])
    if left.kind == "const" and right.kind != "const":
        left, right = right, left
        operator = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}.get(
            operator, operator
        )
    kind, value = "", right.value if right.kind == "const" else None
    if operator in (ast.Is, ast.IsNot, ast.Eq, ast.NotEq) and right == Source("const"):
        kind = "none" if operator in (ast.Is, ast.Eq) else "some"
    elif operator in (ast.Eq, ast.NotEq) and right.kind == "const":
        kind = "is" if operator is ast.Eq else "not"
    elif operator in ORDERS:
        kind, value = ORDERS[operator], value if isinstance(value, int | float) else None
        if right.kind in ("attr", "body", "query"):
            flipped = kind if not wanted else FLIPPED[kind]
            note(frame, right, Want(flipped, None, frame.place(test)), test)
    elif operator in (ast.In, ast.NotIn):
        members = [frame.value(each).value for each in getattr(test.comparators[0], "elts", [])]
        kind, value = ("is" if operator is ast.In else "not"), members[0] if members else None
        kind = kind if members else ""
    if not kind:
        gap(frame, test)
        return
    note(frame, left, Want(kind if wanted else FLIPPED[kind], value, frame.place(test)), test)


def note(frame: "Frame", source: Source, want: Want, test: ast.expr) -> None:
    """Enters a condition where it belongs."""
    rows = frame.intake.rows
    if source.kind in ("row", "rows", "found") and source.row is not None:
        there = want.kind in ("true", "some", "above", "not") or (want.kind == "is" and bool(want.value))
        if rows[source.row].required is None:
            rows[source.row].required = there
    elif source.kind == "attr" and source.row is not None and len(source.path) == 1:
        rows[source.row].wants.setdefault(source.path[0], []).append(want)
    elif source.kind in ("body", "query") and source.path:
        frame.intake.take(source)
        frame.intake.taken[source.kind, source.path].wants.append(want)
        number: Any = want.value
        if want.kind in ("above", "below") and isinstance(number, int | float):
            frame.intake.take(
                source, frame.intake.taken[source.kind, source.path].kind or type(number).__name__
            )
    elif source.kind == "header" and want.kind == "is" and len(source.path) > 1:
        frame.intake.schemes[source.path[0]] = str(want.value)
    elif source.kind not in ("user", "validated", "const", "header", "parts"):
        gap(frame, test)


def gap(frame: "Frame", test: ast.expr) -> None:
    text = f"{frame.place(test)}: {ast.unparse(test)[:120]}"
    if text not in frame.intake.gaps:
        frame.intake.gaps.append(text)
