"""Sources -> DuckDB: records with their places, and the requests in them.

A file streams through one INSERT, so memory stays flat however long it is. Values are bound; the only text put into
SQL is a format file's, quoted by `formats.to_select`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from analysis import engine, schema
from analysis.case import Case
from analysis.evidence import items, sql
from analysis.evidence.cells import Cells
from analysis.evidence.instants import settle
from analysis.evidence.layers import OWN, select
from analysis.evidence.reading import Opened, Unopenable
from analysis.evidence.sources import Rotated, Source
from analysis.evidence.split import Counts, split
from analysis.evidence.stamped import Stamped

UNFIT: Final = "the record does not fit its format, or its stamp cannot be read"

Progress = Callable[[str, int, int], None]  # path, bytes read, bytes of the file
Connection = duckdb.DuckDBPyConnection


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
    with source.content.open() as opened:
        if source.content.inside is None and not source.seen.is_still(opened.identity):
            raise Rotated(source.file)
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
        self.items = source.format.outer[0].items
        self.cells = Cells(source.format.outer[0]) if source.format.csv else None
        self.doubts: list[str] = []
        self.of_source = {"source_id": source.source_id}

    def load(self, opened: Opened, progress: Progress) -> None:
        """Insert the file's stretches: DuckDB asks for one batch after the other, from whichever thread is free."""
        batches = self.batches(opened, progress)
        first = next(batches)
        failures: list[Unopenable] = []
        stream = pa.RecordBatchReader.from_batches(first.schema, kept(chain([first], batches), failures))
        reading = self.source.format
        query = sql.INTO_STRETCHES.format(
            select=select(reading, "chunk", self.settings.wanted),
            own="" if reading.is_plain else "".join(f", {name}" for name in OWN),
        )
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
            self.connection.execute(query, values)
        except duckdb.Error as error:
            raise failures[0] if failures else error from None
        finally:
            self.connection.unregister("chunk")
            self.connection.execute(sql.MEMORY)

    def batches(self, opened: Opened, progress: Progress) -> Iterator[pa.RecordBatch]:
        """The file's records, and the lines that belong to none, which have no text."""
        reading, options = self.source.format, {"text_cap": items.TEXT_CAP} if self.items else {}
        for batch in split(opened, reading.head, reading.fold, cut=opened.cut, **options):
            self.counts = batch.counts
            records = self.numbered(batch.records)
            if batch.quarantine.num_rows:
                yield widened(batch.quarantine, records.schema)
            yield records
            progress(self.source.path, opened.taken_bytes, opened.file_bytes)

    def numbered(self, records: pa.RecordBatch) -> pa.RecordBatch:
        if self.items:
            records = items.exploded(records, self.items)
        first, self.next_id = self.next_id, self.next_id + records.num_rows
        if self.cells is not None:
            records = self.cells.of(records)
        records = records.append_column("record_id", pa.array(np.arange(first, self.next_id)))
        if "reason" in records.schema.names:
            return records
        return records.append_column("reason", pa.nulls(records.num_rows, pa.string()))

    def to_utc(self) -> None:
        """Give the stamps what they lack: their day, their year, their zone."""
        source = self.source
        in_order = source.ordered_by == "writer"
        stamp, case = source.format.unsettled, self.settings.case
        stamped = Stamped(self.connection, source.source_id, source.file, stamp, case, in_order)
        self.doubts = settle(stamped)

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
            "stamp_doubts": "; ".join(self.doubts) or None,
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
