import shutil
from pathlib import Path

import duckdb
import pytest

from analysis import engine
from analysis.evidence import seal
from analysis.evidence.seal import Input, Manifest, SealError
from analysis.files import write_whole
from analysis.schema import TABLES


def manifest(**changes):
    given = {
        "schema_version": "1",
        "tool_version": "0",
        "settings": {"zone": "UTC"},
        "inputs": [Input("a.log", 3, 1, 2)],
        "problems": [],
        "tables": {},
        "database": "case.duckdb",
        "database_sha256": "0" * 64,
        "former": "",
    }
    return Manifest(**{**given, **changes}).rooted()


def test_a_manifest_comes_back_as_it_was_written(tmp_path):
    write_whole(tmp_path / "m.json", manifest().to_json())
    assert seal.read_manifest(tmp_path / "m.json") == manifest()


def test_no_manifest_is_none(tmp_path):
    assert seal.read_manifest(tmp_path / "m.json") is None


def test_a_changed_manifest_is_refused(tmp_path):
    text = manifest().to_json().replace(b"a.log", b"b.log")
    (tmp_path / "m.json").write_bytes(text)
    with pytest.raises(SealError, match="changed after it was written"):
        seal.read_manifest(tmp_path / "m.json")


@pytest.mark.parametrize("text", [b"", b"{}", b"[1]", b'{"inputs": 3}', b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_refused_with_what_to_do(tmp_path, text):
    (tmp_path / "m.json").write_bytes(text)
    with pytest.raises(SealError, match=r"--rebuild, or delete .*made again"):
        seal.read_manifest(tmp_path / "m.json")


def test_a_manifest_cannot_name_a_database_in_another_folder(tmp_path):
    (tmp_path / "m.json").write_bytes(manifest(database="../other/case.duckdb").to_json())
    with pytest.raises(SealError, match="another folder"):
        seal.read_manifest(tmp_path / "m.json")


def test_the_root_is_chained_to_the_former_manifest():
    assert manifest(former=manifest().root).root != manifest().root


def test_every_flipped_bit_of_the_database_breaks_the_seal(tmp_path):
    database = tmp_path / "case.duckdb"
    database.write_bytes(b"abc")
    sealed = manifest(database_sha256=seal.sha256(database))
    seal.check(sealed, database)
    for bit in range(24):
        flipped = bytearray(b"abc")
        flipped[bit // 8] ^= 1 << bit % 8
        database.write_bytes(flipped)
        with pytest.raises(SealError, match="changed after it was sealed"):
            seal.check(sealed, database)


def test_a_missing_database_and_a_left_over_wal_break_the_seal(tmp_path):
    database = tmp_path / "case.duckdb"
    with pytest.raises(SealError, match="missing"):
        seal.check(manifest(), database)
    database.write_bytes(b"abc")
    (tmp_path / "case.duckdb.wal").symlink_to("nowhere")
    with pytest.raises(SealError, match=r"changed .* by case.duckdb.wal"):
        seal.check(manifest(database_sha256=seal.sha256(database)), database)


def test_a_file_of_another_name_beside_the_database_does_not_break_the_seal(tmp_path):
    database = tmp_path / "case.duckdb"
    database.write_bytes(b"abc")
    (tmp_path / "case.duckdb-notes").touch()
    seal.check(manifest(database_sha256=seal.sha256(database)), database)


def test_a_changed_parser_or_shipped_format_is_another_version_and_a_style_sheet_is_not(tmp_path):
    package = tmp_path / "analysis"
    shutil.copytree(Path(seal.__file__).parent.parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    assert seal.version_of(package) == seal.SCHEMA_VERSION
    (package / "report.css").write_text("")
    (package / "evidence" / ".#raised.py").symlink_to(
        "nobody@nowhere.1"
    )  # what an editor leaves beside a file
    assert seal.version_of(package) == seal.SCHEMA_VERSION
    seen = {seal.SCHEMA_VERSION}
    for name in ("evidence/raised.py", "evidence/formats/heroku.toml", "signals/correlate.py"):
        (package / name).write_bytes((package / name).read_bytes() + b"# changed\n")
        seen.add(seal.version_of(package))
    (package / "evidence" / "raised.py").rename(package / "evidence" / "thrown.py")
    assert len(seen | {seal.version_of(package)}) == 5


def test_digests_depend_on_rows_and_not_on_their_order():
    def digest(*rows):
        connection = duckdb.connect()
        for name in TABLES:
            engine.create_table(connection, name)
        connection.executemany("INSERT INTO quarantine VALUES (?, 1, 1, 0, 1, 'x')", [[row] for row in rows])
        return seal.digests(connection)["quarantine"]

    assert digest(1, 2) == digest(2, 1) != digest(1, 3)
    assert digest(1, 1) != digest(2, 2)
    assert digest(1, 2)["rows"] == 2
