"""What a format is, in words: for `python -m analysis formats show`."""

from collections.abc import Iterator
from typing import Final

from analysis.evidence.format_file import Csv, Format, Sample
from analysis.evidence.heads import EveryLine, Head, Mask, Pattern
from analysis.evidence.probe import bound_to, cut, rows
from analysis.evidence.stamps import Stamp
from analysis.safe_text import visible

SECOND_US: Final = 1_000_000
MARKS: Final = {
    "start": "the start of a request",
    "finish": "the finish of a request",
    "instant": "an instant",
    "unknown": "nobody knows which end of a request",
}
FORMATS: Final = {
    "iso": "ISO 8601, a T or a blank between, fraction and offset optional",
    "time": "a time of day; case.toml gives the date",
    "any": "ISO 8601, or an epoch whose unit its size tells",
    **{f"epoch_{unit}": f"{unit} since 1970" for unit in ("s", "ms", "us", "ns")},
    "none": "no stamp at all: when a record was written is unknown",
}
HIDDEN: Final = ("text", "parsed", "stamp_ok", "message_length", "logged_us", "zoned", "repeat_us")


def page(fmt: Format) -> Iterator[str]:
    """The lines of a format's page."""
    yield f"{fmt.name}: {fmt.title}"
    yield ""
    for label, text in (*about(fmt), *taken_apart(fmt), *stamp_in_words(fmt.stamp)):
        yield f"{label:<16}{visible(text)}"
    for number, sample in enumerate(fmt.samples, 1):
        yield ""
        yield f"sample {number} ({sample.source})"
        yield from shown_sample(fmt, sample)


def about(fmt: Format) -> Iterator[tuple[str, str]]:
    yield "documentation", fmt.url
    yield "kind", f"{fmt.kind}, {'chosen by name only' if fmt.explicit else 'detected from content'}"
    yield "a record starts", head_in_words(fmt.head)
    others = "belong to the record before them" if fmt.fold else "are quarantined"
    yield "other lines", others
    if fmt.wraps:
        yield "wraps", f"{fmt.wraps} may be a line of another format: {fmt.name} > …"


def taken_apart(fmt: Format) -> Iterator[tuple[str, str]]:
    """How a record becomes fields, and what these must look like."""
    if fmt.ansi:
        yield "colours", "are taken out before the line is read"
    if fmt.layout:
        yield "layout", str(fmt.layout)
    if fmt.regex:
        yield "or regex" if fmt.layout else "regex", fmt.regex
    for name, places in (fmt.json or {}).items():
        yield "JSON", f"{name} = {', '.join(places)}"
    if fmt.csv:
        yield from table_in_words(fmt.csv)
    for inside in fmt.insides:
        how = str(inside.layout) if inside.layout else ""
        yield f"in {inside.field}", " or ".join(each for each in (how, inside.regex) if each)
    for name, regex in fmt.must.items():
        yield "must match", f"{name}: {regex}"
    for name, regex in fmt.must_not.items():
        yield "must not match", f"{name}: {regex}"
    for written, name in fmt.level_names.items():
        yield "level", f"{written} is {name}"


def table_in_words(table: Csv) -> Iterator[tuple[str, str]]:
    yield "delimiter", repr(table.delimiter)
    if table.directive:
        yield "columns", f"those of the last line before that begins with {table.directive}"
    elif table.named is not None:
        yield "columns", "those of the header line"
    for name, columns in (table.named or {}).items():
        yield "column", f"{name} = {', '.join(columns)}"
    if table.named is None:
        yield "columns", ", ".join(table.columns)


def head_in_words(head: Head) -> str:
    match head:
        case EveryLine():
            return "at each line that is not blank"
        case Mask(masks):
            return f"at {' or '.join(map(repr, masks))} (d a digit, a a letter)"
        case Pattern(regex=regex):
            return f"where a line begins with the regex {regex}"
    return "at each line outside of quotes"


def stamp_in_words(stamp: Stamp) -> Iterator[tuple[str, str]]:
    yield "stamp", FORMATS.get(stamp.format, stamp.format)
    if stamp.format == "none":
        return
    yield "it marks", MARKS[stamp.marks]
    yield "its step", f"{length(stamp.resolution_us)}, or what its digits show if that is coarser"
    yield "it may be late", f"by up to {length(stamp.lag_us)}"
    yield (
        "zone",
        "each stamp is an instant" if stamp.always_zoned else "where a stamp has none, that of the case",
    )


def length(us: int) -> str:
    """A duration with the largest unit that needs no fraction."""
    for unit, size in (("s", SECOND_US), ("ms", 1_000)):
        if us % size == 0 and us:
            return f"{us // size} {unit}"
    return f"{us} µs"


def shown_sample(fmt: Format, sample: Sample) -> Iterator[str]:
    """The sample's lines as they are, then what is read out of them."""
    for line in "\n".join(filter(None, (sample.header, sample.line))).split("\n"):
        yield f"  | {visible(line)}"
    fmt = bound_to(fmt, f"{sample.header}\n{sample.line}".encode())
    (row,) = rows(fmt, cut(fmt.head, fmt.fold, sample.line.encode())[0], sample.wanted)
    for name in ("logged_at", *(name for name in row if name != "logged_at")):
        if name not in HIDDEN and row[name] not in (None, {}):
            yield f"  {name:<18}" + visible(str(row[name])).replace("\n", "\n" + " " * 20)
