"""What a call inside a view means for `intake`: a query, a conversion, a key of the body, a function of the tree."""

import ast
from typing import TYPE_CHECKING, Final

from analysis.source.modules import Class, Function, dotted
from analysis.source.takes import UNKNOWN, Source, Wanted

if TYPE_CHECKING:
    from analysis.source.intake import Frame

DEEPEST: Final = 5
SHORTCUTS: Final = ("get_object_or_404", "aget_object_or_404", "get_list_or_404")
VALIDATED: Final = ("Serializer", "Form")
CONVERSIONS: Final = {"int": "int", "float": "float", "Decimal": "decimal", "UUID": "uuid", "bool": "bool"}
PASSED: Final = ("str", "repr", "list", "dict", "cast")
GROWING: Final = ("select_for_update", "select_related", "prefetch_related", "all", "order_by", "using", "distinct",
                  "filter", "get_queryset", "in_bulk", "iterator")  # fmt: skip
ONE: Final = ("first", "last", "latest", "earliest", "get", "aget", "afirst")
COUNTED: Final = ("exists", "count", "update", "delete", "aexists", "acount", "aupdate", "adelete")
MADE: Final = ("create", "acreate", "get_or_create", "update_or_create", "bulk_create")


def called(frame: "Frame", node: ast.Call) -> Source:
    """Where the value of a call comes from."""
    if isinstance(node.func, ast.Attribute):
        reached = on_value(frame, frame.value(node.func.value), node.func.attr, node)
        if reached is not None:
            return reached
    positional, named = frame.arguments(node)
    first = positional[0] if positional else UNKNOWN
    last = (dotted(node.func) or "").rsplit(".", 1)[-1]
    found = frame.scope.find(node.func)
    if last in SHORTCUTS:
        return looked_up(frame, first, node, named)
    if isinstance(found, Function):
        return followed(frame, found, positional, named)
    if isinstance(found, Class):
        return validated(frame, found, positional, named, node)
    return handed_on(frame, last, first)


def handed_on(frame: "Frame", name: str, first: Source) -> Source:
    """What a function of Python or Django makes of its first argument."""
    if name in CONVERSIONS or name in PASSED:
        frame.intake.take(first, CONVERSIONS.get(name, ""))
        return first
    if name == "F" and isinstance(first.value, str):
        return Source("column", (first.value,))
    frame.intake.is_json |= name == "loads" and first.kind == "body"
    return first if name == "loads" else UNKNOWN


def on_value(frame: "Frame", of: Source, name: str, node: ast.Call) -> Source | None:
    """A method of something that came from the request or the database."""
    kinds = {
        "body": on_body,
        "query": on_body,
        "url": on_body,
        "header": on_header,
        "rows": on_rows,
        "row": on_row,
        "attr": related,
    }
    if of.kind in kinds:
        return kinds[of.kind](frame, of, name, node)
    if of.kind == "user" and name in ("has_perm", "has_perms"):
        frame.intake.staff = True
        return of
    return on_self(frame, name, node) if of.kind == "self" else None


def on_row(frame: "Frame", of: Source, name: str, node: ast.Call) -> Source | None:
    """A method of a row, where the tree holds its model."""
    method = frame.method_of(of, name)
    if method is None:
        return None
    positional, named = frame.arguments(node)
    return followed(frame, method, [of, *positional], named)


def on_body(frame: "Frame", of: Source, name: str, node: ast.Call) -> Source | None:
    if name in ("get", "pop", "getlist", "setdefault") and node.args:
        found = frame.item(of, frame.value(node.args[0]))
        if name == "getlist":
            frame.intake.take(found, "list")
        return found
    if name in ("decode", "dict", "copy", "read"):
        return of
    if name in ("strip", "lower", "upper", "split", "startswith", "encode"):
        frame.intake.take(of, "str")
        return of
    return None


def on_header(frame: "Frame", of: Source, name: str, node: ast.Call) -> Source | None:
    """`request.headers.get("Authorization")` and its two parts."""
    if name == "get" and node.args and not of.path:
        key = frame.value(node.args[0]).value
        return Source("header", (header_name(key),)) if isinstance(key, str) else of
    return Source("parts", (*of.path, name)) if name in ("partition", "split") else of


