"""What the models of a tree say: fields, references, what is unique, and which manager serves which model.

Source: https://docs.djangoproject.com/en/5.2/ref/models/options/#unique-together
        https://docs.djangoproject.com/en/5.2/ref/models/constraints/#uniqueconstraint
"""

import ast
import re
from functools import cached_property

from analysis.source.model_facts import (
    Model,
    Unique,
    commonprefix,
    has_field,
    is_abstract,
    plural,
    read_fields,
    read_meta,
)
from analysis.source.modules import Class, Code, is_test

__all__ = ["Model", "Models"]

HINT = re.compile(r"\b(?:models\.Model\b|ForeignKey\(|OneToOneField\(|(?:Char|Text|Integer|Boolean)Field\()")
FRAMEWORK_MODELS = ("AbstractUser", "AbstractBaseUser", "PermissionsMixin", "Group", "Permission", "Site")


class Models:
    """All models of a tree by simple name, read when first asked for."""

    def __init__(self, code: Code) -> None:
        self.code = code
        self._made: dict[Class, Model | None] = {}

    @cached_property
    def by_name(self) -> dict[str, tuple[Class, ...]]:
        found: dict[str, list[Class]] = {}
        for path in self.code.paths:
            if is_test(path) or not (
                path.endswith("models.py") or "/models/" in path or HINT.search(self.code.text(path) or "")
            ):
                continue
            module = self.code.module(path)
            for one in module.classes.values() if module else ():
                if self.is_model(one):
                    found.setdefault(one.simple, []).append(one)
        return {name: tuple(classes) for name, classes in found.items()}

    @cached_property
    def by_lower(self) -> dict[str, str]:
        return {name.lower(): name for name in self.by_name}

    def is_model(self, one: Class) -> bool:
        bases = self.code.foreign_bases(one)
        if any(
            base.endswith((".Model", "models.Model")) or base.rsplit(".", 1)[-1] in FRAMEWORK_MODELS
            for base in bases
        ):
            return True
        likely = any(base.rsplit(".", 1)[-1].endswith("Model") for base in bases)
        return likely and any(has_field(ancestor) for ancestor in self.code.ancestors(one))

    def key(self, one: Class) -> str:
        """The name by which a model is known: one name, one table."""
        return one.simple if len(self.by_name.get(one.simple, ())) < 2 else f"{one.module.path}:{one.simple}"

    def named(self, name: str | None, near: str = "") -> Model | None:
        """The model with a key, or with a simple name (of several the one nearest to a path); None if there is none."""
        path, _, simple = (name or "").rpartition(":")
        classes = self.by_name.get(simple, ())
        if not classes:
            return None
        order = sorted(
            classes, key=lambda c: (-len(commonprefix(c.module.path, path or near)), c.module.path)
        )
        return self.of(order[0])

    def known(self, name: str | None, near: str) -> str | None:
        """The key of a simple name as it is meant in a module; the name itself if the tree has no such model."""
        model = self.named(name, near)
        return model.name if model is not None else name

    def of(self, one: Class) -> Model | None:
        if one not in self._made:
            self._made[one] = self._read(one) if self.is_model(one) else None
        return self._made[one]

    def _read(self, one: Class) -> Model:
        model = Model(self.key(one), one)
        for ancestor in reversed(list(self.code.ancestors(one))):
            read_fields(model, ancestor)
            meta = ancestor.inner("Meta")
            if meta is not None and (ancestor is one or is_abstract(ancestor)):
                read_meta(model, meta)
        model.abstract = is_abstract(one)
        known = ("Model", "object", "Generic", "ABC", *FRAMEWORK_MODELS)
        foreign = [base.rsplit(".", 1)[-1] for base in self.code.foreign_bases(one)]
        model.open_ended |= any(base not in known and not base.endswith("Mixin") for base in foreign)
        if any(base in ("AbstractUser", "AbstractBaseUser") for base in foreign):
            model.uniques.append(Unique(frozenset({"username"})))
        return model

    @cached_property
    def every(self) -> list[Model]:
        return [
            model
            for classes in self.by_name.values()
            for one in classes
            if (model := self.of(one)) is not None
        ]

    @cached_property
    def _by_relation(self) -> dict[str, list[tuple[Model, str]]]:
        """Models and their reference by the name under which the other side reaches them: `completions`."""
        found: dict[str, list[tuple[Model, str]]] = {}
        for model in self.every:
            for reference in model.references if not model.abstract else ():
                simple = model.cls.simple.lower()
                related = model.related_names.get(reference, f"{simple}_set").replace("%(class)s", simple)
                found.setdefault(related, []).append((model, reference))
        return found

    def related(self, attribute: str, owner: str | None, near: str) -> tuple[str | None, bool]:
        """The model behind `row.<attribute>`, and whether it stands for many rows.

        A reference of the owner, a related name, or else the model that is so called; (None, False) if unsure.
        """
        model = self.named(owner, near)
        if model is not None and attribute in model.references:
            return self.known(model.references[attribute], model.cls.module.path), False
        if model is not None and attribute in model.many:
            return self.known(model.many[attribute], model.cls.module.path), True
        candidates = self._by_relation.get(attribute, [])
        if model is not None and len(candidates) > 1:
            fitting = [(m, r) for m, r in candidates if m.references[r] == model.cls.simple]
            candidates = fitting or candidates
        if len(candidates) == 1:
            other, reference = candidates[0]
            return other.name, not other.single(reference)
        guess = self.guessed(attribute, near)
        return guess, guess is not None and plural(attribute, guess)

    def guessed(self, name: str, near: str = "") -> str | None:
        """The model that a name speaks of: `access_code` of AccessCode, `reviews` of Review; None if unsure."""
        plain = name.lower().lstrip("_").replace("_", "")
        for word in (
            plain,
            *(plain.removesuffix(end) for end in ("s", "set", "instance", "model", "obj", "object")),
        ):
            for prefix in ("", "abstract"):
                if prefix + word in self.by_lower:
                    return self.known(self.by_lower[prefix + word], near)
        return None

    def served_by(self, manager: Class) -> str | None:
        """The model whose manager or queryset this class is; None if there is none, or more than one."""
        names = {manager.simple}
        for classes in manager.module.classes.values():
            if manager.simple in " ".join(ast.unparse(base) for base in classes.node.bases):
                names.add(classes.simple)
        found = {m.name for m in self.every if not m.abstract and names & set(m.managers.values())}
        return found.pop() if len(found) == 1 else None
