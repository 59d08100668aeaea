"""Sources -> DuckDB: records with their places, and the requests in them.

A chunk of a file at a time goes through a temporary table, so memory stays flat however long the file is. Values are
bound; the only text put into SQL is a format file's, quoted by `formats.to_select`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from analysis.case import Case, CaseError, SourceSpec
from analysis.evidence import sql
from analysis.evidence.formats import Format, bound_to, csv_columns, detect, to_select, with_case
from analysis.evidence.reading import Opened, open_evidence
from analysis.evidence.split import Batch, Counts, split
from analysis.evidence.zones import EPOCH, offsets

DAY_US: Final = 86_400_000_000
PEEK_BYTES: Final = 1 << 18
AT_ONCE_BYTES: Final = 1 << 26  # of records: DuckDB plans each statement anew, so few and large ones
UNFIT: Final = "the record does not fit its format, or its stamp cannot be read"

Progress = Callable[[str, int, int], None]  # path, bytes read, bytes of the file
Connection = duckdb.DuckDBPyConnection


@dataclass(frozen=True)
class Source:
    """One file and how it is read; the values of its row in `sources`."""

    source_id: int
    file: Path
    path: str
    format: Format
    spec: SourceSpec

    @property
    def clock(self) -> str:
        return self.spec.clock or self.path

    @property
    def ordered_by(self) -> str:
        return self.spec.ordered_by or "writer"

    @property
    def writer(self) -> str | None:
        """Who wrote the lines in their order; None for a merged export, where position says nothing."""
        return (self.spec.writer or self.path) if self.ordered_by == "writer" else None

    @property
    def lag_us(self) -> int:
        return self.format.stamp.lag_us if self.spec.lag_us is None else self.spec.lag_us


@dataclass(frozen=True)
class Settings:
    """What of a case bears on how a line is read."""

    case: Case
    request_ids: bool = True  # False: as if no log carried any

    @property
    def wanted(self) -> dict[str, str]:
        fields = self.case.fields
        given = {"entity": fields.entity, "user_id": fields.user, "request_id": fields.request_id}
        return {column: key for column, key in given.items() if key}


def find_sources(case: Case) -> list[Source]:
    """The case's files in the order of their paths, each with its format.

    Raises: CaseError for a format nobody knows or a file that fits none; Unopenable; FormatError.
    """
    formats = with_case(case.folder)
    found = [
        (file.relative_to(case.folder).as_posix(), file, spec)
        for spec in case.sources
        for file in case.files(spec)
    ]
    first_named = {path: (file, spec) for path, file, spec in reversed(found)}
    return [
        Source(number, file, path, format_of(case, file, spec, formats), spec)
        for number, (path, (file, spec)) in enumerate(sorted(first_named.items()), 1)
    ]


def format_of(case: Case, file: Path, spec: SourceSpec, formats: dict[str, Format]) -> Format:
    with open_evidence(file) as opened:
        beginning = read_up_to(opened, PEEK_BYTES)
    if spec.format is None:
        candidates = detect(beginning, formats)
        if candidates:
            return candidates[0].format
        raise CaseError(
            f"{file}: fits no known format; name one in case.toml (format = …), or add formats/NAME.toml to the case"
        )
    if spec.format not in formats:
        raise CaseError(
            f"{case.folder}: format {spec.format!r} is unknown; known: {', '.join(sorted(formats))}"
        )
    return bound_to(formats[spec.format], beginning)


def read_up_to(opened: Opened, size: int) -> bytes:
    """The first `size` bytes of the content, fewer where it is shorter."""
    buffer = bytearray(size)
    filled = 0
    while filled < size and (got := opened.readinto(memoryview(buffer)[filled:])):
        filled += got
    return bytes(buffer[:filled])


def load_source(
    connection: Connection, source: Source, settings: Settings, first_id: int, progress: Progress
) -> int:
    """Read one file into records, requests, quarantine and sources; return the next free record_id."""
    reader = Reader(connection, source, settings, first_id)
    with open_evidence(source.file) as opened:
        for batch in split(opened, source.format.head, source.format.fold):
            reader.take(batch)
            progress(source.path, opened.taken_bytes, opened.file_bytes)
        reader.finish(opened)
    return reader.next_id


class Reader:
    """One file's way into the database, chunk by chunk: what must be carried from one to the next."""

    def __init__(self, connection: Connection, source: Source, settings: Settings, first_id: int) -> None:
        self.connection, self.source, self.settings = connection, source, settings
        self.next_id = first_id
        self.day, self.former_us = 0, -1  # of stamps that have only a time
        self.counts, self.unfit = Counts(), Counts()
        self.waiting: list[pa.RecordBatch] = []
        self.stage = sql.STAGE.format(select=to_select(source.format, "chunk", settings.wanted))

    def take(self, batch: Batch) -> None:
        """Load one chunk's records and the lines that belong to none."""
        self.counts = batch.counts
        if batch.quarantine.num_rows:
            self.connection.register("stray", pa.Table.from_batches([batch.quarantine]))
            self.connection.execute(sql.STRAY_INTO_QUARANTINE, {"source_id": self.source.source_id})
            self.connection.unregister("stray")
        if batch.records.num_rows:
            self.waiting.append(self.numbered(batch.records))
            first, last = self.waiting[0], self.waiting[-1]
            if last["byte_end"][-1].as_py() - first["byte_start"][0].as_py() >= AT_ONCE_BYTES:
                self.load_waiting()

    def load_waiting(self) -> None:
        """Load the records that were taken and not loaded yet."""
        if not self.waiting:
            return
        self.connection.register("chunk", pa.Table.from_batches(self.waiting))
        self.waiting.clear()
        self.connection.execute(self.stage, {"ids": self.settings.request_ids})
        self.connection.unregister("chunk")
        self.to_utc()
        self.insert()

    def numbered(self, records: pa.RecordBatch) -> pa.RecordBatch:
        first, self.next_id = self.next_id, self.next_id + records.num_rows
        if self.source.format.csv is not None:
            records = csv_columns(records, self.source.format)
        return records.append_column("record_id", pa.array(np.arange(first, self.next_id)))

    def to_utc(self) -> None:
        """Give local stamps their date and zone."""
        if self.source.format.stamp.time_only:
            self.add_dates()
        if self.settings.case.zone == "UTC" or self.source.format.carries_zone:
            return
        first, last = self.connection.execute(sql.LOCAL_SPAN).fetchall()[0]
        if first is None:
            return
        pieces, _ = offsets(self.settings.case.zone, first, last)
        since = [piece.since_us for piece in pieces]
        bounds = {
            "since": since,
            "until": [*since[1:], last + 1],
            "offset": [piece.offset_us for piece in pieces],
        }
        self.connection.execute(sql.SHIFT, bounds)

    def add_dates(self) -> None:
        case = self.settings.case
        if case.date is None:
            raise CaseError(
                f"{self.source.file}: its stamps have only a time; add date = YYYY-MM-DD to case.toml"
            )
        if self.former_us < 0:
            self.day = (case.date - EPOCH.date()).days
        values = {"day_us": DAY_US, "day": self.day, "half_day": DAY_US // 2, "former": self.former_us}
        self.connection.execute(sql.ADD_DATES, values)
        last = self.connection.execute(sql.LAST_STAMP).fetchall()[0][0]
        if last is not None:
            self.day, self.former_us = last // DAY_US, last % DAY_US

    def insert(self) -> None:
        source = self.source
        source_id = {"source_id": source.source_id}
        clocked = {**source_id, "clock": source.clock, "writer": source.writer}
        self.connection.execute(sql.INTO_RECORDS, source_id)
        if source.format.kind == "database":
            self.connection.execute(sql.INTO_DATABASE_LINES, clocked)
        else:
            patterns = {"id": sql.ID_SEGMENT, "last_id": sql.LAST_ID}
            bounds = {"marks": source.format.stamp.marks, "lag_us": source.lag_us}
            self.connection.execute(sql.INTO_REQUESTS, {**clocked, **patterns, **bounds})
        records, head_bytes, lines, size = self.connection.execute(sql.COUNT_UNFIT).fetchall()[0]
        if records:
            self.connection.execute(sql.INTO_QUARANTINE, {**source_id, "reason": UNFIT})
            self.unfit = Counts(
                records=self.unfit.records + records,
                record_bytes=self.unfit.record_bytes + head_bytes,
                continuation_lines=self.unfit.continuation_lines + lines - records,
                continuation_bytes=self.unfit.continuation_bytes + size - head_bytes,
            )

    def accounted(self) -> Counts:
        """The file's counts, with records that did not fit their format among the quarantined."""
        counts, unfit = self.counts, self.unfit
        return replace(
            counts,
            records=counts.records - unfit.records,
            record_bytes=counts.record_bytes - unfit.record_bytes,
            continuation_lines=counts.continuation_lines - unfit.continuation_lines,
            continuation_bytes=counts.continuation_bytes - unfit.continuation_bytes,
            quarantined=counts.quarantined + unfit.records + unfit.continuation_lines,
            quarantined_bytes=counts.quarantined_bytes + unfit.record_bytes + unfit.continuation_bytes,
        )

    def finish(self, opened: Opened) -> None:
        """Write the file's row of `sources`, and damage of the file itself into the quarantine."""
        self.load_waiting()
        source, counts = self.source, self.accounted()
        span = self.connection.execute(sql.SPAN_OF_SOURCE, {"source_id": source.source_id}).fetchall()[0]
        row = {
            **vars(counts),
            "source_id": source.source_id,
            "path": source.path,
            "sha256": opened.sha256,
            "file_bytes": opened.file_bytes,
            "format": source.format.name,
            "kind": source.format.kind,
            "clock": source.clock,
            "writer": source.writer,
            "ordered_by": source.ordered_by,
            "marks": source.format.stamp.marks,
            "resolution_us": span[2] or source.format.stamp.resolution_us,
            "lag_us": source.lag_us,
            "damage": None
            if opened.damage is None
            else f"byte {opened.damage.offset}: {opened.damage.reason}",
            "first_at": span[0],
            "last_at": span[1],
        }
        insert_row(self.connection, "sources", row)


def insert_row(connection: Connection, table: str, row: dict[str, object]) -> None:
    """Insert one row by name; `table` and the columns are our own schema's."""
    names, places = ", ".join(row), ", ".join(f"${name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", row)  # noqa: S608
