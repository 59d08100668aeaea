"""Where a case's database lives: built when the inputs changed, sealed, opened read-only and locked down.

The manifest is the pointer: a database is written under its own name, checkpointed and synced, and becomes the
current one when its manifest replaces the former. A load killed at any moment leaves the old state or the new one.
"""

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd

from analysis import engine, schema
from analysis.case import FILE, Case
from analysis.evidence import derive, seal, sql
from analysis.evidence.flags import load_flags
from analysis.evidence.links import load_links
from analysis.evidence.load import (
    Connection,
    Progress,
    Settings,
    create_tables,
    load_source,
)
from analysis.evidence.overlaps import leave_out_copies
from analysis.evidence.retold import load_retold
from analysis.evidence.seal import Manifest
from analysis.evidence.sources import Rotated, Source, find_sources
from analysis.files import FULL, make_folder, no_room, write_whole
from analysis.lock import OWNER_ONLY, locked
from analysis.read_only import open_read_only, quieten
from analysis.signals.duplicates import repeats

LOADING = "loading-"
EMPTY_BYTES = 18_000_000  # a database without rows, and the write-ahead log, which is folded into it at 16 MB
UNFOLDING = 10  # what compressed logs grow by
COMPRESSED = (".gz", ".zst", ".bz2", ".xz", ".zip", ".tgz")
MOST_ROTATIONS = 3
"""Loads that a rotation may spoil before it is an error."""


class OutOfMemory(Exception):
    """A load needs more memory than DuckDB is given."""


@dataclass(frozen=True)
class OpenCase:
    """A loaded case: its tables, to be asked with SQL, Ibis or pandas."""

    case: Case
    manifest: Manifest
    connection: duckdb.DuckDBPyConnection

    def sql(self, query: str, parameters: Sequence[object] | dict[str, object] = ()) -> pd.DataFrame:
        """The rows of one SQL query; values go into `parameters` (`?` or `$name`), never into the text."""
        return self.connection.execute(query, parameters or None).df()

    def run(self, expr: ibis.Table) -> pd.DataFrame:
        """The rows of an Ibis expression over `table(…)`."""
        return engine.run(expr, self.connection)

    def table(self, name: str) -> ibis.Table:
        """A promised table as an Ibis expression."""
        return schema.table(name)

    def frame(self, name: str) -> pd.DataFrame:
        """A promised table, whole, as a DataFrame."""
        return self.run(self.table(name))

    def close(self) -> None:
        """Let go of the database."""
        self.connection.close()


def quiet(path: str, done: int, size: int) -> None:
    """Progress that says nothing."""


def store_folder(case: Case) -> Path:
    """The folder of a case's database: below $RACE_FORENSICS_STORE, else the user's cache; never in the evidence."""
    home = os.environ.get("RACE_FORENSICS_STORE")
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = case.folder.resolve()
    key = hashlib.sha256(str(folder).encode()).hexdigest()[:8]
    return (Path(home) if home else cache / "race-forensics") / f"{folder.name}-{key}"


def open_loaded(case: Case, *, request_ids: bool = True, progress: Progress = quiet) -> OpenCase:
    """The case's tables, loaded again only if an input, the case or the kit changed.

    request_ids=False reads the logs as if none carried a request id.
    Raises: LockedError, SealError, NoRoom, OutOfMemory, CaseError, Unopenable, FormatError.
    """
    settings = Settings(case, request_ids)
    folder = store_folder(case) / ("with-ids" if request_ids else "without-ids")
    make_folder(folder)
    with locked(folder):
        manifest = seal.read_manifest(folder / seal.MANIFEST)
        if manifest is None or not is_fresh(manifest, settings):
            manifest = build(folder, settings, manifest, progress)
        else:
            seal.check(manifest, folder / manifest.database)
        return OpenCase(case, manifest, open_read_only(folder / manifest.database))


def forget(case: Case) -> None:
    """Remove what was loaded of a case, to make it again from its inputs. Raises: LockedError."""
    for folder in (store_folder(case) / name for name in ("with-ids", "without-ids")):
        if folder.is_dir():
            with locked(folder):
                (folder / seal.MANIFEST).unlink(missing_ok=True)
                tidy(folder, "")


def described(settings: Settings) -> dict[str, Any]:
    """What decides, beside the files, what a load makes."""
    case = settings.case
    told = {
        key: str(value)
        for key, value in asdict(case).items()
        if key not in ("folder", "title", "window", "app")
    }
    formats = sorted((case.folder / "formats").glob("*.toml"))
    return told | {
        "request_ids": settings.request_ids,
        "duckdb": duckdb.__version__,  # an older one cannot open what a newer one wrote
        "formats": {file.name: seal.sha256(file) for file in formats},
    }


def inputs(case: Case) -> list[seal.Input]:
    """Every file that a load would read, as it lies there now."""
    files = {file for spec in case.sources for file in case.files(spec)}
    files |= {case.folder / path for path in case.deploys}
    if case.repository and (case.folder / case.repository).is_file():
        files.add(case.folder / case.repository)
    if (case.folder / FILE).is_file():
        files.add(case.folder / FILE)
    return [seal.look(file, str(file.relative_to(case.folder))) for file in sorted(files)]


