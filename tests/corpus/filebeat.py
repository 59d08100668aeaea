"""What Filebeat reads in its own test logs, set against what we read: event by event, field by field.

Filebeat's side is X-expected.json beside each log X: one object an event, ECS names, log.offset in bytes.
Source: Elastic Common Schema, field reference; elastic/beats, filebeat/tests/system/test_modules.py.
"""

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Final

from analysis.store import OpenCase

Event = dict[str, Any]
Row = dict[str, Any]

EXPECTED: Final = "-expected.json"
MOST_EVENTS: Final = 100  # of a longer log Filebeat's test keeps the first ones only
EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
ZONES: Final = {
    "CEST": "Europe/Berlin",
    "EST": "EST",
}  # event.timezone -> IANA, for stamps that are local readings

ROWS: Final = """
SELECT sources.path AS file, record.byte_start, record.byte_end, record.line_count > 1 AS multiline,
       record.logged_us, record.level, record.message, record.process, coalesce(record.thread, raw.session) AS thread,
       raw.method, raw.path AS url, raw.status, raw.user_id, raw.client_ip, raw.sqlstate,
       coalesce(raw.query, statement.sql) AS query,
       coalesce(raw.duration_us, statement.finished_us - statement.started_us) AS duration_us, record.fields
FROM records AS record
JOIN stretches AS raw USING (record_id)
JOIN sources ON sources.source_id = record.source_id
LEFT JOIN statements AS statement USING (record_id)
ORDER BY record.record_id
"""

# ECS name -> our column or one of our `fields`; of several the first that is said counts.
NAMES: Final[dict[str, tuple[str, ...]]] = {
    "@timestamp": ("logged_us",),
    "log.offset": ("byte_start",),
    "log.flags": ("multiline",),
    "log.level": ("level",),
    "message": ("message",),
    "process.pid": ("process",),
    "process.thread.id": ("thread",),
    "mysql.thread_id": ("thread",),
    "event.duration": ("duration_us",),
    "http.request.method": ("method",),
    "http.response.status_code": ("status",),
    "url.original": ("url",),
    "url.path": ("url",),
    "url.query": ("url",),
    "source.ip": ("client_ip",),
    "source.domain": ("client_host",),
    "user.name": ("user_id", "database_user"),
    "user_agent.original": ("agent",),
    "http.request.referrer": ("referer",),
    "http.response.body.bytes": ("bytes", "sc-bytes"),
    "http.response.bytes": ("bytes",),
    "http.request.body.bytes": ("bytes_received", "cs-bytes"),
    "iis.error.reason_phrase": ("reason", "s-reason"),
    "source.port": ("c-port",),
    "destination.address": ("s-ip", "server_ip"),
    "destination.port": ("s-port",),
    "destination.domain": ("cs-host",),
    "iis.access.site_name": ("s-sitename",),
    "iis.access.server_name": ("s-computername",),
    "iis.access.sub_status": ("sc-substatus",),
    "iis.access.win32_status": ("sc-win32-status",),
    "iis.access.cookie": ("cs(cookie)",),
    "iis.error.queue_name": ("s-queuename",),
    "apache.access.ssl.protocol": ("protocol",),
    "apache.access.ssl.cipher": ("cipher",),
    "haproxy.mode": ("mode",),
    "haproxy.frontend_name": ("frontend",),
    "haproxy.backend_name": ("backend",),
    "haproxy.server_name": ("server",),
    "haproxy.termination_state": ("termination",),
    "nginx.error.connection_id": ("connection",),
    "mysql.slowlog.query": ("query",),
    "mysql.slowlog.lock_time.sec": ("lock_s",),
    "mysql.slowlog.rows_sent": ("rows_sent",),
    "mysql.slowlog.rows_examined": ("rows_examined",),
    "mysql.slowlog.schema": ("database", "used"),
    "postgresql.log.database": ("database",),
    "postgresql.log.error.code": ("sqlstate",),
    "postgresql.log.query": ("query",),
    "redis.log.role": ("role",),
}
ROLES: Final = {"X": "sentinel", "C": "child", "S": "slave", "M": "master"}  # Source: redis.conf, "logfile"


@dataclass(frozen=True)
class Difference:
    """One field of one event that the two sides do not read alike, or an event that only one side has."""

    file: str
    offset: int
    name: str  # an ECS name, or "event"
    ours: object
    theirs: object

    @property
    def kind(self) -> str:
        """Whether only one side says something."""
        return "ours only" if self.theirs is None else "theirs only" if self.ours is None else "differs"


@dataclass(frozen=True)
class Comparison:
    """One log: how many events each side has, how many fields both claim, and which they read otherwise."""

    file: str
    expected: int
    records: int
    compared: int
    differences: tuple[Difference, ...]
    unclaimed: tuple[str, ...]  # fields of NAMES that Filebeat has and our format does not

    @property
    def equal(self) -> int:
        return self.compared - len(self.differences)


