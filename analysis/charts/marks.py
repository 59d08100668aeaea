"""What a request did, on its bar: a mark's shape says what, its colour how the request ended."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from analysis.charts.layout import Label, Row, Tag, counted, row_of_labels
from analysis.charts.spans import Event, Lane, instants, is_stamp_only
from analysis.charts.stage import BAR_IN, LEFT, PLOT, Stage
from analysis.charts.style import BEHIND, INK, MUTED, SMALL, colour_of

WRITES: Final = ("insert", "update", "delete")
MARK_PT: Final = 8.5
MARK_IN: Final = 0.13  # events of one lane that stand closer share a mark
WAIT_IN: Final = 0.09
UNNAMED: Final = ("begin", "savepoint", "other")  # the key names their mark
KEY: Final = (
    ("read", "read", {"read"}),
    ("lock", "locking read", {"lock"}),
    ("update", "write", {"insert", "update", "delete"}),
    ("commit", "commit", {"commit"}),
    ("rollback", "rollback", {"rollback"}),
    ("error", "error", {"error"}),
    ("other", "other statement", {"begin", "savepoint", "other"}),
)
ROW_IN: Final = 0.14  # from the top of the bar up to the labels
LABEL_IN: Final = 0.17  # from one line of labels to the next


@dataclass(frozen=True)
class Cluster:
    """Events of one lane too close to be told apart at this scale."""

    at_us: float
    events: tuple[Event, ...]

    @property
    def kinds(self) -> tuple[str, ...]:
        """Each kind once, in order of time."""
        return tuple(dict.fromkeys(event.kind for event in self.events))

    @property
    def bounds(self) -> tuple[int, int]:
        """Those of the event that is known least well."""
        vaguest = max(self.events, key=lambda event: event.by_us - event.from_us)
        return vaguest.from_us, vaguest.by_us


def shape(kind: str, colour: str) -> dict[str, Any]:
    """The mark of a kind of event: reads are open, writes square, endings triangles, errors crossed."""
    if kind == "read":
        return {"marker": "o", "mfc": "white", "mec": colour, "mew": 1.8}
    if kind == "lock":
        return {"marker": "D", "mfc": "white", "mec": colour, "mew": 1.8, "ms": MARK_PT - 1}
    if kind in WRITES:
        return {"marker": "s", "mfc": colour, "mec": "white", "mew": 0.6}
    if kind in ("commit", "rollback"):
        return {
            "marker": "^" if kind == "commit" else "v",
            "mfc": colour,
            "mec": "white",
            "mew": 0.6,
            "ms": 10,
        }
    if kind == "error":
        return {"marker": "X", "mfc": colour, "mec": "white", "mew": 0.8, "ms": 11}
    return {"marker": "|", "mec": colour, "mew": 1.6}


def clusters(events: Sequence[Event], apart_us: float) -> list[Cluster]:
    """Events (no waits) joined while they lie within `apart_us` of the first of their cluster."""
    found: list[list[tuple[float, Event]]] = []
    for moment in sorted(zip(instants(events), events, strict=True), key=lambda moment: moment[0]):
        if found and moment[0] - found[-1][0][0] < apart_us:
            found[-1].append(moment)
        else:
            found.append([moment])
    return [Cluster((group[0][0] + group[-1][0]) / 2, tuple(event for _, event in group)) for group in found]


def draw_marks(stage: Stage, events: Sequence[Event], lane: Lane, y: float) -> None:
    """Marks on the bar whose top is at y, a whisker over the bounds of each where it shows, labels above."""
    colour, middle = colour_of(lane.status), y + BAR_IN / 2
    found = clusters([event for event in events if event.kind != "wait"], stage.us(MARK_IN))
    for cluster in found:
        if cluster.bounds[1] - cluster.bounds[0] > stage.us(MARK_IN):
            ends = [stage.ms(us) for us in cluster.bounds]
            stage.axes.plot(
                ends, [middle] * 2, color=colour, lw=1.2, marker="|", ms=5, gid="bounds", zorder=3
            )
        for kind, height in zip(cluster.kinds, dodged(len(cluster.kinds), middle), strict=True):
            look = {"ms": MARK_PT, "zorder": 5 if kind == "error" else 4, **shape(kind, colour)}
            look["ms"] *= min(1.0, 2.6 / len(cluster.kinds))
            stage.axes.plot([stage.ms(cluster.at_us)], [height], ls="none", gid=f"mark-{kind}", **look)
    tags = [tag for cluster in found for tag in tags_of(cluster, stage)]
    if is_stamp_only(lane):
        tags = sorted(
            [*tags, Tag(stage.inch(lane.stamp_us or 0), "start or finish?", alone=True)],
            key=lambda tag: tag.x,
        )
    row = Row(
        LEFT - 0.1, LEFT + PLOT + 0.1, SMALL, lambda texts: counted(texts, "statement"), reach=0.6, lines=2
    )
    for label in full_or_short(tags, row):
        bottom = y - ROW_IN - LABEL_IN * label.line
        stage.write(label.x, bottom, label.text, size=SMALL, color=INK, ha="center", va="bottom", bbox=BEHIND)
        passing = (
            [] if label.via is None else [(label.via, y - ROW_IN - LABEL_IN + 0.02), (label.via, y - ROW_IN)]
        )
        stage.lead([(label.x, bottom + 0.015), *passing, (label.target, y)], MUTED)


def dodged(count: int, middle: float) -> list[float]:
    """Heights of marks that share an instant: beneath each other within the bar."""
    step = min(0.12, BAR_IN / count)
    return [middle + step * (index - (count - 1) / 2) for index in range(count)]


def full_or_short(tags: Sequence[Tag], row: Row) -> list[Label]:
    """Labels such as `update jobs_job`, or their first words where tables make them too long to stand apart."""
    labels = row_of_labels(tags, row)
    if len(labels) == len({(tag.x, tag.text) for tag in tags}):
        return labels
    short = [tag if tag.alone else replace(tag, text=tag.text.split(" ")[0]) for tag in tags]
    return row_of_labels(short, row)


def tags_of(cluster: Cluster, stage: Stage) -> list[Tag]:
    """A cluster's events as tags at the place of its mark, those of one name beside each other."""
    named = sorted(
        (event for event in cluster.events if event.text not in UNNAMED),
        key=lambda event: [other.text for other in cluster.events].index(event.text),
    )
    return [Tag(stage.inch(cluster.at_us), event.text, event.kind == "error") for event in named]


