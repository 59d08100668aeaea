"""What really happened, from the database, the load generator and the WSGI wrapper.

Nothing is taken from a log but two measurements of logs: `clock` holds the access log against the
wrapper, `tracebacks_with_stale_source` the application log against the source.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import combinations
from typing import Any

from clock import Clock
from evidence import Evidence
from records import Served

PAIR_WITHIN_NS = 1_000_000_000
PHASES = ("before", "bad", "after")


def truth_of(found: Evidence, clock: Clock) -> dict[str, Any]:
    """The whole of truth.json; every number is counted here."""
    pairs = pairs_of(found, clock)
    lost = [note for note in found.served if note.lost_race]
    return {
        "requests": len(found.served),
        "users": len({note.user for note in found.served} - {"-"}),
        "bad_deploy": found.bad.version,
        "guilty_commit": found.guilty_commit,
        "deploys": [
            {"version": d.version, "revision": d.revision, "began_ns": d.began_ns} for d in found.deploys
        ],
        "first_request_new_code": first(n for n in found.served if found.phase(n) == "bad"),
        "last_request_old_code": last(n for n in found.served if found.phase(n) == "before"),
        "first_failure": moment_of(min(lost, key=lambda n: n.exit_ns, default=None)),
        "last_failure": last(lost),
        "rollback_first_request": first(n for n in found.served if found.phase(n) == "after"),
        "phases": {phase: phase_of(found, phase) for phase in PHASES},
        "users_hit": sorted({note.user for note in lost}),
        "races_lost": len(lost),
        "unrelated_errors": unrelated_errors(found),
        "innocent": innocent(found, pairs),
        "without_an_error": without_an_error(found, pairs),
        "tracebacks_with_stale_source": found.stale_traces,
        "pair_counts": pair_counts(pairs),
        "uncertainty_us": clock.uncertainty_us,
        "clock": clock.as_json(),
        "pairs": pairs,
    }


def moment_of(note: Served | None) -> dict[str, Any] | None:
    if note is None:
        return None
    return {
        "request_id": note.request_id,
        "method": note.method,
        "path": note.path,
        "entry_ns": note.entry_ns,
        "exit_ns": note.exit_ns,
    }


def first(notes: Iterable[Served]) -> dict[str, Any] | None:
    """The one that was entered first."""
    return moment_of(min(notes, key=lambda n: n.entry_ns, default=None))


def last(notes: Iterable[Served]) -> dict[str, Any] | None:
    """The one that ended last."""
    return moment_of(max(notes, key=lambda n: n.exit_ns, default=None))


def phase_of(found: Evidence, phase: str) -> dict[str, Any]:
    served = [note for note in found.served if found.phase(note) == phase]
    completions = [note for note in served if note.completion]
    errors = sum(note.status == 500 for note in completions)
    return {
        "requests": len(served),
        "errors": sum(note.status == 500 for note in served),
        "completions": len(completions),
        "completion_statuses": dict(sorted(Counter(str(n.status) for n in completions).items())),
        "completion_errors": errors,
        "completion_error_rate": round(errors / len(completions), 6) if completions else None,
        "races_lost": sum(note.lost_race for note in completions),
    }


def unrelated_errors(found: Evidence) -> dict[str, Any]:
    """The other cause: its exception, and how often it struck where and when."""
    notes = [note for note in found.served if note.unrelated_error]
    counts: dict[str, Counter[str]] = {phase: Counter() for phase in PHASES}
    for note in notes:
        route = "/api/jobs/{id}" if note.method == "PUT" else note.path
        counts[found.phase(note)][f"{note.method} {route}"] += 1
    return {
        "exceptions": sorted({str(note.exception) for note in notes}),
        "by_phase": {phase: dict(sorted(count.items())) for phase, count in counts.items()},
        "request_ids": [note.request_id for note in notes],
    }


def pairs_of(found: Evidence, clock: Clock) -> list[dict[str, Any]]:
    """Every two completions of one job by one user that began within a second of each other."""
    groups: dict[tuple[str, str], list[Served]] = defaultdict(list)
    for note in found.served:
        if note.completion:
            groups[note.job, note.user].append(note)
    return [
        pair_of(found, a, b, clock)
        for group in groups.values()
        for a, b in combinations(group, 2)
        if b.entry_ns - a.entry_ns <= PAIR_WITHIN_NS
    ]


def pair_of(found: Evidence, a: Served, b: Served, clock: Clock) -> dict[str, Any]:
    """`a` was entered first. A pair overlaps if one was entered before the other had ended.

    `log_error_us` is how far the access log itself is off for these two requests, at either end.
    """
    overlap_us = (min(a.exit_ns, b.exit_ns) - b.entry_ns) // 1000
    phases = sorted({found.phase(a), found.phase(b)}, key=PHASES.index)
    holds = found.drafts.get(found.rows.drafts.get(int(a.job), ""))
    winners = [note.request_id for note in (a, b) if note.status == 200]
    losers = [note.request_id for note in (a, b) if note.lost_race]
    return {
        "job": int(a.job),
        "user": a.user,
        "kind": found.kinds[b.request_id],
        "phase": "+".join(phases),
        "requests": [a.request_id, b.request_id],
        "entry_ns": [a.entry_ns, b.entry_ns],
        "returned_ns": [a.returned_ns, b.returned_ns],
        "exit_ns": [a.exit_ns, b.exit_ns],
        "statuses": [a.status, b.status],
        "gap_us": (b.entry_ns - a.entry_ns) // 1000,
        "overlap_us": overlap_us,
        "overlapping": overlap_us > 0,
        "undecidable": abs(overlap_us) <= clock.uncertainty_us,
        "log_error_us": max(clock.error_us[a.request_id], clock.error_us[b.request_id]),
        "loser": losers[0] if losers else None,
        "row_holds": holds,
        "overwritten": bool(winners) and holds not in winners,
    }


def pair_counts(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """How many pairs of which sort, by phase."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for pair in pairs:
        count = counts[pair["phase"]]
        count["pairs"] += 1
        for name in ("overlapping", "undecidable", "overwritten"):
            count[name] += pair[name]
        count["lost"] += pair["loser"] is not None
        count["overlapping_without_error"] += pair["overlapping"] and 500 not in pair["statuses"]
    return {phase: dict(count) for phase, count in counts.items()}


