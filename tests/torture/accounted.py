"""One file through the real loader, and the check that not a byte of it is lost."""

import datetime as dt
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from analysis.case import Case, SourceSpec
from analysis.evidence import seal, sql
from analysis.evidence.load import Settings, create_tables, load_source
from analysis.evidence.sources import find_sources
from analysis.store import quiet

BOM = b"\xef\xbb\xbf"
Connection = duckdb.DuckDBPyConnection


@contextmanager
def folder_of(files: dict[str, bytes]) -> Iterator[Path]:
    """A temporary folder with these files."""
    with tempfile.TemporaryDirectory(prefix="torture-") as name:
        for path, content in files.items():
            target = Path(name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        yield Path(name)


def load_folder(folder: Path, path: str, fmt: str | None) -> Connection:
    """What the loader makes of the files that `path` names, in a database in memory; their accounts balance."""
    case = Case(folder, "torture", (SourceSpec(path, fmt),), date=dt.date(2026, 3, 11))
    connection = duckdb.connect()
    connection.execute("SET TimeZone='UTC'")
    connection.execute(sql.MEMORY)
    create_tables(connection)
    next_id = 1
    for source in find_sources(case)[0]:
        next_id = load_source(connection, source, Settings(case), next_id, quiet)
    seal.check_accounts(connection)
    return connection


@contextmanager
def loaded(content: bytes, fmt: str | None, name: str = "a.log") -> Iterator[Connection]:
    """A file of this content, loaded."""
    with folder_of({name: content}) as folder, load_folder(folder, name, fmt) as connection:
        yield connection


def count(connection: Connection, what: str, table: str = "sources") -> int:
    """One number out of a table."""
    (found,) = connection.execute(f"SELECT {what} FROM {table}").fetchall()[0]
    return int(found)


def reasons(connection: Connection) -> list[str]:
    """Why stretches were quarantined, in the order of the file."""
    rows = connection.execute("SELECT reason FROM quarantine ORDER BY byte_start").fetchall()
    return [reason for (reason,) in rows]


def assert_whole(connection: Connection, content: bytes, source_id: int = 1) -> None:
    """Every byte of `content` is in one stretch or a blank line; each stretch stands where it says, line by line.

    content: what was delivered, decompressed and in UTF-8.
    """
    rows = connection.execute(
        "SELECT byte_start, byte_end, line_no, line_count, reason IS NULL AND NOT damaged, text FROM stretches "
        "WHERE source_id = ? ORDER BY byte_start",
        [source_id],
    ).fetchall()
    at, line_no = (len(BOM) if content.startswith(BOM) else 0), 1
    for start, end, first, lines, is_clean, text in rows:
        gap = content[at:start]
        assert start >= at and is_blank(gap), f"lost: {at} to {start}"
        line_no += gap.count(b"\n")
        raw = content[start:end]
        assert first == line_no, f"byte {start}: line {first} is line {line_no}"
        assert lines == line_count(raw), f"byte {start}: {lines} lines are {line_count(raw)}"
        if is_clean:
            ending = b"\r\n" if raw.endswith(b"\r\n") else b"\n"
            assert text.encode() == raw.removesuffix(ending), f"byte {start}: the text is not the file's"
        line_no += raw.count(b"\n")
        at = end
    assert is_blank(content[at:]), f"lost: from {at}"
    total, lines = connection.execute(
        "SELECT bytes, lines FROM sources WHERE source_id = ?", [source_id]
    ).fetchall()[0]
    assert (total, lines) == (len(content), line_count(content.removeprefix(BOM)))


def is_blank(content: bytes) -> bool:
    """Whether it is LF and CR LF, and nothing else."""
    return not content.replace(b"\r\n", b"").replace(b"\n", b"")


def line_count(content: bytes) -> int:
    """LF, and one more for a last line without one."""
    return content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
