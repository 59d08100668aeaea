"""Two logs that tell the same requests count them once; two servers that look alike are no such logs."""

import json
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import analysis
from analysis import engine, findings_of_links, questions
from analysis.schema import table
from analysis.signals import retold

S = 1_000_000
PROXY, APP, OTHER = 1, 2, 3


def line(source_id, at_us, path, status=200, **more):
    return {"source_id": source_id, "stamp_us": at_us, "method": "GET", "path": path, "status": status} | more


def both(n, path, status=200):
    """One request as a proxy logs it, when it ends, and as the application does, with its user."""
    return [
        line(PROXY, n * 5 * S + 700_000, f"{path}?page={n}", status),
        line(APP, n * 5 * S, path, status, user_id="ana"),
    ]


def told(lines):
    """(source of the lines left out, source they are told by): how many; of lines in the order of their stamps."""
    lines = sorted(lines, key=lambda each: each["stamp_us"])
    requests = pd.DataFrame(lines).assign(record_id=range(1, len(lines) + 1))
    connection = engine.in_memory({"requests": requests})
    heaped = retold.heaps(table("requests"))
    pairs = retold.retellers(engine.run(retold.compared(heaped), connection).to_dict("records"))
    of = dict(zip(requests["record_id"], requests["source_id"], strict=True))
    found = {}
    for pair in pairs.items():
        rows = engine.run(retold.retold(heaped, *pair), connection)
        assert rows["record_id"].is_unique and rows["told_by"].is_unique
        assert {(of[a], of[b]) for a, b in rows.itertuples(index=False)} <= {pair}
        found[pair] = len(rows)
    return found


JOINT = [each for n in range(40) for each in both(n, f"/jobs/{n}") + both(n + 40, ["/", "/login"][n % 2])]


def test_what_the_proxy_and_the_application_tell_counts_once():
    assert told(JOINT) == {(PROXY, APP): 80}


def test_what_only_the_proxy_tells_still_counts():
    unreached = [line(PROXY, n * 5 * S, f"/jobs/{n}", 502) for n in range(3)]
    files = [line(PROXY, n * 5 * S, f"/static/{n}.css") for n in range(300)]
    assert told([*JOINT, *unreached, *files]) == {(PROXY, APP): 80}


def test_a_double_click_stays_two_requests():
    twice = [line(source, 9_000 * S + ms * 1000, "/pay") for source in (PROXY, APP) for ms in (0, 7)]
    assert told([*JOINT, *twice]) == {(PROXY, APP): 82}
    thrice = [*twice, line(PROXY, 9_000 * S + 9_000, "/pay")]
    assert told([*JOINT, *thrice]) == {(PROXY, APP): 82}


def test_of_three_tellings_the_one_that_knows_most_is_kept():
    bare = [{**each, "source_id": OTHER} for each in JOINT if each["source_id"] == PROXY]
    assert told([*JOINT, *bare]) == {(PROXY, APP): 80, (OTHER, APP): 80}


def balanced(own):
    """Two servers behind a load balancer: each answers its checks at the same instants, and `own` other requests."""
    checks = [line(host, n * 10 * S, "/health") for n in range(400) for host in (PROXY, APP)]
    return checks + [line(n % 2 + 1, n * 7 * S, f"/jobs/{n}", 200 + n % 3) for n in range(own)]


@pytest.mark.parametrize("own", [0, 8, 400])
def test_two_servers_that_answer_the_same_checks_are_both_counted(own):
    assert told(balanced(own)) == {}


