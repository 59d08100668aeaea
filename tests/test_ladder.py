import pandas as pd
import pytest

from analysis import engine
from analysis.schema import table
from analysis.signals.ladder import RUNGS, answerable, counts

WHOLE = {
    "status": [200, 500],
    "user_id": ["ana", "ana"],
    "request_key": ["k", "k"],
    "starts_from": [1, 2],
    "starts_by": [1, 2],
    "ends_from": [3, 4],
    "ends_by": [3, 4],
}


def can(exceptions=1, links=("exceptions", "statements"), **columns):
    """The questions that requests with these columns, so many exceptions and such links can answer."""
    tables = {
        "requests": pd.DataFrame({"record_id": [1, 2]} | columns),
        "exceptions": pd.DataFrame({"record_id": range(10, 10 + exceptions)}),
        "links": pd.DataFrame({"from_record": [2] * len(links), "to_table": list(links)}),
    }
    expr = counts(*(table(name) for name in ("requests", "exceptions", "links")))
    row = engine.run(expr, engine.in_memory(tables)).to_dict("records")[0]
    return [question for question, yes, _ in answerable(row) if yes]


def test_all_rungs_answer_all_questions():
    assert can(**WHOLE) == [rung.question for rung in RUNGS]


def test_an_application_log_alone_tells_errors_and_nothing_else():
    tables = {name: pd.DataFrame({"record_id": []}) for name in ("requests",)}
    tables |= {"exceptions": pd.DataFrame({"record_id": [1]}), "links": pd.DataFrame({"from_record": []})}
    row = engine.run(
        counts(table("requests"), table("exceptions"), table("links")), engine.in_memory(tables)
    ).to_dict("records")[0]
    assert [yes for _, yes, _ in answerable(row)] == [True] + [False] * (len(RUNGS) - 1)


@pytest.mark.parametrize(
    ("column", "lost"),
    [
        ("status", ["When did the error rate rise?", "Who was hit?"]),
        ("user_id", ["Who was hit?"]),
        ("request_key", ["Which requests were duplicates?", "Did duplicates overlap?"]),
        ("ends_by", ["Did duplicates overlap?"]),
        ("starts_from", ["Did duplicates overlap?"]),
    ],
)
def test_a_column_that_is_missing_costs_its_own_questions_only(column, lost):
    without = {name: values for name, values in WHOLE.items() if name != column}
    assert can(**without) == [rung.question for rung in RUNGS if rung.question not in lost]


def test_one_failure_explained_among_many_does_not_tell_which_cause_each_had():
    many = {name: [values[1]] * 4 for name, values in WHOLE.items()}
    alone = can(**many, record_id=[1, 2, 3, 4])
    assert "Which cause had each failure?" not in alone


def test_what_would_be_needed_is_said_where_there_is_no_answer():
    nothing = {name: 0 for rung in RUNGS for name in rung.needs}
    assert [needed for _, _, needed in answerable(nothing)] == [rung.provided_by for rung in RUNGS]
