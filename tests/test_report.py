"""The page comes out with its ledger, and what is true of one run only stands in the ledger."""

import json
import stat

import pytest
from sample_notebooks import notebook

from analysis.notebook_parameters import ParameterRefused
from analysis.notebook_run import NotebookFailed
from analysis.report import jobs_for, make_report, write_ledger

SPIKE = """import pandas as pd
from matplotlib.figure import Figure
from analysis.display import show_figure, show_table
show_table(pd.DataFrame({"a": [window_ms], "b": ["seen at 0x7f12"]}))
figure = Figure(figsize=(3, 2), label="A line")
figure.subplots().fill_between([1, 2, 3], [3, 4, 5], hatch="//")
show_figure(figure)
{"b", "a", "c"}"""
DSN = "postgres://app:s3cr3t@db/jobs"


def notebooks(folder):
    parameters = "# parameters\nwindow_ms: int = 50  # ms\ndatabase: str = ''  # where"
    return [
        notebook(
            folder / "00_summary.ipynb",
            "# markdown\n# Summary",
            "# parameters\ndatabase: str = ''  # where",
            "1",
        ),
        notebook(folder / "02_spike.ipynb", "# markdown\n# Spike", parameters, SPIKE),
        notebook(
            folder / "01_evidence.ipynb", "# markdown\n# Evidence", "import sys\nprint('oh', file=sys.stderr)"
        ),
    ]


def test_the_summary_runs_last_and_each_gets_what_it_declares(tmp_path):
    jobs = jobs_for(notebooks(tmp_path), tmp_path / "out", {"window_ms": 7, "database": "x"})
    assert [(job.path.name, dict(job.parameters)) for job in jobs] == [
        ("01_evidence.ipynb", {}),
        ("02_spike.ipynb", {"window_ms": 7, "database": "x"}),
        ("00_summary.ipynb", {"database": "x"}),
    ]
    assert jobs[0].out_path == tmp_path / "out" / "notebooks" / "01_evidence.ipynb"


def test_a_parameter_that_no_notebook_takes_is_refused(tmp_path):
    with pytest.raises(ParameterRefused, match=r"windowms\n  want: database, window_ms"):
        jobs_for(notebooks(tmp_path), tmp_path / "out", {"windowms": 7})


@pytest.mark.slow
def test_two_reports_are_the_same_page_and_two_ledgers(tmp_path):
    reports = []
    for name in ("one", "two"):
        jobs = jobs_for(
            notebooks(tmp_path), tmp_path / name, {"window_ms": 7, "database": str(tmp_path / name)}
        )
        reports.append(
            make_report(jobs, tmp_path / name, "An incident", facts={"inputs": {"app.log": "sha256"}})
        )
    one, two = reports
    assert one.page.read_bytes() == two.page.read_bytes()
    assert str(tmp_path) not in one.page.read_text()
    assert one.page.read_text().index("Summary</h2>") < one.page.read_text().index("Evidence</h2>")
    ledger = json.loads(one.ledger.read_text())
    assert [run["notebook"] for run in ledger["notebooks"]] == [
        "01_evidence.ipynb",
        "02_spike.ipynb",
        "00_summary.ipynb",
    ]
    assert ledger["notebooks"][0]["stderr"] == "oh\n"
    assert ledger["notebooks"][1]["parameters"] == {"window_ms": 7, "database": str(tmp_path / "one")}
    assert ledger["inputs"] == {"app.log": "sha256"}
    assert ledger["seconds"] > 0
    assert "duckdb" in ledger["versions"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in (one.page, one.ledger)} == {0o600}


@pytest.mark.slow
def test_a_failed_report_leaves_no_page_and_a_ledger_that_says_why(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "report.html").write_text("of an earlier run")
    jobs = jobs_for([notebook(tmp_path / "01_x.ipynb", "1 / 0")], tmp_path / "out", {})
    with pytest.raises(NotebookFailed, match=r"cell 1 \(1 / 0\)"):
        make_report(jobs, tmp_path / "out", "An incident")
    assert not (tmp_path / "out" / "report.html").exists()
    assert json.loads((tmp_path / "out" / "run.json").read_text())["failed"].endswith(
        "ZeroDivisionError: division by zero"
    )


def test_no_secret_is_in_the_ledger_and_it_stays_json(tmp_path):
    write_ledger(
        tmp_path / "run.json", {"parameters": [{"url": DSN}], "n": 3, "said": ('"password": "s3cr3t"',)}
    )
    ledger = json.loads((tmp_path / "run.json").read_text())
    assert ledger == {
        "parameters": [{"url": "postgres://app:***@db/jobs"}],
        "n": 3,
        "said": ['"password": ***'],
    }
