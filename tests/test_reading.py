"""What a file holds, whatever it is called and however it ends; and what is no file."""

import bz2
import gzip
import hashlib
import lzma
import os
import threading
import time
from pathlib import Path

import pytest
import zstandard

from analysis.evidence.encodings import likely_utf16
from analysis.evidence.reading import SETTLED_S, Damage, Missing, NotAFile, Unreadable, open_evidence

LOG = b"".join(
    b"2026-03-11T15:47:23.%06d GET /api/jobs/%d 200\n" % (n * 37 % 999_983, n * n) for n in range(5000)
)
REST = b"2026-03-11T15:48:00 GET / 200\n" * 100

COMPRESS = {
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bz2": bz2.compress,
    "xz": lambda content: lzma.compress(content, preset=1),
}
every_compression = pytest.mark.parametrize("name", COMPRESS)


def written(folder: Path, content: bytes, name: str = "app.log") -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def read(path: Path) -> tuple[bytes, Damage | None]:
    """Content and damage; the hash and size on the way are the file's in any case."""
    with open_evidence(path) as opened:
        content = opened.read()
        assert opened.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert opened.file_bytes == path.stat().st_size
        return content, opened.damage


def test_a_plain_file_is_read_as_it_is(tmp_path):
    assert read(written(tmp_path, LOG)) == (LOG, None)


def test_an_empty_file_has_no_content_and_no_damage(tmp_path):
    assert read(written(tmp_path, b"")) == (b"", None)


@every_compression
def test_a_compression_is_known_by_its_first_bytes_not_by_the_name(tmp_path, name):
    assert read(written(tmp_path, COMPRESS[name](LOG), "app.log")) == (LOG, None)


@every_compression
def test_an_empty_member_is_sound(tmp_path, name):
    assert read(written(tmp_path, COMPRESS[name](b""))) == (b"", None)


@pytest.mark.parametrize("start", [b"BZh9 is a fine first word\n", b"\x1f\x8b", b"7zXZ\n", b"(\xb5/\n"])
def test_text_that_resembles_a_magic_number_is_plain(tmp_path, start):
    assert read(written(tmp_path, start, "app.log.gz")) == (start, None)


@every_compression
@pytest.mark.parametrize("padding", [b"", b"\0" * 512])
def test_members_are_read_one_after_the_other(tmp_path, name, padding):
    compressed = COMPRESS[name](LOG) + padding + COMPRESS[name](REST) + padding
    assert read(written(tmp_path, compressed)) == (LOG + REST, None)


def test_a_skippable_zst_frame_in_front_is_passed_over(tmp_path):
    skippable = b"\x50\x2a\x4d\x18\x04\0\0\0skip"
    assert read(written(tmp_path, skippable + COMPRESS["zst"](LOG))) == (LOG, None)


@every_compression
def test_a_cut_file_gives_all_that_lies_before_the_cut(tmp_path, name):
    compressed = COMPRESS[name](LOG)
    whole = []
    for part in range(1, 64):
        cut = len(compressed) * part // 64
        if cut < 16:
            continue
        content, damage = read(written(tmp_path, compressed[:cut]))
        assert LOG.startswith(content)
        assert damage == Damage(cut, f"the {name} data end in the middle")
        whole.append(len(content))
    assert whole == sorted(whole)
    if name == "gz":
        assert all(got > len(LOG) * part / 64 * 0.8 - 8000 for part, got in enumerate(whole, 1))


@every_compression
@pytest.mark.parametrize("tail", [b"garbage behind the end\n" * 200, LOG, bytes(range(1, 256)) * 10_000])
def test_a_tail_that_is_not_compressed_is_reported_where_it_starts(tmp_path, name, tail):
    compressed = COMPRESS[name](LOG)
    content, damage = read(written(tmp_path, compressed + tail))
    assert content == LOG
    assert damage and damage.offset == len(compressed)
    assert damage.reason.startswith(f"what follows the compressed data is not {name}")


