"""case.toml -> Case; every mistake in it gets its own message."""

import datetime as dt
import difflib
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FILE = "case.toml"
LARGEST = 10**9
ENDPOINT = re.compile(r"[A-Z]+ /\S*")


class CaseError(Exception):
    """A case that cannot be used as it is described."""


@dataclass(frozen=True)
class SourceSpec:
    """One or more files of one kind: `path` is relative to the case and may be a glob."""

    path: str
    format: str | None = None  # None: detected from content
    clock: str | None = None  # None: a clock of its own
    writer: str | None = None  # None: the file
    ordered_by: str | None = None  # writer | stamp
    lag_us: int | None = None  # None: the format's
    prefix: str | None = None  # PostgreSQL's log_line_prefix


@dataclass(frozen=True)
class Fields:
    """Keys under which the logs carry what a request is about, by whom, and its id."""

    entity: str | None = None
    user: str | None = None
    request_id: str | None = None


@dataclass(frozen=True)
class Window:
    """The instants that the report looks at, both ends inclusive; None is open."""

    since: dt.datetime | None = None
    until: dt.datetime | None = None


@dataclass(frozen=True)
class App:
    """The application under suspicion, for the re-enactment. Paths are relative to the case."""

    root: str
    settings: str | None = None  # None: what its manage.py names
    python: str | None = None  # the interpreter that has its packages; None: the kit's own
    setup: str = "setup.py"  # makes the rows and the requests
    endpoint: str | None = None  # "POST /pay/", accused by hand; None: the one that the logs accuse
    environment: Mapping[str, str] = field(default_factory=dict)  # what its settings need


@dataclass(frozen=True)
class Case:
    """One incident: where its evidence lies and how to read it."""

    folder: Path
    title: str
    sources: tuple[SourceSpec, ...]
    zone: str = "UTC"
    date: dt.date | None = None
    window: Window = field(default_factory=Window)
    fields: Fields = field(default_factory=Fields)
    deploys: tuple[str, ...] = ()
    repository: str | None = None
    app: App | None = None
    left_out: tuple[str, ...] = ()  # where no case.toml names them: the files that are not read, and why

    def files(self, spec: SourceSpec) -> list[Path]:
        """The files that a source names, sorted by path. Raises CaseError if there are none."""
        if Path(spec.path).is_absolute() or ".." in Path(spec.path).parts:
            raise CaseError(
                f"{self.folder}: source path {spec.path!r} leaves the case folder; put the file into it"
            )
        try:
            found = sorted(path for path in self.folder.glob(spec.path) if not path.is_dir())
        except (ValueError, NotImplementedError, OSError) as error:
            raise CaseError(f"{self.folder}: source {spec.path!r} is no path or glob: {error}") from error
        if not found:
            raise CaseError(
                f"{self.folder}: source {spec.path!r} names no file; check the path or glob in {FILE}"
            )
        return found


def read_case(folder: Path) -> Case:
    """The case that lies in `folder`, as its case.toml describes it.

    Raises: CaseError, naming the file, the key, what was wanted, what was there.
    """
    file = folder / FILE
    if not file.is_file():
        raise CaseError(
            f"{folder}: no {FILE}; `python -m analysis new {folder}` writes one from the logs in it"
        )
    try:
        given = tomllib.loads(file.read_text(encoding="utf-8"))
    except (
        ValueError,
        RecursionError,
    ) as error:  # no TOML, no UTF-8, a number without end, nesting without end
        raise CaseError(f"{file}: not valid TOML: {error}") from error
    reader = Reader(file, given, "")
    zone = zone_name(reader.text("zone") or "UTC", str(file))
    case = Case(
        folder=folder,
        title=reader.text("title") or folder.resolve().name,
        zone=zone,
        date=reader.day("date"),
        window=read_window(reader.section("window"), zone),
        fields=read_fields(reader.section("fields")),
        sources=tuple(read_source(part) for part in reader.sections("source")),
        deploys=reader.text_list("deploys"),
        repository=reader.text("repository"),
        app=read_app(reader),
    )
    reader.refuse_unknown()
    if not case.sources:
        raise CaseError(f"{file}: no [[source]]; name at least one log file")
    return case


def zone_name(name: str, place: str) -> str:
    """`name` if it is an IANA time zone. Raises CaseError."""
    try:
        ZoneInfo(name)
    except (
        ZoneInfoNotFoundError,
        ValueError,
        OSError,
        RecursionError,
    ) as error:  # a folder; a name too long; dots
        raise CaseError(f"{place}: zone {name!r} is not an IANA time zone such as 'Europe/Berlin'") from error
    return name


def utc(stamp: dt.datetime, zone: str) -> dt.datetime:
    """`stamp` as naive UTC; one without an offset is local to `zone`."""
    aware = stamp if stamp.tzinfo else stamp.replace(tzinfo=ZoneInfo(zone))
    return aware.astimezone(dt.UTC).replace(tzinfo=None)


