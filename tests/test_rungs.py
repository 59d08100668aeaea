"""The ladder of evidence on the captured incident: the same case with fewer and coarser logs.

Each rung says what it can claim; no lower rung contradicts a higher one.
"""

import datetime as dt
import gzip
import re
import shutil
from itertools import pairwise
from pathlib import Path

import pytest

import analysis
from analysis.signals import duplicates, rates, spikes
from analysis.signals.ladder import RUNGS, answerable, counts
from analysis.signals.linking import RELIABLE

CASE = Path(__file__).parent.parent / "data" / "cases" / "jobs-complete"
ACCESS = re.compile(
    r'\[(?P<stamp>\S+)\] \d+ (?P<ip>\S+) (?P<request>"[^"]*") (?P<status>\d+) (?P<duration>\S+) '
)
APP = '[[source]]\npath = "app.log.gz"\nformat = "render_export"\nclock = "host"\n'
COARSE = '[[source]]\npath = "coarse.log"\nformat = "nginx_combined"\nclock = "host"\nlag_ms = 100\n'
FINE = '[[source]]\npath = "access.log.gz"\nformat = "gunicorn_access_ms"\nclock = "host"\nlag_ms = 1\n'
DATABASE = '[[source]]\npath = "postgresql.csv.gz"\nformat = "postgresql_csvlog"\nclock = "host"\n'
FIELDS = '[fields]\nentity = "job"\nuser = "user"\nrequest_id = "request_id"\n'
LADDER = {"app": APP, "second": APP + COARSE, "millisecond": APP + FINE, "database": APP + FINE + DATABASE}


def default_access_log(file):
    """The captured access log as a default nginx would have written it: 1 s, no entity, no user, no duration."""
    with gzip.open(CASE / "logs" / "access.log.gz", "rt") as captured, file.open("w") as coarse:
        for line in captured:
            match = ACCESS.match(line)
            stamp = dt.datetime.fromisoformat(match["stamp"])
            coarse.write(
                f'{match["ip"]} - - [{stamp:%d/%b/%Y:%H:%M:%S} +0000] {match["request"]} {match["status"]} 12 "-" "-"\n'
            )


@pytest.fixture(scope="module")
def rungs(tmp_path_factory):
    """Rung -> the case opened with its logs."""
    folders = {name: tmp_path_factory.mktemp(name) for name in LADDER}
    for name, folder in folders.items():
        for log in ("app.log.gz", "access.log.gz", "postgresql.csv.gz"):
            shutil.copy(CASE / "logs" / log, folder)
        default_access_log(folder / "coarse.log")
        (folder / "case.toml").write_text(FIELDS + LADDER[name])
    return {name: analysis.open_case(folder) for name, folder in folders.items()}


def claims(case):
    row = case.run(counts(*(case.table(name) for name in ("requests", "exceptions", "links"))))
    return {question for question, can, _ in answerable(row.to_dict("records")[0]) if can}


def spike(case):
    counted = case.run(rates.error_rate(case.table("requests"), 5_000_000))
    outcomes = rates.outcomes(case.table("requests"))
    columns = ("record_id", "method", "route", "started_us", "failed")
    return spikes.spikes(counted, case.run(outcomes.select(*columns)))


def overlaps(case):
    pairs = case.run(duplicates.pairs(case.table("requests"), 1_000_000))
    ids = case.frame("requests").set_index("record_id")["request_id"]
    both = zip(pairs["first_record"].map(ids), pairs["second_record"].map(ids), strict=True)
    return {frozenset(ids): overlap for ids, overlap in zip(both, pairs["overlap"], strict=True)}


def test_each_rung_claims_all_that_the_one_below_it_claims_and_more(rungs):
    made = [claims(rungs[name]) for name in LADDER]
    assert all(low < high for low, high in pairwise(made))
    assert made[0] == {RUNGS[0].question} and made[-1] == {rung.question for rung in RUNGS}


def test_the_application_log_alone_knows_the_keys_of_all_failures_and_no_rate(rungs):
    assert rungs["app"].frame("requests").empty and spike(rungs["app"]) == []
    keys = "SELECT DISTINCT key_values[1] AS job FROM exceptions WHERE sqlstate = '23505' ORDER BY job"
    failed = """SELECT DISTINCT entity AS job FROM requests JOIN links ON from_record = requests.record_id
        JOIN exceptions ON to_record = exceptions.record_id WHERE sqlstate = '23505' ORDER BY job"""
    assert rungs["app"].sql(keys)["job"].tolist() == rungs["millisecond"].sql(failed)["job"].tolist()


def test_a_log_to_the_second_sees_the_same_spike_with_a_wider_or_equal_doubt(rungs):
    (coarse,), (fine,) = spike(rungs["second"]), spike(rungs["millisecond"])
    assert (coarse.method, coarse.route) == (fine.method, fine.route)
    assert abs(coarse.onset_us - fine.onset_us) <= 2_000_000
    assert coarse.onset_from - 1_000_000 <= fine.onset_us <= coarse.onset_by + 1_000_000
    assert coarse.during.errors == pytest.approx(fine.during.errors, rel=0.02)


def test_a_log_to_the_second_without_entity_accuses_no_duplicate(rungs):
    assert overlaps(rungs["second"]) == {}
    users = rungs["second"].sql("SELECT count(user_id) AS n FROM requests")["n"][0]
    assert users == 0


def causes(case):
    """Line of the access log -> line of the error it is reliably linked to; a coarse log has the same lines."""
    rows = case.sql(
        """SELECT requests.line_no AS failed, records.line_no AS error FROM links
        JOIN requests ON from_record = requests.record_id JOIN records ON to_record = records.record_id
        WHERE to_table = 'exceptions' AND confidence >= ?""",
        [RELIABLE],
    )
    return dict(zip(rows["failed"], rows["error"], strict=True))


def test_a_log_to_the_second_without_ids_names_no_other_cause_than_ids_do(rungs):
    coarse, fine = causes(rungs["second"]), causes(rungs["millisecond"])
    assert len(coarse) >= 3 and len(fine) == 289
    assert {line: fine[line] for line in coarse} == coarse


def test_the_database_log_changes_no_overlap_and_no_spike(rungs):
    assert overlaps(rungs["database"]) == overlaps(rungs["millisecond"])
    assert spike(rungs["database"])[0].onset_us == spike(rungs["millisecond"])[0].onset_us
