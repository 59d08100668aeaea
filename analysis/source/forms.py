"""Forms and serializers: validation first, then a row is saved.

Source: https://docs.djangoproject.com/en/5.2/topics/forms/modelforms/#the-save-method
        https://www.django-rest-framework.org/api-guide/serializers/#saving-instances
"""

import ast
from typing import TYPE_CHECKING

from analysis.source.events import Event
from analysis.source.givens import own_instance
from analysis.source.modules import Class, assignment
from analysis.source.queries import keywords
from analysis.source.values import NOTHING, Row, Value

if TYPE_CHECKING:
    from analysis.source.trace import Tracer

VALIDATES = ("validate_", "clean_")


def is_form(tracer: "Tracer", one: Class) -> bool:
    """A ModelForm or a serializer, by its ancestors' names."""
    names = [one.simple, *(base for a in tracer.code.ancestors(one) for base in a.bases)]
    return any(name.rsplit(".", 1)[-1].endswith(("Form", "Serializer")) for name in names)


def form_model(tracer: "Tracer", one: Class) -> str | None:
    """The model that Meta names, in the class or the nearest ancestor."""
    for ancestor in tracer.code.ancestors(one):
        meta = ancestor.inner("Meta")
        source = assignment(meta.body, "model") if meta else None
        if source is not None:
            return tracer.models.known(ast.unparse(source).rsplit(".", 1)[-1], ancestor.module.path)
    return None


def construct_form(tracer: "Tracer", one: Class, node: ast.Call) -> Value:
    """`OrderForm(request.POST, instance=order)`: it holds the row, and depends on what it is given."""
    from analysis.source.expressions import evaluate

    args = [evaluate(tracer, arg) for arg in node.args]
    given = keywords(tracer, node)
    known = given.get("instance")
    if known is None and is_serializer(tracer, one) and args and args[0].rows:
        known = args[0]
    unclear = any(keyword.arg is None for keyword in node.keywords) or any(
        isinstance(a, ast.Starred) for a in node.args
    )
    if known is None and not unclear and not any(value.rows for value in args):
        known = Value(rows=(Row(form_model(tracer, one), "fresh"),))
    value = Value(instance=one, bound=known if known is not None and known.rows else None)
    return value.tainted(*args, *given.values())


def is_serializer(tracer: "Tracer", one: Class) -> bool:
    names = [one.simple, *(base for a in tracer.code.ancestors(one) for base in a.bases)]
    return any(name.endswith("Serializer") for name in names)


def form_method(tracer: "Tracer", owner: Value, method: str, node: ast.Call) -> Value | None:
    """save() of a form or serializer that is used from outside."""
    assert owner.instance is not None
    if method in ("is_valid", "full_clean"):
        from analysis.source.validation import validated

        validated(tracer, owner, node)
        return NOTHING
    if method != "save":
        return None
    own = tracer.code.method(owner.instance, "save")
    if own is not None:
        return None
    given = keywords(tracer, node)
    commit = given.pop("commit", None)
    target = owner.bound if owner.bound is not None and owner.bound.rows else None
    if commit is not None and commit.constant is False:
        return target or Value(rows=(Row(form_model(tracer, owner.instance), "fresh", values=given),))
    return form_save(tracer, owner, target, node, given)


def form_save(
    tracer: "Tracer", owner: Value, target: Value | None, node: ast.Call, given: dict[str, Value]
) -> Value:
    assert owner.instance is not None
    model = form_model(tracer, owner.instance)
    rows = target.rows if target else (Row(model, "fresh", values=given),)
    event: Event = tracer.emit(
        "write", "form-save", node, model=model, base=model or "", rows=rows, fields=()
    )
    event.insert = all(row.origin == "fresh" for row in rows)
    event.values = given
    for row in rows:
        row.origin = "made" if row.origin == "fresh" else row.origin
    event.value = Value(origins=owner.origins, attrs=owner.attrs).tainted(*given.values())
    return Value(rows=rows)


def super_call(tracer: "Tracer", node: ast.Call, method: str) -> Value:
    """`super().save()` and `super().create(…)`: followed in the tree, else what the framework does there."""
    from analysis.source.expressions import evaluate

    frame = tracer.frame
    owner = frame.function.owner if frame.function is not None else None
    me = frame.env.get("self") or frame.env.get("cls") or NOTHING
    args = [evaluate(tracer, arg) for arg in node.args]
    given = keywords(tracer, node)
    if owner is None:
        return NOTHING.tainted(*args, *given.values())
    base = tracer.code.method(owner, method, after=True)
    if base is not None:
        return tracer.inline(base, [me, *args], given, node)
    if me.rows and method in ("save", "delete", "asave"):
        from analysis.source.rows import row_method

        return row_method(tracer, me, method, node) or NOTHING
    if me.query is not None:
        from analysis.source.queries import query_method

        found = query_method(tracer, me, method, node)
        return found if found is not None else me
    if me.instance is not None and is_form(tracer, me.instance) and method in ("save", "create", "update"):
        return framework_save(tracer, me, method, args, node)
    return Value(origins=me.origins).tainted(*args, *given.values())


def framework_save(tracer: "Tracer", me: Value, method: str, args: list[Value], node: ast.Call) -> Value:
    """What ModelForm.save(), ModelSerializer.create() and .update() do."""
    assert me.instance is not None
    model = form_model(tracer, me.instance)
    own = own_instance(tracer, me)
    rows = args[0].rows if method == "update" and args and args[0].rows else own.rows if own else ()
    if method == "create" or not rows:
        rows = (Row(model, "fresh"),)
    event = tracer.emit("write", f"super-{method}", node, model=model, base=model or "", rows=rows, fields=())
    fresh = all(row.origin == "fresh" for row in rows)
    event.insert = True if method == "create" or fresh else False if method == "update" else None
    event.values = dict(rows[0].values)
    event.value = NOTHING.tainted(*args, *rows[0].values.values())
    for row in rows:
        row.origin = "made" if row.origin == "fresh" or method == "create" else row.origin
    return Value(rows=rows)
