"""The interleaving: a millisecond axis, one lane a request, what each did and when, as surely as the logs know it."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.charts.marks import draw_key, draw_marks, draw_waits
from analysis.charts.spans import (
    Event,
    Lane,
    Span,
    events_of,
    extent,
    gap_text,
    is_sharp,
    is_vague,
    lanes_of,
    milliseconds,
    spans,
    view,
    words,
)
from analysis.charts.stage import (
    BAR_IN,
    BAR_TOP,
    FOOT_IN,
    GAP_IN,
    LANE_IN,
    LEFT,
    PLOT,
    RIGHT,
    WINDOW_IN,
    Stage,
    staged,
)
from analysis.charts.style import (
    BEHIND,
    INK,
    MARGIN,
    MUTED,
    NORMAL,
    SMALL,
    WIDTH,
    WINDOW,
    WINDOW_INK,
    Chart,
    blank,
    colour_of,
    sheet,
    style,
)
from analysis.charts.text import fitted, width_of
from analysis.charts.times import clock

OPEN_IN = 0.85  # how far an end that no log shows is drawn
FADES = 8


def interleaving(
    events: pd.DataFrame,
    requests: pd.DataFrame,
    *,
    title: str,
    zero_us: int,
    window: tuple[int, int] | None = None,
    window_text: str = "both have read,\nneither has written",
    subtitle: str = "",
    verdict: str = "",
    axis: str = "",
) -> Chart:
    """Requests side by side on one millisecond axis, with what each of them did.

    In:  events: lane, kind, from_us, by_us (bounds; of a wait: beginning and end), label
         requests, one row a lane from the top: lane, method, path, status, starts_from, starts_by, ends_from,
         ends_by, stamp_us (NULL where the logs do not say), process, place, outcome, user, entity
         zero_us: the instant the axis counts from; window: a dangerous stretch in µs, shaded and named;
         verdict: what can be said of the order, e.g. "overlap undecided"
         axis: what the axis counts instead, where 1,000 µs stand for one of something else
    """
    lanes = lanes_of(requests)
    if not lanes:
        return blank(title, "no requests to compare")
    happened = [event for event in events_of(events) if event.lane in {lane.lane for lane in lanes}]
    head_in = WINDOW_IN if window else 0.0
    lanes_in = head_in + LANE_IN * len(lanes)
    drawable = {event for event in happened if is_sharp(event, *extent(lanes))}
    with style():
        chart, top = sheet(title, subtitle, lanes_in + GAP_IN + FOOT_IN)
        stage = staged(chart, top, lanes_in + GAP_IN, view(lanes, drawable), zero_us)
        if window is not None:
            draw_window(stage, window, window_text, lanes_in)
        draw_lanes(stage, lanes, happened, drawable, head_in + BAR_TOP)
        if not axis:
            draw_gap(stage, lanes, lanes_in, verdict)
        write_foot(stage, requests, lanes_in + GAP_IN, axis)
        draw_key(stage, drawable, any(map(has_vague_end, lanes)))
    return chart


def has_vague_end(lane: Lane) -> bool:
    """Whether a part of the lane's bar is hatched."""
    return any(span.known == "unsure" and span.by_us > span.from_us for span in spans(lane))


def draw_lanes(
    stage: Stage, lanes: Sequence[Lane], happened: Sequence[Event], drawable: set[Event], first_y: float
) -> None:
    """One lane below the other; what has no place on the axis is written below its bar."""
    for row, lane in enumerate(lanes):
        mine = [event for event in happened if event.lane == lane.lane]
        notes = [note_on(event, extent(lanes)) for event in mine if event not in drawable]
        shown = [event for event in mine if event in drawable]
        draw_lane(stage, lane, shown, notes, first_y + LANE_IN * row)


def draw_lane(stage: Stage, lane: Lane, events: Sequence[Event], notes: Sequence[str], y: float) -> None:
    """A request's bar with its top at y, what it did, and what stands beside and below."""
    draw_bar(stage, lane, y)
    write_sides(stage, lane, y + BAR_IN / 2)
    draw_marks(stage, events, lane, y)
    draw_waits(stage, events, lane, y, notes)