def header_name(name: str) -> str:
    """`HTTP_X_API_KEY`, as META spells it, is the header X-Api-Key."""
    return name.removeprefix("HTTP_").replace("_", "-").title()


def on_rows(frame: "Frame", of: Source, name: str, node: ast.Call) -> Source | None:
    """A query as it grows, and what ends it."""
    assert of.row is not None
    wanted = frame.intake.rows[of.row]
    method = frame.manager_method(wanted.model, name)
    positional, named = frame.arguments(node)
    if method is not None:
        return followed(frame, method, [of, *positional], named)
    if name in MADE:
        refer(frame, wanted.model, named, node)
        return UNKNOWN
    if name in COUNTED:
        return Source("found", row=of.row)
    if name in (*GROWING, *ONE):
        several(frame, wanted, node)
        wanted.lookups.update(named)
        refer(frame, wanted.model, named, node)
    if name in ONE:
        wanted.required = True if name in ("get", "aget") else wanted.required
        return Source("row", row=of.row)
    return of


def refer(frame: "Frame", model: str | None, named: dict[str, Source], node: ast.Call) -> None:
    """A row that is made or looked up with `customer_id=pk` wants that customer to be there."""
    facts = frame.reader.models.named(model)
    for name, source in named.items():
        target = facts.references.get(name.removesuffix("_id")) if facts else None
        if target is not None and source.kind in ("url", "body", "query"):
            frame.intake.rows.append(
                Wanted(target, frame.place(node), {"pk": source}, required=True, referred=True)
            )


def several(frame: "Frame", wanted: Wanted, node: ast.Call) -> None:
    """`filter(pk__in=[one, other])` wants each of them."""
    for keyword in node.keywords:
        if keyword.arg and keyword.arg.endswith("__in"):
            for element in (n for n in ast.walk(keyword.value) if isinstance(n, ast.Name)):
                source = frame.value(element)
                if source.kind in ("url", "body", "query"):
                    lookups = {keyword.arg.removesuffix("__in"): source}
                    frame.intake.rows.append(Wanted(wanted.model, frame.place(node), lookups, required=True))


def looked_up(frame: "Frame", of: Source, node: ast.Call, named: dict[str, Source]) -> Source:
    """`get_object_or_404(Job, pk=pk)`, of a model or of a query."""
    if of.kind == "model":
        frame.intake.rows.append(Wanted(str(of.value), frame.place(node)))
        of = Source("rows", row=len(frame.intake.rows) - 1)
    if of.kind != "rows" or of.row is None:
        return UNKNOWN
    frame.intake.rows[of.row].lookups.update(named)
    frame.intake.rows[of.row].required = True
    return Source("row", row=of.row)


def related(frame: "Frame", of: Source, name: str, node: ast.Call) -> Source | None:
    """`job.completions.filter(…)`: rows of another model that belong to this one."""
    assert of.row is not None
    owner = frame.intake.rows[of.row].model
    model = frame.reader.models.named(owner)
    if len(of.path) != 1 or model is None or of.path[0] in model.fields:
        return None
    target, _ = frame.reader.models.related(of.path[0], owner, frame.function.module.path)
    other = frame.reader.models.named(target)
    if other is None:
        return None
    back = next((field for field, to in other.references.items() if to == owner), None)
    lookups = {back: Source("row", row=of.row)} if back else {}
    frame.intake.rows.append(Wanted(other.name, frame.place(node), lookups))
    return on_rows(frame, Source("rows", row=len(frame.intake.rows) - 1), name, node)


def on_self(frame: "Frame", name: str, node: ast.Call) -> Source | None:
    """A method of a class-based view: its own, or `get_object` of a generic one."""
    owner = frame.function.owner
    method = frame.reader.code.method(owner, name) if owner else None
    if method is not None:
        positional, named = frame.arguments(node)
        return followed(frame, method, [Source("self"), *positional], named)
    if name in ("get_object", "get_queryset"):
        rows = frame.of_self("queryset")
        if rows.kind not in ("rows", "model"):
            rows = frame.of_self("model")
        if rows.kind == "model":
            frame.intake.rows.append(Wanted(str(rows.value), frame.place(node)))
            rows = Source("rows", row=len(frame.intake.rows) - 1)
        if rows.kind != "rows" or rows.row is None or name == "get_queryset":
            return rows
        frame.intake.rows[rows.row].lookups.setdefault("pk", Source("url", ("pk",)))
        frame.intake.rows[rows.row].required = True
        return Source("row", row=rows.row)
    return None


