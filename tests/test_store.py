"""The database of a case: built once, sealed, opened read-only, reaching nothing else."""

import ctypes
import dataclasses
import os
import subprocess
import sys
import time

import duckdb
import pandas as pd
import pytest
from filelock import FileLock, Timeout

from analysis import lock
from analysis.case import read_case
from analysis.evidence.seal import MANIFEST, SealError, check_accounts, read_manifest, sha256
from analysis.lock import LockedError, locked
from analysis.store import forget, open_loaded, store_folder

LINE = "2026-11-24T09:14:07Z INFO app started\n"


@pytest.fixture
def case(tmp_path):
    (tmp_path / "a.log").write_text(LINE)
    (tmp_path / "case.toml").write_text('[[source]]\npath = "a.log"\nformat = "render_export"\n')
    return read_case(tmp_path)


def databases(case):
    return sorted(file.name for file in (store_folder(case) / "with-ids").glob("*.duckdb"))


def test_a_second_open_loads_nothing_again(case):
    first = open_loaded(case)
    first.close()
    second = open_loaded(case)
    assert second.manifest == first.manifest and len(databases(case)) == 1


def test_another_process_loads_nothing_again(case):
    first = open_loaded(case)
    first.close()
    code = f"import analysis; print(analysis.open_case({str(case.folder)!r}).manifest.root)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == first.manifest.root


def test_a_changed_input_is_loaded_again_and_the_former_database_goes(case):
    first = open_loaded(case)
    first.close()
    (case.folder / "a.log").write_text(LINE * 2)
    second = open_loaded(case)
    assert len(second.frame("records")) == 2
    assert second.manifest.former == first.manifest.root and len(databases(case)) == 1


def test_two_loads_of_the_same_files_have_the_same_tables(case):
    first = open_loaded(case)
    first.close()
    (store_folder(case) / "with-ids" / MANIFEST).unlink()
    assert open_loaded(case).manifest.tables == first.manifest.tables


def test_a_changed_database_is_refused_with_what_to_do(case):
    open_loaded(case).close()
    database = store_folder(case) / "with-ids" / databases(case)[0]
    content = bytearray(database.read_bytes())
    content[len(content) // 2] ^= 1
    database.write_bytes(content)
    with pytest.raises(SealError, match=r"--rebuild, or delete .*made again"):
        open_loaded(case)


def test_a_load_that_was_killed_leaves_nothing_in_the_way(case):
    folder = store_folder(case) / "with-ids"
    folder.mkdir(parents=True)
    (folder / "loading-1.duckdb").write_bytes(b"half")
    assert len(open_loaded(case).frame("records")) == 1
    assert not list(folder.glob("loading-*"))


@pytest.mark.parametrize(
    "left", ["case-0.duckdb", f".{MANIFEST}.x", "loading-1.duckdb.wal", "loading-1.spill/1"]
)
def test_what_a_killed_load_leaves_is_removed_by_the_next(case, left):
    file = store_folder(case) / "with-ids" / left
    file.parent.mkdir(parents=True)
    file.write_bytes(b"half")
    open_loaded(case).close()
    assert sorted(one.name for one in (store_folder(case) / "with-ids").iterdir()) == [
        *databases(case),
        MANIFEST,
        "holder",
        "lock",
    ]


def test_a_load_that_fails_leaves_nothing_and_the_former_state(case, monkeypatch):
    open_loaded(case).close()
    before = databases(case)
    (case.folder / "a.log").write_text(LINE * 2)
    with monkeypatch.context() as patch, pytest.raises(duckdb.Error):
        patch.setattr(
            "analysis.evidence.derive.load_exceptions", lambda connection: connection.execute("nonsense")
        )
        open_loaded(case)
    assert databases(case) == before
    assert len(open_loaded(case).frame("records")) == 2


def changed_manifest(case, **changes):
    """Change the manifest as its maker would, who seals it again."""
    file = store_folder(case) / "with-ids" / MANIFEST
    former = read_manifest(file)
    file.write_bytes(dataclasses.replace(former, root="", **changes).rooted().to_json())
    return former


@pytest.mark.parametrize(
    "changes", [{"schema_version": "of old"}, {"tool_version": "0.0.1"}, {"settings": {"duckdb": "1.0.0"}}]
)
def test_a_database_of_another_release_is_made_again(case, changes):
    open_loaded(case).close()
    former = changed_manifest(case, **changes)
    opened = open_loaded(case)
    assert opened.manifest.tables == former.tables
    assert opened.manifest.schema_version == former.schema_version and opened.manifest.former != former.former


def test_a_database_that_duckdb_cannot_read_is_refused_with_what_to_do(case):
    open_loaded(case).close()
    database = store_folder(case) / "with-ids" / databases(case)[0]
    content = bytearray(database.read_bytes())
    content[12:20] = (9999).to_bytes(
        8, "little"
    )  # the version of the storage, behind the checksum and "DUCK"
    database.write_bytes(content)
    changed_manifest(case, database_sha256=sha256(database))
    with pytest.raises(SealError, match=r"DuckDB cannot read it .*--rebuild"):
        open_loaded(case)


def test_what_was_loaded_can_be_forgotten_and_is_made_again(case):
    first = open_loaded(case)
    first.close()
    forget(case)
    assert databases(case) == []
    assert open_loaded(case).manifest.tables == first.manifest.tables


def test_no_progress_bar_is_drawn_into_what_a_load_or_a_notebook_prints(case, monkeypatch):
    shown = []
    asked = "SELECT current_setting('enable_progress_bar')"
    check = check_accounts
    monkeypatch.setattr(
        "analysis.evidence.seal.check_accounts",
        lambda connection: (shown.append(connection.execute(asked).fetchall()[0][0]), check(connection)),
    )
    for _ in range(2):
        shown.append(open_loaded(case).connection.execute(asked).fetchall()[0][0])
    assert shown == [False, False, False]


WRITES = 0x2 | 0x4 | 0x8 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x800
"""inotify(7): modify, attrib, close after writing, moved, created, deleted."""


@pytest.mark.skipif(sys.platform != "linux", reason="inotify")
def test_the_evidence_is_neither_written_to_nor_opened_for_writing(case):
    libc = ctypes.CDLL(None, use_errno=True)
    watch = libc.inotify_init1(os.O_NONBLOCK)
    assert libc.inotify_add_watch(watch, os.fsencode(case.folder), WRITES) > 0
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in case.folder.iterdir()}
    open_loaded(case).close()
    open_loaded(case, request_ids=False).close()
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in case.folder.iterdir()} == before
    with pytest.raises(BlockingIOError):
        os.read(watch, 4096)
    with (case.folder / "a.log").open("a"):
        pass
    assert os.read(watch, 4096)  # an opening for writing would have been seen
    os.close(watch)


