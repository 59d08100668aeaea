"""Stamps and durations as SQL: text of a log -> µs, with the step that its digits show.

Offsets are applied here: DuckDB 2.0 casts '…+02:00' to a TIMESTAMP and drops the offset without a word.
"""

import re
from dataclasses import dataclass
from typing import Final

from analysis.evidence.layout import Steps, literal, one_of

SECOND_US: Final = 1_000_000
LEAP_YEAR: Final = 2000  # has a 29 February
MONTHS: Final = ("%b", "%B", "%m")
YEARS: Final = ("%Y", "%y")
LATEST_US: Final = 253_402_300_799_999_999  # the end of the year 9999
ALMOST_HALF: Final = (
    "0.499999999"  # less this, the cast to BIGINT rounds down; floor would cost a quarter more
)
LEAPS: Final = ("59:60", "29:60", "14:60", "44:60")  # minute and second
LONGEST_US: Final = 10**15  # 31 years
EPOCHS: Final = {"epoch_s": "* 1000000", "epoch_ms": "* 1000", "epoch_us": "* 1", "epoch_ns": "* 0.001"}
UNITS: Final[dict[str, int | None]] = {
    "duration_us": 1,
    "duration_ms": 1_000,
    "duration_s": SECOND_US,
    "duration_ns": None,
}
"""µs of one; of a nanosecond there are none."""

NUMBER: Final = "DECIMAL(28, 9)"
OFFSET: Final = "' ?[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?'"
ABBREVIATION: Final = "' ?[A-Za-z]{2,5}'"  # of a zone: EST is ambiguous, so the stamp stays a local reading
UTC: Final = ("UTC", "GMT", " UTC", " GMT", "z", " Z")


@dataclass(frozen=True)
class Stamp:
    """How a format writes its stamps and what they mean.

    format: iso (a T or a space, fraction and offset optional), time (no date), epoch_s|ms|us|ns, any (iso, or an
    epoch told by its size), none (no stamps), or a strptime pattern, which may lack the year.
    marks: start | finish | instant | unknown. resolution_us: finest step of the writer's clock; a stamp with fewer
    digits is coarser. lag_us: how late the writer may stamp. inherit: a record whose stamp is blank was written in
    the same step as the one before it.
    """

    format: str
    marks: str
    resolution_us: int
    lag_us: int
    zone: str | None = None
    inherit: bool = False

    @property
    def time_only(self) -> bool:
        return self.format == "time"

    @property
    def yearless(self) -> bool:
        """Whether a stamp has a month and a day but no year: it is read in LEAP_YEAR until the loader knows."""
        return any(day in self.format for day in MONTHS) and not any(year in self.format for year in YEARS)

    @property
    def always_zoned(self) -> bool:
        """Whether each stamp is an instant, by its offset or because the format says UTC."""
        return self.zone == "UTC" or self.format in EPOCHS or "%z" in self.format

    @property
    def shortest(self) -> int:
        """Bytes that a stamp has at least; 0: a record is read without one too."""
        if self.format == "none" or self.inherit:
            return 0
        if self.format == "any" or self.format in EPOCHS:
            return 1
        if self.format in ("iso", "time"):  # what DuckDB casts
            return len("1-1-1" if self.format == "iso" else "0:")
        return len(re.sub("%-?.", "0", self.format).replace(" ", ""))  # strptime asks for no blanks


@dataclass(frozen=True)
class Sum:
    """A duration that a format writes in parts, all of one unit: duration_s, duration_ms, …"""

    parts: tuple[str, ...]
    unit: str


