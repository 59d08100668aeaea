"""The files of an application at one state: a folder, or a revision of a repository. Read as text, never imported.

Source: git-ls-tree(1), git-cat-file(1) "BATCH OUTPUT"; PEP 263 for the encoding of a Python file.
"""

import io
import os
import re
import stat
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

LARGEST: Final = 2_000_000
"""Bytes of one file: what is larger was generated, not written."""
LARGEST_TOTAL: Final = 100_000_000
MOST_FILES: Final = 50_000
NOT_THE_APPLICATION: Final = frozenset({"node_modules", "site-packages", "__pycache__"})
UNSAFE: Final = re.compile(r'[\x00-\x1f\x7f-\x9f\u2028\u2029\\:*?"<>|]')
LINE_END: Final = re.compile(r"\r\n|\r|\n")


class TreeMissing(Exception):
    """A folder, or a revision, that is not there."""


class Tree(Protocol):
    """Python files by their path, as git spells it: relative, with slashes."""

    def paths(self) -> Iterable[str]:
        """The paths of all Python files, sorted."""
        ...

    def read(self, path: str) -> str | None:
        """The text of a file; None if there is none, or it is not text."""
        ...


class Repository(Protocol):
    """A bare repository of our own, which runs nothing that a stranger's configuration names."""

    def run(self, *arguments: str, given: bytes = b"") -> bytes:
        """What git prints, `given` on its standard input."""
        ...


class FolderTree:
    """The Python files below a folder. `refused`: what is left out, and why.

    Raises: TreeMissing
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise TreeMissing(f"{root}: the folder of the application was wanted, there is none")
        self.root = root.resolve()
        self.refused: dict[str, str] = {}

    @cached_property
    def _files(self) -> dict[str, Path]:
        found: dict[str, Path] = {}
        for file in self._walk():
            path = file.relative_to(self.root).as_posix()
            reason = (
                "more files than are read" if len(found) >= MOST_FILES else unfit(path) or self._unfit(file)
            )
            if reason:
                self.refused[path] = reason
            else:
                found[path] = file
        return dict(sorted(found.items()))

    def _walk(self) -> Iterator[Path]:
        for folder, below, names in os.walk(self.root):
            below[:] = sorted(name for name in below if is_the_applications(Path(folder, name)))
            yield from (Path(folder, name) for name in sorted(names) if name.endswith(".py"))

    def _unfit(self, file: Path) -> str | None:
        try:
            if not file.resolve(strict=True).is_relative_to(self.root):
                return "a link that leaves the folder"
            status = file.stat()
        except (OSError, RuntimeError) as error:
            return f"cannot be read: {type(error).__name__}"
        if not stat.S_ISREG(status.st_mode):
            return "no plain file"
        return None if status.st_size <= LARGEST else f"larger than {LARGEST} bytes"

    def paths(self) -> Iterable[str]:
        return self._files.keys()

    def read(self, path: str) -> str | None:
        file = self._files.get(path)
        try:
            return None if file is None else decoded(file.read_bytes())
        except OSError:
            return None


class GitTree:
    """The Python files of one revision. `refused`: what is left out, and why.

    Raises: TreeMissing
    """

    def __init__(self, repository: Repository, revision: str) -> None:
        self.repository = repository
        self.revision = full_revision(repository, revision)
        self.refused: dict[str, str] = {}

    @cached_property
    def _blobs(self) -> dict[str, str]:
        found: dict[str, str] = {}
        total = 0
        for entry in entries(self.repository, self.revision):
            if not entry.path.endswith(".py"):
                continue
            reason = unfit(entry.path) or entry.unfit
            if reason is None and (total + entry.size > LARGEST_TOTAL or len(found) >= MOST_FILES):
                reason = "more files than are read"
            if reason:
                self.refused[entry.path] = reason
            else:
                found[entry.path] = entry.blob
                total += entry.size
        return dict(sorted(found.items()))

    @cached_property
    def _texts(self) -> dict[str, str | None]:
        found = contents(self.repository, list(self._blobs.values()))
        return {path: decoded(each) for path, each in zip(self._blobs, found, strict=True)}

    def paths(self) -> Iterable[str]:
        return self._blobs.keys()

    def read(self, path: str) -> str | None:
        return self._texts.get(path)


class Entry:
    """One file of a revision, as `git ls-tree --long` lists it."""

    def __init__(self, line: bytes) -> None:
        about, _, path = line.partition(b"\t")
        self.mode, self.type, self.blob, size = about.decode("ascii").split()
        self.size = int(size) if size.isdigit() else 0
        self.path = path.decode("utf-8", "backslashreplace")

    @property
    def unfit(self) -> str | None:
        if self.mode not in ("100644", "100755"):
            return "no plain file"
        return None if self.size <= LARGEST else f"larger than {LARGEST} bytes"


def entries(repository: Repository, revision: str) -> list[Entry]:
    """The files of a revision, in git's order."""
    listing = repository.run("ls-tree", "-r", "-z", "--long", "--full-tree", revision)
    return [Entry(line) for line in listing.split(b"\0") if line]


