"""A run counts only if every cell ran; a failure names its cell; only declared parameters reach a notebook."""

import os
import stat
import sys
from pathlib import Path

import pytest
from sample_notebooks import notebook

from analysis.files import write_whole
from analysis.notebook_file import Notebook, read
from analysis.notebook_parameters import ParameterRefused, checked
from analysis.notebook_run import (
    SENTINEL,
    Job,
    NotebookFailed,
    Watch,
    run_notebook,
    run_notebooks,
    with_sentinel,
)

TAKES = """# parameters
case: str = "x"  # a case
window_ms: int = 50  # ms
rate: float = 0.5  # 0 to 1
strict: bool = False  # strict
since: str | None = None  # an instant
routes: list[str] = []  # routes
untyped = 3"""


def fail(tmp_path, *cells, timeout_s=60):
    path = notebook(tmp_path / "nb.ipynb", "# markdown\n# Title", "# parameters\nn: int = 1  # n", *cells)
    with pytest.raises(NotebookFailed) as failure:
        run_notebook(path, tmp_path / "out.ipynb", {"n": 2}, timeout_s)
    return failure.value


def outputs(path):
    return [output.get("text") for cell in read(path).cells for output in cell.get("outputs", [])]


@pytest.mark.slow
def test_a_whole_run_is_a_run_and_leaves_no_trace_of_the_machinery(tmp_path):
    path = notebook(
        tmp_path / "nb.ipynb", TAKES, "import sys; print(window_ms, case)", "print('oh', file=sys.stderr)"
    )
    run = run_notebook(path, tmp_path / "out.ipynb", {"window_ms": 7, "case": 'a"\\b\n\u202e{x}'})
    assert outputs(run.out_path)[0] == '7 a"\\b\n\u202e{x}\n'
    assert run.stderr == "oh\n"
    assert (run.cells, run.parameters["window_ms"]) == (3, 7)
    copy = run.out_path.read_text()
    assert "papermill" not in copy
    assert "sentinel" not in copy


@pytest.mark.slow
def test_an_error_names_the_cell_as_its_reader_counts(tmp_path):
    failure = fail(tmp_path, "1 + 1", "# why\n1 / 0", "2")
    assert str(failure) == "nb.ipynb: cell 4 (# why): ZeroDivisionError: division by zero"
    assert "papermill" not in (tmp_path / "out.ipynb").read_text()
    assert "division by zero" in (tmp_path / "out.ipynb").read_text()


@pytest.mark.slow
def test_leaving_with_exit_code_0_is_a_failure(tmp_path):
    assert str(fail(tmp_path, "import sys; sys.exit(0)", "2")).endswith("exit(0)): stopped early")


@pytest.mark.slow
def test_leaving_in_the_last_cell_is_a_failure(tmp_path):
    assert fail(tmp_path, "import sys; sys.exit(0)").cell == 3


def test_a_last_cell_that_was_run_but_said_nothing_is_a_failure(tmp_path):
    def ended(text):
        made = with_sentinel(read(notebook(tmp_path / "nb.ipynb", "1")))
        for number, cell in enumerate(made.cells, 1):
            cell.execution_count, cell.metadata.papermill = number, Notebook(status="completed")
        made.cells[-1].outputs = [Notebook(output_type="stream", name="stdout", text=text)]
        return Watch("nb.ipynb", made).unless_whole()

    assert ended(f"{SENTINEL}\n") is None
    assert ended("").reason == "stopped early"


@pytest.mark.slow
def test_a_killed_kernel_is_a_failure(tmp_path):
    assert str(fail(tmp_path, "1", "import os; os._exit(0)", "2")).endswith(
        "cell 4 (import os; os._exit(0)): the kernel died"
    )


@pytest.mark.slow
def test_a_cell_that_takes_too_long_is_a_failure(tmp_path):
    failure = fail(tmp_path, "import time; time.sleep(60)", timeout_s=1)
    assert (failure.cell, failure.reason) == (3, "timed out after 1 s")


@pytest.mark.slow
def test_a_cell_that_was_skipped_is_a_failure(tmp_path):
    path = notebook(tmp_path / "nb.ipynb", "1", "2")
    text = path.read_text().replace('"metadata": {}', '"metadata": {"tags": ["skip-execution"]}', 1)
    path.write_text(text)
    with pytest.raises(NotebookFailed, match=r"cell 1 \(1\): was never run"):
        run_notebook(path, tmp_path / "out.ipynb", {})


@pytest.mark.slow
def test_a_kernel_that_does_not_start_is_a_failure(tmp_path, monkeypatch):
    path = notebook(tmp_path / "nb.ipynb", "1")
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(NotebookFailed, match="before its first cell: the kernel did not start"):
        run_notebook(path, tmp_path / "out.ipynb", {})


@pytest.mark.slow
def test_an_error_message_from_a_log_is_shown_masked_and_visible(tmp_path):
    reason = fail(tmp_path, "raise ValueError('\\x1b[31m password=s3cr3t')").reason
    assert reason == "ValueError: \\x1b[31m password=***"


