"""A time axis in UTC that fits its span, from seconds to years."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from matplotlib.axes import Axes
from matplotlib.ticker import FixedFormatter, FixedLocator

from analysis.charts.style import MUTED, SMALL

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

STEPS: Final = (
    *(n * SECOND for n in (1, 2, 5, 10, 15, 30)),
    *(n * MINUTE for n in (1, 2, 5, 10, 15, 30)),
    *(n * HOUR for n in (1, 2, 3, 6, 12)),
    *(n * DAY for n in (1, 2, 7, 14, 28)),
)

MOST_TICKS: Final = 8
MOST_DATED_TICKS: Final = 5
"""A tick that says the year is twice as wide as the others."""


def instant(us: int) -> datetime:
    """µs since the epoch as a UTC datetime."""
    return EPOCH + timedelta(microseconds=int(us))


def clock(us: int, digits: int = 0) -> str:
    """`15:47:23`, with `digits` decimals of the second (0 to 6), truncated."""
    moment = instant(us)
    return f"{moment:%H:%M:%S}" + (f".{moment:%f}"[: digits + 1] if digits else "")


def step_for(span_us: int, most: int) -> int:
    """Distance between ticks in µs, so that a span has at most `most` of them."""
    return next(
        (step for step in STEPS if span_us <= step * most), STEPS[-1] * -(-span_us // (STEPS[-1] * most))
    )


def ticks(from_us: int, by_us: int) -> list[tuple[int, str]]:
    """Round instants in a span and how each is written: HH:MM, HH:MM:SS where the step asks for it, days by date.

    A tick at midnight says the date, with the year where the ticks are more than four weeks apart.
    """
    span = max(by_us - from_us, SECOND)
    step = step_for(span, MOST_TICKS)
    if step > STEPS[-1]:
        step = step_for(span, MOST_DATED_TICKS)
    first = -(-from_us // step) * step
    return [(us, tick_text(us, step)) for us in range(first, by_us + 1, step)]


def tick_text(us: int, step: int) -> str:
    """How a tick is written on an axis with this step."""
    moment = instant(us)
    if us % DAY == 0:
        return f"{moment:%Y-%m-%d}" if step > STEPS[-1] else f"{moment:%m-%d}"
    return f"{moment:%H:%M:%S}" if step < MINUTE else f"{moment:%H:%M}"


def day_text(from_us: int, by_us: int) -> str:
    """`2026-03-11 UTC`, or both days of a span."""
    first, last = f"{instant(from_us):%Y-%m-%d}", f"{instant(by_us):%Y-%m-%d}"
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"


def time_axis(axes: Axes, from_us: int, by_us: int, labelled: bool = True) -> None:
    """Give `axes`, whose x is µs since the epoch, a time scale over a span."""
    axes.set_xlim(from_us, by_us)
    marks: Sequence[tuple[int, str]] = ticks(from_us, by_us)
    axes.xaxis.set_major_locator(FixedLocator([us for us, _ in marks]))
    axes.xaxis.set_major_formatter(FixedFormatter([text if labelled else "" for _, text in marks]))
    if labelled:
        axes.set_xlabel(day_text(from_us, by_us), size=SMALL, color=MUTED)
