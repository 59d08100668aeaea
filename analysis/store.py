"""Where a case's database lives: built when the inputs changed, sealed, opened read-only and locked down.

The manifest is the pointer: a database is written under its own name, checkpointed and synced, and becomes the
current one when its manifest replaces the former. A load killed at any moment leaves the old state or the new one.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import duckdb
import ibis
import pandas as pd
from filelock import FileLock, Timeout

from analysis import engine, schema
from analysis.case import FILE, Case
from analysis.evidence import derive, seal, sql
from analysis.evidence.load import (
    Connection,
    Progress,
    Settings,
    Source,
    create_tables,
    find_sources,
    load_source,
)
from analysis.evidence.seal import Manifest
from analysis.files import write_whole
from analysis.signals.correlate import by_request_id
from analysis.signals.duplicates import repeats

WAIT_S = 30
LOCK_DOWN = (
    "SET TimeZone='UTC'",
    "SET GLOBAL TimeZone='UTC'",
    "SET python_enable_replacements=false",
    "SET autoload_known_extensions=false",
    "SET autoinstall_known_extensions=false",
    "SET allow_community_extensions=false",
    "SET enable_external_access=false",
    "SET lock_configuration=true",
)


class LockedError(Exception):
    """Another process is loading this case."""


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
    Raises: LockedError, SealError, CaseError, Unopenable, FormatError.
    """
    settings = Settings(case, request_ids)
    folder = store_folder(case) / ("with-ids" if request_ids else "without-ids")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(folder):
        manifest = seal.read_manifest(folder / seal.MANIFEST)
        if manifest is None or not is_fresh(manifest, settings):
            manifest = build(folder, settings, manifest, progress)
        else:
            seal.check(manifest, folder / manifest.database)
        return OpenCase(case, manifest, open_read_only(folder / manifest.database))


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of one case's store. Raises LockedError after WAIT_S seconds, naming the holder."""
    holder = folder / "holder"
    lock = FileLock(folder / "lock", timeout=WAIT_S)
    try:
        lock.acquire()
    except Timeout as error:
        pid = holder.read_text().strip() if holder.is_file() else "unknown"
        raise LockedError(f"{folder}: process {pid} is loading this case; wait for it or stop it") from error
    try:
        holder.write_text(str(os.getpid()))
        yield
    finally:
        lock.release()


def open_read_only(database: Path) -> duckdb.DuckDBPyConnection:
    """A connection that can read this database and reach nothing else."""
    connection = duckdb.connect(str(database), read_only=True)
    locked_down = connection.execute("SELECT current_setting('lock_configuration')").fetchall()[0][0]
    if not locked_down:  # it is where this process has the database open already: they share their settings
        for statement in LOCK_DOWN:
            connection.execute(statement)
    return connection


def described(settings: Settings) -> dict[str, Any]:
    """What decides, beside the files, what a load makes."""
    case = settings.case
    told = {
        key: str(value) for key, value in asdict(case).items() if key not in ("folder", "title", "window")
    }
    formats = sorted((case.folder / "formats").glob("*.toml"))
    return told | {
        "request_ids": settings.request_ids,
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
    """Load the case into a new database, seal it, make it the current one, remove the former."""
    seen = inputs(settings.case)
    sources = find_sources(settings.case)
    new = folder / f"loading-{os.getpid()}.duckdb"
    for leftover in folder.glob("loading-*"):
        leftover.unlink()
    connection = duckdb.connect(str(new), config={"temp_directory": str(folder / "loading-spill")})
    try:
        connection.execute("SET TimeZone='UTC'")
        connection.execute(sql.MEMORY)
        problems = load(connection, sources, settings, progress)
        connection.execute("CHECKPOINT")
        tables = seal.digests(connection)
    finally:
        connection.close()
    digest = seal.sha256(new)
    manifest = Manifest(
        schema_version=seal.SCHEMA_VERSION,
        tool_version=version("race-forensics"),
        settings=described(settings),
        inputs=seen,
        problems=problems,
        tables=tables,
        database=f"case-{digest[:16]}.duckdb",
        database_sha256=digest,
        former=former.root if former else "",
    ).rooted()
    new.replace(folder / manifest.database)
    write_whole(folder / seal.MANIFEST, manifest.to_json())
    for old in folder.glob("case-*.duckdb"):
        if old.name != manifest.database:
            old.unlink()
    return manifest


def load(connection: Connection, sources: list[Source], settings: Settings, progress: Progress) -> list[str]:
    """Fill every promised table; return what could not be read of the lists beside the logs.

    Raises: LostBytes if a file's bytes or lines do not add up.
    """
    create_tables(connection)
    next_id = 1
    for source in sources:
        next_id = load_source(connection, source, settings, next_id, progress)
    nearest = engine.to_sql(repeats(schema.table("requests")))
    connection.execute(sql.SET_REPEATS.format(repeats=nearest))
    derive.load_exceptions(connection)
    derive.load_statements(connection, settings.case.fields.request_id or "request_id", settings.request_ids)
    links = by_request_id(
        *(schema.table(name) for name in ("requests", "exceptions", "records", "statements"))
    )
    connection.execute(f"INSERT INTO links BY NAME {engine.to_sql(links)}")
    problems = derive.load_changes(connection, settings.case)
    seal.check_accounts(connection)
    return problems
