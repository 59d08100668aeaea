"""Requests for the same thing by the same user close together, and whether they overlapped in time.

A duplicate is not a race: two requests with one key within a window are duplicates whether or not they overlapped,
and even sure overlap accuses nobody. Overlap is judged on the bounds of the two requests, never on their stamps.
"""

from collections.abc import Mapping
from typing import Any, Final

import ibis
import ibis.expr.types as ir
import pandas as pd

from analysis.schema import FOREVER
from analysis.signals.clocks import order

BOUNDS: Final = ("starts_from", "starts_by", "ends_from", "ends_by")
SHARED: Final = ("request_key", "method", "route", "entity", "user_id")
OWN: Final = ("status", "stamp_us", "clock", *BOUNDS)


def repeats(requests: ibis.Table) -> ibis.Table:
    """How close each request lies to the nearest other one with the same key.

    In:   the table requests, but for repeat_us
    Out:  record_id, repeat_us: µs between the two instants as `pairs` takes them; no row where there is no other

    Sorted by a hash of the key, for speed: where two keys share one, repeat_us may be too small, never too large.
    """
    instants = _instants(requests)
    timed = instants.select("record_id", "instant", key=instants.request_key.hash())
    of_key = ibis.window(group_by="key", order_by=["instant", "record_id"])
    before = timed.instant - timed.instant.lag().over(of_key)
    after = timed.instant.lead().over(of_key) - timed.instant
    nearest = ibis.ifelse(before.isnull() | (after < before), after, before)
    return timed.select("record_id", repeat_us=nearest).filter(ibis._.repeat_us.notnull())


def pairs(requests: ibis.Table, window_us: int) -> ibis.Table:
    """Every two requests with the same key that began within a window of each other.

    In:   the table requests; window_us, inclusive
    Out:  one row a pair: first_record, second_record; request_key, method, route, entity, user_id; gap_us between
          the two instants, gap_from and gap_by (bounds of the gap between the true starts, NULL where a start or
          the clocks' agreement is unknown); overlap ("sure", "possible", "none"); started ("before": first surely
          began first, "after", "undecided"); and first_…, second_… status, stamp_us, clock and the four bounds

    A request's instant is the middle of its start's bounds where both are known, else its stamp. First is the
    request with the earlier instant; a tie goes by line_no, then record_id: an order to list them in, not a claim
    (`started` is the claim). A request whose key is NULL is nobody's duplicate.

    All pairs, not neighbours only: k requests within one window make k (k - 1) / 2 pairs, since with retries the
    two that collided need not be neighbours. Cost: a filter on repeat_us, which the loader fills by `repeats`; only
    the rows left are joined, on key and slot, so a key polled all day costs its own rows and not their square.
    """
    timed = _timed(requests)
    both = _within(timed.filter(timed.repeat_us <= window_us), window_us)
    one_clock = both.first_clock == both.second_clock
    started = order(
        both.first_starts_from, both.first_starts_by, both.second_starts_from, both.second_starts_by
    )
    unknown = ibis.null("int64")
    return both.select(
        "first_record",
        "second_record",
        *SHARED,
        "gap_us",
        gap_from=ibis.ifelse(one_clock, both.second_starts_from - both.first_starts_by, unknown),
        gap_by=ibis.ifelse(one_clock, both.second_starts_by - both.first_starts_from, unknown),
        overlap=overlap(both),
        started=ibis.cases((one_clock, started), else_="undecided"),
        **{f"{side}_{name}": both[f"{side}_{name}"] for side in ("first", "second") for name in OWN},
    )


def overlap(pair: ibis.Table) -> ir.StringValue:
    """How surely two requests were under way at the same time.

    In:   first_… and second_… clock, starts_from, starts_by, ends_from, ends_by (µs, inclusive, NULL unbounded)
    Out:  "sure": whatever the true instants within the bounds, each began before the other had finished;
          "none": whatever they were, one had finished before the other began; "possible": the evidence allows both

    Ties: a request that may finish in the very µs in which the other begins is "possible", not "sure" and not
    "none". Bounds of two clocks cannot be compared: "possible".
    """
    one_clock = pair.first_clock == pair.second_clock
    sure = (pair.second_starts_by < pair.first_ends_from) & (pair.first_starts_by < pair.second_ends_from)
    none = (pair.first_ends_by < pair.second_starts_from) | (pair.second_ends_by < pair.first_starts_from)
    return ibis.cases((one_clock & sure, "sure"), (one_clock & none, "none"), else_="possible")


def overlaps(requests: ibis.Table) -> ibis.Table:
    """How surely each request was under way together with one of the same key that is listed before it.

    In:   the table requests
    Out:  the same rows plus `overlap`: "sure", "possible", "none"; NULL where the request's key is unknown

    Listed by starts_from, then record_id. Any distance in time counts, not only a window. An end that no log shows
    has `ends_by` NULL: what follows it is then never "none". Where a key occurs on several clocks, what is not sure
    on its own clock is "possible".
    """
    begun = requests.starts_from.fill_null(-FOREVER)
    earlier = ibis.window(
        group_by=["request_key", "clock"], order_by=[begun, "record_id"], preceding=(None, 1)
    )
    of_key = ibis.window(group_by="request_key")
    busy = requests.mutate(
        surely_until=requests.ends_from.max().over(earlier),
        maybe_until=requests.ends_by.fill_null(FOREVER).max().over(earlier),
        clocks=requests.clock.nunique().over(of_key),
        strays=requests.clock.isnull().sum().over(of_key),
        others=requests.count().over(of_key) - 1,
    )
    several_clocks = (busy.others > 0) & ((busy.clocks > 1) | (busy.strays > 0))
    judged = ibis.cases(
        (busy.request_key.isnull(), ibis.null("string")),
        (busy.record_id.isin(_surely_overlapping(busy).record_id), "sure"),
        (several_clocks | (busy.starts_from.fill_null(-FOREVER) <= busy.maybe_until), "possible"),
        else_="none",
    )
    return busy.select(*requests.columns, overlap=judged)


