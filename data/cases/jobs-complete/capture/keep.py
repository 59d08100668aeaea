"""What of a capture is kept: gzip with no time in it, and the database log cut between records."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

SHORT_ENOUGH = 256 * 1024
STAMP_LENGTH = len("2026-01-01 00:00:00.000")


def keep(source: Path, folder: Path) -> Path:
    """Copy a log into the case as it is; compressed if it is long."""
    if source.stat().st_size <= SHORT_ENOUGH:
        return Path(shutil.copyfile(source, folder / source.name))
    with source.open("rb") as file:
        return compress(file, folder / f"{source.name}.gz")


def compress(chunks: Iterable[bytes], path: Path) -> Path:
    with path.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
        for chunk in chunks:
            packed.write(chunk)
    return path


def csv_records(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Whole records: a line break inside quotes does not end one."""
    record, quotes = b"", 0
    for line in lines:
        record += line
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield record
            record, quotes = b"", 0
    if record:
        raise SystemExit("postgresql.csv: the last record is not whole")


def between(records: Iterable[bytes], first_ns: int, last_ns: int) -> Iterator[bytes]:
    """The records stamped in [first, last), as they are."""
    first, last = as_stamp(first_ns), as_stamp(last_ns)
    return (record for record in records if first <= record[:STAMP_LENGTH] < last)


def as_stamp(ns: int) -> bytes:
    moment = datetime.fromtimestamp(ns // 1_000_000_000, UTC)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{ns // 1_000_000 % 1000:03d}".encode()
