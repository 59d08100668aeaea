"""What one after the other gives is innocent, whatever else the runs differ in; what it never gives is not."""

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from replayed import error, run, step

from analysis.replay.oracle import ANOMALY, FAILURE, SERIAL, STUCK, NotComparable, judge
from analysis.replay.outcomes import Keys, read_keys

FIXTURE = {"job": [{"id": 4521, "status": "open", "result": None, "done_at": None}], "completion": []}
KEYS = Keys({"job": ("id",), "completion": ("id",)}, {("completion", "job_id"): "job"}, FIXTURE)

DONE, REFUSED = (200, {"status": "done"}), (400, {"error": "already done"})


def job(result, done_at):
    return {"id": 4521, "status": "done", "result": result, "done_at": done_at}


def completion(number, by, at="2026-03-02T09:14:07.481+00:00"):
    return {"id": number, "job_id": 4521, "by": by, "at": at}


def after(result, second, *completions):
    """The final rows; `second`: when."""
    at = f"2026-03-02T09:14:{second:02}.5+00:00"
    return {"job": [job(result, at)], "completion": list(completions)}


def serial(first="a", last="b"):
    return [
        run("AAB", DONE, REFUSED, after("a", 1, completion(1, "A", "2026-03-02T09:14:01+00:00"))),
        run("AAB", DONE, REFUSED, after("a", 2, completion(1, "A", "2026-03-02T09:14:02+00:00"))),
        run("BBA", REFUSED, DONE, after("b", 3, completion(1, "B", "2026-03-02T09:14:03+00:00"))),
        run("BBA", REFUSED, DONE, after("b", 4, completion(1, "B", "2026-03-02T09:14:04+00:00"))),
    ]


def verdict(*runs, keys=KEYS, **more):
    return [each.verdict for each in judge(serial(), runs, keys, **more).judged]


def test_what_a_serial_order_gives_is_serial_and_says_which():
    late = after("b", 59, completion(1, "B", "2026-03-02T23:59:59+00:00"))
    (judged,) = judge(serial(), [run("ABBA", REFUSED, DONE, late)], KEYS).judged
    assert (judged.verdict, judged.order, judged.differences) == (SERIAL, (1, 0), ())


def test_both_succeed_and_one_is_overwritten():
    both = run("ABAB", DONE, DONE, after("b", 9, completion(1, "A"), completion(2, "B")))
    (judged,) = judge(serial(), [both], KEYS).judged
    assert judged.verdict == ANOMALY
    (lost,) = judged.overwritten
    assert (lost.table, lost.key, lost.columns, lost.loser, lost.winner) == (
        "job",
        (4521,),
        ("result",),
        0,
        1,
    )
    assert any(each.startswith("A answers 200 instead of 400") for each in judged.differences)
    assert judged.differences[1:] == ("completion has a row more: by 'A', id 'new', job_id 4521",)


def test_the_row_of_the_one_who_failed():
    broken = run("ABAB", DONE, (500, "", error("23505", "once")), after("b", 9, completion(1, "A")))
    (judged,) = judge(serial(), [broken], KEYS).judged
    assert judged.verdict == FAILURE
    assert judged.reason == "B is answered 500: unique violation (SQLSTATE 23505, once)"
    assert [(each.loser, each.winner) for each in judged.overwritten] == [(0, 1)]


def test_a_failure_whose_row_is_the_successful_ones_overwrites_nothing():
    broken = run("ABAB", DONE, (500, "", error("23505")), after("a", 9, completion(1, "A")))
    (judged,) = judge(serial(), [broken], KEYS).judged
    assert (judged.verdict, judged.overwritten) == (FAILURE, ())


def test_a_serialization_failure_is_named():
    judged = judge(serial(), [run("AB", DONE, (500, "", error("40001")), after("a", 9))], KEYS).judged[0]
    assert judged.reason == "B is answered 500: serialization failure (SQLSTATE 40001)"


