"""Records of a table, CSV or W3C log -> their cells as Arrow columns, and the SQL that reads these.

Each record is read alone, so a bad one cannot shift the others; of a W3C log the last `#Fields:` line before it says
which cell is what.
"""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pyarrow as pa

from analysis.evidence.format_file import Csv, Format, pointer
from analysis.evidence.layout import Steps, literal
from analysis.evidence.wanted import first_said

CELL_CAP: Final = 1 << 22
SAYS_NOTHING: Final = ("", "-")
AS_JSON: Final = json.JSONEncoder().encode
A_DIRECTIVE: Final = "the line is a directive: it says how the lines after it are read"

OTHER_WIDTH: Final = "the record does not have as many values as the directive before it names"

Row = Sequence[str | None]


class Cells:
    """The cells of one file's records, to be asked for batch after batch in the order of the file."""

    def __init__(self, fmt: Format) -> None:
        if fmt.csv is None:
            raise TypeError(f"{fmt.name} is no CSV format")
        self.csv = fmt.csv
        self.fields = Fields(fmt.csv, fmt.csv.columns)

    def of(self, records: pa.RecordBatch) -> pa.RecordBatch:
        """`records` with the cells of their text: c0, c1, … and `cells`, how many there are (NULL: no record).

        W3C: c0, c1, … are the fields that the format names, `others` the other cells as JSON members with a comma
        before each, `reason` why a line is no record.
        Source: RFC 4180; Python's csv module in its strict mode.
        """
        texts = records.column("text").to_pylist()
        if self.csv.directive:
            return self._w3c(records, texts)
        width = len(self.csv.columns)
        rows = [cells_of(text, self.csv.delimiter) for text in texts]
        padding: list[str | None] = [None] * width
        padded = ([*(row or ()), *padding][:width] for row in rows)
        return _with_cells(records, width, padded, [None if row is None else len(row) for row in rows])

    def _w3c(self, records: pa.RecordBatch, texts: Iterable[str]) -> pa.RecordBatch:
        width = len(self.csv.named or ())
        nothing: Row = [None] * width
        found: list[tuple[Row, int | None, str, str | None]] = []
        for text in texts:
            if is_directive(self.csv, text):
                self.fields = self.fields.after(text)
                found.append((nothing, None, "", A_DIRECTIVE))
                continue
            cells = w3c_cells(text, self.csv.delimiter, len(self.fields.names))
            if cells is None:
                found.append((nothing, None, "", OTHER_WIDTH))
            else:
                found.append((self.fields.named(cells), width, self.fields.others(cells), None))
        rows, counts, others, reasons = zip(*found, strict=True) if found else ((), (), (), ())
        batch = _with_cells(records, width, rows, counts)
        return batch.append_column("others", pa.array(others, pa.string())).append_column(
            "reason", pa.array(reasons, pa.string())
        )


class Fields:
    """What the cells of a W3C log are until the next directive.

    Source: W3C, Extended Log File Format, WD-logfile-960323.
    """

    def __init__(self, csv: Csv, names: tuple[str, ...]) -> None:
        self.csv, self.names = csv, names
        places = {name.lower(): place for place, name in enumerate(names)}
        self.of_named = [
            [
                [places[part] for part in each.split("+")]
                for each in given
                if places.keys() >= {*each.split("+")}
            ]
            for given in (csv.named or {}).values()
        ]
        taken = {place for given in self.of_named for each in given for place in each}
        self.of_others = [(place, AS_JSON(name)) for name, place in places.items() if place not in taken]

    def after(self, directive: str) -> "Fields":
        """The fields that hold behind a directive, which may be another one (#Date:, #Software:)."""
        names = names_in(self.csv, directive)
        return self if names is None else Fields(self.csv, names)

    def named(self, cells: Sequence[str]) -> Row:
        """The values of the format's fields: each the first of its cells that says something."""
        return [_first_said(cells, given) for given in self.of_named]

    def others(self, cells: Sequence[str]) -> str:
        """The cells that the format does not name, as JSON members with a comma before each."""
        said = [(name, cells[place]) for place, name in self.of_others]
        return "".join([f",{name}:{AS_JSON(value)}" for name, value in said if value not in SAYS_NOTHING])


def _first_said(cells: Sequence[str], given: Iterable[Sequence[int]]) -> str | None:
    for places in given:
        value = cells[places[0]] if len(places) == 1 else " ".join([cells[place] for place in places])
        if value not in SAYS_NOTHING:
            return value
    return None


def is_directive(csv: Csv, text: str) -> bool:
    return bool(csv.directive) and text.startswith(csv.directive[0])


def names_in(csv: Csv, text: str) -> tuple[str, ...] | None:
    """The field names in a directive; None where it names none."""
    if not text.startswith(csv.directive):
        return None
    return tuple(text.removeprefix(csv.directive).split())


def first_columns(csv: Csv, texts: Iterable[str]) -> tuple[str, ...]:
    """The columns of a file that begins with these records: of its header line, or of the directives before any."""
    if not csv.directive:
        return tuple(cells_of(next(iter(texts), ""), csv.delimiter) or ())
    for text in texts:
        if not is_directive(csv, text):
            break
        names = names_in(csv, text)
        if names is not None:
            return names
    return ()


def cells_of(text: str, delimiter: str) -> list[str] | None:
    """The cells of one CSV record, None where it is not CSV."""
    csv.field_size_limit(CELL_CAP)
    try:
        return next(csv.reader((text,), strict=True, delimiter=delimiter))
    except csv.Error:
        return None


def w3c_cells(text: str, delimiter: str, width: int) -> list[str] | None:
    """The cells of a W3C record, None where they are not as many as the directive names. Quotes are rare."""
    cells = text.split(delimiter)
    if len(cells) != width or text.startswith('"'):
        cells = cells_of(text, delimiter) or []
    return cells if len(cells) == width else None


def _with_cells(
    records: pa.RecordBatch, width: int, rows: Iterable[Row], counts: Sequence[int | None]
) -> pa.RecordBatch:
    cells = list(zip(*rows, strict=True)) or [()] * width
    columns = {f"c{number}": pa.array(column, pa.string()) for number, column in enumerate(cells)}
    return pa.RecordBatch.from_arrays(
        [*records.columns, *columns.values(), pa.array(counts, pa.int32())],
        [*records.schema.names, *columns, "cells"],
    )


def added(columns: Csv) -> list[str]:
    """The columns that `Cells` adds and nobody needs behind the SELECT."""
    if columns.directive:
        return [*(f"c{number}" for number in range(len(columns.named or ()))), "cells", "others"]
    return [*(f"c{number}" for number in range(len(columns.columns))), "cells"]


def w3c_steps(columns: Csv, wanted: Mapping[str, str]) -> Steps:
    """A W3C record: `Cells` found the fields that the format names, and what the case wants is among the others."""
    steps = Steps("_")
    steps.add(fit="cells IS NOT NULL", object="'{' || substr(others, 2) || '}'")
    steps.values = {name: f"c{number}" for number, name in enumerate(columns.named or ())}
    for name, key in wanted.items():
        asked = f"json_extract_string(_object, {literal(pointer(key.lower()))})"
        steps.values[name] = first_said([asked, *([steps.values[name]] if name in steps.values else [])])
    return steps


def csv_steps(columns: Csv, wanted: Mapping[str, str]) -> Steps:
    """A CSV record, by the cells that `Cells` made of it. A repeated header line is no record."""
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
