"""Drawn timelines: one column is one millisecond.

    pay-1  a  [============]
    pay-1  b     [=]  500

Each line: request_key, name, then a picture. `[` is the start, `]` the finish; a `?` in place of `[` or `]` is an end
that no log shows (its bound is NULL). A status may follow the picture (200 if not). `name` becomes request_id.
"""

import re
from collections.abc import Mapping

import duckdb
import pandas as pd

from analysis import engine
from analysis.schema import table
from analysis.signals.duplicates import repeats

ROW = re.compile(
    r"^\s*(?P<key>\S+)  (?P<name>\S+)  (?P<picture> *[\[?][=.]*[\]?])(?:\s+(?P<status>\d{3}))?\s*$"
)


def drawn(picture: str, resolution_us: int = 1, **columns: object) -> duckdb.DuckDBPyConnection:
    """A database in memory whose `requests` are those of the picture; extra columns are set on every row.

    resolution_us: how wide each bound is (1: stamps are exact to the µs).
    """
    matches = [ROW.match(line) for line in picture.splitlines() if line.strip()]
    rows = [request(number, match, resolution_us) for number, match in enumerate(matches, 1)]  # type: ignore
    return in_memory({"requests": pd.DataFrame(rows).assign(**columns)})  # type: ignore


def in_memory(tables: Mapping[str, pd.DataFrame]) -> duckdb.DuckDBPyConnection:
    """`engine.in_memory`, with `repeat_us` of the requests filled as the loader fills it."""
    connection = engine.in_memory(tables)
    nearest = engine.to_sql(repeats(table("requests")))
    connection.execute(
        f"UPDATE requests SET repeat_us = near.repeat_us FROM ({nearest}) AS near "
        "WHERE requests.record_id = near.record_id"
    )
    return connection


def request(number: int, match: "re.Match[str]", resolution_us: int) -> dict[str, object]:
    drawing = match["picture"]
    start, finish = drawing.index(drawing.strip()[0]) * 1000, (len(drawing) - 1) * 1000
    starts = None if drawing.strip()[0] == "?" else start
    ends = None if drawing[-1] == "?" else finish
    slack = resolution_us - 1
    return {
        "record_id": number,
        "source_id": 1,
        "line_no": number,
        "request_id": match["name"],
        "request_key": match["key"],
        "status": int(match["status"] or 200),
        "clock": "clock",
        "stamp_us": start,
        "starts_from": starts,
        "starts_by": start + slack if starts is not None else finish + slack,
        "ends_from": ends if ends is not None else start,
        "ends_by": None if ends is None else ends + slack,
    }
