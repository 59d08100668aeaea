"""Whether a loaded file is accounted for: its stretches rebuild it bit for bit, and its counts add up."""

from collections.abc import Iterator
from typing import Final

from analysis.evidence.reading import open_evidence
from analysis.evidence.sources import read_up_to
from analysis.store import OpenCase

MOST: Final = 1 << 26
COUNTS: Final = """
SELECT bytes, record_bytes, continuation_bytes, blank_bytes, quarantined_bytes FROM sources WHERE path = ?
"""
STRETCHES: Final = """
SELECT byte_start, byte_end, text FROM stretches JOIN sources USING (source_id) WHERE sources.path = ?
ORDER BY byte_start
"""


def problems(case: OpenCase, file: str) -> Iterator[str]:
    """What is wrong with the accounts of one file of a case; nothing if all is well."""
    with open_evidence(case.case.folder / file) as opened:
        content = read_up_to(opened, MOST)
    counts = case.connection.execute(COUNTS, [file]).fetchall()[0]
    if not len(content) == counts[0] == sum(counts[1:]):
        yield f"the content has {len(content)} bytes, counted were {counts}"
    at, blank = 0, 0
    for start, end, text in [
        *case.connection.execute(STRETCHES, [file]).fetchall(),
        (len(content), len(content), None),
    ]:
        between = content[at:start]  # blank lines, which nothing stores
        if start < at or between.replace(b"\r\n", b"\n").strip(b"\n"):
            yield f"bytes {at} to {start} are in no stretch, or in two"
        if text is not None and text != shown(content[start:end]):
            yield f"the record at byte {start} does not have its own text"
        at, blank = end, blank + len(between)
    if blank != counts[3]:
        yield f"{blank} bytes of blank lines, counted were {counts[3]}"


def shown(record: bytes) -> str:
    r"""A record as it is stored: without its final newline, \xNN for a byte that is not UTF-8 or is NUL."""
    body = record.removesuffix(b"\n")
    return (
        (body.removesuffix(b"\r") if body != record else body)
        .decode(errors="backslashreplace")
        .replace("\0", "\\x00")
    )
