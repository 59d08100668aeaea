"""A folder of logs -> the case it makes, and the case.toml to start from."""

import datetime as dt
import glob
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analysis.case import FILE, Case, CaseError, Fields, SourceSpec, zone_name
from analysis.evidence.archives import Content, contents
from analysis.evidence.formats import Format, with_case
from analysis.evidence.nested import Reading
from analysis.evidence.reading import Unopenable
from analysis.evidence.recognise import recognise
from analysis.evidence.sources import NO_FILES, PEEK_BYTES, read_up_to, why_unread
from analysis.safe_text import visible

KEY_VALUE = re.compile(r'(?:^|[\s?&{,"])([A-Za-z_][A-Za-z0-9_.-]{0,40})\\?"?[=:]\s?\\?"?([^\s&",}\\]{1,80})')
ID_VALUE = re.compile(
    r"[0-9]+|[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[A-Za-z]{1,8}[-_]?[0-9]{2,}"
)
REQUEST_ID = ("request_id", "requestid", "req_id", "x_request_id", "x-request-id", "correlation_id", "reqid")
USER = ("user", "user_id", "userid", "username", "user_name", "account", "account_id", "customer_id", "uid")
NO_ENTITY = {
    "pid",
    "tid",
    "trace_id",
    "span_id",
    "parent_id",
    "session_id",
    "thread_id",
    "process_id",
    "client_id",
}
MEASURE = re.compile(
    r"(?:^|_)(?:ms|us|ns|s|sec|seconds|bytes|size|len|length|count|port|code|status|line|duration|time|took|elapsed"
    r"|retries|attempt|page|limit|offset|version|level|worker|thread|rate|total|queries)$",
    re.IGNORECASE,
)
DEPLOY_SUFFIXES = (".csv", ".json", ".jsonl", ".ndjson")
DEPLOY_NAME = re.compile(r"(deploy|release)", re.IGNORECASE)


@dataclass(frozen=True)
class Discovery:
    """The case that a folder makes, and what was said of each file on the way."""

    case: Case
    notes: tuple[str, ...]


def discover(folder: Path, zone: str | None = None) -> Discovery:
    """Look at every file in `folder`: logs become sources, deploy lists and a repository are recognised.

    Raises: CaseError if no file has a known format.
    """
    if not folder.is_dir():
        raise CaseError(f"{folder}: not a folder; give the folder that the log exports lie in")
    formats = with_case(folder)
    notes: list[str] = []
    files = list(visible_files(folder))
    deploys = [file for file in files if DEPLOY_NAME.search(file.name) and file.suffix in DEPLOY_SUFFIXES]
    bundles = [file for file in files if file.suffix == ".bundle"]
    logs = sorted({*files} - {*deploys, *bundles})
    sources, text, unread = look_at_all(folder, logs, formats, notes)
    if not sources:
        why = notes or ["it holds no files but hidden ones, notebooks and descriptions"]
        raise CaseError(
            f"{folder}: no file with a known format in it\n" + "\n".join(f"  {note}" for note in why)
        )
    case = Case(
        folder=folder,
        title=folder.resolve().name,
        sources=tuple(sources),
        zone=zone_name(zone or "UTC", "--zone"),
        fields=guess_fields(text),
        deploys=tuple(str(file.relative_to(folder)) for file in deploys),
        repository=repository_in(folder, bundles),
        left_out=tuple(unread),
    )
    return Discovery(case, tuple(notes))


def look_at_all(
    folder: Path, files: Iterable[Path], formats: dict[str, Format], notes: list[str]
) -> tuple[list[SourceSpec], list[str], list[str]]:
    """The sources among files, the lines that they begin with (no database's), and why the others are left out.

    What was seen is added to `notes`.
    """
    sources: list[SourceSpec] = []
    text: list[str] = []
    unread: list[str] = []
    for file in files:
        told = len(notes)
        looks = look_at(file, formats, notes)
        if not looks:
            unread += notes[told:]
        else:
            is_archive = looks[0].in_archive  # each member is then looked at again
            path = glob.escape(str(file.relative_to(folder)))
            sources.append(SourceSpec(path, None if is_archive else looks[0].reading.name))
        for look in looks:
            if look.reading.kind != "database":
                text += look.beginning.decode("utf-8", "replace").splitlines()
    return sources, text, unread


