"""The ground an interleaving is drawn on: x in ms after an instant, y in inches from the top of the lanes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator

from analysis.charts.spans import MS
from analysis.charts.style import GRID, SMALL, WIDTH, Chart

LEFT: Final = 2.45
RIGHT: Final = 2.0
PLOT: Final = WIDTH - LEFT - RIGHT
LANE_IN: Final = 1.1
BAR_TOP: Final = 0.5  # within a lane: labels above the bar, notes below it
BAR_IN: Final = 0.32
WINDOW_IN: Final = 0.38  # where the shaded window is named, above the lanes
GAP_IN: Final = 0.36  # where the gap between the starts is drawn, below them
FOOT_IN: Final = 0.84


@dataclass(frozen=True)
class Stage:
    """Chart, axes and scale. `top` is the y in inches of the chart at which the axes' y is 0."""

    chart: Chart
    axes: Axes
    top: float
    first_us: int
    last_us: int
    zero_us: int

    def ms(self, us: float) -> float:
        """An instant in the axes' own unit."""
        return (us - self.zero_us) / MS

    def inch(self, us: float) -> float:
        """An instant in inches from the left of the sheet, kept within the axes."""
        share = (us - self.first_us) / (self.last_us - self.first_us)
        return LEFT + min(max(share, 0.0), 1.0) * PLOT

    def us(self, inches: float) -> float:
        """How many µs are as wide as `inches`."""
        return inches / PLOT * (self.last_us - self.first_us)

    def box(self, from_us: float, by_us: float, y: float, height: float, **look: Any) -> Rectangle:
        """A rectangle between two instants, `height` inches high from y down."""
        shape = Rectangle((self.ms(from_us), y), self.ms(by_us) - self.ms(from_us), height, **look)
        self.axes.add_patch(shape)
        return shape

    def lead(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """A leader line through points given as in `write`."""
        self.chart.leader([(x, self.top + y) for x, y in points], colour)

    def write(self, x: float, y: float, text: str, **look: Any) -> None:
        """Text at x inches from the left of the sheet, y inches from the top of the lanes."""
        self.chart.write(x, self.top + y, text, **look)


def staged(chart: Chart, top: float, height: float, seen: tuple[int, int], zero_us: int) -> Stage:
    """Empty axes, `height` inches high, over the time `seen` (µs)."""
    axes = chart.panel(LEFT, top, PLOT, height)
    axes.set_xlim((seen[0] - zero_us) / MS, (seen[1] - zero_us) / MS)
    axes.set_ylim(height, 0)
    axes.set_yticks([])
    axes.spines["left"].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda ms, _: f"{ms:,.10g}".replace("-", "−")))
    axes.tick_params(labelsize=SMALL)
    axes.grid(axis="x", color=GRID)
    return Stage(chart, axes, top, seen[0], seen[1], zero_us)
