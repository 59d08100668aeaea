"""Faults of reading: files of a shape that costs memory or time, each loaded in a process of its own."""

import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from analysis.evidence.split import TEXT_CAP
from tests.torture.accounted import folder_of
from tests.torture.trials import Trial

MOST_KB = 1 << 20  # 1 GiB of resident memory
MOST_S = 60  # of the processor, so of one core, for 100 MB
BLOCK = 1 << 20
SHORT, FULL = 10, 100  # MiB
CHILD = """
import sys
import analysis
case = analysis.open_case(sys.argv[1])
source = case.frame("sources").iloc[0]
accounted = ("record_bytes", "continuation_bytes", "blank_bytes", "quarantined_bytes")
assert source["bytes"] == sum(source[name] for name in accounted)
print("found", source["bytes"], source["lines"])
print(case.sql("SELECT coalesce(max(strlen(text)), 0) AS n FROM records")["n"][0])
print(case.sql("SELECT count(*) AS n FROM records WHERE damaged")["n"][0])
print(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""

HEAD = b"2026-03-11T15:47:23Z INFO app "


def one_line(mib: int) -> Iterator[bytes]:
    yield HEAD
    yield from (b"x" * BLOCK for _ in range(mib))
    yield b"\n"


def one_json_line(mib: int) -> Iterator[bytes]:
    yield b'{"ts":"2026-03-11T15:47:23Z","message":"'
    yield from (b"x" * BLOCK for _ in range(mib))
    yield b'"}\n'


def one_cell(mib: int) -> Iterator[bytes]:
    """A quote that is not closed, so that all the file is one record of many lines."""
    yield b'timestamp,message\n2026-03-11T15:47:23Z,"'
    yield from (b"x,y\n" * (BLOCK // 4) for _ in range(mib))


def one_record(mib: int) -> Iterator[bytes]:
    yield HEAD + b"\n"
    yield from (b" at line\n" * (BLOCK // 9) for _ in range(mib))


def short_lines(mib: int) -> Iterator[bytes]:
    yield from (b"a\n" * (BLOCK // 2) for _ in range(mib))


def blank_lines(mib: int) -> Iterator[bytes]:
    yield from (b"\n" * BLOCK for _ in range(mib))


def noise(mib: int) -> Iterator[bytes]:
    chance = random.Random(mib)
    yield from (chance.randbytes(BLOCK) for _ in range(mib))


def nuls(mib: int) -> Iterator[bytes]:
    yield from (bytes(BLOCK) for _ in range(mib))


SHAPES: tuple[tuple[Callable[[int], Iterator[bytes]], str], ...] = (
    (one_line, "render_export"),
    (one_json_line, "json_lines"),
    (one_cell, "csv_export"),
    (one_record, "render_export"),
    (short_lines, "render_export"),
    (short_lines, "json_lines"),
    (blank_lines, "json_lines"),
    (noise, "render_export"),
    (noise, "json_lines"),
    (noise, "csv_export"),
    (nuls, "render_export"),
    (nuls, "csv_export"),
    (short_lines, "nginx_combined"),
)


def heavy(number: int) -> None:
    """A shape of 10 MiB, then of 100: under 1 GiB of memory and a minute for 100 MB; long texts capped and flagged."""
    shape, fmt = SHAPES[number % len(SHAPES)]
    mib = SHORT if number < len(SHAPES) else FULL
    with folder_of({"case.toml": f'[[source]]\npath = "a.log"\nformat = "{fmt}"\n'.encode()}) as folder:
        size = 0
        with (folder / "a.log").open("wb") as file:
            for block in shape(mib):
                size += file.write(block)
        measure(folder, f"{shape.__name__} {fmt}", size)


def measure(folder: Path, shape: str, size: int) -> None:
    """Load in a child, within `MOST_S`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = subprocess.run(
        [sys.executable, "-c", CHILD, str(folder)], capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert child.returncode == 0, child.stderr[-2000:]
    content, _, longest, damaged, peak_kb = map(int, child.stdout.rpartition("found")[2].split())
    print(f"{shape}: {size / 1e6:.0f} MB in {took:.1f} s, {peak_kb / 1024:.0f} MiB", file=sys.stderr)
    assert content == size
    assert longest <= TEXT_CAP * 4 and (longest < TEXT_CAP - 4 or damaged)
    assert peak_kb < MOST_KB, f"{peak_kb / 1024:.0f} MiB"
    assert took < 10 + MOST_S * size / 1e8, f"{took:.0f} s"


TRIALS = (
    Trial(
        "sizes",
        "100 MB line, record, cell; 1-byte lines; noise; NULs",
        2 * len(SHAPES),
        heavy,
        6,
        limit_s=1800,
    ),
)