def test_a_handled_violation_that_gives_a_serial_outcome_is_innocent():
    handled = (400, {"error": "already done"})
    rows = after("a", 9, completion(1, "A"))
    second = run("ABAB", DONE, handled, rows)
    assert verdict(second) == [SERIAL]


def test_runs_with_the_same_outcome_are_of_one_kind():
    rows = [after("a", second, completion(second, "A")) for second in (8, 9)]
    same = [run("ABAB", DONE, (500, "", error("23505")), each) for each in rows]
    other = run("ABAB", DONE, (500, "", error("23505")), after("b", 9, completion(1, "A")))
    judgement = judge(serial(), [same[0], other, same[1], run("AB", DONE, REFUSED, rows[0])], KEYS)
    assert [each.kind for each in judgement.judged] == [2, 3, 2, 0]
    assert judgement.kinds == 4


def test_a_deadlock_that_was_tried_again_is_innocent_and_one_that_was_answered_is_not():
    rows = after("a", 9, completion(1, "A"))
    again = run("ABAB", DONE, REFUSED, rows, deadlock=True)
    answered = run("ABAB", DONE, (503, "", error("40P01")), rows, deadlock=True)
    assert verdict(again, answered) == [SERIAL, FAILURE]


def test_a_deadlock_that_was_answered_in_another_way_is_a_failure():
    busy = run("ABAB", DONE, (409, {"error": "busy"}, error("40P01")), after("a", 9, completion(1, "A")))
    handled = replace(busy.responses[1], error=None)
    (judged,) = judge(serial(), [replace(busy, responses=(busy.responses[0], handled))], KEYS).judged
    assert (judged.verdict, judged.reason) == (FAILURE, "B is answered 409 after a deadlock")


def test_another_status_alone_is_an_anomaly():
    rows = after("a", 9, completion(1, "A"))
    assert verdict(run("ABAB", DONE, (409, REFUSED[1]), rows)) == [ANOMALY]


def test_no_answer_is_a_failure():
    assert verdict(run("AB", DONE, (0, ""), after("a", 9))) == [FAILURE]


def test_a_stuck_run_is_no_acquittal():
    judgement = judge(serial(), [run("AB", DONE, REFUSED, stuck="blocked outside PostgreSQL")], KEYS)
    assert judgement.judged[0].verdict == STUCK
    assert not judgement.safe and not judgement.bad


def test_a_key_that_a_rolled_back_insert_used_up_is_no_difference():
    assert verdict(run("ABAB", DONE, REFUSED, after("a", 9, completion(7, "A")))) == [SERIAL]


def test_without_keys_nothing_is_renamed():
    assert verdict(run("ABAB", DONE, REFUSED, after("a", 9, completion(7, "A"))), keys=Keys()) == [ANOMALY]


def test_an_old_rows_key_is_not_renamed():
    rows = after("a", 9, completion(1, "A"))
    rows["job"][0]["id"] = 4522
    assert verdict(run("ABAB", DONE, REFUSED, rows)) == [ANOMALY]


def test_a_duplicate_row_is_an_anomaly():
    twice = after("a", 9, completion(1, "A"), completion(2, "A"))
    (judged,) = judge(serial(), [run("ABAB", DONE, REFUSED, twice)], KEYS).judged
    assert judged.verdict == ANOMALY
    assert judged.differences == ("completion has a row more: by 'A', id 'new', job_id 4521",)


def test_differences_name_the_columns_and_the_answers_that_differ():
    rows = {"job": [job("c", "2026-03-02T09:14:09+00:00")], "completion": [completion(1, "A")]}
    (judged,) = judge(serial(), [run("ABAB", (200, {"status": "half"}), REFUSED, rows)], KEYS).judged
    assert judged.differences == (
        "A/body/status: 'half' instead of 'done'",
        "job 4521: result 'c' instead of 'a'",
    )


