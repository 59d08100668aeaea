"""The command line: each command one call into the package."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from analysis import format_commands
from analysis.case import FILE, CaseError, zone_name
from analysis.discover import discover, to_toml
from analysis.evidence.changes import GitMissing, RepositoryUnreadable
from analysis.evidence.deploys import DeploysError
from analysis.evidence.formats import FormatError
from analysis.evidence.reading import Unopenable
from analysis.evidence.seal import LostBytes, SealError
from analysis.files import NoRoom, write_whole
from analysis.investigation import find_case, open_case
from analysis.lock import LockedError
from analysis.notebook_parameters import ParameterRefused
from analysis.notebook_run import NotebookFailed
from analysis.replay.server import NoServer
from analysis.report import jobs_for, make_report
from analysis.safe_text import safe
from analysis.source.trees import TreeMissing
from analysis.store import OpenCase, OutOfMemory, forget
from analysis.suspicion import NothingToProve
from analysis.verdict import read_verdict

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
DONE, BAD_INPUT, NOTEBOOK_FAILED, REFUSED, INCIDENT = 0, 2, 3, 4, 10
STOPPED, UNREAD = 130, 141  # by Ctrl-C, or by a closed pipe, as shells tell it
HALF_WINDOW = timedelta(minutes=30)
MENDABLE = (
    CaseError,
    DeploysError,
    FormatError,
    GitMissing,
    NoServer,
    NothingToProve,
    ParameterRefused,
    RepositoryUnreadable,
    TreeMissing,
    Unopenable,
)
REFUSALS = (LockedError, LostBytes, NoRoom, OutOfMemory, SealError, duckdb.Error, MemoryError)
EXPECTED = (*MENDABLE, *REFUSALS, NotebookFailed, BrokenProcessPool, OSError, KeyboardInterrupt)


class Unread(Exception):
    """Whoever read the output, such as `head`, has seen enough of it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code."""
    options = parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    try:
        return command(options)
    except Unread:
        # What is still to be flushed at the end must not meet the closed pipe again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except EXPECTED as error:
        print(f"error: {safe(told(error))}", file=sys.stderr)
        return code_of(error)


def code_of(error: BaseException) -> int:
    """The exit code of what ended a command."""
    if isinstance(error, KeyboardInterrupt):
        return STOPPED
    if isinstance(error, (NotebookFailed, BrokenProcessPool)):
        return NOTEBOOK_FAILED
    return REFUSED if isinstance(error, REFUSALS) else BAD_INPUT


def told(error: BaseException) -> str:
    """What ended a command, and what to do about it."""
    match error:
        case KeyboardInterrupt():
            return "stopped; what was there before is as it was"
        case MemoryError():
            return "not enough memory; close other programs, or put fewer logs into one case"
        case BrokenProcessPool():
            return "a notebook's process was killed from outside, perhaps for lack of memory; run this again"
        case duckdb.Error():
            return f"DuckDB failed ({error}); if --rebuild does not help, please report this"
        case OSError(filename=str(path), strerror=str(reason)):
            return f"{path}: {reason}"
    return str(error)


def parser() -> argparse.ArgumentParser:
    whole = argparse.ArgumentParser(
        prog="python -m analysis", description="Forensics of production incidents."
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    report = commands.add_parser("report", help="run the notebooks on a case and write an HTML report")
    report.add_argument("case", type=Path, help=f"a folder with {FILE}, or just with logs")
    report.add_argument("--out", type=Path, help="where to write (default: reports/NAME)")
    report.add_argument(
        "--around", help="look at half an hour on either side, e.g. 15:47 or 2026-03-11T15:47"
    )
    report.add_argument("--zone", default="", help="IANA zone of --around and of stamps that carry none")
    report.add_argument("--ignore-request-ids", action="store_true", help="as if no log carried a request id")
    report.add_argument(
        "--prove", action="store_true", help="re-enact what is accused: runs the application that [app] names"
    )
    report.add_argument("--exit-code", action="store_true", help="exit with 10 if an incident was found")
    report.add_argument(
        "--rebuild", action="store_true", help="load the logs again, whatever was loaded before"
    )
    report.set_defaults(command=run_report)
    proof = commands.add_parser(
        "prove", help="re-enact what the logs accuse, on a real PostgreSQL; leave a patch and a test"
    )
    proof.add_argument("case", type=Path, help=f"a folder with {FILE} that has an [app]; its code is run")
    proof.add_argument("--out", type=Path, help="where to leave patch and test (default: reports/NAME/proof)")
    proof.add_argument("--ignore-request-ids", action="store_true", help="as if no log carried a request id")
    proof.set_defaults(command=run_prove)
    new = commands.add_parser("new", help=f"look at a folder of logs and write a {FILE} to start from")
    new.add_argument("folder", type=Path)
    new.add_argument("--zone", default="", help="IANA zone of stamps that carry none")
    new.set_defaults(command=run_new)
    add_formats(commands.add_parser("formats", help="list the log formats; detect a file's; try a line"))
    lab = commands.add_parser("lab", help="open JupyterLab on copies of the notebooks")
    lab.add_argument("case", type=Path)
    lab.set_defaults(command=run_lab)
    return whole


def add_formats(formats: argparse.ArgumentParser) -> None:
    """The commands below `formats`; without one it lists them all."""
    formats.set_defaults(command=lambda options: say_all(format_commands.listed()))
    commands = formats.add_subparsers(metavar="COMMAND")
    detect = commands.add_parser("detect", help="which formats a file fits, and how well")
    detect.add_argument("file", type=Path)
    detect.set_defaults(command=lambda options: say_all(format_commands.detected(options.file)))
    one = commands.add_parser("try", help="how a format reads a line")
    one.add_argument("format")
    one.add_argument("line")
    one.set_defaults(command=lambda options: say_all(format_commands.tried(options.format, options.line)))
    show = commands.add_parser("show", help="what a format is, with its samples")
    show.add_argument("format")
    show.set_defaults(command=lambda options: say_all(format_commands.shown(options.format)))


def run_report(options: argparse.Namespace) -> int:
    """Load, run the notebooks, write the page; say in five lines what was found."""
    folder = options.case.resolve()
    if options.rebuild:
        forget(find_case(folder, options.zone))
    say(f"loading {options.case}")
    opened = open_case(folder, options.zone, not options.ignore_request_ids, progress=on_terminal)
    out = (options.out or Path("reports") / folder.name).resolve()
    since, until = around(opened, options.around, options.zone)
    parameters = {
        "case_folder": str(folder),
        "out": str(out),
        "since": since,
        "until": until,
        "zone": options.zone,
        "request_ids": not options.ignore_request_ids,
        "prove": options.prove,
    }
    title, ledger = opened.case.title, {"sources": facts(opened), "database": opened.manifest.root}
    opened.close()
    notebooks = sorted(NOTEBOOKS.glob("*.ipynb"))
    say(f"running {len(notebooks)} notebooks")
    shutil.rmtree(out / "answers", ignore_errors=True)
    report = make_report(jobs_for(notebooks, out, parameters), out, title, facts=ledger)
    verdict = read_verdict(out)
    for line in five_lines(verdict.verdict, in_order(verdict.findings)):
        say(line)
    say(str(report.page))
    return INCIDENT if options.exit_code and verdict.incident else DONE


def run_prove(options: argparse.Namespace) -> int:
    """Re-enact, and leave the patch and the test."""
    from analysis.proof.command import proved

    folder = options.case.resolve()
    out = (options.out or Path("reports") / folder.name / "proof").resolve()
    return say_all(proved(folder, out, not options.ignore_request_ids))


def in_order(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    """The claims; the proof's first one stands behind what happened and to whom."""
    proof = [each["claim"] for each in findings if each["notebook"] == "06_proof"]
    others = [each["claim"] for each in findings if each["notebook"] != "06_proof"]
    return [*others[:2], *proof[:1], *others[2:], *proof[1:]]


