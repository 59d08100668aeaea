"""Spikes: when an error rate left its baseline, and when it came back.

Found in buckets of time, then placed to the request. Every failure is taken to be independent of the others at a
given rate: a client that retries into the same error counts as often as it retries.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import pandas as pd
from scipy.stats import hypergeom

from analysis.signals.changepoint import Change, Counts, Floats, change, fall, rise
from analysis.signals.rates import ENDPOINT, wilson

Endpoint: TypeAlias = dict[str, str | None]

ERRORS: Final = 0
ANSWERED: Final = 1
"""Rows of a tally, the counts of one endpoint: a column a bucket."""

FEWEST_ERRORS: Final = 3
"""Fewer failures are errors, not a rate."""
LEAST_ODDS: Final = 2.0
"""A smaller odds ratio is drift, however many requests prove it."""


class CountsDiffer(ValueError):
    """The requests given are not those that were counted."""


@dataclass(frozen=True)
class Rate:
    """Failed requests among answered ones, with the 95 % Wilson interval."""

    errors: int
    requests: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True)
class Spike:
    """A stretch of raised error rate; instants in µs, buckets named by their start.

    The onset is the first request of the new regime: the change lies after `onset_from` and by `onset_by` (95 %).
    The end is the first request back at the baseline, likewise; None: no return is proved before the logs end.
    """

    method: str | None
    route: str | None
    onset_bucket_us: int
    end_bucket_us: int | None
    peak_bucket_us: int
    baseline: Rate  # all before the onset, earlier spikes left out
    during: Rate
    peak: Rate  # of the bucket with the highest lower bound
    p_value: float  # of no rise at all, corrected for every window of every endpoint tested
    onset_us: int
    onset_from: int
    onset_by: int
    first_failure: int  # record_id
    end_us: int | None
    end_from: int | None
    end_by: int | None
    last_failure: int  # record_id


@dataclass(frozen=True)
class _Span:
    """A spike in numbers of buckets: [onset, end)."""

    since: int  # where the spike before it ended
    onset: int
    end: int
    horizon: int  # how far one had to look to be sure of the end
    ended: bool
    base: tuple[int, int]  # failures and requests of the calm before `since`
    calm_rate: float  # frozen at the onset; never 0
    p_value: float


def spikes(
    counts: pd.DataFrame, outcomes: pd.DataFrame, by: Sequence[str] = ENDPOINT, alpha: float = 0.05
) -> list[Spike]:
    """Every spike of every endpoint, in the order of `by`, then time.

    In:   counts    by, bucket_us, answered, errors: a row a bucket, gaps filled, as `rates.error_rate` gives them
          outcomes  by, record_id, started_us, failed of the same requests, as `rates.outcomes` gives them
          alpha     bound on the chance of any false alarm in all of `counts`

    A window of 1, 4, 16, … buckets raises an alarm if its failures are too many for the calm buckets before it:
    Fisher's exact test, one-sided, at `alpha` divided by the number of all windows of all endpoints with at least
    three errors (Bonferroni). It must hold three errors and at least double the odds. The baseline is frozen from
    the onset on. The spike ends where the failures since are too few for it, by the same test, at `alpha` divided
    by the number of buckets left. A spike under way in the first bucket has no baseline and is not found.

    Raises: CountsDiffer if `outcomes` are not the requests that `counts` counted.
    """
    groups = [
        (endpoint, frame) for endpoint, frame in _groups(counts, by) if frame["errors"].sum() >= FEWEST_ERRORS
    ]
    tests = sum(len(_windows(_tally(frame))[0]) for _, frame in groups)
    found: list[Spike] = []
    for endpoint, frame in groups:
        spans = list(_spans(_tally(frame), tests, alpha))
        if spans:
            requests = _requests(outcomes, endpoint, int(frame["answered"].sum()))
            found += [_placed(endpoint, span, frame, requests) for span in spans]
    return found


def excess_p(errors: Counts, requests: Counts, base_errors: Counts, base_requests: Counts) -> Floats:
    """How likely so many failures, or more, are if the base has the same rate: Fisher's exact test, one-sided.

    Source: Fisher 1935, "The logic of inductive inference", Journal of the Royal Statistical Society 98.
    """
    everything, failures = base_requests + requests, base_errors + errors
    return np.asarray(hypergeom.sf(errors - 1, everything, failures, requests), dtype=np.float64)


def rate(errors: int, requests: int) -> Rate:
    """The rate with its 95 % Wilson interval; requests > 0."""
    low, high = wilson(errors, requests)
    return Rate(errors, requests, errors / requests, low, high)


def _spans(tally: Counts, tests: int, alpha: float) -> Iterator[_Span]:
    """The spikes of one endpoint, bucket by bucket, in order of time."""
    starts, stops = _windows(tally)
    calm, since = tally.copy(), 0
    while since < tally.shape[1]:
        p_values = _p_values(tally, calm, starts, stops)
        alarms = np.flatnonzero((starts >= since) & (p_values * tests <= alpha))
        if not alarms.size:
            return
        alarm = alarms[np.lexsort((p_values[alarms], stops[alarms]))[0]]
        base = (int(calm[ERRORS, :since].sum()), int(calm[ANSWERED, :since].sum()))
        errors, answered = tally[:, since : stops[alarm]]
        onset = since + int(np.argmax(rise(errors, answered, base)))
        # Half an error more, as in Jeffreys' prior: a baseline of 0 would make a single later error impossible.
        calm_rate = float((calm[ERRORS, :onset].sum() + 0.5) / (calm[ANSWERED, :onset].sum() + 1))
        end, horizon, ended = _end(tally, onset, calm_rate, alpha)
        own = p_values[(starts == onset) & (stops <= end)]
        p_value = float(min(p_values[alarm], own.min(initial=1.0)) * tests)
        yield _Span(since, onset, end, horizon, ended, base, calm_rate, p_value)
        calm[:, onset:end] = 0
        since = end


def _windows(tally: Counts) -> tuple[Counts, Counts]:
    """First and past-last bucket of each window to test: those with requests in them and before them."""
    buckets = tally.shape[1]
    sizes = [4**power for power in range(16) if 4**power < buckets]
    pairs = [(start, start + size) for size in sizes for start in range(1, buckets - size + 1)]
    starts, stops = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    before = np.concatenate([[0], np.cumsum(tally[ANSWERED])])
    usable = (before[starts] > 0) & (before[stops] > before[starts])
    return starts[usable], stops[usable]


def _p_values(tally: Counts, calm: Counts, starts: Counts, stops: Counts) -> Floats:
    """Of each window against the calm buckets before it; 1 where three errors or doubled odds are missing."""
    total, total_calm = (np.pad(np.cumsum(counts, axis=1), ((0, 0), (1, 0))) for counts in (tally, calm))
    errors, answered = total[:, stops] - total[:, starts]
    base_errors, base = total_calm[:, starts]
    odds = (errors + 0.5) / (answered - errors + 0.5)
    base_odds = (base_errors + 0.5) / (base - base_errors + 0.5)
    raised = np.flatnonzero((errors >= FEWEST_ERRORS) & (odds >= LEAST_ODDS * base_odds))
    p_values = np.ones(len(starts))
    p_values[raised] = excess_p(errors[raised], answered[raised], base_errors[raised], base[raised])
    return p_values


def _end(tally: Counts, onset: int, calm_rate: float, alpha: float) -> tuple[int, int, bool]:
    """The first bucket back at the baseline, how far one had to look to be sure, and whether there is one."""
    buckets = tally.shape[1]
    for horizon in range(onset + 2, buckets + 1):
        errors, answered = tally[:, onset:horizon]
        end = onset + 1 + int(np.argmax(fall(errors, answered, calm_rate)))
        raised, calm = tally[:, onset:end].sum(axis=1), tally[:, end:horizon].sum(axis=1)
        p_value = excess_p(raised[ERRORS], raised[ANSWERED], calm[ERRORS], calm[ANSWERED])
        if p_value * (buckets - onset - 1) <= alpha:
            return end, horizon, True
    return buckets, buckets, False


def _placed(endpoint: Endpoint, span: _Span, frame: pd.DataFrame, requests: pd.DataFrame) -> Spike:
    """The spike of `span`, its onset and its end placed to the request."""
    buckets, started = frame["bucket_us"].to_numpy(np.int64), requests["started_us"].to_numpy(np.int64)
    edges = np.append(np.searchsorted(started, buckets), len(started))
    failed = requests["failed"].to_numpy(np.int64)
    onset, end = _changes(span, started, failed, edges)
    stop = end.request if end else len(failed)
    failures = requests.iloc[onset.request : stop].query("failed == 1")
    hit = np.unique(_bucket(buckets, failures["started_us"].to_numpy(np.int64)))
    errors, answered = _tally(frame)[:, hit]
    peak = int(np.argmax(wilson(errors, answered)[0]))
    calm = failed[edges[span.since] : onset.request]
    return Spike(
        method=endpoint.get("method"),
        route=endpoint.get("route"),
        onset_bucket_us=int(buckets[hit[0]]),
        end_bucket_us=int(buckets[_bucket(buckets, np.int64(end.at_us))]) if end else None,
        peak_bucket_us=int(buckets[hit[peak]]),
        baseline=rate(span.base[0] + int(calm.sum()), span.base[1] + len(calm)),
        during=rate(len(failures), stop - onset.request),
        peak=rate(int(errors[peak]), int(answered[peak])),
        p_value=span.p_value,
        onset_us=onset.at_us,
        onset_from=onset.from_us,
        onset_by=onset.by_us,
        first_failure=int(failures["record_id"].iloc[0]),
        end_us=end.at_us if end else None,
        end_from=end.from_us if end else None,
        end_by=end.by_us if end else None,
        last_failure=int(failures["record_id"].iloc[-1]),
    )


def _changes(span: _Span, started: Counts, failed: Counts, edges: Counts) -> tuple[Change, Change | None]:
    """The onset and the end of `span` in the sequence of requests; edges: the first request of each bucket."""
    first = int(edges[span.since])
    seen = failed[first : edges[span.end]]
    onset = change(started, rise(seen, np.ones_like(seen), span.base), first)
    if not span.ended:
        return onset, None
    seen = failed[onset.request : edges[span.horizon]]
    return onset, change(started, fall(seen, np.ones_like(seen), span.calm_rate)[:-1], onset.request + 1)


def _bucket(buckets: Counts, instants_us: Counts | np.int64) -> Counts:
    """The number of the bucket in which each instant lies."""
    return np.asarray(np.searchsorted(buckets, instants_us, side="right") - 1, dtype=np.int64)


def _tally(frame: pd.DataFrame) -> Counts:
    return frame[["errors", "answered"]].to_numpy(np.int64).T


def _groups(counts: pd.DataFrame, by: Sequence[str]) -> Iterator[tuple[Endpoint, pd.DataFrame]]:
    """The buckets of each endpoint in order of time; a NULL is an endpoint's name like any other."""
    ordered = counts.sort_values("bucket_us")
    if not by:
        yield {}, ordered
        return
    for _, frame in ordered.groupby(list(by), dropna=False):
        names = {column: frame[column].iloc[0] for column in by}
        yield {column: None if pd.isna(name) else str(name) for column, name in names.items()}, frame


def _requests(outcomes: pd.DataFrame, endpoint: Endpoint, answered: int) -> pd.DataFrame:
    """The endpoint's dated requests of known outcome, in order of time."""
    mine = outcomes.dropna(subset=["started_us", "failed"])
    for column, name in endpoint.items():
        mine = mine[mine[column].isna() if name is None else mine[column] == name]
    if len(mine) != answered:
        raise CountsDiffer(
            f"{endpoint or 'all endpoints'}: {answered} answered requests in the counts, {len(mine)} in the"
            " outcomes; take both from the same requests and the same columns `by`"
        )
    return mine.sort_values(["started_us", "record_id"]).astype({"failed": "int64"})
