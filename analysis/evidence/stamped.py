"""A source between its records and their instants."""

from dataclasses import dataclass
from pathlib import Path

import duckdb

from analysis.case import Case
from analysis.evidence.stamps import Stamp


@dataclass(frozen=True)
class Stamped:
    """A source whose records are in `stretches`, their stamps as they were written."""

    connection: duckdb.DuckDBPyConnection
    source_id: int
    file: Path
    stamp: Stamp
    case: Case
    in_order: bool  # whether its lines stand as one writer wrote them

    @property
    def of_source(self) -> dict[str, object]:
        return {"source_id": self.source_id}
