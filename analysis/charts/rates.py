"""The error rate over time, with its uncertainty, its baseline, the spike and the deploys."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from analysis.charts.layout import Row, Tag, row_of_labels, spread
from analysis.charts.style import (
    BEHIND,
    DEPLOY,
    FAILED,
    GRID,
    INK,
    LINE_IN,
    MARGIN,
    MUTED,
    NORMAL,
    SMALL,
    TRAFFIC,
    WIDTH,
    Chart,
    blank,
    sheet,
    style,
)
from analysis.charts.text import fitted
from analysis.charts.times import DAY, HOUR, MINUTE, SECOND, clock, time_axis

LEFT: Final = 0.75
RIGHT: Final = 1.15
STRIP_IN: Final = 0.52  # where deploys are named, above the plot; onset and end, below it
RATE_IN: Final = 2.5
TRAFFIC_IN: Final = 0.75
FOOT_IN: Final = 0.5
RATE_UNITS: Final = ((SECOND, "s"), (MINUTE, "min"), (HOUR, "h"), (DAY, "day"))


@dataclass(frozen=True)
class SpikeMark:
    """What to draw of a spike: instants in µs since the epoch, rates from 0 to 1.

    The onset lies in [onset_from, onset_by]. `end_us` None: it was still going on when the logs end.
    """

    baseline_rate: float
    onset_us: int
    onset_from: int
    onset_by: int
    end_us: int | None = None
    text: str = ""  # e.g. "15.3 %, 23 users"


def percent(rate: float) -> str:
    """A rate from 0 to 1 as a reader expects it: `0.2 %`, `15.3 %`, `100 %`, `<0.1 %`; its space does not break."""
    if 0 < rate < 0.001:
        return "<0.1\u00a0%"
    return f"{100 * rate:.{0 if rate in (0, 1) else 1}f}\u00a0%"


def rate_title(endpoint: str, before: float, during: float, onset_us: int) -> str:
    """The finding as a title: `Errors on POST /api/jobs/complete rose from 0.2 % to 15.3 % at 15:47`."""
    return f"Errors on {endpoint} rose from {percent(before)} to {percent(during)} at {clock(onset_us)[:5]}"


def error_rate(
    rates: pd.DataFrame,
    *,
    title: str,
    bucket_us: int,
    spikes: Sequence[SpikeMark] = (),
    deploys: pd.DataFrame | None = None,
    others: pd.DataFrame | None = None,
    subtitle: str = "",
) -> Chart:
    """Error rate as a step line in its Wilson band, requests a second below on the same time axis.

    In:  rates: bucket_us (start, µs since the epoch), requests, error_rate, low, high (0..1, NaN where there were
         no requests: the line breaks); bucket_us: width of a bucket; deploys: deployed_us, version;
         others: bucket_us, error_rate of all other endpoints, drawn faintly
    """
    if rates.empty:
        return blank(title, "no requests with a time")
    whole = regular(rates, bucket_us)
    edges = np.append(whole["bucket_us"].to_numpy(), whole["bucket_us"].iloc[-1] + bucket_us)
    from_us, by_us = int(edges[0]), int(edges[-1])
    wide = WIDTH - LEFT - RIGHT
    with style():
        chart, top = sheet(title, subtitle, STRIP_IN + RATE_IN + STRIP_IN + TRAFFIC_IN + FOOT_IN)
        upper = chart.panel(LEFT, top + STRIP_IN, wide, RATE_IN)
        lower = chart.panel(LEFT, top + STRIP_IN + RATE_IN + STRIP_IN, wide, TRAFFIC_IN)
        draw_rate(upper, whole, edges)
        if others is not None:
            draw_others(upper, regular(others, bucket_us), edges)
        draw_traffic(lower, whole, edges, bucket_us)
        for axes in (upper, lower):
            time_axis(axes, from_us, by_us, labelled=axes is lower)
        draw_spikes(chart, upper, spikes, top + STRIP_IN + RATE_IN)
        name_levels(chart, upper, top + STRIP_IN, spikes, others)
        if deploys is not None:
            draw_deploys(chart, (upper, lower), deploys, top + STRIP_IN)
    return chart


def regular(rates: pd.DataFrame, bucket_us: int) -> pd.DataFrame:
    """One row a bucket from the first to the last, missing ones with no requests."""
    known = rates.sort_values("bucket_us").set_index("bucket_us")
    grid = np.arange(int(known.index[0]), int(known.index[-1]) + bucket_us, bucket_us)
    return known.reindex(grid).rename_axis("bucket_us").reset_index()


def draw_rate(axes: Axes, rates: pd.DataFrame, edges: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> None:
    """The step line and its band, in per cent."""
    rate, low, high = (100 * rates[name].astype(float).to_numpy() for name in ("error_rate", "low", "high"))
    axes.stairs(high, edges, baseline=low, fill=True, color=FAILED, alpha=0.22, lw=0, gid="band")
    axes.stairs(rate, edges, baseline=None, color=FAILED, lw=1.8, gid="rate")
    highest = max(
        np.nanmax(rate, initial=0.0), min(np.nanmax(high, initial=0.0), 3 * np.nanmax(rate, initial=0.0))
    )
    axes.set_ylim(0, max(1.3 * float(highest), 1.0))
    axes.set_ylabel("5xx, % of requests", size=SMALL, color=INK)
    axes.grid(axis="y", color=GRID)
    axes.locator_params(axis="y", nbins=5)


def draw_others(
    axes: Axes, others: pd.DataFrame, edges: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> None:
    """The error rate of all other endpoints, faintly, in the buckets that are shown."""
    rate = others.set_index("bucket_us")["error_rate"].astype(float).reindex(edges[:-1])
    axes.stairs(100 * rate.to_numpy(), edges, baseline=None, color=MUTED, lw=1, ls=(0, (1, 1)), gid="others")


def draw_traffic(
    axes: Axes, rates: pd.DataFrame, edges: "np.ndarray[tuple[int], np.dtype[np.int64]]", bucket_us: int
) -> None:
    """Requests a second; where there are few, in a longer unit of time."""
    per_us = rates["requests"].astype(float).fillna(0).to_numpy() / bucket_us
    most = float(per_us.max(initial=0.0))
    unit, name = next(
        (each for each in RATE_UNITS if most * each[0] >= 1), RATE_UNITS[-1] if most else RATE_UNITS[0]
    )
    axes.stairs(per_us * unit, edges, fill=True, color=TRAFFIC, lw=0, gid="traffic")
    axes.set_ylim(0, max(1.15 * most * unit, 1e-9))
    axes.set_ylabel(f"requests/{name}", size=SMALL, color=INK)
    axes.locator_params(axis="y", nbins=2, steps=[1, 2, 5, 10])


def draw_spikes(chart: Chart, axes: Axes, spikes: Sequence[SpikeMark], y: float) -> None:
    """Shade each spike, mark its onset with its interval and its end, and name them below y (inches)."""
    from_us, by_us = axes.get_xlim()
    wide = WIDTH - LEFT - RIGHT
    tags = []
    for spike in spikes:
        end = by_us if spike.end_us is None else spike.end_us
        axes.axvspan(spike.onset_us, end, color=FAILED, alpha=0.07, lw=0, zorder=0, gid="spike")
        axes.axvspan(
            spike.onset_from, spike.onset_by, color=INK, alpha=0.18, lw=0, zorder=0.5, gid="onset-interval"
        )
        axes.axvline(spike.onset_us, color=INK, lw=1.1, gid="onset")
        tags.append(
            Tag(LEFT + (spike.onset_us - from_us) / (by_us - from_us) * wide, onset_words(spike), alone=True)
        )
        if spike.end_us is not None:
            axes.axvline(end, color=INK, lw=1.1, ls=(0, (4, 2)), gid="end")
            tags.append(
                Tag(LEFT + (end - from_us) / (by_us - from_us) * wide, f"end\n{clock(spike.end_us)}", True)
            )
    tags.sort(key=lambda tag: tag.x)
    name_spikes(axes, spikes)
    for named in row_of_labels(tags, Row(MARGIN, WIDTH - MARGIN, SMALL, several_marks, reach=1.5)):
        chart.write(named.x, y + 0.14, named.text, size=SMALL, ha="center", va="top", linespacing=1.1)
        chart.leader([(named.x, y + 0.13), (named.target, y)], INK)


def onset_words(spike: SpikeMark) -> str:
    """The onset and the interval it lies in, as fine as the interval is."""
    digits = 0 if spike.onset_by - spike.onset_from > 20 * SECOND else 1
    return (
        f"onset {clock(spike.onset_us, digits)}\n"
        f"({clock(spike.onset_from, digits)} to {clock(spike.onset_by, digits)})"
    )


def several_marks(texts: Sequence[str]) -> str:
    """Onsets and ends that stand together."""
    return texts[0] if len(texts) == 1 else f"{texts[0].split(chr(10))[0]}\nand {len(texts) - 1} more marks"


def name_spikes(axes: Axes, spikes: Sequence[SpikeMark]) -> None:
    """Each spike's own words at the top of the plot, over its middle."""
    from_us, by_us = axes.get_xlim()
    wide = WIDTH - LEFT - RIGHT
    middles = [(spike.onset_us + min(spike.end_us or by_us, by_us)) / 2 for spike in spikes]
    tags = [
        Tag((middle - from_us) / (by_us - from_us) * wide, spike.text)
        for middle, spike in sorted(zip(middles, spikes, strict=True), key=lambda pair: pair[0])
        if spike.text
    ]
    for named in row_of_labels(tags, Row(0, wide, NORMAL, " · ".join, reach=1.5, bold=True)):
        look: dict[str, Any] = {
            "color": FAILED,
            "weight": "bold",
            "size": NORMAL,
            "bbox": BEHIND,
            "zorder": 5,
        }
        axes.text(named.x / wide, 0.975, named.text, transform=axes.transAxes, ha="center", va="top", **look)


