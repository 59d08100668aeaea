"""Do overlapping duplicates fail more often than requests that met no other, and who lost without an error?

Only the comparison makes a suspect: polling, pagination, two tabs and idempotent PUTs overlap and harm nobody.
Statistics run on tiny aggregated tables; the expressions before them run where the logs are.
"""

from typing import Final

import ibis
import numpy as np
import pandas as pd
from scipy import optimize, stats

EXPOSURES: Final = ("overlapping", "possible", "single")

FAR: Final = 30.0
"""Natural logarithm of the largest ratio looked for; its negative, of the smallest."""

MIN_FAILURES: Final = 3
"""Overlapping requests that must have failed before an endpoint is suspected at all."""

MIN_OVERLAPPING: Final = 20
"""Overlapping requests below which nobody is acquitted: 0 failures of 20 still allow a rate of 3/20 = 15 %.

Source: Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249 (1983), rule of three.
"""


def by_request_id(
    requests: ibis.Table, exceptions: ibis.Table, records: ibis.Table, statements: ibis.Table
) -> ibis.Table:
    """Links from each request to the exceptions and statements that carry its request id.

    In:   the promised tables
    Out:  the promised table `links`, rule "request_id". confidence 1.0, or 1/n where n requests carry the same id:
          a client may send what it likes in that header
    """
    carriers = requests.filter(requests.request_id.notnull()).select("request_id", from_record="record_id")
    shared = carriers.group_by("request_id").aggregate(carriers=carriers.count())
    raised = records.semi_join(exceptions, "record_id").select("request_id", to_record="record_id")
    ran = statements.select("request_id", to_record="record_id")
    targets = raised.mutate(to_table=ibis.literal("exceptions")).union(
        ran.mutate(to_table=ibis.literal("statements"))
    )
    met = carriers.join(shared, "request_id").join(targets.distinct(), "request_id")
    met = met.filter(met.from_record != met.to_record)
    return met.select(
        "from_record",
        "to_record",
        "to_table",
        rule=ibis.literal("request_id"),
        confidence=1.0 / met.carriers.cast("float64"),
    )


def exposure(requests: ibis.Table, pairs: ibis.Table) -> ibis.Table:
    """What each request of an endpoint was exposed to, and whether it failed.

    In:   the table requests; pairs as `duplicates.pairs` gives them
    Out:  one row a request with a status: record_id, method, route, user_id, exposure, failed (status >= 500);
          exposure is "overlapping" (surely, with a duplicate), "possible", or "single" (no duplicate, or one that
          had surely finished)
    """
    sides = pairs.select("overlap", record_id="first_record").union(
        pairs.select("overlap", record_id="second_record")
    )
    sure = sides.filter(sides.overlap == "sure").record_id
    possible = sides.filter(sides.overlap == "possible").record_id
    answered = requests.filter(requests.status.notnull())
    exposed = ibis.cases(
        (answered.record_id.isin(sure), "overlapping"),
        (answered.record_id.isin(possible), "possible"),
        else_="single",
    )
    return answered.select(
        "record_id", "method", "route", "user_id", exposure=exposed, failed=answered.status >= 500
    )


def two_by_two(exposed: ibis.Table) -> ibis.Table:
    """Failed and passed requests by exposure.

    In:   exposure as `exposure` gives it
    Out:  one row an endpoint: method, route, and int64 counts overlapping_failed, overlapping_passed,
          possible_failed, possible_passed, single_failed, single_passed
    """
    counts = {}
    for name in EXPOSURES:
        of_group = exposed.exposure == name
        counts[f"{name}_failed"] = (of_group & exposed.failed).cast("int64").sum().cast("int64")
        counts[f"{name}_passed"] = (of_group & ~exposed.failed).cast("int64").sum().cast("int64")
    return exposed.group_by("method", "route").aggregate(**counts).order_by("method", "route")


def risk_ratio(a: int, b: int, c: int, d: int, confidence: float = 0.95) -> tuple[float, float, float]:
    """How many times as often the exposed fail: the ratio of the two failure rates and its interval.

    In:   a failed and b passed of the exposed, c failed and d passed of the others
    Out:  ratio, low, high; NaN and (0, inf) where nobody failed or a group is empty; inf where only exposed failed

    The asymptotic score interval: defined with zero cells, where the log interval of Katz is not, and closer to its
    nominal coverage for small counts.

    Source: Koopman, "Confidence intervals for the ratio of two binomial proportions", Biometrics 40 (1984);
    recommended by Fagerland, Lydersen, Laake, Stat Methods Med Res 24 (2015), section 5.
    """
    exposed, others = a + b, c + d
    if exposed == 0 or others == 0 or a + c == 0:
        return np.nan, 0.0, np.inf
    ratio = np.inf if c == 0 else (a / exposed) / (c / others)
    limit = float(stats.norm.ppf(0.5 + confidence / 2))
    point = float(np.clip(np.log(ratio) if ratio else -np.inf, -FAR, FAR))

    def beyond(log_ratio: float) -> float:
        return abs(_score(a, exposed, c, others, float(np.exp(log_ratio)))) - limit

    low = 0.0 if a == 0 else float(np.exp(optimize.brentq(beyond, -FAR, point)))
    high = np.inf if c == 0 else float(np.exp(optimize.brentq(beyond, point, FAR)))
    return float(ratio), low, high


