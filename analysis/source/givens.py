"""Where values come from when nothing in sight made them: parameters, attributes, `self`, the signed-in user."""

import ast
from typing import TYPE_CHECKING

from analysis.source.modules import Class, Function, Module
from analysis.source.values import NOTHING, Query, Row, Value

if TYPE_CHECKING:
    from analysis.source.trace import Tracer

REQUESTS = ("request", "Request", "HttpRequest", "WSGIRequest", "info")


def given(tracer: "Tracer", name: str, annotation: ast.expr | None, module: Module, keep: str = "") -> Value:
    """A parameter or attribute by its annotation, else by its name: a row if a model is so called."""
    text = ast.unparse(annotation).strip("'\"") if annotation is not None else ""
    if name in REQUESTS or text.rsplit(".", 1)[-1].endswith(REQUESTS[1:]):
        return Value(foreign="request")
    found = annotated(tracer, text, module)
    model = tracer.models.key(found) if found is not None and tracer.models.of(found) else None
    if found is not None and model is None:
        return Value(instance=found)
    if text and found is None and text in ("str", "int", "bool", "dict", "list", "float", "UUID", "bytes"):
        return NOTHING
    model = model or tracer.models.guessed(name, module.path)
    if model is None and keep:
        return Value()
    key = (keep or name, "given")
    if not keep or key not in tracer.relations:
        tracer.relations[key] = Row(model, "given", name=name)
    return Value(rows=(tracer.relations[key],))


def annotated(tracer: "Tracer", text: str, module: Module) -> Class | None:
    """The class of the tree in an annotation such as `Order`, `"Order"`, `Order | None`, `Optional[Order]`."""
    plain = (
        text.removeprefix("Optional[").removeprefix("type[").split("|")[0].strip().rstrip("]").strip("'\"")
    )
    if not plain.replace(".", "").isidentifier():
        return None
    found = tracer.code.find(module, plain)
    if found is None and plain in tracer.models.by_name:
        model = tracer.models.named(plain, module.path)
        return model.cls if model else None
    return found if isinstance(found, Class) else None


def me(tracer: "Tracer", function: Function, name: str) -> Value:
    """`self` or `cls`."""
    assert function.owner is not None
    owner = function.owner
    if name == "cls" or "classmethod" in function.decorators:
        return Value(type=owner)
    if tracer.models.of(owner) is not None:
        return Value(rows=(Row(tracer.models.key(owner), "given", name=name),))
    if any(
        "Manager" in base or "QuerySet" in base for one in tracer.code.ancestors(owner) for base in one.bases
    ):
        model = tracer.models.served_by(owner)
        return Value(query=Query(model, model or owner.simple))
    return Value(instance=owner)


def own_instance(tracer: "Tracer", owner: Value) -> Value | None:
    """`self.instance` of a form or serializer, `self.object` of a view."""
    from analysis.source.forms import form_model, is_form

    if owner.bound is not None and owner.bound.rows:
        return owner.bound
    assert owner.instance is not None
    model = form_model(tracer, owner.instance)
    if model is None and not is_form(tracer, owner.instance):
        return None
    key = (owner.instance, "instance")
    if key not in tracer.relations:
        tracer.relations[key] = Row(model, "given", name="self.instance")
    return Value(rows=(tracer.relations[key],))


def request_user(tracer: "Tracer") -> Value:
    """The user that the authentication middleware read."""
    key = ("request", "user")
    if key not in tracer.relations:
        tracer.relations[key] = Row("User", "given", name="request.user")
    return Value(rows=(tracer.relations[key],))


def adopt(tracer: "Tracer", name: str, owner: Value) -> Value:
    """Something unknown that is saved or deleted: from here on a row."""
    value = Value(
        rows=(Row(tracer.models.guessed(name, tracer.frame.module.path), "given", name=name),),
        origins=owner.origins,
    )
    tracer.frame.env[name] = value
    return value
