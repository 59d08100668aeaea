"""What `owner.name` stands for: a column, a related row or rows, a manager, a method, a property."""

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.source.givens import given, own_instance, request_user
from analysis.source.modules import Class, Function, Module, dotted
from analysis.source.values import Query, Row, Value
from analysis.source.words import MANAGERS

if TYPE_CHECKING:
    from analysis.source.trace import Tracer


def attribute(tracer: "Tracer", node: ast.Attribute) -> Value:
    from analysis.source.expressions import evaluate

    text = dotted(node)
    if text is not None and text in tracer.frame.env:
        return tracer.frame.env[text]
    owner = evaluate(tracer, node.value)
    if node.attr in MANAGERS:
        return manager(tracer, owner, node)
    if owner.rows:
        return row_attribute(tracer, owner, node)
    if owner.query is not None:
        model = tracer.models.named(owner.query.model)
        return Value(type=model.cls) if node.attr == "model" and model else owner
    if owner.instance is not None:
        return instance_attribute(tracer, owner, node)
    return plain_attribute(tracer, owner, node)


def plain_attribute(tracer: "Tracer", owner: Value, node: ast.Attribute) -> Value:
    """Of a class, a module, or something that the tree does not hold."""
    if owner.type is not None:
        return class_attribute(tracer, owner.type, node)
    if owner.module is not None:
        found = tracer.code.find(owner.module, node.attr)
        name = f"{owner.module.dotted}.{node.attr}" if found is None else ""
        return Value(
            type=found if isinstance(found, Class) else None,
            function=found if isinstance(found, Function) else None,
            module=found if isinstance(found, Module) else None,
            foreign=name,
        )
    if owner.foreign.endswith("request") and node.attr == "user":
        return request_user(tracer)
    foreign = f"{owner.foreign}.{node.attr}" if owner.foreign else ""
    attrs = frozenset[tuple[int, str]]() if foreign else owner.attrs
    return Value(foreign=foreign, origins=owner.origins, attrs=attrs, answer=owner.answer)


def manager(tracer: "Tracer", owner: Value, node: ast.Attribute) -> Value:
    """`Model.objects`, and the same of a model that only its spelling tells."""
    base = ast.unparse(node.value)
    if owner.type is not None:
        return Value(query=Query(tracer.models.key(owner.type), tracer.models.key(owner.type)))
    if owner.query is not None:
        return owner
    model = tracer.models.guessed(base.rsplit(".", 1)[-1].rstrip("()"), tracer.frame.module.path)
    if model is None and base.isidentifier() and base[:1].isupper():
        model = base
    return Value(query=Query(model, model or base))


def class_attribute(tracer: "Tracer", owner: Class, node: ast.Attribute) -> Value:
    model = tracer.models.of(owner)
    if model is not None and node.attr in model.managers:
        return Value(query=Query(model.name, model.name))
    method = tracer.code.method(owner, node.attr)
    if method is not None:
        return Value(function=method, bound=Value(type=owner))
    return Value(foreign=f"{owner.simple}.{node.attr}")


def instance_attribute(tracer: "Tracer", owner: Value, node: ast.Attribute) -> Value:
    """An attribute of an object that is no row: a method, a property, an annotated or guessed row."""
    assert owner.instance is not None
    method = tracer.code.method(owner.instance, node.attr)
    if method is not None:
        bound = Value(function=method, bound=owner)
        return computed_attribute(tracer, method, owner, node) if method.is_property else bound
    if node.attr == "Meta":
        return Value(foreign="self.Meta", bound=owner)
    if node.attr in ("instance", "object") and (known := own_instance(tracer, owner)) is not None:
        return known
    annotation = next(
        (
            n.annotation
            for one in tracer.code.ancestors(owner.instance)
            for n in one.node.body
            if isinstance(n, ast.AnnAssign) and isinstance(n.target, ast.Name) and n.target.id == node.attr
        ),
        None,
    )
    value = given(tracer, node.attr, annotation, owner.instance.module, keep=f"{ast.unparse(node)}")
    return (
        value.tainted(Value(origins=owner.origins)) if value.rows else replace(value, origins=owner.origins)
    )


def row_attribute(tracer: "Tracer", owner: Value, node: ast.Attribute) -> Value:
    row = owner.rows[0]
    attr = node.attr
    touched = frozenset((id(r), attr) for r in owner.rows)
    tracer.trace.rows.update((id(r), r) for r in owner.rows)
    base = Value(origins=owner.every_origin, attrs=touched | owner.attrs)
    if attr in row.values:
        return row.values[attr].tainted(Value(attrs=touched)) if row.origin != "fresh" else row.values[attr]
    model = tracer.models.named(row.model, tracer.frame.module.path)
    if model is not None:
        method = tracer.code.method(model.cls, attr)
        if method is not None and method.is_property:
            return computed_attribute(tracer, method, owner, node).tainted(base)
        if method is not None:
            return Value(function=method, bound=owner, origins=base.origins, attrs=touched)
        if attr in model.fields and attr not in model.references and attr not in model.many:
            return base
    if attr in ("pk", "id") or attr.endswith("_id"):
        return base
    return related(tracer, owner, node, base)


def computed_attribute(tracer: "Tracer", method: Function, owner: Value, node: ast.Attribute) -> Value:
    """A property: executed at each access, a cached one only at the first."""
    if not any(name.endswith("cached_property") for name in method.decorators):
        return tracer.inline(method, [owner], {}, node)
    key = (id(owner.rows[0] if owner.rows else owner.instance), method)
    if key not in tracer.cached:
        tracer.cached[key] = tracer.inline(method, [owner], {}, node)
    return tracer.cached[key]


def related(tracer: "Tracer", owner: Value, node: ast.Attribute, base: Value) -> Value:
    """`row.reference` (another row) or `row.related_name` (the rows that refer to this one)."""
    row = owner.rows[0]
    name, many = tracer.models.related(node.attr, row.model, tracer.frame.module.path)
    if name is None:
        return replace(base, bound=owner)
    if not many:
        key = (id(row), node.attr)
        if key not in tracer.relations:
            read = tracer.emit("read", "related", node, model=name, base=name, parent=row)
            model = tracer.models.named(row.model, tracer.frame.module.path)
            forward = model is not None and node.attr in model.references
            origin = "related" if forward or row.origin != "made" else "made"
            tracer.relations[key] = Row(name, origin, read.order, None, ast.unparse(node), row)
        return Value(rows=(tracer.relations[key],), attrs=base.attrs)
    return Value(query=Query(name, name, parent=row, narrowed=True), attrs=base.attrs)
