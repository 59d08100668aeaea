"""Duplicates: how far apart they came, which of them failed, and whether overlapping ones fail more than others."""

from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from analysis.charts.rates import percent
from analysis.charts.spans import milliseconds
from analysis.charts.style import (
    FAILED,
    GRID,
    INK,
    LINE_IN,
    MARGIN,
    MUTED,
    PASSED,
    SMALL,
    WIDTH,
    Chart,
    blank,
    sheet,
    style,
)
from analysis.charts.text import fitted

LEFT: Final = 1.5
RIGHT: Final = 1.9
PLOT: Final = WIDTH - LEFT - RIGHT
HISTOGRAM_IN: Final = 1.0
RUG_IN: Final = 0.5
BETWEEN_IN: Final = 0.2
FOOT_IN: Final = 0.55
PER_DECADE: Final = 8  # bins
STRIP_PER_DECADE: Final = 160  # places a tick may stand at: closer ones could not be told apart

OVERLAPS: Final = ("sure", "possible", "none")
LOWEST_US: Final = 100  # gaps below, zero included, stand in the first bin


def gaps(pairs: pd.DataFrame, *, title: str, subtitle: str = "") -> Chart:
    """Gaps of all duplicates on a logarithmic axis, failing and passing pairs apart, by overlap.

    In:  pairs: gap_us, overlap ("sure", "possible", "none"), first_status, second_status
    """
    pairs = pairs[pairs["gap_us"].notna()]
    if pairs.empty:
        return blank(title, "no duplicates")
    gap_ms = np.maximum(pairs["gap_us"].astype(float).to_numpy(), LOWEST_US) / 1000
    failed = (pairs[["first_status", "second_status"]].fillna(0) >= 500).any(axis=1).to_numpy()
    overlap = pairs["overlap"].to_numpy()
    bins = log_bins(gap_ms)
    with style():
        body = 2 * (HISTOGRAM_IN + RUG_IN) + BETWEEN_IN + FOOT_IN
        chart, top = sheet(title, subtitle, body)
        for row, (name, chosen, colour) in enumerate(
            (("failed", failed, FAILED), ("passed", ~failed, PASSED))
        ):
            y = top + row * (HISTOGRAM_IN + RUG_IN + BETWEEN_IN)
            bars = chart.panel(LEFT, y, PLOT, HISTOGRAM_IN)
            rug = chart.panel(LEFT, y + HISTOGRAM_IN, PLOT, RUG_IN)
            draw_histogram(bars, gap_ms[chosen], overlap[chosen], bins, colour)
            draw_rug(rug, gap_ms[chosen], overlap[chosen], colour)
            for axes in (bars, rug):
                gap_axis(axes, bins, labelled=axes is rug and row == 1)
            write_counts(chart, name, overlap[chosen], colour, y)
        rug.set_xlabel("gap between the two requests", size=SMALL)
    return chart


def log_bins(gap_ms: "np.ndarray[Any, np.dtype[np.float64]]") -> "np.ndarray[Any, np.dtype[np.float64]]":
    """Edges of equal bins in log10, whole decades around the data, at least one."""
    low = np.floor(np.log10(gap_ms.min(initial=1.0)))
    high = max(np.ceil(np.log10(gap_ms.max(initial=1.0) * 1.0001)), low + 1)
    return np.logspace(low, high, int(high - low) * PER_DECADE + 1)


def look_of(overlap: str, colour: str) -> dict[str, Any]:
    """Full where the overlap is sure, hatched where possible, empty where there was none."""
    fills = {"sure": (colour, None), "possible": ("white", "/////")}
    face, hatch = fills.get(overlap, ("white", None))
    return {"facecolor": face, "hatch": hatch, "edgecolor": colour, "lw": 0.8}


def draw_histogram(axes: Axes, gap_ms: Any, overlap: Any, bins: Any, colour: str) -> None:
    """Pairs a bin, stacked by overlap."""
    floor = np.zeros(len(bins) - 1)
    for kind in OVERLAPS:
        counts = np.histogram(gap_ms[overlap == kind], bins)[0]
        drawn = counts > 0
        axes.bar(
            bins[:-1][drawn],
            counts[drawn],
            np.diff(bins)[drawn],
            floor[drawn],
            align="edge",
            gid=f"bars-{kind}",
            **look_of(kind, colour),
        )
        floor += counts
    axes.set_ylim(0, max(1.15 * floor.max(), 1.0))
    axes.set_ylabel("pairs", size=SMALL, color=INK)
    axes.locator_params(axis="y", nbins=3, integer=True)
    axes.grid(axis="y", color=GRID)


