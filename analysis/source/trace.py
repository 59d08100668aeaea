"""A function executed on paper: every branch once, calls followed in the tree, each read and write noted in order.

Values are abstract (which row, which queryset, computed from which reads), so nothing of the code runs. Branches that
exclude each other are marked as such, loops run once, and where branches meet a name stands for all it may be.
"""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property

from analysis.source.events import Event, Guard, Term, Trace
from analysis.source.hits import Place
from analysis.source.models import Models
from analysis.source.modules import Code, Function, Module, dotted
from analysis.source.values import NOTHING, Row, Value, merged

BUDGET = 30_000  # expressions evaluated for one function with all that it calls


class BudgetSpent(Exception):
    """A function with all that it calls is too large to be read to its end."""


@dataclass(eq=False)
class Frame:
    """A function being executed: its names, and what it has returned so far."""

    function: Function | None
    module: Module
    env: dict[str, Value] = field(default_factory=dict)
    returns: list[Value] = field(default_factory=list)
    breaks: list[dict[str, Value]] = field(default_factory=list)  # the names at each break and continue
    leaving: list[tuple[Guard, ...]] = field(default_factory=list)  # the decisions that led to each break
    guards_before: int = 0
    aliases: dict[str, tuple[str, ...]] = field(default_factory=dict)  # loop variable -> names iterated


