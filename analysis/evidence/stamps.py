"""Stamps and durations as SQL: text of a log -> µs, with the step that its digits show.

Offsets are applied here: DuckDB 2.0 casts '…+02:00' to a TIMESTAMP and drops the offset without a word.
"""

from dataclasses import dataclass
from typing import Final

from analysis.evidence.layout import Steps, literal, one_of

SECOND_US: Final = 1_000_000
LATEST_US: Final = 253_402_300_799_999_999  # the end of the year 9999
LONGEST_US: Final = 10**15  # 31 years
EPOCHS: Final = {"epoch_s": "* 1000000", "epoch_ms": "* 1000", "epoch_us": "* 1", "epoch_ns": "/ 1000"}
UNITS: Final = {"duration_us": 1, "duration_ms": 1_000, "duration_s": SECOND_US}

NUMBER: Final = "DECIMAL(28, 9)"
OFFSET: Final = "' ?[+-](?:0[0-9]|1[0-5])(?::?[0-5][0-9])?'"
ABBREVIATION: Final = "' ?[A-Za-z]{2,5}'"  # of a zone: EST is ambiguous, so the stamp stays a local reading
UTC: Final = ("UTC", "GMT", " UTC", " GMT", "z", " Z")


@dataclass(frozen=True)
class Stamp:
    """How a format writes its stamps and what they mean.

    format: iso (a T or a space, fraction and offset optional), time (no date), epoch_s|ms|us|ns, any (iso, or an
    epoch told by its size), or a strptime pattern. marks: start | finish | instant | unknown. resolution_us: finest
    step of the writer's clock; a stamp with fewer digits is coarser. lag_us: how late the writer may stamp.
    """

    format: str
    marks: str
    resolution_us: int
    lag_us: int
    zone: str | None = None

    @property
    def time_only(self) -> bool:
        return self.format == "time"

    @property
    def always_zoned(self) -> bool:
        """Whether each stamp is an instant, by its offset or because the format says UTC."""
        return self.zone == "UTC" or self.format in EPOCHS or "%z" in self.format


def stamp_outputs(steps: Steps, stamp: Stamp) -> dict[str, str]:
    """Read `logged_at`: adds steps, returns the outputs logged_us, resolution_us, zoned and stamp_ok."""
    value = steps.values.get("logged_at", "NULL::VARCHAR")
    us, step, zoned = "", str(stamp.resolution_us), "true" if stamp.always_zoned else "false"
    if stamp.format == "time":
        steps.add(stamp=f"replace({value}, ',', '.')")
        us = "epoch_us(TRY_CAST('1970-01-01 ' || _stamp AS TIMESTAMP))"
        step = _step("length(_stamp) - 9")
    elif stamp.format in EPOCHS:
        us = f"TRY_CAST({value} AS {NUMBER}) {EPOCHS[stamp.format]}"
        step = _epoch_step(stamp.format, value)
    elif stamp.format in {"iso", "any"}:
        us, step, instant = _iso(steps, value)
        zoned = f"({zoned} OR {instant})"
        if stamp.format == "any":
            us, step, zoned = _any(steps, value, us, step, zoned)
    else:
        us = f"epoch_us(try_strptime({value}, {literal(stamp.format)}))"
    steps.add(us=f"TRY_CAST({us} AS BIGINT)")
    steps.add(logged_us=f"CASE WHEN _us BETWEEN 0 AND {LATEST_US} THEN _us END")
    return {
        "stamp_ok": "_logged_us IS NOT NULL",
        "zoned": zoned,
        "logged_us": "_logged_us",
        "resolution_us": f"CAST(greatest({step}, {stamp.resolution_us}) AS BIGINT)",
    }


def duration_outputs(steps: Steps) -> dict[str, str]:
    """The outputs duration_us and duration_step_us, of whichever duration field is there."""
    named = {unit: steps.values[name] for name, unit in UNITS.items() if name in steps.values}
    if not named:
        return {"duration_us": "NULL::BIGINT", "duration_step_us": "NULL::BIGINT"}
    lengths, sizes = [], []
    for unit, value in named.items():
        length = f"TRY_CAST(round(TRY_CAST({value} AS DOUBLE) * {unit}) AS BIGINT)"
        lengths.append(f"CASE WHEN {length} BETWEEN 0 AND {LONGEST_US} THEN {length} END")
        step = _step(_digits(value))
        sizes.append(
            f"CASE WHEN contains({value}, 'e') THEN 1 "
            f"WHEN {value} IS NOT NULL THEN greatest(CAST({step} AS BIGINT) * {unit} // {SECOND_US}, 1) END"
        )
    steps.add(duration=f"coalesce({', '.join(lengths)})")
    step = f"CASE WHEN _duration IS NOT NULL THEN CAST(coalesce({', '.join(sizes)}) AS BIGINT) END"
    return {"duration_us": "_duration", "duration_step_us": step}


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
    steps.add(is_z="ends_with(_stamp, 'Z')")
    steps.add(
        zone="CASE WHEN _is_z THEN 'Z' WHEN length(_stamp) < 20 THEN '' "
        "ELSE regexp_extract(substr(_stamp, 20), '[^.0-9].*$') END"
    )
    steps.add(
        naive="epoch_us(TRY_CAST("
        "CASE WHEN _is_z THEN _stamp ELSE left(_stamp, length(_stamp) - length(_zone)) END AS TIMESTAMP))",
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
    return us, _step("length(_stamp) - length(_zone) - 20"), "(_is_offset OR _is_utc)"


def _any(steps: Steps, value: str, us: str, step: str, zoned: str) -> tuple[str, str, str]:
    """As `_iso`, and for a number the epoch whose unit its size tells: since 1973 no two units share a size."""
    steps.add(number=f"TRY_CAST({value} AS {NUMBER})")
    sizes = zip(EPOCHS, ("1e11", "1e14", "1e17", "1e19"), strict=True)
    units = [(f"_number < {below}", unit) for unit, below in sizes]
    instants = " ".join(f"WHEN {size} THEN _number {EPOCHS[unit]}" for size, unit in units)
    steps_us = " ".join(f"WHEN {size} THEN {_epoch_step(unit, value)}" for size, unit in units)
    return (
        f"CASE WHEN _number IS NULL THEN {us} WHEN _number < 1e8 THEN NULL {instants} END",
        f"CASE WHEN _number IS NULL THEN {step} {steps_us} END",
        f"(_number IS NOT NULL OR {zoned})",
    )
