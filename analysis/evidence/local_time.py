"""Local stamps -> UTC: the case's zone, and the hours that a zone has twice or never."""

import datetime as dt
from typing import Final

from analysis.evidence import sql_instants as sql
from analysis.evidence.stamped import Stamped
from analysis.evidence.zones import DAY_US, EPOCH, SECOND_US, Doubt, Offset, offsets

LATE_US: Final = 5 * SECOND_US
SLACK_US: Final = 60 * SECOND_US


def to_utc(source: Stamped) -> list[str]:
    """Read local stamps in the case's zone; say what of it is an assumption or stays in doubt."""
    if source.stamp.always_zoned or source.stamp.format == "none":
        return []
    first, last, local, named, stamps = source.connection.execute(
        sql.LOCAL_SPAN, source.of_source
    ).fetchall()[0]
    if not local:
        return []
    zone = source.case.zone
    pieces, doubts = changes(source, first, last)
    said = [f"{of_all(local, stamps)} no offset: read as {zone}"]
    if named:
        said += foreign_names(source, pieces, doubts, last)
    if zone != "UTC":
        if doubts:
            read_twice(source, doubts)
        shift(source, pieces, last)
    if doubts:
        source.connection.execute(sql.SET_READINGS)
        said += undecided(source, doubts)
    return said


def changes(source: Stamped, first_us: int, last_us: int) -> tuple[list[Offset], list[Doubt]]:
    """The zone's offsets, looked for on days that have stamps only: one forged year must not cost all between."""
    zone = source.case.zone
    if zone == "UTC":
        return [Offset(first_us, 0, zone)], []
    days = [day for (day,) in source.connection.execute(sql.LOCAL_DAYS, source.of_source).fetchall()]
    pieces: list[Offset] = []
    doubts: list[Doubt] = []
    for begin, end in runs(days):
        found, doubtful = offsets(zone, max(begin * DAY_US, first_us), min((end + 1) * DAY_US - 1, last_us))
        pieces += found
        doubts += doubtful
    return pieces, doubts


def runs(days: list[int]) -> list[tuple[int, int]]:
    """Ascending days as stretches, the first and last day of each; a day between two is filled."""
    found: list[tuple[int, int]] = []
    for day in days:
        if found and day - found[-1][1] <= 2:
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found


def shift(source: Stamped, pieces: list[Offset], last_us: int) -> None:
    values = {
        "since": [piece.since_us for piece in pieces],
        "until": ends(pieces, last_us),
        "offset": [piece.offset_us for piece in pieces],
    }
    source.connection.execute(sql.SHIFT, {**source.of_source, **values})


def ends(pieces: list[Offset], last_us: int) -> list[int]:
    return [*(piece.since_us for piece in pieces[1:]), last_us + 1]


def read_twice(source: Stamped, doubts: list[Doubt]) -> None:
    """Keep both readings of each doubtful stamp in the table read_twice, or the one that the file shows."""
    values = {
        "number": list(range(len(doubts))),
        "is_fold": [doubt.kind == "fold" for doubt in doubts],
        "since": [doubt.since_us for doubt in doubts],
        "until": [doubt.until_us for doubt in doubts],
        "before_us": [doubt.before.offset_us for doubt in doubts],
        "after_us": [doubt.after.offset_us for doubt in doubts],
        "before_name": [doubt.before.name for doubt in doubts],
        "after_name": [doubt.after.name for doubt in doubts],
    }
    bounds = {"late_us": LATE_US, "slack_us": SLACK_US, "in_order": source.in_order}
    source.connection.execute(sql.READ_TWICE, {**source.of_source, **values, **bounds})


def undecided(source: Stamped, doubts: list[Doubt]) -> list[str]:
    """What is said of the stamps that have two readings."""
    said = []
    for number, count, line, first_us, other_us in source.connection.execute(sql.UNDECIDED).fetchall():
        how = "has twice" if doubts[number].kind == "fold" else "skips"
        stamps = "1 stamp lies" if count == 1 else f"{count:,} stamps lie"
        said.append(
            f"{stamps} in an hour that {source.case.zone} {how}: line {line} is of {instant(first_us)} "
            f"or {instant(other_us)} UTC"
        )
    return said


def foreign_names(source: Stamped, pieces: list[Offset], doubts: list[Doubt], last_us: int) -> list[str]:
    """What is said of stamps that name a zone which the case's zone is not then."""
    both = [(doubt, side) for doubt in doubts for side in (doubt.before, doubt.after)]
    values = {
        "since": [*(piece.since_us for piece in pieces), *(doubt.since_us for doubt, _ in both)],
        "until": [*ends(pieces, last_us), *(doubt.until_us for doubt, _ in both)],
        "name": [*(piece.name for piece in pieces), *(side.name for _, side in both)],
    }
    found = source.connection.execute(sql.FOREIGN_NAMES, {**source.of_source, **values}).fetchall()
    return [
        f"{count:,} of them say {name}, which {source.case.zone} is not then (line {line} is the first)"
        for name, count, line in found
    ]


def of_all(local: int, stamps: int) -> str:
    return "stamps carry" if local == stamps else f"{local:,} of {stamps:,} stamps carry"


def instant(us: int) -> str:
    return f"{EPOCH + dt.timedelta(microseconds=us):%Y-%m-%d %H:%M:%S}"