def draw_rug(axes: Axes, gap_ms: Any, overlap: Any, colour: str) -> None:
    """A tick a pair, a line each for sure, possible and no overlap."""
    axes.set_ylim(len(OVERLAPS), 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    for row, kind in enumerate(OVERLAPS):
        places = np.unique(np.round(np.log10(gap_ms[overlap == kind]) * STRIP_PER_DECADE))
        axes.vlines(
            10 ** (places / STRIP_PER_DECADE), row + 0.15, row + 0.85, color=colour, lw=0.9, gid=f"rug-{kind}"
        )


def gap_axis(axes: Axes, bins: Any, labelled: bool) -> None:
    """A logarithmic axis with a tick a decade, in words: `1 ms`, `1 s`."""
    axes.set_xscale("log")
    axes.set_xlim(bins[0], bins[-1])
    decades = bins[::PER_DECADE]
    axes.xaxis.set_major_locator(FixedLocator(list(decades)))
    axes.xaxis.set_minor_locator(FixedLocator([]))
    texts = [milliseconds(round(ms * 1000)) for ms in decades] if labelled else [""] * len(decades)
    axes.xaxis.set_major_formatter(FixedFormatter(texts))


def write_counts(chart: Chart, name: str, overlap: Any, colour: str, y: float) -> None:
    """Left what the row shows and how many; right how many of them overlapped, with the fill that says so."""
    counts = {kind: int((overlap == kind).sum()) for kind in OVERLAPS}
    total = sum(counts.values())
    chart.write(MARGIN, y + 0.3, f"{'✕' if name == 'failed' else '✓'} {name}", weight="bold", color=colour)
    chart.write(
        MARGIN,
        y + 0.3 + SMALL * LINE_IN,
        f"{total:,} pair{'' if total == 1 else 's'}",
        size=SMALL,
        color=MUTED,
    )
    words = {"sure": "overlap sure", "possible": "overlap possible", "none": "no overlap"}
    x = WIDTH - RIGHT + 0.15
    for row, kind in enumerate(OVERLAPS):
        line = y + HISTOGRAM_IN + RUG_IN * (row + 0.5) / len(OVERLAPS)
        chart.swatch(x, line - 0.055, 0.2, 0.11, **look_of(kind, colour))
        chart.write(
            x + 0.28, line, f"{words[kind]}: {counts[kind]:,}", size=SMALL, color=INK, va="center_baseline"
        )


def exposure(table: pd.DataFrame, *, title: str, subtitle: str = "") -> Chart:
    """Failure rate of each group with its interval: a dot, a whisker and the counts.

    In:  table, one row a group from the top: label, requests, failures, low, high (0..1, NaN where there are none)
    """
    if table.empty:
        return blank(title, "no requests")
    row_in, left, right = 0.42, 2.4, 1.9
    height = row_in * len(table) + 0.1
    with style():
        chart, top = sheet(title, subtitle, height + FOOT_IN)
        axes = chart.panel(left, top, WIDTH - left - right, height)
        axes.set_ylim(height / row_in, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=GRID)
        highest = float(np.nanmax(table[["high"]].to_numpy(dtype=float), initial=0.0))
        axes.set_xlim(0, min(max(118 * highest, 1.0), 104.0))
        axes.set_xlabel("requests that failed (5xx), % · whisker = 95 % interval", size=SMALL)
        for index, row in enumerate(table.to_dict("records")):
            draw_group(axes, row, index + 0.5)
            y = top + row_in * (index + 0.5)
            name = fitted(str(row["label"]), left - MARGIN - 0.15, SMALL + 1, bold=True)
            chart.write(left - 0.15, y, name, size=SMALL + 1, weight="bold", ha="right", va="center")
            counts = f"{int(row['failures']):,} of {int(row['requests']):,}"
            rate = (
                "no requests"
                if not row["requests"]
                else f"{percent(row['failures'] / row['requests'])} · {counts}"
            )
            chart.write(WIDTH - right + 0.12, y, rate, size=SMALL, va="center")
    return chart


def draw_group(axes: Axes, row: dict[Any, Any], y: float) -> None:
    """One group's dot and whisker; nothing where there were no requests."""
    if not row["requests"]:
        return
    colour = FAILED if row["failures"] else PASSED
    axes.plot(
        [100 * row["low"], 100 * row["high"]], [y] * 2, color=colour, lw=2, marker="|", ms=9, gid="whisker"
    )
    rate = 100 * row["failures"] / row["requests"]
    axes.plot(
        [rate],
        [y],
        color=colour,
        marker="o",
        ms=9,
        mec="white",
        mew=1.2,
        ls="none",
        gid="rate",
        clip_on=False,
    )