def draw_waits(stage: Stage, events: Sequence[Event], lane: Lane, y: float, notes: Sequence[str]) -> None:
    """Waits as thin bars on the bar whose top is at y, named below it, with notes on what has no place above."""
    waits = [event for event in events if event.kind == "wait"]
    for wait in waits:
        top = y + (BAR_IN - WAIT_IN) / 2
        look = {
            "facecolor": colour_of(lane.status),
            "alpha": 0.45,
            "lw": 0,
            "gid": "mark-wait",
            "zorder": 2.5,
        }
        stage.box(wait.from_us, max(wait.by_us, wait.from_us + stage.us(0.03)), top, WAIT_IN, **look)
    tags = [Tag((stage.inch(wait.from_us) + stage.inch(wait.by_us)) / 2, wait.text) for wait in waits]
    tags += [Tag(LEFT + PLOT, note) for note in notes]
    tags.sort(key=lambda tag: tag.x)
    row = Row(LEFT, LEFT + PLOT, SMALL, lambda texts: " · ".join(dict.fromkeys(texts)), reach=1.2)
    for label in row_of_labels(tags, row):
        stage.write(
            label.x,
            y + BAR_IN + 0.05,
            label.text,
            size=SMALL,
            color=MUTED,
            ha="center",
            va="top",
            bbox=BEHIND,
        )


def draw_key(stage: Stage, events: Iterable[Event], unsure: bool) -> None:
    """What the shapes say, for the shapes that are there, in a row at the foot of the sheet."""
    kinds = {event.kind for event in events}
    entries: dict[str, Line2D | Patch] = {
        text: Line2D([], [], **{"ls": "none", "ms": MARK_PT, **shape(kind, INK)})
        for kind, text, wanted in KEY
        if kinds & wanted
    }
    if unsure:
        look: dict[str, Any] = {"facecolor": "white", "edgecolor": MUTED, "hatch": "/////", "lw": 0}
        entries["could be anywhere in here"] = Patch(**look)
    stage.chart.legend(
        list(entries.values()),
        list(entries),
        loc="lower center",
        bbox_to_anchor=(0.5, 0.0),
        borderaxespad=0.3,
        ncols=max(len(entries), 1),
        frameon=False,
        fontsize=SMALL,
        columnspacing=1.3,
        handletextpad=0.3,
    )
