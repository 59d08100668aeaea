"""No line, however made, costs more than its length: every format and the loader on records of one MB."""

import io
import time

import pytest

from analysis.case import Case, SourceSpec
from analysis.evidence.formats import bound_to, shipped
from analysis.evidence.probe import rows
from analysis.evidence.split import split
from analysis.store import open_loaded

FORMATS = shipped()
MB = 1 << 20
LIMIT_S = 0.2
WANTED = {"entity": "job_id", "user_id": "user", "request_id": "request_id"}
PUMPS = (
    *(" ", "  a", "a", "0", "-", "=", "a=b ", '"', "\\", '\\"', "[", "](", "/1"),
    *("&a=%41", "\n", "\t", "a:", "\x1b[0m", '{"a":', ".a"),
)


def long_lines(line):
    """A line of the format, whole or its first half, and then one MB of the same."""
    parts = (line, line[: len(line) // 2])
    return [(parts[number % 2] + pump * (MB // len(pump)))[:MB] for number, pump in enumerate(PUMPS)]


def seconds(fmt, texts):
    """CPU time of one thread that reads the texts as the loader does."""
    start = time.process_time()
    rows(fmt, texts, WANTED)
    return time.process_time() - start


def is_slow(fmt, text):
    return all(seconds(fmt, [text]) > LIMIT_S for _ in range(3))


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_format_reads_a_record_of_one_mb_in_time(name):
    sample = FORMATS[name].samples[0]
    fmt = bound_to(FORMATS[name], f"{sample.header}\n{sample.line}".encode())
    texts = long_lines(sample.line)
    if seconds(fmt, texts) > 3 * LIMIT_S:  # all twenty; else none of them is over it by much
        assert [text[-8:] for text in texts if is_slow(fmt, text)] == []


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_head_is_told_from_a_line_of_one_mb_in_time(name):
    fmt = FORMATS[name]
    text = "\n".join(line.replace("\n", " ") for line in long_lines(fmt.samples[0].line)).encode()
    start = time.process_time()
    for _ in split(io.BytesIO(text), fmt.head, fmt.fold):
        pass
    assert time.process_time() - start < len(PUMPS) * LIMIT_S / 4


def test_the_loader_reads_long_paths_and_messages_in_time(tmp_path):
    paths = ['192.0.2.7 - - [11/Mar/2026:15:47:23 +0000] "GET /{} HTTP/1.1" 200 5 "-" "-"', "{}"]
    pumps = [pump.replace("\n", " ") * (MB // len(pump) // 2) for pump in PUMPS]
    (tmp_path / "access.log").write_text("\n".join(paths[0].format(pump) for pump in pumps))
    (tmp_path / "app.log").write_text(
        "\n".join(f"2026-03-11T15:47:23Z ERROR jobs.views {pump}" for pump in pumps)
    )
    case = Case(
        tmp_path,
        "long",
        (SourceSpec("access.log", "combined_access"), SourceSpec("app.log", "render_export")),
    )
    start = time.process_time()
    open_loaded(case)
    assert time.process_time() - start < 2 * len(PUMPS) * LIMIT_S
