"""Numbers, spans and names as a sentence says them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

SECOND_US: Final = 1_000_000
LONGEST: Final = 80  # characters of a name within a sentence
NAMED: Final = 5  # so many are named in a sentence, the rest counted

Row = Mapping[str, Any]  # of a DataFrame, by `to_dict("records")`


def percent(rate: float) -> str:
    """A rate of 0 to 1 as `15.3 %`, with two digits below one per cent."""
    return f"{100 * rate:.2f} %" if 0 < rate < 0.01 else f"{100 * rate:.1f} %"


def instant(us: int, resolution_us: int = 1000) -> str:
    """An instant as `15:47:23.101 UTC`, as fine as it is known."""
    text = pd.Timestamp(us, unit="us").strftime("%H:%M:%S.%f")
    digits = {1: 15, 1000: 12, 1_000_000: 8}.get(resolution_us, 12)
    return f"{text[:digits]} UTC"


def milliseconds(us: float) -> str:
    """A span of µs as `7 ms`, `0.4 ms` or `1.2 s`."""
    if abs(us) >= SECOND_US:
        return f"{us / SECOND_US:.3g} s"
    return f"{us / 1000:.0f} ms" if abs(us) >= 10_000 else f"{us / 1000:.3g} ms"


def counted(number: int, thing: str, several: str | None = None) -> str:
    """`1 user`, `1,204 users`."""
    return f"{number:,} {thing if number == 1 else several or thing + 's'}"


def said_name(text: object) -> str:
    """A name out of a log as a sentence may hold it: one or two words. Whole sentences are a stranger's, not ours.

    What is left out stands in the tables, as data.
    """
    told = str(text)
    short = len(told) <= LONGEST and len(told.split()) <= 2 and "\n" not in told
    return told if short else f"(a name of {len(told):,} characters)"


def endpoint(row: Row) -> str:
    """Method and route, as far as they are known."""
    return " ".join(said_name(row[part]) for part in ("method", "route") if pd.notna(row[part]) and row[part])


def named(names: Sequence[str]) -> str:
    """The first few names, and how many more."""
    more = len(names) - NAMED
    return ", ".join(said_name(each) for each in names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


def short_type(error: Row) -> str:
    """`IntegrityError` of `django.db.utils.IntegrityError`."""
    return said_name(str(error["type"]).rpartition(".")[2])
