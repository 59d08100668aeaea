"""Commits and hunks of a repository, read as data.

What a stranger's repository carries (hooks, fsmonitor, textconv, attributes, configuration) can run code. So its
objects are fetched into a bare repository of our own in a temporary folder, and only that one is read.

Source: git-fetch(1), git-log(1), git-diff(1) "Generating patch text with -p", gitattributes(5).
"""

import datetime as dt
import os
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.evidence.zones import EPOCH
from analysis.schema import TABLES

LARGEST_DIFF: Final = 1_000_000
"""Bytes of one file, or of its diff, beyond which a change is counted and not read."""
LARGEST_TOTAL: Final = 64_000_000
PATIENCE_S: Final = 300

OUR_CONFIG: Final = """\
[safe]
	directory = *
[protocol]
	allow = never
[protocol "file"]
	allow = always
[core]
	attributesFile = /dev/null
	hooksPath = /dev/null
	fsmonitor = false
	bigFileThreshold = 1000000
"""
REFS: Final = ("+refs/heads/*:refs/source/heads/*", "+refs/tags/*:refs/source/tags/*")
FETCH_OPTIONS: Final = (
    "--quiet",
    "--no-tags",
    "--no-write-fetch-head",
    "--no-recurse-submodules",
    "--no-auto-maintenance",
    "--update-shallow",
)
PATCH_OPTIONS: Final = (
    "--patch",
    "--unified=3",
    "--no-textconv",
    "--no-ext-diff",
    "--no-renames",
    "--no-color",
    "--src-prefix=a/",
    "--dst-prefix=b/",
)
FIELDS: Final = ("%H", "%P", "%at", "%ct", "%an", "%s")
HUNK: Final = re.compile(rb"@@ -(\d{1,9})(?:,(\d{1,9}))? \+(\d{1,9})(?:,(\d{1,9}))? @@")
ESCAPE: Final = re.compile(rb'\\([abfnrtv"\\]|[0-7]{3})')
ESCAPES: Final = dict(zip(b'abfnrtv"\\', b'\a\b\f\n\r\t\v"\\', strict=True))


class GitMissing(Exception):
    """No git to read a repository with."""


class RepositoryUnreadable(Exception):
    """A path that git cannot fetch from."""


@dataclass(frozen=True)
class Hunk:
    """One row of the promised table `hunks`; text None: counted, not read."""

    revision: str
    path: str
    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    text: str | None


def commits(source: Path, limit: int = 2000) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The newest commits of a repository's branches and tags, and what each changed.

    In:  a repository (bare or with a work tree) or a bundle; it is only read, nothing in it is run.
    Out: the promised tables `commits`, newest first, and `hunks`. A merge has no hunks of its own: what it
         brought stands at its commits. `files` counts all changed files; those that are binary, larger than
         LARGEST_DIFF, or changed by more than that have no hunks or hunks without text.
    Raises: GitMissing; RepositoryUnreadable with git's own words.
    """
    source = source.resolve()
    if not (source.is_dir() or source.is_file()):
        raise RepositoryUnreadable(f"{source}: a git repository or bundle was wanted, there is none")
    with tempfile.TemporaryDirectory() as folder:
        ours = OurRepository(Path(folder))
        ours.fetch(source)
        found = ours.log(limit)
        files, hunks = ours.patches(limit)
    for row in found:
        row["files"] = files[row["revision"]]
    return frame("commits", found), frame("hunks", [asdict(hunk) for hunk in hunks])


def frame(name: str, rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows -> the promised table `name`."""
    table = pd.DataFrame(rows, columns=list(TABLES[name]), dtype="object")
    kinds = {column: kind for column, kind in TABLES[name].items() if not kind.is_string()}
    return table.astype(
        {column: "datetime64[us]" if kind.is_timestamp() else "int64" for column, kind in kinds.items()}
    )