def test_a_row_that_is_missing_or_was_kept_is_told():
    fixture = {"job": [{"id": 1, "by": "x"}]}
    keys = Keys({"job": ("id",)}, {}, fixture)
    kept = [run(who) for who in ("AB", "AB", "BA", "BA")]
    gone = [run(who, rows={"job": []}) for who in ("AB", "AB", "BA", "BA")]
    assert judge(gone, [run("ABA")], keys).judged[0].differences == ("job still has by 'x', id 1",)
    assert judge(kept, [run("ABA", rows={"job": []})], keys).judged[0].differences == (
        "job has lost by 'x', id 1",
    )


def test_the_wrong_parent_is_an_anomaly():
    rows = after("a", 9, {**completion(1, "A"), "job_id": 9})
    assert verdict(run("ABAB", DONE, REFUSED, rows)) == [ANOMALY]


def test_a_table_that_nobody_changed_may_be_missing():
    orders = [run("AB", rows={"job": FIXTURE["job"]}), run("AB"), run("BA"), run("BA")]
    assert [each.verdict for each in judge(orders, [run("AB"), run("ABA")], KEYS).judged] == [SERIAL, SERIAL]


def test_what_stands_beside_a_stamp_still_counts():
    def note(text):
        return {"job": [{**FIXTURE["job"][0], "result": text}]}

    orders = [
        run(order, rows=note(f"{order[0]} at 2026-03-02 09:14:0{number}"))
        for number, order in enumerate(["AB", "AB", "BA", "BA"])
    ]
    judged = judge(
        orders, [run("ABA", rows=note(f"{who} at 2027-01-01 00:00:00")) for who in "ABC"], KEYS
    ).judged
    assert [each.verdict for each in judged] == [SERIAL, SERIAL, ANOMALY]


@pytest.mark.parametrize("depth", [60, 900, 50_000])
def test_answers_of_any_depth_are_compared(depth):
    def deep(inmost):
        return (200, "[" * depth + str(inmost) + "]" * depth)

    orders = [run(who, deep(1)) for who in ("AB", "AB", "BA", "BA")]
    judgement = judge(orders, [run("ABA", deep(1)), run("ABA", deep(2))])
    assert [each.verdict for each in judgement.judged] == [SERIAL, ANOMALY]


def test_whether_there_is_a_stamp_still_counts():
    rows = after("a", 9, completion(1, "A"))
    without = {**rows, "job": [{**rows["job"][0], "done_at": None}]}
    assert verdict(run("ABAB", DONE, REFUSED, rows), run("ABAB", DONE, REFUSED, without)) == [SERIAL, ANOMALY]


def test_what_is_there_by_chance_is_left_out_altogether():
    def order(who, chance):
        return run(who, (200, {"sample": chance, "by": who[0]}), rows={"job": [{"id": 1, "seen": chance}]})

    orders = [order("AB", None), order("AB", "a b c"), order("BA", "d"), order("BA", "e f")]
    judgement = judge(orders, [order("ABA", chance) for chance in (None, "x", "y z")], KEYS)
    assert {each.verdict for each in judgement.judged} == {SERIAL}
    assert {"job.seen?", "A/body/sample?"} <= judgement.volatile


def test_volatile_places_of_json_and_bodies_are_named():
    def order(who, token):
        return run(who, (200, {"job": {"token": token, "by": who[0]}}), rows={})

    orders = [order("AB", "x1"), order("AB", "x2"), order("BA", "x3"), order("BA", "x4")]
    judgement = judge(orders, [order("ABA", "x9"), order("BAB", "y")], KEYS)
    assert judgement.volatile == {"A/body/job/token"}
    assert [each.verdict for each in judgement.judged] == [SERIAL, SERIAL]


ORDERS = Keys({"order": ("id",), "line": ("id",)}, {("line", "order_id"): "order"}, {"order": [], "line": []})


