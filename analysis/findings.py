"""What the tables say, in sentences: each with its number, the records it rests on, and what these cannot show.

Pure: DataFrames and signals in, findings out. A claim holds no log text but names (users, routes, versions), which
whoever shows it escapes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from analysis.schema import AGAIN
from analysis.signals.spikes import Spike
from analysis.wording import (
    SECOND_US,
    Row,
    counted,
    endpoint,
    instant,
    milliseconds,
    named,
    percent,
    said_name,
    short_type,
)

MOST_PROBLEMS: Final = 5


@dataclass(frozen=True)
class Finding:
    """One claim about the incident."""

    claim: str  # one sentence, with its number
    evidence: tuple[int, ...] = ()  # record_ids, each a byte range of a source
    limits: str = ""  # what this evidence cannot show


def read_whole(sources: pd.DataFrame, quarantine: pd.DataFrame, problems: Sequence[str]) -> Finding:
    """How much was read, and what could not be."""
    lines = int(sources["lines"].sum())
    again = int(quarantine.loc[quarantine["reason"].str.startswith(AGAIN), "line_count"].sum())
    refused = int(sources["quarantined"].sum()) - again
    damaged = sources.loc[sources["damage"].notna(), "path"].tolist()
    claim = f"{counted(len(sources), 'file')} with {counted(lines, 'line')} were read; "
    claim += f"{again:,} of them stand in another file too and count once; " if again else ""
    claim += (
        f"{refused:,} of them fit no format."
        if refused
        else f"every {'other ' * bool(again)}line fits its format."
    )
    limits = []
    if refused or again:
        limits.append(
            f"Quarantined lines are kept by their place ({counted(len(quarantine), 'stretch', 'stretches')})."
        )
    if damaged:
        limits.append(f"Damaged, read up to the damage: {', '.join(damaged)}.")
    if problems:
        more = f"; and {len(problems) - MOST_PROBLEMS:,} more" if len(problems) > MOST_PROBLEMS else ""
        limits.append(f"Not counted: {'; '.join(problems[:MOST_PROBLEMS])}{more}.")
    return Finding(claim, limits=" ".join(limits) or "What was never logged or exported is not here.")


def forged(flagged: pd.DataFrame) -> list[Finding]:
    """That records may be forged, by their places; nothing where none is flagged.

    In:   flagged as `questions.flagged` gives it
    """
    if flagged.empty:
        return []
    claim = f"{counted(len(flagged), 'record')} may be forged: "
    claim += "text with a line break in it, not lines of the program's."
    limits = "They count in no rate and are linked to nothing. A flag is a reason to look, not a proof; a forged line "
    limits += "that fits its place and its neighbours is not seen."
    return [Finding(claim, tuple(flagged["flagged_record"]), limits)]


def clocks(sources: pd.DataFrame, observed: pd.DataFrame) -> Finding:
    """How fine the stamps are, and which sources share a clock."""
    seen = sources.merge(observed, on="source_id", how="left", suffixes=("_promised", ""))
    coarse = seen[seen["observed_us"].fillna(seen["resolution_us_promised"]) >= SECOND_US]
    of = sources["clock"].nunique()
    claim = f"{counted(len(sources), 'source')} on {counted(of, 'clock')}; "
    if len(coarse):
        claim += f"stamps to the second or coarser in {', '.join(coarse['path'])}."
    else:
        claim += "every stamp is finer than a second."
    limits = "Two events on different clocks, or within one step of a clock, have no decided order."
    doubtful = sources[sources["stamp_doubts"].notna()]
    told = [
        f" {path}: {doubts}." for path, doubts in zip(doubtful["path"], doubtful["stamp_doubts"], strict=True)
    ]
    return Finding(claim, limits=limits + "".join(told))


def spike(found: Spike, deploys: pd.DataFrame) -> Finding:
    """When an endpoint's error rate rose, from what to what, and since which deploy."""
    where = endpoint({"method": found.method, "route": found.route})
    claim = (
        f"5xx on {where} rose from {percent(found.baseline.rate)} to {percent(found.during.rate)} "
        f"({found.during.errors:,} of {found.during.requests:,} requests) at {instant(found.onset_us)}, between "
        f"{instant(found.onset_from)} and {instant(found.onset_by)}"
    )
    claim += "." if found.end_us is None else f", and fell back at {instant(found.end_us)}."
    before = deploys[deploys["deployed_us"] <= found.onset_by].sort_values("deployed_us")
    if len(before):
        last = before.iloc[-1]
        lag = milliseconds(found.onset_us - int(last["deployed_us"]))
        claim += f" The last deploy before it, {said_name(last['version'])}, began {lag} earlier."
    limits = f"95 % interval of the onset; p = {found.p_value:.1g} for no rise at all."
    limits += " After a deploy is not because of it." if len(before) else ""
    if found.end_us is None:
        limits += " No return to the baseline is proved before the logs end."
    return Finding(claim, (found.first_failure, found.last_failure), limits)


