"""Wall clocks -> UTC: what a stamp without an offset means in its zone."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
EPOCH = dt.datetime(1970, 1, 1)


@dataclass(frozen=True)
class Offset:
    """From local wall clock `since_us` on, UTC = local - offset_us."""

    since_us: int
    offset_us: int


@dataclass(frozen=True)
class Doubt:
    """Wall-clock readings that a zone has twice (`fold`) or never (`gap`), half-open, local µs."""

    kind: str
    since_us: int
    until_us: int


def offset_us(zone: ZoneInfo, local_us: int) -> int:
    """The zone's offset at a local wall clock; the first of two readings where there are two."""
    offset = (EPOCH + dt.timedelta(microseconds=local_us)).replace(tzinfo=zone).utcoffset()
    return 0 if offset is None else int(offset.total_seconds()) * SECOND_US


def offsets(zone_name: str, first_us: int, last_us: int) -> tuple[list[Offset], list[Doubt]]:
    """The zone's offsets between two local instants, and the readings that are doubtful.

    In: IANA name; local µs, both inclusive.  Out: offsets ascending by since_us, the first one at first_us.
    """
    zone = ZoneInfo(zone_name)
    found = [Offset(first_us, offset_us(zone, first_us))]
    doubts: list[Doubt] = []
    here = first_us
    while here < last_us:
        there = min(here + 24 * HOUR_US, last_us)
        if offset_us(zone, there) != found[-1].offset_us:
            change = first_difference(zone, here, there)
            before, after = found[-1].offset_us, offset_us(zone, change)
            found.append(Offset(change, after))
            doubts.append(Doubt("fold" if after < before else "gap", change - abs(after - before), change))
            there = change
        here = there
    return found, doubts


def first_difference(zone: ZoneInfo, low: int, high: int) -> int:
    """The first local µs in (low, high] whose offset is not that of `low`, to the second."""
    start = offset_us(zone, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if offset_us(zone, middle) != start else (middle, high)
    return high
