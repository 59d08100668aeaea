"""Strangers' text in every field of a log, through the whole kit: load, notebooks, page, verdict, terminal."""

import base64
import json
import re
import subprocess
import sys

import pytest
from hostile import PAYLOADS
from parsed import Parsed, dangers

STAMP = "2026-11-24T09:{minute:02d}:{second:02d}"
ACCESS = (
    '[{stamp}.{ms:03d}] 41 203.0.113.7 "POST /api/{path} HTTP/1.1" {status} 0.038123 job={job} user={user} '
    "request_id={id}\n"
)
APP = """{stamp}Z ERROR django.request Internal Server Error: {text} request_id={id}
Traceback (most recent call last):
  File "/app/{text}.py", line 142, in complete_job
    {text}
django.db.utils.IntegrityError: duplicate key value violates unique constraint "{text}"
DETAIL:  Key (job_id)=({job}) already exists.
"""
REPORTED = [sys.executable, "-m", "analysis", "report"]


def on_one_line(payload):
    return payload.replace("\n", " ").replace("\r", " ")


def without_blanks(payload):
    return re.sub(r"\s", "", payload).replace('"', "")


def write_case(folder, texts):
    """Requests that race and fail from 09:05 on, with a text in each of their fields."""
    access, app = [], []
    for number in range(600):
        minute, second = divmod(number, 60)
        text = texts[number % len(texts)]
        races = minute >= 5 and number % 3 == 0
        where = {"stamp": STAMP.format(minute=minute, second=second), "path": without_blanks(text)}
        who = {"user": without_blanks(text), "job": f"{number}{without_blanks(text)}"}
        for again in range(2 if races else 1):
            status, ident = (500, f"id{number}b") if again else (200, f"id{number}a")
            access.append(ACCESS.format(ms=100 + 7 * again, status=status, id=ident, **where, **who))
        if races:
            app.append(APP.format(stamp=where["stamp"], text=on_one_line(text), id=f"id{number}b", **who))
    (folder / "access.log").write_text("".join(access), newline="")
    (folder / "app.log").write_text("".join(app), newline="")
    (folder / "case.toml").write_text(
        f"title = {json.dumps(texts[0], ensure_ascii=True)}\n"
        '[fields]\nentity = "job"\nuser = "user"\nrequest_id = "request_id"\n'
        '[[source]]\npath = "access.log"\nformat = "gunicorn_access_ms"\nclock = "host"\nlag_ms = 1\n'
        '[[source]]\npath = "app.log"\nformat = "render_export"\nclock = "host"\n'
    )


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """name -> (page, verdict, what the terminal showed) of the hostile case and its harmless twin."""
    found = {}
    for name, texts in (("hostile", PAYLOADS), ("harmless", [f"text{n}" for n in range(len(PAYLOADS))])):
        folder, out = tmp_path_factory.mktemp(name), tmp_path_factory.mktemp(f"{name}-out")
        write_case(folder, texts)
        run = subprocess.run([*REPORTED, str(folder), "--out", str(out)], capture_output=True, check=False)
        assert run.returncode == 0, run.stderr
        page = (out / "report.html").read_text(encoding="utf-8")
        found[name] = page, json.loads((out / "verdict.json").read_text()), run.stdout
    return found


@pytest.mark.slow
def test_nothing_on_the_page_can_run_or_load(pages):
    assert list(dangers(pages["hostile"][0])) == []


@pytest.mark.slow
def test_the_page_has_the_tags_of_its_harmless_twin_and_no_other(pages):
    hostile, harmless = (set(Parsed(pages[name][0]).shape()) for name in ("hostile", "harmless"))
    assert {tag for tag, *_ in hostile} <= {tag for tag, *_ in harmless}


@pytest.mark.slow
def test_nothing_unshowable_reaches_page_or_terminal(pages):
    page, _, terminal = pages["hostile"]
    unshowable = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069\ufeff]")
    assert unshowable.search(page) is None
    assert unshowable.search(terminal.decode("utf-8")) is None


@pytest.mark.slow
def test_the_hostile_case_gets_the_verdict_of_its_harmless_twin(pages):
    facts = {name: pages[name][1]["facts"] for name in pages}
    assert pages["hostile"][1]["verdict"] == pages["harmless"][1]["verdict"]
    assert facts["hostile"]["answered"] == facts["harmless"]["answered"] == 700
    assert facts["hostile"]["duplicates"] == facts["harmless"]["duplicates"]


@pytest.mark.slow
def test_no_secret_of_a_log_is_in_anything_that_a_report_leaves(tmp_path):
    token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.s3cr3tsignature"
    write_case(tmp_path, [token, "postgres://app:s3cr3t@db/jobs"])
    out = tmp_path / "out"
    run = subprocess.run([*REPORTED, str(tmp_path), "--out", str(out)], capture_output=True, check=True)
    assert b"s3cr3t" not in run.stdout + run.stderr
    for file in (file for file in out.rglob("*") if file.is_file()):
        text = file.read_text(encoding="utf-8")
        embedded = [base64.b64decode(data) for data in re.findall(r"base64,([A-Za-z0-9+/=]+)", text)]
        assert "s3cr3t" not in text, file.name
        assert not any(b"s3cr3t" in data for data in embedded), file.name