def read_source(reader: "Reader") -> SourceSpec:
    path = reader.text("path")
    if path is None:
        raise CaseError(f"{reader.file}: {reader.place}has no path")
    ordered_by = reader.text("ordered_by")
    if ordered_by not in (None, "writer", "stamp"):
        raise CaseError(
            f"{reader.file}: {reader.place}ordered_by = {ordered_by!r}; it is 'writer' or 'stamp'"
        )
    lag_ms = reader.number("lag_ms")
    texts = reader.texts("format", "clock", "writer", "prefix")
    reader.refuse_unknown()
    lag_us = None if lag_ms is None else round(lag_ms * 1000)
    return SourceSpec(path=path, ordered_by=ordered_by, lag_us=lag_us, **texts)


def read_window(reader: "Reader", zone: str) -> Window:
    window = Window(since=reader.instant("since", zone), until=reader.instant("until", zone))
    reader.refuse_unknown()
    return window


def read_fields(reader: "Reader") -> Fields:
    fields = Fields(**reader.texts("entity", "user", "request_id"))
    reader.refuse_unknown()
    return fields


def read_app(reader: "Reader") -> App | None:
    if "app" not in reader.given:
        return None
    part = reader.section("app")
    root = part.text("root")
    if root is None:
        raise CaseError(f"{reader.file}: [app] has no root, the folder of the application")
    given = part.texts("settings", "python", "setup", "endpoint")
    if given["endpoint"] is not None and not ENDPOINT.fullmatch(given["endpoint"]):
        raise CaseError(
            f"{reader.file}: [app] endpoint = {given['endpoint']!r}; wanted a method and a path, such as "
            '"POST /jobs/7/done"'
        )
    environment = part.section("environment").every_text()
    part.refuse_unknown()
    return App(
        root=root, environment=environment, **{name: each for name, each in given.items() if each is not None}
    )


class Reader:
    """Takes typed values out of a TOML table and knows which keys nobody asked for."""

    def __init__(self, file: Path, given: Mapping[str, Any], place: str) -> None:
        self.file, self.given, self.place = file, given, place
        self.asked: set[str] = set()

    def value(self, key: str, wanted: type | tuple[type, ...], example: str) -> Any:
        self.asked.add(key)
        found = self.given.get(key)
        if found is None or (isinstance(found, wanted) and not isinstance(found, bool)):
            return found
        raise CaseError(f"{self.file}: {self.place}{key} = {found!r}; wanted {example}")

    def text(self, key: str) -> str | None:
        found: str | None = self.value(key, str, 'a text in quotes, such as "logs/app.log"')
        return found

    def texts(self, *keys: str) -> dict[str, Any]:
        return {key: self.text(key) for key in keys}

    def every_text(self) -> dict[str, str]:
        return {key: self.text(key) or "" for key in self.given}

    def number(self, key: str) -> float | None:
        found: float | None = self.value(key, (int, float), "a number")
        if found is not None and not -LARGEST <= found <= LARGEST:
            raise CaseError(
                f"{self.file}: {self.place}{key} = {found!r:.80}; wanted a number of at most {LARGEST}"
            )
        return found

    def text_list(self, key: str) -> tuple[str, ...]:
        found = self.value(key, (str, list), 'a path or a list of paths, such as "deploys.csv"')
        items = [found] if isinstance(found, str) else found or []
        if not all(isinstance(item, str) for item in items):
            raise CaseError(f"{self.file}: {self.place}{key} = {found!r}; wanted paths in quotes")
        return tuple(items)

    def day(self, key: str) -> dt.date | None:
        found = self.value(key, dt.date, "a date without quotes, such as 2026-03-11")
        return found.date() if isinstance(found, dt.datetime) else found

    def instant(self, key: str, zone: str) -> dt.datetime | None:
        found = self.value(key, dt.datetime, "a date and time without quotes, such as 2026-03-11T15:47:00Z")
        return None if found is None else utc(found, zone)

    def section(self, key: str) -> "Reader":
        found = self.value(key, dict, f"a table: [{key}]")
        return Reader(self.file, found or {}, f"[{key}] ")

    def sections(self, key: str) -> list["Reader"]:
        found = self.value(key, list, f"tables: [[{key}]]") or []
        return [
            Reader(self.file, part, f"[[{key}]] number {number} ") for number, part in enumerate(found, 1)
        ]

    def refuse_unknown(self) -> None:
        for key in self.given:
            if key not in self.asked:
                near = difflib.get_close_matches(key, self.asked, 1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(self.asked))}"
                raise CaseError(f"{self.file}: {self.place}unknown key {key!r}; {hint}")
