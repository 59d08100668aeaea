"""Log formats as data: one TOML file a format, each proving its own samples.

Source: lnav, "Log Formats" (a format without samples, or with one that it cannot parse, is refused).
"""

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, Final

import duckdb

from analysis.evidence.detect import Candidate, Peek, detect, try_format
from analysis.evidence.extract import to_select
from analysis.evidence.format_file import Format, FormatError, Sample, load, with_prefix
from analysis.evidence.layout import LayoutError
from analysis.evidence.pg_prefix import BadPrefix
from analysis.evidence.probe import bound_to, cut, parse, rows

__all__ = [
    "Candidate",
    "Format",
    "FormatError",
    "bound_to",
    "detect",
    "parse",
    "prefixed",
    "read_format",
    "shipped",
    "to_select",
    "with_case",
]

STDERR: Final = "postgresql_stderr"
SHIPPED: Final = Path(__file__).parent / "formats"


def read_format(path: Path) -> Format:
    """Read one format file and prove its samples.

    Raises: FormatError, naming the file, the place, what was wanted and what was there.
    """
    fmt = load(path)
    _prove(fmt, path.name)
    return fmt


@cache
def shipped() -> dict[str, Format]:
    """The formats that come with the kit, by name. Their samples are proved by the tests, not at each start."""
    return {path.stem: load(path) for path in sorted(SHIPPED.glob("*.toml"))}


def with_case(folder: Path) -> dict[str, Format]:
    """The shipped formats and those of a case's own `formats/`; the case's win.

    Raises: FormatError for one of the case's.
    """
    own = {path.stem: read_format(path) for path in sorted((folder / "formats").glob("*.toml"))}
    return shipped() | own


def prefixed(formats: dict[str, Format], prefix: str, where: str) -> dict[str, Format]:
    """The formats, of which PostgreSQL's stderr is read with this log_line_prefix. Raises: FormatError."""
    try:
        return formats | {STDERR: with_prefix(formats[STDERR], prefix)}
    except BadPrefix as error:
        raise FormatError(f"{where}: {error}") from error


def _prove(fmt: Format, where: str) -> None:
    """Raises: FormatError for a sample that does not give its row, or a foreign line that is taken."""
    for number, sample in enumerate(fmt.samples, 1):
        got = _as_sample(fmt, sample, where, f"sample {number}")
        wrong = {name: got.get(name) for name, value in sample.row.items() if got.get(name) != value}
        if wrong:
            raise FormatError(
                f"{where}: sample {number} parsed to the wrong row\n"
                f"  want: { ({name: sample.row[name] for name in wrong}) }\n  got:  {wrong}"
            )
    for number, line in enumerate(fmt.foreign, 1):
        if try_format(fmt, Peek(line.encode())).fits:
            raise FormatError(
                f"{where}: foreign {number} must be refused and was read as a record; make the layout stricter, "
                f"e.g. by must.<field> = '<regex>'\n  line: {line!r}"
            )


def _why_not(fmt: Format, texts: list[str], sample: Sample) -> str:
    """Why a sample does not fit: by its shape, or by what its values must be."""
    lenient = rows(replace(fmt, must={}, must_not={}), texts, sample.wanted)[0]
    if not lenient["parsed"]:
        return "it does not fit"
    conditions = {"must": fmt.must, "must_not": fmt.must_not}
    return f"by {' and '.join(key for key, given in conditions.items() if given)}: {conditions}"


def _as_sample(fmt: Format, sample: Sample, where: str, which: str) -> dict[str, Any]:
    head = f"{sample.header}\n" if sample.header else ""
    fmt = bound_to(fmt, (head + sample.line).encode())
    try:
        texts, left_over = cut(fmt.head, fmt.fold, sample.line.encode())
        read = rows(fmt, texts, sample.wanted) if texts else []
    except (duckdb.Error, LayoutError) as error:
        raise FormatError(f"{where}: {which} cannot be read: {error}") from error
    if len(read) != 1 or left_over:
        raise FormatError(
            f"{where}: {which} must be one record; head and fold make it {len(read)}, and {left_over} lines of none"
        )
    if not (read[0]["parsed"] and read[0]["stamp_ok"]):
        what = "its stamp cannot be read" if read[0]["parsed"] else _why_not(fmt, texts, sample)
        raise FormatError(
            f"{where}: {which} is refused, {what}\n  want: {dict(sample.row)}\n  line: {sample.line!r}"
        )
    return read[0]
