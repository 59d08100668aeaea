"""The command line as its users meet it: messages, exit codes, files."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import duckdb
import pytest

from analysis.__main__ import five_lines, in_order, main
from analysis.case import read_case
from analysis.evidence.seal import MANIFEST, LostBytes
from analysis.files import NoRoom
from analysis.lock import LockedError
from analysis.store import OutOfMemory, store_folder

PUBLISHED = Path(__file__).parent.parent / "data" / "cases" / "published"


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """The report on the published case, made once: where it lies and what was printed."""
    out = tmp_path_factory.mktemp("out")
    command = [sys.executable, "-m", "analysis", "report", str(PUBLISHED), "--out", str(out)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return out, run


def test_a_report_says_what_it_found_in_five_lines_and_ends_with_its_path(reported):
    out, run = reported
    lines = run.stdout.splitlines()
    assert lines[-1] == str(out / "report.html") and (out / "report.html").is_file()
    assert lines[2] == "verdict: not enough evidence" and len(lines[2:-1]) == 5
    assert run.stderr == ""


def test_a_report_leaves_a_verdict_with_evidence_by_place(reported):
    verdict = json.loads((reported[0] / "verdict.json").read_text())
    assert verdict["verdict"] == "not enough evidence"
    evidence = {place for finding in verdict["findings"] for place in finding["evidence"]}
    assert {"app.log:1", "requests.log:1", "requests.log:2"} <= evidence
    assert verdict["facts"]["would_have_decided"]


def test_the_page_and_the_verdict_hold_no_path_and_no_time_of_the_run(reported):
    out, _ = reported
    for name in ("report.html", "verdict.json"):
        text = (out / name).read_text()
        assert str(out) not in text and str(PUBLISHED) not in text
    assert "started_at" in json.loads((out / "run.json").read_text())


def test_no_chart_of_a_rate_is_drawn_where_there_is_none(reported):
    assert sorted(file.stem for file in (reported[0] / "charts").iterdir()) == [
        "coverage",
        "gaps",
        "interleaving",
    ]


def test_the_files_of_a_report_are_their_owners_only(reported):
    for name in ("report.html", "verdict.json", "run.json"):
        assert (reported[0] / name).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["report", "nowhere"], "not a folder"),
        (["report", str(PUBLISHED), "--zone", "Mars"], "not an IANA time zone"),
        (["report", str(PUBLISHED), "--around", "noon"], "wanted a time such as 15:47"),
        (["new", str(PUBLISHED)], "is there already"),
    ],
)
def test_what_a_user_can_mend_exits_with_2_and_says_how(capsys, arguments, message):
    if "--zone" in arguments:
        arguments = [*arguments, "--around", "15:47"]
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_broken_seal_exits_with_4(tmp_path, capsys):
    shutil.copytree(PUBLISHED, tmp_path / "case")
    folder = store_folder(read_case(tmp_path / "case")) / "with-ids"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}")
    assert main(["report", str(tmp_path / "case")]) == 4
    assert "delete" in capsys.readouterr().err


def test_a_broken_seal_is_mended_by_rebuild(tmp_path):
    shutil.copytree(PUBLISHED, tmp_path / "case")
    folder = store_folder(read_case(tmp_path / "case")) / "with-ids"
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text("{}")
    assert main(["report", str(tmp_path / "case"), "--out", str(tmp_path / "out"), "--rebuild"]) == 0


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (LockedError("process 4711 is loading"), 4, "process 4711 is loading"),
        (NoRoom("/x: no room"), 4, "/x: no room"),
        (OutOfMemory("/x: more memory"), 4, "/x: more memory"),
        (LostBytes("a.log: bytes"), 4, "a.log: bytes"),
        (
            duckdb.IOException("Corrupt database file"),
            4,
            "DuckDB failed (Corrupt database file); if --rebuild",
        ),
        (MemoryError(), 4, "not enough memory"),
        (
            FileNotFoundError(2, "No such file or directory", "/x/deploys.csv"),
            2,
            "/x/deploys.csv: No such file",
        ),
        (BrokenProcessPool("died"), 3, "killed from outside"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_what_ends_a_command_has_an_exit_code_and_a_message(monkeypatch, capsys, error, code, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("analysis.__main__.open_case", fail)
    assert main(["report", str(PUBLISHED)]) == code
    err = capsys.readouterr().err
    assert err.startswith("error: ") and message in err and len(err.splitlines()) == 1


def test_a_fault_of_this_kit_is_not_hidden(monkeypatch):
    monkeypatch.setattr("analysis.__main__.open_case", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        main(["report", str(PUBLISHED)])


def test_a_missing_list_of_deploys_exits_with_2_and_its_path(tmp_path, capsys):
    shutil.copytree(PUBLISHED, tmp_path / "case")
    case = (tmp_path / "case" / "case.toml").read_text()
    (tmp_path / "case" / "case.toml").write_text(f'deploys = "nowhere.csv"\n{case}')
    assert main(["report", str(tmp_path / "case")]) == 2
    assert "nowhere.csv" in capsys.readouterr().err


@pytest.mark.slow
def test_nothing_that_a_command_leaves_can_be_read_by_others_whatever_the_umask(tmp_path):
    out = tmp_path / "reports" / "out"
    command = [sys.executable, "-m", "analysis", "report", str(PUBLISHED), "--out", str(out)]
    environment = {**os.environ, "RACE_FORENSICS_STORE": str(tmp_path / "stores" / "store")}
    subprocess.run(command, umask=0, env=environment, check=True, capture_output=True)
    left = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    assert {"report.html", "case.manifest.json", "holder", "lock"} <= {path.name for path in left}
    assert [path for path in left if path.stat().st_mode & 0o077] == []


def test_a_file_name_cannot_write_to_the_terminal(tmp_path, capsys):
    (tmp_path / "\x1b[31mred.log").write_text("2026-11-24T09:14:07Z INFO app x\n")
    assert main(["new", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "\x1b" not in out and "\\x1b[31mred.log" in out


def test_new_writes_a_case_that_report_can_read(tmp_path, capsys):
    (tmp_path / "a.log").write_text("2026-11-24T09:14:07Z INFO app x\n")
    assert main(["new", str(tmp_path)]) == 0
    assert read_case(tmp_path).sources[0].format == "render_export"
    assert main(["new", str(tmp_path)]) == 2


def test_a_verdict_and_many_claims_are_five_lines():
    assert five_lines("no incident found", list("abcdefg")) == [
        "verdict: no incident found",
        *(f"- {x}" for x in "abcd"),
    ]


def test_formats_are_listed_shown_detected_and_tried(tmp_path, capsys):
    (tmp_path / "a.log").write_text("2026-11-24T09:14:07Z INFO app x\n")
    assert main(["formats"]) == 0
    assert "render_export" in capsys.readouterr().out
    assert main(["formats", "show", "render_export"]) == 0
    assert "it marks        an instant" in capsys.readouterr().out
    assert main(["formats", "detect", str(tmp_path / "a.log")]) == 0
    assert capsys.readouterr().out.startswith("render_export: 1 of the first 1 records fit")
    assert main(["formats", "try", "render_export", "2026-11-24T09:14:07Z INFO app \x1b[31mx"]) == 0
    out = capsys.readouterr().out
    assert "logger             app" in out and "\\x1b[31mx" in out


def test_a_line_that_does_not_fit_is_said_to_and_an_unknown_format_is_refused(capsys):
    assert main(["formats", "try", "render_export", "nothing"]) == 0
    assert "does not fit" in capsys.readouterr().out
    assert main(["formats", "show", "nope"]) == 2
    assert "`python -m analysis formats` lists them" in capsys.readouterr().err


@pytest.mark.parametrize("command", [["formats"], ["formats", "show", "json_lines"]])
def test_a_reader_that_has_seen_enough_ends_the_command_without_a_word(command):
    reading, writing = os.pipe()
    os.close(reading)  # as `head` does
    with os.fdopen(writing, "wb") as pipe:
        whole = [sys.executable, "-m", "analysis", *command]
        run = subprocess.run(whole, stdout=pipe, stderr=subprocess.PIPE, check=False)
    assert (run.returncode, run.stderr) == (141, b"")


def test_the_proof_is_told_behind_what_happened_and_to_whom():
    told = [
        ("02_error_spike", "rose"),
        ("02_error_spike", "users"),
        ("02_error_spike", "cause"),
        ("06_proof", "proved"),
    ]
    findings = [{"notebook": notebook, "claim": claim} for notebook, claim in told]
    assert in_order(findings) == ["rose", "users", "proved", "cause"]
    assert in_order(findings[:2]) == ["rose", "users"]