def five_lines(verdict: str, claims: Sequence[str]) -> list[str]:
    """The verdict and the first claims, five lines in all."""
    return [f"verdict: {verdict}", *(f"- {claim}" for claim in claims)][:5]


def facts(opened: OpenCase) -> list[dict[str, object]]:
    """What was read, for the ledger."""
    columns = "path, sha256, bytes, lines, records, quarantined, format"
    rows = opened.sql(f"SELECT {columns} FROM sources ORDER BY source_id").to_dict("records")  # noqa: S608
    return [{str(name): value for name, value in row.items()} for row in rows]


def around(opened: OpenCase, instant: str | None, zone: str) -> tuple[str, str]:
    """The window around an instant, as ISO stamps; open on both sides if none is given.

    A time without a date is the last one of the logs' last day. Raises CaseError.
    """
    if not instant:
        return "", ""
    here = ZoneInfo(zone_name(zone or opened.case.zone, "--zone"))
    try:
        if "T" in instant or " " in instant:
            given = datetime.fromisoformat(instant)
        else:
            time = datetime.strptime(instant, "%H:%M:%S" if instant.count(":") == 2 else "%H:%M").time()
            last = opened.sql("SELECT max(last_at) AS last_at FROM sources")["last_at"][0]
            day = last.tz_localize("UTC").tz_convert(here).date()
            given = datetime.combine(day, time)
    except (ValueError, AttributeError) as error:
        raise CaseError(f"--around {instant}: wanted a time such as 15:47 or 2026-03-11T15:47") from error
    centre = given if given.tzinfo else given.replace(tzinfo=here)
    return (centre - HALF_WINDOW).isoformat(), (centre + HALF_WINDOW).isoformat()


def run_new(options: argparse.Namespace) -> int:
    """Write a case.toml for a folder of logs."""
    file = options.folder / FILE
    if file.exists():
        raise CaseError(f"{file} is there already; edit it, or remove it first")
    found = discover(options.folder, options.zone or None)
    write_whole(file, to_toml(found).encode())
    for note in found.notes:
        say(note)
    say(f"{file}: look it over, then: python -m analysis report {options.folder}")
    return DONE


def run_lab(options: argparse.Namespace) -> int:
    """Copy the notebooks to lab/ (those that are not there yet) and open JupyterLab there."""
    lab = Path("lab")
    lab.mkdir(exist_ok=True)
    for notebook in sorted(NOTEBOOKS.glob("*.ipynb")):
        if not (lab / notebook.name).exists():
            shutil.copy(notebook, lab / notebook.name)
    say(f"copies of the notebooks are in {lab}; case: {options.case}")
    return subprocess.run([sys.executable, "-m", "jupyter", "lab", str(lab)], check=False).returncode


def say(line: str) -> None:
    """Print a line. Raises: Unread."""
    try:
        print(safe(line), flush=True)
    except BrokenPipeError as error:
        raise Unread from error


def say_all(lines: Iterable[str]) -> int:
    for line in lines:
        say(line)
    return DONE


def on_terminal(path: str, done: int, size: int) -> None:
    """Progress on one line of a terminal; nothing elsewhere."""
    if sys.stderr.isatty():
        share = 100 * done // size if size else 100
        end = "\n" if done >= size else ""
        print(f"\r  {safe(path)} {share} %", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