def repository_in(folder: Path, bundles: Sequence[Path]) -> str | None:
    """The folder's own repository, else a bundle, a bare clone or a checkout in it; relative to the folder."""
    own = [folder] if (folder / ".git").exists() else []
    checkouts = sorted(git.parent for git in folder.glob("*/.git"))
    found = [*own, *bundles[-1:], *bare_repositories(folder), *checkouts]
    return str(found[0].relative_to(folder)) if found else None


def visible_files(folder: Path) -> Iterable[Path]:
    """Regular files below `folder`, sorted; hidden ones, notebooks, our description, git's own files left out."""
    bare = set(bare_repositories(folder))
    for file in sorted(folder.rglob("*")):
        if not bare.isdisjoint(file.parents):
            continue
        parts = file.relative_to(folder).parts
        ours = file.name == FILE or file.suffix == ".ipynb" or parts[0] == "formats"
        if file.is_file() and not ours and not any(part.startswith(".") for part in parts):
            yield file


def bare_repositories(folder: Path) -> list[Path]:
    """What `git clone --bare` leaves below a folder. Source: manual page gitrepository-layout(5)"""
    heads = sorted(head.parent for head in folder.rglob("HEAD") if head.is_file())
    return [
        each
        for each in heads
        if (each / "objects").is_dir() and (each / "refs").is_dir() and each.name != ".git"
    ]


@dataclass(frozen=True)
class Look:
    """What is read, a file or a member of an archive: how, and its beginning."""

    reading: Reading
    beginning: bytes
    in_archive: bool


def look_at(file: Path, formats: dict[str, Format], notes: list[str]) -> list[Look]:
    """How to read a file, or each member of an archive, where it can be; what was seen is added to `notes`."""
    found: list[Look] = []
    try:
        within = contents(file)
        if not within:
            notes.append(f"{file.name}: {NO_FILES}")
        for content in within:
            name = file.name if content.inside is None else f"{file.name}!/{content.inside}"
            found += look_into(content, name, formats, notes)
        if any(look.reading.unsettled.time_only or look.reading.unsettled.yearless for look in found):
            changed = dt.datetime.fromtimestamp(file.stat().st_mtime, dt.UTC).date()
            notes.append(f"{file.name}: no full date in its stamps; the file was last changed on {changed}")
    except Unopenable as error:
        notes.append(f"{file.name}: not read: {error}")
    return found


def look_into(content: Content, name: str, formats: dict[str, Format], notes: list[str]) -> Iterator[Look]:
    """How to read one content, if at all."""
    if content.refused:
        notes.append(f"{name}: not read: {content.refused}")
        return
    with content.open() as opened:
        beginning = read_up_to(opened, PEEK_BYTES)
        damage = opened.damage
    ways = recognise(beginning, formats, whole=len(beginning) < PEEK_BYTES)
    if not ways:
        notes.append(f"{name}: {why_unread(beginning, damage)}")
        return
    best = ways[0]
    notes.append(f"{name}: {best.reading.name}, {best.fits} of {best.of} lines fit")
    yield Look(best.reading, beginning, content.inside is not None)


