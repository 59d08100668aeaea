"""Loads and outputs without room: a full disk, a limit on the size of files, too little memory."""

import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analysis.evidence import sql
from analysis.files import NoRoom, write_whole
from tests.torture.loading import (
    a_case,
    a_former_load,
    assert_tidy,
    folder_of,
    load,
    lying_there,
    own_store,
    start,
    tables_of,
    undisturbed,
)
from tests.torture.trials import Trial

REQUESTS = 35_000
MB = 1_000_000
DISKS = ((8, 1_000, 3 * MB), (16, 8_000, 8 * MB), (64, REQUESTS, 18 * MB))
"""MB of a disk, requests of a case that it can hold beside the former one, and the most bytes that its load takes."""
MOST_RSS_KB = 1_000_000


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path | None]:
    """A file system of this size; None where this user may not mount one."""
    with tempfile.TemporaryDirectory(prefix="torture-disk-") as name:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "none", name]
        if os.geteuid() or subprocess.run(mount, capture_output=True, check=False).returncode:
            yield None
            return
        try:
            yield Path(name)
        finally:
            subprocess.run(["umount", "-l", name], check=True)


def full_disk(number: int) -> None:
    """A load on a disk with too little room says so; what was there stays; with room it is made whole."""
    chance = random.Random(number)
    megabytes, requests, most = DISKS[number % len(DISKS)]
    case = a_case(requests)
    with small_disk(megabytes) as disk:
        if disk is None:
            return limited_files(number)
        with own_store(disk):
            a_former_load(case)
            free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(max(0, free - chance.randrange(most))))
            answer = start(load, str(case.folder)).answer()
            assert_said_or_done(answer, case, requests)
            ballast.unlink()
            assert tables_of(case) == undisturbed(requests)
            assert_tidy(folder_of(case))


def assert_said_or_done(answer: Any, case: Any, requests: int) -> None:
    """Either there was just enough room, or the error says where and how much, and the former state is there."""
    if isinstance(answer, dict):
        assert answer == undisturbed(requests)
        return
    kind, text = answer
    assert kind == "NoRoom" and str(folder_of(case)) in text, answer
    assert "needed" in text and "free" in text, text
    assert lying_there(case) == undisturbed(100)
    assert_tidy(folder_of(case))


def limited(tell: Any, folder: str, most_bytes: int) -> Any:
    """Load with no file longer than this. For a process of its own."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))
    return load(tell, folder)


def limited_files(number: int) -> None:
    chance = random.Random(number)
    case = a_case(REQUESTS)
    with own_store():
        a_former_load(case)
        most = chance.choice([100, 10_000, chance.randrange(5 * MB)])
        answer = start(limited, str(case.folder), most).answer()
        assert_said_or_done(answer, case, REQUESTS)
        assert tables_of(case) == undisturbed(REQUESTS)


def full_output(number: int) -> None:
    """An output that finds no room says so, and the former one is as it was."""
    size = random.Random(number).randrange(1 * MB, 3 * MB)
    with small_disk(1) as disk:
        if disk is None:
            return
        page = disk / "out" / "report.html"
        write_whole(page, b"former")
        try:
            write_whole(page, bytes(size + 1 * MB))
        except NoRoom as error:
            assert str(page) in str(error) and "needed" in str(error), error
        else:
            raise AssertionError("there was room")
        assert [file.name for file in page.parent.iterdir()] == ["report.html"]
        assert page.read_bytes() == b"former"


def report_without_room(number: int) -> None:
    """The whole command on a full disk: an exit code and a message, no traceback."""
    case = a_case(100)
    with small_disk(1) as disk, own_store():
        if disk is None:
            return
        (disk / "ballast").write_bytes(bytes(1_048_576 - 4096 * random.Random(number).randrange(1, 60)))
        command = [sys.executable, "-m", "analysis", "report", str(case.folder), "--out", str(disk / "out")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode in (3, 4) and done.stderr.startswith("error: "), (done.returncode, done.stderr)
        assert str(disk) in done.stderr and "Traceback" not in done.stderr, done.stderr


def tight(tell: Any, folder: str, memory: str) -> Any:
    """Load with so little memory for DuckDB; the process's own peak in KB. For a process of its own."""
    sql.MEMORY = sql.STREAMING_MEMORY = f"SET memory_limit='{memory}'"
    tables = load(tell, folder)
    return tables["records"]["rows"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def little_memory(number: int) -> None:
    """256 MB for logs of 500 MB and of 2 GB: the load is made or refused, and the process is not killed."""
    lines = (3_500_000, 14_000_000)[number % 2]
    with tempfile.TemporaryDirectory(prefix="torture-long-") as name, own_store():
        write_long_log(Path(name), lines)
        answer = start(tight, name, "256MB").answer()
        assert answer is not None, "the process was killed"
        if answer[0] != "OutOfMemory":
            rows, peak_kb = answer
            assert rows == lines and peak_kb < MOST_RSS_KB, answer


def write_long_log(folder: Path, lines: int) -> None:
    line = (
        "2026-11-{:02d}T{:02d}:{:02d}:{:02d}Z INFO app.jobs job {} of {} was completed by user {} after {} ms"
    )
    with (folder / "app.log").open("w") as file:
        for number in range(lines):
            at = number // 20
            clock = (at // 86_400 % 28 + 1, at // 3600 % 24, at // 60 % 60, at % 60)
            text = line.format(*clock, number * 7919 % 100_003, number, number * 31 % 5_003, number % 977)
            file.write(f"{text:<140}\n")
    (folder / "case.toml").write_text('[[source]]\npath = "app.log"\nformat = "render_export"\n')


TRIALS: tuple[Trial, ...] = (
    Trial("disk-full", "no room on a disk of 8, 16 or 64 MB", 60, full_disk, 3),
    Trial("file-size-limit", "a limit on the size of files", 60, limited_files),
    Trial("output-full", "no room for an output", 20, full_output),
    Trial("report-full", "no room for a report", 6, report_without_room, 0),
    Trial("little-memory", "256 MB of memory for logs of 500 MB and 2 GB", 2, little_memory, 0, limit_s=3600),
)
