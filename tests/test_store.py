"""The database of a case: built once, sealed, opened read-only, reaching nothing else."""

import os
import subprocess
import sys
import time

import duckdb
import pandas as pd
import pytest
from filelock import FileLock, Timeout

from analysis import store as stores
from analysis.case import read_case
from analysis.evidence.seal import MANIFEST, SealError
from analysis.store import LockedError, open_loaded, store_folder

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


def test_the_evidence_folder_is_never_written_to(case):
    before = {file: file.stat().st_mtime_ns for file in case.folder.iterdir()}
    open_loaded(case).close()
    assert {file: file.stat().st_mtime_ns for file in case.folder.iterdir()} == before


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
    with pytest.raises(SealError, match=r"delete .* to rebuild"):
        open_loaded(case)


def test_a_load_that_was_killed_leaves_nothing_in_the_way(case):
    folder = store_folder(case) / "with-ids"
    folder.mkdir(parents=True)
    (folder / "loading-1.duckdb").write_bytes(b"half")
    assert len(open_loaded(case).frame("records")) == 1
    assert not list(folder.glob("loading-*"))


def test_while_another_process_loads_the_case_is_refused_by_its_number(case, monkeypatch):
    monkeypatch.setattr(stores, "WAIT_S", 0.1)
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
    held = stores.locked(tmp_path)
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
