"""Charts for a post-mortem: DataFrame in, figure out, units on the axes, no queries inside."""

from analysis.charts.lanes import interleaving
from analysis.charts.pairs import exposure, gaps
from analysis.charts.rates import SpikeMark, error_rate, rate_title
from analysis.charts.sources import coverage
from analysis.charts.style import Chart, style, to_svg

__all__ = [
    "Chart",
    "SpikeMark",
    "coverage",
    "error_rate",
    "exposure",
    "gaps",
    "interleaving",
    "rate_title",
    "style",
    "to_svg",
]
