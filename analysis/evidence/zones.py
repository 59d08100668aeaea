"""Wall clocks -> UTC: what a stamp without an offset means in its zone."""

import datetime as dt
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo

SECOND_US: Final = 1_000_000
HOUR_US: Final = 3_600 * SECOND_US
DAY_US: Final = 24 * HOUR_US
EPOCH: Final = dt.datetime(1970, 1, 1)
LAST_US: Final = (dt.datetime.max - EPOCH) // dt.timedelta(microseconds=1)


@dataclass(frozen=True)
class Offset:
    """From local wall clock `since_us` on, UTC = local - offset_us, and the zone calls itself `name` (CET, CEST)."""

    since_us: int
    offset_us: int
    name: str = ""


@dataclass(frozen=True)
class Doubt:
    """Wall-clock readings that a zone has twice (`fold`) or never (`gap`), half-open, local µs.

    before, after: the offsets on either side of the change, either of which may be meant.
    """

    kind: str
    since_us: int
    until_us: int
    before: Offset
    after: Offset


def wall_clock(zone: ZoneInfo, local_us: int) -> dt.datetime:
    """A local wall clock in its zone; the first of two readings where there are two."""
    return (EPOCH + dt.timedelta(microseconds=min(local_us, LAST_US))).replace(tzinfo=zone)


def offset_us(zone: ZoneInfo, local_us: int) -> int:
    """The zone's offset at a local wall clock; the first of two readings where there are two."""
    offset = wall_clock(zone, local_us).utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) * SECOND_US


def offset_since(zone: ZoneInfo, local_us: int) -> Offset:
    return Offset(local_us, offset_us(zone, local_us), wall_clock(zone, local_us).tzname() or "")


def offsets(zone_name: str, first_us: int, last_us: int) -> tuple[list[Offset], list[Doubt]]:
    """The zone's offsets between two local instants, and the readings among them that are doubtful.

    In: IANA name; local µs, both inclusive.  Out: offsets ascending by since_us, the first one at first_us.
    """
    zone = ZoneInfo(zone_name)
    found = [offset_since(zone, first_us)]
    doubts: list[Doubt] = []
    here = first_us
    while here < last_us + DAY_US:  # a change may lie behind the last reading and yet make it doubtful
        there = here + DAY_US
        if offset_us(zone, there) != found[-1].offset_us:
            there = first_difference(zone, here, there)
            before, after = found[-1], offset_since(zone, there)
            found.append(after)
            width = abs(after.offset_us - before.offset_us)
            kind = "fold" if after.offset_us < before.offset_us else "gap"
            doubts.append(Doubt(kind, there - width, there, before, after))
        here = there
    return (
        [piece for piece in found if piece.since_us <= last_us],
        [doubt for doubt in doubts if doubt.since_us <= last_us],
    )


def first_difference(zone: ZoneInfo, low: int, high: int) -> int:
    """The first local µs in (low, high] whose offset is not that of `low`, to the second."""
    start = offset_us(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if offset_us(zone, middle) != start else (middle, high)
    return high
