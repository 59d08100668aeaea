"""From the frames of a traceback to the lines of the repository, at the revision that they were printed from.

A server's path and the repository's share their end: `/app/jobs/views.py` is `jobs/views.py`. Whether the revision
is the right one is not believed but compared: a traceback prints the source lines of its frames.

Source: https://docs.python.org/3/library/traceback.html; git-log(1); gitglossary(7) "pathspec".
"""

import ast
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from analysis.source.trees import GitTree, Repository, Tree, contents, decoded, lines_of, unfit

ELIDED: Final = re.compile(r"\.\.\.<(\d{1,6}) lines>\.\.\.")
"""What Python 3.13 prints for the middle of a statement of many lines."""
PLAIN_NAME: Final = re.compile(r"[\w-][\w.-]{0,200}\.py")
MOST_REVISIONS: Final = 500
AT_ONCE: Final = 20
SPAN: Final = 60  # lines of a file that one frame's code may be spread over


@dataclass(frozen=True)
class Frame:
    """One call as a traceback prints it; `code` holds the printed source lines, "" if there were none."""

    file: str
    line: int
    function: str
    code: str = ""


@dataclass(frozen=True)
class Located:
    """Where a frame stands in the repository.

    `path`       None: no file of the tree, or more than one (`ties`), can be it
    `function`   qualified within its module where the file shows it: "JobView.post"
    `matched`    do the printed lines stand there at `revision`? None: none were printed, or there is no file
    `candidates` revisions, newest first, that brought the file into a state in which they do
    """

    path: str | None
    line: int
    function: str
    revision: str
    matched: bool | None
    candidates: tuple[str, ...] = ()
    ties: tuple[str, ...] = ()
    reason: str = ""


def locate(frames: Sequence[Frame], tree: Tree, revision: str = "") -> tuple[Located, ...]:
    """Each frame in one tree, in the order given."""
    paths = list(tree.paths())
    return tuple(located(frame, paths, tree, revision) for frame in frames)


def locate_in_history(frames: Sequence[Frame], repository: Repository, revision: str) -> tuple[Located, ...]:
    """Each frame at the revision that was deployed; where the printed lines differ, at which revisions they do not.

    In:  the frames of one traceback that are the application's own; all were printed from one revision
    Raises: TreeMissing if there is no such revision
    """
    tree = GitTree(repository, revision)
    found = locate(frames, tree, tree.revision)
    if all(each.path and each.matched is not False for each in found):
        return found
    paths = [each.path or ever(frame.file, repository) for frame, each in zip(frames, found, strict=True)]
    known = {path: [f for f, p in zip(frames, paths, strict=True) if p == path] for path in paths if path}
    right = tuple(matching_revisions(known, repository))
    return tuple(
        replace(each, candidates=right, reason=of_revisions(each, path, right, repository))
        for each, path in zip(found, paths, strict=True)
    )


def in_tree(file: str, paths: Iterable[str]) -> tuple[str, ...]:
    """The paths that share the longest end with a server's path; one that is all of it goes first. More: a tie."""
    wanted = [part for part in file.replace("\\", "/").split("/") if part not in ("", ".")]
    ranked: dict[tuple[int, bool], list[str]] = {}
    for path in paths:
        parts = path.split("/")
        shared = common_end(wanted, parts)
        if shared:
            ranked.setdefault((shared, shared == len(parts)), []).append(path)
    return tuple(ranked[max(ranked)]) if ranked else ()


def located(frame: Frame, paths: Sequence[str], tree: Tree, revision: str) -> Located:
    """One frame in one tree. Where the path alone cannot decide, the printed lines may."""
    ends = in_tree(frame.file, paths)
    nowhere = Located(None, frame.line, frame.function, revision, None)
    if not ends:
        return replace(nowhere, reason=f"no file of the repository ends like {frame.file!r}")
    fitting = [path for path in ends if stands(frame, tree.read(path))]
    doubtful = len(ends) > 1 or not is_the_end_of(ends[0], frame.file)
    if len(ends) > 1 and len(fitting) != 1:
        kind = "files end" if not fitting else "files hold these lines and end"
        return replace(nowhere, ties=ends, reason=f"{len(fitting or ends)} {kind} like {frame.file!r}")
    path = fitting[0] if doubtful and fitting else ends[0]
    matched = stands(frame, tree.read(path))
    if doubtful and not matched and common_end(frame.file.split("/"), path.split("/")) == 1:
        return replace(nowhere, ties=ends, reason=f"{path} shares only its name with {frame.file!r}")
    function = enclosing(tree.read(path), frame.line) if matched else None
    return Located(
        path,
        frame.line,
        function or frame.function,
        revision,
        matched,
        (),
        (),
        of_lines(frame, path, tree, matched),
    )


