"""Querysets: when one is only built, when it is run, and what the run does.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#when-querysets-are-evaluated
        https://docs.djangoproject.com/en/5.2/ref/models/querysets/#select-for-update
"""

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.source import words
from analysis.source.events import Event
from analysis.source.values import NOTHING, Query, Row, Value

if TYPE_CHECKING:
    from analysis.source.trace import Tracer


def keywords(tracer: "Tracer", node: ast.Call) -> dict[str, Value]:
    """The values of keyword arguments; those of `**mapping` under names that begin with two stars."""
    from analysis.source.expressions import evaluate

    found: dict[str, Value] = {}
    for position, keyword in enumerate(node.keywords):
        found[keyword.arg or f"**{position}"] = evaluate(tracer, keyword.value)
    return found


def materialise(tracer: "Tracer", value: Value, node: ast.expr, verb: str) -> Value:
    """Runs a queryset: its rows, read here. Anything else stays what it is."""
    query = value.query
    if query is None:
        return value
    row, order = read_row(tracer, query, verb, node, many=True)
    return Value(rows=(row,), origins=value.origins | {order}, attrs=value.attrs, present=True)


def read_row(tracer: "Tracer", query: Query, verb: str, node: ast.expr, many: bool) -> tuple[Row, int]:
    """The row that stands for what a queryset gives when it is run, and the order of the event that reads it."""
    lock = take_lock(tracer, query, node)
    read = emit(tracer, "read", verb, node, query, locked=lock is not None, many=many)
    row = Row(
        query.model,
        origin(query),
        read.order,
        lock.order if lock else None,
        ast.unparse(node)[:60],
        query.parent,
    )
    read.rows = (row,)
    return row, read.order


def take_lock(tracer: "Tracer", query: Query, node: ast.expr) -> Event | None:
    """The lock event of a locking queryset that is run."""
    tracer.evaluated.add(query.made)
    if query.locked is None:
        return None
    return emit(tracer, "lock", "select_for_update", node, query)


def emit(
    tracer: "Tracer", kind: str, verb: str, node: ast.expr | ast.stmt, query: Query, **more: object
) -> Event:
    event = tracer.emit(
        kind,
        verb,
        node,
        model=query.model,
        base=query.base,
        parent=query.parent,
        lookups=query.lookups,
        **more,
    )
    event.value = Value(origins=query.origins, attrs=query.attrs)
    return event


def query_method(tracer: "Tracer", owner: Value, method: str, node: ast.Call) -> Value | None:
    """A method of a queryset or manager; None if the name is not one of Django's."""
    from analysis.source.expressions import evaluate

    query = owner.query
    if query is None or method not in words.QUERYSET_METHODS:
        return None
    args = [evaluate(tracer, arg) for arg in node.args]
    given = keywords(tracer, node)
    if method in words.SELECTS_LAZILY:
        return replace(owner, query=narrowed(tracer, query, method, node, args, given))
    if method in words.READS_ONE or method in words.READS_MANY:
        return read_rows(tracer, narrowed(tracer, query, method, node, args, given), method, node)
    if method in words.READS_FIGURE:
        return read_figure(tracer, query, method, node)
    return written(tracer, query, method, node, args, given)


def written(
    tracer: "Tracer", query: Query, method: str, node: ast.Call, args: list[Value], given: dict[str, Value]
) -> Value:
    """The methods of a queryset that write."""
    if method in words.GETS_OR_INSERTS:
        return get_or_insert(tracer, query, method, node, given)
    if method in words.INSERTS:
        return insert(tracer, query, method, node, args, given)
    return change(tracer, query, method, node, args, given)


def narrowed(
    tracer: "Tracer", query: Query, method: str, node: ast.Call, args: list[Value], given: dict[str, Value]
) -> Query:
    """The queryset after a method that runs nothing."""
    if method == "select_for_update":
        lazy = emit(tracer, "lazy", method, node, query)
        return replace(query, locked=node.lineno, made=lazy.order)
    narrows = method in words.NARROWS or (method in words.READS_ONE and bool(given or args))
    lookups = (*query.lookups, *(given if narrows else ()), *(q_lookups(node) if narrows else ()))
    every = [*args, *given.values()] if narrows else []
    private = (
        query.private
        or any(own(value) for value in every)
        or (query.parent is not None and query.parent.origin == "made")
    )
    return replace(
        query,
        lookups=lookups,
        narrowed=query.narrowed or narrows,
        private=private,
        attrs=query.attrs.union(*(v.attrs for v in every)),
        origins=query.origins.union(*(v.every_origin for v in every)),
    )


def own(value: Value) -> bool:
    """A row that this run inserted: what refers to it is as new."""
    return bool(value.rows) and all(row.origin == "made" for row in value.rows)


def origin(query: Query) -> str:
    return "made" if query.private or (query.parent is not None and query.parent.origin == "made") else "read"


