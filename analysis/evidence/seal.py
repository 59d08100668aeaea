"""The seal: a manifest beside the database that says what was read, what came of it, and that both are unchanged."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from analysis.schema import TABLES

LOADING: Final = ("*.py", "evidence/**/*.py", "evidence/**/*.toml", "signals/**/*.py")


def version_of(package: Path) -> str:
    """16 hex digits over every module and format file that may decide what a load makes."""
    files = sorted(file for kind in LOADING for file in package.glob(kind) if file.is_file())
    told = [(file.relative_to(package).as_posix(), file.read_bytes()) for file in files]
    return hashlib.sha256(repr(told).encode()).hexdigest()[:16]


SCHEMA_VERSION: Final = version_of(Path(__file__).parent.parent)
"""Of the kit's code and formats as they are installed: a database made by other ones is loaded again."""

MANIFEST = "case.manifest.json"


class SealError(Exception):
    """The database is not the one that was written, or cannot be told to be."""


class LostBytes(Exception):
    """A file's bytes or lines do not add up: a fault of this kit, never of the file."""


@dataclass(frozen=True)
class Input:
    """A file as it lay there when it was read."""

    path: str
    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True)
class Manifest:
    """What a load read and made. `root` hashes everything else, the former manifest's root included."""

    schema_version: str
    tool_version: str
    settings: dict[str, Any]
    inputs: list[Input]
    problems: list[str]  # rows of the lists beside the logs that could not be read
    tables: dict[str, dict[str, Any]]
    database: str  # the file's name: the manifest is what makes a database the current one
    database_sha256: str
    former: str
    root: str = ""

    def rooted(self) -> "Manifest":
        return Manifest(**{**self.__dict__, "root": self.computed_root()})

    def computed_root(self) -> str:
        body = asdict(self) | {"root": ""}
        return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()

    def to_json(self) -> bytes:
        return (json.dumps(asdict(self), indent=1, sort_keys=True, default=str) + "\n").encode()


def read_manifest(file: Path) -> Manifest | None:
    """The manifest in `file`; None if there is none. Raises SealError if it is no manifest or was changed."""
    if not file.is_file():
        return None
    try:
        given = json.loads(file.read_bytes())
        manifest = Manifest(**{**given, "inputs": [Input(**each) for each in given["inputs"]]})
        if Path(manifest.database).name != manifest.database:
            raise ValueError("its database lies in another folder")
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SealError(f"{file}: not a manifest of this kit ({error}); {remedy(file.parent)}") from error
    if manifest.root != manifest.computed_root():
        raise SealError(f"{file}: changed after it was written; {remedy(file.parent)}")
    return manifest


def remedy(folder: Path) -> str:
    """What to do about a broken seal: the database can always be made again."""
    return f"run again with --rebuild, or delete {folder}, and it is made again from the logs"


def look(file: Path, path: str) -> Input:
    """What a later look must find unchanged, without reading the file."""
    state = file.stat()
    return Input(path, state.st_size, state.st_mtime_ns, state.st_ino)


def digests(connection: duckdb.DuckDBPyConnection) -> dict[str, dict[str, Any]]:
    """Rows and an order-free digest of every promised table: a sum, in which equal rows do not cancel out."""
    found = {}
    for name in TABLES:
        query = f"SELECT count(*), coalesce(sum(hash(t)::HUGEINT), 0)::VARCHAR FROM {name} AS t"  # noqa: S608 - our own names
        rows, digest = connection.execute(query).fetchall()[0]
        found[name] = {"rows": rows, "digest": f"{int(digest) % 2**64:016x}"}
    return found


UNBALANCED = """
SELECT path FROM sources
WHERE bytes <> record_bytes + continuation_bytes + blank_bytes + quarantined_bytes
   OR lines <> records + continuation_lines + blank_lines + quarantined
   OR records <> (SELECT count(*) FROM records AS r WHERE r.source_id = sources.source_id AND line_count > 0)
   OR record_bytes + continuation_bytes
      <> (SELECT coalesce(sum(byte_end - byte_start), 0) FROM records AS r WHERE r.source_id = sources.source_id)
   OR quarantined_bytes
      <> (SELECT coalesce(sum(byte_end - byte_start), 0) FROM quarantine AS q WHERE q.source_id = sources.source_id)
"""


def check_accounts(connection: duckdb.DuckDBPyConnection) -> None:
    """Every byte and line of every source is in exactly one account. Raises LostBytes."""
    for (path,) in connection.execute(UNBALANCED).fetchall():
        raise LostBytes(
            f"{path}: bytes or lines are not all accounted for; please report this with the file's shape"
        )


def sha256(file: Path) -> str:
    """The file's SHA-256, hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check(manifest: Manifest, database: Path) -> None:
    """Raises SealError unless `database` is, byte for byte, the one that the manifest seals."""
    if not database.is_file():
        raise SealError(f"{database}: missing, though its manifest is there; {remedy(database.parent)}")
    beside = sorted(
        file.name for file in database.parent.iterdir() if file.name.startswith(f"{database.name}.")
    )
    if beside:  # a write-ahead log, which a sealed database never has: opening would play it back
        raise SealError(f"{database}: changed after it was sealed, by {beside[0]}; {remedy(database.parent)}")
    if sha256(database) != manifest.database_sha256:
        raise SealError(f"{database}: changed after it was sealed; {remedy(database.parent)}")
