"""Levels that a log does not write by name."""

from collections.abc import Iterable, Mapping
from typing import Final

from analysis.evidence.layout import literal

SEVERITIES: Final = ("EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG")


def level_named(level: str, written: str, names: Mapping[str, str], priority: str | None) -> str:
    """SQL of a level by its name: from what a format writes instead, or else from a syslog priority.

    written: SQL of the level as it stands in the log, where "-" may be a level too. names: that -> the name.
    priority: SQL of the number, facility * 8 + severity or severity alone.
    Source: RFC 5424, section 6.2.1.
    """
    if names:
        level = (
            f"CASE {written} {_cases((literal(key), name) for key, name in names.items())} ELSE {level} END"
        )
    if priority is not None:
        severity = f"TRY_CAST({priority} AS UTINYINT) % {len(SEVERITIES)}"
        cases = _cases((str(number), name) for number, name in enumerate(SEVERITIES))
        level = f"coalesce({level}, CASE {severity} {cases} END)"
    return level


def _cases(pairs: Iterable[tuple[str, str]]) -> str:
    return " ".join(f"WHEN {value} THEN {literal(name)}" for value, name in pairs)
