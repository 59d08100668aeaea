"""The files of a case, and the members of its archives: which there are, and how each is read."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analysis.case import Case, CaseError, SourceSpec
from analysis.evidence.archives import Content, contents
from analysis.evidence.compression import Damage
from analysis.evidence.encodings import likely_utf16
from analysis.evidence.formats import STDERR, Format, prefixed, with_case
from analysis.evidence.nested import Reading, bound, read_name
from analysis.evidence.reading import Identity, Opened, Unopenable
from analysis.evidence.recognise import recognise
from analysis.safe_text import visible

PEEK_BYTES: Final = 1 << 18
BLANK: Final = b"\0 \t\r\n"
NO_FILES: Final = "the archive holds no files"


@dataclass(frozen=True)
class Source:
    """One file and how it is read; the values of its row in `sources`."""

    source_id: int
    file: Path
    path: str
    format: Reading
    spec: SourceSpec
    content: Content
    seen: Identity  # of the content, when its format was looked for

    @property
    def clock(self) -> str:
        return self.spec.clock or self.path

    @property
    def ordered_by(self) -> str:
        return self.spec.ordered_by or ("stamp" if self.format.outer[0].items else "writer")

    @property
    def writer(self) -> str | None:
        """Who wrote the lines in their order; None for a merged export, where position says nothing."""
        return (self.spec.writer or self.path) if self.ordered_by == "writer" else None

    @property
    def lag_us(self) -> int:
        return self.format.stamp.lag_us


class Rotated(Unopenable):
    """A file whose name went to another one between two looks at it."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path}: replaced or cut while the case was loaded, as log rotation does. Load it again, or load a copy"
        )


def find_sources(case: Case) -> tuple[list[Source], list[str]]:
    """The case's files in the order of their paths, an archive's members in its own, each with its format.

    Out: sources; and which files without a line, and which members of archives are not read, and why.
    Raises: CaseError for a format nobody knows, a file that fits none, or if all are empty; Unopenable; FormatError.
    """
    formats = with_case(case.folder)
    first_named = named_files(case)
    found: list[Source] = []
    refused: list[str] = []
    for file in sorted(first_named, key=lambda file: file.relative_to(case.folder).as_posix()):
        path = file.relative_to(case.folder).as_posix()
        read, told = of_file(len(found) + 1, file, path, first_named[file], formats)
        found += read
        refused += told
    if refused and not found:
        raise CaseError(f"{case.folder}: nothing in its files is read\n  " + "\n  ".join(refused[:10]))
    refuse_rotated(found, first_named.keys() ^ named_files(case).keys())
    return found, refused


def of_file(
    number: int, file: Path, path: str, spec: SourceSpec, formats: dict[str, Format]
) -> tuple[list[Source], list[str]]:
    """The sources of one file, numbered from `number` on, and what of it is not read. Raises as `find_sources`."""
    found: list[Source] = []
    refused: list[str] = []
    is_lost = False
    for content in contents(file):
        name = path if content.inside is None else f"{path}!/{visible(content.inside)}"
        try:
            found.append(source_of(number + len(found), file, name, spec, content, formats))
        except NotRead as error:
            is_lost = is_lost or not isinstance(error, Empty)
            refused.append(f"{name}: not read: {error}")
    if is_lost and not found:
        raise CaseError(f"{file}: nothing in this archive is read\n  " + "\n  ".join(refused[:10]))
    return found, refused or ([] if found else [f"{path}: not read: {NO_FILES}"])


def named_files(case: Case) -> dict[Path, SourceSpec]:
    """Each file of the case and the first of the case's sources that names it."""
    found: dict[Path, SourceSpec] = {}
    for spec in case.sources:
        for file in case.files(spec):
            found.setdefault(file, spec)
    return found


def refuse_rotated(sources: Iterable[Source], come_or_gone: Iterable[Path]) -> None:
    """Raises Rotated if the files are not the ones that were looked at, all at the same time."""
    for file in come_or_gone:
        raise Rotated(file)
    for source in sources:
        if source.content.inside is None:
            with source.content.open() as opened:
                if not source.seen.is_still(opened.identity):
                    raise Rotated(source.file)


class NotRead(Exception):
    """A member of an archive that is no log, or none that can be read; the others are."""


class Empty(NotRead):
    """A file or member without a line: nothing is lost if it is left out, and that it was is told."""


def source_of(
    number: int, file: Path, path: str, spec: SourceSpec, content: Content, formats: dict[str, Format]
) -> Source:
    """How a content is read: by what the case names, else by what its beginning shows.

    Raises: NotRead; CaseError for a file that fits no format, or the name of none.
    """
    if content.refused:
        raise NotRead(content.refused)
    with content.open() as opened:
        beginning, seen = read_up_to(opened, PEEK_BYTES), opened.identity
        damage = opened.damage
    if spec.prefix is not None:
        formats = prefixed(formats, spec.prefix, str(file))
    name = spec.format or (STDERR if spec.prefix is not None else None)
    if name is not None:
        reading = bound(read_name(name, formats, str(file)), beginning)
    elif found := recognise(beginning, formats, whole=len(beginning) < PEEK_BYTES):
        reading = found[0].reading
    elif not beginning.strip(BLANK) and len(beginning) < PEEK_BYTES:
        raise Empty(why_unread(beginning, damage))
    elif content.inside is not None:
        raise NotRead(why_unread(beginning))
    else:
        raise CaseError(
            f"{file}: {why_unread(beginning)}; name one in case.toml (format = …), "
            "or add formats/NAME.toml to the case"
        )
    return Source(number, file, path, reading.late(spec.lag_us), spec, content, seen)


def why_unread(beginning: bytes, damage: Damage | None = None) -> str:
    """What is wrong with content that nothing fits, and what to do where that is known."""
    if beginning.strip(BLANK):
        codec = likely_utf16(beginning)
        looks = f"; it looks like {codec} without a mark: iconv -f {codec} -t UTF-8" if codec else ""
        return f"fits no known format{looks}"
    if damage is not None:
        return f"nothing of it can be read (byte {damage.offset}: {damage.reason}); export it again"
    what = "holds nothing but blank lines or NUL bytes" if beginning else "is empty"
    return f"{what}; export it again, or leave it out if nothing was to be logged"


def read_up_to(opened: Opened, size: int) -> bytes:
    """The first `size` bytes of the content, fewer where it is shorter."""
    buffer = bytearray(size)
    filled = 0
    while filled < size and (got := opened.readinto(memoryview(buffer)[filled:])):
        filled += got
    return bytes(buffer[:filled])