def followed(
    frame: "Frame", function: Function, positional: list[Source], named: dict[str, Source]
) -> Source:
    """A function of the tree with these arguments; a decorator that only wraps hands its function on."""
    if frame.depth >= DEEPEST:
        return UNKNOWN
    parameters = [each.arg for each in function.parameters]
    if (
        function.owner is not None
        and len(positional) < len(parameters)
        and positional[:1] != [Source("self")]
    ):
        parameters = parameters if positional and positional[0].kind == "row" else parameters[1:]
    env = dict(zip(parameters, positional, strict=False)) | named
    for name, default in zip(reversed(parameters), reversed(function.node.args.defaults), strict=False):
        if name not in env and isinstance(default, ast.Constant):
            env[name] = Source("const", value=default.value)
    return frame.reader.run(function, env, frame.depth + 1)


def validated(
    frame: "Frame", one: Class, positional: list[Source], named: dict[str, Source], node: ast.Call
) -> Source:
    """A serializer or form that is given the body: its fields are parts of the body. A model: a row to be."""
    model = frame.reader.models.of(one)
    if model is not None:
        refer(frame, model.name, named, node)
        return UNKNOWN
    data = named.get("data") or (positional[0] if positional else UNKNOWN)
    bases = " ".join((one.name, *frame.reader.code.foreign_bases(one)))
    if data.kind != "body" or not any(word in bases for word in VALIDATED):
        return UNKNOWN
    for name, kind in declared(frame, one).items():
        frame.intake.take(Source("body", (name,)), kind)
    return Source("validated")


def declared(frame: "Frame", one: Class) -> dict[str, str]:
    """The fields that a form or serializer declares, and those that its Meta takes over from a model."""
    found: dict[str, str] = {}
    for owner in frame.reader.code.ancestors(one):
        for name, value in assigned(owner.node):
            call = value if isinstance(value, ast.Call) else None
            kind = field_kind((dotted(call.func) or "").rsplit(".", 1)[-1]) if call else ""
            if call and kind and not any(k.arg == "read_only" and is_true(k.value) for k in call.keywords):
                found.setdefault(name, kind)
        meta = owner.inner("Meta")
        given = dict(assigned(meta)) if meta else {}
        found = taken_over(frame, given) | found
    return found


def taken_over(frame: "Frame", meta: dict[str, ast.expr]) -> dict[str, str]:
    """Fields that a Meta names of its model."""
    node = meta.get("model")
    model = frame.named(node) if isinstance(node, ast.Name | ast.Attribute) else UNKNOWN
    facts = frame.reader.models.named(model.value) if model.kind == "model" else None
    named = {
        part: [each.value for each in getattr(meta.get(part), "elts", []) if isinstance(each, ast.Constant)]
        for part in ("fields", "read_only_fields")
    }
    wanted = [name for name in named["fields"] if facts and name in facts.fields]
    kinds = (
        {name: (dotted(facts.fields[name].func) or "").rsplit(".", 1)[-1] for name in wanted} if facts else {}
    )
    return {n: field_kind(kind) or "str" for n, kind in kinds.items() if n not in named["read_only_fields"]}


def assigned(one: ast.ClassDef) -> list[tuple[str, ast.expr]]:
    return [
        (n.targets[0].id, n.value)
        for n in one.body
        if isinstance(n, ast.Assign) and isinstance(n.targets[0], ast.Name)
    ]


def field_kind(name: str) -> str:
    """The type of value that a field of a form, serializer or model takes; "" for what is no plain field."""
    for part, kind in (
        ("Integer", "int"), ("Float", "float"), ("Decimal", "decimal"), ("Boolean", "bool"), ("UUID", "uuid"),
        ("DateTime", "datetime"), ("Date", "date"), ("Email", "email"), ("URL", "url"), ("JSON", "dict"),
        ("Dict", "dict"), ("List", "list"), ("PrimaryKeyRelated", "int"), ("ForeignKey", "int"), ("Char", "str"),
        ("Text", "str"), ("Slug", "str"), ("Choice", "str"), ("RegexField", "str"),
    ):  # fmt: skip
        if part in name and (name.endswith(("Field", "ForeignKey"))):
            return kind
    return ""


def is_true(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is True
