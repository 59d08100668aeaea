"""`python -m analysis formats …`: which formats there are, which one a file has, how a line is read."""

from collections.abc import Iterator
from pathlib import Path

from analysis.case import CaseError
from analysis.evidence.formats import Format, detect, parse, with_case
from analysis.evidence.load import PEEK_BYTES, read_up_to
from analysis.evidence.reading import open_evidence


def listed() -> Iterator[str]:
    """A line a shipped format: its name and title."""
    for name, fmt in with_case(Path()).items():
        yield f"{name:28} {fmt.title}"


def detected(file: Path) -> Iterator[str]:
    """The formats that fit a file, best first, each with its evidence. Raises Unopenable."""
    with open_evidence(file) as opened:
        beginning = read_up_to(opened, PEEK_BYTES)
    candidates = detect(beginning, with_case(file.parent))
    if not candidates:
        yield f"{file}: fits no known format; add formats/NAME.toml beside it, or: python -m analysis formats"
    for candidate in candidates:
        yield f"{candidate.format.name}: {candidate.reason}"


def tried(name: str, line: str) -> Iterator[str]:
    """What a format reads out of one line. Raises CaseError for an unknown format."""
    row = parse(known(name), line.replace("\\n", "\n"))
    if row is None:
        yield f"{name}: the line does not fit"
        return
    for column, value in row.items():
        if value is not None and value != {} and column not in ("text", "parsed", "stamp_ok"):
            yield f"{column:18} {value}"


def shown(name: str) -> Iterator[str]:
    """A format's documentation, stamp and samples. Raises CaseError for an unknown format."""
    fmt, stamp = known(name), known(name).stamp
    yield f"{name}: {fmt.title}"
    yield f"documentation  {fmt.url}"
    yield f"kind           {fmt.kind}{', chosen by name only' if fmt.explicit else ''}"
    yield f"stamp          marks {stamp.marks}, {stamp.resolution_us} µs fine, up to {stamp.lag_us} µs late"
    for sample in fmt.samples:
        yield f"sample         {sample.line}"


def known(name: str) -> Format:
    formats = with_case(Path())
    if name not in formats:
        raise CaseError(f"format {name!r} is unknown; `python -m analysis formats` lists them")
    return formats[name]