def expected_events(folder: Path) -> dict[str, list[Event]]:
    """Filebeat's events of each log below `folder`, by the log's path."""
    return {
        path.relative_to(folder).as_posix().removesuffix(EXPECTED): json.loads(
            path.read_text(encoding="utf-8")
        )
        for path in sorted(folder.rglob(f"*{EXPECTED}"))
    }


def zone_of(events: list[Event]) -> str:
    """The zone of stamps that name none, or only an abbreviation: what Filebeat was told."""
    told = {event.get("event.timezone") for event in events}
    return next((zone for name, zone in ZONES.items() if name in told), "UTC")


def our_rows(case: OpenCase) -> dict[str, list[Row]]:
    """Our records by file, in its order; what has no column of its own comes from `fields`."""
    rows: dict[str, list[Row]] = {}
    cursor = case.connection.execute(ROWS)
    names = [column[0] for column in cursor.description or ()]
    for values in cursor.fetchall():
        row = dict(zip(names, values, strict=True))
        rows.setdefault(row["file"], []).append(json.loads(row.pop("fields") or "{}") | row)
    return rows


def compare(file: str, events: list[Event], rows: list[Row]) -> Comparison:
    """Both sides of one log.

    That both sides have an event counts as one field. Of such an event a field is compared as soon as each side says
    something for it somewhere in the log.
    """
    if len(events) >= MOST_EVENTS:
        rows = [row for row in rows if row["byte_start"] <= events[-1]["log.offset"]]
    pairs = list(aligned(events, rows))
    step_us = finest_step(events)
    theirs = [expected(event, step_us) if event else {} for event, _ in pairs]
    ours = [read(row, step_us) if row else {} for _, row in pairs]
    said, claimed = ({name for each in side for name in each} for side in (theirs, ours))
    differences, compared = [], 0
    for other, mine in zip(theirs, ours, strict=True):
        names = ["event", *sorted(said & claimed)] if mine and other else ["event"]
        compared += len(names)
        offset = (other or mine)["log.offset"]
        differences += [
            Difference(file, offset, name, mine.get(name), other.get(name))
            for name in names
            if mine.get(name) != other.get(name)
        ]
    return Comparison(
        file, len(events), len(rows), compared, tuple(differences), tuple(sorted(said - claimed))
    )


def aligned(events: list[Event], rows: list[Row]) -> Iterator[tuple[Event | None, Row | None]]:
    """Each event with the record in whose bytes it begins; of several events in one record the first one has it."""
    free = {row["byte_start"]: row for row in rows}
    for event in events:
        at = next((row["byte_start"] for row in free.values() if begins_in(event, row)), None)
        yield event, free.pop(at, None)
    yield from ((None, row) for row in free.values())


def begins_in(event: Event, row: Row) -> bool:
    return row["byte_start"] <= event["log.offset"] < row["byte_end"]


def finest_step(events: list[Event]) -> int:
    """The step of Filebeat's stamps in µs: it prints milliseconds, also where it read whole seconds."""
    stamps = [event["@timestamp"] for event in events if "@timestamp" in event]
    return 1_000_000 if all(stamp.endswith(".000Z") for stamp in stamps) else 1_000


def read(row: Row, step_us: int) -> Row:
    """Our record in ECS names, without what it does not say."""
    named = {
        name: next((row[each] for each in ours if row.get(each) is not None), None)
        for name, ours in NAMES.items()
    }
    named["event"] = True
    named["@timestamp"] = None if row["logged_us"] is None else row["logged_us"] // step_us * step_us
    named["event.duration"] = None if row["duration_us"] is None else row["duration_us"] * 1000
    named["log.level"] = row["level"] and row["level"].lower()
    named["redis.log.role"] = ROLES.get(named["redis.log.role"])
    named["url.path"], _, named["url.query"] = (row["url"] or "").partition("?")
    return plain(named)


def expected(event: Event, step_us: int) -> Row:
    """An event of Filebeat's, without what it does not say."""
    named = {name: event.get(name) for name in NAMES} | {"event": True}
    named["log.level"] = event.get("log.level", "").lower()
    named["log.flags"] = "multiline" in event.get("log.flags", ())
    if "@timestamp" in event:
        at = (dt.datetime.fromisoformat(event["@timestamp"]) - EPOCH) // dt.timedelta(microseconds=1)
        named["@timestamp"] = at // step_us * step_us
    return plain(named)


def plain(named: Row) -> Row:
    """Values as they compare: numbers whoever wrote them as text, no blanks around, statements without the `;` that
    MySQL's log puts behind each; without those that are NULL, empty, or the `-` that stands for none."""
    values = {name: number_or_text(value) for name, value in named.items() if value is not None}
    return {name: value for name, value in values.items() if value not in ("", "-")}


def number_or_text(value: object) -> object:
    if isinstance(value, bool):
        return value
    text = str(value).strip().removesuffix(";")
    try:
        return Decimal(text)
    except InvalidOperation:
        return text
