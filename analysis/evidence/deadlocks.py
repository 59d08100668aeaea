"""Deadlock reports of PostgreSQL and InnoDB -> who waited for whom, and with which statement.

Source: PostgreSQL, src/backend/storage/lmgr/deadlock.c, DeadLockReport: it begins with the process that found the
cycle, which is the one that gets the error. MySQL 8.4 manual, "An InnoDB Deadlock Example"; MariaDB, "InnoDB Monitors".
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

LONGEST: Final = 262_144
MOST: Final = 100
"""Participants that are read."""

WAITS: Final = re.compile(
    r"Process (?P<process>\d{1,10}) waits for (?P<lock>\w{1,40} on [^;\n]{1,500});"
    r" blocked by process (?P<by>\d{1,10})\."
)
RAN: Final = re.compile(r"(?:^|\n)[ \t]*Process (?P<process>\d{1,10}): ")
BEHIND: Final = re.compile(
    r"\n(?=\S[^\n]{0,400}(?:HINT|CONTEXT|STATEMENT|LOCATION): |(?:HINT|CONTEXT|STATEMENT): )"
)
"""In the server's log, what stands behind a DETAIL."""

SECTION: Final = re.compile(
    r"\*\*\* (?:\((?P<number>\d{1,3})\) )?(?P<title>[A-Z][A-Z ()]{2,60}?)(?: \((?P<victim>\d{1,3})\))?:?[ \t]*(?:\n|\Z)"
)
THREAD: Final = re.compile(r"(?:MySQL|MariaDB) thread id (?P<thread>\d{1,20}),[^\n]*\n?")
LOCK: Final = re.compile(
    r"(?:RECORD LOCKS|TABLE LOCK)[^\n]{0,400}? (?:of )?table (?P<table>`[^`\n]{1,255}`\.`[^`\n]{1,255}`)[^\n]{0,300}?"
    r" (?P<mode>lock[ _]mode [^\n]{1,200})"
)
INDEX: Final = re.compile(r" index `?([^`\s]{1,255})`? of table ")
PREFIX: Final = re.compile(r"^\d{4}-\d\d-\d\d[ T][^\n]{0,80}?\[InnoDB\] ?", re.MULTILINE)


@dataclass(frozen=True)
class Participant:
    """One session of the cycle.

    process: PostgreSQL's process or MySQL's thread id. lock: what it waited for. waits_for: the process that held it.
    None: the report does not say.
    """

    process: str
    lock: str | None = None
    waits_for: str | None = None
    statement: str | None = None


@dataclass(frozen=True)
class Deadlock:
    """A cycle, in the report's order. victim: the process whose transaction was rolled back."""

    participants: tuple[Participant, ...]
    victim: str | None


def deadlock(text: str) -> Deadlock | None:
    """The deadlock that a text reports, None where it reports none.

    In: a DETAIL of PostgreSQL's, alone or with the lines around it, or InnoDB's "LATEST DETECTED DEADLOCK" section.
    Out: of an InnoDB cycle of more than two the server prints two.
    """
    text = text[:LONGEST]
    return postgresql(text) or innodb(text)


def postgresql(text: str) -> Deadlock | None:
    """The cycle of `Process 1 waits for ShareLock on transaction 9; blocked by process 2.` lines."""
    waits = list(WAITS.finditer(text))[:MOST]
    waiting = {one["process"] for one in waits}
    if len(waiting) < 2 or waiting != {one["by"] for one in waits}:
        return None  # one line of a report that was cut says nothing of a cycle
    statements = ran(text[waits[-1].end() :])
    found = tuple(
        Participant(one["process"], one["lock"], one["by"], statements.get(one["process"])) for one in waits
    )
    return Deadlock(found, victim=found[0].process)


def ran(text: str) -> dict[str, str]:
    """process -> statement, of the lines `Process 1: UPDATE …`; a statement may have several lines."""
    end = BEHIND.search(text)
    text = text if end is None else text[: end.start()]
    starts = list(RAN.finditer(text))[:MOST]
    ends = [*(one.start() for one in starts), len(text)][1:]
    return {one["process"]: text[one.end() : end].strip() for one, end in zip(starts, ends, strict=True)}


def innodb(text: str) -> Deadlock | None:
    """The two transactions of InnoDB's report."""
    text = PREFIX.sub("", text)
    titles = list(SECTION.finditer(text))[: 10 * MOST]
    bodies = [text[a.end() : b.start()] for a, b in pairwise(titles)]
    numbers: dict[str, Participant] = {}
    victim, number = None, ""
    for title, body in zip(titles, [*bodies, text[titles[-1].end() :] if titles else ""], strict=False):
        number = title["number"] or number
        if title["title"] == "TRANSACTION" and title["number"]:
            numbers[number] = transaction(body)
        elif title["title"].startswith("WAITING FOR THIS LOCK") and number in numbers:
            one = numbers[number]
            numbers[number] = Participant(one.process, waited_for(body), None, one.statement)
        elif title["title"].startswith("WE ROLL BACK TRANSACTION"):
            victim = title["victim"]
    if len(numbers) < 2:
        return None
    found = list(numbers.values())
    if len(found) == 2:
        found = [
            Participant(one.process, one.lock, other.process, one.statement)
            for one, other in zip(found, reversed(found), strict=True)
        ]
    chosen = numbers.get(victim or "")
    return Deadlock(tuple(found), victim=chosen.process if chosen else None)


def transaction(body: str) -> Participant:
    """Thread and statement of one TRANSACTION section: the statement stands behind the thread's line."""
    thread = THREAD.search(body)
    if thread is None:
        return Participant("")
    return Participant(thread["thread"], statement=body[thread.end() :].strip() or None)


def waited_for(body: str) -> str | None:
    """The lock of a section, e.g. "lock_mode X locks rec but not gap waiting on PRIMARY of `shop`.`jobs`"."""
    lock = LOCK.search(body)
    if lock is None:
        return None
    index = INDEX.search(lock[0])
    of = f"{index[1]} of " if index else ""
    return f"{lock['mode'].strip()} on {of}{lock['table']}"
