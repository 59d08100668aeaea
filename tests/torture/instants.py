"""Stamps of every shape, made from known instants, against Python's own calendar and zones."""

import datetime as dt
import json
import os
import random
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from analysis.case import read_case
from analysis.store import open_loaded
from tests.torture.loading import own_store
from tests.torture.skews import offset_and_orders
from tests.torture.trials import Trial

EPOCH = dt.datetime(1970, 1, 1)
US = dt.timedelta(microseconds=1)
SECOND, MINUTE, HOUR, DAY = 10**6, 60 * 10**6, 3_600 * 10**6, 86_400 * 10**6
ZONES = (
    *("UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York", "America/Sao_Paulo"),
    *("Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Apia", "Africa/Casablanca"),
    *("Europe/Moscow", "America/St_Johns", "Australia/Sydney"),
)
CHANGING = (
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",
    "Australia/Sydney",
    "America/St_Johns",
)


@dataclass(frozen=True)
class Line:
    """One line and what its stamp may mean: µs, UTC, ascending. decided: None leaves it to the file's order."""

    text: str
    truth: int | None  # None: the stamp never was
    readings: tuple[int, ...]
    decided: bool | None
    step: int


def us(instant: dt.datetime) -> int:
    return (instant.replace(tzinfo=None) - EPOCH) // US


def local(instant_us: int, zone: str) -> dt.datetime:
    return (EPOCH + instant_us * US).replace(tzinfo=dt.UTC).astimezone(ZoneInfo(zone))


def readings(wall: dt.datetime, zone: str) -> tuple[int, ...]:
    """Every instant that the wall clock may mean; two too where it never was (PEP 495, "the problematic times")."""
    tried = [wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(dt.UTC) for fold in (0, 1)]
    return tuple(sorted({us(each) for each in tried}))