@pytest.mark.slow
def test_the_kernel_is_this_interpreter_with_nothing_of_its_users_set_up(tmp_path, monkeypatch):
    canary = tmp_path / "canary"
    code = f"open({str(canary)!r}, 'w')"
    spec = tmp_path / "jupyter/kernels/python3/kernel.json"
    startup = tmp_path / "ipython/profile_default/startup/00.py"
    for file in (spec, startup):
        file.parent.mkdir(parents=True)
    spec.write_text('{"argv": ["/bin/false"], "display_name": "x", "language": "python"}')
    startup.write_text(code)
    (tmp_path / "start.py").write_text(code)
    (tmp_path / "matplotlibrc").write_text("font.size: 40")
    (tmp_path / "pandas.py").write_text(code)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "start.py"))
    monkeypatch.setenv("MATPLOTLIBRC", str(tmp_path / "matplotlibrc"))
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    monkeypatch.chdir(tmp_path)
    path = notebook(
        tmp_path / "nb.ipynb",
        "import os, sys, time, matplotlib, analysis, pandas\nfont = matplotlib.rcParams['font.size']",
        "print(sys.executable, os.environ['PYTHONHASHSEED'], time.tzname[0], font, os.listdir())",
    )
    run = run_notebook(path, tmp_path / "out.ipynb", {})
    assert outputs(run.out_path) == [f"{sys.executable} 0 UTC 10.0 []\n"]
    assert not canary.exists()


@pytest.mark.slow
def test_the_last_notebook_runs_when_the_others_are_done(tmp_path):
    mark = f"# parameters\nfolder: str = {str(tmp_path)!r}  # where"
    waits = "import time\nfrom pathlib import Path\ntime.sleep(0.5)\n(Path(folder) / '{}').touch()"
    counts = "import os\nprint(sorted(set(os.listdir(folder)) & {'a', 'b', 'c'}))"
    paths = [notebook(tmp_path / f"{name}.ipynb", mark, waits.format(name)) for name in "abc"]
    paths.append(notebook(tmp_path / "00.ipynb", mark, counts))
    runs = run_notebooks([Job(path, tmp_path / "out" / path.name) for path in paths])
    assert [run.path.name for run in runs] == ["a.ipynb", "b.ipynb", "c.ipynb", "00.ipynb"]
    assert outputs(runs[-1].out_path) == ["['a', 'b', 'c']\n"]


@pytest.mark.slow
def test_a_failure_comes_out_of_its_process_whole(tmp_path):
    jobs = [Job(notebook(tmp_path / "a.ipynb", "1 / 0"), tmp_path / "out.ipynb")]
    with pytest.raises(NotebookFailed) as failure:
        run_notebooks(jobs)
    assert (failure.value.notebook, failure.value.cell) == ("a.ipynb", 1)


def test_nothing_runs_if_any_parameter_is_refused(tmp_path):
    canary = tmp_path / "canary"
    good = notebook(tmp_path / "a.ipynb", f"open({str(canary)!r}, 'w')")
    with pytest.raises(ParameterRefused):
        run_notebooks([Job(good, tmp_path / "a"), Job(good, tmp_path / "b", {"x": 1})])
    assert not canary.exists()


CODE = "__import__('pathlib').Path('canary').touch()"
HOSTILE = [
    {"x = 1\nimport os": 1},
    {f"case = {CODE} #": "x"},
    {"case\n": "x"},
    {"Case": "x"},
    {"case ": "x"},
    {"": "x"},
    {"__builtins__": "x"},
    {"unknown": 1},
    {"case": 7},
    {"case": None},
    {"case": b"x"},
    {"case": Path("x")},
    {"case": ["x"]},
    {"case": {"x": 1}},
    {"window_ms": "50"},
    {"window_ms": 5.0},
    {"window_ms": True},
    {"window_ms": CODE},
    {"rate": "0.5"},
    {"rate": False},
    {"strict": 1},
    {"strict": "False"},
    {"since": 3},
    {"routes": "x"},
    {"routes": ("x",)},
    {"routes": [1]},
    {"routes": [["x"]]},
    {"untyped": "3"},
    {"untyped": type("Evil", (int,), {"__str__": lambda self: CODE})(3)},
    {"case": type("Evil", (str,), {"encode": lambda self, _: CODE.encode()})("x")},
]


@pytest.mark.parametrize("parameters", HOSTILE)
def test_a_parameter_that_is_not_declared_or_not_of_its_type_is_refused(tmp_path, parameters):
    path = notebook(tmp_path / "nb.ipynb", TAKES)
    with pytest.raises(ParameterRefused, match=r"nb\.ipynb"):
        checked("nb.ipynb", read(path), parameters)


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"case": CODE},
        {"rate": 1},
        {"since": None},
        {"since": "15:47"},
        {"routes": ["/a", "/b"]},
        {"untyped": 4},
    ],
)
def test_a_parameter_of_the_declared_type_is_taken(tmp_path, parameters):
    assert checked("nb.ipynb", read(notebook(tmp_path / "nb.ipynb", TAKES)), parameters) == parameters


@pytest.mark.parametrize(
    "line", ["import os", "n: int", "n = int('3')", "N: int = 3", "a = b = 1", "n: Path = 'x'"]
)
def test_a_parameters_cell_holds_typed_literals_only(tmp_path, line):
    with pytest.raises(ParameterRefused):
        checked("nb.ipynb", read(notebook(tmp_path / "nb.ipynb", f"# parameters\n{line}")), {"n": 3})


def test_a_file_is_its_owners_only_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write_whole(tmp_path / "new" / "run.json", b"{}")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new" / "run.json").stat().st_mode) == 0o600


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path):
    write_whole(tmp_path / "run.json", b"old")
    with pytest.raises(TypeError):
        write_whole(tmp_path / "run.json", "text")
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("run.json", b"old")]
