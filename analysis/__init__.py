"""From raw log exports to what happened, to the millisecond, without guessing.

The verbs are loaded when first used: a process that only runs notebooks has no use for the tables.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from analysis.case import read_case
    from analysis.discover import discover
    from analysis.investigation import investigate, open_case
    from analysis.verdict import sum_up

__all__ = ["discover", "investigate", "open_case", "read_case", "sum_up"]

PLACES: Final = {
    "read_case": "analysis.case",
    "discover": "analysis.discover",
    "open_case": "analysis.investigation",
    "investigate": "analysis.investigation",
    "sum_up": "analysis.verdict",
}


def __getattr__(name: str) -> object:
    if name not in PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(PLACES[name]), name)
