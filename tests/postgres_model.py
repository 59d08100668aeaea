"""A small model of PostgreSQL for two or more sessions: rows, locks with waiting, snapshots, deadlocks, savepoints.

Written from the manual (13.2 and 13.3), without a look at the independence rule that it checks. A row is a table and
a key; a value is a number. A program is a list of Ops; `play(programs)` gives the `run` that `explore` takes.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from analysis.replay.independence import READ_COMMITTED, SERIALIZABLE
from analysis.replay.runs import STATEMENT, DatabaseError, Response, Run, Step

Row = tuple[str, int]
CONTROL = ("savepoint", "release", "commit", "rollback", "rollback to")


@dataclass(frozen=True)
class Op:
    """One thing that a request does.

    do      read, count, update (where it equals `when`), add (to what is there), insert, delete, child (an insert
            with a parent), select for update (nowait, skip locked), stop unless (the last read equals `when`);
            savepoint, rollback to, release, commit, rollback; set all (every row of the table, one after the other)
    """

    do: str
    table: str = "a"
    key: int = 0
    value: int = 0
    when: int | None = None
    alone: bool = False  # outside any transaction


class Failed(Exception):
    """A statement's error, by SQLSTATE."""


@dataclass
class Session:
    number: int
    program: list[Op]
    at: int = 0
    snapshot: dict[Row, int] | None = None
    own: dict[Row, int | None] = field(default_factory=dict)
    marks: list[tuple[dict[Row, int | None], dict[Row, str]]] = field(default_factory=list)
    seen: list[object] = field(default_factory=list)
    last: object = None
    blocked_on: Row | None = None
    wants: str = "strong"
    waiting: list[Row] = field(default_factory=list)
    statement_sees: dict[Row, int] = field(default_factory=dict)
    error: str | None = None
    aborted: bool = False
    done: bool = False
    step: int = -1
    began: bool = False
    read: set[str] = field(default_factory=set)
    doomed: bool = False
    status: int = 200


