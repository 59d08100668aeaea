"""Which revision was deployed at an instant, from a list of deploys as people keep it: a revision, a tag, a version."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis.source.trees import Repository


@dataclass(frozen=True)
class Deploy:
    """One line of a list of deploys: when, which version, which revision (or tag), each as far as it is given."""

    instant_us: int
    version: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Deployed:
    """What was deployed then. `revision`: full id of a commit; None: `reason` says why it is not known.

    `before`: the revision that was replaced, which may have answered some requests around `since_us`.
    """

    revision: str | None
    version: str | None
    since_us: int | None
    before: str | None
    reason: str


def deployed_at(
    instant_us: int,
    deploys: Sequence[Deploy],
    commits: Sequence[tuple[str, str]],
    tags: Mapping[str, str],
) -> Deployed:
    """The revision that the last deploy at or before an instant brought.

    In:  commits as (revision, subject); tags as name -> revision
    """
    so_far = sorted((d for d in deploys if d.instant_us <= instant_us), key=lambda d: d.instant_us)
    if not so_far:
        what = "the list of deploys is empty" if not deploys else "it is before the first deploy of the list"
        return Deployed(None, None, None, None, what)
    last = so_far[-1]
    revision, reason = revision_of(last, commits, tags)
    before = revision_of(so_far[-2], commits, tags)[0] if len(so_far) > 1 else None
    return Deployed(revision, last.version, last.instant_us, before, reason)


def revision_of(
    deploy: Deploy, commits: Sequence[tuple[str, str]], tags: Mapping[str, str]
) -> tuple[str | None, str]:
    """The commit that a deploy names, and how it names it; None with the reason if it names none, or several."""
    named = [name for name in (deploy.revision, deploy.version) if name]
    for name in named:
        found = {revision for revision, _ in commits if is_short_of(name, revision)}
        if len(found) == 1:
            return found.pop(), f"the list of deploys names the revision {name[:12]}"
        if len(found) > 1:
            return None, f"the revision {name} of the list of deploys is short of {len(found)} commits"
    for name in named:
        tagged = {revision for tag, revision in tags.items() if plain_version(tag) == plain_version(name)}
        if len(tagged) == 1:
            return tagged.pop(), f"the tag of version {name}"
        if len(tagged) > 1:
            return None, f"{len(tagged)} commits have tags of version {name}"
    for name in named:
        said = [revision for revision, subject in commits if announces(subject, name)]
        if len(said) == 1:
            return said[0], f"the only commit whose subject releases {name}"
    what = " and ".join(map(repr, named)) or "nothing"
    return (
        None,
        f"the list of deploys names {what}; the repository has no commit, tag or release of that name",
    )


def is_short_of(name: str, revision: str) -> bool:
    return bool(re.fullmatch(r"[0-9a-fA-F]{7,64}", name)) and revision.startswith(name.lower())


def plain_version(name: str) -> str:
    """`v2.15.0`, `release-2.15.0` and `2.15.0` are one version."""
    return re.sub(r"^(?:refs/tags/)?(?:release|rel|version|ver|v)?[-_/.]?(?=\d)", "", name.strip().lower())


def announces(subject: str, version: str) -> bool:
    """Is a commit's subject a release of a version: "Release 2.15.0", "Bump version to v2.15.0", "2.15.0"?"""
    if not re.search(r"\d", version):
        return False
    words = re.escape(plain_version(version))
    lead = r"(?:\W*(?:release[ds]?|releasing|bump(?:s|ed)?|version|to|prepare|cut|tag)\b)*\W*"
    return bool(re.fullmatch(rf"{lead}v?{words}(?![\w.]*\w)\W*(?:#\d+\W*)?", subject[:200], re.IGNORECASE))


def tags_of(repository: Repository) -> dict[str, str]:
    """The repository's tags and the commits that they stand at."""
    listed = repository.run(
        "for-each-ref", "--format=%(refname:strip=3)%00%(objectname)%00%(*objectname)", "refs/source/tags"
    )
    rows = [line.split("\0") for line in listed.decode("utf-8", "backslashreplace").splitlines()]
    return {name: peeled or direct for name, direct, peeled in rows}
