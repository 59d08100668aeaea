"""Requests that two logs tell -> `retold`."""

from functools import cache
from typing import Final

import duckdb
import ibis

from analysis import engine
from analysis.schema import table
from analysis.signals import retold

SEVERAL: Final = """
WITH spans AS (SELECT source_id, min(stamp_us) AS first, max(stamp_us) AS last FROM requests GROUP BY source_id)
SELECT count(*) > 0 FROM spans AS one JOIN spans AS other
ON one.source_id < other.source_id AND one.first <= other.last AND other.first <= one.last
"""
"""Whether two logs of requests share any time; if not, nothing needs to be compared."""

HEAPED: Final = ibis.table(retold.heaps(table("requests")).schema(), name="heaped")


def load_retold(connection: duckdb.DuckDBPyConnection) -> None:
    """Fill `retold`: the requests that a log tells which tells more of each request has already told."""
    if not connection.execute(SEVERAL).fetchall()[0][0]:
        return
    connection.execute(f"CREATE TEMP TABLE heaped AS {_heaps()}")
    rows = engine.run(retold.compared(HEAPED), connection).to_dict("records")
    for source_id, better_id in retold.retellers(rows).items():
        found = engine.to_sql(retold.retold(HEAPED, source_id, better_id))
        connection.execute(f"INSERT INTO retold BY NAME {found}")
    connection.execute("DROP TABLE heaped")


@cache
def _heaps() -> str:
    genuine = table("requests").anti_join(table("flags"), "record_id")
    return engine.to_sql(retold.heaps(genuine))