def bought(a, b, *, says=None):
    """Two orders with a line each; `a`, `b`: their keys. `says`: which order each request is told is its own."""
    mine, theirs = says or (a, b)
    rows = {
        "order": [{"id": a, "by": "A"}, {"id": b, "by": "B"}],
        "line": [{"id": 10 * a, "order_id": a, "what": "A's"}, {"id": 10 * b, "order_id": b, "what": "B's"}],
    }
    return (
        (201, {"id": mine, "url": f"/orders/{mine}/"}),
        (201, {"id": theirs, "url": f"/orders/{theirs}/"}),
        rows,
    )


def two_orders(*given):
    return [run(order, *bought(*each)) for order, each in zip(["AB", "AB", "BA", "BA"], given, strict=True)]


SERIAL_ORDERS = two_orders((1, 2), (1, 2), (2, 1), (2, 1))


def test_a_number_that_is_some_key_in_both_runs_may_still_be_a_number():
    def counted(a, b):
        first, _, rows = bought(a, b)
        return first, (201, {"count": 1}), rows

    orders = [
        run(who, *counted(*each)) for who, each in zip(["AB", "AB", "BA", "BA"], [(1, 2)] * 4, strict=True)
    ]
    assert judge(orders, [run("ABAB", *counted(2, 1))], ORDERS).judged[0].verdict == SERIAL


@given(a=st.integers(1, 99), b=st.integers(1, 99))
def test_no_renaming_makes_a_difference_and_none_hides_one(a, b):
    assume(a != b)
    crossed = run("ABAB", *bought(a, b, says=(b, a)))
    judged = judge(SERIAL_ORDERS, [run("ABAB", *bought(a, b)), crossed], ORDERS).judged
    assert [each.verdict for each in judged] == [SERIAL, ANOMALY]


@pytest.mark.parametrize("a, b", [(1, 2), (2, 1), (1, 3), (5, 4)])
def test_keys_are_renamed_in_rows_foreign_keys_and_answers_alike(a, b):
    (judged,) = judge(SERIAL_ORDERS, [run("ABAB", *bought(a, b))], ORDERS).judged
    assert judged.verdict == SERIAL, judged.differences


def test_an_answer_that_names_the_other_ones_row_is_an_anomaly():
    (judged,) = judge(SERIAL_ORDERS, [run("ABAB", *bought(1, 2, says=(2, 2)))], ORDERS).judged
    assert judged.verdict == ANOMALY


def test_a_line_that_hangs_on_the_other_ones_order_is_an_anomaly():
    *answers, rows = bought(1, 3)
    rows["line"][0]["order_id"] = 3
    assert judge(SERIAL_ORDERS, [run("ABAB", *answers, rows)], ORDERS).judged[0].verdict == ANOMALY


def test_equal_rows_are_told_apart_by_who_names_them():
    def tickets(a, b, *keys):
        rows = {"order": [{"id": each, "by": "anyone"} for each in keys]}
        return [(201, {"id": a}), (201, {"id": b}), rows]

    orders = [run(who, *tickets(1, 2, 1, 2)) for who in ("AB", "AB")] + [
        run(who, *tickets(2, 1, 1, 2)) for who in ("BA", "BA")
    ]
    runs = [run("ABAB", *tickets(4, 3, 3, 4)), run("ABAB", *tickets(3, 3, 3, 4))]
    assert [each.verdict for each in judge(orders, runs, ORDERS).judged] == [SERIAL, ANOMALY]


def test_random_keys_are_renamed_too():
    def made(key):
        uuid = f"00000000-0000-4000-8000-{key:012}"
        return [(201, {"id": uuid}), (201, {}), {"order": [{"id": uuid, "by": "A"}]}]

    orders = [run(who, *made(number)) for number, who in enumerate(["AB", "AB", "BA", "BA"])]
    judgement = judge(orders, [run("ABA", *made(77))], ORDERS)
    assert judgement.judged[0].verdict == SERIAL
    assert judgement.volatile == frozenset()


