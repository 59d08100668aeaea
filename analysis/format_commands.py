"""`python -m analysis formats …`: which formats there are, which one a file has, how a line is read."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from analysis.case import CaseError
from analysis.evidence.archives import contents
from analysis.evidence.formats import Format, bound_to, parse, with_case
from analysis.evidence.layers import select
from analysis.evidence.nested import Reading, read_name
from analysis.evidence.probe import asked
from analysis.evidence.recognise import recognise
from analysis.evidence.sources import PEEK_BYTES, read_up_to, why_unread
from analysis.format_page import page


def listed() -> Iterator[str]:
    """A line a shipped format: its name and title."""
    for name, fmt in with_case(Path()).items():
        yield f"{name:28} {fmt.title}"


def detected(file: Path) -> Iterator[str]:
    """The ways to read a file, best first, each with its evidence. Raises Unopenable."""
    for content in contents(file):
        name = str(file) if content.inside is None else f"{file}!/{content.inside}"
        if content.refused:
            yield f"{name}: not read: {content.refused}"
            continue
        with content.open() as opened:
            beginning = read_up_to(opened, PEEK_BYTES)
        found = recognise(beginning, with_case(file.parent), whole=len(beginning) < PEEK_BYTES)
        if content.inside is not None:
            yield f"{name}:"
        if not found:
            yield (
                f"{name}: {why_unread(beginning)}; add formats/NAME.toml beside it, "
                "or: python -m analysis formats"
            )
        for each in found:
            yield f"{each.reading.name}: {each.reason}"


def tried(name: str, line: str) -> Iterator[str]:
    """What a format, or several as in `docker_json > python_logging`, reads out of one line.

    Raises: CaseError for an unknown format, or formats that do not go together.
    """
    if ">" in name or "+" in name:
        yield from tried_together(read_name(name, with_case(Path()), "formats try"), line)
        return
    fmt = known(name)
    text = with_newlines(fmt, line)
    if fmt.csv and fmt.csv.named is not None:
        fmt, (header, _, text) = bound_to(fmt, text.encode()), text.partition("\n")
        if not text:
            raise CaseError(
                f"{name} learns its columns from a header line: give 'HEADER\\nLINE', not {header!r} alone"
            )
    row = parse(fmt, text)
    if row is None:
        yield f"{name}: the line does not fit"
        return
    yield from values_of(row)


def tried_together(reading: Reading, line: str) -> Iterator[str]:
    if reading.csv is not None:
        raise CaseError(f"{reading.outer[0].name} is a table: try what one of its cells holds")
    rows = asked(reading.outer[0], [with_newlines(reading.outer[0], line)], select(reading, "given", {}))
    yield from values_of(rows[0]) if rows[0]["parsed"] else [f"{reading.name}: the line does not fit"]


def with_newlines(fmt: Format, line: str) -> str:
    r"""The text of a record given on a command line, where \n stands for a newline; in JSON it is JSON's own."""
    return line if fmt.json is not None else line.replace("\\n", "\n")


def values_of(row: dict[str, Any]) -> Iterator[str]:
    for column, value in row.items():
        if value is not None and value != {} and column not in ("text", "parsed", "stamp_ok"):
            yield f"{column:18} {value}"


def shown(name: str) -> Iterator[str]:
    """A format's page. Raises CaseError for an unknown format."""
    return page(known(name))


def known(name: str) -> Format:
    formats = with_case(Path())
    if name not in formats:
        raise CaseError(f"format {name!r} is unknown; `python -m analysis formats` lists them")
    return formats[name]
