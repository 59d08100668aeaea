from functools import cache

import pandas as pd
import pytest
from drawing import drawn

from analysis import engine
from analysis.schema import table
from analysis.signals.duplicates import pairs
from analysis.signals.silent import fates, silent_losers

MS = 1_000
RACE = "pay-1  a  [==========]\npay-1  b    [============]  500"
BOTH_PASS = "pay-1  a  [==========]\npay-1  b    [============]"
NAMES = ("requests", "links", "statements", "records")


@cache
def losers_sql():
    return engine.to_sql(
        silent_losers(pairs(table("requests"), 50 * MS), *(table(name) for name in NAMES[1:]))
    )


@cache
def fates_sql():
    return engine.to_sql(fates(table("statements")))


def ran(lane, ms, kind="update", **more):
    """A statement that the request `lane` ran from `ms` to a millisecond later; its place is its turn in the list."""
    times = {"started_us": ms * MS, "finished_us": (ms + 1) * MS, "resolution_us": MS}
    place = {"source_id": 9, "clock": "db", "writer": "postgres", "session": f"s{lane}"}
    return (
        {"lane": lane, "kind": kind, "sql": kind, "table_name": "jobs_job", "sqlstate": None}
        | times
        | place
        | more
    )


def database(picture, statements, message="statement: …"):
    connection = drawn(picture)
    columns = list(statements[0]) if statements else ["lane"]
    shown = pd.DataFrame(statements, columns=columns)
    shown = shown.assign(line_no=range(1, len(shown) + 1), record_id=range(101, len(shown) + 101))
    frames = {
        "statements": shown.drop(columns="lane"),
        "links": pd.DataFrame({"from_record": shown["lane"], "to_record": shown["record_id"]}).assign(
            to_table="statements"
        ),
        "records": shown[["record_id"]].assign(message=message),
    }
    for name, frame in frames.items():
        engine.create_table(connection, name)
        connection.register("given", frame)
        names = ", ".join(frame.columns)
        connection.execute(f"INSERT INTO {name} ({names}) SELECT {names} FROM given")
    return connection


def losers(picture, *statements, **database_of):
    frame = database(picture, statements, **database_of).execute(losers_sql()).df()
    return dict(
        zip(
            map(tuple, frame[["victim_record", "other_record"]].to_numpy()), frame["overwritten"], strict=True
        )
    )


def fate_of(*statements):
    frame = database("pay-1  a  [==]", statements).execute(fates_sql()).df().sort_values("line_no")
    return frame.loc[frame["kind"] == "update", "fate"].tolist()


def test_the_winners_write_overwritten_by_the_failed_request_is_sure():
    assert losers(RACE, ran(1, 3), ran(2, 6)) == {(1, 2): "sure"}


def test_the_failed_request_that_wrote_first_overwrote_nothing():
    assert losers(RACE, ran(2, 3), ran(1, 6)) == {(1, 2): "no"}


def test_a_write_that_was_rolled_back_overwrote_nothing():
    undone = (ran(1, 3), ran(2, 5, "begin"), ran(2, 6), ran(2, 8, "rollback"))
    assert losers(RACE, *undone) == {(1, 2): "no"}


def test_a_write_that_failed_overwrote_nothing():
    assert losers(RACE, ran(1, 3), ran(2, 6, sqlstate="40001")) == {(1, 2): "no"}


def test_a_write_to_another_table_overwrote_nothing():
    assert losers(RACE, ran(1, 3), ran(2, 6, table_name="audit")) == {(1, 2): "no"}


def test_writes_in_one_tick_are_possible():
    assert losers(RACE, ran(1, 3), ran(2, 3)) == {(1, 2): "possible"}


def test_a_transaction_whose_end_no_log_shows_is_possible():
    assert losers(RACE, ran(1, 3), ran(2, 5, "begin"), ran(2, 6)) == {(1, 2): "possible"}


def test_without_statements_it_is_possible():
    assert losers(RACE) == {(1, 2): "possible"}
    assert losers(RACE, ran(1, 3)) == {(1, 2): "possible"}


