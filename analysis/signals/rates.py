"""Error rates: which requests failed, how often, and how sure that is."""

from collections.abc import Sequence
from typing import Any, Final

import ibis
from ibis import _

ENDPOINT: Final = ("method", "route")
"""What an endpoint is told apart by."""

SECOND_US: Final = 1_000_000
DAY_US: Final = 86_400 * SECOND_US
STEPS_US: Final = tuple(
    seconds * SECOND_US
    for seconds in (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 21_600, 43_200, 86_400)
)
MOST_BUCKETS: Final = 120
FEWEST_A_BUCKET: Final = 20

Z_95: Final = 1.959963984540054
"""The normal distribution's two-sided 95 % point."""


def outcomes(requests: ibis.Table) -> ibis.Table:
    """When each request started, as well as its log can tell, and whether it failed.

    In:   requests
    Out:  the same rows, plus
          started_us  `starts_by`, the latest instant at which it can have started: the one bound of a start that
                      every log gives and that no unknown duration moves. Else its stamp; NULL: no stamp at all
          failed      status >= 500; NULL: the log does not tell the status
    """
    return requests.mutate(started_us=_.starts_by.fill_null(_.stamp_us), failed=_.status >= 500)


def error_rate(requests: ibis.Table, bucket_us: int, by: Sequence[str] = ENDPOINT) -> ibis.Table:
    """The share of failed requests in each bucket of time.

    In:   requests; bucket_us, the width of a bucket in µs; by, the columns told apart (none: all together)
    Out:  one row a bucket and value of `by`, in that order of `by`, then time:
          bucket_us, bucket_at       its start (inclusive); bucket_at in whole seconds
          requests                   started in it
          answered, errors           of these, with a known status; of these, failed
          error_rate, low, high      errors / answered with its 95 % Wilson interval; NULL where none was answered
          requests_per_s             mean over the whole bucket: too low for a first or last one covered in part

    Every value of `by` has every bucket from the first to the last request of them all; an empty one counts 0.
    Requests without any stamp lie in no bucket.
    """
    dated = outcomes(requests).filter(_.started_us.notnull())
    counted = (
        dated.mutate(bucket_us=_.started_us - _.started_us % bucket_us)
        .group_by(*by, "bucket_us")
        .aggregate(requests=_.count(), answered=_.failed.count(), errors=_.count(where=_.failed))
    )
    # A union, not a join: a NULL route equals itself in GROUP BY only. And max, for sum changes the type.
    filled = (
        counted.union(_empty_buckets(counted, bucket_us, by))
        .group_by(*by, "bucket_us")
        .aggregate(requests=_.requests.max(), answered=_.answered.max(), errors=_.errors.max())
    )
    rated = _with_interval(filled).mutate(
        bucket_at=(_.bucket_us // SECOND_US).as_interval("s") + ibis.timestamp("1970-01-01 00:00:00"),
        requests_per_s=_.requests * float(SECOND_US) / bucket_us,
    )
    return rated.relocate("bucket_at", after="bucket_us").order_by(*by, "bucket_us")


def endpoints(requests: ibis.Table, by: Sequence[str] = ENDPOINT) -> ibis.Table:
    """What each endpoint answered in total, the one with the most errors first.

    In:   requests
    Out:  by, requests, answered, errors, first_us, last_us (started; NULL if no request has a stamp),
          error_rate, low, high (95 % Wilson)
    """
    totals = outcomes(requests).aggregate(
        by=list(by),
        requests=_.count(),
        answered=_.failed.count(),
        errors=_.count(where=_.failed),
        first_us=_.started_us.min(),
        last_us=_.started_us.max(),
    )
    return _with_interval(totals).order_by(ibis.desc("errors"), ibis.desc("requests"), *by)


def bucket_for(span_us: int, requests: int) -> int:
    """A width of bucket, in µs, that shows `requests` over `span_us` neither ragged nor flat.

    The narrowest usual step from a second to a day that gives at most 120 buckets with 20 requests each on
    average; where the count asks for more than an hour, an hour. Beyond 120 days, whole days.
    """
    fits = [step for step in STEPS_US if span_us <= MOST_BUCKETS * step]
    if not fits:
        return -(-span_us // (MOST_BUCKETS * DAY_US)) * DAY_US
    filled = [
        step for step in fits if requests * step >= FEWEST_A_BUCKET * span_us or step >= 3_600 * SECOND_US
    ]
    return filled[0]


def _empty_buckets(counted: ibis.Table, bucket_us: int, by: Sequence[str]) -> ibis.Table:
    """Every bucket from the first to the last, for each value of `by`, with nothing in it."""
    ends = counted.aggregate(earliest=_.bucket_us.min(), latest=_.bucket_us.max())
    # ibis.range is half-open: one step past the last bucket, or it goes missing.
    buckets = ends.select(bucket_us=ibis.range(ends.earliest, ends.latest + bucket_us, bucket_us).unnest())
    grid = counted.select(*by).distinct().cross_join(buckets) if by else buckets
    zero = ibis.literal(0, "int64")
    return grid.select(*by, "bucket_us", requests=zero, answered=zero, errors=zero)


def wilson(errors: Any, trials: Any) -> tuple[Any, Any]:
    """The 95 % Wilson score interval of errors / trials: of numbers, arrays or table columns; trials > 0.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference", JASA 22; chosen
    over Wald's and Clopper-Pearson's by Brown, Cai and DasGupta 2001, Statistical Science 16, section 3.1.
    """
    return _lower(errors / trials, trials), 1 - _lower(1 - errors / trials, trials)


def _lower(rate: Any, trials: Any) -> Any:
    """The lower root of Wilson's quadratic, as product of the roots / upper root: never below 0, and 0 at 0."""
    half = Z_95 * (rate * (1 - rate) / trials + Z_95**2 / (4 * trials * trials)) ** 0.5
    return rate * rate / (rate + Z_95**2 / (2 * trials) + half)


def _with_interval(counts: ibis.Table) -> ibis.Table:
    """`counts` with errors / answered and its Wilson interval, NULL where nothing was answered."""
    trials = counts.answered.nullif(0)
    low, high = wilson(counts.errors, trials)
    return counts.mutate(error_rate=counts.errors / trials, low=low, high=high)
