"""The files of an application at one state: a folder, or a revision of a repository. Read as text, never imported."""

from collections.abc import Iterable
from typing import Protocol


class Tree(Protocol):
    """Python files by their path, as git spells it: relative, with slashes."""

    def paths(self) -> Iterable[str]:
        """The paths of all Python files, sorted."""
        ...

    def read(self, path: str) -> str | None:
        """The text of a file; None if there is none, or it is not text."""
        ...