class World:
    def __init__(self, programs: Sequence[Sequence[Op]], rows: dict[Row, int], isolation: str) -> None:
        self.committed = dict(rows)
        self.locks: dict[Row, dict[int, str]] = {}
        self.isolation = isolation
        self.sessions = [
            Session(number, list(program), done=not program) for number, program in enumerate(programs)
        ]
        self.conflicts: set[tuple[int, int]] = set()
        self.finished: list[Session] = []
        self.steps: list[Step] = []

    # --- what the scheduler does ---

    def enabled(self) -> tuple[int, ...]:
        return tuple(each.number for each in self.sessions if not each.done and each.blocked_on is None)

    def let_go(self, number: int) -> None:
        session = self.sessions[number]
        op = session.program[session.at]
        session.at += 1
        session.step = len(self.steps)
        self.steps.append(as_step(number, op))
        self.begin_statement(session, op)
        self.attempt(session, op)
        self.wake()

    def wake(self) -> None:
        again = True
        while again:
            again = False
            for session in self.sessions:
                row = session.blocked_on
                if row is not None and not self.holders(session, row, session.wants):
                    session.blocked_on = None
                    self.attempt(session, session.program[session.at - 1])
                    again = True

    # --- one statement ---

    def begin_statement(self, session: Session, op: Op) -> None:
        if op.do in (*CONTROL, "stop unless"):
            return
        session.began = session.began or not op.alone
        fixed = self.isolation != READ_COMMITTED and not op.alone
        if fixed and session.snapshot is None:
            session.snapshot = dict(self.committed)
        base = session.snapshot if fixed and session.snapshot is not None else self.committed
        session.statement_sees = {
            **base,
            **{row: value for row, value in session.own.items() if value is not None},
        }
        for row, value in session.own.items():
            if value is None:
                session.statement_sees.pop(row, None)
        session.waiting = self.rows_of(session, op)

    def rows_of(self, session: Session, op: Op) -> list[Row]:
        """The rows whose locks it needs, in order."""
        row, sees = (op.table, op.key), session.statement_sees
        if op.do in ("insert", "child"):
            return [row]
        if op.do in ("update", "add", "delete") or op.do.startswith("select for update"):
            return [row] if row in sees and (op.when is None or sees[row] == op.when) else []
        if op.do == "set all":
            return sorted(each for each in sees if each[0] == op.table)
        return []

    def attempt(self, session: Session, op: Op) -> None:
        try:
            if session.aborted and op.do not in ("rollback", "rollback to"):
                raise Failed("40001" if op.do == "commit" else "25P02")
            if session.doomed and (op.do == "commit" or op.do not in (*CONTROL, "stop unless")):
                raise Failed("40001")
            while session.waiting:
                row = session.waiting[0]
                if not self.acquire(session, op, row):
                    return
                session.waiting = session.waiting[1:]
                self.act(session, op, row)
            if op.do == "child" and not self.parent(session, op):
                return
            self.rest(session, op)
        except Failed as error:
            self.fail(session, op, str(error))
        if self.steps[session.step].waited:
            self.steps[session.step] = replace(self.steps[session.step], through=len(self.steps) - 1)
        self.after(session, op)

    def acquire(self, session: Session, op: Op, row: Row, kind: str = "strong") -> bool:
        holders = self.holders(session, row, kind)
        if holders:
            if op.do.endswith("nowait"):
                raise Failed("55P03")
            if op.do.endswith("skip locked"):
                session.last = None
                session.seen.append("skipped")
                return True
            if self.circle(session, holders):
                raise Failed("40P01")
            session.blocked_on, session.wants = row, kind
            step = self.steps[session.step]
            self.steps[session.step] = replace(step, waited=True)
            return False
        held = self.locks.setdefault(row, {})
        if held.get(session.number) != "strong":
            held[session.number] = kind
        return True

    def holders(self, session: Session, row: Row, kind: str) -> list[int]:
        held = self.locks.get(row, {})
        return [who for who, how in held.items() if who != session.number and "strong" in (how, kind)]

    def circle(self, session: Session, holders: list[int]) -> bool:
        seen: set[int] = set()
        ahead = list(holders)
        while ahead:
            who = ahead.pop()
            if who == session.number:
                return True
            other = self.sessions[who]
            if who not in seen and other.blocked_on is not None:
                seen.add(who)
                ahead += self.holders(other, other.blocked_on, other.wants)
        return False

    def act(self, session: Session, op: Op, row: Row) -> None:
        now = self.now(session, row)
        if op.do == "select for update skip locked" and not self.mine(session, row):
            return
        if op.do in ("insert", "child"):
            if now is not None:
                raise Failed("23505")
            self.write(session, row, op.value)
            return
        fixed = session.snapshot if not op.alone and row not in session.own else None
        if fixed is not None and fixed.get(row) != self.committed.get(row):
            raise Failed("40001")
        if now is None or (op.when is not None and now != op.when):
            session.seen.append(0)
            return
        if op.do.startswith("select for update"):
            self.reads(session, op.table)
            session.last = now
            session.seen.append(now)
        else:
            self.write(session, row, {"add": now + op.value, "delete": None}.get(op.do, op.value))
            session.seen.append(1)

    def mine(self, session: Session, row: Row) -> bool:
        return session.number in self.locks.get(row, {})

    def now(self, session: Session, row: Row) -> int | None:
        return session.own[row] if row in session.own else self.committed.get(row)

    def parent(self, session: Session, op: Op) -> bool:
        row = ("parent", op.key)
        if not self.acquire(session, op, row, "shared"):
            return False
        if self.now(session, row) is None:
            raise Failed("23503")
        return True

    def rest(self, session: Session, op: Op) -> None:
        sees = session.statement_sees
        if op.do == "read":
            self.reads(session, op.table)
            session.last = sees.get((op.table, op.key))
            session.seen.append(session.last)
        elif op.do == "count":
            self.reads(session, op.table)
            session.last = sum(row[0] == op.table for row in sees)
            session.seen.append(session.last)
        elif op.do == "savepoint":
            held = {row: who[session.number] for row, who in self.locks.items() if session.number in who}
            session.marks.append((dict(session.own), held))
        elif op.do == "release" and session.marks:
            session.marks.pop()
        elif op.do == "rollback to" and session.marks:
            session.own, kept = session.marks.pop()
            self.free(session, kept)
            session.aborted = False
        elif op.do == "commit":
            self.commit(session)
        elif op.do == "rollback":
            self.end(session)

    # --- transactions ---

    def write(self, session: Session, row: Row, value: int | None) -> None:
        session.own[row] = value
        for other in self.overlapping(session):
            if row[0] in other.read:
                self.flag(other, session)

    def reads(self, session: Session, table: str) -> None:
        session.read.add(table)
        for other in self.overlapping(session):
            if any(row[0] == table for row in other.own):
                self.flag(session, other)

    def overlapping(self, session: Session) -> list[Session]:
        if self.isolation != SERIALIZABLE:
            return []
        return [
            each for each in self.sessions if each is not session and (each.began or each in self.finished)
        ]

    def flag(self, reader: Session, writer: Session) -> None:
        """SSI with two transactions: conflicts both ways doom the one that has not committed, the later one."""
        self.conflicts.add((reader.number, writer.number))
        if (writer.number, reader.number) in self.conflicts:
            victim = next((each for each in (reader, writer) if each not in self.finished), None)
            if victim is not None and any(each in self.finished for each in (reader, writer)):
                victim.doomed = True

    def commit(self, session: Session) -> None:
        for row, value in session.own.items():
            if value is None:
                self.committed.pop(row, None)
            else:
                self.committed[row] = value
        if self.isolation == SERIALIZABLE and session.began:
            for other in self.overlapping(session):
                both = {(session.number, other.number), (other.number, session.number)}
                if both <= self.conflicts and other not in self.finished:
                    other.doomed = True
            self.free(session, {})
            self.finished.append(session)
            session.marks, session.began = [], False
        else:
            self.end(session)

    def end(self, session: Session) -> None:
        self.free(session, {})
        session.own, session.marks, session.snapshot = {}, [], None
        session.aborted = session.began = session.doomed = False
        session.read = set()
        self.conflicts = {each for each in self.conflicts if session.number not in each}

    def free(self, session: Session, kept: dict[Row, str]) -> None:
        for row in list(self.locks):
            how = self.locks[row].pop(session.number, None)
            if how is not None and row in kept:
                self.locks[row][session.number] = kept[row]

    def fail(self, session: Session, op: Op, sqlstate: str) -> None:
        step = self.steps[session.step]
        self.steps[session.step] = replace(step, error=DatabaseError("Error", sqlstate))
        session.error = sqlstate
        session.waiting = []
        if op.alone:
            self.free(session, {})
            session.own = {}
        elif session.marks:  # the server gives back what came after the savepoint, at once
            session.own, kept = dict(session.marks[-1][0]), session.marks[-1][1]
            self.free(session, kept)
            session.aborted = True
        else:
            self.end(session)
            session.aborted = session.began = True
        session.seen.append(sqlstate)

    def after(self, session: Session, op: Op) -> None:
        if op.alone and session.error is None:
            self.commit_alone(session)
        if op.do == "stop unless" and session.last != op.when:
            session.at, session.status = len(session.program) - 1, 409
        if session.error is not None:
            self.react(session, op)
        if session.at >= len(session.program):
            session.done = True

    def commit_alone(self, session: Session) -> None:
        for row, value in session.own.items():
            if value is None:
                self.committed.pop(row, None)
            else:
                self.committed[row] = value
        session.own = {}
        self.free(session, {})

    def react(self, session: Session, op: Op) -> None:
        """An error rolls back to the savepoint and goes on behind it, or ends the request with a rollback."""
        session.error = None
        if session.marks and op.do != "commit":
            session.program[session.at :] = [
                Op("rollback to"),
                *after_savepoint(session.program[session.at :]),
            ]
        else:
            session.status = 500
            session.program[session.at :] = [] if op.alone else [Op("rollback")]

    def result(self, choices: list[int], enabled: list[tuple[int, ...]]) -> Run:
        rows: dict[str, list[dict[str, int]]] = {}
        for (table, key), value in sorted(self.committed.items()):
            rows.setdefault(table, []).append({"id": key, "value": value})
        responses = tuple(Response(each.status, repr(each.seen)) for each in self.sessions)
        dead = any(step.error and step.error.sqlstate == "40P01" for step in self.steps)
        return Run(tuple(choices), tuple(enabled), tuple(self.steps), responses, dict(rows), dead)


