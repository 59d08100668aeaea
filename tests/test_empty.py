"""What holds no lines: told with what to do, never a traceback, never silently nothing."""

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile

import pytest

import analysis
from analysis.case import CaseError, read_case
from analysis.discover import discover
from analysis.format_commands import detected
from analysis.store import open_loaded

LOG = b"2026-03-11 15:47:23,101 ERROR django.request: Internal Server Error: /jobs\n" * 3


def zipped(**members):
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w") as archive:
        for name, data in members.items():
            archive.writestr(name.replace("__", "/"), data)
    return held.getvalue()


def tarred(mode, folder=None, **members):
    held = io.BytesIO()
    with tarfile.open(fileobj=held, mode=mode) as archive:
        if folder:
            entry = tarfile.TarInfo(folder)
            entry.type = tarfile.DIRTYPE
            archive.addfile(entry)
        for name, data in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return held.getvalue()


def encrypted():
    """A zip file whose member is marked as encrypted. Source: PKWARE APPNOTE 6.3.10, section 4.4.4, bit 0."""
    data = bytearray(zipped(a=LOG))
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    return bytes(data)


EMPTY = "is empty; export it again"
BLANK = "holds nothing but blank lines or NUL bytes; export it again"
NOTHING = "the archive holds no files"
KINDS = [
    ("a.log", b"", EMPTY),
    ("a.log", b"\n\r\n \n", BLANK),
    ("a.log", bytes(5_000), BLANK),
    ("a.gz", gzip.compress(b""), EMPTY),
    ("a.gz", gzip.compress(LOG)[:8], "nothing of it can be read (byte 8: the gz data end in the middle)"),
    ("a.xz", lzma.compress(b""), EMPTY),
    ("a.bz2", bz2.compress(b""), EMPTY),
    ("a.zip", zipped(), NOTHING),
    ("a.zip", zipped(logs__=b""), NOTHING),
    ("a.zip", zipped(a=b""), EMPTY),
    ("a.zip", zipped(a=gzip.compress(b"")), EMPTY),
    ("a.zip", zipped(a=zipped()), NOTHING),
    ("a.tar", tarred("w"), BLANK),
    ("a.tar", tarred("w", folder="logs"), NOTHING),
    ("a.tgz", tarred("w:gz", folder="logs"), NOTHING),
    ("a.tgz", tarred("w:gz", a=b""), EMPTY),
]


IDS = [f"{number} {name}" for number, (name, *_) in enumerate(KINDS)]
"""Not of the data: what is compressed holds the time."""


@pytest.mark.parametrize(("name", "data", "told"), KINDS, ids=IDS)
def test_a_folder_with_nothing_to_read_says_why(tmp_path, name, data, told):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CaseError) as raised:
        discover(tmp_path)
    assert told in str(raised.value)
    assert name in str(raised.value)


@pytest.mark.parametrize(("name", "data", "told"), KINDS, ids=IDS)
def test_beside_a_log_it_is_left_out_and_told(tmp_path, name, data, told):
    (tmp_path / name).write_bytes(data)
    (tmp_path / "b.log").write_bytes(LOG)
    (tmp_path / "case.toml").write_text(f'[[source]]\npath = "{name}"\n[[source]]\npath = "b.log"\n')
    opened = open_loaded(read_case(tmp_path))
    assert opened.frame("sources")[["path", "records"]].values.tolist() == [["b.log", 3]]
    (problem,) = opened.manifest.problems
    assert problem.startswith(name)
    assert told in problem


@pytest.mark.parametrize(("name", "data", "told"), KINDS, ids=IDS)
def test_alone_in_a_case_it_is_an_error_that_says_why(tmp_path, name, data, told):
    (tmp_path / name).write_bytes(data)
    (tmp_path / "case.toml").write_text(f'[[source]]\npath = "{name}"\n')
    with pytest.raises(CaseError) as raised:
        open_loaded(read_case(tmp_path))
    assert told in str(raised.value)


def test_an_empty_file_whose_format_is_named_is_a_source_of_no_lines(tmp_path):
    (tmp_path / "a.log").write_bytes(b"")
    (tmp_path / "case.toml").write_text('[[source]]\npath = "a.log"\nformat = "json_lines"\n')
    sources = open_loaded(read_case(tmp_path)).frame("sources")
    assert sources[["path", "bytes", "lines", "records"]].values.tolist() == [["a.log", 0, 0, 0]]


def test_lines_that_come_later_are_read(tmp_path):
    (tmp_path / "a.log").write_bytes(b"")
    (tmp_path / "b.log").write_bytes(LOG)
    (tmp_path / "case.toml").write_text('[[source]]\npath = "*.log"\n')
    assert open_loaded(read_case(tmp_path)).frame("sources")["path"].tolist() == ["b.log"]
    (tmp_path / "a.log").write_bytes(LOG)
    assert open_loaded(read_case(tmp_path)).frame("sources")["path"].tolist() == ["a.log", "b.log"]


def test_what_fits_no_format_is_an_error_still(tmp_path):
    (tmp_path / "a.log").write_bytes(b"hello\n")
    (tmp_path / "b.log").write_bytes(LOG)
    (tmp_path / "case.toml").write_text('[[source]]\npath = "*.log"\n')
    with pytest.raises(CaseError, match=r"a\.log: fits no known format"):
        open_loaded(read_case(tmp_path))


def test_an_encrypted_member_says_what_to_do(tmp_path):
    (tmp_path / "a.zip").write_bytes(encrypted())
    with pytest.raises(CaseError, match="encrypted; unpack it with its password, and name the files"):
        discover(tmp_path)


def test_a_folder_without_files_says_so(tmp_path):
    with pytest.raises(CaseError, match="it holds no files"):
        discover(tmp_path)


def test_detection_says_why_too(tmp_path):
    (tmp_path / "a.log").write_bytes(b"")
    assert EMPTY in "\n".join(detected(tmp_path / "a.log"))


def test_a_log_without_requests_has_no_strays(tmp_path):
    (tmp_path / "a.log").write_bytes(LOG)
    assert analysis.investigate(str(tmp_path), "x").without_strays() == []


def test_what_a_folder_without_a_description_has_beside_its_logs_is_told(tmp_path):
    (tmp_path / "b.log").write_bytes(LOG)
    (tmp_path / "a.log").write_bytes(b"")
    (tmp_path / "note.txt").write_bytes(b"hello\n")
    told = open_loaded(discover(tmp_path).case).manifest.problems
    assert told[0].startswith("a.log: is empty")
    assert told[1:] == ["note.txt: fits no known format"]
