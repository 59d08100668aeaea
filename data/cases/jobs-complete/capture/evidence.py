"""Everything that one capture knows, side by side, before anything is concluded from it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import psycopg
from client import Sent
from keep import csv_records
from records import Access, Served, Trace

FIRST_OPEN_JOB = 4_000


@dataclass(frozen=True)
class Deploy:
    """A change of the served code, stamped when it began."""

    version: str
    revision: str
    note: str
    began_ns: int

    @property
    def deployed_at(self) -> str:
        moment = datetime.fromtimestamp(self.began_ns // 1_000_000_000, UTC)
        return f"{moment:%Y-%m-%dT%H:%M:%S}.{self.began_ns // 1_000_000 % 1000:03d}Z"


@dataclass(frozen=True)
class Rows:
    """The database at the end: drafts that the job rows hold, completions, repeated comments."""

    drafts: dict[int, str]
    completed: list[int]
    repeated_comments: list[int]


@dataclass(frozen=True)
class Evidence:
    deploys: Sequence[Deploy]  # the good release, the bad one, the rollback
    served: list[Served]
    sent: list[Sent]
    access: list[Access]
    traces: list[Trace]
    rows: Rows
    violations: list[str]  # request ids in the database log's unique violations
    stale_traces: list[str]  # request ids of tracebacks that print another release's lines
    guilty_commit: str

    @cached_property
    def by_id(self) -> dict[str, Served]:
        return {note.request_id: note for note in self.served}

    @cached_property
    def drafts(self) -> dict[str, str]:
        """Which request posted a draft."""
        return {note.draft: note.request_id for note in self.sent if note.draft}

    @cached_property
    def kinds(self) -> dict[str, str]:
        """What the load generator meant by a request."""
        return {note.request_id: note.kind for note in self.sent}

    @property
    def bad(self) -> Deploy:
        return self.deploys[1]

    def phase(self, note: Served) -> str:
        """`before`, `bad` or `after`, by the code that served the request."""
        if note.revision == self.bad.revision:
            return "bad"
        return "before" if note.entry_ns < self.deploys[2].began_ns else "after"


def read_rows(connection: psycopg.Connection) -> Rows:
    """The final rows of the jobs that the capture worked on."""
    drafts = connection.execute(
        "SELECT id, result ->> 'draft' FROM jobs_job WHERE id >= %s AND result IS NOT NULL",
        [FIRST_OPEN_JOB],
    ).fetchall()
    completed = connection.execute(
        "SELECT job_id FROM jobs_jobcompletion WHERE job_id >= %s ORDER BY job_id", [FIRST_OPEN_JOB]
    ).fetchall()
    repeated = connection.execute(
        "SELECT job_id FROM comments_comment WHERE job_id >= %s"
        " GROUP BY job_id, author_id, text HAVING count(*) > 1 ORDER BY job_id",
        [FIRST_OPEN_JOB],
    ).fetchall()
    return Rows(dict(drafts), [row[0] for row in completed], [row[0] for row in repeated])


def read_violations(csvlog: Path) -> list[str]:
    """Request ids of the statements that broke the unique constraint, by the database's own log."""
    found = []
    with csvlog.open("rb") as file:
        for record in csv_records(file):
            if b",ERROR," in record and b"jobs_job_completion_unique" in record:
                found.append(record.split(b"request_id=", 1)[1].split(b" ", 1)[0].decode())
    return found
