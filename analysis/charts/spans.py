"""What is known of each request's time, as spans to draw, and of each event's, as instants. No drawing here."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import pandas as pd

from analysis.charts.text import visible

MS: Final = 1000  # µs

Known = Literal["sure", "unsure", "open_left", "open_right"]


@dataclass(frozen=True)
class Lane:
    """A request: bounds in µs since the epoch, None where the evidence does not say."""

    lane: int
    starts_from: int | None
    starts_by: int | None
    ends_from: int | None
    ends_by: int | None
    stamp_us: int | None
    status: int | None
    name: str
    place: str
    outcome: str

    @property
    def failed(self) -> bool:
        """Whether the request ended in a server error."""
        return self.status is not None and self.status >= 500


@dataclass(frozen=True)
class Event:
    """Something that happened within a request, in [from_us, by_us]; for a wait, from beginning to end."""

    lane: int
    kind: str
    from_us: int
    by_us: int
    text: str


@dataclass(frozen=True)
class Span:
    """A stretch of a bar. Open ones start or end at `from_us` = `by_us`, and nobody knows how far they go."""

    known: Known
    from_us: int
    by_us: int


def integer(value: object) -> int | None:
    """A cell as an integer, None where it is NULL."""
    return None if pd.isna(value) else int(value)  # type: ignore[call-overload]


def words(value: object) -> str:
    """A cell as visible text, empty where it is NULL."""
    return "" if pd.isna(value) else visible(str(value))  # type: ignore[call-overload]


def lanes_of(requests: pd.DataFrame) -> list[Lane]:
    """The rows of `requests` as lanes, in their order."""
    return [
        Lane(
            lane=int(row["lane"]),
            **{
                name: integer(row.get(name))
                for name in ("starts_from", "starts_by", "ends_from", "ends_by", "stamp_us", "status")
            },
            name=" ".join(filter(None, (words(row.get("method")), words(row.get("path"))))),
            place=" · ".join(filter(None, (worker(row.get("process")), words(row.get("place"))))),
            outcome=words(row.get("outcome")),
        )
        for row in requests.to_dict("records")
    ]


def worker(process: object) -> str:
    """`worker 4127`."""
    return f"worker {words(process)}" if words(process) else ""


def events_of(events: pd.DataFrame) -> list[Event]:
    """The rows of `events` that have a time, as events in order of time; those that tie keep the order given.

    Starts and finishes are the bars' business.
    """
    found = []
    for row in events.to_dict("records"):
        bounds = [us for us in (integer(row["from_us"]), integer(row["by_us"])) if us is not None]
        if bounds and row["kind"] not in ("start", "finish"):
            text = words(row.get("label")) or words(row["kind"])
            found.append(Event(int(row["lane"]), words(row["kind"]), min(bounds), max(bounds), text))
    return sorted(found, key=lambda event: (event.lane, event.from_us + event.by_us))


def spans(lane: Lane) -> list[Span]:
    """The stretches of a request's bar: where it surely ran, where its ends may lie, and where nobody knows.

    Empty if the log gives neither bounds nor a stamp.
    """
    start, finish = pair(lane.starts_from, lane.starts_by), pair(lane.ends_from, lane.ends_by)
    if start and finish:
        if start[1] < finish[0]:
            return [Span("unsure", *start), Span("sure", start[1], finish[0]), Span("unsure", *finish)]
        return [Span("unsure", start[0], finish[1])]
    if start:
        surely = max(start[1], lane.ends_from or start[1])
        return [Span("unsure", *start), Span("sure", start[1], surely), Span("open_right", surely, surely)]
    if finish:
        surely = min(finish[0], lane.starts_by or finish[0])
        return [Span("open_left", surely, surely), Span("sure", surely, finish[0]), Span("unsure", *finish)]
    if lane.stamp_us is None:
        return []
    return [Span("open_left", lane.stamp_us, lane.stamp_us), Span("open_right", lane.stamp_us, lane.stamp_us)]


def is_stamp_only(lane: Lane) -> bool:
    """Whether the log gives a stamp of which nobody knows what it marks."""
    return lane.stamp_us is not None and len(spans(lane)) == 2 and spans(lane)[0].known == "open_left"


def pair(low: int | None, high: int | None) -> tuple[int, int] | None:
    """Both bounds, or None."""
    return None if low is None or high is None else (low, high)


def extent(lanes: Iterable[Lane]) -> tuple[int, int]:
    """From the first to the last instant that any lane's bar names, at least 2 ms."""
    instants = [us for lane in lanes for span in spans(lane) for us in (span.from_us, span.by_us)]
    first, last = min(instants, default=0), max(instants, default=0)
    return (first, last) if last - first >= 2 * MS else (first - MS, last + MS)