@every_compression
def test_a_flipped_byte_is_reported_with_what_was_sound_before_it(tmp_path, name):
    compressed = bytearray(COMPRESS[name](LOG))
    compressed[len(compressed) * 3 // 4] ^= 0x55
    content, damage = read(written(tmp_path, bytes(compressed)))
    assert damage and damage.reason.startswith(f"corrupt {name} data")
    assert damage.offset <= len(compressed)
    assert name == "bz2" or len(content) > len(LOG) // 4


def test_a_file_that_swells_out_of_all_proportion_is_stopped(tmp_path):
    content, damage = read(written(tmp_path, gzip.compress(bytes(20_000_000))))
    assert damage and damage.reason.startswith("ratio")
    assert 10_000_000 < len(content) < 15_000_000


@pytest.mark.parametrize("name", ["zst", "xz", "bz2"])
def test_a_bomb_of_one_piece_is_stopped_before_it_fills_the_memory(tmp_path, name):
    content, damage = read(written(tmp_path, COMPRESS[name](bytes(60_000_000))))
    assert damage and damage.reason.startswith("ratio")
    assert 10_000_000 < len(content) < 50_000_000


def test_a_small_file_may_swell_as_it_likes(tmp_path):
    assert read(written(tmp_path, gzip.compress(bytes(9_900_000)))) == (bytes(9_900_000), None)


def test_a_large_log_of_an_honest_ratio_is_read_through(tmp_path):
    log = LOG * 60
    assert len(log) > 10_000_000
    assert read(written(tmp_path, gzip.compress(log, 1))) == (log, None)


def test_what_is_appended_after_the_opening_is_not_read(tmp_path):
    path = written(tmp_path, LOG)
    with open_evidence(path) as opened:
        with path.open("ab") as writer:
            writer.write(REST)
        assert opened.read() == LOG
        assert opened.sha256 == hashlib.sha256(LOG).hexdigest()
        assert (opened.file_bytes, opened.damage) == (len(LOG), None)


def test_a_file_cut_while_it_is_read_is_reported(tmp_path):
    path = written(tmp_path, LOG)
    with open_evidence(path) as opened:
        start = opened.read(100)
        os.truncate(path, 1000)
        assert start + opened.read() == LOG[:1000]
        assert opened.damage == Damage(1000, "the file was cut shorter while it was read")
        assert (opened.file_bytes, opened.sha256) == (1000, hashlib.sha256(LOG[:1000]).hexdigest())


def test_a_hash_of_half_a_file_is_refused(tmp_path):
    with open_evidence(written(tmp_path, LOG)) as opened:
        opened.read(100)
        with pytest.raises(ValueError, match="bytes are still to be read"):
            _ = opened.sha256


def test_the_hash_survives_the_closing(tmp_path):
    with open_evidence(written(tmp_path, LOG)) as opened:
        opened.read()
    assert opened.sha256 == hashlib.sha256(LOG).hexdigest()


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_buffers_of_any_size_give_the_same(tmp_path, size, compress):
    with open_evidence(written(tmp_path, compress(REST))) as opened:
        assert b"".join(iter(lambda: opened.read(size), b"")) == REST


def test_reading_leaves_the_file_as_it_was(tmp_path):
    path = written(tmp_path, LOG)
    before = path.stat()
    read(path)
    after = path.stat()
    assert (before.st_mtime_ns, before.st_size, before.st_mode) == (
        after.st_mtime_ns,
        after.st_size,
        after.st_mode,
    )


def test_no_thread_outlives_the_closing(tmp_path):
    before = threading.active_count()
    read(written(tmp_path, LOG))
    assert threading.active_count() == before


def test_a_missing_file_is_named(tmp_path):
    for path in (tmp_path / "no.log", written(tmp_path, b"") / "below a file"):
        with pytest.raises(Missing, match="no such file") as refusal:
            open_evidence(path)
        assert str(path) in str(refusal.value)


def test_what_is_no_regular_file_is_refused_at_once(tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    for path, kind in ((tmp_path, "a directory"), (fifo, "a FIFO"), (Path("/dev/zero"), "a device")):
        with pytest.raises(NotAFile, match=f"found {kind}") as refusal:
            open_evidence(path)
        assert str(path) in str(refusal.value)


def test_a_link_to_a_file_is_that_file(tmp_path):
    link = tmp_path / "link.log"
    link.symlink_to(written(tmp_path, LOG))
    assert read(link) == (LOG, None)


def test_a_link_that_leads_to_itself_can_not_be_read(tmp_path):
    link = tmp_path / "link.log"
    link.symlink_to(link)
    with pytest.raises(Unreadable, match="cannot be read"):
        open_evidence(link)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_read_access_is_refused_with_what_to_do(tmp_path):
    path = written(tmp_path, LOG)
    path.chmod(0)
    with pytest.raises(Unreadable, match="read access"):
        open_evidence(path)


def test_a_failing_medium_is_named_with_its_place(tmp_path):
    with open_evidence(written(tmp_path, LOG)) as opened:
        opened.read(100)
        unreadable = os.open(tmp_path / "other", os.O_WRONLY | os.O_CREAT)
        os.dup2(unreadable, opened._file.fileno())
        os.close(unreadable)
        with pytest.raises(Unreadable, match=r"app\.log: cannot be read"):
            opened.read(100)


TEXT = "\ufeff" + "2026-03-11 é \U0001f600 \u0a0a line\r\n" * 50_000


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_text_with_another_byte_order_mark_is_read_as_utf8(tmp_path, codec, compress):
    assert read(written(tmp_path, compress(TEXT.encode(codec)))) == (TEXT.encode(), None)


def test_utf16_that_ends_in_half_a_character_is_read_up_to_it(tmp_path):
    content, damage = read(written(tmp_path, TEXT.encode("utf-16-le")[:-1]))
    assert content == TEXT.encode()[:-1]
    assert damage and "not utf-16-le" in damage.reason


def test_a_lone_surrogate_is_kept(tmp_path):
    data = b"\xff\xfea\x00\x00\xd8b\x00"
    content, damage = read(written(tmp_path, data))
    assert (content.decode("utf-8", "surrogatepass"), damage) == ("\ufeffa\ud800b", None)


@pytest.mark.parametrize("data", [b"", b"\xff", b"\xfe\xfd\x00", b"\xef\xbb\xbf{}", b"a\x00b\x00\n\x00"])
def test_bytes_without_such_a_mark_stay_as_they_are(tmp_path, data):
    assert read(written(tmp_path, data)) == (data, None)


def test_a_line_is_cut_where_the_file_grows_or_is_damaged_and_else_whole(tmp_path):
    path = written(tmp_path, LOG + b"half")
    with open_evidence(path) as opened:
        assert opened.read() and opened.cut() is None
    with open_evidence(path) as opened:
        opened.read()
        with path.open("ab") as writer:
            writer.write(b" a line\n")
        assert "still being written" in (opened.cut() or "")
    with open_evidence(written(tmp_path, gzip.compress(LOG)[:5000])) as opened:
        opened.read()
        assert "at byte 5000" in (opened.cut() or "")


def test_a_file_is_known_again_unless_another_took_its_name(tmp_path):
    path = written(tmp_path, LOG)

    def look():
        with open_evidence(path) as opened:
            return opened.identity

    first = look()
    with path.open("ab") as writer:
        writer.write(REST)
    assert first.is_still(look())
    os.truncate(path, 0)
    assert not first.is_still(look())
    path.rename(tmp_path / "app.log.1")
    written(tmp_path, LOG)
    assert not first.is_still(look())


def test_a_writer_that_rests_within_a_line_is_waited_for_and_one_that_has_ended_is_not(tmp_path):
    path = written(tmp_path, LOG[:-7])
    with open_evidence(path) as opened, path.open("ab") as writer:
        opened.read()
        threading.Timer(0.03, lambda: os.write(writer.fileno(), LOG[-7:])).start()
        assert "still being written" in (opened.cut() or "")
    with open_evidence(written(tmp_path, LOG[:-7])) as opened:
        opened.read()
        assert opened.cut() is None
    os.utime(path, (time.time(), time.time() - 1))
    with open_evidence(path) as opened:
        opened.read()
        began = time.monotonic()
        assert opened.cut() is None and time.monotonic() - began < SETTLED_S / 2


def test_a_name_that_no_file_can_have_is_missing(tmp_path):
    with pytest.raises(Missing):
        open_evidence(tmp_path / "a\0b")


@pytest.mark.parametrize(("codec", "name"), [("utf-16-le", "UTF-16LE"), ("utf-16-be", "UTF-16BE")])
def test_utf16_without_a_mark_is_suspected(codec, name):
    assert likely_utf16(LOG.decode().encode(codec)) == name


@pytest.mark.parametrize("data", [LOG, bytes(100), b"a\0" * 4, b"key\0value\0" * 30, TEXT.encode()])
def test_bytes_that_are_not_utf16_are_not_suspected(data):
    assert likely_utf16(data) is None
