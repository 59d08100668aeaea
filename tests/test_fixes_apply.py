import subprocess
from dataclasses import replace

import pytest
from fixing import Files, marked

from analysis.source.fixes.apply import OutsideTheCopy, PatchDoesNotApply, check_applies, write_copy
from analysis.source.fixes.proposals import Proposal, patch

VIEW = """
    from shop.models import Voucher


    def redeem(request, code):
        voucher = Voucher.objects.get(code=code)  #R
        if voucher.status == Voucher.USED:  #T
            return refuse("used")
        voucher.status = Voucher.USED
        voucher.save()  #A
"""


def made(before, after):
    """A proposal from texts to texts."""
    return Files(before), Proposal("x", "", after, patch(before, after), "", "", "")


def test_a_patch_applies_to_the_tree_it_was_made_for_and_to_no_other():
    case = marked(VIEW, "redeem", model="Voucher")
    found = case.offered("lock_row")
    check_applies(case.tree, found)
    other = Files(
        {**case.tree.texts, "shop/views.py": case.tree.texts["shop/views.py"].replace("USED", "GONE")}
    )
    with pytest.raises(PatchDoesNotApply, match="git apply"):
        check_applies(other, found)


def test_a_patch_that_makes_something_else_is_noticed():
    case = marked(VIEW, "redeem", model="Voucher")
    found = case.offered("lock_row")
    files = {"shop/views.py": found.files["shop/views.py"] + "# more\n"}
    with pytest.raises(PatchDoesNotApply, match="another shop"):
        check_applies(case.tree, replace(found, files=files))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"a.py": "x = 1"}, {"a.py": "x = 2"}),  # no newline at the end
        ({"a.py": "x = 1"}, {"a.py": "x = 1\n"}),
        ({"a.py": "x = 1\r\ny = 2\r\n"}, {"a.py": "x = 1\r\ny = 3\r\n"}),
        ({"a.py": "x = '\x0c\x1d\u2028'\ny = 1\n"}, {"a.py": "x = '\x0c\x1d\u2028'\ny = 2\n"}),
        ({"a b.py": "x = 1\n"}, {"a b.py": "x = 2\n", "new/m.py": "y = 1\n"}),
        ({'q"\\.py': "x = 1\n"}, {'q"\\.py': "x = 2\n"}),
        ({"ü.py": "x = 'ü'\n"}, {"ü.py": "x = 'ä'\n"}),
        ({"a.py": "--- a/b\n+++ c\n@@ -1 +1 @@\n"}, {"a.py": "--- a/b\n+++ d\n@@ -1 +1 @@\n"}),
    ],
)
def test_git_takes_every_patch(before, after, tmp_path):
    tree, proposal = made(before, after)
    if not any("\\" in path for path in after):
        check_applies(tree, proposal)
    for path, text in before.items():
        (tmp_path / path).write_bytes(text.encode())
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    subprocess.run(["git", "apply", "-"], cwd=tmp_path, input=proposal.diff.encode(), check=True)
    assert {path: (tmp_path / path).read_bytes().decode() for path in after} == after


def test_a_scratch_copy_has_the_new_texts_and_no_repository(tmp_path):
    source = tmp_path / "app"
    (source / ".git").mkdir(parents=True)
    (source / "a.py").write_text("1\n")
    (source / "b.txt").write_text("kept\n")
    write_copy(source, {"a.py": "2\r\n", "new/m.py": "3\n"}, tmp_path / "copy")
    assert (tmp_path / "copy" / "a.py").read_bytes() == b"2\r\n"
    assert (tmp_path / "copy" / "new" / "m.py").read_text() == "3\n"
    assert (tmp_path / "copy" / "b.txt").read_text() == "kept\n"
    assert not (tmp_path / "copy" / ".git").exists() and (source / "a.py").read_text() == "1\n"


@pytest.mark.parametrize(
    "path", ["/etc/x.py", "../x.py", "a/../../x.py", ".git/hooks/x.py", "a\\..\\x.py", "a\0.py", ""]
)
def test_nothing_is_written_outside_the_copy(path, tmp_path):
    (tmp_path / "app").mkdir()
    with pytest.raises(OutsideTheCopy):
        write_copy(tmp_path / "app", {path: "x"}, tmp_path / "copy")
    with pytest.raises(OutsideTheCopy):
        check_applies(Files({}), Proposal("x", "", {path: "x"}, "", "", "", ""))
    assert [each.name for each in tmp_path.iterdir()] == ["app"]


def test_nothing_is_written_over_a_symbolic_link(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "link").symlink_to(tmp_path / "outside")
    with pytest.raises(OutsideTheCopy, match="symbolic link"):
        write_copy(tmp_path / "app", {"link/x.py": "x"}, tmp_path / "copy")
    assert list((tmp_path / "outside").iterdir()) == []


def test_the_configuration_of_the_user_is_not_read(tmp_path, monkeypatch):
    (tmp_path / ".gitconfig").write_text("[broken\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / ".gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    check_applies(*made({"a.py": "1\n"}, {"a.py": "2\n"}))
