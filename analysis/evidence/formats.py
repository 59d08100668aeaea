"""Log formats as data: one TOML file a format, each proving its own samples.

Source: lnav, "Log Formats" (a format without samples, or with one that it cannot parse, is refused).
"""

import datetime as dt
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa

from analysis.evidence.extract import cells_of, csv_columns, to_select
from analysis.evidence.format_file import Format, FormatError, Sample, load
from analysis.evidence.split import split

__all__ = [
    "Candidate",
    "Format",
    "FormatError",
    "bound_to",
    "csv_columns",
    "detect",
    "parse",
    "read_format",
    "shipped",
    "to_select",
    "with_case",
]

SHIPPED: Final = Path(__file__).parent / "formats"
EPOCH: Final = dt.datetime(1970, 1, 1)
PEEK_LINES: Final = 200


@dataclass(frozen=True)
class Candidate:
    """How well a format fits: `fits` of `of` records."""

    format: Format
    fits: int
    of: int
    reason: str


def read_format(path: Path) -> Format:
    """Read one format file and prove its samples.

    Raises: FormatError, naming the file, the place, what was wanted and what was there.
    """
    fmt = load(path)
    _prove(fmt, path.name)
    return fmt


@cache
def shipped() -> dict[str, Format]:
    """The formats that come with the kit, by name. Their samples are proved by the tests, not at each start."""
    return {path.stem: load(path) for path in sorted(SHIPPED.glob("*.toml"))}


def with_case(folder: Path) -> dict[str, Format]:
    """The shipped formats and those of a case's own `formats/`; the case's win.

    Raises: FormatError for one of the case's.
    """
    own = {path.stem: read_format(path) for path in sorted((folder / "formats").glob("*.toml"))}
    return shipped() | own


def parse(fmt: Format, line: str, wanted: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """One record as the loader would read it, with logged_at; None where it does not fit."""
    row = _rows(fmt, [line], wanted or {})[0]
    return row if row["parsed"] else None


def bound_to(fmt: Format, head: bytes) -> Format:
    """`fmt` for a file that begins with `head`: a CSV format with a header line learns its columns."""
    if fmt.csv is None or fmt.csv.named is None:
        return fmt
    first = next(iter(_cut(fmt, head)[0]), "")
    columns = tuple(cells_of(first, fmt.csv.delimiter) or ())
    return replace(fmt, csv=replace(fmt.csv, columns=columns))


def detect(head: bytes, formats: Mapping[str, Format]) -> list[Candidate]:
    """Which formats a file's first bytes fit, best first.

    The one that reads most records wins; among equals the one with fewer lines left over, then a specific one
    before a generic one. Lines folded into a record count for nothing, so a traceback cannot mislead.
    """
    whole = head[: head.rfind(b"\n") + 1] or head
    peek = b"".join(io.BytesIO(whole).readlines()[:PEEK_LINES])
    tried = [_tried(fmt, peek) for fmt in formats.values() if not fmt.explicit]
    return sorted(
        (candidate for candidate in tried if candidate.fits),
        key=lambda each: (-each.fits, each.of, each.format.kind == "generic", each.format.name),
    )


def _tried(fmt: Format, peek: bytes) -> Candidate:
    fmt = bound_to(fmt, peek)
    texts, left_over = _cut(fmt, peek)
    rows = _rows(fmt, texts, {}) if texts else []
    fits = sum(row["parsed"] and row["stamp_ok"] for row in rows)
    of = len(rows) + left_over
    return Candidate(fmt, fits, of, f"{fits} of the first {of} records fit {fmt.name}")


def _cut(fmt: Format, data: bytes) -> tuple[list[str], int]:
    """The records in `data` as the loader would cut them, and how many lines belong to none."""
    batches = list(split(io.BytesIO(data), fmt.head, fmt.fold))
    return [text for batch in batches for text in batch.records["text"].to_pylist()], batches[
        -1
    ].counts.quarantined


def _rows(fmt: Format, texts: Sequence[str], wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    given = pa.record_batch({"text": pa.array(texts, pa.string())})
    table = pa.Table.from_batches([csv_columns(given, fmt) if fmt.csv else given])
    with _scratch().cursor() as connection:
        connection.register("given", table)
        cursor = connection.execute(to_select(fmt, "given", wanted))
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    return [
        row | {"logged_at": _instant(row["logged_us"]), "fields": json.loads(row["fields"] or "{}")}
        for row in rows
    ]


@cache
def _scratch() -> duckdb.DuckDBPyConnection:
    """A database in memory, kept open: opening one costs more than a sample."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _instant(us: int | None) -> dt.datetime | None:
    return None if us is None else EPOCH + dt.timedelta(microseconds=us)


def _prove(fmt: Format, where: str) -> None:
    """Raises: FormatError for a sample that does not give its row, or a foreign line that is taken."""
    for number, sample in enumerate(fmt.samples, 1):
        got = _as_sample(fmt, sample, where, f"sample {number}")
        wrong = {name: got.get(name) for name, value in sample.row.items() if got.get(name) != value}
        if wrong:
            raise FormatError(
                f"{where}: sample {number} parsed to the wrong row\n"
                f"  want: { ({name: sample.row[name] for name in wrong}) }\n  got:  {wrong}"
            )
    for number, line in enumerate(fmt.foreign, 1):
        if _tried(fmt, line.encode()).fits:
            raise FormatError(
                f"{where}: foreign {number} must be refused and was read as a record; make the layout stricter, "
                f"e.g. by must.<field> = '<regex>'\n  line: {line!r}"
            )


def _as_sample(fmt: Format, sample: Sample, where: str, which: str) -> dict[str, Any]:
    head = f"{sample.header}\n" if sample.header else ""
    fmt = bound_to(fmt, (head + sample.line).encode())
    try:
        texts, left_over = _cut(fmt, sample.line.encode())
        rows = _rows(fmt, texts, sample.wanted)
    except duckdb.Error as error:
        raise FormatError(f"{where}: {which} cannot be read: {error}") from error
    if len(rows) != 1 or left_over:
        raise FormatError(
            f"{where}: {which} must be one record; head and fold make it {len(rows)}, and {left_over} lines of none"
        )
    if not (rows[0]["parsed"] and rows[0]["stamp_ok"]):
        what = "its stamp cannot be read" if rows[0]["parsed"] else "it does not fit"
        raise FormatError(
            f"{where}: {which} is refused, {what}\n  want: {dict(sample.row)}\n  line: {sample.line!r}"
        )
    return rows[0]
