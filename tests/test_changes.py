import os
import subprocess
from pathlib import Path

import pytest

from analysis import engine
from analysis.evidence import changes
from analysis.evidence.changes import GitMissing, RepositoryUnreadable, commits

CALLER = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "Ann \x1b[31m<script>",
    "GIT_AUTHOR_EMAIL": "ann@example.org",
    "GIT_COMMITTER_NAME": "Ann",
    "GIT_COMMITTER_EMAIL": "ann@example.org",
}


def git(folder: Path, *arguments: str, when: str = "2026-03-11T15:40:00+00:00") -> str:
    environment = CALLER | {"GIT_AUTHOR_DATE": when, "GIT_COMMITTER_DATE": when, "HOME": str(folder)}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True)
    return done.stdout.decode().strip()


def commit(folder: Path, subject: str, when: str, **files: bytes) -> str:
    for name, content in files.items():
        (folder / name.replace("_py", ".py")).write_bytes(content)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", subject, when=when)
    return git(folder, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, "first", "2026-03-10T10:00:00+02:00", views_py=b"a\nb\nc\n")
    commit(folder, "drop | the lock", "2026-03-11T15:40:00+00:00", views_py=b"a\nB\nc\n", models_py=b"x\n")
    return folder


def test_commits_come_newest_first_with_parent_times_author_and_files(repository):
    found, _ = commits(repository)
    assert found.subject.tolist() == ["drop | the lock", "first"]
    assert found.parent.tolist() == [found.revision[1], None]
    assert found.files.tolist() == [2, 1]
    assert str(found.authored_at[1]) == "2026-03-10 08:00:00"
    assert found.author[0] == "Ann \x1b[31mscript"  # git itself drops < and > from names


def test_hunks_carry_path_place_and_text(repository):
    found, hunks = commits(repository)
    (hunk,) = hunks[(hunks.revision == found.revision[0]) & (hunks.path == "views.py")].itertuples()
    assert (hunk.old_start, hunk.old_lines, hunk.new_start, hunk.new_lines) == (1, 3, 1, 3)
    assert hunk.text == "@@ -1,3 +1,3 @@\n a\n-b\n+B\n c"


def test_the_tables_are_the_promised_ones(repository):
    history, hunks = commits(repository)
    database = engine.in_memory({"commits": history, "hunks": hunks})
    assert database.execute("SELECT sum(files), count(DISTINCT committed_at) FROM commits").fetchone() == (
        3,
        2,
    )


def test_a_bundle_with_or_without_a_head_reads_like_its_repository(repository, tmp_path):
    whole = commits(repository)[0].revision.tolist()
    for number, refs in enumerate((["--all"], ["main"], ["HEAD"])):
        bundle = tmp_path / f"{number}.bundle"
        git(repository, "bundle", "create", "--quiet", str(bundle), *refs)
        assert commits(bundle)[0].revision.tolist() == whole


def test_a_bare_repository_and_a_detached_head_are_read(repository, tmp_path):
    git(repository, "checkout", "--quiet", "--detach")
    detached = commit(repository, "detached", "2026-03-12T00:00:00Z", views_py=b"z\n")
    assert detached in commits(repository)[0].revision.tolist()
    git(tmp_path, "clone", "--quiet", "--bare", str(repository), str(tmp_path / "bare.git"))
    assert "first" in commits(tmp_path / "bare.git")[0].subject.tolist()


def test_a_shallow_clone_is_read_as_far_as_it_goes(repository, tmp_path):
    shallow = tmp_path / "shallow"
    git(tmp_path, "clone", "--quiet", "--depth=1", repository.as_uri(), str(shallow))
    assert commits(shallow)[0].subject.tolist() == ["drop | the lock"]


def test_the_limit_keeps_the_newest(repository):
    history, hunks = commits(repository, limit=1)
    assert history.subject.tolist() == ["drop | the lock"]
    assert set(hunks.revision) == set(history.revision)


def test_a_merge_has_no_hunks_of_its_own(repository):
    git(repository, "checkout", "--quiet", "-b", "side", "HEAD~1")
    commit(repository, "side", "2026-03-12T00:00:00Z", other_py=b"o\n")
    git(repository, "merge", "--quiet", "--no-ff", "--message", "merge", "main", when="2026-03-13T00:00:00Z")
    history, hunks = commits(repository)
    merge = history[history.subject == "merge"].iloc[0]
    assert (merge.files, merge.revision in set(hunks.revision)) == (0, False)


@pytest.mark.parametrize(
    "name", ['ä "quoted".py', "a b.py", "tab\there.py", "new\nline.py", "back\\slash.py"]
)
def test_a_path_comes_out_as_it_was_named(repository, name):
    (repository / name).write_text("1\n")
    commit(repository, "odd", "2026-03-12T00:00:00Z")
    history, hunks = commits(repository)
    assert hunks[hunks.revision == history.revision[0]].path.tolist() == [name]


def test_a_deleted_file_keeps_its_name(repository):
    (repository / "models.py").unlink()
    commit(repository, "delete", "2026-03-12T00:00:00Z")
    history, hunks = commits(repository)
    assert hunks[hunks.revision == history.revision[0]].path.tolist() == ["models.py"]


