"""Which rows to make and what to send, from what a view takes and wants and what the logs show. Pure: data to data.

Every value is Python source: a `repr` literal, or a name of a row that was made before.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from analysis.replay.literals import literal
from analysis.replay.values import column_kind, number_or_text, pair, wished
from analysis.source.models import Model, Models
from analysis.source.takes import UNKNOWN, Intake, Source, Want, Wanted

KEYS: Final = ("pk", "id")
NAMES: Final = ("username", "name", "login", "handle", "email")
ORDERS: Final = {"gt": "above", "gte": "above", "lt": "below", "lte": "below"}
SECRET: Final = "only-for-the-re-enactment"


@dataclass(frozen=True)
class Evidence:
    """What the logs show of the request: who asked for what. `fields`: parts of its body, as text."""

    method: str
    path: str
    user: str | None = None
    entity: str | None = None
    key: Mapping[str, str] = field(default_factory=dict)
    fields: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """As `rows(evidence)` of a setup.py takes it."""
        return {
            "method": self.method,
            "path": self.path,
            "user": self.user,
            "entity": self.entity,
            "key": dict(self.key),
            "fields": dict(self.fields),
        }


@dataclass
class Made:
    """A row to make: under which name, of which model, with which values (source), because of which lines."""

    name: str
    model: str
    given: dict[str, str] = field(default_factory=dict)
    because: list[str] = field(default_factory=list)


@dataclass
class Plan:
    """`bodies`: two per part, as source, by the keys that lead to it. `missing`: what somebody has to fill in."""

    rows: list[Made] = field(default_factory=list)
    bodies: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)
    query: dict[tuple[str, ...], tuple[str, str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    is_json: bool = False
    missing: list[str] = field(default_factory=list)

    @property
    def is_alike(self) -> bool:
        """Are the two requests the same, so that a lost update between them could not be seen?"""
        return all(one == other for one, other in (*self.bodies.values(), *self.query.values()))


class Planner:
    """Puts one plan together. `user`: the model of those who log in, None where nobody does."""

    def __init__(
        self,
        models: Models,
        intake: Intake,
        evidence: Evidence,
        captured: Mapping[str, str],
        user: str | None,
    ) -> None:
        self.models, self.intake, self.evidence, self.captured = models, intake, evidence, captured
        self.user = user
        self.plan = Plan(is_json=intake.is_json)
        self.names: dict[int, str] = {}  # wanted row -> name of the row made
        self.bound: dict[tuple[str, tuple[str, ...]], str] = {}  # part of the request -> what it must be
        self.entity = evidence.entity

    def run(self) -> Plan:
        if self.user is not None and self.intake.user:
            self.plan.rows.append(Made("user", self.user, self.who()))
        for number, wanted in enumerate(self.intake.rows):
            if wanted.required or any(source.kind == "header" for source in wanted.lookups.values()):
                self.make(number, wanted)
        self.plan.headers |= {name: SECRET for name in sorted(self.intake.headers - set(self.plan.headers))}
        self.send()
        self.plan.missing += [f"a condition that could not be read: {gap}" for gap in self.intake.gaps]
        return self.plan

    def who(self) -> dict[str, str]:
        """The one who logs in, by the name that the logs show."""
        model = self.models.named(self.user)
        name = next((n for n in NAMES if model is None or n in model.fields), "username")
        staff = {"is_staff": "True", "is_superuser": "True"} if self.intake.staff else {}
        return {name: literal(self.evidence.user or "somebody")} | staff

    def make(self, number: int, wanted: Wanted) -> None:
        """A row, or more conditions on one that is the same: looked up by the same key."""
        model = self.models.named(wanted.model)
        if (name := self.relation(wanted)) is not None:  # made together with the row that refers to it
            self.names[number] = name
            return
        made = self.same(wanted) or self.new(wanted)
        self.names[number] = made.name
        made.because.append(str(wanted.place))
        for lookup, source in wanted.lookups.items():
            self.look_up(made, model, lookup, source)
        for name, wants in wanted.wants.items():
            value = wished(model, name, wants)
            places = [str(want.place) for want in wants if want.place]
            if value is None or (model and name not in model.fields and not model.open_ended):
                what = ", ".join(f"{want.kind} {want.value!r}" for want in wants)
                self.plan.missing.append(
                    f"a value of {wanted.model}.{name} that is {what} ({', '.join(places)})"
                )
            else:
                made.given.setdefault(name, value)
                made.because += places

    def new(self, wanted: Wanted) -> Made:
        plain = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", wanted.model).lower()
        taken = {made.name for made in self.plan.rows}
        name = next(n for n in (plain, *(f"{plain}_{k}" for k in range(2, 99))) if n not in taken)
        made = Made(name, wanted.model)
        self.plan.rows.append(made)
        return made

    def same(self, wanted: Wanted) -> Made | None:
        """The row that was made for an earlier look-up by the same source."""
        for number, name in self.names.items():
            earlier = self.intake.rows[number]
            shared = [s for k, s in earlier.lookups.items() if wanted.lookups.get(k) == s and s.kind != ""]
            if earlier.model == wanted.model and any(
                s.kind in ("url", "body", "query", "header") for s in shared
            ):
                return next(made for made in self.plan.rows if made.name == name)
        return None

    def relation(self, wanted: Wanted) -> str | None:
        """`Team.objects.get(pk=membership.team_id)` is the team of the membership that was made."""
        for lookup, source in wanted.lookups.items():
            owner = self.names.get(-1 if source.row is None else source.row)
            if lookup in KEYS and source.kind == "attr" and owner and source.path[0].endswith("_id"):
                return f"{owner}.{source.path[0].removesuffix('_id')}"
        return None

    def look_up(self, made: Made, model: Model | None, lookup: str, source: Source) -> None:
        """`pk=pk`, `order__customer=user`, `expires__gt=now`."""
        column, _, rest = lookup.partition("__")
        column = "pk" if column in KEYS else column
        reference = column.removesuffix("_id")
        if model and reference in model.references and source.kind in ("url", "body", "query") and not rest:
            made.given.setdefault(reference, self.referred(made, model.references[reference], source))
            return
        if rest in ORDERS:
            self.order(made, model, column, ORDERS[rest], source)
            return
        value = self.value(source, column, made)
        if rest in ("", "exact", "iexact") and value is not None:
            made.given |= {column: made.given.get(column, value)} if value else {}
        elif rest == "isnull" and source.kind == "const":
            if not source.value:
                self.plan.missing.append(f"a value for {made.model}.{column} ({made.because[-1]})")
        elif model and column in model.references and value is not None and "__" not in rest:
            other = Made(f"{made.name}_{column}", model.references[column], {rest: value}, [made.because[-1]])
            self.plan.rows.insert(self.plan.rows.index(made), other)
            made.given.setdefault(column, other.name)
        else:
            self.plan.missing.append(f"a value for the look-up {made.model}({lookup}=…) ({made.because[-1]})")

    def referred(self, made: Made, model: str, source: Source) -> str:
        """The row that another is looked up by."""
        wanted = Wanted(model, self.intake.rows[0].place, {"pk": source}, required=True)
        other = self.same(wanted) or self.new(wanted)
        if other.name not in self.names.values():
            self.plan.rows.remove(other)
            self.plan.rows.insert(self.plan.rows.index(made), other)
            self.intake.rows.append(wanted)
            self.names[len(self.intake.rows) - 1] = other.name
            number = self.asked(source, "pk", other)
            other.given |= {"pk": number} if number else {}
        return other.name

    def order(self, made: Made, model: Model | None, column: str, kind: str, source: Source) -> None:
        """`cents__gte=cents`, `used__lt=F("uses")`."""
        constant = source.value if isinstance(source.value, int | float) else None
        made.given.setdefault(column, wished(model, column, [Want(kind, constant)]) or "0")
        if source.kind == "column":
            other = {"above": "below", "below": "above"}[kind]
            made.given.setdefault(source.path[0], wished(model, source.path[0], [Want(other)]) or "0")

    def value(self, source: Source, column: str, made: Made) -> str | None:
        """The source of what a row is looked up by; parts of the request are bound to the row's own value."""
        if source.kind == "const":
            return literal(source.value)
        if source.kind == "user":
            return "user" if self.user is not None else None
        if source.kind in ("row", "attr"):
            name = self.names.get(-1 if source.row is None else source.row)
            return None if name is None else ".".join([name, *source.path])
        if source.kind == "header":
            scheme = self.intake.schemes.get(source.path[0])
            self.plan.headers[source.path[0]] = f"{scheme} {SECRET}" if scheme else SECRET
            return literal(SECRET)
        return self.asked(source, column, made) if source.kind in ("url", "body", "query") else None

    def asked(self, source: Source, column: str, made: Made) -> str:
        """A part of the request that names a row; "" where the row's own number is sent, whatever it is."""
        key = (source.kind, source.path)
        shown = (
            self.captured.get(source.path[-1])
            if source.kind == "url"
            else self.evidence.fields.get(source.path[-1])
        )
        if shown is None and column == "pk" and self.entity is not None and key not in self.bound:
            shown, self.entity = self.entity, None  # the logs' entity is the first row that a body names
        self.bound.setdefault(key, f'rows["{made.name}"].{column}')
        if shown is not None:
            return number_or_text(shown)
        taken = self.intake.taken.get(key)
        if column == "pk":
            return ""
        value = pair(taken)[0] if taken else "A"
        return literal(str(value) if column_kind(self.models.named(made.model), column) == "Char" else value)

    def send(self) -> None:
        """The parts of body and query, two of each."""
        for taken in self.intake.leaves:
            bound = self.bound.get((taken.where, taken.path))
            one, other = map(literal, pair(taken, self.evidence.fields.get(taken.path[-1])))
            where = self.plan.bodies if taken.where == "body" else self.plan.query
            where[taken.path] = (bound, bound) if bound else (one, other)
        if self.plan.is_alike:
            self.tell_apart()

    def tell_apart(self) -> None:
        """Where the requests only name a row that what they make refers to, each names its own."""
        for number, name in list(self.names.items()):
            wanted = self.intake.rows[number]
            source = wanted.lookups.get("pk", UNKNOWN)
            sent = self.plan.bodies.get(source.path)
            uses = [self.intake.rows[each] for each, other in self.names.items() if other == name]
            if source.kind == "body" and sent and all(use.referred for use in uses):
                other = self.new(wanted)
                self.plan.bodies[source.path] = (sent[0], f'rows["{other.name}"].pk')
                return
