"""The application's git history: applied from the patches, bundled, and exported as a tree."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from email import message_from_bytes
from email.utils import parseaddr
from pathlib import Path

PATCHES = Path(__file__).parent / "history"
BRANCH = "main"
HANDLER = "jobs/views.py"
LOCK = "select_for_update"


@dataclass(frozen=True)
class Release:
    version: str
    revision: str


class Repository:
    """A scratch repository whose commits have the same SHAs each time it is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", f"--initial-branch={BRANCH}")
        for patch in sorted(PATCHES.glob("*.patch")):
            self._apply(patch)

    def _apply(self, patch: Path) -> None:
        """The committer is the author, at the author's date: nothing of this machine gets in."""
        name, address = parseaddr(str(message_from_bytes(patch.read_bytes())["From"]))
        self.git(
            "am", "--quiet", "--committer-date-is-author-date", "--no-gpg-sign", str(patch),
            GIT_COMMITTER_NAME=name, GIT_COMMITTER_EMAIL=address,
        )  # fmt: skip

    def git(self, *arguments: str, **environment: str) -> str:
        """Run git with no configuration but the repository's own."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
        clean |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", **environment}
        done = subprocess.run(
            ["git", "-C", str(self.folder), *arguments],
            env=clean, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise SystemExit(f"git {' '.join(arguments)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def releases(self) -> list[Release]:
        """Commits whose subject is "Release <version>", oldest first."""
        lines = self.git("log", "--reverse", "--format=%H %s", "--grep=^Release [0-9.]*$")
        pairs = (line.split(" Release ") for line in lines.splitlines())
        return [Release(version=version, revision=revision) for revision, version in pairs]

    def guilty_commit(self, good: str, bad: str) -> str:
        """The one commit between two revisions that takes the row lock out of the handler."""
        span = (f"-S{LOCK}", "--format=%H", f"{good}..{bad}", "--", HANDLER)
        found = self.git("log", *span).splitlines()
        if len(found) != 1:
            raise SystemExit(f"history: {len(found)} commits change {LOCK} in {HANDLER}, want 1")
        return found[0]

    def commits(self) -> int:
        return int(self.git("rev-list", "--count", BRANCH))

    def export(self, revision: str, folder: Path) -> None:
        """The files of a revision, as a plain tree."""
        folder.mkdir(parents=True)
        archive = folder / ".tar"
        self.git("archive", f"--output={archive}", revision)
        subprocess.run(["tar", "-xf", str(archive), "-C", str(folder)], check=True)
        archive.unlink()

    def bundle(self, path: Path) -> None:
        self.git("-c", "pack.threads=1", "bundle", "create", "--quiet", str(path), BRANCH)