def missing_evidence(pair: Mapping[str, Any]) -> list[str]:
    """What would have decided the overlap of a pair, as far as the bounds tell; nothing if it is decided.

    In:   one row of `pairs`
    Out:  short phrases, each naming the record or clock that lacks something
    """
    if pair["overlap"] != "possible":
        return []
    first_clock, second_clock = pair["first_clock"], pair["second_clock"]
    missing = _unbounded(pair, "first") + _unbounded(pair, "second")
    if pd.isna(first_clock) or pd.isna(second_clock) or first_clock != second_clock:
        missing.append(f"a bound on the skew between clock {first_clock} and clock {second_clock}")
    return missing or [f"stamps finer than {_coarsest(pair)} µs on clock {first_clock}"]


def _unbounded(pair: Mapping[str, Any], side: str) -> list[str]:
    """Phrases for what leaves a request of the pair without a start or a finish."""
    record, clock = pair[f"{side}_record"], pair[f"{side}_clock"]
    no_start = pd.isna(pair[f"{side}_starts_from"]) or pd.isna(pair[f"{side}_starts_by"])
    no_finish = pd.isna(pair[f"{side}_ends_from"]) or pd.isna(pair[f"{side}_ends_by"])
    phrases = []
    if no_start and no_finish:
        phrases.append(f"what the stamp of record {record} marks, on clock {clock}")
    if no_finish:
        phrases.append(f"a duration or a finish stamp of record {record}, on clock {clock}")
    elif no_start:
        phrases.append(f"a duration or a start stamp of record {record}, on clock {clock}")
    return phrases


def _coarsest(pair: Mapping[str, Any]) -> int:
    """The widest bounds of the pair's starts and finishes, in µs."""
    ends = [f"{side}_{end}" for side in ("first", "second") for end in ("starts", "ends")]
    return max(int(pair[f"{end}_by"]) - int(pair[f"{end}_from"]) + 1 for end in ends)


def _instants(requests: ibis.Table) -> ibis.Table:
    """The requests that can be duplicates, each with one instant (µs)."""
    middle = (
        requests.starts_from + requests.starts_by
    ) >> 1  # no instant is negative: a shift halves exactly
    timed = requests.mutate(instant=ibis.coalesce(middle, requests.stamp_us))
    return timed.filter(timed.request_key.notnull(), timed.instant.notnull())


def _timed(requests: ibis.Table) -> ibis.Table:
    """What a pair shows of a request that can be a duplicate, its instant, and how near the next one is."""
    return _instants(requests).select("record_id", "line_no", *SHARED, *OWN, "instant", "repeat_us")


def _within(near: ibis.Table, window_us: int) -> ibis.Table:
    """Every two rows of one key within the window, each pair once, with gap_us.

    Two such rows lie in one slot as wide as the window, or the second in the next: it is listed in both.
    """
    width = max(window_us, 1)
    slot = near.instant - near.instant % width
    first = _side(near.mutate(slot=slot), "first", SHARED)
    second = _side(near.mutate(slot=ibis.array([slot, slot - width]).unnest()), "second", ("request_key",))
    met = first.join(second, ["request_key", "slot"])
    gap_us = met.second_instant - met.first_instant
    tie = (met.first_line < met.second_line) | (
        met.first_line.identical_to(met.second_line) & (met.first_record < met.second_record)
    )
    listed = (gap_us > 0) | ((gap_us == 0) & tie)
    return met.mutate(gap_us=gap_us).filter(listed & (gap_us <= window_us))


def _side(near: ibis.Table, side: str, shared: tuple[str, ...]) -> ibis.Table:
    """The columns of a pair that one of its two requests gives."""
    own = {f"{side}_{name}": near[name] for name in (*OWN, "instant")}
    places = {f"{side}_record": near.record_id, f"{side}_line": near.line_no}
    return near.select(*shared, "slot", **places, **own)


def _surely_overlapping(busy: ibis.Table) -> ibis.Table:
    """record_id of each request that surely overlapped one of its key and clock listed before it.

    `surely_until` leaves few candidates; only they are compared with the others of their key one by one, since the
    earlier request that stays busy longest need not be the one that surely began in time.
    """
    columns = ("record_id", "starts_from", "starts_by", "ends_from")
    late = busy.filter(busy.starts_by < busy.surely_until).select(
        "request_key", "clock", **{f"late_{name}": busy[name] for name in columns}
    )
    met = late.join(busy.select("request_key", "clock", *columns), ["request_key", "clock"])
    begun, late_begun = met.starts_from.fill_null(-FOREVER), met.late_starts_from.fill_null(-FOREVER)
    listed = (begun < late_begun) | ((begun == late_begun) & (met.record_id < met.late_record_id))
    sure = (met.late_starts_by < met.ends_from) & (met.starts_by < met.late_ends_from)
    return met.filter(listed & sure).select(record_id=met.late_record_id).distinct()
