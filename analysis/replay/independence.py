"""Which steps of two requests may change places without anybody being able to tell: PostgreSQL's rules, by tables.

Two steps are independent if from every state both orders lead to the same state, and neither hinders the other. In
doubt they are dependent: that costs a run, a wrong "independent" hides a race. What a step does to the other request
follows from the step and from what its own transaction did before, so it is a *footprint*:

    sees       tables whose committed rows it sees as they are now
    takes      tables whose rows it locks against writers and lockers: all that it writes, and SELECT … FOR …
    shares     tables whose rows it locks against removal only: parents of foreign keys (FOR KEY SHARE)
    publishes  tables whose new rows others see from now on: all that the transaction wrote, at its commit
    frees      the transaction's locks, which end: at commit, rollback, rollback to a savepoint, and at any error
               (an error ends the transaction, or the savepoint, in the server at once; not at the client's ROLLBACK)
    holds      the transaction's locks so far

Steps are dependent if
 1. one of them is not understood, and the other does anything at all (DDL, LOCK, sequences asked by hand, advisory
    locks of the session, triggers, the application's own functions: each may touch, or wait for, anything; advisory
    locks of the transaction are rows of a table of their own);
 2. their locks conflict: who is first makes the other wait;
 3. one publishes what the other sees;
 4. one frees what the other's locks conflict with: it would have waited, or gone through (NOWAIT, SKIP LOCKED: it
    would have failed, or overlooked rows);
 5. each needs what the other holds: whoever comes second closes the circle and is the deadlock's victim;
 6. both transactions are SERIALIZABLE and one wrote what the other read or wrote.
So a plain SELECT is dependent on commits only, never on another's statements: uncommitted rows cannot be seen.

READ COMMITTED: each statement sees what is committed when it begins. REPEATABLE READ and SERIALIZABLE: the first
statement fixes what the whole transaction sees, whatever that will be, so it sees every table; later SELECTs see
nothing new; a write, or a lock, still meets what others committed (SQLSTATE 40001). SERIALIZABLE: a conflict may
cancel either transaction at any later step of it (it is marked, and fails at its next statement or its commit), so
rule 6 goes by all that the transactions did so far. A commit may check deferred constraints: it then sees the tables
written and the parents, and locks the parents again. Statements outside a transaction are their own commit. BEGIN,
SAVEPOINT, RELEASE, SHOW and SET of a parameter are felt by their own session only.

What is outside PostgreSQL (caches, files, globals of the process) is not seen here.

Sources: PostgreSQL manual, 13.2 "Transaction Isolation", 13.3 "Explicit Locking" (table 13.3: conflicting row-level
locks), SET CONSTRAINTS; Ports and Grittner, "Serializable Snapshot Isolation in PostgreSQL", VLDB 2012.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from analysis.replay.runs import (
    BEGIN,
    COMMIT,
    RELEASE,
    ROLLBACK,
    ROLLBACK_TO,
    SAVEPOINT,
    Step,
)

READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE = "read committed", "repeatable read", "serializable"
ISOLATIONS: Final = (READ_COMMITTED, REPEATABLE_READ, SERIALIZABLE)

Tables = frozenset[str]
NONE: Final[Tables] = frozenset()

LITERAL: Final = re.compile(r"'(?:[^']|'')*'|/\*.*?\*/|--[^\n]*", re.DOTALL)
OWN_SESSION: Final = re.compile(r"\s*(?:SHOW|SET\s+(?!CONSTRAINTS\b))", re.IGNORECASE)
SETS_ISOLATION: Final = re.compile(r"\b(?:ISOLATION\s+LEVEL|transaction_isolation)\b", re.IGNORECASE)
ON_ROWS: Final = re.compile(r"\s*\(*\s*(?:SELECT|INSERT|UPDATE|DELETE|WITH)\b", re.IGNORECASE)
HARD_TO_READ: Final = re.compile(r"\\'|\$\w*\$|(?<!INSERT)\s+INTO\b", re.IGNORECASE)
LOCKS_ROWS: Final = re.compile(r"\bFOR\s+(?:NO\s+KEY\s+)?(?:UPDATE|SHARE)\b", re.IGNORECASE)
SIDE_EFFECT: Final = re.compile(
    r"\b(?:pg_(?!(?:try_)?advisory_xact_)\w+|lo_\w+|nextval|setval|set_config|\w+_to_xml\w*|txid_\w+)\W*\(",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Locks:
    takes: Tables = NONE
    shares: Tables = NONE

    def __or__(self, other: "Locks") -> "Locks":
        return Locks(self.takes | other.takes, self.shares | other.shares)

    def conflict(self, other: "Locks") -> bool:
        """Whether one may have to wait for the other; two that only share do not."""
        return not (
            self.takes.isdisjoint(other.takes)
            and self.takes.isdisjoint(other.shares)
            and self.shares.isdisjoint(other.takes)
        )


FREE: Final = Locks()


@dataclass(frozen=True)
class Footprint:
    """What the other requests may feel of a step; see the module. `read`, `wrote`: by its transaction so far."""

    nothing: bool = False  # felt by its own session only
    anything: bool = False  # not understood
    sees_all: bool = False
    sees: Tables = NONE
    locks: Locks = FREE
    publishes: Tables = NONE
    frees: Locks = FREE
    holds: Locks = FREE
    serializable: bool = False
    read: Tables = NONE
    wrote: Tables = NONE


NOTHING: Final = Footprint(nothing=True)


def dependent(one: Footprint, two: Footprint) -> bool:
    """Whether the order of two steps of different requests can matter to anybody."""
    if one.anything or two.anything:
        return not (one.nothing or two.nothing)
    return (
        one.locks.conflict(two.locks)
        or _shows(one, two)
        or _shows(two, one)
        or one.frees.conflict(two.locks)
        or two.frees.conflict(one.locks)
        or (one.locks.conflict(two.holds) and two.locks.conflict(one.holds))
        or (one.serializable and two.serializable and _conflict_in_serializable(one, two))
    )


def _shows(one: Footprint, two: Footprint) -> bool:
    return bool(one.publishes) and (two.sees_all or not one.publishes.isdisjoint(two.sees))


def _conflict_in_serializable(one: Footprint, two: Footprint) -> bool:
    return not (
        one.wrote.isdisjoint(two.wrote) and one.wrote.isdisjoint(two.read) and one.read.isdisjoint(two.wrote)
    )


def footprints(steps: Sequence[Step], isolation: str | None = READ_COMMITTED) -> list[Footprint]:
    """The footprint of each step of a run.

    In:   isolation: of transactions that do not set their own; None: not known, then the rules of all levels hold
    """
    open_ones: dict[int, _Transaction] = {}
    return [open_ones.setdefault(step.worker, _Transaction(isolation)).footprint(step) for step in steps]


@dataclass
class _Transaction:
    """What one session's transaction did so far. Tables None: not understood, for its rest."""

    default: str | None
    mixed: bool = False  # it sets its own level: whichever it is, the rules of all levels hold
    read: Tables = NONE
    wrote: Tables = NONE
    holds: Locks = FREE
    unknown: bool = False
    began: bool = False  # its snapshot is taken

    def footprint(self, step: Step) -> Footprint:
        if step.kind in (BEGIN, SAVEPOINT, RELEASE):
            return NOTHING if step.error is None else self._with_end(NOTHING)
        if step.kind in (COMMIT, ROLLBACK):
            end = self._commit(step) if step.kind == COMMIT else self._rollback()
            self._forget()
            return end
        if step.kind == ROLLBACK_TO:
            return self._rollback()
        return self._statement(step)

    def _statement(self, step: Step) -> Footprint:
        text = LITERAL.sub(" ", step.sql)
        if SETS_ISOLATION.search(step.sql):
            self.mixed = True
            self.default = None if "SESSION" in text.upper() else self.default
        if OWN_SESSION.match(text):
            return NOTHING if step.error is None else self._with_end(NOTHING)
        if step.reads is None or step.writes is None or step.locks is None or not understood(step.sql, text):
            self.unknown = self.unknown or not step.autocommit
            return Footprint(anything=True)
        locks = locks_of(text, step.writes, step.locks)
        reads = step.reads | step.locks
        if step.autocommit:
            return self._alone(reads, step.writes, locks)
        footprint = self._within(reads, step.writes, locks)
        return footprint if step.error is None else self._with_end(footprint)

    def _alone(self, reads: Tables, writes: Tables, locks: Locks) -> Footprint:
        """A statement outside a transaction."""
        return Footprint(
            sees=reads | writes,
            locks=locks,
            publishes=writes,
            frees=locks,
            serializable=self.default in (None, SERIALIZABLE),
            read=reads,
            wrote=writes,
        )

    def _within(self, reads: Tables, writes: Tables, locks: Locks) -> Footprint:
        first, held = not self.began, self.holds
        self.began, self.holds = True, held | locks
        self.read, self.wrote = self.read | reads, self.wrote | writes
        level = self._level()
        return Footprint(
            anything=self.unknown,
            sees_all=first and level != READ_COMMITTED,
            sees=reads | writes if level in (None, READ_COMMITTED) else locks.takes | locks.shares,
            locks=locks,
            holds=held,
            serializable=self._level() in (None, SERIALIZABLE),
            read=self.read,
            wrote=self.wrote,
        )

    def _level(self) -> str | None:
        return None if self.mixed else self.default

    def _rollback(self) -> Footprint:
        return Footprint(
            anything=self.unknown,
            frees=self.holds,
            holds=self.holds,
            serializable=self._level() in (None, SERIALIZABLE),
            read=self.read,
            wrote=self.wrote,
        )

    def _commit(self, step: Step) -> Footprint:
        """A commit may look at deferred constraints, whose tables stand at its step, and fail."""
        if step.reads is None or step.writes is None or step.locks is None:
            return Footprint(anything=True)
        shares = self.holds.shares | (step.locks - self.holds.takes)
        return replace(
            self._rollback(),
            sees=self.holds.takes | shares | step.reads,
            locks=Locks(shares=shares),
            publishes=self.wrote if step.error is None else NONE,
        )

    def _with_end(self, footprint: Footprint) -> Footprint:
        """A step that failed: what it did, and the end of its transaction."""
        return replace(
            footprint, nothing=False, anything=footprint.anything or self.unknown, frees=self.holds
        )

    def _forget(self) -> None:
        self.read, self.wrote, self.holds = NONE, NONE, FREE
        self.mixed = self.unknown = self.began = False


def understood(sql: str, text: str) -> bool:
    """Whether a statement only reads, writes and locks rows; `text`: without its literals.

    Functions that are not PostgreSQL's own are known to who describes the steps (tables None); of PostgreSQL's own
    those that reach beyond rows are taken for anything.
    """
    return bool(ON_ROWS.match(text)) and not HARD_TO_READ.search(sql) and not SIDE_EFFECT.search(text)


def locks_of(text: str, writes: Tables, locks: Tables) -> Locks:
    """The locks of an understood statement. Without a FOR … in it, the tables it locks are parents of foreign keys."""
    if LOCKS_ROWS.search(text):
        return Locks(takes=writes | locks)
    return Locks(takes=writes, shares=locks - writes)
