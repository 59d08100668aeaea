"""Who else writes a model's columns one by one: the code that a save of the whole row can overwrite."""

import ast
import re
from weakref import WeakKeyDictionary

from analysis.source.facts import Facts
from analysis.source.hits import Place
from analysis.source.modules import Function, Module, dotted, is_test
from analysis.source.stale_rows import StaleWrite

SIGN_IN = "each sign-in (django.contrib.auth.login: last_login)"
HINT = re.compile(r"\.a?update\(|update_fields|\.save\(")
Writers = dict[str, dict[str, list[tuple[Place, str]]]]  # model -> column -> (place, function)

_known: "WeakKeyDictionary[Facts, Writers]" = WeakKeyDictionary()


def other_writer(facts: Facts, stale: StaleWrite) -> str | None:
    """A place, outside the function, that changes a column which this full save only carries along."""
    columns = writers_of(facts).get(stale.act.model or "", {})
    for column, places in sorted(columns.items()):
        if column in stale.written:
            continue
        for place, function in places:
            if function != stale.act.function:
                return f"{place} ({column})"
    return SIGN_IN if is_user(facts, stale.act.model) and "last_login" not in stale.written else None


def is_user(facts: Facts, name: str | None) -> bool:
    model = facts.models.named(name)
    if model is None:
        return name == "User"
    return any(
        base.endswith(("AbstractUser", "AbstractBaseUser")) for base in facts.code.foreign_bases(model.cls)
    )


def writers_of(facts: Facts) -> Writers:
    """Every UPDATE of single columns and every model method that changes and saves itself, by model and column."""
    if facts not in _known:
        found: Writers = {}
        for path in facts.code.paths:
            if not is_test(path) and HINT.search(facts.code.text(path) or ""):
                module = facts.code.module(path)
                if module is not None:
                    read_module(facts, module, found)
        _known[facts] = found
    return _known[facts]


def read_module(facts: Facts, module: Module, found: Writers) -> None:
    for function in module.functions.values():
        saved = model_of_self(facts, function)
        own = set_on_self(function) if saved and saves_self(function) else {}
        for column, line in own.items():
            note(found, saved or "", column, Place(module.path, line), function.name)
        for node in ast.walk(function.node):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in ("update", "aupdate")
            ):
                model = model_of_chain(facts, module, node.func.value)
                for keyword in node.keywords if model else ():
                    if keyword.arg:
                        note(found, model or "", keyword.arg, Place(module.path, node.lineno), function.name)


def note(found: Writers, model: str, column: str, place: Place, function: str) -> None:
    found.setdefault(model, {}).setdefault(column, []).append((place, function))


def model_of_chain(facts: Facts, module: Module, node: ast.expr) -> str | None:
    """The model at the root of `Model.objects.filter(…)….`."""
    while isinstance(node, ast.Call | ast.Attribute):
        if (
            isinstance(node, ast.Attribute)
            and node.attr.endswith("objects")
            and isinstance(node.value, ast.Name)
        ):
            name = node.value.id
            return facts.models.known(name, module.path) if name in facts.models.by_name else None
        node = node.func if isinstance(node, ast.Call) else node.value
    return None


def model_of_self(facts: Facts, function: Function) -> str | None:
    owner = function.owner
    known = owner is not None and owner.simple in facts.models.by_name and function.simple != "save"
    return facts.models.key(owner) if owner is not None and known else None


def saves_self(function: Function) -> bool:
    return any(
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("save", "asave")
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "self"
        for node in ast.walk(function.node)
    )


def set_on_self(function: Function) -> dict[str, int]:
    found: dict[str, int] = {}
    for node in ast.walk(function.node):
        if not isinstance(node, ast.Assign | ast.AugAssign):
            continue
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Attribute) and dotted(target.value) == "self":
                found.setdefault(target.attr, node.lineno)
    return found
