"""A format file, read and checked: TOML -> Format."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from analysis.evidence.format_parts import (
    FormatError,
    known,
    must,
    names,
    one_of,
    pointer,
    regex,
    several,
    switches,
    table,
    texts,
)
from analysis.evidence.layout import Layout, LayoutError, read_layout
from analysis.evidence.pg_prefix import LEVELS as PG_LEVELS
from analysis.evidence.pg_prefix import BadPrefix, read_prefix
from analysis.evidence.split import BadHead, EveryLine, Head, Mask, Pattern, Quoted
from analysis.evidence.stamps import EPOCHS, UNITS, Stamp, Sum

__all__ = ["Csv", "Format", "FormatError", "Inside", "Sample", "load", "pointer"]

KINDS: Final = ("access", "app", "database", "generic")
MARKS: Final = ("start", "finish", "instant", "unknown")
NEEDED: Final = ("title", "url", "kind", "head", "fold", "stamp", "sample", "foreign")
WRAPPABLE: Final = ("message",)
HOW: Final = ("layout", "regex", "json", "csv")
MAY: Final = (
    *("duration", "inside", "must", "must_not", "levels", "level_names"),
    *("ansi", "whole", "explicit", "wraps", "prefix", "items"),
)
SWITCHES: Final = ("fold", "whole", "explicit", "ansi")
KEYS: Final = {*NEEDED, *HOW, *MAY}
TEXTS: Final = ("title", "url", "layout", "regex", "prefix")
STAMP_KEYS: Final = {"format", "marks", "resolution_us", "lag_us", "zone", "inherit"}
SAMPLE_KEYS: Final = {"line", "row", "source", "wanted", "header"}
LEVELS: Final = (
    *("TRACE", "DEBUG", "VERBOSE", "INFO", "NOTICE", "SUCCESS", "WARN", "WARNING", "ERR", "ERROR", "CRIT"),
    *("CRITICAL", "ALERT", "EMERG", "SEVERE", "FATAL", "PANIC", "LOG"),
)


@dataclass(frozen=True)
class Csv:
    """The columns of a CSV format, in order; of the last ones `optional` many may be absent.

    named: field -> the names that a header line may give its column; then `columns` are the header's, once known.
    directive: such a header line begins with it, may come again with other names, and lines that begin with its first
    character are no records. There a name may be several joined by +.
    """

    columns: tuple[str, ...] = ()
    optional: int = 0
    delimiter: str = ","
    named: Mapping[str, tuple[str, ...]] | None = None
    directive: str = ""


@dataclass(frozen=True)
class Inside:
    """A second look into a field, where it fits."""

    field: str
    layout: Layout | None
    regex: str | None


@dataclass(frozen=True)
class Sample:
    """A record that a format must parse, and what of its row must come out."""

    line: str
    row: Mapping[str, Any]
    wanted: Mapping[str, str]
    header: str
    source: str


@dataclass(frozen=True)
class Format:
    """A log format. Layout (which a regex may help out), regex, json or csv says how a record is taken apart."""

    name: str
    title: str
    url: str
    kind: str
    head: Head
    fold: bool
    stamp: Stamp
    duration: Sum | None = None  # of a duration that is written in parts
    layout: Layout | None = None
    regex: str | None = None
    json: Mapping[str, tuple[str, ...]] | None = None
    csv: Csv | None = None
    insides: tuple[Inside, ...] = ()
    # field -> regex that its whole value ("" where there is none) must match, and must not
    must: Mapping[str, str] = field(default_factory=dict)
    must_not: Mapping[str, str] = field(default_factory=dict)
    levels: tuple[str, ...] = LEVELS
    # what the log writes -> the level that it means
    level_names: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False  # layout and regex see the continuation lines too
    ansi: bool = False  # layout and regex see the line without its colours
    explicit: bool = False  # looks like another format: chosen by name only
    wraps: str | None = None  # the field that holds a line which somebody else wrote, if any
    # JSON: the keys that lead to the lists whose elements are the records of a line
    items: tuple[str, ...] = ()
    samples: tuple[Sample, ...] = ()
    foreign: tuple[str, ...] = ()

    @property
    def is_table(self) -> bool:
        """Whether a record is more than its text: what a line is lies in the file around it."""
        return self.csv is not None or bool(self.items)

    @property
    def carries_zone(self) -> bool:
        """Whether each stamp is an instant. If not, the output column `zoned` says it of each record."""
        return self.stamp.always_zoned


def load(path: Path) -> Format:
    """Read a format file; its samples are not proved here.

    Raises: FormatError, naming the file and what to mend.
    """
    where = path.name
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise FormatError(f"{where}: is not TOML: {error}") from error
    try:
        return _format(path.stem, data)
    except (FormatError, LayoutError, BadHead, BadPrefix) as error:
        raise FormatError(f"{where}: {error}") from error
    except (TypeError, AttributeError, KeyError) as error:
        raise FormatError(f"{where}: a value has the wrong type: {error}") from error


def _format(name: str, data: Mapping[str, Any]) -> Format:
    known(data, KEYS, "")
    texts(data, "", TEXTS, ("levels", "items"), ("must", "must_not", "level_names"))
    data = _by_prefix(data) if "prefix" in data else data
    missing = [key for key in NEEDED if not data.get(key) and data.get(key) is not False]
    if missing:
        raise FormatError(f"lacks {', '.join(missing)}")
    how = [key for key in HOW if key in data]
    if len(how) != 1 and how != ["layout", "regex"]:
        raise FormatError(
            f"wants one of {', '.join(HOW)} (a layout may have a regex beside it); has {how or 'none'}"
        )
    one_of(data["kind"], KINDS, "kind")
    switches(data, SWITCHES)
    return Format(
        name=name,
        title=data["title"],
        url=data["url"],
        kind=data["kind"],
        head=_head(data["head"]),
        fold=data["fold"],
        stamp=_stamp(data["stamp"]),
        duration=_duration(data["duration"]) if "duration" in data else None,
        layout=read_layout(data["layout"]) if "layout" in data else None,
        regex=regex(data.get("regex")),
        json=_json(data["json"]) if "json" in data else None,
        csv=_csv(data["csv"]) if "csv" in data else None,
        insides=tuple(map(_inside, data.get("inside", ()))),
        must=must(data, "must"),
        must_not=must(data, "must_not"),
        levels=tuple(data.get("levels", data.get("level_names", LEVELS))),
        level_names=data.get("level_names", {}),
        ansi=data.get("ansi", False),
        whole=data.get("whole", False),
        explicit=data.get("explicit", False),
        wraps=_wraps(data.get("wraps")),
        items=tuple(data.get("items", ())),
        samples=tuple(map(_sample, data["sample"])),
        foreign=tuple(map(_foreign, data["foreign"])),
    )


def with_prefix(fmt: Format, prefix: str) -> Format:
    """A PostgreSQL stderr format for another log_line_prefix. Raises: BadPrefix."""
    found = read_prefix(prefix)
    stamp = replace(fmt.stamp, format=found.stamp_format, resolution_us=found.resolution_us)
    return replace(fmt, head=Pattern(found.head), stamp=stamp, layout=None, regex=found.regex)


def _by_prefix(data: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a format that `prefix` stands for, with those that it has itself. Raises: BadPrefix."""
    found = read_prefix(data["prefix"])
    stamp = {"format": found.stamp_format, "resolution_us": found.resolution_us, **data.get("stamp", {})}
    meant = {
        "head": {"regex": found.head},
        "regex": found.regex,
        "fold": True,
        "whole": True,
        "levels": PG_LEVELS,
    }
    return {**meant, **data, "stamp": stamp}


