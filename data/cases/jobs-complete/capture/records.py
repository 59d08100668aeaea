"""What a capture left behind, read into plain records: side files, client notes, logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from client import Sent

COMPLETE = "/api/jobs/complete"
ACCESS_LINE = re.compile(
    r'\[(?P<stamp>[-0-9T:.]{23})\] (?P<pid>\d+) (?P<address>\S+) "(?P<method>\S+)'
    r' (?P<path>\S+) [^"]+"'
    r" (?P<status>\d{3}) (?P<seconds>\d+)\.(?P<micros>\d{6})"
    r" job=(?P<job>\S+) user=(?P<user>\S+) request_id=(?P<request_id>\S+)"
)
APP_LINE = re.compile(
    r"(?P<stamp>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) (?P<level>[A-Z]+) (?P<logger>\S+) (?P<message>.*)"
    r" request_id=(?P<request_id>\S+)$"
)
EXCEPTION_LINE = re.compile(r"^(?P<name>[A-Za-z_][\w.]*)(: .*)?$")


@dataclass(frozen=True)
class Served:
    """What the WSGI wrapper saw of one request, in nanoseconds since the epoch."""

    request_id: str
    user: str
    job: str
    method: str
    path: str
    status: int
    exception: str | None
    revision: str
    pid: int
    thread: int
    entry_ns: int
    returned_ns: int
    exit_ns: int

    @property
    def completion(self) -> bool:
        return self.method == "POST" and self.path == COMPLETE

    @property
    def lost_race(self) -> bool:
        return self.status == 500 and self.exception == "IntegrityError"

    @property
    def unrelated_error(self) -> bool:
        return self.status == 500 and self.exception != "IntegrityError"


@dataclass(frozen=True)
class Access:
    """One line of the access log; the stamp in µs since the epoch."""

    request_id: str
    status: int
    pid: int
    job: str
    user: str
    stamp_us: int
    duration_us: int


@dataclass(frozen=True)
class Trace:
    """An ERROR record of the application log and the exception that ends its traceback."""

    request_id: str
    exception: str | None
    text: str


def microseconds(stamp: str) -> int:
    """µs since the epoch of a stamp that is in UTC and does not say so."""
    moment = datetime.fromisoformat(stamp.rstrip("Z")).replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)


def read_served(folder: Path) -> list[Served]:
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return sorted((Served(**json.loads(line)) for line in lines), key=lambda note: note.entry_ns)


def read_sent(path: Path) -> list[Sent]:
    return [Sent(**json.loads(line)) for line in path.read_text().splitlines()]


def read_access(path: Path) -> list[Access]:
    return [access_of(line) for line in path.read_text().splitlines()]


def access_of(line: str) -> Access:
    match = ACCESS_LINE.fullmatch(line)
    if match is None:
        raise SystemExit(f"access.log: this is not one whole line: {line!r}")
    field: dict[str, Any] = match.groupdict()
    return Access(
        request_id=field["request_id"],
        status=int(field["status"]),
        pid=int(field["pid"]),
        job=field["job"],
        user=field["user"],
        stamp_us=microseconds(field["stamp"]),
        duration_us=int(field["seconds"]) * 1_000_000 + int(field["micros"]),
    )


def app_records(path: Path) -> Iterator[tuple[re.Match[str], list[str]]]:
    """Each record's first line, matched, and the lines that follow it."""
    head, rest = None, list[str]()
    for line in path.read_text().splitlines():
        match = APP_LINE.match(line)
        if match is None:
            if head is None:
                raise SystemExit(f"app.log: begins in the middle of a record: {line!r}")
            rest.append(line)
            continue
        if head is not None:
            yield head, rest
        head, rest = match, []
    if head is not None:
        yield head, rest


def read_traces(path: Path) -> list[Trace]:
    """The server errors of the application log, in its order."""
    return [
        Trace(head["request_id"], last_exception(rest), "\n".join(rest))
        for head, rest in app_records(path)
        if head["level"] == "ERROR"
    ]


def last_exception(lines: list[str]) -> str | None:
    """The class of the exception that was not caught: the last one that the traceback names."""
    for line in reversed(lines):
        match = EXCEPTION_LINE.match(line)
        if match and not line.startswith(("Traceback", "DETAIL")):
            return match["name"].rsplit(".", 1)[-1]
    return None
