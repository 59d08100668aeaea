"""Validation of forms and serializers: it runs before what they save, and asks about rows that can change until then.

Source: https://docs.djangoproject.com/en/5.2/ref/forms/validation/
        https://www.django-rest-framework.org/api-guide/serializers/#validation
"""

import ast
from typing import TYPE_CHECKING

from analysis.source.forms import VALIDATES, form_model, is_form
from analysis.source.givens import me
from analysis.source.modules import Class, Function
from analysis.source.values import Row, Value

if TYPE_CHECKING:
    from analysis.source.trace import Tracer

WHOLE = ("validate", "clean")
SAVES = ("create", "save", "perform_create")
HANDLES = ("perform_create", "perform_update", "form_valid")  # methods of views that get a valid form
CLASSES = ("serializer_class", "form_class")


def validates(function: Function) -> bool:
    return function.simple.startswith(VALIDATES) or function.simple in WHOLE


def validated(tracer: "Tracer", form: Value, node: ast.expr | None = None) -> None:
    """Runs the validation of a form or serializer of the tree; what it refuses stays known afterwards."""
    assert form.instance is not None
    found: dict[str, Function] = {}
    for one in tracer.code.ancestors(form.instance):
        for name, method in one.methods.items():
            if validates(method):
                found.setdefault(name, method)
    for method in found.values():
        documented = len(method.node.body) > 1 and ast.get_docstring(method.node, clean=False) is not None
        first = method.node.body[documented]
        tracer.inline(method, [form], {}, node or first)


def validate_first(tracer: "Tracer", function: Function) -> None:
    """Before create() or save() of a form, and before the methods of a view that are handed a valid one."""
    owner = function.owner
    if owner is not None and function.simple in SAVES and is_form(tracer, owner):
        tracer.frame.env["self"] = me(tracer, function, "self")
        if tracer.frame.env["self"].instance is not None:
            validated(tracer, tracer.frame.env["self"])
    elif function.simple in HANDLES:
        for parameter in function.parameters[1:2]:
            value = tracer.frame.env[parameter.arg]
            if value.instance is not None and is_form(tracer, value.instance):
                validated(tracer, value)


def form_of(tracer: "Tracer", view: Class) -> Class | None:
    """The form or serializer that a view names, unless a method of its own chooses."""
    if tracer.code.method(view, "get_serializer_class") or tracer.code.method(view, "get_form_class"):
        return None
    for one in tracer.code.ancestors(view):
        for name in CLASSES:
            source = one.assigned(name)
            found = tracer.code.find(one.module, ast.unparse(source)) if source is not None else None
            if isinstance(found, Class) and is_form(tracer, found):
                return found
    return None


def save_follows(tracer: "Tracer", function: Function) -> None:
    """The insert that the framework does after a validation method, where the class has none of its own.

    Only if the validation asked about the table by something that no constraint holds: what a constraint holds, the
    framework asks by itself, and the database refuses.
    """
    owner = function.owner
    if owner is None or not validates(function) or not is_form(tracer, owner):
        return
    name = form_model(tracer, owner)
    model = tracer.models.named(name, owner.module.path)
    if model is None or any(tracer.code.method(owner, each) for each in (*SAVES, "update")):
        return
    asked = [
        r for r in tracer.trace.of("read") if r.model == model.name and model.unique_within(r.lookups) is None
    ]
    if not asked:
        return
    row = Row(model.name, "fresh")
    last = function.node.body[-1]
    event = tracer.emit(
        "write", "super-create", last, model=model.name, base=model.name, rows=(row,), insert=True
    )
    event.value = Value(origins=frozenset())
