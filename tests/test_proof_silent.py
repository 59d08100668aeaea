"""A race that nobody heard of: all answered with success, one write lost. Convicted without any traceback."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import analysis
from analysis.findings_of_proof import concluded, gated, observed_order
from analysis.proof.prove import NOT_ENACTED, PROVED, prove
from analysis.suspicion import NothingToProve

SHOP = Path(__file__).parent / "zoo" / "shop_site"
CASE = """
title = "Likes"
[fields]
entity = "article"
user = "user"
request_id = "request_id"
[[source]]
path = "access.log"
format = "gunicorn_access_ms"
clock = "host"
[[source]]
path = "postgresql.csv"
format = "postgresql_csvlog"
clock = "host"
[app]
root = "source"
settings = "config.settings"
"""
SETUP = """
from shop.models import Article


def rows(evidence):
    return {"article": Article.objects.create(pk=int(evidence["entity"]), title="On locks")}


def requests(rows):
    return [{"method": "POST", "path": evidence_path(rows), "data": {"weight": weight}} for weight in (1, 10)]


def evidence_path(rows):
    return f"/articles/{rows['article'].pk}/PATH"
"""
READ = 'SELECT ""shop_article"".""id"", ""shop_article"".""title"", ""shop_article"".""likes"" FROM ""shop_article"" '
READ += 'WHERE ""shop_article"".""id"" = 17 LIMIT 21'
WRITE = (
    'UPDATE ""shop_article"" SET ""title"" = \'On locks\', ""likes"" = 1 WHERE ""shop_article"".""id"" = 17'
)
ADD = 'UPDATE ""shop_article"" SET ""likes"" = (""shop_article"".""likes"" + 1) WHERE ""shop_article"".""id"" = 17'


def statement(line, ms, session, request_id, sql):
    stamp = f"2026-03-11 09:14:07.{ms} UTC"
    begun = "2026-03-11 09:00:00 UTC"
    return (
        f'{stamp},"app","shop",{session},"[local]",6b051c3b.{session},{line},"idle",{begun},3/{line},0,LOG,00000,'
        f'"statement: /* request_id={request_id} */ {sql}",,,,,,,,,"shop","client backend",,0\n'
    )


def a_case(folder, path, write):
    """Two likes of one article by one reader that overlap, both answered 204, and their statements."""
    case = folder / "case"
    shutil.copytree(SHOP, case / "source", ignore=shutil.ignore_patterns("__pycache__"))
    (case / "case.toml").write_text(CASE)
    (case / "setup.py").write_text(SETUP.replace("PATH", path))
    answered = (
        '[2026-03-11T09:14:07.{end}] 4127 203.0.113.7 "POST /articles/17/{path} HTTP/1.1" 204 0.{took} '
    )
    answered += "article=17 user=sarah_k request_id={id}\n"
    lines = [("480", "080000", "a" * 32), ("490", "070000", "b" * 32)]
    access = [answered.format(end=end, took=took, id=id, path=path) for end, took, id in lines]
    (case / "access.log").write_text("".join(access))
    sent = [(430, 101, "a", READ), (432, 102, "b", READ), (440, 101, "a", write), (450, 102, "b", write)]
    ran = [statement(n, ms, session, who * 32, sql) for n, (ms, session, who, sql) in enumerate(sent, 1)]
    (case / "postgresql.csv").write_text("".join(ran))
    return case


@pytest.mark.slow
def test_a_lost_like_is_convicted_and_its_fix_kept_though_nothing_failed(tmp_path):
    case = a_case(tmp_path, "like", WRITE)
    proof = prove(analysis.investigate(str(case), "x"), repeats=2)
    accused = proof.cause.suspicion
    assert (accused.raised, accused.statuses, accused.overlap) == (None, (204, 204), "sure")
    assert (proof.verdict, proof.explanation, proof.hit.function) == (PROVED, None, "like")
    assert proof.before.exploration.complete
    assert "that the code can lose is not that it did" in concluded(proof).limits
    (observed,) = observed_order(proof)
    assert proof.observed.missing == ()
    assert "204 and 204, as in production; the outcome is none that a serial order gives" in observed.claim
    assert proof.menu.best is not None and proof.team.gate.believed
    assert "with an outcome that no serial order gives" in gated(proof)[0].claim


@pytest.mark.slow
def test_its_twin_that_adds_in_the_database_is_not_accused(tmp_path):
    case = a_case(tmp_path, "like-in-database", ADD)
    found = prove(analysis.investigate(str(case), "x"))
    assert (found.verdict, found.before, found.cause.hits) == (NOT_ENACTED, None, ())
    assert "no check finds a race" in found.reason


@pytest.mark.slow
def test_the_report_of_a_silent_race_says_that_no_error_was_logged(tmp_path):
    case = a_case(tmp_path, "like", WRITE)
    command = [
        sys.executable,
        "-m",
        "analysis",
        "report",
        str(case),
        "--prove",
        "--out",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verdict = json.loads((tmp_path / "out" / "verdict.json").read_text())
    assert verdict["verdict"] == "race shown, no error of it logged"
    assert verdict["facts"]["proof"]["proved"] is True and verdict["facts"]["proof"]["same_error"] is False


@pytest.mark.slow
def test_an_endpoint_named_by_hand_is_convicted_without_a_pair_in_the_logs(tmp_path):
    case = a_case(tmp_path, "like", WRITE)
    (case / "postgresql.csv").unlink()
    (case / "access.log").write_text(
        '[2026-03-11T09:14:07.480] 4127 203.0.113.7 "POST /articles/17/like HTTP/1.1" 204 0.080000 article=17\n'
    )
    bare = CASE.replace(
        '[[source]]\npath = "postgresql.csv"\nformat = "postgresql_csvlog"\nclock = "host"\n', ""
    )
    (case / "case.toml").write_text(bare)
    with pytest.raises(NothingToProve, match="an endpoint that you suspect yourself"):
        prove(analysis.investigate(str(case), "x"))
    (case / "case.toml").write_text(f'{bare}endpoint = "POST /articles/17/like"\n')
    proof = prove(analysis.investigate(str(case), "x"), repeats=2)
    assert (proof.verdict, proof.hit.function) == (PROVED, "like")
    assert "The endpoint was named by hand" in concluded(proof).limits
    assert proof.menu.best is not None and proof.team.gate.believed
