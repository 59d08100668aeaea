"""What a function does to the database and what it decides, in the order in which it is executed."""

import ast
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from analysis.source.hits import Place
from analysis.source.values import Row, Value

if TYPE_CHECKING:
    from analysis.source.models import Models

FOREVER = 0  # a lock that is held to the end of the function: its transaction is the caller's


@dataclass(frozen=True)
class Term:
    """One thing that a test asks about: what it was computed from, and whether passing means that a row was there."""

    origins: frozenset[int] = frozenset()
    attrs: frozenset[tuple[int, str]] = frozenset()
    claims: frozenset[int] = frozenset()
    present: bool | None = None
    difference: bool = False
    equal: bool = False  # compared with == or != (a version, a token, a status)
    against: str = ""  # the text of what it was compared with


@dataclass(frozen=True)
class Guard:
    """A decision that was taken before the events below it: `if`, `while`, `assert`, `except … DoesNotExist`."""

    place: Place
    top: Place  # the line of the function that was asked about
    terms: tuple[Term, ...]
    order: int
    calls: tuple[Place, ...] = ()
    refuses: str = ""  # how the other arm ends: "raise", "return", "loop" (break, continue)
    handler: bool = False  # `except … DoesNotExist`
    partial: bool = (
        False  # it was taken on one arm of a decision that is over: not on every way to what follows
    )

    @property
    def origins(self) -> frozenset[int]:
        return frozenset[int]().union(*(term.origins for term in self.terms))

    @property
    def attrs(self) -> frozenset[tuple[int, str]]:
        return frozenset[tuple[int, str]]().union(*(term.attrs for term in self.terms))

    @property
    def claims(self) -> frozenset[int]:
        return frozenset[int]().union(*(term.claims for term in self.terms))


@dataclass(eq=False)
class Event:
    """One statement or side effect.

    kind "read", "write", "set" (an attribute of a row in memory), "lock" (row lock, advisory lock, table lock),
    "mutex" (a lock that a context manager or decorator holds), "effect" (a task sent, a mail, a call to another
    service), "lazy" (a locking queryset that was built)
    """

    order: int
    kind: str
    verb: str
    place: Place
    top: Place
    calls: tuple[Place, ...]
    chain: tuple[int, ...]  # identities of the calls that led here
    function: str
    model: str | None = None
    base: str = ""
    rows: tuple[Row, ...] = ()
    parent: Row | None = None
    lookups: tuple[str, ...] = ()
    fields: tuple[str, ...] | None = ()  # columns written; None: all of them
    values: dict[str, Value] = field(default_factory=dict)
    value: Value | None = None
    guards: tuple[Guard, ...] = ()
    path: tuple[tuple[int, int], ...] = ()
    transactions: tuple[int, ...] = ()
    mutexes: tuple[int, ...] = ()
    handlers: frozenset[str] = frozenset()
    locked: bool = False
    insert: bool | None = False  # a new row; None: new or not
    many: bool = False
    expression: bool = False  # the new value is computed by the database
    loop: bool = False
    private: bool = False  # about a row that this run inserted
    counted: bool = False  # of a read: how many rows it found was asked, by len()
    node: ast.AST | None = None
    reads: tuple[int | None, ...] = ()  # of each row, when the event happened: where it was read,
    locks: tuple[int | None, ...] = ()  # and the lock that was taken with it
    origins: tuple[str, ...] = ()  # of each row, at that time

    def meets(self, other: "Event") -> bool:
        """Can both happen in one run? Not if they lie in different arms of one decision."""
        arms = self.arms
        for branch, arm in other.path:  # noqa: SIM110 - a generator is too slow for the most asked question
            if arms.get(branch, arm) != arm:
                return False
        return True

    @cached_property
    def arms(self) -> dict[int, int]:
        """The arm that was taken at each decision."""
        return dict(self.path)

    def holds(self, other: "Event") -> bool:
        """Is a lock that this event took still held when the other happens?"""
        if self.kind == "mutex":
            return self.order in other.mutexes
        if not self.transactions:
            return True
        return bool(other.transactions) and other.transactions[0] == self.transactions[0]

    def together(self, other: "Event") -> bool:
        """Are both in one transaction, as far as the function shows?"""
        if not self.transactions or not other.transactions:
            return not self.transactions and not other.transactions
        return self.transactions[0] == other.transactions[0]

    def catches(self, *names: str) -> bool:
        return any(handler.rsplit(".", 1)[-1] in names for handler in self.handlers)

    @property
    def catches_conflict(self) -> bool:
        return self.catches(
            "IntegrityError", "DatabaseError", "Error", "Exception", "BaseException", "UniqueViolation"
        )


@dataclass
class Trace:
    """All events of one function with what it calls."""

    function: str
    path: str
    line: int
    events: list[Event] = field(default_factory=list)
    rows: dict[int, Row] = field(
        default_factory=dict
    )  # every row whose attributes were looked at, by identity
    evaluated: frozenset[int] = frozenset()  # locking querysets that were run or handed on
    view: bool = False  # its caller is the framework: nobody above it opens a transaction
    receives: bool = False  # it is a receiver of a signal that tells of a row already saved or deleted
    cut: bool = False  # the budget of statements was spent before the end
    models: "Models | None" = None  # of the tree

    def of(self, *kinds: str) -> list[Event]:
        return [event for event in self.events if event.kind in kinds]

    def count(self, orders: frozenset[int]) -> None:
        """Notes that the rows which these reads found were counted."""
        for event in self.events if orders else ():
            event.counted |= event.kind == "read" and event.order in orders

    def figures(self, orders: frozenset[int]) -> bool:
        """Is one of these reads a count or a sum?"""
        return bool(orders) and any(
            e.order in orders and e.verb.endswith(("count", "aggregate")) for e in self.events
        )

    def event(self, order: int) -> Event | None:
        return self.by_order.get(order)

    @cached_property
    def by_order(self) -> dict[int, Event]:
        return {event.order: event for event in self.events}
