import os

import pytest
from history import History, git

from analysis.source.trees import (
    LARGEST,
    FolderTree,
    GitTree,
    TreeMissing,
    contents,
    lines_of,
    unfit,
)

FILES = {
    "jobs/views.py": "def view():\n    pass\n",
    "jobs/__init__.py": "",
    "shop/prices.py": "# é\n",
    "README.md": "no code\n",
}


def folder_with(root, files):
    for path, content in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "repository")


def test_a_folder_and_a_revision_are_the_same_tree(tmp_path, history):
    folder = FolderTree(folder_with(tmp_path / "application", FILES))
    commit = history.commit("first", FILES)
    tree = GitTree(history.ours(), commit)
    assert (
        list(folder.paths()) == list(tree.paths()) == ["jobs/__init__.py", "jobs/views.py", "shop/prices.py"]
    )
    assert [folder.read(path) for path in folder.paths()] == [tree.read(path) for path in tree.paths()]
    assert folder.read("shop/prices.py") == "# é\n"


def test_a_revision_is_read_as_it_was(history):
    first = history.commit("first", {"views.py": "old\n"})
    history.commit("second", {"views.py": "new\n", "more.py": ""})
    tree = GitTree(history.ours(), first[:10])
    assert (tree.revision, list(tree.paths()), tree.read("views.py")) == (first, ["views.py"], "old\n")


@pytest.mark.parametrize("revision", ["--upload-pack=x", "HEAD", "main", "0" * 40, "abc", "", "a" * 8 + "\n"])
def test_what_is_no_commit_is_refused_with_what_was_wanted(history, revision):
    history.commit("first", FILES)
    with pytest.raises(TreeMissing, match=r"hexadecimal id|no such commit"):
        GitTree(history.ours(), revision)


def test_a_blob_is_no_commit(history):
    history.commit("first", FILES)
    with pytest.raises(TreeMissing, match="no such commit"):
        GitTree(history.ours(), git(history.folder, "rev-parse", "HEAD:README.md"))


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(TreeMissing, match="nowhere"):
        FolderTree(tmp_path / "nowhere")


def test_links_that_leave_the_folder_are_refused_and_links_within_it_are_read(tmp_path):
    (tmp_path / "secret.py").write_text("KEY = 1")
    root = folder_with(tmp_path / "application", {"one.py": "1"})
    (root / "out.py").symlink_to(tmp_path / "secret.py")
    (root / "within.py").symlink_to(root / "one.py")
    (root / "outside").symlink_to(tmp_path)
    (root / "loop.py").symlink_to(root / "loop.py")
    tree = FolderTree(root)
    assert list(tree.paths()) == ["one.py", "within.py"]
    assert tree.refused["out.py"] == "a link that leaves the folder"
    assert tree.refused["loop.py"].startswith("cannot be read")
    assert tree.read("out.py") is tree.read("../secret.py") is tree.read("outside/secret.py") is None


def test_a_pipe_is_no_file(tmp_path):
    root = folder_with(tmp_path / "application", {"one.py": "1"})
    os.mkfifo(root / "pipe.py")
    tree = FolderTree(root)
    assert list(tree.paths()) == ["one.py"]
    assert tree.refused == {"pipe.py": "no plain file"}


def test_libraries_environments_and_hidden_folders_are_not_the_application(tmp_path):
    others = ("env/lib/x.py", "node_modules/x.py", ".tox/x.py", "lib/site-packages/x.py")
    root = folder_with(
        tmp_path / "a", dict.fromkeys(others, "") | {"environment/x.py": "", "env/pyvenv.cfg": ""}
    )
    assert list(FolderTree(root).paths()) == ["environment/x.py"]


def test_generated_files_are_left_out_and_named(tmp_path, history):
    files = {"big.py": b"#" * (LARGEST + 1), "fits.py": b"#" * LARGEST}
    tree = FolderTree(folder_with(tmp_path / "a", files))
    commit = history.commit("first", files)
    revision = GitTree(history.ours(), commit)
    assert list(tree.paths()) == list(revision.paths()) == ["fits.py"]
    assert set(tree.refused) == set(revision.refused) == {"big.py"}


def test_a_tree_that_git_would_refuse_to_check_out_is_left_out(history):
    """`git mktree` writes what an attacker may: paths that leave the folder, colours, a `.git` of its own."""
    blob = git(history.folder, "hash-object", "-w", "--stdin", given=b"x = 1\n")
    inner = git(history.folder, "mktree", "-z", given=f"100644 blob {blob}\tx.py\0".encode())
    names = ["..", ".GIT", "\x1b[31mred", "good", "c:"]
    listing = "".join(f"040000 tree {inner}\t{name}\0" for name in names) + f"120000 blob {blob}\tlink.py\0"
    tree = git(history.folder, "mktree", "-z", given=listing.encode())
    revision = git(history.folder, "commit-tree", "-m", "evil", tree)
    git(history.folder, "update-ref", "refs/heads/main", revision)
    found = GitTree(history.ours(), revision)
    assert list(found.paths()) == ["good/x.py"]
    assert set(found.refused) == {"../x.py", ".GIT/x.py", "\x1b[31mred/x.py", "c:/x.py", "link.py"}


@pytest.mark.parametrize(
    "path", ["../x.py", "/x.py", "a//x.py", "a/./x.py", "a\\x.py", "a/.git/x.py", "a /x.py", "x\n.py"]
)
def test_a_path_that_is_not_plain_is_unfit(path):
    assert unfit(path)


@pytest.mark.parametrize("path", ["x.py", "a b/x.py", "a/..b/x.py", "a/.github/x.py", "é/ü.py", "a-b/(c).py"])
def test_an_unusual_but_plain_path_is_fit(path):
    assert unfit(path) is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"# -*- coding: latin-1 -*-\n# \xe9\n", "# -*- coding: latin-1 -*-\n# é\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (b"a\r\nb\r\n", "a\r\nb\r\n"),
        (b"\xff\xfe", None),
        (b"x = '\0'", None),
        (b"# coding: no-such-thing\n", None),
        (b"# coding: zlib\n", None),
    ],
)
def test_a_file_is_read_in_its_own_encoding_or_not_at_all(tmp_path, content, text):
    assert FolderTree(folder_with(tmp_path / "a", {"x.py": content})).read("x.py") == text


def test_lines_are_numbered_as_python_does():
    assert lines_of("a\r\nb\rc\x0cd\u2028e\nf") == ["a", "b", "c\x0cd\u2028e", "f"]


def test_contents_come_in_the_order_asked_for_whatever_is_missing(history):
    commit = history.commit("first", {"a.py": "A\n\nblob 3", "b.py": "", "c d.py": "C"})
    names = [f"{commit}:{path}" for path in ("a.py", "no such.py", "b.py", "c d.py", "a.py", "")]
    assert contents(history.ours(), names) == [b"A\n\nblob 3", None, b"", b"C", b"A\n\nblob 3", None]


def test_a_textconv_and_a_filter_of_the_repository_are_not_run(tmp_path, history):
    canary = tmp_path / "canary"
    commit = history.commit("first", {".gitattributes": "*.py diff=evil filter=evil", "x.py": "x = 1\n"})
    for name in ("diff.evil.textconv", "filter.evil.smudge"):
        git(history.folder, "config", name, f"touch {canary};")
    assert GitTree(history.ours(), commit).read("x.py") == "x = 1\n"
    assert not canary.exists()