def guess_fields(lines: Iterable[str]) -> Fields:
    """Which keys carry the request's id, its user, and what it is about: by name, then by how often they stand."""
    seen: Counter[str] = Counter()
    said: Counter[str] = Counter()
    ids: Counter[str] = Counter()
    values: dict[str, set[str]] = {}
    for line in lines:
        for key, value in KEY_VALUE.findall(line[:4096]):
            seen[key] += 1
            said[key] += value != "-"
            ids[key] += bool(ID_VALUE.fullmatch(value))
            if len(values.setdefault(key, set())) < 3:
                values[key].add(value)
    request_id, user = first_named(REQUEST_ID, seen), first_named(USER, seen)
    about = [
        key
        for key, count in ids.most_common()
        if key not in (request_id, user) and key.lower() not in NO_ENTITY and count and len(values[key]) > 1
    ]
    named = [key for key in about if key.lower().endswith(("_id", "id", "_no", "number"))]
    likely = named or [key for key in about if not MEASURE.search(key) and ids[key] >= 0.9 * said[key]]
    return Fields(entity=likely[0] if likely else None, user=user, request_id=request_id)


def first_named(names: Iterable[str], seen: Counter[str]) -> str | None:
    lower = {key.lower(): key for key in seen}
    return next((lower[name] for name in names if name in lower), None)


APP: Final = (
    "# The application, for `prove`: root is the folder that holds manage.py, at the revision that was deployed;",
    "# python is the interpreter that has its packages; [app.environment] has what its settings insist on.",
    "# [app]",
    '# root = "../application"',
    '# settings = "config.settings"',
    '# python = "../application/.venv/bin/python"',
    '# environment = { SECRET_KEY = "x" }',
    '# endpoint = "POST /jobs/7/done"  # what you suspect yourself, where the logs accuse nothing',
)


def to_toml(discovery: Discovery) -> str:
    """A commented case.toml to start from."""
    case = discovery.case
    lines = [
        f"title = {quoted(case.title)}",
        "",
        "# IANA zone of stamps that carry none; the date of stamps that have only a time, or no year.",
        f"zone = {quoted(case.zone)}",
        "# date = 2026-03-11",
        "",
        "# What the report looks at; everything if left out.",
        "# window = { since = 2026-03-11T15:00:00Z, until = 2026-03-11T16:30:00Z }",
        "",
        f"deploys = {listed(case.deploys)}" if case.deploys else '# deploys = "deploys.csv"',
        f"repository = {quoted(case.repository)}" if case.repository else '# repository = "history.bundle"',
        "",
        "# Keys under which the logs say what a request is about, by whom, and its id.",
        "[fields]",
        *(
            f"{name} = {quoted(value)}" if value else f'# {name} = "…"'
            for name, value in (
                ("entity", case.fields.entity),
                ("user", case.fields.user),
                ("request_id", case.fields.request_id),
            )
        ),
        "",
        *APP,
        "",
        "# One [[source]] a file or glob. clock: sources with the same one may be compared stamp by stamp.",
        '# ordered_by: "writer" if lines stand as one writer wrote them, "stamp" for a merged or sorted export.',
        "# prefix: the log_line_prefix of a PostgreSQL log that is not CSV or JSON, such as '%m [%p] %q%u@%d '.",
        *(f"# {one_line(note)}" for note in discovery.notes),
    ]
    lines += [line for source in case.sources for line in source_lines(source)]
    return "\n".join(lines) + "\n"


def source_lines(source: SourceSpec) -> list[str]:
    """The [[source]] of a discovered file."""
    fmt = (
        f"format = {quoted(source.format)}"
        if source.format
        else "# format: found for each member of the archive"
    )
    path = f"path = {quoted(source.path)}"
    return ["", "[[source]]", path, fmt, '# clock = "host"', '# ordered_by = "writer"', "# lag_ms = 1"]


def quoted(text: str) -> str:
    """A TOML basic string."""
    return '"' + re.sub(r'[\x00-\x1f\x7f"\\]', lambda each: f"\\u{ord(each[0]):04x}", text) + '"'


def one_line(text: str) -> str:
    """A text that cannot leave its line."""
    return visible(text).replace("\n", "\\n")


def listed(items: Iterable[str]) -> str:
    return "[" + ", ".join(quoted(item) for item in items) + "]"