def contents(repository: Repository, names: Sequence[str]) -> list[bytes | None]:
    """The blob behind each name (an id, or `revision:path`); None if there is none, or it is larger than LARGEST.

    No filter and no textconv is applied.
    """
    asked = "".join(f"{name}\n" for name in names).encode()
    sizes = [size_of(line) for line in repository.run("cat-file", "--batch-check", given=asked).splitlines()]
    small = [name for name, size in zip(names, sizes, strict=True) if size is not None and size <= LARGEST]
    asked = "".join(f"{name}\n" for name in small).encode()
    output = io.BytesIO(repository.run("cat-file", "--batch", given=asked))
    found = {}
    for name in small:
        size = size_of(output.readline().rstrip(b"\n")) or 0
        found[name] = output.read(size)
        output.read(1)
    return [found.get(name) for name in names]


def size_of(header: bytes) -> int | None:
    """The size that `cat-file` says of a blob: `<id> blob <size>`; None for anything else."""
    words = header.split(b" ")
    return int(words[2]) if len(words) == 3 and words[1] == b"blob" and words[2].isdigit() else None


def full_revision(repository: Repository, revision: str) -> str:
    """The full id of a commit, from a full or shortened one.  Raises: TreeMissing"""
    if not re.fullmatch(r"[0-9a-fA-F]{7,64}", revision):
        raise TreeMissing(f"{revision!r} is no revision; the hexadecimal id of a commit was wanted")
    listed = repository.run("cat-file", "--batch-check", given=f"{revision}\n".encode()).decode().split()
    if listed[1:2] != ["commit"]:
        raise TreeMissing(
            f"{revision}: the repository has no such commit; "
            "`repository` in case.toml names another one, or an export that was made before it"
        )
    return listed[0]


def unfit(path: str) -> str | None:
    """Why a path is not used: written to a folder, it could leave it, or be what it does not look like."""
    parts = path.split("/")
    if UNSAFE.search(path) or any(part in ("", ".", "..") or part.endswith((" ", ".")) for part in parts):
        return "no plain path"
    return "inside .git" if any(part.lower() == ".git" for part in parts) else None


def is_the_applications(folder: Path) -> bool:
    """Not libraries, environments and hidden folders."""
    hidden = folder.name.startswith(".") or folder.name in NOT_THE_APPLICATION
    return not hidden and not (folder / "pyvenv.cfg").exists()


def decoded(content: bytes | None) -> str | None:
    """The text of a Python file; None if it is not in its own encoding, or holds a NUL."""
    if content is None or b"\0" in content:
        return None
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError, LookupError):
        return None


def lines_of(text: str) -> list[str]:
    """Lines as Python numbers them; a form feed ends none."""
    return LINE_END.split(text)