def draw_window(stage: Stage, window: tuple[int, int], text: str, lanes_in: float) -> None:
    """The dangerous stretch over all lanes, named above them."""
    stage.box(*window, WINDOW_IN, lanes_in - WINDOW_IN, facecolor=WINDOW, lw=0, zorder=0, gid="window")
    edges: dict[str, Any] = {"color": WINDOW_INK, "lw": 0.8, "ls": (0, (2, 2)), "zorder": 0.1}
    for us in window:
        stage.axes.plot([stage.ms(us)] * 2, [WINDOW_IN, lanes_in], gid="window-edge", **edges)
    lines = [fitted(line, PLOT, SMALL) for line in text.split("\n")]
    half = max(width_of(line, SMALL) for line in lines) / 2
    centre = (stage.inch(window[0]) + stage.inch(window[1])) / 2
    x = min(max(centre, LEFT + half), LEFT + PLOT - half)
    look: dict[str, Any] = {
        "size": SMALL,
        "color": WINDOW_INK,
        "linespacing": 1.1,
        "bbox": BEHIND,
    }
    stage.write(x, WINDOW_IN - 0.04, "\n".join(lines), ha="center", va="bottom", **look)


def draw_bar(stage: Stage, lane: Lane, y: float) -> None:
    """A request's bar: plain where it surely ran, hatched where an end may lie, fading where nobody knows."""
    colour = colour_of(lane.status)
    parts = spans(lane)
    for span in parts:
        if span.known == "sure":
            # Failed bars are dotted so that they differ on a greyscale print, too.
            look: dict[str, Any] = {"hatch": ".." if lane.failed else None, "edgecolor": light(colour)}
            stage.box(
                span.from_us, span.by_us, y, BAR_IN, facecolor=pale(colour), lw=0, gid="bar-sure", **look
            )
        elif span.known == "unsure":
            look = {"facecolor": pale(colour, 0.12), "edgecolor": light(colour), "hatch": "/////", "lw": 0}
            stage.box(span.from_us, span.by_us, y, BAR_IN, gid="bar-unsure", **look)
        else:
            draw_open_end(stage, span, colour, y)
    solid = [span for span in parts if span.by_us > span.from_us]
    if solid:
        outline = {"facecolor": "none", "edgecolor": colour, "lw": 1.6 if lane.failed else 0.8, "zorder": 1.5}
        sure = [span for span in solid if span.known == "sure"] or solid
        stage.box(sure[0].from_us, sure[-1].by_us, y, BAR_IN, gid="bar-outline", **outline)
    elif parts:
        line: dict[str, Any] = {"color": colour, "lw": 3, "solid_capstyle": "butt", "zorder": 3}
        stage.axes.plot([stage.ms(parts[0].from_us)] * 2, [y - 0.06, y + BAR_IN + 0.06], gid="stamp", **line)


def draw_open_end(stage: Stage, span: Span, colour: str, y: float) -> None:
    """An end that no log shows: the bar fades away to a question mark."""
    away = -1 if span.known == "open_left" else 1
    step = stage.us(OPEN_IN / FADES) * away
    for fade in range(FADES):
        near, far = sorted((span.from_us + fade * step, span.from_us + (fade + 1) * step))
        look = {"facecolor": pale(colour, 0.22 * (1 - fade / FADES)), "lw": 0}
        stage.box(near, far, y, BAR_IN, gid=span.known, **look)
    x = stage.inch(span.from_us) + away * (OPEN_IN - 0.06)
    stage.write(x, y + BAR_IN / 2, "?", size=NORMAL, color=colour, weight="bold", ha="center", va="center")


def pale(colour: str, share: float = 0.2) -> tuple[float, float, float]:
    """`colour` thinned with white; opaque, so that it prints alike everywhere."""
    red, green, blue = (int(colour[index : index + 2], 16) / 255 for index in (1, 3, 5))
    return (1 - share * (1 - red), 1 - share * (1 - green), 1 - share * (1 - blue))


