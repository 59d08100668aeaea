"""Do the witnesses agree? A capture whose wrapper, logs, client and database differ is not kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from typing import TypeVar

from evidence import Evidence

Thing = TypeVar("Thing", bound=Hashable)


def each_request_is_in_the_access_log_once(found: Evidence) -> Iterator[str]:
    logged = Counter(line.request_id for line in found.access)
    noted = Counter(note.request_id for note in found.served)
    if logged != noted:
        yield f"access.log: {difference(logged, noted)} against the wrapper"


def each_request_sent_was_served(found: Evidence) -> Iterator[str]:
    sent = Counter(note.request_id for note in found.sent)
    noted = Counter(note.request_id for note in found.served)
    if sent != noted:
        yield f"load generator: {difference(sent, noted)} against the wrapper"


def no_request_was_dropped(found: Evidence) -> Iterator[str]:
    for note in found.sent:
        if note.outcome.startswith("broken"):
            yield f"load generator: {note.method} {note.path} {note.outcome} ({note.request_id})"


def statuses_agree(found: Evidence) -> Iterator[str]:
    logged = {line.request_id: line.status for line in found.access}
    answered = {note.request_id: note.status for note in found.sent if note.outcome == "answered"}
    for note in found.served:
        seen = {
            note.status,
            logged.get(note.request_id),
            answered.get(note.request_id, note.status),
        }
        if len(seen) != 1:
            yield f"request {note.request_id}: statuses {seen} in wrapper, access log and client"


def each_error_has_one_traceback(found: Evidence) -> Iterator[str]:
    logged = Counter((trace.request_id, trace.exception) for trace in found.traces)
    noted = Counter((n.request_id, n.exception) for n in found.served if n.status >= 500)
    if logged != noted:
        yield f"app.log: {difference(logged, noted)} tracebacks against the wrapper's errors"


def each_lost_race_is_in_the_database_log(found: Evidence) -> Iterator[str]:
    logged = Counter(found.violations)
    noted = Counter(note.request_id for note in found.served if note.lost_race)
    if logged != noted:
        yield f"postgresql.csv: {difference(logged, noted)} violations against the lost races"


def each_success_is_a_row(found: Evidence) -> Iterator[str]:
    answered = Counter(int(n.job) for n in found.served if n.completion and n.status == 200)
    rows = Counter(found.rows.completed)
    if answered != rows:
        yield f"jobs_jobcompletion: {difference(rows, answered)} rows against answers of 200"


def only_the_bad_code_lost_races(found: Evidence) -> Iterator[str]:
    for note in found.served:
        if note.lost_race and found.phase(note) != "bad":
            yield f"request {note.request_id}: lost a race under revision {note.revision}"


def difference(left: Counter[Thing], right: Counter[Thing]) -> str:
    """How two multisets differ, with an example of each side."""
    more, fewer = left - right, right - left
    examples = [*list(more)[:1], *list(fewer)[:1]]
    return f"{more.total()} too many, {fewer.total()} missing (such as {examples})"


CHECKS: tuple[Callable[[Evidence], Iterator[str]], ...] = (
    each_request_is_in_the_access_log_once,
    each_request_sent_was_served,
    no_request_was_dropped,
    statuses_agree,
    each_error_has_one_traceback,
    each_lost_race_is_in_the_database_log,
    each_success_is_a_row,
    only_the_bad_code_lost_races,
)


def disagreements(found: Evidence) -> list[str]:
    return [sentence for check in CHECKS for sentence in check(found)]
