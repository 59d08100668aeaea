import pandas as pd
import pytest

from analysis import engine
from analysis.schema import table
from analysis.signals.strays import main_stretch

HOUR = 3_600_000_000
YEAR = 365 * 24 * HOUR


def found(stamps):
    requests = pd.DataFrame({"stamp_us": pd.array(stamps, dtype="Int64")})
    return engine.run(main_stretch(table("requests")), engine.in_memory({"requests": requests})).to_dict(
        "records"
    )


def test_two_lines_of_another_year_are_strays():
    (row,) = found([*range(0, 600_000_000, 1_000_000), -6 * YEAR, YEAR])
    assert (row["far"], row["strays"]) == (True, 2)
    assert row["first_us"] < 0
    assert 600_000_000 < row["last_us"] < YEAR
    assert (row["earliest_us"], row["latest_us"]) == (-6 * YEAR, YEAR)


@pytest.mark.parametrize(
    "stamps",
    [
        range(0, 500 * HOUR, HOUR),  # three weeks of even traffic
        [day * 24 * HOUR + minute * 60_000_000 for day in range(9) for minute in range(90)],  # quiet nights
        [*range(0, 9 * HOUR, 60_000_000), 24 * HOUR],  # one request next morning
        [0, 1, 2, YEAR],  # too few to say which of them stray
    ],
)
def test_what_lies_thin_is_not_far(stamps):
    assert [row["far"] for row in found(list(stamps))] == [False]


def test_one_week_in_ten_years_of_which_half_is_as_old_is_no_stray():
    (row,) = found([*range(0, 300), *range(10 * YEAR, 10 * YEAR + 300)])
    assert (row["far"], row["strays"]) == (False, 0)


def test_without_a_stamp_there_is_no_stretch():
    assert [bool(row["far"]) for row in found([None, None]) if row["far"] == row["far"]] in ([], [False])