@cache
def changes(zone: str) -> tuple[tuple[int, int], ...]:
    """(instant, seconds by which the wall clock jumps) of a zone's changes from 1980 to 2036."""
    found = []
    for hour in range(us(dt.datetime(1980, 1, 1)) // HOUR, us(dt.datetime(2036, 1, 1)) // HOUR, 24):
        offsets = [local((hour + later) * HOUR, zone).utcoffset() for later in (0, 24)]
        if offsets[0] != offsets[1]:
            at = next(
                minute
                for minute in range(hour * 60 + 1, (hour + 24) * 60 + 1)
                if local(minute * MINUTE, zone).utcoffset() != offsets[0]
            )
            jump = (offsets[1] or dt.timedelta()) - (offsets[0] or dt.timedelta())
            found.append((at * MINUTE, int(jump.total_seconds())))
    return tuple(found)


def fraction(instant_us: int, digits: int, chance: random.Random) -> str:
    if not digits:
        return ""
    shown = f"{instant_us % SECOND:06}{chance.randrange(1000):03}"[:digits]
    return f".{shown}"


def floored(instant_us: int, digits: int) -> tuple[int, int]:
    step = 10 ** max(0, 6 - digits)
    return instant_us // step * step, step


def any_instant(chance: random.Random, zone: str) -> int:
    if changes(zone) and chance.random() < 0.5:
        return chance.choice(changes(zone))[0] + chance.randrange(-2 * HOUR, 2 * HOUR)
    return chance.randrange(us(dt.datetime(1975, 1, 1)), us(dt.datetime(2037, 1, 1)))


def json_line(stamp: str | int) -> str:
    return json.dumps({"ts": stamp})


def styled(chance: random.Random, instant: int, zone: str) -> Line:
    """A JSON line whose stamp is of a random shape, in a file whose order says nothing."""
    digits = chance.choice((0, 1, 2, 3, 6, 9))
    truth, step = floored(instant, digits)
    shown = fraction(instant, digits, chance)
    style = chance.choice(("z", "offset", "local", "local", "named", "epoch"))
    between = chance.choice("T ")
    if style == "epoch":
        count = truth // SECOND
        whole = {0: f"{count}", 3: f"{count}{shown[1:]}", 6: f"{count}{shown[1:]}", 9: f"{count}{shown[1:]}"}
        text = f"{count}{shown}" if chance.random() < 0.5 or digits not in whole else whole[digits]
        return Line(json_line(text), truth, (truth,), True, step)
    if style in ("z", "offset"):
        quarters = chance.randrange(-48, 57) if style == "offset" else 0
        wall = EPOCH + (truth + quarters * 15 * MINUTE) * US
        sign, minutes = "-" if quarters < 0 else "+", abs(quarters) * 15
        shape = chance.choice(("{}{:02}:{:02}", "{}{:02}{:02}"))
        zone_text = shape.format(sign, *divmod(minutes, 60)) if style == "offset" else "Z"
        return Line(
            json_line(f"{wall:%Y-%m-%d}{between}{wall:%H:%M:%S}{shown}{zone_text}"),
            truth,
            (truth,),
            True,
            step,
        )
    wall = local(truth, zone)
    meant = readings(wall.replace(tzinfo=None), zone)
    name = wall.tzname() or ""
    if style == "named" and name.isalpha():
        meant = tuple(each for each in meant if local(each, zone).tzname() == name)
        between, shown = " ", f"{shown} {name}"
    text = f"{wall:%Y-%m-%d}{between}{wall:%H:%M:%S}{shown}"
    return Line(json_line(text), truth, meant, len(meant) == 1, step)


def mixed(chance: random.Random) -> tuple[str, list[Line]]:
    """Every shape of stamp in one file."""
    zone = chance.choice(ZONES)
    lines = [styled(chance, any_instant(chance, zone), zone) for _ in range(60)]
    return f'zone = "{zone}"\n{SOURCE}format = "json_lines"\nordered_by = "stamp"\n', lines


def shape_of(style: str, wall: dt.datetime) -> tuple[str, int]:
    """A line without an offset, and its step."""
    if style == "syslog":
        return f"{wall:%b} {wall.day:2} {wall:%H:%M:%S} web1 jobs[41]: done", SECOND
    milliseconds = f"{wall.microsecond // 1000:03}"
    if style == "time":
        return f"{wall:%H:%M:%S}.{milliseconds} GET /x", 1_000
    return json_line(f"{wall:%Y-%m-%d %H:%M:%S}.{milliseconds}"), 1_000


FORMATS = {"syslog": "syslog_rfc3164", "time": "request_line", "json": "json_lines"}


def written(
    chance: random.Random, instants: list[int], zone: str, style: str, decided: bool | None
) -> list[Line]:
    """Instants as one writer's lines: some late by less than a second."""
    late = sorted(instants, key=lambda each: each + (chance.random() < 0.1) * chance.randrange(SECOND))
    lines = []
    for instant in late:
        wall = local(instant, zone)
        text, step = shape_of(style, wall)
        meant = tuple(each // step * step for each in readings(wall.replace(tzinfo=None), zone))
        lines.append(Line(text, instant // step * step, meant, True if len(meant) == 1 else decided, step))
    return lines


def steps(chance: random.Random, begin: int, end: int, longest: int) -> list[int]:
    """Ascending instants, none further from the last than `longest`."""
    found = [begin]
    while found[-1] < end:
        found.append(found[-1] + chance.randrange(longest // 50, longest))
    return found


def twice(chance: random.Random) -> tuple[str, list[Line]]:
    """One writer's file over the hour that is twice: a dense one shows the passes, a sparse one must not guess."""
    zone = chance.choice(CHANGING)
    at, jump = chance.choice([each for each in changes(zone) if each[1] < 0])
    width = -jump * SECOND
    is_dense = chance.random() < 0.5
    instants = steps(chance, at - 3 * width, at + 3 * width, width // 5 if is_dense else width * 3 // 2)
    style = chance.choice(tuple(FORMATS))
    day = local(at, zone) if style == "syslog" else local(instants[0], zone)
    toml = f'zone = "{zone}"\ndate = {day:%Y-%m-%d}\n{SOURCE}format = "{FORMATS[style]}"\n'
    return toml, written(chance, instants, zone, style, True if is_dense else None)


def never(chance: random.Random) -> tuple[str, list[Line]]:
    """Readings in the hour that a zone skips."""
    zone = chance.choice(CHANGING)
    at, jump = chance.choice([each for each in changes(zone) if each[1] > 0])
    begin = local(at, zone).replace(tzinfo=None) - dt.timedelta(seconds=jump)
    lines = []
    for _ in range(20):
        wall = begin + dt.timedelta(milliseconds=chance.randrange(jump * 1000))
        lines.append(Line(shape_of("json", wall)[0], None, readings(wall, zone), False, 1_000))
    return f'zone = "{zone}"\n{SOURCE}format = "json_lines"\n', lines


def without_year(chance: random.Random, others: Path) -> tuple[str, list[Line]]:
    """syslog over New Year and 29 February, its year told by the case, another log, or the file's age."""
    zone = chance.choice(ZONES)
    begin = chance.randrange(us(dt.datetime(1990, 1, 1)), us(dt.datetime(2030, 1, 1)))
    told = chance.choice(("date", "others", "age"))
    days = chance.randrange(1, 1000 if told == "age" else 160)
    instants = steps(chance, begin, begin + days * DAY, chance.choice((HOUR, 20 * DAY, 170 * DAY)))[:400]
    if chance.random() < 0.3:
        leap = us(dt.datetime(chance.choice((1996, 2000, 2004, 2024)), 2, 29, 12))
        instants = steps(chance, leap - 40 * DAY, leap + 40 * DAY, 2 * DAY)
    lines = written(chance, instants, zone, "syslog", None)
    toml = f'zone = "{zone}"\n'
    if told == "date":
        toml += f"date = {local(chance.choice(instants), zone):%Y-%m-%d}\n"
    if told == "others":
        seen = [EPOCH + chance.choice(instants) * US for _ in range(5)]
        (others / "app.log").write_text("".join(json_line(f"{each.isoformat()}Z") + "\n" for each in seen))
        toml += '[[source]]\npath = "app.log"\nformat = "json_lines"\n'
    return f'{toml}{SOURCE}format = "syslog_rfc3164"\n', lines


def without_day(chance: random.Random) -> tuple[str, list[Line]]:
    """Times of day over several midnights."""
    zone = chance.choice(ZONES)
    begin = chance.randrange(us(dt.datetime(1990, 1, 1)), us(dt.datetime(2030, 1, 1)))
    instants = steps(chance, begin, begin + 5 * DAY, chance.choice((HOUR, 10 * HOUR)))
    toml = f'zone = "{zone}"\ndate = {local(instants[0], zone):%Y-%m-%d}\n{SOURCE}format = "request_line"\n'
    return toml, written(chance, instants, zone, "time", None)


def leap(chance: random.Random) -> tuple[str, list[Line]]:
    """Leap seconds, each read as somewhere in the second after it."""
    lines = []
    for _ in range(10):
        after = us(dt.datetime(chance.choice((1981, 1990, 2006, 2012, 2015, 2017)), chance.choice((1, 7)), 1))
        quarters = chance.randrange(-48, 57)
        wall = EPOCH + (after - SECOND + quarters * 15 * MINUTE) * US
        zone = "{}{:02}:{:02}".format("-" if quarters < 0 else "+", *divmod(abs(quarters) * 15, 60))
        digits = chance.choice((0, 3, 6))
        stamp = f"{wall:%Y-%m-%dT%H:%M}:60{fraction(chance.randrange(SECOND), digits, chance)}{zone}"
        lines.append(Line(json_line(stamp), after, (after,), True, SECOND))
    return f'{SOURCE}format = "json_lines"\n', lines


SOURCE = '[[source]]\npath = "a.log"\n'


def made(number: int, folder: Path) -> tuple[str, list[Line]]:
    chance = random.Random(f"instants {number}")
    kinds = (mixed, twice, never, without_day, leap)
    kind = number % (len(kinds) + 1)
    return kinds[kind](chance) if kind < len(kinds) else without_year(chance, folder)


def read_back(number: int) -> Iterator[tuple[Line, pd.Series]]:
    with tempfile.TemporaryDirectory(prefix="instants-") as name, own_store():
        folder = Path(name)
        toml, lines = made(number, folder)
        (folder / "a.log").write_text("".join(f"{line.text}\n" for line in lines))
        age_s = max((line.truth or 0) for line in lines) // SECOND + 3 * 86_400
        os.utime(folder / "a.log", (age_s, age_s))
        (folder / "case.toml").write_text(toml)
        case = open_loaded(read_case(folder))
        query = """
            SELECT line_no, logged_us, other_us, records.resolution_us AS step, stamp_doubts
            FROM records JOIN sources USING (source_id) WHERE path = 'a.log' ORDER BY line_no
        """
        rows = case.sql(query).astype({"logged_us": "Int64", "other_us": "Int64"})
        case.close()
        assert rows["line_no"].tolist() == list(range(1, len(lines) + 1)), "a line was not read"
        yield from zip(lines, (row for _, row in rows.iterrows()), strict=True)


def no_wrong_instant(number: int) -> None:
    """A reading without a doubt is the true one; a doubtful one has both, and is flagged."""
    for line, row in read_back(number):
        where = f"{number}: {line}, read as {row.to_dict()}"
        if pd.isna(row["other_us"]):
            assert line.decided is not False, f"not flagged: {where}"
            assert row["logged_us"] == line.truth and row["step"] == line.step, f"wrong: {where}"
        else:
            assert line.decided is not True, f"needless doubt: {where}"
            assert (row["logged_us"], row["other_us"]) == line.readings, f"wrong readings: {where}"
            assert row["step"] == line.step + row["other_us"] - row["logged_us"], f"too narrow: {where}"
            assert "in an hour that" in row["stamp_doubts"], f"not said: {where}"


TRIALS: tuple[Trial, ...] = (
    Trial(
        "instants", "DST fold/gap, mixed zones, year roll, leap second, epochs", 500, no_wrong_instant, 6, 60
    ),
    Trial("skew", "clock skew -3 s to 3 s, drift 50 ppm", 500, offset_and_orders, 10, 60),
)
