"""What somebody has to mend is told in one message that says where, on the command line with exit code 2."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BUNDLED = Path("data/cases/jobs-complete")
ROWS = "def rows(evidence):\n    return {}\n\n\n"
ONE = 'def requests(rows):\n    return [{"method": "GET", "path": "/x"}]\n'


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    """One copy for all: loaded once."""
    case = tmp_path_factory.mktemp("refusals") / "case"
    shutil.copytree(BUNDLED, case, ignore=shutil.ignore_patterns("capture", "truth.json"))
    return case


def prove(case, out):
    command = [sys.executable, "-m", "analysis", "prove", str(case), "--out", str(out)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("setup", "told"),
    [
        (b"\xff\xfe", "setup.py: a Python file in UTF-8 was wanted"),
        (f"{ROWS}{ONE}".encode(), "setup.py: two requests were wanted, requests(rows) gives 1"),
    ],
)
def test_a_setup_file_with_a_mistake_is_told_in_one_message(bundled, tmp_path, setup, told):
    (bundled / "setup.py").write_bytes(setup)
    done = prove(bundled, tmp_path)
    assert (done.returncode, done.stderr.count("error: ")) == (2, 1)
    assert told in done.stderr and "Traceback" not in done.stderr
    assert "verdict" not in done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("line", "other", "told"),
    [
        (
            '"config.settings"',
            '"config.nosuch"',
            "its settings 'config.nosuch' cannot be loaded, see [app] of",
        ),
        ('root = "source"', 'root = "source/jobs"', "has no jobs/views.py, which revision b916f279b2e6 has"),
    ],
)
def test_an_application_that_is_not_as_described_is_told_in_one_message(tmp_path, line, other, told):
    case = tmp_path / "case"
    shutil.copytree(BUNDLED, case, ignore=shutil.ignore_patterns("capture", "truth.json"))
    described = (case / "case.toml").read_text()
    assert line in described
    (case / "case.toml").write_text(described.replace(line, other))
    done = prove(case, tmp_path / "out")
    assert (done.returncode, done.stderr.count("error: ")) == (2, 1)
    assert told in done.stderr and "Traceback" not in done.stderr
