"""Logs that this project did not write: detected, accounted for, and read as Filebeat reads them."""

import pytest

from analysis.case import Case, SourceSpec
from analysis.store import open_loaded
from tests.corpus import accounts
from tests.corpus.checks import BAR, accounted, read_corpus
from tests.corpus.filebeat import Difference, compare
from tests.corpus.logs import LOGS, detected, judged
from tests.corpus.reasons import reasons, unexplained

pytestmark = pytest.mark.skipif(not LOGS.is_dir(), reason="no ../shared/corpus beside this checkout")

CLAIMS = ("render_export", "json_lines", "postgresql_csvlog", "w3c")


@pytest.fixture(scope="module")
def corpus():
    return read_corpus()


def test_every_log_of_the_corpus_was_judged():
    files = {path.relative_to(LOGS).as_posix() for path in LOGS.rglob("*") if path.is_file()}
    assert {file for file in files if not file.endswith("-expected.json")} == set(judged())


@pytest.mark.parametrize("file", sorted(judged()))
def test_a_log_is_detected_as_what_it_is(file):
    assert detected(file) == judged()[file]


def test_every_byte_is_accounted_for(corpus):
    assert [f"{log.file}: {problem}" for log in corpus.logs for problem in log.problems] == []


@pytest.mark.parametrize("claim", CLAIMS)
def test_every_byte_is_accounted_for_whatever_format_is_claimed(claim):
    assert accounted((file, claim) for file in judged() if not file.startswith("beats/")) == []


def test_enough_fields_are_read_as_filebeat_reads_them(corpus):
    equal, compared = corpus.equal
    assert compared > 4000 and equal >= BAR * compared


def test_every_difference_is_explained(corpus):
    assert unexplained((one for each in corpus.comparisons for one in each.differences), reasons()) == []


def test_a_difference_that_nobody_explained_is_told():
    one = Difference("nginx/access/test/access.log", 7, "message", "a", "b")
    assert len(unexplained([one], [])) == 1
    assert len(unexplained([], reasons()[:1])) == 1


def test_a_field_that_only_filebeat_has_in_one_event_is_a_difference():
    events = [{"log.offset": 0, "log.level": "error"}, {"log.offset": 9, "log.level": "error"}]
    unread = {
        "file": "x",
        "byte_start": 9,
        "byte_end": 18,
        "multiline": False,
        "logged_us": None,
        "duration_us": None,
    }
    unread |= {"level": None, "url": None}
    read = unread | {"byte_start": 0, "byte_end": 9, "level": "ERROR"}
    found = compare("x", events, [read, unread])
    assert [(one.offset, one.name, one.kind) for one in found.differences] == [
        (9, "log.level", "theirs only")
    ]
    assert compare("x", events, [read, read | {"byte_start": 9, "byte_end": 18}]).differences == ()
    assert [one.name for one in compare("x", events, [read]).differences] == ["event"]


def test_accounts_that_do_not_add_up_are_told(tmp_path):
    log = tmp_path / "redis.log"
    log.write_bytes(b"1:M 24 Nov 2026 06:00:27.898 * one\n\n1:M 24 Nov 2026 06:00:27.899 * two\n")
    case = open_loaded(Case(tmp_path, "told", (SourceSpec(log.name, "redis"),)))
    assert list(accounts.problems(case, log.name)) == []
    log.write_bytes(log.read_bytes().replace(b"one", b"two"))
    assert [problem[:19] for problem in accounts.problems(case, log.name)] == ["the record at byte "]
    log.write_bytes(log.read_bytes().replace(b"\n\n", b"\n!"))
    assert any("in no stretch" in problem for problem in accounts.problems(case, log.name))
    log.write_bytes(log.read_bytes() + b"more")
    assert any("counted were" in problem for problem in accounts.problems(case, log.name))