def name_levels(
    chart: Chart, axes: Axes, top: float, spikes: Sequence[SpikeMark], others: pd.DataFrame | None
) -> None:
    """The baseline as a dashed line; it and the faint line are named right of the plot, at their heights."""
    levels = []
    if spikes:
        base = 100 * spikes[0].baseline_rate
        axes.axhline(base, color=INK, lw=1.2, ls=(0, (4, 3)), gid="baseline")
        levels.append((base, f"baseline\n{percent(spikes[0].baseline_rate)}", INK))
    if others is not None and others["error_rate"].notna().any():
        last = 100 * float(others["error_rate"].dropna().iloc[-1])
        levels.append((last, "other\nendpoints", MUTED))
    levels.sort(key=lambda level: -level[0])
    highest = axes.get_ylim()[1]
    heights = [2 * SMALL * LINE_IN] * len(levels)
    centres = [top + RATE_IN * (1 - value / highest) for value, _, _ in levels]
    for y, (_, text, colour) in zip(spread(centres, heights, top, top + RATE_IN + 0.2), levels, strict=True):
        chart.write(WIDTH - RIGHT + 0.08, y, text, size=SMALL, color=colour, va="center", linespacing=1.1)


def deploy_words(texts: Sequence[str]) -> str:
    """Deploys that stand together: both versions, or their number; then the time, or the first and the last."""
    versions, times = zip(*(text.split("\n") for text in texts), strict=True)
    when = times[0] if times[0] == times[-1] else f"{times[0]}–{times[-1]}"
    if len(versions) == 1:
        return f"deploy {versions[0]}\n{when}"
    names = ", ".join(versions) if len(versions) == 2 else str(len(versions))
    return f"deploys {names}\n{when}" if len(versions) == 2 else f"{names} deploys\n{when}"


