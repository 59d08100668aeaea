"""Run notebooks by papermill, and know a whole run from a broken one.

papermill reports success for a killed kernel's cells, for a timed-out cell's and for `sys.exit(0)`. Here a run counts
only if the call returned, every cell ran, and a last cell of our own was reached.
"""

import copy
import logging
import multiprocessing
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from analysis.notebook_file import Notebook, code_cell, read, tags, written

# isort: split
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.exceptions import PapermillExecutionError
from papermill.execute import remove_error_markers

from analysis.files import write_whole
from analysis.kernel import settings
from analysis.notebook_parameters import checked
from analysis.safe_text import safe

TIMEOUT_S: Final = 120
AT_ONCE: Final = 2
SENTINEL: Final = "ran to the end"
SENTINEL_TAG: Final = "race-forensics-sentinel"
INJECTED: Final = "injected-parameters"

logging.getLogger("papermill").addHandler(logging.NullHandler())  # a failure is told once, by NotebookFailed


@dataclass(frozen=True)
class Job:
    """A notebook to run: where it is, where its executed copy goes, and what it is given."""

    path: Path
    out_path: Path
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """A notebook that ran to its end. `stderr` is what its cells wrote there."""

    path: Path
    out_path: Path
    parameters: dict[str, object]
    seconds: float
    cells: int
    stderr: str


class NotebookFailed(Exception):
    """A notebook did not run to its end."""

    def __init__(self, notebook: str, cell: int, line: str, reason: str) -> None:
        """`cell` counts from 1, over all cells of the notebook as committed; 0: before the first one."""
        super().__init__(notebook, cell, line, reason)
        self.notebook, self.cell, self.line, self.reason = notebook, cell, line, reason

    def __str__(self) -> str:
        where = f"cell {self.cell} ({self.line})" if self.cell else "before its first cell"
        return f"{self.notebook}: {where}: {self.reason}"


def run_notebooks(jobs: Sequence[Job], timeout_s: int = TIMEOUT_S) -> list[Run]:
    """Run the jobs two at a time and, when all of these are done, the last one alone.

    Raises: NotebookFailed, ParameterRefused: the first one in the order of the jobs. Nothing runs if any job's
    parameters are refused.
    """
    for job in jobs:
        checked(job.path.name, read(job.path), job.parameters)
    if not jobs:
        return []
    # Processes, not threads: Ctrl-C reaches a process of its own, which then stops its kernel.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(AT_ONCE, mp_context=context) as pool:
        first = [pool.submit(run_job, job, timeout_s) for job in jobs[:-1]]
        try:
            runs = [future.result() for future in first]
            return [*runs, pool.submit(run_job, jobs[-1], timeout_s).result()]
        finally:
            pool.shutdown(cancel_futures=True)


def run_job(job: Job, timeout_s: int = TIMEOUT_S) -> Run:
    """`run_notebook` for a job."""
    return run_notebook(job.path, job.out_path, job.parameters, timeout_s)


def run_notebook(
    path: Path, out_path: Path, parameters: Mapping[str, object], timeout_s: int = TIMEOUT_S
) -> Run:
    """Run one notebook in a kernel of its own and write the executed copy, also when it fails.

    In:   timeout_s: the most seconds that one cell may take
    The kernel is this interpreter, in an empty folder: paths among the parameters have to be absolute.

    Raises: ParameterRefused, NotebookFailed
    """
    started = time.monotonic()
    notebook = read(path)
    values = checked(path.name, notebook, parameters)
    watch = Watch(path.name, with_sentinel(notebook))
    try:
        execute(watch.notebook, values, watch, timeout_s)
    finally:
        write_whole(out_path, written(stripped(watch.notebook)))
    seconds = time.monotonic() - started
    return Run(path, out_path, values, seconds, len(notebook.cells), written_to_stderr(watch.notebook))


class Watch:
    """Sees a notebook run: which cell was last begun, and what the cells put out."""

    def __init__(self, name: str, notebook: Notebook) -> None:
        self.name, self.notebook, self.index = name, notebook, -1

    def begins(self, notebook: Notebook) -> None:
        self.notebook = notebook

    def cell_begins(self, cell: Notebook, cell_index: int) -> None:
        self.index = cell_index

    def failed(self, index: int, reason: str) -> NotebookFailed:
        """The failure of the cell at `index`, counted as in the notebook as committed."""
        before = self.notebook.cells[: index + 1]
        number = sum(INJECTED not in tags(cell) for cell in before)
        source = before[-1].source.strip() if before else ""
        return NotebookFailed(self.name, number, safe(source.split("\n")[0]), safe(reason))

    def unless_whole(self) -> NotebookFailed | None:
        """What is missing of a whole run although papermill reported none."""
        for index, cell in enumerate(self.notebook.cells):
            if cell.metadata.papermill.status != "completed":
                return self.failed(index, "stopped early")
            if cell.cell_type == "code" and cell.source.strip() and cell.execution_count is None:
                return self.failed(index, "was never run")
        printed = "".join(output.get("text", "") for output in self.notebook.cells[-1].outputs)
        return None if printed.strip() == SENTINEL else self.failed(self.index, "stopped early")


def execute(notebook: Notebook, values: Mapping[str, object], watch: Watch, timeout_s: int) -> None:
    """Run a notebook by papermill, in a fresh folder and a kernel of our own.

    Raises: NotebookFailed
    """
    with tempfile.TemporaryDirectory(prefix="notebook-") as name:
        folder = Path(name)
        prepared = folder / "notebook.ipynb"
        prepared.write_bytes(written(notebook))
        try:
            papermill.execute_notebook(
                prepared,
                None,
                parameters=dict(values),
                language="python",
                progress_bar=False,
                request_save_on_cell_execute=False,
                autosave_cell_every=0,
                execution_timeout=timeout_s,
                record_timing=False,
                on_notebook_start=watch.begins,
                on_cell_start=watch.cell_begins,
                **settings(folder),
            )
        except PapermillExecutionError as error:
            remove_error_markers(watch.notebook)  # cells that papermill puts in to point at the failed one
            raise watch.failed(error.cell_index, f"{error.ename}: {error.evalue}") from error
        except CellTimeoutError as error:
            raise watch.failed(watch.index, f"timed out after {timeout_s} s") from error
        except DeadKernelError as error:
            raise watch.failed(watch.index, "the kernel died") from error
        except RuntimeError as error:  # what jupyter_client raises while a kernel starts
            raise watch.failed(watch.index, f"the kernel did not start: {error}") from error
    failure = watch.unless_whole()
    if failure:
        raise failure


def with_sentinel(notebook: Notebook) -> Notebook:
    """The notebook with a last cell that shows that it was reached."""
    whole = copy.deepcopy(notebook)
    whole.cells.append(code_cell(f"print({SENTINEL!r})", SENTINEL_TAG))
    return whole


def stripped(notebook: Notebook) -> Notebook:
    """An executed notebook without what papermill and this module put into it, but for the given parameters."""
    notebook.metadata.pop("papermill", None)
    notebook.cells = [cell for cell in notebook.cells if SENTINEL_TAG not in tags(cell)]
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
    return notebook


def written_to_stderr(notebook: Notebook) -> str:
    """What the cells wrote to stderr."""
    outputs = (output for cell in notebook.cells for output in cell.get("outputs", []))
    return "".join(output.text for output in outputs if output.get("name") == "stderr")
