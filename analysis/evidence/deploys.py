"""A list of deploys, CSV or JSON -> the promised table.

Source: RFC 4180 (CSV), RFC 8259 (JSON), https://jsonlines.org, ISO 8601 stamps.
"""

import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import pandas as pd

from analysis.evidence.zones import EPOCH, HOUR_US, SECOND_US
from analysis.schema import TABLES

ALIASES: Final = {
    "deployed_at": ("deployed_at", "time", "at", "timestamp", "date", "deployed", "created_at"),
    "version": ("version", "tag", "release"),
    "revision": ("revision", "sha", "commit", "commit_sha"),
    "note": ("note", "message", "description", "title"),
}
LARGEST_BYTES: Final = 10_000_000
STEPS: Final = {0: 24 * HOUR_US, 2: HOUR_US, 4: 60 * SECOND_US, 6: SECOND_US}
"""Digits of a clock -> µs of the last one: none (a date), HH, HHMM, HHMMSS."""
LONGEST_FIELD: Final = 1 << 17
EPOCH_STEPS: Final = {10: SECOND_US, 13: 1000, 16: 1}
EPOCH_STAMP: Final = re.compile(r"1(?:\d{9}|\d{12}|\d{15})\Z")
OFFSET: Final = re.compile(r"(?:Z|[+-]\d{2}(?::?\d{2})*)$")
YEARS: Final = range(1971, 2262)
CONTENT: Final = re.compile(r"[^\s,]")


class DeploysError(Exception):
    """A list of deploys that cannot be read as one."""


@dataclass(frozen=True)
class BadRow:
    """A row of a list that was left out, and why."""

    path: str
    line_no: int
    reason: str


def deploys(path: Path, zone: str = "UTC") -> tuple[pd.DataFrame, list[BadRow]]:
    """The deploys that a file lists, and the rows that could not be read.

    In:  a CSV with a header, a JSON list, or JSON lines; keys as in `ALIASES`. zone: IANA name, for stamps
         without an offset.
    Out: the promised table `deploys`, by time. resolution_us is as fine as the stamp was written; a wall clock
         that the zone has twice is read as the earlier instant, known to the hour.
    Raises: DeploysError where the file is missing, too large, or has no column of stamps.
    """
    rows, bad = [], []
    for line_no, given in listed(path, content(path)):
        found = read_row(given, ZoneInfo(zone))
        if isinstance(found, str):
            bad.append(BadRow(str(path), line_no, found))
        else:
            rows.append({**found, "path": str(path), "line_no": line_no})
    rows.sort(key=lambda row: (row["deployed_us"], row["line_no"]))
    columns = {name: pd.Series([row[name] for row in rows], dtype="object") for name in TABLES["deploys"]}
    whole = {name: "int64" for name in ("deployed_us", "resolution_us", "line_no")}
    return pd.DataFrame(columns).astype({**whole, "deployed_at": "datetime64[us]"}), bad


def content(path: Path) -> str:
    """The text of the list; bytes that are not UTF-8 stand as \\xNN."""
    if not path.is_file():
        raise DeploysError(f"{path}: no such file of deploys. Correct `deploys` in case.toml")
    size = path.stat().st_size
    if size > LARGEST_BYTES:
        raise DeploysError(
            f"{path}: a list of deploys of at most {LARGEST_BYTES:,} bytes was wanted, it has {size:,}"
        )
    return path.read_bytes().decode("utf-8-sig", "backslashreplace")