def draw_deploys(chart: Chart, panels: Sequence[Axes], deploys: pd.DataFrame, y: float) -> None:
    """A line a deploy through all panels; version and time above y (inches), led to where they stand close."""
    from_us, by_us = panels[0].get_xlim()
    box, width = panels[0].get_position(), chart.get_size_inches()[0]
    seen = deploys[deploys["deployed_us"].between(from_us, by_us)].sort_values("deployed_us", kind="stable")
    tags = []
    for us, version in zip(seen["deployed_us"].astype("int64"), seen["version"], strict=True):
        for axes in panels:
            axes.axvline(us, color=DEPLOY, lw=1.4 if len(seen) <= 4 else 0.7, zorder=1, gid="deploy")
        name = fitted("" if pd.isna(version) else str(version), 1.6, SMALL)
        tags.append(
            Tag((box.x0 + (us - from_us) / (by_us - from_us) * box.width) * width, f"{name}\n{clock(us)}")
        )
    for named in row_of_labels(tags, Row(MARGIN, width - MARGIN, SMALL, deploy_words, reach=0.9)):
        chart.write(
            named.x, y - 0.14, named.text, size=SMALL, color=DEPLOY, ha="center", va="bottom", linespacing=1.1
        )
        chart.leader([(named.x, y - 0.13), (named.target, y)], DEPLOY)
