"""Findings drawn: which rows go into which chart, and the sentence over it."""

import re
from collections.abc import Mapping
from typing import Any, Final

import pandas as pd

from analysis import charts
from analysis.charts import Chart, SpikeMark
from analysis.investigation import Investigation
from analysis.signals.rates import error_rate, wilson
from analysis.signals.spikes import Spike
from analysis.wording import Row, endpoint, milliseconds, percent, said_name

COMPRESSED: Final = re.compile(r"\.(?:gz|zst|bz2|xz)$")
IN_WORDS: Final = {
    "23505": "duplicate key",
    "23503": "missing reference",
    "40001": "serialization failure",
    "40P01": "deadlock",
    "55P03": "lock not available",
    "57014": "canceled",
}
"""SQLSTATEs that races end in. Source: PostgreSQL manual, appendix A."""


def error_rates(
    case: Investigation, width_us: int, found: list[Spike], deploys: pd.DataFrame, users_hit: int
) -> Chart:
    """The error rate around a spike of one endpoint; of all together if there is none."""
    if not found:
        rates = case.run(error_rate(case.requests, width_us, by=()))
        title = "No endpoint's error rate rose beyond chance"
        return charts.error_rate(rates, title=title, bucket_us=width_us, deploys=deploys)
    first = found[0]
    by_endpoint = case.run(error_rate(case.requests, width_us))
    mine = (by_endpoint["method"] == first.method) & (by_endpoint["route"] == first.route)
    alike = [spike for spike in found if (spike.method, spike.route) == (first.method, first.route)]
    marks = [mark(spike, f"{percent(spike.during.rate)}, {users_hit} users") for spike in alike]
    return charts.error_rate(
        by_endpoint[mine],
        title=charts.rate_title(
            endpoint(vars(first)), first.baseline.rate, first.during.rate, first.onset_us
        ),
        bucket_us=width_us,
        spikes=marks,
        deploys=deploys,
        others=pooled(by_endpoint[~mine]),
        subtitle=f"buckets of {milliseconds(width_us)}, band = 95 % Wilson interval",
    )


def mark(spike: Spike, text: str) -> SpikeMark:
    """What the chart draws of a spike."""
    return SpikeMark(
        baseline_rate=spike.baseline.rate,
        onset_us=spike.onset_us,
        onset_from=spike.onset_from,
        onset_by=spike.onset_by,
        end_us=spike.end_us,
        text=text,
    )


def pooled(rates: pd.DataFrame) -> pd.DataFrame | None:
    """All other endpoints as one rate a bucket; None if there are none."""
    if rates.empty:
        return None
    sums = rates.groupby("bucket_us", as_index=False)[["answered", "errors"]].sum()
    return sums.assign(error_rate=sums["errors"] / sums["answered"].where(sums["answered"] > 0))


def interleaving(case: Investigation, pair: Row, events: pd.DataFrame, window: pd.DataFrame) -> Chart:
    """One pair of duplicates, lane by lane."""
    lanes = lanes_of(case, pair, events)
    opened = window[
        (window["was_open"] == "yes") & window["opens_by"].notna() & window["closes_from"].notna()
    ]
    stretch = (int(opened.iloc[0]["opens_by"]), int(opened.iloc[0]["closes_from"])) if len(opened) else None
    about = said_name(pair["entity"])
    if stretch is not None:
        width = milliseconds(stretch[1] - stretch[0])
        title = (
            f"Both requests had read {said_name(opened.iloc[0]['table_name'])} {width} before either wrote it"
        )
    else:
        words = {"sure": "surely overlapped", "possible": "overlap undecided", "none": "did not overlap"}
        gap = milliseconds(float(pair["gap_us"]))
        title = f"Two requests for {about}, {gap} apart: {words[str(pair['overlap'])]}"
    known = lanes[["starts_from", "stamp_us"]].bfill(axis=1).iloc[:, 0]
    return charts.interleaving(
        with_plain_errors(events),
        lanes,
        title=title,
        zero_us=int(known.min()),
        window=stretch,
        verdict="overlap undecided" if pair["overlap"] == "possible" else "",
    )


def with_plain_errors(events: pd.DataFrame) -> pd.DataFrame:
    """The events, a failed statement labelled by what went wrong."""
    failed = (events["kind"] == "error") & events["table_name"].notna()
    words = events["sqlstate"].map(IN_WORDS).fillna(events["label"] + " failed")
    return events.assign(label=events["label"].where(~failed, words))


def lanes_of(case: Investigation, pair: Row, events: pd.DataFrame) -> pd.DataFrame:
    """The two requests of a pair as lanes: where they stand in the logs, and how they ended."""
    order = [int(pair["first_record"]), int(pair["second_record"])]
    requests = case.table("requests")
    lanes = case.run(requests.filter(requests.record_id.isin(order))).set_index("record_id").loc[order]
    lanes = lanes.reset_index().rename(columns={"record_id": "lane", "user_id": "user"})
    lanes["place"] = [short(place) for place in case.places(lanes["lane"])]
    errors = events[(events["kind"] == "error") & events["table_name"].isna()]
    raised = dict(zip(errors["lane"], errors.to_dict("records"), strict=True))
    lanes["outcome"] = [outcome(case, raised.get(lane)) for lane in lanes["lane"]]
    return lanes


def outcome(case: Investigation, error: Mapping[Any, Any] | None) -> str:
    """The exception that ended a request and where it stands, if one did."""
    if error is None:
        return ""
    place = short(case.places([int(error["record_id"])])[0])
    return f"{str(error['label']).rpartition('.')[2]} · {place}"


def short(place: tuple[str, int]) -> str:
    """`access.log:18311`."""
    return f"{COMPRESSED.sub('', place[0].rpartition('/')[2])}:{place[1]}"


def exposure(row: Row) -> Chart:
    """How often an endpoint's requests failed, by what they were exposed to."""
    groups = []
    for name, label in (("overlapping", "overlapped a duplicate"), ("single", "met no other")):
        failures = int(row[f"{name}_failed"])
        requests = failures + int(row[f"{name}_passed"])
        low, high = wilson(failures, requests)
        groups.append({"label": label, "requests": requests, "failures": failures, "low": low, "high": high})
    times = f"{float(row['risk_ratio']):.0f} times"
    title = f"{endpoint(row)} fails {times} as often where duplicates overlap"
    return charts.exposure(
        pd.DataFrame(groups), title=title, subtitle="share of requests answered 5xx, 95 % Wilson interval"
    )


def event_table(case: Investigation, pair: Row, events: pd.DataFrame) -> pd.DataFrame:
    """The events of a pair for people: milliseconds after the first, which request, what, where it stands."""
    zero = events["from_us"].min()
    lanes = {int(pair["first_record"]): "first", int(pair["second_record"]): "second"}
    return pd.DataFrame(
        {
            "from_ms": (events["from_us"] - zero) / 1000,
            "by_ms": (events["by_us"] - zero) / 1000,
            "request": events["lane"].map(lanes),
            "kind": events["kind"],
            "what": events["detail"],
            "sqlstate": events["sqlstate"],
            "place": ["{}:{}".format(*place) for place in case.places(events["record_id"])],
        }
    )
