"""What a row lock keeps away: writers of the locked row, and of rows that belong to it; not those of other tables.

Source: https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-ROWS
"""

from analysis.source.events import Event, Trace
from analysis.source.model_facts import Model
from analysis.source.models import Models

STEPS = 2  # references followed from a row to the row above it: line -> order -> customer


def concerns(trace: Trace, lock: Event, read: Event | None, act: Event) -> bool:
    """Is the locked row the one that is read or written, or one above it that its writers can be expected to lock?

    Yes where the models or the read cannot be told, and for locks that are no row locks: only their name is known.
    """
    models = trace.models
    kinds = {event.model for event in (read, act) if event is not None and event.model is not None}
    if lock.verb != "select_for_update" or lock.model is None or models is None or read is None or not kinds:
        return True
    if models.named(lock.model) is None:
        return True
    return any(kind == lock.model or belongs(models, kind, lock.model, STEPS) for kind in kinds)


def belongs(models: Models, kind: str, owner: str, steps: int) -> bool:
    """Do rows of this kind refer to one of the owner's, over so many references, or share its table?"""
    one, other = models.named(kind), models.named(owner)
    if one is None or other is None or akin(models, one, other):
        return True
    if any(target == "?" or target.isupper() for target in one.references.values()) or any(
        name.startswith("Generic") for name in kinds_of_fields(one)
    ):
        return True
    if any(other.single(name) and points(models, other, name, one) for name in other.references):
        return True
    if one.cls.simple in other.many.values() or other.cls.simple in one.many.values():
        return True
    targets = {models.known(target, one.cls.module.path) for target in one.references.values()}
    if other.name in targets or other.cls.simple in targets:
        return True
    return steps > 1 and any(
        target is not None
        and target != kind
        and models.named(target)
        and belongs(models, target, owner, steps - 1)
        for target in targets
    )


def akin(models: Models, one: Model, other: Model) -> bool:
    """Is one of them an ancestor of the other: one table, or one row in both?"""
    return other.cls in models.code.ancestors(one.cls) or one.cls in models.code.ancestors(other.cls)


def points(models: Models, model: Model, reference: str, target: Model) -> bool:
    return models.known(model.references[reference], model.cls.module.path) == target.name


def kinds_of_fields(model: Model) -> list[str]:
    """The classes of the fields, as the source spells them last: "CharField", "GenericForeignKey"."""
    return [getattr(call.func, "attr", getattr(call.func, "id", "")) for call in model.fields.values()]