def test_two_servers_that_share_a_few_busy_pages_are_both_counted():
    pages = [line(n % 2 + 1, n * S // 2, f"/page/{n % 5}") for n in range(2_000)]
    assert told(pages) == {}


def test_two_servers_whose_requests_often_coincide_are_both_counted():
    lines = []
    for n in range(200):
        hosts = (PROXY, APP) if n % 10 < 7 else (PROXY,) if n % 2 else (APP,)
        lines += [line(host, n * 5 * S + host, f"/page/{n % 10 % 5}") for host in hosts]
    assert told(lines) == {}


def test_a_log_that_tells_each_request_twice_is_no_other_telling_of_it():
    assert told([*JOINT, *({**each, "stamp_us": each["stamp_us"] + 1000} for each in JOINT[::2])]) == {}


def test_one_log_in_two_files_is_counted_whole():
    assert told([line(1 + n // 50, n * 5 * S, f"/jobs/{n}") for n in range(100)]) == {}


def test_of_too_few_requests_nothing_is_said():
    assert told([each for n in range(19) for each in both(n, f"/jobs/{n}")]) == {}


@given(
    st.lists(st.tuples(st.sampled_from([PROXY, APP]), st.integers(0, 60), st.sampled_from("ab")), max_size=60)
)
def test_no_request_is_left_out_that_the_better_log_does_not_tell(drawn):
    """One to one, the same kind, no more than there are, whatever the lines; against counting by hand."""
    lines = sorted(
        (line(source, at * S, path) for source, at, path in drawn), key=lambda each: each["stamp_us"]
    )
    if not lines:
        return
    requests = pd.DataFrame(lines).assign(record_id=range(len(lines)))
    connection = engine.in_memory({"requests": requests})
    rows = engine.run(retold.retold(retold.heaps(table("requests")), PROXY, APP), connection)
    assert rows["record_id"].is_unique and rows["told_by"].is_unique
    expected = 0
    for path in "ab":
        heap: list[dict] = []
        for each in [*(each for each in lines if each["path"] == path), None]:
            if heap and (each is None or each["stamp_us"] - heap[-1]["stamp_us"] > retold.NEAR_US):
                sources = [one["source_id"] for one in heap]
                expected += min(sources.count(PROXY), sources.count(APP))
                heap = []
            if each is not None:
                heap.append(each)
    assert len(rows) == expected


def logs(folder, users=True):
    """An access log to the second, without users, and the application's JSON lines of the same requests."""
    start = datetime(2026, 11, 24, 9, tzinfo=UTC)
    access, lines = [], []
    for n in range(60):
        at = start + timedelta(seconds=5 * n)
        path, status = (f"/jobs/{n}/", 500 if n > 50 else 200) if n % 3 else ("/login/", 302)
        ended = (at + timedelta(milliseconds=900)).strftime("%d/%b/%Y:%H:%M:%S +0000")
        access.append(f'127.0.0.1 - - [{ended}] "POST {path} HTTP/1.1" {status} 52 "-" "-"\n')
        said = {"ts": at.isoformat(), "level": "INFO", "message": "request", "method": "POST", "path": path}
        lines.append(json.dumps(said | {"status": status, "user": f"u{n % 7}", "duration_ms": 880}) + "\n")
    folder.mkdir()
    (folder / "access.log").write_text("".join(access))
    (folder / "app.log").write_text("".join(lines))
    (folder / "case.toml").write_text(
        '[fields]\nuser = "user"\n[[source]]\npath = "access.log"\n[[source]]\npath = "app.log"\n'
    )
    return folder


def test_a_case_counts_each_request_once_and_says_so(tmp_path):
    case = analysis.investigate(str(logs(tmp_path / "case")), "x")
    assert len(case.opened.frame("requests")) == 120
    counted = case.run(case.requests)
    assert len(counted) == 60 and counted["user_id"].notna().all()
    (told,) = findings_of_links.told_twice(questions.retold(case))
    assert told.claim.startswith("access.log tells 60 requests that app.log tells too")
    assert case.places(told.evidence) == [("access.log", 1), ("app.log", 1)]


def test_a_case_with_one_log_of_requests_says_nothing(tmp_path):
    folder = logs(tmp_path / "case")
    (folder / "app.log").unlink()
    (folder / "case.toml").write_text('[[source]]\npath = "access.log"\n')
    case = analysis.investigate(str(folder), "x")
    assert findings_of_links.told_twice(questions.retold(case)) == []
    assert len(case.run(case.requests)) == 60