class OurRepository:
    """A bare repository of ours in `folder`: its configuration is ours, its objects are a stranger's."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config").write_text(OUR_CONFIG, encoding="utf-8")
        self.run("init", "--quiet", "--bare", "--template=", str(folder / "ours.git"))

    def command(self, *arguments: str) -> list[str]:
        return ["git", "-C", str(self.folder), "--git-dir=ours.git", *arguments]

    def environment(self) -> dict[str, str]:
        """Nothing of the caller's settings but where programs lie."""
        kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
        return kept | {
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": str(self.folder / "config"),
            "GIT_ATTR_NOSYSTEM": "1",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_NO_REPLACE_OBJECTS": "1",
            "GIT_OPTIONAL_LOCKS": "0",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            "TZ": "UTC",
        }

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        """What git prints, `given` on its standard input.  Raises: GitMissing, RepositoryUnreadable."""
        try:
            done = subprocess.run(
                self.command(*arguments),
                env=self.environment(),
                input=given,
                capture_output=True,
                timeout=PATIENCE_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise GitMissing("git is needed to read a repository. Install the package `git`") from error
        except subprocess.TimeoutExpired as error:
            raise RepositoryUnreadable(f"git {arguments[0]}: not done after {PATIENCE_S} s") from error
        if done.returncode != 0:
            raise RepositoryUnreadable(f"git {arguments[0]}: {readable(done.stderr).strip()}")
        return done.stdout

    def fetch(self, source: Path) -> None:
        """Take the branches, tags and HEAD of `source`."""
        offered = {
            line.split("\t")[1] for line in readable(self.run("ls-remote", "--", str(source))).splitlines()
        }
        if not offered:
            raise RepositoryUnreadable(f"{source}: a repository with commits was wanted, it offers none")
        head = ("+HEAD:refs/source/HEAD",) if "HEAD" in offered else ()
        self.run("fetch", *FETCH_OPTIONS, "--", str(source), *REFS, *head)

    def log(self, limit: int) -> list[dict[str, Any]]:
        """The commits as rows. A NUL ends each field: no name and no subject can hold one."""
        form = "--format=tformat:" + "%x00".join(FIELDS)
        output = self.run("log", "-z", f"--max-count={limit}", "--glob=refs/source/*", form)
        values = readable(output).split("\0")[:-1]
        return [commit(values[at : at + len(FIELDS)]) for at in range(0, len(values), len(FIELDS))]

    def patches(self, limit: int) -> tuple[Counter[str], list[Hunk]]:
        """Changed files by revision, and the hunks."""
        files: Counter[str] = Counter()
        hunks: list[Hunk] = []
        arguments = (
            "log",
            f"--max-count={limit}",
            "--glob=refs/source/*",
            "--format=commit %H",
            *PATCH_OPTIONS,
        )
        with subprocess.Popen(
            self.command(*arguments),
            env=self.environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as git:
            for change in changes(iter(git.stdout or ())):
                if isinstance(change, Hunk):
                    hunks.append(change)
                else:
                    files[change] += 1
        if git.returncode != 0:
            raise RepositoryUnreadable("git log: the patches end early, an object may be damaged")
        return files, hunks


def commit(values: list[str]) -> dict[str, Any]:
    """One commit as a row of `commits`."""
    revision, parents, authored, committed, author, subject = values
    return {
        "revision": revision,
        "parent": parents.split(" ")[0] or None,
        "authored_at": instant(authored),
        "committed_at": instant(committed),
        "author": author,
        "subject": subject,
    }


def instant(seconds: str) -> dt.datetime | None:
    """Seconds since the epoch -> naive UTC; None for an absurd date, which a commit may carry."""
    try:
        return EPOCH + dt.timedelta(seconds=int(seconds))
    except (ValueError, OverflowError):
        return None


def changes(lines: Iterator[bytes]) -> Iterator[str | Hunk]:
    """A log of patches -> for each changed file its commit's revision, then its hunks.

    A line of content starts with a blank, + or -, and a hunk says how many lines it has: content cannot pass for
    a header.
    """
    revision, path, spent, total = "", "", 0, 0
    for line in lines:
        if line.startswith(b"commit "):
            revision = readable(line[7:]).strip()
        elif line.startswith(b"diff --git "):
            path, spent = "", 0
            yield revision
        elif line.startswith((b"--- ", b"+++ ")):
            path = file_name(line[4:]) or path
        elif header := HUNK.match(line):
            old_start, old_lines, new_start, new_lines = (int(n or 1) for n in header.groups())
            body = content(lines, old_lines, new_lines)
            size = sum(map(len, body))
            spent, total = spent + size, total + size
            fits = spent <= LARGEST_DIFF and total <= LARGEST_TOTAL
            text = readable(line + b"".join(body)).removesuffix("\n") if fits else None
            yield Hunk(revision, path, old_start, old_lines, new_start, new_lines, text)


def content(lines: Iterator[bytes], old_lines: int, new_lines: int) -> list[bytes]:
    """The lines of one hunk, without the remarks on a missing final newline."""
    body = []
    while old_lines > 0 or new_lines > 0:
        line = next(lines, b"")
        if line[:1] not in (b" ", b"-", b"+", b"\\"):
            break
        old_lines -= line[:1] in (b" ", b"-")
        new_lines -= line[:1] in (b" ", b"+")
        if line[:1] != b"\\":
            body.append(line)
    return body


def file_name(header: bytes) -> str | None:
    """The path in a `---` or `+++` line, C-style quotes undone; None for /dev/null."""
    name = header.rstrip(b"\n").removesuffix(b"\t")
    if name == b"/dev/null":
        return None
    if name.startswith(b'"'):
        name = ESCAPE.sub(unescaped, name[1:-1])
    return readable(name[2:])


def unescaped(escape: re.Match[bytes]) -> bytes:
    code = escape[1]
    return bytes([int(code, 8) & 0xFF]) if len(code) == 3 else bytes([ESCAPES[code[0]]])


def readable(given: bytes) -> str:
    """UTF-8 as text; other bytes stand as \\xNN."""
    return given.decode("utf-8", "backslashreplace")
