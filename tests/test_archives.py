"""What is read of an archive, what is not and why, and what only looks like one. Attacks: tests/torture/crafted.py."""

import gzip
import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from analysis.case import CaseError, read_case
from analysis.discover import discover, to_toml
from analysis.evidence.archives import ArchiveError, contents
from analysis.evidence.members import leads_out
from analysis.format_commands import detected
from analysis.store import open_loaded

LOG = "".join(f"2026-03-11T15:47:23.{n:03}Z INFO app line {n}\n" for n in range(200)).encode()
ACCESS = b'[2026-11-24T09:14:07.481] 41 203.0.113.7 "POST /jobs/7 HTTP/1.1" 200 0.038123 job=7\n' * 20


def zipped(**members: bytes) -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(mode: str = "w", **members: bytes) -> bytes:
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def written(folder: Path, content: bytes, name: str = "logs.any") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read(path: Path) -> dict[str | None, bytes | str]:
    """Each content, or why it is refused."""
    found: dict[str | None, bytes | str] = {}
    for content in contents(path):
        if content.refused:
            found[content.inside] = content.refused
            continue
        with content.open() as opened:
            found[content.inside] = opened.read()
    return found


@pytest.mark.parametrize(
    "data", [zipped(a=LOG, b=ACCESS), tarred(a=LOG, b=ACCESS), tarred("w:gz", a=LOG, b=ACCESS)]
)
def test_each_member_is_a_content_of_its_own(tmp_path, data):
    assert read(written(tmp_path, data)) == {"a": LOG, "b": ACCESS}


def test_a_member_that_is_compressed_is_decompressed_too(tmp_path):
    assert read(written(tmp_path, zipped(a=gzip.compress(LOG)))) == {"a": LOG}


def test_an_archive_in_an_archive_is_read_and_one_in_that_is_refused(tmp_path):
    inner = tarred("w:gz", a=LOG, more=zipped(b=LOG))
    found = read(written(tmp_path, zipped(inner=inner, a=ACCESS)))
    assert (found["inner!/a"], found["a"]) == (LOG, ACCESS)
    assert "2 deep" in str(found["inner!/more"])


@pytest.mark.parametrize(
    "data",
    [
        LOG,
        b"PK is how this line begins\n",
        b"PK\x03",
        b"x" * 257 + b"ustar\x0000" + b"x" * 600,
        b"",
        bytes(1024),
    ],
)
def test_what_resembles_an_archive_is_a_file(tmp_path, data):
    assert read(written(tmp_path, data, "logs.zip")) == {None: data}


def test_two_members_of_one_name_are_both_read(tmp_path):
    data = io.BytesIO(tarred(a=LOG))
    with tarfile.open(fileobj=data, mode="a") as archive:
        info = tarfile.TarInfo("a")
        info.size = len(ACCESS)
        archive.addfile(info, io.BytesIO(ACCESS))
    assert read(written(tmp_path, data.getvalue())) == {"a": LOG, "a (2)": ACCESS}


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "C:\\a", "c:a", "\\a", "a\\..\\b", "", ".."])
def test_a_name_that_leads_out_is_known(name):
    assert leads_out(name)


@pytest.mark.parametrize("name", ["a", "a..b", "..a", "a/...", "a/b.log", "./a", "ab:c", "é/ü", "12:30.log"])
def test_a_name_with_dots_or_colons_does_not_lead_out(name):
    assert not leads_out(name)


def test_a_long_log_that_folds_well_is_no_bomb(tmp_path):
    log = LOG * 1500
    assert len(log) > 10_000_000
    assert read(written(tmp_path, zipped(a=log))) == {"a": log}
    assert read(written(tmp_path, tarred("w:gz", a=log))) == {"a": log}


def test_an_archive_is_loaded_member_by_member_and_what_is_no_log_is_told(tmp_path):
    written(tmp_path, zipped(**{"app.log": LOG, "x/access.log": ACCESS, "README": b"hello\n"}), "logs.zip")
    (tmp_path / "case.toml").write_text('[[source]]\npath = "*.zip"\n')
    opened = open_loaded(read_case(tmp_path))
    sources = opened.sql("SELECT path, format, records FROM sources ORDER BY source_id").values.tolist()
    assert sources == [
        ["logs.zip!/app.log", "render_export", 200],
        ["logs.zip!/x/access.log", "gunicorn_access_ms", 20],
    ]
    assert opened.manifest.problems == ["logs.zip!/README: not read: fits no known format"]


def test_an_archive_without_a_log_is_an_error_that_says_what_it_holds(tmp_path):
    written(tmp_path, zipped(README=b"hello\n"), "logs.zip")
    (tmp_path / "case.toml").write_text('[[source]]\npath = "*.zip"\n')
    with pytest.raises(CaseError, match=r"README: not read: fits no known format"):
        open_loaded(read_case(tmp_path))


def test_a_folder_with_an_archive_becomes_a_case_that_loads(tmp_path):
    written(tmp_path, tarred("w:gz", a=LOG, README=b"hello\n"), "logs [1].tgz")
    found = discover(tmp_path)
    assert [(spec.path, spec.format) for spec in found.case.sources] == [("logs [[]1].tgz", None)]
    (tmp_path / "case.toml").write_text(to_toml(found))
    assert len(open_loaded(read_case(tmp_path)).frame("records")) == 200


def test_detection_names_each_member(tmp_path):
    lines = list(detected(written(tmp_path, zipped(**{"a.log": LOG, "../b": LOG}), "logs.zip")))
    assert lines[0].endswith("logs.zip!/a.log:") and lines[1].startswith("render_export: 200 of")
    assert lines[-1].endswith("not read: its name leads out of the archive")


def test_an_archive_that_is_damaged_is_refused_with_what_to_do(tmp_path):
    path = written(tmp_path, zipped(a=LOG)[:-30])
    with pytest.raises(ArchiveError, match=r"damaged zip file.*Unpack what is needed") as refusal:
        contents(path)
    assert str(path) in str(refusal.value)


def with_length(header: bytes, length: bytes) -> bytes:
    """A tar header that tells another length of its file."""
    told = bytearray(header)
    told[124:136], told[148:156] = length, b" " * 8
    told[148:156] = b"%06o\0 " % sum(told[:512])
    return bytes(told)


@pytest.mark.parametrize("within", [lambda tar: tar, gzip.compress, lambda tar: zipped(tar=tar)])
def test_a_length_that_no_file_has_is_a_lie_and_the_bytes_that_are_there_are_read(tmp_path, within):
    longest = b"\x80" + b"\0" * 3 + b"\x7f" + b"\xff" * 7
    found = read(written(tmp_path, within(with_length(tarred(a=LOG), longest))))
    content, told = found.values()
    assert content.startswith(LOG) and "without an end mark" in told


def test_a_length_of_too_many_digits_is_not_taken(tmp_path):
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        info = tarfile.TarInfo("a")
        info.size, info.pax_headers = len(LOG), {"size": "9" * 6000}
        archive.addfile(info, io.BytesIO(LOG))
    assert read(written(tmp_path, data.getvalue())) == {"a": LOG}


def test_no_file_stays_open(tmp_path):
    open_before = len(list(Path("/proc/self/fd").iterdir())) if Path("/proc").exists() else 0
    for data in (zipped(a=LOG, b=zipped(c=LOG)), tarred("w:gz", a=LOG, b=tarred(c=LOG))):
        read(written(tmp_path, data))
    assert len(list(Path("/proc/self/fd").iterdir())) == open_before if Path("/proc").exists() else True