def innocent(found: Evidence, pairs: list[dict[str, Any]]) -> dict[str, int]:
    """Repeats that are no race: what the load generator meant, and what came of it."""
    actions: Counter[tuple[str, int]] = Counter((note.kind, note.action) for note in found.sent)
    repeats: Counter[str] = Counter()
    for (kind, _), count in actions.items():
        repeats[kind] += count - 1
    retries = [note for note in found.sent if note.kind == "retry"]
    return {
        "poll_repeats": repeats["poll"],
        "tab_pairs": repeats["tabs"],
        "idempotent_put_pairs": repeats["put"],
        "comments_sent_twice": repeats["comment"],
        "retries_after_a_timeout": repeats["retry"],
        "timeouts": sum(note.outcome == "timeout" for note in retries),
        "double_clicks": repeats["double"],
        "serial_double_clicks": sum(pair["kind"] == "double" and not pair["overlapping"] for pair in pairs),
    }


def without_an_error(found: Evidence, pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """Harm that no error of the harmed request shows: it was told 200 or 201."""
    overwritten = sorted({pair["job"] for pair in pairs if pair["overwritten"]})
    quiet = sorted({p["job"] for p in pairs if p["overwritten"] and 500 not in p["statuses"]})
    return {
        "overwritten": {"count": len(overwritten), "jobs": overwritten},
        "overwritten_with_no_error_at_all": {"count": len(quiet), "jobs": quiet},
        "comments_stored_twice": {
            "count": len(found.rows.repeated_comments),
            "jobs": found.rows.repeated_comments,
        },
    }