def after_savepoint(rest: list[Op]) -> list[Op]:
    """What comes after the savepoint's end."""
    ends = [number for number, op in enumerate(rest) if op.do in ("release", "rollback to")]
    return rest[ends[0] + 1 :] if ends else rest


def as_step(worker: int, op: Op) -> Step:
    """The operation as worker.py would describe it."""
    if op.do in CONTROL:
        return Step(worker, op.do.replace(" ", "_"))
    tables = frozenset({op.table})
    if op.do == "stop unless":
        return Step(worker, STATEMENT, "SHOW x")
    if op.do in ("read", "count"):
        return Step(worker, STATEMENT, "SELECT", reads=tables, autocommit=op.alone)
    if op.do.startswith("select for update"):
        return Step(worker, STATEMENT, op.do.upper(), reads=tables, locks=tables, autocommit=op.alone)
    if op.do == "child":
        parents = frozenset({"parent"})
        return Step(worker, STATEMENT, "INSERT INTO", writes=tables, locks=parents, autocommit=op.alone)
    sql = {"insert": "INSERT INTO", "delete": "DELETE"}.get(op.do, "UPDATE")
    reads = frozenset() if op.do == "insert" else tables
    return Step(worker, STATEMENT, sql, reads=reads, writes=tables, autocommit=op.alone)


def player(programs: Sequence[Sequence[Op]], rows: dict[Row, int], isolation: str = READ_COMMITTED):
    """`run` for `explore`: the given choices, then whoever went last goes on while it can."""

    def run(prefix: tuple[int, ...]) -> Run:
        world = World(programs, rows, isolation)
        choices: list[int] = []
        enabled: list[tuple[int, ...]] = []
        while can := world.enabled():
            number = len(choices)
            if number < len(prefix) and prefix[number] in can:
                who = prefix[number]
            else:
                who = choices[-1] if choices and choices[-1] in can else can[0]
            choices.append(who)
            enabled.append(can)
            world.let_go(who)
        return world.result(choices, enabled)

    return run