def of_lines(frame: Frame, path: str, tree: Tree, matched: bool | None) -> str:
    """What the comparison of the printed lines with the file came to, in words."""
    if matched is None:
        return "the traceback prints no source lines, so the revision is not confirmed"
    if matched:
        return "the printed lines stand there"
    lines = lines_of(tree.read(path) or "")
    moved = [at for at in range(1, len(lines) + 1) if span_from(frame.code, lines, at)]
    if moved:
        return f"the printed lines stand at line {moved[0]} of {path}, not at {frame.line}: another revision"
    return f"the printed lines do not stand in {path}: another revision"


def of_revisions(each: Located, path: str | None, right: Sequence[str], repository: Repository) -> str:
    """The reason, with what the history of the files says."""
    if path is None:
        return each.reason
    if not right:
        return (
            f"{each.reason}; no revision of the last {MOST_REVISIONS} that changed the files fits all frames"
        )
    fits = contents(repository, [f"{right[0]}:{path}"])[0] is not None
    where = f" as {path}" if fits and each.path is None else ""
    return f"{each.reason}; all frames fit{where} since {right[0][:12]}"


def matching_revisions(frames: dict[str, list[Frame]], repository: Repository) -> Iterator[str]:
    """Revisions that changed one of these files and after which all printed lines stand, newest first.

    Looks at the newest MOST_REVISIONS, AT_ONCE at a time, and no further than the first that has some.
    """
    if not any(frame.code.strip() for each in frames.values() for frame in each):
        return
    listed = repository.run(
        "log", f"--max-count={MOST_REVISIONS}", "--glob=refs/source/*", "--format=%H", "--",
        *(f":(top,literal){path}" for path in frames),
    )  # fmt: skip
    revisions = listed.decode("ascii").split()
    for start in range(0, len(revisions), AT_ONCE):
        some = revisions[start : start + AT_ONCE]
        texts = iter(contents(repository, [f"{revision}:{path}" for revision in some for path in frames]))
        fitting = [revision for revision in some if all([fits(frames[path], next(texts)) for path in frames])]
        yield from fitting
        if fitting:
            return


def fits(frames: Iterable[Frame], content: bytes | None) -> bool:
    """Do all printed lines stand in a file, and is there one?"""
    text = decoded(content)
    return text is not None and all(stands(frame, text) is not False for frame in frames)


def ever(file: str, repository: Repository) -> str | None:
    """The one path of the history, deleted or renamed since, that shares the longest end with a server's path."""
    name = file.replace("\\", "/").rsplit("/", 1)[-1]
    if not PLAIN_NAME.fullmatch(name):
        return None
    listed = repository.run(
        "log", "-z", f"--max-count={MOST_REVISIONS}", "--glob=refs/source/*", "--no-renames", "--name-only",
        "--format=", "--", f":(top,glob)**/{name}",
    )  # fmt: skip
    paths = {path.strip("\n") for path in listed.decode("utf-8", "backslashreplace").split("\0")}
    found = in_tree(file, sorted(path for path in paths if path and not unfit(path)))
    return found[0] if len(found) == 1 and is_the_end_of(found[0], file) else None


def stands(frame: Frame, text: str | None) -> bool | None:
    """Do the printed lines stand at the frame's line, in a function of its name? None: none were printed."""
    if not frame.code.strip():
        return None
    if text is None:
        return False
    lines = lines_of(text)
    first = max(1, frame.line - SPAN)
    if not any(frame.line in span_from(frame.code, lines, at) for at in range(first, frame.line + 1)):
        return False
    name = enclosing(text, frame.line)
    return name is None or not frame.function.isidentifier() or name.rsplit(".", 1)[-1] == frame.function


def span_from(code: str, lines: Sequence[str], at: int) -> range:
    """The line numbers that printed code takes up if it begins at line `at`; empty if it does not stand there.

    Printed lines have lost their indent; blank lines between them, and what Python 3.13 elides, are passed over.
    """
    where = at - 1
    for printed in (line.strip() for line in code.split("\n") if line.strip()):
        if elided := ELIDED.fullmatch(printed):
            where += int(elided[1])
            continue
        while at <= where < len(lines) and not lines[where].strip():
            where += 1
        if not 0 <= where < len(lines) or lines[where].strip() != printed:
            return range(0)
        where += 1
    return range(at, where + 1)


def enclosing(text: str | None, line: int) -> str | None:
    """The innermost function around a line, qualified within its module; None if there is none, or no such Python."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            body: list[ast.stmt] = ast.parse(text or "").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    names: list[str] = []
    function = 0
    while inner := next((node for node in body if node.lineno <= line <= (node.end_lineno or 0)), None):
        if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(inner.name)
            function = len(names) if not isinstance(inner, ast.ClassDef) else function
        body = [node for node in ast.walk(inner) if isinstance(node, ast.stmt) and node is not inner]
        body = [
            node for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        ]
    return ".".join(names[:function]) or None


def is_the_end_of(path: str, file: str) -> bool:
    """Is all of a repository's path the end of a server's?"""
    parts = path.split("/")
    return common_end([part for part in file.replace("\\", "/").split("/") if part], parts) == len(parts)


def common_end(one: Sequence[str], other: Sequence[str]) -> int:
    """How many parts two paths share at their end."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if a != b:
            break
        count += 1
    return count
