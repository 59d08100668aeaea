"""Stamps without a year: which one is meant, by the case's date, the other logs, or the file's age."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from analysis.evidence import sql_instants as sql
from analysis.evidence.stamped import Stamped
from analysis.evidence.stamps import LATEST_US, LEAP_YEAR
from analysis.evidence.zones import DAY_US, EPOCH, SECOND_US

HALF_YEAR_US: Final = 183 * DAY_US
NO_DATE: Final = "the stamp's day does not exist in its year, or lies outside the years 1970 to 9999"
MOST_YEARS: Final = 20  # of the other logs that are looked at, the fullest first


@dataclass(frozen=True)
class Span:
    """What a source without years covers, as if its first stamp were of LEAP_YEAR; local µs, both ends inclusive."""

    first_us: int
    last_us: int
    leap_days: tuple[int, ...]  # years from the first stamp's on in which it has a 29 February

    def in_year(self, year: int) -> tuple[int, int]:
        return shifted(self.first_us, year - LEAP_YEAR), shifted(self.last_us, year - LEAP_YEAR)

    def exists(self, year: int) -> bool:
        """Whether every stamp has a day in the calendar if the first is of `year`."""
        return all(is_leap(year + later) for later in self.leap_days)


def add_years(source: Stamped) -> list[str]:
    """Give stamps their year; file order says where the next one begins."""
    bounds = {**source.of_source, "half_us": HALF_YEAR_US, "straggler_us": HALF_YEAR_US}
    first, last, leaps = source.connection.execute(sql.YEARLESS_SPAN, bounds).fetchall()[0]
    if first is None:
        return []
    year, why = first_year(source, Span(first, last, tuple(leaps or ())))
    values = {"years": year - LEAP_YEAR, "latest_us": LATEST_US, "why": NO_DATE}
    source.connection.execute(sql.ADD_YEARS, {**bounds, **values})
    return [f"stamps carry no year: the first is read as of {year}, {why}"]


def first_year(source: Stamped, span: Span) -> tuple[int, str]:
    """The year of a source's first stamp, and by what: the case's date, else the other logs, else the file's age."""
    if source.case.date is not None:
        date_us = (source.case.date - EPOCH.date()).days * DAY_US
        return nearest(span, date_us, near(source.case.date.year)), "by the date in case.toml"
    counted = source.connection.execute(sql.YEARS_OF_OTHERS, {"most": MOST_YEARS}).fetchall()
    if counted:
        return among_others(source, span, {year for year, _ in counted})
    modified = utc_of(source.file.stat().st_mtime)
    latest_us = (modified - EPOCH) // dt.timedelta(microseconds=1) + DAY_US
    years = [
        year
        for year in range(min(modified.year + 1, dt.MAXYEAR), 1969, -1)
        if span.in_year(year)[1] <= latest_us
    ]
    year = next((year for year in years if span.exists(year)), (years or [modified.year])[0])
    return year, "by the file's modification time; date = YYYY-MM-DD in case.toml would settle it"


def utc_of(seconds: float) -> dt.datetime:
    """Seconds since the epoch as naive UTC; a file system may keep any number of them, a calendar may not."""
    return EPOCH + dt.timedelta(seconds=min(max(seconds, 0), LATEST_US // SECOND_US))


def among_others(source: Stamped, span: Span, years: set[int]) -> tuple[int, str]:
    """The year in which most records of the other logs lie within the span; the nearest if none does in any."""
    candidates = sorted({each for year in years for each in near(year)})
    spans = [span.in_year(year) for year in candidates]
    values = {
        "years": candidates,
        "from_us": [first - DAY_US for first, _ in spans],  # a day: the stamps may be local
        "by_us": [last + DAY_US for _, last in spans],
    }
    counts = dict(source.connection.execute(sql.OTHERS_WITHIN, values).fetchall())
    if not counts:
        (middle,) = source.connection.execute(sql.MIDDLE_OF_OTHERS).fetchall()[0]
        return nearest(span, middle, candidates), "the nearest to the other logs, which none of it overlaps"
    best = max(counts, key=lambda year: (counts[year], span.exists(year), year))
    others = sorted(set(counts) - {best})
    also = f" (records of theirs also lie in it as of {', '.join(map(str, others[:3]))})" if others else ""
    return best, f"in which the other logs overlap it{also}"


def nearest(span: Span, instant_us: int, years: Iterable[int]) -> int:
    """The year that puts the span nearest to an instant; among equals one in which each of its days exists."""

    def key(year: int) -> tuple[int, bool, int]:
        first, last = span.in_year(year)
        return max(first - instant_us - DAY_US, instant_us - last - DAY_US, 0), not span.exists(year), year

    return min(years, key=key)


def near(year: int) -> list[int]:
    return [year - 1, year, year + 1]


def is_leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)


def shifted(us: int, years: int) -> int:
    """The same day and time so many years later; 28 February where there is no 29."""
    then = EPOCH + dt.timedelta(microseconds=us)
    year = min(max(then.year + years, 1), 9999)
    day = 28 if (then.month, then.day) == (2, 29) and not is_leap(year) else then.day
    return (then.replace(year=year, day=day) - EPOCH) // dt.timedelta(microseconds=1)
