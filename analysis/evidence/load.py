"""Sources -> DuckDB: records with their places, and the requests in them.

A file streams through one INSERT, so memory stays flat however long it is. Values are bound; the only text put into
SQL is a format file's, quoted by `formats.to_select`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from analysis import engine, schema
from analysis.case import Case, CaseError, SourceSpec
from analysis.evidence import sql
from analysis.evidence.formats import Format, bound_to, csv_columns, detect, to_select, with_case
from analysis.evidence.reading import Opened, Unopenable, open_evidence
from analysis.evidence.split import Counts, split
from analysis.evidence.zones import EPOCH, offsets

DAY_US: Final = 86_400_000_000
PEEK_BYTES: Final = 1 << 18
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


def create_tables(connection: Connection) -> None:
    """Create every promised table, empty; those that a log fills are views on `stretches`."""
    for name in schema.TABLES:
        if name not in sql.VIEWS:
            engine.create_table(connection, name)
    for statement in (sql.CREATE_STRETCHES, *sql.VIEWS.values(), sql.DATABASE_LINES):
        connection.execute(statement)


def load_source(
    connection: Connection, source: Source, settings: Settings, first_id: int, progress: Progress
) -> int:
    """Read one file into stretches and sources; return the next free record_id."""
    reader = Reader(connection, source, settings, first_id)
    with open_evidence(source.file) as opened:
        reader.load(opened, progress)
        reader.to_utc()
        reader.finish(opened)
    return reader.next_id


class Reader:
    """One file's way into the database."""

    def __init__(self, connection: Connection, source: Source, settings: Settings, first_id: int) -> None:
        self.connection, self.source, self.settings = connection, source, settings
        self.next_id = first_id
        self.counts = Counts()
        self.of_source = {"source_id": source.source_id}

    def load(self, opened: Opened, progress: Progress) -> None:
        """Insert the file's stretches: DuckDB asks for one batch after the other, from whichever thread is free."""
        batches = self.batches(opened, progress)
        first = next(batches)
        failures: list[Unopenable] = []
        stream = pa.RecordBatchReader.from_batches(first.schema, kept(chain([first], batches), failures))
        select = to_select(self.source.format, "chunk", self.settings.wanted)
        values = {
            **self.of_source,
            "unfit": UNFIT,
            "ids": self.settings.request_ids,
            "id": sql.ID_SEGMENT,
            "last_id": sql.LAST_ID,
        }
        self.connection.register("chunk", stream)
        self.connection.execute(sql.STREAMING_MEMORY)
        try:
            self.connection.execute(sql.INTO_STRETCHES.format(select=select), values)
        except duckdb.Error as error:
            raise failures[0] if failures else error from None
        finally:
            self.connection.unregister("chunk")
            self.connection.execute(sql.MEMORY)

    def batches(self, opened: Opened, progress: Progress) -> Iterator[pa.RecordBatch]:
        """The file's records, and the lines that belong to none, which have no text."""
        for batch in split(opened, self.source.format.head, self.source.format.fold):
            self.counts = batch.counts
            records = self.numbered(batch.records)
            if batch.quarantine.num_rows:
                yield widened(batch.quarantine, records.schema)
            yield records
            progress(self.source.path, opened.taken_bytes, opened.file_bytes)

    def numbered(self, records: pa.RecordBatch) -> pa.RecordBatch:
        first, self.next_id = self.next_id, self.next_id + records.num_rows
        if self.source.format.csv is not None:
            records = csv_columns(records, self.source.format)
        records = records.append_column("record_id", pa.array(np.arange(first, self.next_id)))
        return records.append_column("reason", pa.nulls(records.num_rows, pa.string()))

    def to_utc(self) -> None:
        """Give local stamps their date and zone."""
        if self.source.format.stamp.time_only:
            self.add_dates()
        if self.settings.case.zone == "UTC" or self.source.format.carries_zone:
            return
        first, last = self.connection.execute(sql.LOCAL_SPAN, self.of_source).fetchall()[0]
        if first is None:
            return
        pieces, _ = offsets(self.settings.case.zone, first, last)
        since = [piece.since_us for piece in pieces]
        bounds = {
            "since": since,
            "until": [*since[1:], last + 1],
            "offset": [piece.offset_us for piece in pieces],
        }
        self.connection.execute(sql.SHIFT, {**self.of_source, **bounds})

    def add_dates(self) -> None:
        case = self.settings.case
        if case.date is None:
            raise CaseError(
                f"{self.source.file}: its stamps have only a time; add date = YYYY-MM-DD to case.toml"
            )
        day = (case.date - EPOCH.date()).days
        self.connection.execute(sql.ADD_DATES, {**self.of_source, "day_us": DAY_US, "day": day})

    def accounted(self) -> Counts:
        """The file's counts, with records that did not fit their format among the quarantined."""
        counts = self.counts
        records, head_bytes, lines, size = self.connection.execute(
            sql.COUNT_UNFIT, self.of_source
        ).fetchall()[0]
        return replace(
            counts,
            records=counts.records - records,
            record_bytes=counts.record_bytes - head_bytes,
            continuation_lines=counts.continuation_lines - (lines - records),
            continuation_bytes=counts.continuation_bytes - (size - head_bytes),
            quarantined=counts.quarantined + lines,
            quarantined_bytes=counts.quarantined_bytes + size,
        )

    def finish(self, opened: Opened) -> None:
        """Write the file's row of `sources`."""
        source, counts = self.source, self.accounted()
        span = self.connection.execute(sql.SPAN_OF_SOURCE, self.of_source).fetchall()[0]
        row = {
            **vars(counts),
            **self.of_source,
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


def widened(stray: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Quarantined lines with the columns of records; NULL where they have none."""
    given = dict(zip(stray.schema.names, stray.columns, strict=True))
    columns = [given.get(each.name, pa.nulls(stray.num_rows, each.type)) for each in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def kept(batches: Iterator[pa.RecordBatch], failures: list[Unopenable]) -> Iterator[pa.RecordBatch]:
    """The batches; what ends them early is kept in `failures`, since of an exception DuckDB passes on the text."""
    try:
        yield from batches
    except Unopenable as error:
        failures.append(error)
        raise


def insert_row(connection: Connection, table: str, row: dict[str, object]) -> None:
    """Insert one row by name; `table` and the columns are our own schema's."""
    names, places = ", ".join(row), ", ".join(f"${name}" for name in row)
    connection.execute(f"INSERT INTO {table} ({names}) VALUES ({places})", row)  # noqa: S608
