"""How a source is read where one format does not say it all: wrapped lines, and several formats in one file.

`docker_json > gunicorn_access + python_logging`: Docker wrote each line down; what it wrote down is read as an access
line or else as one of Python's logging. A line that fits nothing inside stays the record that it is outside.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

from analysis.case import CaseError
from analysis.evidence.format_file import Csv, Format
from analysis.evidence.heads import Head
from analysis.evidence.probe import bound_to
from analysis.evidence.shared import Shared, head_alone, head_beside
from analysis.evidence.stamps import Stamp

MOST_WRAPPERS: Final = 3
MOST_PARTS: Final = 3


@dataclass(frozen=True)
class Reading:
    """The formats that a source is read by.

    wrappers: outermost first, each but the first inside the one before it. parts: the formats of what is inside them
    (of the file, where there are none), tried in turn.
    """

    wrappers: tuple[Format, ...]
    parts: tuple[Format, ...]

    @property
    def name(self) -> str:
        """As case.toml and `sources.format` write it."""
        inside = " + ".join(part.name for part in self.parts)
        return " > ".join([*(wrapper.name for wrapper in self.wrappers), inside])

    @property
    def outer(self) -> tuple[Format, ...]:
        """The formats that see the file's own lines."""
        return self.wrappers[:1] or self.parts

    @property
    def layers(self) -> tuple[Format, ...]:
        """All formats, outermost first."""
        return (*self.wrappers, *self.parts)

    @property
    def is_plain(self) -> bool:
        return not self.wrappers and len(self.parts) == 1

    @property
    def head(self) -> Head:
        if len(self.outer) == 1:
            return head_alone(self.outer[0])
        return Shared(tuple((head_beside(fmt), fmt.fold) for fmt in self.outer))

    @property
    def fold(self) -> bool:
        return len(self.outer) > 1 or self.outer[0].fold

    @property
    def csv(self) -> Csv | None:
        return self.outer[0].csv

    @property
    def main(self) -> Format:
        """The format whose kind the source has: that of the requests, if there are any in it."""
        return next((part for part in self.parts if part.kind == "access"), self.parts[0])

    @property
    def kind(self) -> str:
        return self.main.kind

    @property
    def stamp(self) -> Stamp:
        """The stamp of the main format's records: a wrapper's where theirs has no date."""
        return next(
            (fmt.stamp for fmt in (self.main, *reversed(self.wrappers)) if is_dated(fmt)), self.outer[0].stamp
        )

    @property
    def unsettled(self) -> Stamp:
        """The stamp that lacks most: what the loader has to add to the stamps of a source is what that one lacks."""
        own = [fmt.stamp for fmt in self.layers if fmt in self.outer or is_dated(fmt)]
        if len(self.outer) > 1:  # a fragment has no stamp but that of the line before it
            return replace(min(own, key=lambda stamp: stamp.always_zoned), inherit=True)
        return max(
            own, key=lambda stamp: (stamp.time_only or stamp.yearless, stamp.inherit, not stamp.always_zoned)
        )

    def late(self, lag_us: int | None) -> "Reading":
        """The reading with a lag that the case gives, if it gives one."""
        if lag_us is None:
            return self
        known = [replace(fmt, stamp=replace(fmt.stamp, lag_us=lag_us)) for fmt in self.layers]
        depth = len(self.wrappers)
        return Reading(tuple(known[:depth]), tuple(known[depth:]))


def bound(reading: Reading, head: bytes) -> Reading:
    """The reading of a file that begins with `head`: see `bound_to`."""
    outer = [bound_to(fmt, head) for fmt in reading.outer]
    if reading.wrappers:
        return replace(reading, wrappers=(*outer, *reading.wrappers[1:]))
    return replace(reading, parts=tuple(outer))


def is_dated(fmt: Format) -> bool:
    """Whether a stamp of the format is an instant or a local reading, and no mere time of day."""
    return fmt.stamp.format != "none" and not fmt.stamp.time_only and not fmt.stamp.yearless


def read_name(name: str, formats: Mapping[str, Format], where: str) -> Reading:
    """The reading that a case names, e.g. `docker_json > gunicorn_access + python_logging`; where: it is named.

    Raises: CaseError for a format nobody knows, or formats that do not go together.
    """
    *wrappers, inside = ([each.strip() for each in level.split("+")] for level in name.split(">"))
    for each in (each for level in (*wrappers, inside) for each in level):
        if each not in formats:
            raise CaseError(f"{where}: format {each!r} is unknown; known: {', '.join(sorted(formats))}")
    if any(len(level) > 1 for level in wrappers):
        raise CaseError(f"{where}: format {name!r}: a + may stand behind the last > only")
    reading = Reading(tuple(formats[level[0]] for level in wrappers), tuple(formats[each] for each in inside))
    problem = next(problems(reading), None)
    if problem is not None:
        raise CaseError(f"{where}: format {name!r}: {problem}")
    return reading


def problems(reading: Reading) -> Iterator[str]:
    """Why formats do not go together."""
    if len(reading.wrappers) > MOST_WRAPPERS or len(reading.parts) > MOST_PARTS:
        yield f"wanted at most {MOST_WRAPPERS} wrappers and {MOST_PARTS} formats inside"
    for fmt in reading.wrappers:
        if fmt.wraps is None:
            yield f"{fmt.name} wraps no line of somebody else (its file says no wraps = …)"
    inner = [fmt for fmt in reading.layers if fmt not in reading.outer]
    for fmt in (*inner, *(reading.parts if len(reading.parts) > 1 else ())):
        if fmt.is_table:
            yield f"{fmt.name} is a table, or has several records in a line: it can be read as a whole file only"
    if len(reading.parts) > 1:
        for fmt in reading.parts:
            if not is_dated(fmt):
                yield f"{fmt.name} has stamps without a date and cannot stand beside others"
