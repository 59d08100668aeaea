"""Instances of models: saving, deleting and refreshing them.

Source: https://docs.djangoproject.com/en/5.2/ref/models/instances/#saving-objects
"""

import ast
from typing import TYPE_CHECKING

from analysis.source import words
from analysis.source.events import Event
from analysis.source.modules import Class
from analysis.source.queries import keywords, own
from analysis.source.values import NOTHING, Row, Value

if TYPE_CHECKING:
    from analysis.source.trace import Tracer


def construct(tracer: "Tracer", model: Class, node: ast.Call) -> Value:
    """`Model(field=…)`: a row in memory only."""
    from analysis.source.expressions import evaluate

    for arg in node.args:
        evaluate(tracer, arg)
    return Value(
        rows=(
            Row(
                tracer.models.key(model),
                "fresh",
                values=keywords(tracer, node),
                name=ast.unparse(node)[:60],
                made_under=tuple(tracer.guards),
            ),
        )
    )


def row_method(tracer: "Tracer", owner: Value, method: str, node: ast.Call) -> Value | None:
    """save(), delete() and refresh_from_db() of rows; None if the method is another one."""
    from analysis.source.expressions import evaluate

    if method in words.SAVES:
        given = keywords(tracer, node)
        return save(tracer, owner, node, update_fields(node, given), given)
    if method in words.DELETES and not node.args:
        event = tracer.emit("write", "delete", node, model=model_of(owner), rows=owner.rows)
        return Value(claims=frozenset({event.order}), items=(Value(claims=frozenset({event.order})), NOTHING))
    if method in words.REFRESHES:
        given = keywords(tracer, node)
        refresh(tracer, owner, node, given)
        return NOTHING
    if method in words.VALIDATES_UNIQUE:
        for arg in node.args:
            evaluate(tracer, arg)
        read = tracer.emit(
            "read", "full_clean", node, model=model_of(owner), base=model_of(owner) or "", many=True
        )
        return Value(origins=frozenset({read.order}))
    return None


def model_of(owner: Value) -> str | None:
    return next((row.model for row in owner.rows if row.model), None)


def update_fields(node: ast.Call, given: dict[str, Value]) -> tuple[str, ...] | None:
    """The columns that save() is restricted to; None for all of them, ("?",) if they are computed."""
    value = next((k.value for k in node.keywords if k.arg == "update_fields"), None)
    if value is None or (isinstance(value, ast.Constant) and value.value is None):
        return None
    if isinstance(value, ast.List | ast.Tuple | ast.Set) and all(
        isinstance(e, ast.Constant) for e in value.elts
    ):
        return tuple(str(e.value) for e in value.elts if isinstance(e, ast.Constant))
    known = given["update_fields"].constant
    return (known,) if isinstance(known, str) else ("?",)


def save(
    tracer: "Tracer", owner: Value, node: ast.Call, fields: tuple[str, ...] | None, given: dict[str, Value]
) -> Value:
    """A row is inserted if it is fresh, else updated; of a given one nobody knows here."""
    origins = {row.origin for row in owner.rows}
    fresh = origins == {"fresh"}
    event = tracer.emit("write", "save", node, model=model_of(owner), rows=owner.rows, fields=fields)
    event.insert = True if fresh else None if origins & {"fresh", "given"} else False
    forced = given.get("force_insert")
    if forced is not None and forced.constant is True:
        event.insert = True
    row = owner.rows[0]
    event.parent = row.parent
    event.values = dict(row.values)
    event.value = NOTHING.tainted(*row.values.values())
    event.lookups = tuple(row.values)
    event.private = any(own(value) for value in row.values.values())
    for one in owner.rows:
        one.origin = "made" if one.origin == "fresh" else one.origin
    return NOTHING


def refresh(tracer: "Tracer", owner: Value, node: ast.Call, given: dict[str, Value]) -> None:
    """Reads the row again; with `from_queryset=….select_for_update()` also locks it."""
    from analysis.source.queries import take_lock

    source = given.get("from_queryset")
    lock: Event | None = None
    if source is not None and source.query is not None:
        lock = take_lock(tracer, source.query, node)
    read = tracer.emit(
        "read", "refresh_from_db", node, model=model_of(owner), rows=owner.rows, locked=lock is not None
    )
    only = given.get("fields")
    for row in owner.rows:
        if only is None:
            row.values.clear()
        row.read = read.order
        row.locked = lock.order if lock else row.locked
        row.origin = "read" if row.origin == "given" else row.origin