def test_a_number_that_happens_to_be_a_key_is_not_taken_for_one():
    def made(key, count):
        return [(201, {"count": count}), (201, {}), {"order": [{"id": key, "by": "A"}]}]

    orders = [run(who, *made(1, 1)) for who in ("AB", "AB", "BA", "BA")]
    runs = [run("ABA", *made(2, 1)), run("ABA", *made(2, 3))]
    assert [each.verdict for each in judge(orders, runs, ORDERS).judged] == [SERIAL, ANOMALY]


def test_the_users_invariant_is_asked_with_all_rows():
    def one_completion_each(rows):
        return len(rows["completion"]) <= 1 and len(rows["job"]) == 1

    fine = run("ABAB", DONE, REFUSED, after("a", 9, completion(1, "A")))
    twice = run("ABAB", DONE, DONE, after("a", 9, completion(1, "A"), completion(2, "B")))
    nothing = run("ABAB", DONE, REFUSED)
    judgement = judge(serial(), [fine, twice, nothing], KEYS, invariant=one_completion_each)
    assert [each.breaks for each in judgement.judged] == [False, True, False]
    assert not judgement.serial_breaks


@pytest.mark.parametrize(
    "orders, why",
    [
        ([], "at least twice"),
        (serial()[:3], "at least twice"),
        ([*serial(), run("ABAB"), run("ABAB")], "back and forth"),
        ([run("AB", stuck="waits for the network"), run("AB")], "waits for the network"),
    ],
)
def test_serial_runs_that_cannot_judge_are_refused(orders, why):
    with pytest.raises(NotComparable, match=why):
        judge(orders, [], KEYS)


# --- twice without a race ---


def charged(who, *rows, statuses=(201, 201), insert="INSERT charge", failed=None):
    a, b = statuses
    steps = [step(who[0], insert), step(who[1], insert, error=failed)]
    return run(who, (a, {}), (b, {}), {"charge": list(rows)}, steps)


CHARGES = Keys({"charge": ("id",)}, {("charge", "card_id"): "card"}, {"charge": []})


def charge(number, card=7, **more):
    return {"id": number, "card_id": card, "amount": 10, **more}


def duplicates(*rows, **more):
    orders = [charged(who, *rows, **more) for who in ("AB", "AB", "BA", "BA")]
    return judge(orders, [], CHARGES).duplicates


def test_two_serial_requests_that_both_take_effect():
    (found,) = duplicates(charge(1, text="sent by A"), charge(2, text="sent by B"))
    assert (found.table, found.equal, found.different) == ("charge", ("card_id", "amount"), ("text",))


@pytest.mark.parametrize(
    "rows, more",
    [
        ([charge(1)], {"statuses": (201, 409)}),  # the second is refused
        ([charge(1), charge(2)], {"statuses": (201, 409)}),
        ([charge(1, card=7), charge(2, card=8)], {}),  # another card
        ([charge(1)], {}),  # the second changes nothing
        ([charge(1), charge(2)], {"failed": error("23505")}),
        ([charge(1), charge(2)], {"insert": "UPDATE charge"}),  # old rows, as far as anybody knows
    ],
)
def test_innocent_serial_pairs(rows, more):
    assert duplicates(*rows, **more) == ()


def test_keys_are_read_from_a_workers_catalog():
    catalog = {
        "tables": {"job": {"key": ["id"]}, "log": {"key": []}},
        "foreign": [
            {"table": "log", "columns": ["job_id"], "parent": "job"},
            {"table": "log", "columns": ["a", "b"], "parent": "pair"},
        ],
    }
    keys = read_keys(catalog, {"job": []})
    assert keys.primary == {"job": ("id",), "log": ()}
    assert keys.foreign == {("log", "job_id"): "job"}
