"""A log format as SQL: records in, the columns of the promised tables out.

Only what a format file or case.toml says goes into the SQL, as quoted literals; log text is only ever a value.
"""

import csv
import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

import pyarrow as pa

from analysis.evidence.format_file import Csv, Format, Inside, pointer
from analysis.evidence.layout import Cells, Layout, Steps, cut, literal, one_of
from analysis.evidence.sql import HEAD_LINE
from analysis.evidence.stamps import UNITS, duration_outputs, stamp_outputs
from analysis.evidence.wanted import find_wanted, first_said, other_fields, said

CELL_CAP: Final = 1 << 22
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

    In:  relation: a name with a column text (CSV: and those of `csv_columns`); its other columns pass through.
         wanted: entity, user_id, request_id -> the key that carries it in k=v pairs, JSON, CSV or a query string.
    Out: parsed, stamp_ok, zoned (logged_us is UTC, not a local reading), logged_us, resolution_us, the promised
         texts, message_length, status, xid, duration_us, duration_step_us, fields.
    """
    if fmt.json is not None:
        steps = _json(fmt.json, wanted)
    elif fmt.csv is not None:
        steps = _csv(fmt.csv, wanted)
    else:
        steps = _line(fmt)
    for number, inside in enumerate(fmt.insides):
        _look_inside(steps, fmt, inside, f"_i{number}_")
    known = dict(steps.values)
    leftover = find_wanted(steps, wanted, fmt.json is None and fmt.csv is None)
    outputs = {"parsed": "coalesce(_fit, false)"} | stamp_outputs(steps, fmt.stamp) | duration_outputs(steps)
    outputs |= {name: _text(name, steps.values.get(name)) for name in TEXTS}
    outputs["message_length"] = "NULL::INT"
    if "_line" in steps.levels[0] and "message" in steps.values:
        head = HEAD_LINE if fmt.whole else "_line"
        outputs["message_length"] = (
            f"CASE WHEN ends_with({head}, {outputs['message']}) THEN length({outputs['message']}) END"
        )
    outputs["status"] = f"TRY_CAST({steps.values.get('status', 'NULL')} AS INTEGER)"
    outputs["xid"] = f"TRY_CAST({steps.values.get('xid', 'NULL')} AS BIGINT)"
    outputs["fields"] = other_fields(known, CANONICAL | _hidden(fmt), leftover)
    cells = [*(f"c{number}" for number in range(len(fmt.csv.columns))), "cells"] if fmt.csv else []
    return _select(relation, steps, outputs, cells)


def csv_columns(records: pa.RecordBatch, fmt: Format) -> pa.RecordBatch:
    """`records` with the cells of their text: c0, c1, … and `cells`, how many there are (NULL: not CSV).

    Each record is read alone, so a bad one cannot shift the others.
    Source: RFC 4180; Python's csv module in its strict mode.
    """
    if fmt.csv is None:
        raise TypeError(f"{fmt.name} is no CSV format")
    csv.field_size_limit(CELL_CAP)
    width = len(fmt.csv.columns)
    rows = [cells_of(text, fmt.csv.delimiter) for text in records.column("text").to_pylist()]
    counts = pa.array([None if row is None else len(row) for row in rows], pa.int32())
    padding: list[str | None] = [None] * width
    cells = list(zip(*[[*(row or ()), *padding][:width] for row in rows], strict=True)) or [()] * width
    columns = {f"c{number}": pa.array(column, pa.string()) for number, column in enumerate(cells)}
    return pa.RecordBatch.from_arrays(
        [*records.columns, *columns.values(), counts], [*records.schema.names, *columns, "cells"]
    )


def cells_of(text: str, delimiter: str) -> list[str] | None:
    """The cells of one CSV record, None where it is not CSV."""
    try:
        return next(csv.reader((text,), strict=True, delimiter=delimiter))
    except csv.Error:
        return None


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
        if fmt.must and name in fmt.must:
            checks.append(f"regexp_full_match({value}, {literal(fmt.must[name])})")
    return checks


def _line(fmt: Format) -> Steps:
    """A text line, taken apart."""
    steps = Steps("_")
    steps.add(line="text" if fmt.whole or not fmt.fold else HEAD_LINE)
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


def _json(named: Mapping[str, tuple[str, ...]], wanted: Mapping[str, str]) -> Steps:
    """A JSON object a record: the first of a field's pointers that leads somewhere.

    from_json and not a list of pointers: it goes over the object once, whatever the number of names.
    """
    pointers = {name: list(places) for name, places in named.items()}
    for name, key in wanted.items():
        pointers[name] = [pointer(key), *pointers.get(name, [])]
    tops = dict.fromkeys(_top(place) for places in pointers.values() for place in places)
    keys = {key.lower(): key for key in reversed(tops)}  # DuckDB takes a and A for one name
    structure = literal(json.dumps(dict.fromkeys(keys.values(), "VARCHAR")))
    steps = Steps("_")
    is_object = "(starts_with(text, '{') OR starts_with(ltrim(text), '{'))"
    steps.add(cells=f"CASE WHEN {is_object} THEN TRY(from_json(text, {structure})) END")
    values = {name: [_at(place, keys) for place in places] for name, places in pointers.items()}
    steps.add(
        fit="_cells IS NOT NULL",
        **{f"f_{name}": f"coalesce({', '.join(each)})" for name, each in values.items()},
    )
    steps.values = {name: f"_f_{name}" for name in pointers}
    return steps


def _at(place: str, keys: Mapping[str, str]) -> str:
    """What a pointer leads to in `_cells`, which holds the outermost values of `keys`."""
    key, deeper = _top(place), place[1:].partition("/")[2]
    if keys[key.lower()] != key:
        return f"TRY(json_extract_string(text, {literal(place)}))"
    cell = f"struct_extract(_cells, {literal(key)})"
    if not deeper:
        return cell
    return f"CASE WHEN starts_with({cell}, '{{') THEN TRY(json_extract_string({cell}, {literal('/' + deeper)})) END"


def _top(place: str) -> str:
    """The outermost key of a JSON pointer."""
    return place[1:].partition("/")[0].replace("~1", "/").replace("~0", "~")


def _csv(columns: Csv, wanted: Mapping[str, str]) -> Steps:
    """A CSV record, by the cells that `csv_columns` made of it. A repeated header line is no record."""
    steps, names = Steps("_"), columns.columns
    places = {name.strip().lower(): f"c{number}" for number, name in enumerate(names)}
    if columns.named is None:
        steps.values = {name: place for name, place in places.items() if name != "_"}
        is_header = "false"
    else:
        same = [f"coalesce(c{i}, '') = {literal(name)}" for i, name in enumerate(names)]
        is_header = " AND ".join(same) or "false"
        steps.values = dict(places)
        for name, given in columns.named.items():
            found = [steps.values.pop(each) for each in given if each in steps.values]
            if found:
                steps.values[name] = first_said(found)
    for name, key in wanted.items():
        if key.lower() in places:
            steps.values.pop(key.lower(), None)
            steps.values[name] = places[key.lower()]
    steps.add(fit=f"cells BETWEEN {len(names) - columns.optional} AND {len(names)} AND NOT ({is_header})")
    return steps


def _hidden(fmt: Format) -> set[str]:
    """Fields that are there for a second look only."""
    layouts = [fmt.layout, *(inside.layout for inside in fmt.insides)]
    return {each.name for layout in layouts if layout for each in layout.fields if each.mark == "?"}


def _column(name: str) -> str:
    return "pairs" if name == "*" else name
