"""A format file, read and checked: TOML -> Format."""

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from analysis.evidence.layout import Layout, LayoutError, read_layout
from analysis.evidence.split import BadHead, EveryLine, Head, Mask, Pattern, Quoted
from analysis.evidence.stamps import EPOCHS, Stamp

KINDS: Final = ("access", "app", "database", "generic")
MARKS: Final = ("start", "finish", "instant", "unknown")
NEEDED: Final = ("title", "url", "kind", "head", "fold", "stamp", "sample", "foreign")
HOW: Final = ("layout", "regex", "json", "csv")
KEYS: Final = {*NEEDED, *HOW, "inside", "must", "levels", "whole", "explicit"}
STAMP_KEYS: Final = {"format", "marks", "resolution_us", "lag_us", "zone"}
CSV_KEYS: Final = {"columns", "optional", "delimiter", "header", "map"}
SAMPLE_KEYS: Final = {"line", "row", "source", "wanted", "header"}
NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


LEVELS: Final = (
    *("TRACE", "DEBUG", "VERBOSE", "INFO", "NOTICE", "SUCCESS", "WARN", "WARNING", "ERR", "ERROR", "CRIT"),
    *("CRITICAL", "ALERT", "EMERG", "SEVERE", "FATAL", "PANIC", "LOG"),
)


class FormatError(ValueError):
    """A format file that says too little, something unknown, or something its own samples contradict."""


@dataclass(frozen=True)
class Csv:
    """The columns of a CSV format, in order; of the last ones `optional` many may be absent.

    named: field -> the names that a header line may give its column; then `columns` are the header's, once known.
    """

    columns: tuple[str, ...] = ()
    optional: int = 0
    delimiter: str = ","
    named: Mapping[str, tuple[str, ...]] | None = None


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
    layout: Layout | None = None
    regex: str | None = None
    json: Mapping[str, tuple[str, ...]] | None = None
    csv: Csv | None = None
    insides: tuple[Inside, ...] = ()
    must: Mapping[str, str] | None = None  # field -> regex that its value must match in full
    levels: tuple[str, ...] = LEVELS
    whole: bool = False  # layout and regex see the continuation lines too
    explicit: bool = False  # looks like another format: chosen by name only
    samples: tuple[Sample, ...] = ()
    foreign: tuple[str, ...] = ()

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
    except (FormatError, LayoutError, BadHead) as error:
        raise FormatError(f"{where}: {error}") from error
    except (TypeError, AttributeError, KeyError) as error:
        raise FormatError(f"{where}: a value has the wrong type: {error}") from error


def _format(name: str, data: Mapping[str, Any]) -> Format:
    _known(data, KEYS, "")
    missing = [key for key in NEEDED if not data.get(key) and data.get(key) is not False]
    if missing:
        raise FormatError(f"lacks {', '.join(missing)}")
    how = [key for key in HOW if key in data]
    if len(how) != 1 and how != ["layout", "regex"]:
        raise FormatError(
            f"wants one of {', '.join(HOW)} (a layout may have a regex beside it); has {how or 'none'}"
        )
    _one_of(data["kind"], KINDS, "kind")
    return Format(
        name=name,
        title=data["title"],
        url=data["url"],
        kind=data["kind"],
        head=_head(data["head"]),
        fold=data["fold"],
        stamp=_stamp(data["stamp"]),
        layout=read_layout(data["layout"]) if "layout" in data else None,
        regex=_regex(data.get("regex")),
        json=_json(data["json"]) if "json" in data else None,
        csv=_csv(data["csv"]) if "csv" in data else None,
        insides=tuple(map(_inside, data.get("inside", ()))),
        must=data.get("must"),
        levels=tuple(data.get("levels", LEVELS)),
        whole=data.get("whole", False),
        explicit=data.get("explicit", False),
        samples=tuple(map(_sample, data["sample"])),
        foreign=tuple(each["line"] for each in data["foreign"]),
    )


