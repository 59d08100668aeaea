import pglog
from pglog import written

from analysis.evidence.lockwaits import lock_waits


def test_a_wait_names_who_waited_for_whom_how_long_and_where_it_ended():
    (wait,) = lock_waits(written(pglog.RACE)).to_dict("records")
    assert wait == {
        "record_id": 12,
        "ended_record_id": 14,
        "source_id": 1,
        "session": "6b05103e.281f",
        "process": "10271",
        "lock_mode": "ShareLock",
        "lock_on": "transaction 765",
        "awaited_xid": 765,
        "holders": ["10270"],
        "queue": ["10271"],
        "waited_us": 123_572,
        "outcome": "acquired",
    }


def test_a_deadlock_has_no_end_and_an_empty_queue():
    (wait,) = lock_waits(written(pglog.DEADLOCK)).itertuples()
    assert (wait.outcome, wait.waited_us, wait.holders, wait.queue) == (
        "detected deadlock while waiting for",
        50_109,
        ["10270"],
        [],
    )
    assert lock_waits(written(pglog.DEADLOCK)).ended_record_id.isna().all()


def test_a_timeout_leaves_the_wait_as_last_reported():
    (wait,) = lock_waits(written(pglog.LOCK_TIMEOUT)).itertuples()
    assert (wait.outcome, wait.waited_us) == ("still waiting for", 50_113)


def test_several_holders_and_a_lock_on_a_relation():
    text = (
        "1.000 7 1/2 0 LOG 00000 process 7 still waiting for AccessShareLock on relation 16384 of database 5"
        " after 50.000 ms |DETAIL Processes holding the lock: 8, 9. Wait queue: 7, 10."
    )
    (wait,) = lock_waits(written(text)).itertuples()
    assert (wait.lock_on, wait.holders, wait.queue) == (
        "relation 16384 of database 5",
        ["8", "9"],
        ["7", "10"],
    )
    assert lock_waits(written(text)).awaited_xid.isna().all()


def test_the_same_lock_waited_for_again_after_an_error_is_a_second_wait():
    waiting = "process 7 still waiting for ShareLock on transaction 9 after 50.000 ms"
    text = f"""
        1.000 7 1/2 0 LOG 00000 {waiting}
        1.010 7 1/2 0 ERROR 55P03 canceling statement due to lock timeout
        2.000 7 1/3 0 LOG 00000 {waiting}
        2.010 7 1/3 0 LOG 00000 process 7 acquired ShareLock on transaction 9 after 60.000 ms
    """
    assert lock_waits(written(text)).outcome.tolist() == ["still waiting for", "acquired"]


def test_a_log_line_of_another_level_that_sounds_like_a_wait_is_none():
    text = "1.000 7 1/2 0 NOTICE 00000 process 7 acquired ShareLock on transaction 9 after 60.000 ms"
    assert lock_waits(written(text)).empty