def test_while_another_process_loads_the_case_is_refused_by_its_number(case, monkeypatch):
    monkeypatch.setattr(lock, "WAIT_S", 0.1)
    folder = store_folder(case) / "with-ids"
    folder.mkdir(parents=True)
    (folder / "holder").write_text("4711")
    with FileLock(folder / "lock"), pytest.raises(LockedError, match="process 4711"):
        open_loaded(case)


def test_the_lock_is_free_again_while_the_case_is_open(case):
    opened = open_loaded(case)
    with FileLock(store_folder(case) / "with-ids" / "lock", timeout=0):
        assert len(opened.frame("records")) == 1


def test_the_lock_is_released_where_its_block_ends_not_where_it_is_collected(tmp_path):
    held = locked(tmp_path)
    with held, pytest.raises(Timeout), FileLock(tmp_path / "lock", timeout=0):
        pass
    with FileLock(tmp_path / "lock", timeout=0):
        assert held is not None


def test_two_loaders_at_once_end_in_one_database(case):
    code = f"import analysis; analysis.open_case({str(case.folder)!r})"
    runs = [subprocess.Popen([sys.executable, "-c", code], env=os.environ) for _ in range(3)]
    assert [run.wait() for run in runs] == [0, 0, 0]
    assert len(databases(case)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM read_text('/etc/hostname')",
        "COPY (SELECT 1) TO '/tmp/canary'",
        "ATTACH '/tmp/other.duckdb'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "CREATE TABLE canary (i INT)",
        "DELETE FROM records",
        "SET enable_external_access = true",
        "SELECT * FROM outside",
    ],
)
@pytest.mark.parametrize("again", [False, True], ids=["first", "again"])
def test_the_connection_can_read_its_database_and_reach_nothing_else(case, statement, again):
    outside = pd.DataFrame({"a": [1, 2, 3]})
    first = open_loaded(case)
    opened = open_loaded(case) if again else first
    with pytest.raises(duckdb.Error):
        opened.sql(statement)
    assert len(outside) == 3 and len(opened.frame("records")) == 1


def test_a_case_can_be_opened_again_in_the_same_process_whatever_its_zone(case, monkeypatch):
    open_loaded(case)
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    again = open_loaded(case)
    assert again.sql("SELECT to_timestamp(0)::TEXT AS epoch")["epoch"][0] == "1970-01-01 00:00:00+00"
    monkeypatch.undo()
    time.tzset()


def test_a_value_is_bound_and_never_run(case):
    hostile = "'; DROP TABLE records; --"
    opened = open_loaded(case)
    assert opened.sql("SELECT * FROM records WHERE message = ?", [hostile]).empty
    assert len(opened.frame("records")) == 1
