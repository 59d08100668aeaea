"""What holds for the tree as a whole: `make check` runs it on tracked files."""

import re
import subprocess
import tomllib
from itertools import chain
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOSTS = re.compile(
    rb"pypi\.org|pythonhosted\.org|anaconda\.org|conda\.anaconda|npmjs\.(?:org|com)|deb\.debian\.org|--(?:extra-)?index-url"
)
MACHINE_PATHS = re.compile(rb"(?:^|[\s\"'`(=:])/(?:work|farm|root|home|Users)/[A-Za-z0-9_.]")
TOP_LEVEL = {
    ".ci", ".editorconfig", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md",
    "analysis", "constraints.txt", "data", "environment.yml", "notebooks", "pyproject.toml", "tests",
}  # fmt: skip


def tracked():
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    return [name.decode() for name in listing.split(b"\0") if name]


def lines_with(pattern):
    here = str(Path(__file__).relative_to(ROOT))
    for name in tracked():
        file = ROOT / name
        if name == here or not file.is_file() or name.startswith("data/cases/jobs-complete/logs/"):
            continue
        for number, line in enumerate(file.read_bytes().splitlines(), 1):
            if pattern.search(line):
                yield f"{name}:{number}: {line[:120]!r}"


def test_no_tracked_file_names_a_registry_host():
    assert list(lines_with(HOSTS)) == []


def test_no_tracked_file_names_a_path_of_a_machine():
    assert list(lines_with(MACHINE_PATHS)) == []


@pytest.mark.parametrize("line", [b"see https://pypi.org/simple", b"--index-url x"])
def test_the_host_pattern_finds_what_it_is_for(line):
    assert HOSTS.search(line)


def test_the_path_pattern_finds_paths_of_machines_and_nothing_else():
    assert MACHINE_PATHS.search(b'open("/home/ana/x.log")')
    assert not MACHINE_PATHS.search(b'File "/app/jobs/views.py"')
    assert not MACHINE_PATHS.search(b"GET /api/home/x")


def test_the_top_level_is_what_was_asked_for():
    assert {name.split("/")[0] for name in tracked()} <= TOP_LEVEL


def name_of(requirement):
    return re.split(r"[\[<>=!~; ]", requirement)[0].lower()


def test_environment_yml_holds_what_pyproject_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {name_of(each) for each in project["dependencies"]} | {"jupyterlab", "pytest"}
    names = {"duckdb": "python-duckdb", "matplotlib": "matplotlib-base"}
    names |= {"nbconvert": "nbconvert-core", "ibis-framework": "ibis-framework-core"}
    text = (ROOT / "environment.yml").read_text()
    conda = {name_of(line.strip()[2:]) for line in text.splitlines() if line.startswith("  - ")}
    assert {names.get(name, name) for name in wanted} <= conda
    assert "-e .[lab,test]" in text and "nodefaults" in text and "python=3.12" in text


def test_constraints_pin_every_dependency_exactly():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = [*project["dependencies"], *chain(*project["optional-dependencies"].values())]
    pins = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text().split())
    lower = {re.sub(r"[-_.]+", "-", name).lower() for name in pins}
    assert {re.sub(r"[-_.]+", "-", name_of(each)) for each in asked} <= lower
