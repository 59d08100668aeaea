"""The logs of the corpus: what each is, what detection makes of it, and cases that load many at once."""

import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from pathlib import Path
from typing import Final

from analysis.case import Case, SourceSpec
from analysis.evidence.formats import shipped
from analysis.evidence.reading import open_evidence
from analysis.evidence.recognise import recognise
from analysis.evidence.sources import PEEK_BYTES, read_up_to
from analysis.store import OpenCase, open_loaded

HERE: Final = Path(__file__).parent
LOGS: Final = HERE.parents[2] / "shared" / "corpus" / "logs"
NONE: Final = "none"
DAY: Final = date(2018, 12, 31)  # for stamps that have no year; nothing that is compared depends on it


@cache
def judged() -> dict[str, str]:
    """What each log is, judged by reading it: the format's name by path, or NONE."""
    parts = tomllib.loads((HERE / "formats.toml").read_text(encoding="utf-8"))
    return {f"{part}/{path}": fmt for part, logs in parts.items() for path, fmt in logs.items()}


@cache
def detected(file: str) -> str:
    """What detection says of a log from its first bytes, or NONE."""
    with open_evidence(LOGS / file) as opened:
        head = read_up_to(opened, PEEK_BYTES)
    found = recognise(head, shipped(), whole=len(head) < PEEK_BYTES)
    return found[0].reading.name if found else NONE


@contextmanager
def loaded(formats: Iterable[tuple[str, str]], zone: str = "UTC") -> Iterator[OpenCase]:
    """A case of logs (path, format), whose local stamps are read in `zone`."""
    sources = tuple(SourceSpec(file, fmt) for file, fmt in formats)
    case = open_loaded(Case(LOGS, "corpus", sources, zone=zone, date=DAY))
    try:
        yield case
    finally:
        case.close()
