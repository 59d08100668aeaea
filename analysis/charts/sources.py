"""Which source covers which time: a bar a source, its gaps, the case's window and the deploys."""

from typing import Any, Final

import pandas as pd
from matplotlib.axes import Axes

from analysis.charts.rates import draw_deploys
from analysis.charts.spans import milliseconds, words
from analysis.charts.style import (
    GRID,
    INK,
    MARGIN,
    MUTED,
    SMALL,
    WIDTH,
    WINDOW,
    WINDOW_INK,
    Chart,
    blank,
    sheet,
    style,
)
from analysis.charts.text import fitted
from analysis.charts.times import clock, time_axis

LEFT: Final = 2.45
RIGHT: Final = 2.0
PLOT: Final = WIDTH - LEFT - RIGHT
ROW_IN: Final = 0.42
BAR_IN: Final = 0.2
HEAD_IN: Final = 0.52  # deploys are named here
FOOT_IN: Final = 0.8

COVERED: Final = "#7F93A8"


def coverage(
    sources: pd.DataFrame,
    *,
    title: str,
    window: tuple[int, int] | None = None,
    gaps: pd.DataFrame | None = None,
    deploys: pd.DataFrame | None = None,
    subtitle: str = "",
) -> Chart:
    """The time from the first to the last record of each source.

    In:  sources, one row a source from the top: source_id, path, kind, clock, records, quarantined, resolution_us,
         first_at, last_at (NaT where no record carries a stamp); window: the case's, in µs since the epoch;
         gaps: source_id, from_us, by_us where a source is silent for too long; deploys: deployed_us, version
    """
    if sources.empty:
        return blank(title, "no sources")
    rows = sources.to_dict("records")
    bounds = [bound for row in rows for bound in (instant_us(row["first_at"]), instant_us(row["last_at"]))]
    known = [*(us for us in bounds if us is not None), *(window or ())] or [0]
    margin = max((max(known) - min(known)) // 50, 1_000_000)
    height = ROW_IN * len(rows) + 0.08
    head = HEAD_IN if deploys is not None and len(deploys) else 0.1
    with style():
        chart, top = sheet(title, subtitle, head + height + FOOT_IN)
        axes = chart.panel(LEFT, top + head, PLOT, height)
        axes.set_ylim(height, 0)
        axes.set_yticks([])
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x", color=GRID)
        time_axis(axes, min(known) - margin, max(known) + margin)
        if window is not None:
            draw_window(chart, axes, window, top + head + height)
        for index, row in enumerate(rows):
            y = 0.04 + ROW_IN * (index + 0.5)
            draw_source(axes, row, y, gaps)
            write_source(chart, row, top + head + y)
        if deploys is not None:
            draw_deploys(chart, (axes,), deploys, top + head)
    return chart


def instant_us(moment: object) -> int | None:
    """A naive UTC timestamp as µs since the epoch."""
    return None if pd.isna(moment) else pd.Timestamp(moment).value // 1000  # type: ignore[call-overload,arg-type]


def draw_source(axes: Axes, row: dict[Any, Any], y: float, gaps: pd.DataFrame | None) -> None:
    """The source's bar, broken where it is silent; at least as wide as a hair, so that one record shows."""
    first, last = instant_us(row["first_at"]), instant_us(row["last_at"])
    if first is None or last is None:
        return
    look: dict[str, Any] = {"facecolor": COVERED, "edgecolor": COVERED, "lw": 1.2, "gid": "source"}
    axes.broken_barh([(first, last - first)], (y - BAR_IN / 2, BAR_IN), **look)
    if gaps is None:
        return
    for gap in gaps[gaps["source_id"] == row["source_id"]].to_dict("records"):
        stretch = (int(gap["from_us"]), int(gap["by_us"]) - int(gap["from_us"]))
        silent: dict[str, Any] = {
            "facecolor": "white",
            "edgecolor": COVERED,
            "hatch": "/////",
            "lw": 0.6,
            "gid": "gap",
        }
        axes.broken_barh([stretch], (y - BAR_IN / 2, BAR_IN), **silent)


def write_source(chart: Chart, row: dict[Any, Any], y: float) -> None:
    """Left the path and the clock, right how much was read and how fine its stamps are."""
    room = LEFT - 0.14 - MARGIN
    look: dict[str, Any] = {"size": SMALL, "va": "bottom", "weight": "bold"}
    chart.write(LEFT - 0.14, y + 0.01, fitted(words(row["path"]), room, SMALL, bold=True), ha="right", **look)
    clock_name = words(row.get("clock"))
    kind = " · ".join(filter(None, (words(row.get("kind")), clock_name and f"clock {clock_name}")))
    chart.write(
        LEFT - 0.14, y + 0.03, fitted(kind, room, SMALL), ha="right", size=SMALL, color=MUTED, va="top"
    )
    x = WIDTH - RIGHT + 0.14
    chart.write(x, y + 0.01, f"{int(row['records']):,} records", size=SMALL, va="bottom")
    step = "no stamps" if pd.isna(row["first_at"]) else f"to {milliseconds(int(row['resolution_us']))}"
    rejected = f" · {int(row['quarantined']):,} rejected" if row.get("quarantined") else ""
    chart.write(x, y + 0.03, step + rejected, size=SMALL, color=MUTED, va="top")


def draw_window(chart: Chart, axes: Axes, window: tuple[int, int], y: float) -> None:
    """The case's own window, shaded and named below the axis."""
    axes.axvspan(*window, color=WINDOW, lw=0, zorder=0, gid="window")
    text = f"window of the case {clock(window[0])} to {clock(window[1])}"
    chart.swatch(LEFT, y + 0.6, 0.2, 0.11, facecolor=WINDOW, edgecolor=WINDOW_INK, lw=0.6)
    chart.write(LEFT + 0.28, y + 0.71, fitted(text, PLOT, SMALL), size=SMALL, color=INK)
