"""A few records, read in memory as the loader would read them."""

import datetime as dt
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import Any, Final

import duckdb
import pyarrow as pa

from analysis.evidence.cells import Cells, first_columns
from analysis.evidence.extract import to_select
from analysis.evidence.format_file import Format
from analysis.evidence.heads import Head
from analysis.evidence.items import exploded
from analysis.evidence.split import split

EPOCH: Final = dt.datetime(1970, 1, 1)


def parse(fmt: Format, line: str, wanted: Mapping[str, str] | None = None) -> dict[str, Any] | None:
    """One record as the loader would read it, with logged_at; None where it does not fit."""
    row = rows(fmt, [line], wanted or {})[0]
    return row if row["parsed"] else None


def bound_to(fmt: Format, head: bytes) -> Format:
    """`fmt` for a file that begins with `head`: a CSV format with a header line learns its columns."""
    if fmt.csv is None or fmt.csv.named is None:
        return fmt
    texts = cut(fmt.head, fmt.fold, head)[0]
    return replace(fmt, csv=replace(fmt.csv, columns=first_columns(fmt.csv, texts)))


def cut(head: Head, fold: bool, data: bytes) -> tuple[list[str], int]:
    """The records in `data` as the loader would cut them, and how many lines belong to none."""
    batches = list(split(io.BytesIO(data), head, fold))
    texts = [text for batch in batches for text in batch.records["text"].to_pylist()]
    return texts, batches[-1].counts.quarantined


def placed(fmt: Format, data: bytes) -> list[tuple[int, str]]:
    """The records in `data`, each with the number of its first line."""
    records = [batch.records for batch in split(io.BytesIO(data), fmt.head, fmt.fold)]
    columns = [(each["line_no"].to_pylist(), each["text"].to_pylist()) for each in records]
    return [place for numbers, texts in columns for place in zip(numbers, texts, strict=True)]


def rows(fmt: Format, texts: Sequence[str], wanted: Mapping[str, str]) -> list[dict[str, Any]]:
    """The columns of `to_select` for each text, `logged_at` beside them, `fields` as a dict."""
    return [
        row | {"logged_at": _instant(row["logged_us"]), "fields": json.loads(row["fields"] or "{}")}
        for row in asked(fmt, texts, to_select(fmt, "given", wanted))
    ]


def fitting(fmt: Format, texts: Sequence[str]) -> list[bool]:
    """Which of the texts are records of the format, their stamps included."""
    if not texts:
        return []
    read = to_select(fmt, "given", {})
    fits = f"SELECT parsed AND stamp_ok AS fits FROM ({read})"  # noqa: S608 - see extract.py
    if fmt.items:
        fits = f"SELECT bool_or(parsed AND stamp_ok) AS fits FROM ({read}) GROUP BY number ORDER BY number"  # noqa: S608 - as above
    return [row["fits"] for row in asked(fmt, texts, fits)]


def said(fmt: Format, texts: Sequence[str], field: str) -> list[str]:
    """What the records among the texts have in one field, which is one of `to_select`'s columns."""
    query = f"SELECT {field} AS value FROM ({to_select(fmt, 'given', {})}) WHERE parsed AND stamp_ok AND value <> ''"  # noqa: S608 - see extract.py
    return [row["value"] for row in asked(fmt, texts, query)]


def asked(fmt: Format, texts: Sequence[str], query: str) -> list[dict[str, Any]]:
    """What a query over the table `given`, the texts as a chunk of the loader, returns."""
    given = pa.record_batch({"text": pa.array(texts, pa.string())})
    if fmt.items:
        numbered = given.append_column("number", pa.array(range(len(texts)), pa.int64()))
        given = exploded(numbered, fmt.items)
    table = pa.Table.from_batches([Cells(fmt).of(given) if fmt.csv else given])
    with _scratch().cursor() as connection:
        connection.register("given", table)
        cursor = connection.execute(query)
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]


@cache
def _scratch() -> duckdb.DuckDBPyConnection:
    """A database in memory, kept open: opening one costs more than a sample."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return connection


def _instant(us: int | None) -> dt.datetime | None:
    return None if us is None else EPOCH + dt.timedelta(microseconds=us)
