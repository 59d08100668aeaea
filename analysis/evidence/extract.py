"""A log format as SQL: records in, the columns of the promised tables out.

Only what a format file or case.toml says goes into the SQL, as quoted literals; log text is only ever a value.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from analysis.evidence.cells import added, csv_steps, w3c_steps
from analysis.evidence.colours import COLOURS
from analysis.evidence.format_file import Format, Inside, pointer
from analysis.evidence.layout import Cells, Layout, Steps, cut, literal, one_of
from analysis.evidence.levels import level_named
from analysis.evidence.sql import HEAD_LINE
from analysis.evidence.stamps import UNITS, duration_outputs, stamp_outputs
from analysis.evidence.wanted import find_wanted, other_fields, said

REGEX_CAP: Final = 1 << 16  # of a longer record a regex sees the beginning only

TEXTS: Final = (
    *("level", "logger", "process", "thread", "request_id", "trace_id", "message", "method", "path"),
    *("user_id", "client_ip", "entity", "session", "vxid", "sqlstate", "detail", "query"),
)
CANONICAL: Final = frozenset({*TEXTS, *UNITS, "logged_at", "status", "xid", "*"})
VERBATIM: Final = frozenset({"message", "path", "detail", "query"})  # where "-" is a text and not "none"

METHODS: Final = (
    *("GET", "POST", "PUT", "PATCH", "HEAD", "DELETE", "OPTIONS", "CONNECT", "TRACE"),
    *("PROPFIND", "PROPPATCH", "MKCOL", "COPY", "MOVE", "LOCK", "UNLOCK", "REPORT", "SEARCH", "PURGE"),
)
"""Source: RFC 9110, section 9; RFC 5789; RFC 4918, section 9."""


def to_select(fmt: Format, relation: str, wanted: Mapping[str, str]) -> str:
    """The SELECT that reads records of `fmt`.

    In:  relation: a name with a column text (CSV: and those of `cells.Cells`); its other columns pass through.
         wanted: entity, user_id, request_id -> the key that carries it in k=v pairs, JSON, CSV or a query string.
    Out: parsed, stamp_ok, zoned (logged_us is UTC, not a local reading), logged_us, resolution_us, the promised
         texts, message_length, status, xid, duration_us, duration_step_us, fields.
    """
    if fmt.items:  # see items.exploded: the object to read is not the text
        given = f"(SELECT * EXCLUDE (item) REPLACE (item AS text), text AS whole_text FROM {relation})"  # noqa: S608 - the caller's own name
        inner = to_select(replace(fmt, items=()), given, wanted)
        return f"SELECT * EXCLUDE (whole_text) REPLACE (whole_text AS text) FROM ({inner})"  # noqa: S608 - as below
    if fmt.json is not None:
        steps = _json(fmt.json, wanted, fmt.fold)
    elif fmt.csv is not None:
        steps = (w3c_steps if fmt.csv.directive else csv_steps)(fmt.csv, wanted)
    else:
        steps = _line(fmt)
    parsed = _parsed(steps, fmt)
    for number, inside in enumerate(fmt.insides):
        _look_inside(steps, fmt, inside, f"_i{number}_")
    _join_query(steps)
    known = dict(steps.values)
    leftover = find_wanted(steps, wanted, fmt.json is None and fmt.csv is None)
    if fmt.csv and fmt.csv.directive:
        leftover = "others"
    outputs = {"parsed": parsed} | stamp_outputs(steps, fmt.stamp) | duration_outputs(steps, fmt.duration)
    outputs |= {name: _text(name, steps.values.get(name)) for name in TEXTS}
    written = steps.values.get("level", "NULL")
    outputs["level"] = level_named(outputs["level"], written, fmt.level_names, steps.values.get("priority"))
    outputs["message_length"] = "NULL::INT"
    if "_line" in steps.levels[0] and "message" in steps.values:
        head = HEAD_LINE if fmt.whole or fmt.ansi else "_line"
        outputs["message_length"] = (
            f"CASE WHEN ends_with({head}, {outputs['message']}) THEN length({outputs['message']}) END"
        )
    outputs["status"] = f"TRY_CAST({steps.values.get('status', 'NULL')} AS INTEGER)"
    outputs["xid"] = f"TRY_CAST({steps.values.get('xid', 'NULL')} AS BIGINT)"
    outputs["fields"] = other_fields(known, CANONICAL | _hidden(fmt), leftover)
    return _select(relation, steps, outputs, added(fmt.csv) if fmt.csv else [])


def _select(relation: str, steps: Steps, outputs: Mapping[str, str], cells: Iterable[str]) -> str:
    query, internal = f"SELECT * FROM {relation}", [*cells]  # noqa: S608 - the caller's own name
    for level in steps.levels:
        query = f"SELECT *, {_named(level)} FROM ({query})"  # noqa: S608 - our own literals, see the module's docstring
        internal += level
    return f"SELECT * EXCLUDE ({', '.join(internal)}), {_named(outputs)} FROM ({query})"  # noqa: S608 - as above


def _named(columns: Mapping[str, str]) -> str:
    return ", ".join(f"{expression} AS {name}" for name, expression in columns.items())


def _text(name: str, value: str | None) -> str:
    if value is None:
        return "NULL::VARCHAR"
    if name == "logger":
        value = f"CASE WHEN ends_with({value}, ':') THEN rtrim({value}, ':') ELSE {value} END"
    return f"nullif({value}, '')" if name in VERBATIM else said(value)


def _all(conditions: Iterable[str]) -> str:
    return " AND ".join(f"coalesce({condition}, false)" for condition in conditions) or "true"


def _checks(fmt: Format, values: Mapping[str, str]) -> list[str]:
    """What the values of a line must look like: two formats may differ in nothing but that."""
    checks = []
    for name, value in values.items():
        if name == "level":
            known = [change(level) for change in (str, str.lower, str.capitalize) for level in fmt.levels]
            checks.append(one_of(value, dict.fromkeys(known)))
        elif name == "method":
            checks.append(one_of(value, METHODS))
        elif name == "status":
            checks.append(f"({value} = '-' OR length({value}) = 3 AND TRY_CAST({value} AS INTEGER) >= 0)")
        elif name in UNITS:
            checks.append(f"({value} = '-' OR TRY_CAST({value} AS DOUBLE) >= 0)")
    return checks + _matches(fmt, values)


def _parsed(steps: Steps, fmt: Format) -> str:
    """Whether a record fits; values of JSON and CSV are checked here, those of a text line have been."""
    if not (fmt.must or fmt.must_not) or not (fmt.json or fmt.csv):
        return "coalesce(_fit, false)"
    values = {
        name: f"coalesce({steps.values.get(name, 'NULL')}, '')" for name in {**fmt.must, **fmt.must_not}
    }
    steps.add(must=_all(["_fit", *_matches(fmt, values)]))
    return "_must"


def _matches(fmt: Format, values: Mapping[str, str]) -> list[str]:
    """Whether the values are what the format's `must` and `must_not` say."""
    return [
        f"{negated}regexp_full_match({values[name]}, {literal(regex)})"
        for negated, regexes in (("", fmt.must), ("NOT ", fmt.must_not))
        for name, regex in regexes.items()
        if name in values
    ]


