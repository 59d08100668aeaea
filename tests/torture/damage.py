"""Databases that were changed after they were sealed: by chance, by a crash, or by a stranger who sealed them again."""

import dataclasses
import os
import random
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import duckdb

from analysis import store
from analysis.case import Case
from analysis.evidence import seal
from analysis.evidence.seal import SealError
from tests.torture.loading import STORE, a_case, folder_of, own_store, tables_of, undisturbed
from tests.torture.trials import Trial

REQUESTS = 2_000
REPORT = [sys.executable, "-m", "analysis", "report"]
PROMISED = "run again with --rebuild, or delete "
REFUSED = 4


@cache
def kept() -> Path:
    """A whole store of the case, to be copied and damaged."""
    with own_store():
        tables_of(a_case(REQUESTS))
        copy = Path(tempfile.mkdtemp(prefix="torture-kept-")) / "store"
        shutil.copytree(os.environ[STORE], copy)
    return copy


def a_copy(into: Path) -> tuple[Case, Path, Path]:
    """The case, with its loaded store copied into this folder: case, folder of the database, database."""
    shutil.copytree(kept(), into, dirs_exist_ok=True)
    case = a_case(REQUESTS)
    return case, folder_of(case), next(folder_of(case).glob("case-*.duckdb"))


def assert_refused_then_rebuilt(case: Case) -> None:
    try:
        store.open_loaded(case).close()
    except SealError as error:
        assert PROMISED in str(error), error
    else:
        raise AssertionError("the damage was not seen")
    store.forget(case)
    assert tables_of(case) == undisturbed(REQUESTS)


def flipped(number: int) -> None:
    """One bit in eight, or one byte of 256 KB: both are seen."""
    chance = random.Random(number)
    with own_store() as here:
        case, _, database = a_copy(here)
        content = bytearray(database.read_bytes())
        for _ in range(chance.choice([1, 1, 2, 64])):
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        if content == database.read_bytes():  # two flips of the same bit
            content[0] ^= 1
        database.write_bytes(content)
        assert_refused_then_rebuilt(case)


def truncated(number: int) -> None:
    chance = random.Random(number)
    with own_store() as here:
        case, _, database = a_copy(here)
        os.truncate(database, chance.randrange(database.stat().st_size))
        assert_refused_then_rebuilt(case)


@cache
def a_log_of_changes() -> bytes:
    """A write-ahead log that belongs to the database: a row that was never checkpointed."""
    with own_store() as here:
        _, _, database = a_copy(here)
        code = (
            "import duckdb, os, sys\n"
            "c = duckdb.connect(sys.argv[1])\n"
            "c.execute(\"SET wal_autocheckpoint='1TB'\")\n"
            "c.execute('DELETE FROM exceptions')\n"
            "os._exit(0)"  # no checkpoint at the end
        )
        subprocess.run([sys.executable, "-c", code, str(database)], check=True)
        return Path(f"{database}.wal").read_bytes()


def write_ahead(number: int) -> None:
    """A log of changes beside the database, whole, cut, changed or empty, is seen; taken away again, all is well."""
    chance = random.Random(number)
    with own_store() as here:
        case, _, database = a_copy(here)
        log = bytearray(a_log_of_changes())
        what = number % 4
        if what == 1:
            del log[chance.randrange(len(log)) :]
        elif what == 2:
            log[chance.randrange(len(log))] ^= 1 << chance.randrange(8)
        elif what == 3:
            log.clear()
        beside = Path(f"{database}.wal")
        beside.write_bytes(log)
        try:
            store.open_loaded(case).close()
        except SealError as error:
            assert PROMISED in str(error) and beside.name in str(error), error
        else:
            raise AssertionError("the log of changes was not seen")
        beside.unlink()
        assert tables_of(case) == undisturbed(REQUESTS)


def sealed_again(folder: Path, database: Path) -> None:
    """Seal whatever the database is now, as its maker would."""
    manifest = seal.read_manifest(folder / seal.MANIFEST)
    assert manifest is not None
    changed = dataclasses.replace(manifest, database_sha256=seal.sha256(database), root="").rooted()
    (folder / seal.MANIFEST).write_bytes(changed.to_json())


EVIL = (
    "CREATE VIEW more AS SELECT * FROM read_text('/etc/passwd')",
    "DROP VIEW records; CREATE VIEW records AS SELECT content AS text FROM read_text('/etc/passwd')",
    "CREATE OR REPLACE VIEW quarantine AS SELECT 1::INT AS source_id, 1 AS line_no, 1 AS line_count, 0 AS byte_start, "
    "1 AS byte_end, content AS reason FROM read_text('/etc/passwd')",
    "CREATE MACRO make_timestamp(us) AS TIMESTAMP '1970-01-01'",
    "CREATE MACRO more() AS TABLE SELECT * FROM read_text('/etc/passwd')",
    "CREATE TABLE more AS SELECT 1 AS a",
    "CREATE SEQUENCE more",
    "CREATE TYPE more AS ENUM ('a')",
    "CREATE INDEX more ON sources (path)",
    "DROP TABLE links",
    "CREATE SCHEMA more; CREATE VIEW more.records AS SELECT 1 AS a",
)


def forged(number: int) -> None:
    """A stranger's database with views, macros or tables of its own, sealed again, is refused."""
    with own_store() as here:
        case, folder, database = a_copy(here)
        with duckdb.connect(str(database)) as connection:
            connection.execute(EVIL[number % len(EVIL)])
            connection.execute("CHECKPOINT")
        sealed_again(folder, database)
        assert_refused_then_rebuilt(case)


def corrupt(number: int) -> None:
    """A stranger's database with changed bytes, sealed again: the command ends with an exit code, not a traceback."""
    chance = random.Random(number)
    with own_store() as here:
        case, folder, database = a_copy(here)
        content = bytearray(database.read_bytes())
        for _ in range(chance.choice([1, 8, 512])):
            content[chance.randrange(len(content))] = chance.randrange(256)
        database.write_bytes(content)
        sealed_again(folder, database)
        done = subprocess.run(
            [*REPORT, str(case.folder), "--out", str(here / "out")],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode in (0, 3, REFUSED), (done.returncode, done.stderr)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == 0 or done.stderr.startswith("error: "), done.stderr


TRIALS: tuple[Trial, ...] = (
    Trial("pages-flipped", "bytes of the database changed", 200, flipped, short=2),
    Trial("pages-truncated", "the database cut short", 50, truncated),
    Trial(
        "wal",
        "a write-ahead log beside the database: whole, cut, changed, empty; taken away",
        100,
        write_ahead,
        4,
    ),
    Trial("forged", "a stranger's database with views and macros (T8)", 2 * len(EVIL), forged, len(EVIL)),
    Trial("corrupt", "a stranger's database with corrupt pages, sealed again (T8)", 40, corrupt),
)
