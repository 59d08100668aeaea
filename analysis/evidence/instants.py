"""Stamps -> instants: the day, the year and the zone that a source's stamps lack, and what stays in doubt."""

from analysis.case import CaseError
from analysis.evidence import sql_instants as sql
from analysis.evidence.local_time import to_utc
from analysis.evidence.stamped import Stamped
from analysis.evidence.stamps import LATEST_US
from analysis.evidence.years import NO_DATE, add_years
from analysis.evidence.zones import DAY_US, EPOCH, HOUR_US


def settle(source: Stamped) -> list[str]:
    """Turn the stamps of a source into UTC; say what of it is an assumption or stays in doubt.

    Raises: CaseError where the stamps have only a time and the case no date.
    """
    doubts: list[str] = []
    if source.stamp.inherit:
        source.connection.execute(sql.INHERIT, source.of_source)
    if source.stamp.time_only:
        add_dates(source)
    if source.stamp.yearless:
        doubts += add_years(source)
    return doubts + to_utc(source) + unstamped(source)


def unstamped(source: Stamped) -> list[str]:
    """How many records carry no stamp at all."""
    if source.stamp.format != "none" and not source.stamp.inherit:
        return []
    count = source.connection.execute(sql.COUNT_UNSTAMPED, source.of_source).fetchall()[0][0]
    if not count:
        return []
    said = "1 record carries no stamp: it is" if count == 1 else f"{count:,} records carry no stamp: they are"
    its = "its place orders it" if count == 1 else "their place orders them"
    return [f"{said} in no rate, and only {its}"]


def add_dates(source: Stamped) -> None:
    """Give stamps that are only a time their day: the case's date, the next one from each midnight on."""
    if source.case.date is None:
        raise CaseError(f"{source.file}: its stamps have only a time; add date = YYYY-MM-DD to case.toml")
    bounds = {"half_us": DAY_US // 2, "straggler_us": DAY_US - HOUR_US}
    day = (source.case.date - EPOCH.date()).days
    values = {"day_us": DAY_US, "day": day, "latest_us": LATEST_US, "why": NO_DATE}
    source.connection.execute(sql.ADD_DATES, {**source.of_source, **bounds, **values})