def _line(fmt: Format) -> Steps:
    """A text line, taken apart."""
    steps = Steps("_")
    line = "text" if fmt.whole or not fmt.fold else HEAD_LINE
    if fmt.ansi:
        plain = f"regexp_replace({line}, {literal(COLOURS)}, '', 'g')"
        line = f"CASE WHEN contains({line}, chr(27)) THEN {plain} ELSE {line} END"
    steps.add(line=line)
    steps.values = _take(steps, fmt, (fmt.layout, fmt.regex), "_line", "_m_")
    steps.add(fit="_m_fit")
    return steps


def _look_inside(steps: Steps, fmt: Format, inside: Inside, prefix: str) -> None:
    """Where the inside fits its field, its values come before those of the line."""
    subject = steps.values.get(inside.field)
    if subject is None:
        return
    found = _take(steps, fmt, (inside.layout, inside.regex), subject, prefix, steps.cells.get(inside.field))
    for name, value in found.items():
        outer = steps.values.get(name, "NULL")
        steps.add(
            **{f"{prefix[1:]}v_{_column(name)}": f"CASE WHEN {prefix}fit THEN {value} ELSE {outer} END"}
        )
        steps.values[name] = f"{prefix}v_{_column(name)}"


def _take(
    steps: Steps,
    fmt: Format,
    how: tuple[Layout | None, str | None],
    subject: str,
    prefix: str,
    known: Cells | None = None,
) -> dict[str, str]:
    """Add the steps that take `subject` apart by a layout, and by a regex where there is none or it does not fit.

    Out: field -> column; `{prefix}fit` says whether they mean something.
    """
    layout, regex = how
    own = Steps(prefix, steps.levels)
    values: dict[str, str] = {}
    if layout is not None:
        found = cut(layout, subject, prefix, known)
        steps.levels += found.levels
        steps.cells |= found.cells
        own.add(**{f"f_{_column(name)}": value for name, value in found.values.items()})
        values = {name: f"{prefix}f_{_column(name)}" for name in found.values}
        own.add(**{"fit" if regex is None else "cut": _all([*found.fits, *_checks(fmt, values)])})
    if regex is None:
        return values
    names = list(re.compile(regex).groupindex)
    call = f"regexp_extract(left({subject}, {REGEX_CAP}), {literal(regex)}, {list(names)})"
    own.add(match=call if layout is None else f"CASE WHEN NOT {prefix}cut THEN {call} END")
    matched = {name: f"{prefix}match.{name}" for name in names}
    fits = _all([f"concat({', '.join(matched.values())}) <> ''", *_checks(fmt, matched)])
    if layout is None:
        own.add(fit=fits)
        return matched
    both = {
        name: f"CASE WHEN {prefix}cut THEN {values.get(name, 'NULL')} ELSE {matched.get(name, 'NULL')} END"
        for name in {**values, **matched}
    }
    own.add(fit=f"{prefix}cut OR {fits}", **{f"b_{_column(name)}": value for name, value in both.items()})
    return {name: f"{prefix}b_{_column(name)}" for name in both}