def stamp_outputs(steps: Steps, stamp: Stamp) -> dict[str, str]:
    """Read `logged_at`: adds steps, returns the outputs logged_us, resolution_us, zoned and stamp_ok."""
    if stamp.format == "none":
        return {
            "stamp_ok": "true",
            "zoned": "true",
            "logged_us": "NULL::BIGINT",
            "resolution_us": f"{stamp.resolution_us}::BIGINT",
        }
    value = steps.values.get("logged_at", "NULL::VARCHAR")
    us, step, zoned = "", str(stamp.resolution_us), "true" if stamp.always_zoned else "false"
    if stamp.format == "time":
        steps.add(stamp=f"replace({value}, ',', '.')")
        us = _with_leap(steps, "'1970-01-01 ' || _stamp")
        step = _step("length(_stamp) - 9")
    elif stamp.format in EPOCHS:
        us = f"(TRY_CAST({value} AS {NUMBER}) {EPOCHS[stamp.format]} - {ALMOST_HALF})"
        step = _epoch_step(stamp.format, value)
    elif stamp.format in {"iso", "any"}:
        us, step, instant = _iso(steps, value)
        zoned = f"({zoned} OR {instant})"
        if stamp.format == "any":
            us, step, zoned = _any(steps, value, us, step, zoned)
    else:
        us = _strptime(steps, value, stamp)
    steps.add(us=f"TRY_CAST({us} AS BIGINT)")
    steps.add(logged_us=f"CASE WHEN _us BETWEEN 0 AND {LATEST_US} THEN _us END")
    return {
        "stamp_ok": "_logged_us IS NOT NULL"
        + (f" OR coalesce(trim({value}), '') = ''" if stamp.inherit else ""),
        "zoned": zoned,
        "logged_us": "_logged_us",
        "resolution_us": _widest(stamp, step),
    }


def _widest(stamp: Stamp, step: str) -> str:
    """The coarsest of the steps; greatest skips NULL, and costs a tenth of a CASE."""
    leap = "" if stamp.format in EPOCHS else f", _leap - _leap + {SECOND_US}"
    return f"CAST(greatest({step}, {stamp.resolution_us}{leap}) AS BIGINT)"


def _with_leap(steps: Steps, text: str) -> str:
    """µs of "2016-12-31 23:59:59.9"; a leap second, 23:59:60, is somewhere in the second after it.

    It is looked for only where the text is no time otherwise. Minutes: an offset is a multiple of a quarter hour.
    """
    steps.add(read=f"epoch_us(TRY_CAST({text} AS TIMESTAMP))")
    before = f"epoch_us(TRY_CAST(left({text}, 17) || '59' AS TIMESTAMP))"
    ends = f"substr({text}, 15, 5) IN ({', '.join(map(literal, LEAPS))})"
    steps.add(leap=f"CASE WHEN _read IS NULL AND {ends} THEN {before} + {SECOND_US} END")
    return "coalesce(_read, _leap)"


def _strptime(steps: Steps, value: str, stamp: Stamp) -> str:
    """As `_with_leap`, by the format's own pattern."""
    text, pattern = value, literal(stamp.format)
    if stamp.yearless:
        text, pattern = f"'{LEAP_YEAR} ' || {value}", literal(f"%Y {stamp.format}")
    steps.add(read=f"epoch_us(try_strptime({text}, {pattern}))")
    ends = " OR ".join(f"contains({value}, {literal(f':{leap}')})" for leap in LEAPS)
    before = text
    for leap in LEAPS:
        before = f"replace({before}, {literal(f':{leap}')}, {literal(f':{leap[:3]}59')})"
    second = f"epoch_us(try_strptime({before}, {pattern})) // {SECOND_US} * {SECOND_US} + {SECOND_US}"
    steps.add(leap=f"CASE WHEN _read IS NULL AND ({ends}) THEN {second} END")
    return "coalesce(_read, _leap)"


def duration_outputs(steps: Steps, whole: Sum | None = None) -> dict[str, str]:
    """The outputs duration_us and duration_step_us: of a sum, else of whichever duration field is there."""
    if whole is not None:
        parts = [steps.values.get(part, "NULL::VARCHAR") for part in whole.parts]
        lengths = [" + ".join(_length(whole.unit, part) for part in parts)]
        sizes = [" + ".join(_length_step(whole.unit, part) for part in parts)]
    else:
        named = {name: steps.values[name] for name in UNITS if name in steps.values}
        lengths = [_length(name, value) for name, value in named.items()]
        sizes = [_length_step(name, value) for name, value in named.items()]
    if not lengths:
        return {"duration_us": "NULL::BIGINT", "duration_step_us": "NULL::BIGINT"}
    steps.add(duration=f"coalesce({', '.join(lengths)})")
    step = f"CASE WHEN _duration IS NOT NULL THEN CAST(coalesce({', '.join(sizes)}) AS BIGINT) END"
    return {"duration_us": "_duration", "duration_step_us": step}


def _length(unit: str, value: str) -> str:
    """A duration in µs; NULL for none, a negative or an absurd one."""
    number = f"TRY_CAST({value} AS DOUBLE)"
    length = f"floor({number} / 1000)" if unit == "duration_ns" else f"round({number} * {UNITS[unit]})"
    return f"CASE WHEN TRY_CAST({length} AS BIGINT) BETWEEN 0 AND {LONGEST_US} THEN TRY_CAST({length} AS BIGINT) END"