def outside(first_us: int, last_us: int) -> Finding:
    """That requests were logged, and none in the window."""
    first, last = (f"{pd.Timestamp(us, unit='us'):%Y-%m-%d %H:%M:%S}" for us in (first_us, last_us))
    span = f"{first} to {last}"
    claim = f"No request lies in the window looked at; they run from {span} UTC."
    return Finding(claim, limits="A wrong zone for stamps that carry none moves a log by whole hours.")


def no_spike(answered: int, errors: int) -> Finding:
    """That no endpoint's error rate rose, or that no rate can be told."""
    if not answered:
        return Finding(
            f"An error rate cannot be computed: no stamped log tells a status ({counted(errors, 'error')} logged).",
            limits="An access log would give the rate.",
        )
    claim = f"No endpoint's error rate rose beyond chance among {counted(answered, 'answered request')}."
    return Finding(claim, limits="A rise under way before the logs begin has no baseline and cannot be seen.")


def users(hit: pd.DataFrame, summary: pd.DataFrame, what: str) -> list[Finding]:
    """Who was hit, and how many were not; nothing where no request failed."""
    if not summary["failures"].sum():
        return []
    names = hit["user_id"].tolist()
    unknown = int(summary["failures_unknown"].sum())
    spared = int(summary["users_spared"].sum())
    claim = f"{counted(len(names), 'user')} got {what}"
    claim += f": {named(names)}." if names else "."
    claim += f" {counted(spared, 'other user')} did not." if spared else ""
    limits = f"{counted(unknown, 'failure')} of unknown users are not in it." if unknown else ""
    return [
        Finding(claim, tuple(hit["first_failure"].head(20)), limits or "Users are as the logs name them.")
    ]


def cause(row: Row, how: str = "the request id") -> Finding:
    """One cause of failures, before and after the onset. how: by what exceptions were linked to requests."""
    before, after = int(row["before"]), int(row["after"])
    counts = f"{before:,} before the onset and {after:,} since, on {endpoint(row)}"
    first = (int(row["first_failure"]),)
    if pd.isna(row["type"]):
        limits = "One request id in the access log and the application's would tell the cause."
        return Finding(
            f"No exception is linked to {counted(before + after, 'failure')}: {counts}.", first, limits
        )
    about = f" on {said_name(row['constraint_name'])}" if pd.notna(row["constraint_name"]) else ""
    kind = "Not new" if before else "New"
    limits = f"An exception is linked to its request by {how}."
    return Finding(f"{kind}: {short_type(row)}{about}, {counts}.", first, limits)


def as_fact(found: Spike) -> dict[str, object]:
    """A spike for verdict.json; instants in µs since the epoch, UTC."""
    return {
        "method": found.method,
        "route": found.route,
        "onset_us": found.onset_us,
        "onset_from": found.onset_from,
        "onset_by": found.onset_by,
        "end_us": found.end_us,
        "baseline_rate": found.baseline.rate,
        "rate": found.during.rate,
        "errors": found.during.errors,
        "requests": found.during.requests,
    }