def view(lanes: Sequence[Lane], events: Iterable[Event]) -> tuple[int, int]:
    """The time to show in µs: all bars, all `events`, and room for ends that no log shows."""
    bounds = [*extent(lanes), *(us for event in events for us in (event.from_us, event.by_us))]
    low, high = min(bounds), max(bounds)
    ends = [span.known for lane in lanes for span in spans(lane)]
    margin = (high - low) / 40
    return (
        int(low - (10 if "open_left" in ends else 1) * margin),
        int(high + (10 if "open_right" in ends else 1) * margin),
    )


def is_vague(event: Event, first: int, last: int) -> bool:
    """Whether an event may lie anywhere in half of the requests' time or more."""
    return event.kind != "wait" and event.by_us - event.from_us > (last - first) / 2


def is_sharp(event: Event, first: int, last: int) -> bool:
    """Whether an event has a place on the requests' axis: known well enough, and no further off than it is long."""
    span = last - first
    return not is_vague(event, first, last) and event.by_us >= first - span and event.from_us <= last + span


def instants(events: Sequence[Event]) -> list[float]:
    """Where to draw each event of one lane in µs: the middle of its bounds.

    Events that tie in both bounds are spread evenly between them, in the order given: each may lie there.
    """
    ties = Counter((event.from_us, event.by_us) for event in events)
    places: Counter[tuple[int, int]] = Counter()
    drawn = []
    for event in events:
        bounds = (event.from_us, event.by_us)
        drawn.append(event.from_us + (event.by_us - event.from_us) * (places[bounds] + 0.5) / ties[bounds])
        places[bounds] += 1
    return drawn


def gap_text(first: Lane, last: Lane, count: int = 2) -> str:
    """How far apart two requests started: `7 ms`, `6–8 ms`, or between their stamps where starts are not known."""
    start, later = pair(first.starts_from, first.starts_by), pair(last.starts_from, last.starts_by)
    lead = "" if count == 2 else f"{count} requests within "
    if start and later:
        low, high = later[0] - start[1], later[1] - start[0]
        if low <= 0 < high:
            return f"{lead}less than {milliseconds(max(high, -low))}, order undecided"
        return lead + between(low, high)
    if first.stamp_us is None or last.stamp_us is None:
        return ""
    return f"{lead}{milliseconds(last.stamp_us - first.stamp_us)} between the stamps"


def between(low_us: int, high_us: int) -> str:
    """`7 ms`, or `6–8 ms` where the ends differ once written."""
    low, high = milliseconds(low_us), milliseconds(high_us)
    return high if low == high else f"{low.removesuffix(' ms')}–{high}"


def milliseconds(us: float) -> str:
    """µs as ms to three figures, whole seconds as such: `0.25 ms`, `7 ms`, `1,250 ms`, `1 s`."""
    ms = us / MS
    if us and us % (1000 * MS) == 0:
        return f"{us // (1000 * MS):,.0f} s"
    return f"{ms:,.0f} ms" if abs(ms) >= 100 else f"{ms:.3g} ms"