def _known(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise FormatError(f"{where}unknown key {', '.join(unknown)}; known: {', '.join(sorted(keys))}")


def _one_of(value: Any, words: Iterable[str], what: str) -> None:
    if value not in words:
        raise FormatError(f"{what} = {value!r}; wanted one of {', '.join(words)}")


def _head(given: Any) -> Head:
    match given:
        case "line":
            return EveryLine()
        case "csv":
            return Quoted()
        case {"mask": [*masks]} if len(given) == 1:
            return Mask(tuple(masks))
        case {"regex": str(regex)} if len(given) == 1:
            return Pattern(regex)
    raise FormatError(
        f'head = {given!r}; wanted "line", "csv", {{mask = ["dddd-dd-dd"]}} or {{regex = "^…"}}'
    )


def _stamp(given: Mapping[str, Any]) -> Stamp:
    _known(given, STAMP_KEYS, "[stamp] ")
    missing = sorted(STAMP_KEYS - {"zone"} - set(given))
    if missing:
        raise FormatError(f"[stamp] lacks {', '.join(missing)}")
    stamp = Stamp(**given)
    _one_of(stamp.marks, MARKS, "[stamp] marks")
    if stamp.format not in {"iso", "time", "any", *EPOCHS} and "%" not in stamp.format:
        raise FormatError(
            f"[stamp] format = {stamp.format!r}; wanted iso, time, any, {', '.join(EPOCHS)} or a strptime one"
        )
    if not (stamp.resolution_us >= 1 and stamp.lag_us >= 0):
        raise FormatError("[stamp] resolution_us must be at least 1 and lag_us at least 0")
    return stamp


def _regex(given: str | None) -> str | None:
    """Raises: FormatError where a group has no name, since groups become fields by their names."""
    if given is None:
        return None
    try:
        groups = re.compile(given)
    except re.error as error:
        raise FormatError(f"regex {given!r}: {error}") from error
    _names(groups.groupindex)
    if not groups.groups or groups.groups != len(groups.groupindex):
        raise FormatError(f"regex {given!r}: each group must be named (?P<name>…) or not be one (?:…)")
    return given


def _names(names: Iterable[str]) -> None:
    for name in names:
        if not NAME.fullmatch(name):
            raise FormatError(f"field {name!r}: wanted small letters, digits and _")


def _several(given: str | list[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _json(given: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    _names(given)
    return {name: tuple(map(pointer, _several(places))) for name, places in given.items()}


def _csv(given: Mapping[str, Any]) -> Csv:
    _known(given, CSV_KEYS, "[csv] ")
    shared = {key: given[key] for key in ("optional", "delimiter") if key in given}
    if given.get("header"):
        named = {
            name: tuple(each.lower() for each in _several(names)) for name, names in given["map"].items()
        }
        _names(named)
        return Csv(named=named, **shared)
    if not given.get("columns"):
        raise FormatError("[csv] wants columns = […], or header = true and [csv.map]")
    _names(name for name in given["columns"] if name != "_")
    return Csv(tuple(given["columns"]), **shared)


def _inside(given: Mapping[str, Any]) -> Inside:
    _known(given, {"field", "layout", "regex"}, "[[inside]] ")
    if "field" not in given or len(given) == 1:
        raise FormatError("[[inside]] wants field, and layout or regex")
    layout = read_layout(given["layout"]) if "layout" in given else None
    return Inside(given["field"], layout, _regex(given.get("regex")))


def _sample(given: Mapping[str, Any]) -> Sample:
    _known(given, SAMPLE_KEYS, "[[sample]] ")
    missing = sorted({"line", "row", "source"} - set(given))
    if missing:
        raise FormatError(f"[[sample]] lacks {', '.join(missing)}")
    return Sample(given["line"], given["row"], given.get("wanted", {}), given.get("header", ""))


def pointer(key: str) -> str:
    """A JSON pointer to a key of the outermost object; a pointer stays what it is. Source: RFC 6901, section 3."""
    return key if key.startswith("/") else "/" + key.replace("~", "~0").replace("/", "~1")