def listed(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """Line number and fields of each row, or why the row has none."""
    if text.lstrip()[:1] == "[":
        return json_elements(path, text)
    if text.lstrip()[:1] == "{":
        return json_lines(text)
    return csv_rows(path, text)


def csv_rows(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    csv.field_size_limit(LONGEST_FIELD)  # of the whole process, so another reader may have changed it
    reader = csv.reader(io.StringIO(text, newline=""))
    header = [name.strip().lower() for name in next(reader, [])]
    if not set(header) & set(ALIASES["deployed_at"]):
        wanted = ", ".join(ALIASES["deployed_at"])
        raise DeploysError(
            f"{path}: line 1 has to name a column of stamps: {wanted}. It has: {', '.join(header) or 'nothing'}"
        )
    line_no = reader.line_num + 1
    try:
        for row in reader:
            if row and len(row) != len(header):
                yield line_no, f"{len(header)} fields wanted, {len(row)} found"
            elif row:
                yield line_no, dict(zip(header, row, strict=True))
            line_no = reader.line_num + 1
    except csv.Error as error:
        raise DeploysError(f"{path}: line {line_no}: CSV was wanted: {error}") from error


def json_lines(text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    for line_no, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield line_no, decoded(line)


def json_elements(path: Path, text: str) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    line_no, counted = 1, 0
    try:
        for position, element in positions(text):
            line_no, counted = line_no + text.count("\n", counted, position), position
            yield line_no, element if isinstance(element, dict) else "an object wanted"
    except (ValueError, RecursionError) as error:
        raise DeploysError(
            f"{path}: below line {line_no}: a JSON list of deploys was wanted: {error}"
        ) from error


def positions(text: str) -> Iterator[tuple[int, Any]]:
    """Each element of a JSON list with the place where it starts."""
    decoder = json.JSONDecoder()
    position = behind_blanks(text, text.index("[") + 1)
    while text[position : position + 1] != "]":
        element, end = decoder.raw_decode(text, position)
        yield position, element
        position = behind_blanks(text, end)


def behind_blanks(text: str, position: int) -> int:
    """Where the next element of a list, or its end, begins."""
    content = CONTENT.search(text, position)
    return len(text) if content is None else content.start()


def decoded(line: str) -> Mapping[str, Any] | str:
    try:
        element = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"no JSON: {error}"
    return element if isinstance(element, dict) else "an object wanted"


def read_row(given: Mapping[str, Any] | str, zone: ZoneInfo) -> dict[str, Any] | str:
    """The promised columns of one row, or why it has none."""
    if isinstance(given, str):
        return given
    known = {str(name).strip().lower(): value for name, value in given.items()}
    fields = {
        name: next(
            (str(known[alias]).strip() for alias in aliases if known.get(alias) not in (None, "")), None
        )
        for name, aliases in ALIASES.items()
    }
    if fields["deployed_at"] is None:
        return "no stamp"
    instant = read_stamp(fields["deployed_at"], zone)
    if isinstance(instant, str):
        return instant
    deployed_us, resolution_us = instant
    return {
        **fields,
        "deployed_at": EPOCH + dt.timedelta(microseconds=deployed_us),
        "deployed_us": deployed_us,
        "resolution_us": resolution_us,
    }


def read_stamp(text: str, zone: ZoneInfo) -> tuple[int, int] | str:
    """UTC µs and resolution in µs of an ISO 8601 stamp or a number since the epoch, or why it is neither."""
    if number := EPOCH_STAMP.match(text):
        step_us = EPOCH_STEPS[len(text)]
        return int(number[0]) * step_us, step_us
    try:
        stamp, digit_us = dt.datetime.fromisoformat(text), resolution(text)
    except (ValueError, KeyError):  # KeyError: Python takes more digits than a clock has
        return f"no ISO 8601 stamp: {text[:80]!r}"
    if stamp.year not in YEARS:
        return f"a year that no deploy has: {text[:80]!r}"
    if stamp.tzinfo is not None:
        return since_epoch(stamp.astimezone(dt.UTC).replace(tzinfo=None)), digit_us
    first, second = (stamp.replace(tzinfo=zone, fold=fold).utcoffset() or dt.timedelta() for fold in (0, 1))
    if first < second:
        return f"a wall clock that {zone.key} skips: {text[:80]!r}"
    return since_epoch(stamp - first), digit_us + since_epoch(EPOCH + (first - second))


def resolution(stamp: str) -> int:
    """µs that the last written digit of an ISO 8601 stamp stands for. Raises KeyError if no clock has its digits."""
    clock = OFFSET.sub("", stamp[8:].partition("T")[2] or stamp[8:].partition(" ")[2])
    whole, _, fraction = clock.replace(",", ".").partition(".")
    if fraction:
        return int(10 ** max(0, 6 - len(fraction)))
    return STEPS[len(whole.replace(":", ""))]


def since_epoch(instant: dt.datetime) -> int:
    return (instant - EPOCH) // dt.timedelta(microseconds=1)
