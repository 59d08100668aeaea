import pytest

from analysis import engine
from analysis.schema import TABLES, table


@pytest.mark.parametrize("name", TABLES)
def test_every_promised_column_works_bare_in_select_where_and_order_by(name):
    import duckdb

    connection = duckdb.connect()
    engine.create_table(connection, name)
    for column in TABLES[name]:
        query = f"SELECT {column} FROM {name} WHERE {column} IS NOT NULL ORDER BY {column}"
        assert connection.execute(query).fetchall() == []


def test_an_unbound_promised_table_compiles_and_runs():
    import pandas as pd

    connection = engine.in_memory({"requests": pd.DataFrame({"record_id": [1, 2], "status": [200, 500]})})
    failed = table("requests").filter(table("requests").status >= 500)
    assert engine.run(failed, connection)["record_id"].tolist() == [2]
