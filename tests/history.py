"""Small repositories made for a test, and our own bare copy of them."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from analysis.evidence.changes import OurRepository

CALLER = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ann",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}


def git(folder: Path, *arguments: str, given: bytes = b"") -> str:
    done = subprocess.run(
        ["git", *arguments],
        cwd=folder,
        env=CALLER | {"HOME": str(folder)},
        input=given,
        check=True,
        capture_output=True,
    )
    return done.stdout.decode().strip()


class History:
    """A repository in a folder; each `commit` replaces all its files and gives the revision."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        git(folder, "init", "--quiet", "--initial-branch=main")

    def commit(self, subject: str, files: Mapping[str, str | bytes]) -> str:
        for path in git(self.folder, "ls-files", "-z").split("\0"):
            if path:
                (self.folder / path).unlink()
        for path, content in files.items():
            (self.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / path).write_bytes(content if isinstance(content, bytes) else content.encode())
        git(self.folder, "add", "--all", "--force")
        git(self.folder, "commit", "--quiet", "--allow-empty", "--message", subject)
        return git(self.folder, "rev-parse", "HEAD")

    def ours(self) -> OurRepository:
        folder = self.folder.with_name(f"{self.folder.name}.ours.{len(list(self.folder.parent.iterdir()))}")
        folder.mkdir()
        ours = OurRepository(folder)
        ours.fetch(self.folder)
        return ours