class Tracer:
    """The state of one execution on paper."""

    def __init__(self, code: Code, models: Models, root: Function) -> None:
        self.code, self.models = code, models
        self.trace = Trace(root.name, root.module.path, root.node.lineno, models=models)
        self.frame = Frame(root, root.module)
        self.guards: list[Guard] = []
        self.path: list[tuple[int, int]] = []
        self.transactions: list[int] = []
        self.mutexes: list[int] = []
        self.handlers: list[str] = []
        self.calls: list[Place] = []
        self.chain: list[int] = []
        self.active: list[Function] = [root]
        self.loops = 0
        self.evaluated: set[int] = set()  # locking querysets that were run, or handed on
        self.relations: dict[tuple[object, str], Row] = {}
        self.cached: dict[tuple[int, Function], Value] = {}  # cached properties by row
        self.closures: dict[Function, dict[str, Value]] = {}
        self._order = self._branch = self._spent = 0

    def spend(self) -> None:
        self._spent += 1
        if self._spent > BUDGET:
            self.trace.cut = True
            raise BudgetSpent

    @property
    def nearly_spent(self) -> bool:
        return self._spent > BUDGET // 2

    def next_order(self) -> int:
        self._order += 1
        return self._order

    def branch(self) -> int:
        self._branch += 1
        return self._branch

    def place(self, node: ast.expr | ast.stmt | ast.excepthandler) -> Place:
        return Place(self.frame.module.path, node.lineno)

    def emit(self, kind: str, verb: str, node: ast.expr | ast.stmt, **more: object) -> Event:
        """Notes an event with everything that surrounds it."""
        place = self.place(node)
        event = Event(
            order=self.next_order(),
            kind=kind,
            verb=verb,
            place=place,
            top=self.calls[0] if self.calls else place,
            calls=tuple(self.calls),
            chain=tuple(self.chain),
            function=self.frame.function.name if self.frame.function else "",
            guards=tuple(self.guards),
            path=tuple(self.path),
            transactions=tuple(self.transactions),
            mutexes=tuple(self.mutexes),
            handlers=frozenset(self.handlers),
            loop=self.loops > 0,
            node=node,
            **more,  # type: ignore[arg-type]
        )
        event.reads = tuple(row.read for row in event.rows)
        event.locks = tuple(row.locked for row in event.rows)
        event.origins = tuple(row.origin for row in event.rows)
        self.trace.events.append(event)
        return event

    def guard(self, node: ast.expr | ast.stmt | ast.excepthandler, terms: tuple[Term, ...]) -> Guard:
        place = self.place(node)
        return Guard(
            place, self.calls[0] if self.calls else place, terms, self.next_order(), tuple(self.calls)
        )

    def inverted(self, guard: Guard) -> Guard:
        flipped = tuple(replace(t, present=None if t.present is None else not t.present) for t in guard.terms)
        return replace(guard, terms=flipped)

    @contextmanager
    def under(self, guard: Guard, branch: int, arm: int, always: bool = False) -> Iterator[None]:
        """What follows happens only on one arm of a decision. Refusals inside it outlast it."""
        guards, path = len(self.guards), len(self.path)
        self.guards.append(guard)
        self.path.append((branch, arm))
        try:
            yield
        finally:
            kept = [
                one if always else replace(one, partial=True)
                for one in self.guards[guards + 1 :]
                if one.refuses in ("return", "raise")
            ]
            self.guards[guards:] = kept
            del self.path[path:]

    @property
    def own_guards(self) -> list[Guard]:
        """The decisions taken in the function that is being executed."""
        return self.guards[self.frame.guards_before :]

    # names

    def bind(self, target: ast.expr, value: Value) -> None:
        match target:
            case ast.Name():
                self.frame.env[target.id] = value
                for key in [k for k in self.frame.env if k.startswith(f"{target.id}.")]:
                    del self.frame.env[key]
            case ast.Tuple() | ast.List():
                fits = len(value.items) == len(target.elts)
                plain = replace(value, items=(), constant=None)
                for position, element in enumerate(target.elts):
                    self.bind(element, value.items[position] if fits else plain)
            case ast.Starred():
                self.bind(target.value, value)
            case ast.Attribute():
                self._bind_attribute(target, value)
            case ast.Subscript():
                self._bind_item(target.value, value)

    def _bind_attribute(self, target: ast.Attribute, value: Value) -> None:
        from analysis.source.expressions import evaluate

        owner = evaluate(self, target.value)
        if owner.rows:
            self.set_attribute(owner, target.attr, value, target, "assign")
        text = dotted(target)
        if text is not None and not owner.rows:
            self.frame.env[text] = value

    def _bind_item(self, container: ast.expr, value: Value) -> None:
        """`container[key] = value`: the container, and what it was taken from, now depend on the value."""
        while isinstance(container, ast.Subscript):
            container = container.value
        if isinstance(container, ast.Attribute) and (text := dotted(container.value)) in self.frame.env:
            owner = self.frame.env[text or ""]
            if owner.rows:
                self.set_attribute(
                    owner,
                    container.attr,
                    value.tainted(self._attribute(owner, container.attr)),
                    container,
                    "item",
                )
            return
        names = [container.id] if isinstance(container, ast.Name) else []
        for name in names:
            names += [n for n in self.frame.aliases.get(name, ()) if n not in names]
            self.frame.env[name] = self.frame.env.get(name, NOTHING).tainted(value)

    def _attribute(self, owner: Value, attr: str) -> Value:
        return Value(origins=owner.every_origin, attrs=frozenset((id(row), attr) for row in owner.rows))

    def set_attribute(self, owner: Value, attr: str, value: Value, node: ast.expr, verb: str) -> None:
        from analysis.source.queries import materialise

        if value.query is not None and not value.expression:
            value = replace(materialise(self, value, node, "iterate"), rows=())
        event = self.emit("set", verb, node, model=owner.rows[0].model, rows=owner.rows, fields=(attr,))
        event.value = value
        event.expression = value.expression
        for row in owner.rows:
            row.values[attr] = value

    def element(self, source: Value) -> Value:
        """One of the elements of what is iterated."""
        if source.items:
            return merged(*source.items)
        return replace(source, items=(), constant=None, claims=frozenset())

    def escape(self, *values: Value) -> None:
        """A queryset that is handed to code out of sight may be run there."""
        for value in values:
            if value.query is not None:
                self.evaluated.add(value.query.made)
            self.escape(*value.items)

    def in_module(self, module: Module, node: ast.expr) -> Value:
        """An expression of a class body, evaluated in its own module."""
        from analysis.source.expressions import evaluate

        outer, self.frame = self.frame, Frame(None, module)
        try:
            return evaluate(self, node)
        finally:
            self.frame = outer

    def inline(
        self, function: Function, args: list[Value], given: dict[str, Value], node: ast.expr | ast.stmt
    ) -> Value:
        from analysis.source.following import inline

        return inline(self, function, args, given, node)

    @cached_property
    def root(self) -> Function:
        return self.active[0]
