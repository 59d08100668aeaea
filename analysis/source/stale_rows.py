"""Rows that are written although what was read of them may have changed: what four checks have in common."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from analysis.source.events import Event, Guard, Trace
from analysis.source.facts import Facts
from analysis.source.suspicion import protected, row_protected, sets_of, tested
from analysis.source.values import Row

# Methods in which the caller is about to save the row: what they compute from its own fields belongs to that save.
NO_NUMBER = re.compile(r"Text|Char|JSON|Binary|Array|Slug")
CHOOSES = ("first", "afirst", "last", "earliest", "latest", "get", "aget", "iterate", "index")
MARK = re.compile(r"True|False|None|[\w.]*\.[A-Z_]+|[\w.]*now\(\)|'\w*'|\d+|\w+\.[\w.]+")
BEFORE_SAVE = ("save", "clean", "full_clean", "__init__", "pre_save", "clean_fields", "asave")


@dataclass(frozen=True)
class StaleWrite:
    """A write of a row that was read earlier without a lock."""

    act: Event
    row: Row
    read: Event | None  # None: the row was given
    sets: tuple[Event, ...]
    tests: dict[str, Guard]  # attribute -> the decision about it

    @property
    def written(self) -> set[str]:
        return {set_.fields[0] for set_ in self.sets if set_.fields}

    @property
    def counted(self) -> Event | None:
        """The assignment of a new value that was computed from the old one of the same attribute."""
        return next(
            (
                one
                for one in self.sets
                if one.fields
                and not one.expression
                and one.value is not None
                and (id(self.row), one.fields[0]) in one.value.attrs
            ),
            None,
        )

    def counter(self, facts: Facts) -> Event | None:
        """The same, where the new value is the old one plus or minus something, and no text or document.

        Of several, one that was tested.
        """
        model = facts.models.named(self.act.model, self.act.place.path)
        found = []
        for one in self.sets:
            field = model.fields.get(one.fields[0]) if model and one.fields else None
            if (
                one.verb == "augment"
                and not one.expression
                and one.fields
                and not (field and NO_NUMBER.search(ast.unparse(field.func)))
            ):
                found.append(one)
        return min(found, key=lambda one: not self.tests.keys() & set(one.fields or ()), default=None)

    def chosen_by(self, facts: Facts) -> str:
        """A column by which the row was looked for and that is then changed: whoever takes it first, both have it.

        Not one that identifies the row: that is its old name.
        """
        if self.read is None or self.read.verb not in CHOOSES:
            return ""
        model = facts.models.named(self.act.model, self.act.place.path)
        names = {name.split("__", 1)[0] for name in self.read.lookups} & self.written
        known = {n for n in names if model is not None and n in model.fields and not model.unique_within([n])}
        return min(known, default="")

    @property
    def counted_by_database(self) -> Event | None:
        """`row.uses = F("uses") + 1`."""
        return next(
            (one for one in self.sets if one.expression and one.value is not None and one.value.arithmetic),
            None,
        )

    @property
    def derived(self) -> Event | None:
        """An assignment that was computed from any attribute of the row."""
        return next(
            (
                one
                for one in self.sets
                if one.value and not one.expression and any(i == id(self.row) for i, _ in one.value.attrs)
            ),
            None,
        )

    @property
    def apart(self) -> str:
        """A column that is set on a condition which has nothing to do with the row, while others are set without it."""
        for one in self.sets:
            on_the_row = any(id(self.row) == identity for guard in one.guards for identity, _ in guard.attrs)
            others = (other for other in self.sets if other.fields != one.fields)
            if (
                one.fields
                and not on_the_row
                and any(not set(one.path) <= set(other.path) for other in others)
            ):
                return one.fields[0]
        return ""

    @property
    def marks(self) -> bool:
        """A column or two, set to a constant or an instant: a mark, not a result."""
        return len(self.written) <= 2 and all(MARK.fullmatch(one.base) for one in self.sets)

    @property
    def chosen_freely(self) -> bool:
        """Was the change refused in some states, and is the new one a request's own: no constant, no mark?"""
        return any(
            one.fields
            and one.fields[0] in self.tests
            and self.tests[one.fields[0]].refuses in ("return", "raise")
            and one.base
            and (not MARK.fullmatch(one.base) or (one.value is not None and one.value.answer))
            for one in self.sets
        )

    def echoes(self, attr: str, guard: Guard) -> bool:
        """Is the new value only compared with the old one: `if row.name != name: row.name = name`?

        Not where a mark is refused that is set already: whoever comes second is to be told.
        """
        texts = {one.base for one in self.sets if one.fields == (attr,)}
        if guard.refuses in ("return", "raise") and all(MARK.fullmatch(text) for text in texts):
            return False
        return any(term.against in texts for term in guard.terms if (id(self.row), attr) in term.attrs)

    @property
    def transition(self) -> Guard | None:
        """The decision about an attribute that is then changed: `if job.status != OPEN: …; job.status = DONE`."""
        found = [
            guard
            for attr, guard in self.tests.items()
            if attr in self.written and not self.echoes(attr, guard)
        ]
        return min(found, key=lambda guard: (len(guard.calls), -guard.order), default=None)


def stale_writes(trace: Trace) -> Iterator[StaleWrite]:
    """save() and bulk_update() of rows that were not locked when they were read."""
    for act in trace.of("write"):
        if act.verb not in ("save", "asave", "save_base", "bulk_update") or act.insert is True:
            continue
        for position, row in enumerate(act.rows):
            if (
                act.origins[position] in ("fresh", "made")
                or "_state" in tested(act, row)
                or row_protected(trace, row, act, position)
            ):
                continue
            sets = tuple(sets_of(trace, row, act, position))
            if sets:
                read = trace.event(act.reads[position] or -1)
                yield StaleWrite(act, row, read, sets, tested(act, row))


def stale_updates(trace: Trace) -> Iterator[tuple[Event, Event | None, Guard | None, str]]:
    """`filter(pk=row.pk).update(…)` whose value, or whose permission, comes from a row that was read before.

    Yields the act, the read, the decision and the attribute. An update whose look-ups name the attribute compares and
    sets; it is no suspect.
    """
    rows = trace.rows
    for act in trace.of("write"):
        if act.verb not in ("update", "aupdate") or not act.fields:
            continue
        compared = {name.split("__", 1)[0] for name in act.lookups}
        for field in act.fields:
            value = act.values[field]
            computed = (
                {i for i, attr in value.attrs if attr == field}
                if value.arithmetic and not value.expression
                else set()
            )
            guards = [
                g
                for g in act.guards
                for i, attr in g.attrs
                if attr == field and i in rows and rows[i].model == act.model
            ]
            known = [rows[i] for i in computed if i in rows and rows[i].model == act.model]
            known += [rows[i] for g in guards for i, attr in sorted(g.attrs) if attr == field and i in rows]
            if not known or field in compared:
                continue
            read = trace.event(known[0].read or -1)
            order = read.order if read else min([g.order for g in guards], default=act.order)
            if not protected(trace, read, act, order):
                yield act, read, guards[-1] if guards else None, field
                break
