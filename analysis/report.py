"""Notebooks -> one HTML page, and the ledger of how it was made.

The page is the same bytes each time; what differs from run to run (times, durations, host, paths) stands in `run.json`.
"""

import json
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

from analysis.files import write_whole
from analysis.notebook_file import read
from analysis.notebook_parameters import ParameterRefused, declared
from analysis.notebook_run import Job, NotebookFailed, Run, run_notebooks
from analysis.page import page
from analysis.safe_text import masked

PAGE: Final = "report.html"
LEDGER: Final = "run.json"
PACKAGES: Final = (
    "race-forensics",
    "duckdb",
    "ibis-framework",
    "ipykernel",
    "matplotlib",
    "nbconvert",
    "nh3",
    "numpy",
    "pandas",
    "papermill",
    "pyarrow",
    "scipy",
)


@dataclass(frozen=True)
class Report:
    """What `make_report` has written."""

    page: Path
    ledger: Path
    runs: tuple[Run, ...]


def jobs_for(notebooks: Sequence[Path], out: Path, parameters: Mapping[str, object]) -> list[Job]:
    """Jobs in the order in which they run: by file name, but `00_…` last, since it sums up the others.

    Each notebook is given those of the parameters that it declares; executed copies go to `out/notebooks`.

    Raises: ParameterRefused for a parameter that no notebook declares
    """
    takes = {path: declared(path.name, read(path)) for path in notebooks}
    unknown = set(parameters).difference(*takes.values())
    if unknown:
        raise ParameterRefused(
            f"no notebook takes the parameter {', '.join(sorted(unknown))}\n"
            f"  want: {', '.join(sorted(set().union(*takes.values())))}"
        )
    ordered = sorted(takes, key=lambda path: (path.name.startswith("00_"), path.name))
    return [
        Job(
            path,
            out / "notebooks" / path.name,
            {name: value for name, value in parameters.items() if name in takes[path]},
        )
        for path in ordered
    ]


def make_report(
    jobs: Sequence[Job],
    out: Path,
    title: str,
    subtitle: str = "",
    facts: Mapping[str, object] | None = None,
) -> Report:
    """Run the notebooks and write `report.html` and `run.json` into `out`.

    In:   facts: what else belongs into the ledger: input hashes, quarantined counts

    Raises: ParameterRefused before anything ran, NotebookFailed; the ledger then tells of it, and the page of an
    earlier run is gone.
    """
    started_at, started = datetime.now(UTC), time.monotonic()
    report = Report(out / PAGE, out / LEDGER, ())
    report.page.unlink(missing_ok=True)
    ledger: dict[str, object] = {"started_at": started_at.isoformat(), **environment(), **(facts or {})}
    try:
        runs = tuple(run_notebooks(jobs))
        ledger["notebooks"] = [described(run) for run in runs]
        html = page([run.out_path for run in runs], title, subtitle)
        write_whole(report.page, html.encode("utf-8"))
    except (NotebookFailed, ParameterRefused) as failure:
        ledger["failed"] = str(failure)
        raise
    finally:
        ledger["seconds"] = round(time.monotonic() - started, 3)
        write_ledger(report.ledger, ledger)
    return Report(report.page, report.ledger, runs)


def described(run: Run) -> dict[str, object]:
    """A run as the ledger tells it."""
    return {
        "notebook": run.path.name,
        "seconds": round(run.seconds, 3),
        "cells": run.cells,
        "parameters": run.parameters,
        "stderr": run.stderr,
    }


def environment() -> dict[str, object]:
    """What the report was made with and on."""
    versions = {name: installed for name in PACKAGES if (installed := installed_version(name))}
    return {
        "host": platform.node(),
        "platform": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
    }


def installed_version(package: str) -> str | None:
    """A package's version; None where it runs from a folder that was never installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write_ledger(path: Path, ledger: Mapping[str, object]) -> None:
    """Write the ledger, secrets masked."""
    text = json.dumps(masked(ledger), indent=2, ensure_ascii=True, default=str)
    write_whole(path, f"{text}\n".encode("ascii"))