def test_in_one_tick_the_winners_next_statement_shows_that_its_write_had_ended():
    same_tick = (ran(1, 3), ran(1, 3, "insert"), ran(2, 3))
    assert losers(RACE, *same_tick) == {(1, 2): "sure"}
    assert losers(RACE, ran(1, 3), ran(2, 3), ran(1, 3, "insert")) == {(1, 2): "possible"}


def test_lines_written_when_a_statement_ends_do_not_tell_when_it_began():
    same_tick = (ran(1, 3), ran(1, 3, "insert"), ran(2, 3))
    assert losers(RACE, *same_tick, message="duration: 0.2 ms  statement: …") == {(1, 2): "possible"}


def test_positions_in_a_merged_file_tell_nothing():
    same_tick = (ran(1, 3, writer=None), ran(1, 3, "insert", writer=None), ran(2, 3, writer=None))
    assert losers(RACE, *same_tick) == {(1, 2): "possible"}


def test_a_write_that_waited_for_the_winners_lock_came_after_it():
    waited = ran(2, 2, finished_us=9 * MS, wait_us=6 * MS)
    assert losers(RACE, ran(1, 3, wait_us=0), waited) == {(1, 2): "sure"}
    assert losers(RACE, ran(1, 3, wait_us=0), waited | {"wait_us": 0}) == {(1, 2): "possible"}


def test_only_the_winners_last_write_of_a_table_counts():
    assert losers(RACE, ran(1, 3), ran(2, 5), ran(1, 8)) == {(1, 2): "no"}


def test_of_two_that_passed_the_first_writer_lost():
    assert losers(BOTH_PASS, ran(1, 3), ran(2, 6)) == {(1, 2): "sure", (2, 1): "no"}


@pytest.mark.parametrize(
    ("twin", "picture"),
    [
        ("serial", "pay-1  a  [===]\npay-1  b        [===]"),
        ("refused", "pay-1  a  [=====]  409\npay-1  b    [====]  409"),
        ("the winner of a refused one", "pay-1  a  [=====]\npay-1  b    [====]  409"),
    ],
)
def test_nobody_lost_silently_where_a_pair_is(twin, picture):
    assert losers(picture, ran(1, 1), ran(2, 4)) == {}


@pytest.mark.parametrize(
    ("fate", "story"),
    [
        ("kept", ["update"]),
        ("kept", ["begin", "update", "commit"]),
        ("kept", ["begin", "savepoint", "update", "commit"]),
        ("unknown", ["begin", "savepoint", "update", "failed insert", "commit"]),
        ("undone", ["begin", "update", "rollback"]),
        ("undone", ["begin", "savepoint", "update", "rollback"]),
        ("undone", ["begin", "update", "failed insert", "commit"]),
        ("kept", ["update", "begin", "failed insert", "rollback"]),
        ("kept", ["begin", "read", "rollback", "update"]),
        ("unknown", ["begin", "update"]),
        ("unknown", ["update", "commit"]),
        ("unknown", ["begin", "savepoint", "update", "rollback to savepoint", "commit"]),
    ],
)
def test_an_update_was(fate, story):
    statements = []
    for turn, word in enumerate(story):
        kind = "rollback" if word.startswith("rollback") else word.removeprefix("failed ")
        text = "ROLLBACK TO SAVEPOINT s1" if word == "rollback to savepoint" else kind
        failed = "23505" if word.startswith("failed") else None
        statements.append(ran(1, turn * 2, kind, sql=text, sqlstate=failed))
    assert fate_of(*statements) == [fate]


def test_another_sessions_rollback_undoes_nothing():
    other = (ran(2, 3, "begin"), ran(2, 4, "rollback"))
    assert fate_of(ran(1, 1, "begin"), ran(1, 2), *other, ran(1, 5, "commit")) == ["kept"]


def test_a_statement_of_no_known_session_has_no_known_fate():
    assert fate_of(ran(1, 1, session=None)) == ["unknown"]
