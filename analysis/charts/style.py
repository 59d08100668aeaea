"""Colours, type sizes and the sheet that every chart is drawn on.

Lengths are inches from the top left corner of the sheet, so that a layout can be computed before anything is drawn.
Nothing here touches pyplot or the global settings.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

from analysis.charts.text import FONT, fitted, visible, wrapped

# Okabe & Ito's palette (2008) where it has the hue: told apart under the common colour-blindnesses.
PASSED: Final = "#0072B2"
FAILED: Final = "#D55E00"
REFUSED: Final = "#5B6470"  # 3xx needs no colour of its own, 4xx is neither a pass nor a failure
DEPLOY: Final = "#7B3294"
WINDOW: Final = "#FDF3D8"
WINDOW_INK: Final = "#7A5C00"
INK: Final = "#1B1F24"
MUTED: Final = "#5B6470"
GRID: Final = "#E5E7EB"
TRAFFIC: Final = "#CBD5E1"

SMALL: Final = 9.0
NORMAL: Final = 10.0
LARGE: Final = 13.0
LINE_IN: Final = 1.25 / 72  # height of a line of text, inches a point

BEHIND: Final[dict[str, Any]] = {"facecolor": "white", "alpha": 0.8, "lw": 0, "pad": 0.8}  # text over lines

WIDTH: Final = 10.0
MARGIN: Final = 0.12

SETTINGS: Final[dict[Any, Any]] = {
    "font.family": FONT,
    "font.size": NORMAL,
    "text.parse_math": False,  # a `$` in a log line is a dollar
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "axes.unicode_minus": True,
    "hatch.linewidth": 0.8,
    "text.hinting": "none",  # Agg then sets text as wide as SVG and the layout do
    "svg.fonttype": "path",  # the layout was measured with this very font
    "svg.hashsalt": "race-forensics",
    "path.simplify": True,
}


@contextmanager
def style() -> Iterator[None]:
    """The kit's settings for as long as the block lasts, on top of matplotlib's own defaults."""
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(SETTINGS)
        yield


class Chart(Figure):
    """A figure that a notebook shows as the same SVG bytes each time, measured in inches from its top left."""

    def draw(self, renderer: RendererBase) -> None:
        """Draw in the kit's settings whatever the caller's are: some are looked up only now."""
        with style():
            super().draw(renderer)

    def write(self, x: float, y: float, text: str, **look: Any) -> Text:
        """Text whose anchor is at (x, y). Never parsed as mathematics; control characters are shown escaped."""
        width, height = self.get_size_inches()
        lines = "\n".join(visible(line) for line in text.split("\n"))
        return self.text(x / width, 1 - y / height, lines, parse_math=False, **look)

    def panel(self, x: float, y: float, width: float, height: float) -> Axes:
        """Axes with their top left corner at (x, y), a frame only where a scale is."""
        sheet_width, sheet_height = self.get_size_inches()
        box = (x / sheet_width, 1 - (y + height) / sheet_height, width / sheet_width, height / sheet_height)
        axes = self.add_axes(box)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=SMALL, colors=MUTED, length=3)
        axes.set_axisbelow(True)
        axes.patch.set_visible(False)
        return axes

    def swatch(self, x: float, y: float, width: float, height: float, **look: Any) -> None:
        """A small rectangle with its top left corner at (x, y), for a key."""
        wide, high = self.get_size_inches()
        box = Rectangle((x / wide, 1 - (y + height) / high), width / wide, height / high, **look)
        self.add_artist(box)

    def leader(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """A thin line from a label to what it names."""
        width, height = self.get_size_inches()
        line = Line2D(
            [x / width for x, _ in points], [1 - y / height for _, y in points], color=colour, lw=0.7
        )
        line.set_gid("leader")
        self.add_artist(line)

    def _repr_svg_(self) -> str:
        return to_svg(self)


def to_svg(figure: Figure) -> str:
    """The figure as SVG, the same text each time: no date, no creator's version, ids from a fixed salt."""
    target = io.StringIO()
    metadata: dict[str, str | None] = {"Date": None, "Creator": None}
    if figure.get_label():
        metadata["Title"] = str(figure.get_label())
    with style():
        figure.savefig(target, format="svg", metadata=metadata)
    return target.getvalue()


def sheet(title: str, subtitle: str, body_in: float, width_in: float = WIDTH) -> tuple[Chart, float]:
    """A chart with its heading written, and the y at which the body of `body_in` inches starts.

    The title is the chart's label, too: SVG's title and a reader's alt text.
    """
    usable = width_in - 2 * MARGIN
    lines = wrapped(title, usable, LARGE, bold=True, most=2)
    title_in = len(lines) * LARGE * LINE_IN
    subtitle_in = (SMALL + 3) * LINE_IN if subtitle else 0.0
    top = MARGIN + title_in + subtitle_in + 0.1
    chart = Chart(figsize=(width_in, top + body_in), dpi=100, facecolor="white")
    chart.set_label(visible(title))
    chart.write(MARGIN, MARGIN, "\n".join(lines), size=LARGE, weight="bold", va="top", linespacing=1.15)
    if subtitle:
        line = fitted(subtitle, usable, SMALL)
        chart.write(MARGIN, MARGIN + title_in + 0.02, line, size=SMALL, color=MUTED, va="top")
    return chart, top


def blank(title: str, text: str) -> Chart:
    """A chart of nothing: the heading, and what there is none of."""
    with style():
        chart, top = sheet(title, "", 0.5)
        chart.write(MARGIN, top + 0.1, text, size=NORMAL, color=MUTED, va="top")
    return chart


def colour_of(status: int | None) -> str:
    """Colour of a request by how it ended: passed, refused (4xx) or failed (5xx)."""
    if status is None:
        return MUTED
    if status >= 500:
        return FAILED
    return REFUSED if status >= 400 else PASSED