def light(colour: str) -> tuple[float, float, float]:
    """`colour` for hatches."""
    return pale(colour, 0.5)


def note_on(event: Event, requests_us: tuple[int, int]) -> str:
    """Why an event has no place on the axis."""
    if is_vague(event, *requests_us):
        return f"{event.text}: known to {milliseconds(event.by_us - event.from_us + 1)} only, order undecided"
    return f"{event.text}: outside this view, at {clock(event.from_us, 3)}"


def write_sides(stage: Stage, lane: Lane, middle: float) -> None:
    """Left of the bar what was asked, by whom it was served and where the log says so; right of it how it ended."""
    x, room = LEFT - 0.14, LEFT - 0.14 - MARGIN
    stage.write(
        x,
        middle - 0.02,
        fitted(lane.name, room, NORMAL, bold=True),
        size=NORMAL,
        weight="bold",
        ha="right",
        va="bottom",
    )
    stage.write(
        x, middle + 0.03, fitted(lane.place, room, SMALL), size=SMALL, color=MUTED, ha="right", va="top"
    )
    x, room = LEFT + PLOT + 0.14, RIGHT - 0.14 - MARGIN
    sign = "✕ " if lane.failed else "✓ " if lane.status is not None and lane.status < 400 else ""
    status = "no status" if lane.status is None else f"{sign}{lane.status}"
    look = {"size": NORMAL + 1, "weight": "bold", "color": colour_of(lane.status)}
    stage.write(x, middle - 0.02, status, ha="left", va="bottom", **look)
    parts = [lane.outcome] if width_of(lane.outcome, SMALL) <= room else lane.outcome.split(" · ", 1)
    outcome = "\n".join(fitted(part, room, SMALL) for part in parts)
    stage.write(x, middle + 0.03, outcome, size=SMALL, color=MUTED, ha="left", va="top", linespacing=1.15)


def draw_gap(stage: Stage, lanes: Sequence[Lane], y: float, verdict: str) -> None:
    """An arrow from the first start (or stamp) to the last, how far they are apart, and the verdict."""
    marks = sorted((mark, lane.lane) for lane in lanes if (mark := beginning(lane)) is not None)
    text = ""
    if len(marks) > 1:
        named = {lane.lane: lane for lane in lanes}
        text = gap_text(named[marks[0][1]], named[marks[-1][1]], len(marks))
        ends = (stage.ms(marks[0][0]), stage.ms(marks[-1][0]))
        arrow = {"arrowstyle": "<->", "color": INK, "lw": 1.1, "shrinkA": 0, "shrinkB": 0}
        stage.axes.annotate("", xy=(ends[1], y + 0.06), xytext=(ends[0], y + 0.06), arrowprops=arrow)
    left = stage.inch(marks[0][0]) if marks else LEFT
    words_said = fitted(" · ".join(filter(None, (text, verdict))), PLOT, NORMAL, bold=True)
    x = min(left, LEFT + PLOT - width_of(words_said, NORMAL, bold=True))
    stage.write(x, y + 0.13, words_said, size=NORMAL, weight="bold", ha="left", va="top")


def beginning(lane: Lane) -> int | None:
    """Where a lane's bar begins to be sure, or its stamp."""
    return lane.starts_by if lane.starts_from is not None else lane.stamp_us


def write_foot(stage: Stage, requests: pd.DataFrame, y: float, axis: str) -> None:
    """What the axis counts, and what all lanes have in common."""
    digits = 3 if stage.zero_us % 1_000_000 else 0
    shared = [axis or f"milliseconds after {clock(stage.zero_us, digits)} UTC"]
    for column, word in (("entity", ""), ("user", "user ")):
        values = {words(value) for value in requests.get(column, [])}
        shared += [word + value for value in values if value and len(values) == 1]
    line = fitted(" · ".join(shared), WIDTH - 2 * MARGIN, SMALL)
    half = width_of(line, SMALL) / 2
    x = min(LEFT + PLOT / 2, WIDTH - MARGIN - half)
    stage.write(x, y + 0.3, line, size=SMALL, color=MUTED, ha="center", va="top")
