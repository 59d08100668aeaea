"""From raw log exports to what happened, to the millisecond, without guessing."""

from analysis.case import read_case
from analysis.discover import discover
from analysis.investigation import investigate, open_case
from analysis.verdict import sum_up

__all__ = ["discover", "investigate", "open_case", "read_case", "sum_up"]