def _json(named: Mapping[str, tuple[str, ...]], wanted: Mapping[str, str], several_lines: bool) -> Steps:
    """A JSON object a record: the first of a field's pointers that leads somewhere.

    from_json and not a list of pointers: it goes over the object once, whatever the number of names. An object over
    several lines stands in a printed list, whose comma follows it.
    """
    pointers = {name: list(places) for name, places in named.items()}
    for name, key in wanted.items():
        pointers[name] = [pointer(key), *pointers.get(name, [])]
    tops = dict.fromkeys(_top(place) for places in pointers.values() for place in places)
    keys = {key.lower(): key for key in reversed(tops)}  # DuckDB takes a and A for one name
    structure = literal(json.dumps(dict.fromkeys(keys.values(), "VARCHAR")))
    steps = Steps("_")
    text = "text"
    if several_lines:
        steps.add(object="rtrim(rtrim(text), ',')")
        text = "_object"
    is_object = f"(starts_with({text}, '{{') OR starts_with(ltrim({text}), '{{'))"
    steps.add(cells=f"CASE WHEN {is_object} THEN TRY(from_json({text}, {structure})) END")
    values = {name: [_at(place, keys, text) for place in places] for name, places in pointers.items()}
    steps.add(
        fit="_cells IS NOT NULL",
        **{f"f_{name}": f"coalesce({', '.join(each)})" for name, each in values.items()},
    )
    steps.values = {name: f"_f_{name}" for name in pointers}
    return steps


def _at(place: str, keys: Mapping[str, str], text: str) -> str:
    """What a pointer leads to in `_cells`, which holds the outermost values of `keys`."""
    key, deeper = _top(place), place[1:].partition("/")[2]
    if keys[key.lower()] != key:
        return f"TRY(json_extract_string({text}, {literal(place)}))"
    cell = f"struct_extract(_cells, {literal(key)})"
    if not deeper:
        return cell
    return f"CASE WHEN starts_with({cell}, '{{') THEN TRY(json_extract_string({cell}, {literal('/' + deeper)})) END"


def _top(place: str) -> str:
    """The outermost key of a JSON pointer."""
    return place[1:].partition("/")[0].replace("~1", "/").replace("~0", "~")


def _join_query(steps: Steps) -> None:
    """A query string that stands in a field of its own, `uri_query`, belongs to the path."""
    query = steps.values.pop("uri_query", None)
    if query is not None and "path" in steps.values:
        path = steps.values["path"]
        steps.add(asked=f"{path} || coalesce('?' || {said(query)}, '')")
        steps.values["path"] = "_asked"


def _hidden(fmt: Format) -> set[str]:
    """Fields that are there for a second look only."""
    layouts = [fmt.layout, *(inside.layout for inside in fmt.insides)]
    return {each.name for layout in layouts if layout for each in layout.fields if each.mark == "?"}


def _column(name: str) -> str:
    return "pairs" if name == "*" else name
