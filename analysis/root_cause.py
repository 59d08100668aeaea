"""The code behind an accusation: which revision ran, which lines raised, what the checks find there. Nothing is run."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.case import Case
from analysis.evidence.changes import GitMissing, OurRepository, RepositoryUnreadable
from analysis.investigation import Investigation
from analysis.replay.mechanism import UNIQUE
from analysis.source import hits_at, hits_in
from analysis.source.deployed import Deploy, Deployed, deployed_at, tags_of
from analysis.source.facts import facts_of
from analysis.source.hits import Hit
from analysis.source.locate import Frame, Located, locate, locate_in_history
from analysis.source.trees import FolderTree, GitTree, Repository, Tree, TreeMissing, lines_of
from analysis.source.urlconf import Endpoint, endpoint
from analysis.suspicion import NothingToProve, Raised, Suspicion, suspicion


@dataclass(frozen=True)
class RootCause:
    """What the code says to the accusation.

    `read_from`  the revision or folder that was read; `deployed` says how the revision is known
    `frames`     the application's own frames of the traceback, outermost first, each where it stands
    `hits`       what the checks find in the function that is accused, the likeliest first
    """

    suspicion: Suspicion
    tree: Tree
    read_from: str
    deployed: Deployed | None
    frames: tuple[Located, ...]
    endpoint: Endpoint | None
    hits: tuple[Hit, ...]

    @property
    def hit(self) -> Hit | None:
        return self.hits[0] if self.hits else None

    @property
    def function(self) -> tuple[str, str] | None:
        """Path and qualified name of the function that is accused."""
        if self.hit is not None:
            return self.hit.path, self.hit.function
        if self.endpoint is not None and self.endpoint.place is not None:
            return self.endpoint.place.path, self.endpoint.function or ""
        return None

    def code(self) -> pd.DataFrame:
        """The lines of the function, those that the likeliest hit names marked: line, mark, code."""
        if self.function is None:
            return pd.DataFrame(columns=["line", "mark", "code"])
        path, name = self.function
        first, last = span(self.tree, path, name)
        marks = marked(self.hits, path)
        lines = lines_of(self.tree.read(path) or "")[first - 1 : last]
        rows = [(number, ", ".join(marks.get(number, ())), line) for number, line in enumerate(lines, first)]
        return pd.DataFrame(rows, columns=["line", "mark", "code"])


def root_cause(case: Investigation) -> RootCause:
    """The accusation, and the code that it points to.

    Raises: NothingToProve, where the logs accuse nothing, or the case holds no code; TreeMissing.
    """
    accused = suspicion(case)
    with sources_of(case.opened.case) as (repository, folder):
        deployed = deployed_then(case, accused, repository) if repository is not None else None
        frames = own_frames(accused.raised)
        if repository is not None and deployed is not None and deployed.revision is not None:
            tree: Tree = GitTree(repository, deployed.revision)
            located = locate_in_history(frames, repository, deployed.revision)
            read_from = f"revision {deployed.revision[:12]}"
        elif folder is not None:
            tree, read_from = FolderTree(folder), f"the folder {folder.name}"
            located = locate(frames, tree)
        else:
            why = f": {deployed.reason}" if deployed is not None else ""
            raise NothingToProve(
                f"no code to read{why}; name the repository (repository = …) or the application's folder "
                "([app] root = …) in case.toml"
            )
        settings = case.opened.case.app.settings if case.opened.case.app else None
        found = endpoint(facts_of(tree).code, accused.method, accused.path, settings)
        return RootCause(
            accused, tree, read_from, deployed, located, found, tuple(ranked(tree, accused, located, found))
        )


def root_causes(case: Investigation) -> tuple[list[RootCause], str]:
    """The root cause as a list of one, or none and the reason."""
    try:
        return [root_cause(case)], ""
    except (GitMissing, NothingToProve, RepositoryUnreadable, TreeMissing) as error:
        return [], str(error)


@contextmanager
def sources_of(case: Case) -> Iterator[tuple[Repository | None, Path | None]]:
    """Our own copy of the case's repository, and the folder of the application, as far as there are any."""
    folder = case.folder / case.app.root if case.app is not None else None
    if case.repository is None:
        yield None, folder
        return
    with tempfile.TemporaryDirectory() as ours:
        repository = OurRepository(Path(ours))
        repository.fetch((case.folder / case.repository).resolve())
        yield repository, folder


def deployed_then(case: Investigation, accused: Suspicion, repository: Repository) -> Deployed:
    """What was deployed when the accused requests came."""
    listed = case.frame("deploys").to_dict("records")
    deploys = [Deploy(int(row["deployed_us"]), told(row["version"]), told(row["revision"])) for row in listed]
    commits = case.frame("commits")
    subjects = list(zip(commits["revision"], commits["subject"], strict=True))
    return deployed_at(accused.stamp_us or 0, deploys, subjects, tags_of(repository))


def told(value: object) -> str | None:
    return None if pd.isna(value) or not value else str(value)  # type: ignore[call-overload]


def own_frames(raised: Raised | None) -> list[Frame]:
    """The application's own frames of a traceback, outermost first."""
    frames = raised.frames if raised is not None else ()
    return [
        Frame(each["file"], int(each["line"] or 0), each["function"] or "", each["code"] or "")
        for each in frames
        if each["in_app"]
    ]


def ranked(
    tree: Tree, accused: Suspicion, located: Iterable[Located], found: Endpoint | None
) -> Iterator[Hit]:
    """The hits of the functions that the traceback went through, innermost first, and of the view; each once.

    Those that act on the line which raised go before all others. Of one insert that a constraint refused, a check
    passed twice explains more than a number taken twice, which goes behind it.
    """
    frames = [each for each in located if each.path is not None]
    hits: list[Hit] = []
    for frame in reversed(frames):
        hits += hits_at(tree, str(frame.path), frame.line)
    if found is not None and found.place is not None and found.function is not None:
        hits += hits_in(tree, found.place.path, found.function, followed=True)
    raised_at = {(frame.path, frame.line) for frame in frames}
    once = list(dict.fromkeys(hits))
    refused = accused.raised is not None and accused.raised.sqlstate == UNIQUE
    yield from sorted(
        once,
        key=lambda hit: (
            (hit.act.path, hit.act.line) not in raised_at,
            refused and hit.check == "next-free",
        ),
    )


def span(tree: Tree, path: str, name: str) -> tuple[int, int]:
    """First and last line of a function, with its decorators."""
    found = facts_of(tree).function(path, name)
    if not found:
        return 1, 0
    node = found[0].node
    first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
    return first, node.end_lineno or node.lineno


def marked(hits: Iterable[Hit], path: str) -> dict[int, list[str]]:
    """line -> what it is to the hits: read, check, act."""
    marks: dict[int, list[str]] = {}
    for hit in hits:
        for word, place in (("read", hit.read), ("check", hit.test), ("act", hit.act)):
            if place is not None and place.path == path and word not in marks.setdefault(place.line, []):
                marks[place.line].append(word)
    return marks
