"""Faults of reading: how the file lies there, and what happens to it while it is read."""

import bz2
import gzip
import lzma
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import zstandard

from analysis.case import Case, SourceSpec
from analysis.evidence.reading import Unopenable, open_evidence
from analysis.store import open_loaded
from tests.torture.accounted import assert_whole, count, folder_of, load_folder, loaded, reasons
from tests.torture.texts import text_lines
from tests.torture.trials import Trial

COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "gz": gzip.compress,
    "zst": zstandard.ZstdCompressor(write_checksum=True).compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
}
LINE = "2026-03-11T15:{:02}:{:02}.{:03}Z INFO app line {} of many, some of them long\n"


def numbered(number: int) -> str:
    return LINE.format(number // 60_000 % 60, number // 1000 % 60, number % 1000, number)


def message_numbers(connection) -> list[int]:
    """The numbers of the loaded lines, in their order."""
    rows = connection.execute(
        "SELECT CAST(split_part(message, ' ', 2) AS INTEGER) FROM records ORDER BY record_id"
    ).fetchall()
    return [number for (number,) in rows]


def truncated(number: int) -> None:
    """A compressed file cut at number/64 of its length: every whole line before the cut is loaded, the cut is told."""
    name = list(COMPRESS)[number // 64]
    chance = random.Random(number)
    lines = [line for line in text_lines(chance, 20_000) if line.startswith("2026")]
    content = "".join(line + "\n" for line in lines).encode()
    compressed = COMPRESS[name](content)
    at = len(compressed) * (number % 64) // 64
    at = max(at, 16)
    with loaded(compressed[:at], "render_export", "a.log") as connection:
        (damage, size) = connection.execute("SELECT damage, bytes FROM sources").fetchall()[0]
        assert damage == f"byte {at}: the {name} data end in the middle"
        assert_whole(connection, content[:size])
        assert count(connection, "records") == content[:size].count(b"\n")
        if name == "gz" and number % 64 > 2:
            assert size > len(content) * (number % 64) / 64 * 0.5, (
                "less than half of what lies before the cut"
            )
        if not content[:size].endswith(b"\n") and size:
            assert "cut off" in reasons(connection)[-1]


def compressed_in_parts(number: int) -> None:
    """Members one after the other, padding, a wrong name, a tail of something else: all that is sound is read."""
    chance = random.Random(number)
    name = list(COMPRESS)[number % 4]
    parts = ["".join(line + "\n" for line in text_lines(chance, 500)).encode() for _ in range(3)]
    tail = chance.choice((b"", b"garbage\n" * 100, chance.randbytes(5000), parts[0], b"\0" * 1000))
    data = b"".join(COMPRESS[name](part) + b"\0" * chance.choice((0, 512)) for part in parts) + tail
    with loaded(data, "render_export", chance.choice(("a.log", "a.log.gz", "a.zip", "a.csv"))) as connection:
        assert_whole(connection, b"".join(parts))
        (damage,) = connection.execute("SELECT damage FROM sources").fetchall()[0]
        is_sound = not tail.strip(b"\0")
        assert (damage is None) == is_sound, damage


WRITER = """
import os, random, sys, time
from tests.torture.files import numbered
chance, pending, at = random.Random(int(sys.argv[2])), b"", 50_000
with open(sys.argv[1], "ab", buffering=0) as file:
    while not os.path.exists(sys.argv[3]):
        while len(pending) < 2000:
            pending, at = pending + numbered(at).encode(), at + 1
        size = chance.randrange(200, 2000)
        file.write(pending[:size])
        pending = pending[size:]
        time.sleep(size / 73 / 5000)
    file.write(pending[: pending.find(b"\\n") + 1])
"""
"""A process of its own, since a thread of the reader's would wait for it; it ends when the file `stop` is there."""
WRITER_S = 120  # until it must have appended a line


@contextmanager
def written_to(log: Path, number: int) -> Iterator[None]:
    """A writer appends to the log meanwhile, and has written its last line whole at the end."""
    stop = log.with_name("stop")
    with subprocess.Popen([sys.executable, "-c", WRITER, str(log), str(number), str(stop)]) as writer:
        try:
            yield
        finally:
            stop.touch()
    assert writer.returncode == 0


def wait_for_more(log: Path, lines: int) -> None:
    """Until the log holds more whole lines than these."""
    until = time.monotonic() + WRITER_S
    while log.read_bytes().count(b"\n") <= lines:
        assert time.monotonic() < until, "the writer appends nothing"
        time.sleep(0.01)


def growing(number: int) -> None:
    """A writer appends 5,000 lines a second, in pieces that end anywhere; no line is loaded by half, none twice."""
    with folder_of({"a.log": "".join(numbered(n) for n in range(50_000)).encode()}) as folder:
        log = folder / "a.log"
        case = Case(folder, "growing", (SourceSpec("a.log", "render_export"),))
        before = 50_000
        with written_to(log, number):
            for _ in range(3):
                wait_for_more(log, before)
                with open_loaded(case).connection as connection:
                    now = count(connection, "records")
                    assert message_numbers(connection) == list(range(now)), reasons(connection)
                    assert now > before
                    assert all("still being written" in reason for reason in reasons(connection))
                    before = now
            wait_for_more(log, before)
        whole = log.read_bytes()
        assert whole.count(b"\n") > before
        with open_loaded(case).connection as connection:
            assert_whole(connection, whole)
            assert message_numbers(connection) == list(range(whole.count(b"\n")))
            assert not reasons(connection)


def rotating(number: int) -> None:
    """The log is rotated while it is loaded, by renaming or by copy and truncate: no line is lost or loaded twice."""
    chance = random.Random(number)
    copies = number % 2 == 1
    with folder_of({"app.log": "".join(numbered(n) for n in range(20_000)).encode()}) as folder:
        log = folder / "app.log"
        if chance.random() < 0.5:
            (folder / "app.log.1").write_text("")
        case = Case(folder, "rotating", (SourceSpec("app.log*", "render_export"),))
        wait = chance.uniform(0, 0.4)

        def rotate() -> None:
            time.sleep(wait)
            if copies:
                shutil.copyfile(log, folder / "app.log.1")
                os.truncate(log, 0)
                log.write_text("".join(numbered(n) for n in range(20_000, 20_100)))
            else:
                log.rename(folder / "app.log.1")
                log.write_text("".join(numbered(n) for n in range(20_000, 20_100)))

        rotation = threading.Thread(target=rotate)
        rotation.start()
        with open_loaded(case).connection as connection:
            found = sorted(message_numbers(connection))
        rotation.join()
        assert len(found) == len(set(found)), "a line was loaded twice"
        if not copies:
            assert found in (list(range(20_000)), list(range(20_100))), f"{len(found)} lines"
        with open_loaded(case).connection as connection:
            assert sorted(message_numbers(connection)) == list(range(20_100))


def refused(number: int) -> None:
    """What is no file, or cannot be read, is refused within a second, by its path."""
    with folder_of({"a.log": b"x\n"}) as folder:
        os.mkfifo(folder / "fifo")
        (folder / "loop").symlink_to(folder / "loop")
        (folder / "zero").symlink_to("/dev/zero")
        (folder / "folder").mkdir()
        for name in ("fifo", "loop", "zero", "folder", "missing", "a.log/below", "x" * 300, "nul\0"):
            began = time.monotonic()
            with pytest.raises(Unopenable) as refusal:
                open_evidence(folder / name)
            assert time.monotonic() - began < 1
            assert str(folder / name) in str(refusal.value)
        locked = folder / "locked"
        locked.mkdir()
        log = locked / "a.log"
        log.write_text(numbered(1))
        log.chmod(0o400)
        locked.chmod(0o500)
        with load_folder(locked, "a.log", "render_export") as connection:
            assert count(connection, "records") == 1


TRIALS = (
    Trial("truncated", "gz, zst, bz2, xz cut at every 1/64 of the length", 256, truncated, 3),
    Trial("compressed", "concatenated members, garbage tail, wrong name", 200, compressed_in_parts, 4),
    Trial("growing", "a writer appends 5,000 lines a second", 50, growing, 1),
    Trial("rotated", "rename and copytruncate while it is loaded", 100, rotating, 2),
    Trial("refused", "FIFO, device, folder, missing, read-only folder", 10, refused, 1),
)