def is_fresh(manifest: Manifest, settings: Settings) -> bool:
    return (
        manifest.schema_version == seal.SCHEMA_VERSION
        and manifest.tool_version == version("race-forensics")
        and manifest.settings == described(settings)
        and manifest.inputs == inputs(settings.case)
    )


def build(folder: Path, settings: Settings, former: Manifest | None, progress: Progress) -> Manifest:
    """Load the case, again if a log was rotated meanwhile: then the files do not belong together."""
    for _ in range(MOST_ROTATIONS):
        with suppress(Rotated):
            return build_once(folder, settings, former, progress)
    return build_once(folder, settings, former, progress)


def build_once(folder: Path, settings: Settings, former: Manifest | None, progress: Progress) -> Manifest:
    """Load the case into a new database, seal it, make it the current one, remove the former."""
    seen = inputs(settings.case)
    sources, refused = find_sources(settings.case)
    current = former.database if former else ""
    tidy(folder, current)
    new = folder / f"{LOADING}{os.getpid()}.duckdb"
    try:
        with told(folder, room_for(seen)):
            problems, tables = fill(new, sources, settings, progress)
        digest = seal.sha256(new)
        manifest = Manifest(
            schema_version=seal.SCHEMA_VERSION,
            tool_version=version("race-forensics"),
            settings=described(settings),
            inputs=seen,
            problems=[*settings.case.left_out, *refused, *problems],
            tables=tables,
            database=f"case-{digest[:16]}.duckdb",
            database_sha256=digest,
            former=former.root if former else "",
        ).rooted()
        new.replace(folder / manifest.database)
        write_whole(folder / seal.MANIFEST, manifest.to_json())
        current = manifest.database
    finally:
        tidy(folder, current)
    return manifest


def fill(
    database: Path, sources: list[Source], settings: Settings, progress: Progress
) -> tuple[list[str], dict[str, dict[str, Any]]]:
    """Make a whole database; return what could not be read beside the logs, and the digests of the tables."""
    spill = database.with_suffix(".spill")
    connection = duckdb.connect(str(database), config={"temp_directory": str(spill)})
    try:
        os.chmod(database, OWNER_ONLY)
        quieten(connection)
        connection.execute("SET TimeZone='UTC'")
        connection.execute(sql.MEMORY)
        problems = load(connection, sources, settings, progress)
        connection.execute(
            sql.STREAMING_MEMORY
        )  # with more, a checkpoint of 5 million rows takes 600 MB beside it
        connection.execute("CHECKPOINT")
        return problems, seal.digests(connection)
    finally:
        connection.close()


def tidy(folder: Path, current: str) -> None:
    """Remove what loads before this one, or this one, left behind: all databases but the current one."""
    leftovers = (LOADING, f".{seal.MANIFEST}.", "case-")
    for left in folder.iterdir():
        if left.name == current or not left.name.startswith(leftovers):
            continue
        if left.is_dir():
            shutil.rmtree(left)
        else:
            left.unlink()


def room_for(files: list[seal.Input]) -> int:
    """About how many bytes a load of these files takes: as many as the logs have, unfolded."""
    return EMPTY_BYTES + sum(
        file.size * (UNFOLDING if file.path.endswith(COMPRESSED) else 1) for file in files
    )


@contextmanager
def told(folder: Path, needed: int) -> Iterator[None]:
    """Of DuckDB's errors, those that a user can mend: too little room or memory.

    Raises: NoRoom, OutOfMemory.
    """
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise OutOfMemory(
            f"{folder}: this case needs more memory than DuckDB is given ({first_line(error)}). "
            "Nothing was changed; put fewer or shorter logs into one case."
        ) from error
    except duckdb.Error as error:  # an IOException, or a TransactionException of a commit
        full = [reason for reason in map(os.strerror, FULL) if reason in str(error)]
        if not full:
            raise
        raise no_room(folder, needed, full[0]) from error


def first_line(error: Exception) -> str:
    return str(error).split("\n")[0]


def load(connection: Connection, sources: list[Source], settings: Settings, progress: Progress) -> list[str]:
    """Fill every promised table; return what could not be read of the lists beside the logs.

    Raises: LostBytes if a file's bytes or lines do not add up.
    """
    create_tables(connection)
    next_id = 1
    # Sources without years come last, since the other logs may tell theirs.
    for source in sorted(sources, key=lambda each: each.format.unsettled.yearless):
        next_id = load_source(connection, source, settings, next_id, progress)
    problems = leave_out_copies(connection)
    nearest = engine.to_sql(repeats(schema.table("requests")))
    connection.execute(sql.SET_REPEATS.format(repeats=nearest))
    derive.load_exceptions(connection)
    derive.load_statements(connection, settings.case.fields.request_id or "request_id", settings.request_ids)
    escaping = [
        each.source_id for each in sources if all(part.json is not None for part in each.format.parts)
    ]
    load_flags(connection, escaping)
    load_retold(connection)
    load_links(connection)
    problems += derive.load_changes(connection, settings.case)
    seal.check_accounts(connection)
    return problems
