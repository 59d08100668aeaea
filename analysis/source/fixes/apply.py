"""A proposal applied to a scratch copy, and its patch tried by git itself.

git runs in a folder of its own, with no configuration of this machine's users: nothing of the repository under
suspicion is executed. Source: git-apply(1), "--check"; git-config(1), GIT_CONFIG_NOSYSTEM, GIT_CONFIG_GLOBAL.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path, PurePosixPath

from analysis.source.fixes.proposals import Proposal
from analysis.source.trees import Tree

SECONDS = 60


class PatchDoesNotApply(Exception):
    """git refuses a patch; the message is git's."""


class OutsideTheCopy(Exception):
    """A path would leave the scratch copy: it is absolute, goes up, or runs over a symbolic link."""


def write_copy(source: Path, files: dict[str, str], copy: Path) -> None:
    """The folder `source` copied to the new folder `copy`, with new texts for some files. `.git` stays behind.

    Raises: OutsideTheCopy, before anything is written
    """
    for path in files:
        _inside(path)
    shutil.copytree(source, copy, symlinks=True, ignore=shutil.ignore_patterns(".git"))
    for path, text in files.items():
        target = copy / path
        if any(each.is_symlink() for each in (target, *target.parents) if copy in each.parents):
            raise OutsideTheCopy(f"{path} runs over a symbolic link")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(text.encode())


def check_applies(tree: Tree, proposal: Proposal) -> None:
    """`git apply --check` of the patch on the files it changes, and the outcome compared with the new texts.

    Raises: PatchDoesNotApply, with what git says; OutsideTheCopy
    """
    with tempfile.TemporaryDirectory(prefix="patch-") as folder:
        root = Path(folder) / "tree"
        root.mkdir()
        for path in proposal.files:
            _inside(path)
            text = tree.read(path)
            if text is not None:
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                (root / path).write_bytes(text.encode())
        _git(root, "init", "--quiet", "--template=")
        _git(root, "apply", "--check", "-", text=proposal.diff)
        _git(root, "apply", "-", text=proposal.diff)
        for path, wanted in proposal.files.items():
            if (root / path).read_bytes() != wanted.encode():
                raise PatchDoesNotApply(f"the patch makes another {path} than the fix: please report this")


def _inside(path: str) -> None:
    parts = PurePosixPath(path).parts
    if not parts or path.startswith("/") or ".." in parts or ".git" in parts or "\\" in path or "\0" in path:
        raise OutsideTheCopy(f"{path!r} is no path inside the tree")


def _git(root: Path, *words: str, text: str = "") -> None:
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(root.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CEILING_DIRECTORIES": str(root.parent),
        "LC_ALL": "C",
    }
    ran = subprocess.run(
        ["git", "-c", "core.hooksPath=/dev/null", "-c", "core.autocrlf=false", *words],
        cwd=root,
        env=environment,
        input=text.encode(),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    if ran.returncode != 0:
        raise PatchDoesNotApply(f"git {words[0]}: {ran.stderr.decode(errors='replace').strip()}")