def _length_step(unit: str, value: str) -> str:
    if unit == "duration_ns":
        return f"CASE WHEN {value} IS NOT NULL THEN 1 END"
    return (
        f"CASE WHEN contains({value}, 'e') THEN 1 WHEN {value} IS NOT NULL THEN "
        f"greatest(CAST({_step(_digits(value))} AS BIGINT) * {UNITS[unit]} // {SECOND_US}, 1) END"
    )


def _step(digits: str) -> str:
    """The step, in µs, of seconds with so many digits of fraction."""
    cases = " ".join(f"WHEN {count} THEN {10 ** (6 - count)}" for count in range(6))
    return f"CASE least(greatest({digits}, 0), 6) {cases} ELSE 1 END"


def _digits(value: str) -> str:
    """How many digits stand behind the point."""
    return f"CASE WHEN contains({value}, '.') THEN length({value}) - instr({value}, '.') ELSE 0 END"


def _epoch_step(unit: str, value: str) -> str:
    digits = _digits(value)
    return {"epoch_s": _step(digits), "epoch_ms": f"CASE WHEN {digits} > 0 THEN 1 ELSE 1000 END"}.get(
        unit, "1"
    )


def _iso(steps: Steps, value: str) -> tuple[str, str, str]:
    """µs, step and "is an instant" of an ISO 8601 stamp. Behind the seconds and their digits stands the zone."""
    steps.add(stamp=f"CASE WHEN contains({value}, ',') THEN replace({value}, ',', '.') ELSE {value} END")
    steps.add(is_z="ends_with(_stamp, 'Z') AND NOT ends_with(_stamp, ' Z')")
    steps.add(
        zone="CASE WHEN _is_z THEN 'Z' WHEN length(_stamp) < 20 THEN '' "
        "ELSE regexp_extract(substr(_stamp, 20), '[^.0-9].*$') END"
    )
    naive = _with_leap(
        steps, "CASE WHEN _is_z THEN _stamp ELSE left(_stamp, length(_stamp) - length(_zone)) END"
    )
    steps.add(
        naive=naive,
        is_utc=f"CASE WHEN _is_z THEN true WHEN _zone = '' THEN false ELSE {one_of('_zone', UTC)} END",
        is_offset=f"CASE WHEN _is_z OR _zone = '' THEN false ELSE regexp_full_match(_zone, {OFFSET}) END",
    )
    digits = "replace(ltrim(_zone), ':', '')"
    hours, rest = (f"TRY_CAST(substr({digits}, {place}, 2) AS BIGINT)" for place in (2, 4))
    minutes = f"{hours} * 60 + coalesce({rest}, 0)"
    east_us = f"CASE WHEN starts_with({digits}, '-') THEN -60000000 ELSE 60000000 END * ({minutes})"
    us = (
        "CASE WHEN length(_stamp) < 19 THEN NULL WHEN _is_utc OR _zone = '' THEN _naive "
        f"WHEN _is_offset THEN _naive - {east_us} WHEN regexp_full_match(_zone, {ABBREVIATION}) THEN _naive END"
    )
    return us, _step("length(_stamp) - length(_zone) - 20"), "nullif(_is_offset OR _is_utc, _zone = '')"


def _any(steps: Steps, value: str, us: str, step: str, zoned: str) -> tuple[str, str, str]:
    """As `_iso`, and for a number the epoch whose unit its size tells: since 1973 no two units share a size."""
    # A cast that fails costs seven that succeed; an ISO stamp has its first hyphen behind the year.
    steps.add(number=f"CASE WHEN substr({value}, 5, 1) <> '-' THEN TRY_CAST({value} AS {NUMBER}) END")
    sizes = zip(EPOCHS, ("1e11", "1e14", "1e17", "1e19"), strict=True)
    units = [(f"_number < {below}", unit) for unit, below in sizes]
    instants = " ".join(f"WHEN {size} THEN (_number {EPOCHS[unit]} - {ALMOST_HALF})" for size, unit in units)
    steps_us = " ".join(f"WHEN {size} THEN {_epoch_step(unit, value)}" for size, unit in units)
    return (
        f"CASE WHEN _number IS NULL THEN {us} WHEN _number < 1e8 THEN NULL {instants} END",
        f"CASE WHEN _number IS NULL THEN {step} {steps_us} END",
        f"(_number IS NOT NULL OR {zoned})",
    )