def _head(given: Any) -> Head:
    match given:
        case "line":
            return EveryLine()
        case "csv":
            return Quoted()
        case {"mask": [*masks]} if len(given) == 1:
            return Mask(tuple(masks))
        case {"regex": str(pattern)} if len(given) == 1:
            return Pattern(pattern)
    raise FormatError(
        f'head = {given!r}; wanted "line", "csv", {{mask = ["dddd-dd-dd"]}} or {{regex = "^…"}}'
    )


def _duration(given: Mapping[str, Any]) -> Sum:
    known(given, {"sum", "unit"}, "[duration] ")
    one_of(given.get("unit"), UNITS, "[duration] unit")
    parts = given.get("sum")
    if not isinstance(parts, list) or len(parts) < 2:
        raise FormatError(f"[duration] sum = {parts!r}; wanted two or more fields, all of one unit")
    names(parts)
    return Sum(tuple(parts), given["unit"])


def _stamp(given: Mapping[str, Any]) -> Stamp:
    known(given, STAMP_KEYS, "[stamp] ")
    missing = sorted(STAMP_KEYS - {"zone", "inherit"} - set(given))
    if missing:
        raise FormatError(f"[stamp] lacks {', '.join(missing)}")
    stamp = Stamp(**given)
    one_of(stamp.marks, MARKS, "[stamp] marks")
    if stamp.format not in {"iso", "time", "any", "none", *EPOCHS} and "%" not in stamp.format:
        raise FormatError(
            f"[stamp] format = {stamp.format!r}; wanted iso, time, any, none, {', '.join(EPOCHS)} or a strptime one"
        )
    if not (stamp.resolution_us >= 1 and stamp.lag_us >= 0):
        raise FormatError("[stamp] resolution_us must be at least 1 and lag_us at least 0")
    return stamp


def _wraps(given: str | None) -> str | None:
    if given is not None:
        one_of(given, WRAPPABLE, "wraps")
    return given


def _json(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    names(given)
    return {name: tuple(map(pointer, several(places))) for name, places in given.items()}


def _csv(given: Mapping[str, Any]) -> Csv:
    table(given)
    shared = {key: given[key] for key in ("optional", "delimiter") if key in given}
    if header := given.get("header"):
        named = {name: tuple(each.lower() for each in several(cells)) for name, cells in given["map"].items()}
        names(named)
        directive = "" if header is True else header
        return Csv(named=named, directive=directive, **shared)
    names(name for name in given["columns"] if name != "_")
    return Csv(tuple(given["columns"]), **shared)


def _inside(given: Mapping[str, Any]) -> Inside:
    known(given, {"field", "layout", "regex"}, "[[inside]] ")
    if "field" not in given or len(given) == 1:
        raise FormatError("[[inside]] wants field, and layout or regex")
    texts(given, "[[inside]] ", given)
    layout = read_layout(given["layout"]) if "layout" in given else None
    return Inside(given["field"], layout, regex(given.get("regex")))


def _sample(given: Mapping[str, Any]) -> Sample:
    known(given, SAMPLE_KEYS, "[[sample]] ")
    missing = sorted({"line", "row", "source"} - set(given))
    if missing:
        raise FormatError(f"[[sample]] lacks {', '.join(missing)}")
    texts(given, "[[sample]] ", ("line", "header", "source"), named=("wanted",))
    if not isinstance(given["row"], dict):
        raise FormatError(f"[[sample]] row = {given['row']!r}; wanted a table of what is read")
    return Sample(
        given["line"], given["row"], given.get("wanted", {}), given.get("header", ""), given["source"]
    )


def _foreign(given: Mapping[str, Any]) -> str:
    texts(given, "[[foreign]] ", ("line",))
    return str(given["line"])