def test_content_that_looks_like_a_header_stays_content(repository):
    fake = b"-- a/evil.py\n++ b/evil.py\n@@ -1,1 +1,1 @@\ncommit 0000\ndiff --git a/x b/x\nB\r\nno newline"
    commit(repository, "fake", "2026-03-12T00:00:00Z", views_py=fake)
    commit(repository, "undo", "2026-03-13T00:00:00Z", views_py=b"a\n")
    history, hunks = commits(repository)
    assert set(hunks.path) == {"views.py", "models.py"}
    assert set(hunks.revision) <= set(history.revision)
    undone = hunks[hunks.revision == history.revision[0]].text.item()
    assert "\n--- a/evil.py\n-++ b/evil.py\n-@@ -1,1 +1,1 @@\n" in undone
    assert history.files[0] == 1


def test_a_line_removed_behind_added_ones_cannot_pass_for_a_header(repository):
    commit(repository, "sql", "2026-03-12T00:00:00Z", views_py=b"p\nq\nr\n-- a/evil.py\n")
    commit(repository, "comment", "2026-03-13T00:00:00Z", views_py=b"x\np\nq\nr\n")
    history, hunks = commits(repository)
    assert hunks[hunks.revision == history.revision[0]].text.item().endswith("\n r\n--- a/evil.py")


def test_bytes_that_are_not_utf8_stand_escaped(repository):
    commit(repository, "latin", "2026-03-12T00:00:00Z", views_py=b"caf\xe9\n")
    assert "+caf\\xe9" in commits(repository)[1].text.iloc[0]


def test_binary_and_large_files_are_counted_and_not_read(repository):
    attributes = b"*.py diff\n"  # would make git show the large one as text
    commit(
        repository,
        "large",
        "2026-03-12T00:00:00Z",
        large_py=b"x\n" * 600_000,
        binary=b"\0\1",
        **{".gitattributes": attributes},
    )
    history, hunks = commits(repository)
    assert history.files[0] == 3
    assert hunks[hunks.revision == history.revision[0]].path.tolist() == [".gitattributes"]


def test_a_diff_beyond_the_cap_keeps_its_place_and_loses_its_text(repository, monkeypatch):
    monkeypatch.setattr(changes, "LARGEST_DIFF", 5)
    hunks = commits(repository)[1].sort_values("path")
    assert hunks.path.tolist() == ["models.py", "views.py", "views.py"]
    assert hunks.text.isna().tolist() == [False, True, True]


EVIL = """#!/bin/sh
touch "{canary}"
cat "$@" 2>/dev/null
"""


def armed(repository: Path, canary: Path) -> None:
    """Make the repository run a script at every chance that its own files and configuration give."""
    script = repository / ".git" / "evil"
    script.write_text(EVIL.format(canary=canary))
    script.chmod(0o755)
    for hook in (
        "post-checkout",
        "pre-auto-gc",
        "reference-transaction",
        "post-update",
        "pre-receive",
        "update",
    ):
        os.link(script, repository / ".git" / "hooks" / hook)
    for name in (
        "core.fsmonitor",
        "core.pager",
        "core.sshCommand",
        "core.alternateRefsCommand",
        "diff.evil.textconv",
        "diff.evil.command",
        "diff.external",
        "filter.evil.smudge",
        "filter.evil.clean",
        "uploadpack.packObjectsHook",
        "gpg.program",
    ):
        git(repository, "config", name, str(script))
    git(repository, "config", "log.showSignature", "true")
    (repository / ".git" / "info" / "attributes").write_text("* diff=evil filter=evil\n")


def test_nothing_that_a_strangers_repository_carries_is_run(repository, tmp_path):
    commit(
        repository,
        "attributes",
        "2026-03-12T00:00:00Z",
        **{".gitattributes": b"*.py diff=evil filter=evil\n"},
    )
    whole = commits(repository)
    canary = tmp_path / "canary"
    (repository / ".git" / "hooks").mkdir(exist_ok=True)
    armed(repository, canary)
    found = commits(repository)
    assert not canary.exists()
    assert [table.to_dict("records") for table in found] == [table.to_dict("records") for table in whole]
    git(repository, "status")  # the trap is live: git's own commands spring it
    assert canary.exists()


def test_the_source_is_left_as_it_was(repository):
    before = {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}
    commits(repository)
    assert before == {path: path.read_bytes() for path in repository.rglob("*") if path.is_file()}


def test_the_callers_git_environment_is_not_followed(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_TRACE", str(tmp_path / "trace"))
    monkeypatch.setenv("GIT_OBJECT_DIRECTORY", str(tmp_path / "elsewhere"))
    assert len(commits(repository)[0]) == 2
    assert list(tmp_path.iterdir()) == [repository]


@pytest.mark.parametrize("name", ["none", "folder", "file", "empty"])
def test_what_is_no_repository_with_commits_is_refused_with_its_path(tmp_path, name):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("no bundle")
    (tmp_path / "empty").mkdir()
    git(tmp_path / "empty", "init", "--quiet")
    with pytest.raises(RepositoryUnreadable, match=f"{tmp_path}/{name}"):
        commits(tmp_path / name)


def test_a_missing_git_is_named_with_its_package(repository, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(GitMissing, match="package `git`"):
        commits(repository)


def test_an_absurd_date_is_none_and_does_not_stop_the_others(repository):
    tree = git(repository, "rev-parse", "HEAD^{tree}")
    raw = f"tree {tree}\nauthor A <a> 99999999999999 +0000\ncommitter A <a> 1 +0000\n\nabsurd\n"
    (repository / "raw").write_text(raw)
    revision = git(repository, "hash-object", "-t", "commit", "-w", "--literally", "raw")
    git(repository, "update-ref", "refs/heads/absurd", revision)
    found = commits(repository)[0].set_index("subject")
    assert found.loc["absurd"].isna().authored_at
    assert len(found) == 3