def _score(failed: int, exposed: int, others_failed: int, others: int, ratio: float) -> float:
    """Koopman's score statistic for one ratio: 0 at the estimate, standard normal if the ratio is true."""
    both_failed = failed + others_failed
    linear = ratio * (exposed + others_failed) + failed + others
    root = np.sqrt(max(linear**2 - 4 * ratio * (exposed + others) * both_failed, 0.0))
    rate_others = 2 * both_failed / (linear + root)
    rate = ratio * rate_others
    variance = rate * (1 - rate) / exposed + ratio**2 * rate_others * (1 - rate_others) / others
    difference = failed / exposed - ratio * others_failed / others
    return float(difference / np.sqrt(variance)) if variance > 0 else 0.0


def fisher_exact(a: int, b: int, c: int, d: int) -> float:
    """Two-sided p: how often margins like these give a table as unlikely as this one, were exposure harmless.

    In:   a failed and b passed of the exposed, c failed and d passed of the others
    Source: Fisher, Statistical Methods for Research Workers, 5th ed. (1934), section 21.02.
    """
    return float(stats.fisher_exact([[a, b], [c, d]]).pvalue)


def suspects(counts: pd.DataFrame, alpha: float = 0.01) -> pd.DataFrame:
    """Which endpoints fail more often where duplicates overlap.

    In:   counts as `two_by_two` gives them
    Out:  the same rows plus risk_ratio, ratio_low, ratio_high (95 %), p (Fisher, two-sided), p_adjusted (Holm, over
          the endpoints) and verdict:
          "suspect": p_adjusted < alpha, ratio_low > 1 and at least MIN_FAILURES overlapping requests failed;
          "not enough evidence": no suspect, and fewer than MIN_OVERLAPPING overlapping requests or none single;
          "not suspected": no suspect among enough of them

    Overlapping stands against single; the possible are on neither side. The two requests of a pair are not
    independent, and a user who retries counts each time: p ranks suspects, it does not prove a mechanism.

    Source: Holm, "A simple sequentially rejective multiple test procedure", Scand J Statist 6 (1979).
    """
    tables = counts[["overlapping_failed", "overlapping_passed", "single_failed", "single_passed"]]
    cells = [(int(a), int(b), int(c), int(d)) for a, b, c, d in tables.to_numpy()]
    ratios = pd.DataFrame(
        [risk_ratio(*cell) for cell in cells],
        columns=["risk_ratio", "ratio_low", "ratio_high"],
        index=counts.index,
        dtype="float64",
    )
    judged = counts.join(ratios).assign(p=np.array([fisher_exact(*cell) for cell in cells], dtype="float64"))
    judged["p_adjusted"] = _holm(judged["p"].to_numpy())
    overlapping = judged["overlapping_failed"] + judged["overlapping_passed"]
    single = judged["single_failed"] + judged["single_passed"]
    suspect = (judged["p_adjusted"] < alpha) & (judged["ratio_low"] > 1)
    suspect &= judged["overlapping_failed"] >= MIN_FAILURES
    too_few = (overlapping < MIN_OVERLAPPING) | (single == 0)
    judged["verdict"] = np.select([suspect, too_few], ["suspect", "not enough evidence"], "not suspected")
    return judged


def _holm(
    p: "np.ndarray[tuple[int], np.dtype[np.float64]]",
) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Each p value as large as Holm's step-down procedure makes it."""
    ascending = np.argsort(p, kind="stable")
    stepped = p[ascending] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[ascending] = np.minimum(np.maximum.accumulate(stepped), 1.0)
    return adjusted


def duplicate_effects(pairs: ibis.Table) -> ibis.Table:
    """Duplicates that ran one after the other and were both answered as if they took effect.

    In:   pairs as `duplicates.pairs` gives them
    Out:  those of them that surely did not overlap, of a method that is not idempotent (POST, PATCH), both 2xx

    Not a race: no lock helps, an idempotency key does. A 2xx says that the server took the request, not what it
    changed; only the rows can tell.

    Source: RFC 9110, section 9.2.2 (idempotent methods).
    """
    both_passed = pairs.first_status.between(200, 299) & pairs.second_status.between(200, 299)
    return pairs.filter((pairs.overlap == "none") & pairs.method.isin(["POST", "PATCH"]) & both_passed)
