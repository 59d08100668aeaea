"""What an expression stands for: a row, a query, a class, or something computed from what was read."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from analysis.source.modules import Class, Function, Module

if TYPE_CHECKING:
    from analysis.source.events import Guard


@dataclass(eq=False)
class Row:
    """One instance of a model in memory, however many names it has.

    `origin` is "read" (a query gave it), "related" (followed from another row), "given" (a parameter or `self`: read
    by the caller, who knows when), "fresh" (made here, in no table yet), or "made" (inserted here: nobody else has it).
    """

    model: str | None
    origin: str
    read: "int | None" = None  # order of the read event
    locked: "int | None" = None  # order of the lock event
    name: str = ""  # how the source calls it first
    parent: "Row | None" = None
    values: "dict[str, Value]" = field(default_factory=dict)  # what a fresh row was made with
    made_under: "tuple[Guard, ...]" = ()  # the decisions that led to a fresh one


@dataclass(frozen=True)
class Query:
    """A queryset or manager: nothing has been read yet."""

    model: str | None
    base: str  # how the source spells where it begins: two equal ones are one table
    lookups: tuple[str, ...] = ()
    locked: int | None = None  # line where select_for_update() was asked for
    parent: Row | None = None  # job.completions: rows of one job
    narrowed: bool = False  # filter() or exclude() was applied
    private: bool = False  # looked up by a row that was inserted here: nobody else has those rows
    made: int = 0  # identity, for "was it ever evaluated"
    attrs: frozenset[tuple[int, str]] = frozenset()
    origins: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Value:
    """An abstract value. Unknown parts are empty; a value merged from two branches has the parts of both."""

    rows: tuple[Row, ...] = ()
    query: Query | None = None
    type: Class | None = None  # the value is this class
    instance: Class | None = None  # the value is an instance of this class, which is no model
    function: Function | None = None
    module: Module | None = None
    foreign: str = ""  # dotted name of something the tree does not hold
    items: "tuple[Value, ...]" = ()
    origins: frozenset[int] = frozenset()  # orders of read events that it was computed from
    attrs: frozenset[tuple[int, str]] = (
        frozenset()
    )  # (identity of a row, attribute) that it was computed from
    claims: frozenset[int] = frozenset()  # orders of write events whose count or flag it is
    present: bool | None = None  # True: truthy if and only if a row was there; False: if there was none
    difference: bool = False  # what is left of something after taking away what was read
    free: bool = False  # given back because no row had it
    expression: bool = False  # computed by the database: F(), Now(), Subquery()
    arithmetic: bool = False  # the sum or difference of something
    answer: bool = False  # handed back by a call to something that the tree does not hold, or a part of that
    constant: object = None
    bound: "Value | None" = None  # what a method is bound to

    def tainted(self, *others: "Value") -> "Value":
        """The same value, computed also from what the others were computed from."""
        if not others:
            return self
        origins = self.origins.union(*(o.every_origin for o in others))
        attrs = self.attrs.union(*(o.attrs for o in others))
        taken = self.difference or any(o.difference for o in others)
        free = self.free or any(o.free for o in others)
        return replace(self, origins=origins, attrs=attrs, difference=taken, free=free)

    @property
    def every_origin(self) -> frozenset[int]:
        """The reads behind the value, those of its rows with them."""
        rows = frozenset(row.read for row in self.rows if row.read is not None)
        inner = frozenset[int]().union(*(item.every_origin for item in self.items))
        lazy = self.query.origins if self.query else frozenset()
        return self.origins | rows | inner | lazy

    @property
    def row(self) -> Row | None:
        return self.rows[0] if self.rows else None


NOTHING = Value()


def merged(*values: Value) -> Value:
    """What a name stands for where branches meet."""
    some = [value for value in values if value is not NOTHING]
    if not some:
        return NOTHING
    if len(some) == 1 and len(values) == 1:
        return some[0]
    rows: list[Row] = []
    for value in some:
        rows += [row for row in value.rows if row not in rows]
    first = some[0]

    def pick(name: str) -> object:
        return next((found for value in some if (found := getattr(value, name))), getattr(first, name))

    return Value(
        rows=tuple(rows[:6]),
        query=None if rows else locking([value.query for value in some if value.query is not None]),
        type=pick("type"),  # type: ignore[arg-type]
        instance=pick("instance"),  # type: ignore[arg-type]
        function=pick("function"),  # type: ignore[arg-type]
        module=pick("module"),  # type: ignore[arg-type]
        foreign=str(pick("foreign")),
        items=merged_items(some),
        origins=frozenset[int]().union(*(value.origins for value in some)),
        attrs=frozenset[tuple[int, str]]().union(*(value.attrs for value in some)),
        claims=frozenset[int]().union(*(value.claims for value in some)),
        present=agreed(some),
        difference=any(value.difference for value in some),
        free=any(value.free for value in some),
        expression=all(value.expression for value in some),
        arithmetic=any(value.arithmetic for value in some),
        bound=pick("bound"),  # type: ignore[arg-type]
    )


def locking(queries: list[Query]) -> Query | None:
    """Of several querysets the one that locks: whether it is run is what matters."""
    return next((query for query in queries if query.locked is not None), queries[0] if queries else None)


def merged_items(values: list[Value]) -> tuple[Value, ...]:
    shapes = [value.items for value in values if value.items]
    if not shapes or len({len(items) for items in shapes}) != 1:
        return shapes[0] if shapes else ()
    return tuple(merged(*column) for column in zip(*shapes, strict=True))


def agreed(values: list[Value]) -> bool | None:
    """Does presence mean the same in all of them that know? A row or None is truthy when the row was there."""
    known = {value.present for value in values if value.present is not None}
    return known.pop() if len(known) == 1 else None
