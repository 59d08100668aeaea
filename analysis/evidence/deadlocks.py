"""Deadlock reports of PostgreSQL and InnoDB -> who waited for whom, and with which statement.

Source: PostgreSQL, src/backend/storage/lmgr/deadlock.c, DeadLockReport: it begins with the process that found the
cycle, which is the one that gets the error. MySQL 8.4 manual, "An InnoDB Deadlock Example"; MariaDB, "InnoDB Monitors".

InnoDB writes its report into the error log (innodb_print_all_deadlocks) as several records: one a section, or one a
line where something in between made records of lines.
"""

import re
from collections.abc import Iterable
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
    r"^ {0,2}\*\*\* (?:\((?P<number>\d{1,3})\) )?(?P<title>[A-Z][A-Z ()]{2,60}?)(?: \((?P<victim>\d{1,3})\))?"
    r":?[ \t]*(?:\n|\Z)",
    re.MULTILINE,
)
THREAD: Final = re.compile(r"(?:MySQL|MariaDB) thread id (?P<thread>\d{1,20}),[^\n]*\n?")
LOCK: Final = re.compile(
    r"(?:RECORD LOCKS|TABLE LOCK)[^\n]{0,400}? (?:of )?table (?P<table>`[^`\n]{1,255}`\.`[^`\n]{1,255}`)[^\n]{0,300}?"
    r" (?P<mode>lock[ _]mode [^\n]{1,200})"
)
INDEX: Final = re.compile(r" index `?([^`\s]{1,255})`? of table ")
PREFIX: Final = re.compile(r"^\d{4}-\d\d-\d\d[ T][^\n]{0,80}?\[InnoDB\] {0,2}", re.MULTILINE)
HEAD: Final = re.compile(
    r"\d{4}-\d\d-\d\d[ T] ?\d{1,2}:[\d:.]{4,20}[Z+\-\d:]* (?P<thread>\d{1,20}) \[\w{1,20}\] "
    r"(?:\[MY-\d{6}\] \[\w{1,20}\])?"
)
"""How a line of an error log of MySQL 5.6 and later, or MariaDB, begins."""

FIRST: Final = "*** (1) TRANSACTION"
ENDS: Final = re.compile(r"^\*\*\* WE ROLL BACK TRANSACTION", re.MULTILINE)
OWN: Final = "InnoDB:"
MOST_RECORDS: Final = 400
"""Records in which the rest of a report is looked for: some ten sections, or two hundred lines."""


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


@dataclass(frozen=True, slots=True)
class Piece:
    """A record near a report. writer: process and logger, thread: what the log's line names; head: its first line's
    message, rest: the lines folded into it."""

    record_id: int
    source_id: int
    writer: tuple[str | None, str | None]
    thread: str | None
    head: str
    rest: str

    def read(self) -> tuple[str | None, str]:
        """The thread, and what InnoDB printed. Below a title, what looks like one is a statement's: it is set in.

        A log of lines that are mostly a report's is not taken for a database's: its heads are read here.
        """
        written = HEAD.match(self.head) if self.thread is None else None
        thread = written["thread"] if written else self.thread
        head = self.head[written.end() if written else 0 :].removeprefix(OWN)
        title = head.strip()
        said = f"{title if not title or title.startswith('***') else head}\n{self.rest}".strip("\r\n")
        return thread, said.replace("\n***", "\n\t***") if said.startswith("***") else said


def reports(pieces: Iterable[Piece]) -> list[tuple[int, str]]:
    """InnoDB's reports put together: the record where each begins, and its text. One that is cut off is as it is.

    In:  records from the one before each that begins a report on, in their order. What another thread or process
         wrote in between is left out, and so is what the same thread did not write as a section; lines without a
         thread go on with what their writer began.
    """
    found: list[tuple[int, list[str]]] = []
    begun: Piece | None = None
    of_report = heard = None  # MariaDB prints its line's head, and the first title on the next line
    for piece in pieces:
        thread, text = piece.read()
        if begun is None or text.startswith(FIRST) or piece.source_id != begun.source_id:
            begun = piece if FIRST in text else None
            if begun is not None:
                of_report = thread or heard
                found.append((piece.record_id, [text]))
        elif piece.writer == begun.writer and (
            thread is None or (thread == of_report and text.startswith("***"))
        ):
            found[-1][1].append(text)
        if begun is not None and ENDS.search(found[-1][1][-1]):
            begun = None
        heard = thread
    return [(record_id, "\n".join(texts)) for record_id, texts in found]


def deadlock(text: str) -> Deadlock | None:
    """The deadlock that a text reports, None where it reports none.

    In: a DETAIL of PostgreSQL's, alone or with the lines around it, or InnoDB's "LATEST DETECTED DEADLOCK" section.
    Out: of an InnoDB cycle of more than two MySQL 5.7 prints two.
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
    """The transactions of InnoDB's report.

    MariaDB since 10.6, whose titles of waits have no numbers, prints the cycle in the order of its waits, and as its
    victim the number behind the true one (seen at 8 deadlocks of 8 on 10.11, and on 11.8), or 0 (MDEV-29187).
    """
    text = PREFIX.sub("", text)
    titles = list(SECTION.finditer(text))[: 10 * MOST]
    bodies = [text[a.end() : b.start()] for a, b in pairwise(titles)]
    numbers: dict[str, Participant] = {}
    victim, number, in_order = 0, "", False
    for title, body in zip(titles, [*bodies, text[titles[-1].end() :] if titles else ""], strict=False):
        number = title["number"] or number
        if title["title"] == "TRANSACTION" and title["number"]:
            numbers[number] = transaction(body)
        elif title["title"].startswith("WAITING FOR THIS LOCK") and number in numbers:
            one, in_order = numbers[number], title["number"] is None
            numbers[number] = Participant(one.process, waited_for(body), None, one.statement)
        elif title["title"].startswith("WE ROLL BACK TRANSACTION"):
            victim = int(title["victim"] or 0)
    if len(numbers) < 2:
        return None
    found = list(numbers.values())
    if len(found) == 2 or in_order:
        found = [
            Participant(one.process, one.lock, other.process, one.statement)
            for one, other in zip(found, [*found[1:], found[0]], strict=True)
        ]
    chosen = found[victim - 1 - in_order] if 0 < victim <= len(found) else None
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