def q_lookups(node: ast.Call) -> list[str]:
    """The look-ups inside Q() objects among the arguments."""
    return [
        keyword.arg
        for arg in node.args
        for part in ast.walk(arg)
        if isinstance(part, ast.Call)
        for keyword in part.keywords
        if keyword.arg
    ]


def read_rows(tracer: "Tracer", query: Query, method: str, node: ast.Call) -> Value:
    row, order = read_row(tracer, query, method, node, many=method in words.READS_MANY)
    return Value(rows=(row,), origins=frozenset({order}), present=True)


def read_figure(tracer: "Tracer", query: Query, method: str, node: ast.Call) -> Value:
    """exists(), count(), aggregate(): of these only exists() keeps the lock of its queryset."""
    lock = take_lock(tracer, query, node) if method not in words.DROPS_LOCK else None
    if query.locked is not None and lock is None:
        tracer.evaluated.add(query.made)
        emit(tracer, "dropped", method, node, query)
    read = emit(tracer, "read", method, node, query, locked=lock is not None)
    present = None if method.endswith("aggregate") else True
    return Value(origins=frozenset({read.order}), present=present)


def get_or_insert(
    tracer: "Tracer", query: Query, method: str, node: ast.Call, given: dict[str, Value]
) -> Value:
    """get_or_create() and update_or_create(): the latter locks the row it found, until its own statement ends."""
    defaults = [given.pop(name) for name in ("defaults", "create_defaults") if name in given]
    lookups = (*query.lookups, *given)
    event = emit(tracer, "write", method, node, replace(query, lookups=lookups), insert=True)
    event.values = given
    event.value = NOTHING.tainted(*given.values(), *defaults)
    event.fields = default_names(node)
    query = replace(query, private=query.private or any(own(value) for value in given.values()))
    event.private = origin(query) == "made"
    event.locked = query.locked is not None
    lock = take_lock(tracer, query, node)
    read = emit(tracer, "read", method, node, replace(query, lookups=lookups), locked=lock is not None)
    row = Row(
        query.model,
        origin(query),
        read.order,
        lock.order if lock else None,
        ast.unparse(node)[:60],
        query.parent,
    )
    read.rows = event.rows = (row,)
    found = Value(rows=(row,), origins=frozenset({read.order}))
    return Value(items=(found, Value(claims=frozenset({event.order}))), rows=())


def default_names(node: ast.Call) -> tuple[str, ...]:
    """The fields that `defaults={…}` names: the same in every request that looks up the same row."""
    given = next((k.value for k in node.keywords if k.arg == "defaults"), None)
    keys = given.keys if isinstance(given, ast.Dict) else []
    return tuple(str(key.value) for key in keys if isinstance(key, ast.Constant))


def insert(
    tracer: "Tracer", query: Query, method: str, node: ast.Call, args: list[Value], given: dict[str, Value]
) -> Value:
    """create() and bulk_create()."""
    row = Row(query.model, "fresh", values=given, parent=query.parent)
    event = emit(tracer, "write", method, node, query, insert=True, many="bulk" in method)
    event.rows, event.reads, event.locks, event.origins = (row,), (None,), (None,), ("fresh",)
    row.origin = "made"
    made = next((one for value in args for one in value.rows if one.origin == "fresh"), None)
    event.values = dict(made.values) if made is not None and "bulk" in method else given
    event.fields = tuple(name for name in given if not name.startswith("**"))
    event.value = NOTHING.tainted(*args, *given.values())
    event.private = origin(query) == "made" or any(own(value) for value in given.values())
    ignored = next(
        (k.value for k in node.keywords if k.arg in ("ignore_conflicts", "update_conflicts")), None
    )
    if isinstance(ignored, ast.Constant) and ignored.value is True:
        event.handlers |= {"IntegrityError"}
    return Value(rows=(row,))


def change(
    tracer: "Tracer", query: Query, method: str, node: ast.Call, args: list[Value], given: dict[str, Value]
) -> Value:
    """update(), bulk_update(), delete(), and the writes of a many-to-many relation."""
    tracer.evaluated.add(query.made)
    if query.locked is not None and method in words.DROPS_LOCK:
        emit(tracer, "dropped", method, node, query)
    many = next((value for value in args if value.rows), NOTHING)
    event = emit(
        tracer, "write", method, node, query, many=True, rows=many.rows if method in words.CHANGES else ()
    )
    event.values = given
    named = [*given.values()]
    event.fields = tuple(given) if method in words.CHANGES and "bulk" not in method else ("?",)
    event.expression = bool(named) and all(value.expression for value in named)
    event.value = NOTHING.tainted(*args, *named)
    return Value(
        claims=frozenset({event.order}),
        present=True,
        items=(Value(claims=frozenset({event.order}), present=True), NOTHING)
        if method in words.DELETES
        else (),
    )
