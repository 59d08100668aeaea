import pandas as pd
from drawing import in_memory

from analysis import engine
from analysis.schema import table
from analysis.signals.duplicates import pairs
from analysis.signals.keys import errors_about


def errors(*rows):
    """The errors that (constraint, key values) of each row give, against two requests for job 4521."""
    requests = pd.DataFrame(
        {
            "record_id": [1, 2],
            "line_no": [1, 2],
            "request_key": ["POST /jobs 4521 sarah_k"] * 2,
            "entity": ["4521"] * 2,
            "stamp_us": [101_000, 108_000],
            "clock": ["a"] * 2,
        }
    )
    exceptions = pd.DataFrame(
        [
            {"record_id": 10 + number, "is_last": True, "constraint_name": constraint, "key_values": values}
            for number, (constraint, values) in enumerate(rows)
        ]
    )
    connection = in_memory({"requests": requests, "exceptions": exceptions})
    found = engine.run(errors_about(table("exceptions"), pairs(table("requests"), 50_000)), connection)
    return found[["record_id", "first_record", "second_record"]].values.tolist()


def test_an_error_whose_key_holds_the_entity_is_about_the_pair():
    assert errors(("unique", ["4521", "completed"])) == [[10, 1, 2]]


def test_an_entity_twice_in_a_key_is_one_row():
    assert errors(("unique", ["4521", "4521"])) == [[10, 1, 2]]


def test_an_error_about_another_entity_is_not():
    assert errors(("unique", ["452", "45210"])) == []


def test_an_error_without_a_constraint_is_not():
    assert errors((None, ["4521"])) == []
