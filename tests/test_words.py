"""An order in words: what mattered, who saw what, and the sentence that sums it up."""

from dataclasses import replace

from replayed import error, run, step

from analysis.replay.oracle import ANOMALY, FAILURE, SERIAL, Judged, Overwritten
from analysis.replay.words import explained, prose, summary

READ, SAVE, MARK = "jobs/views.py:96", "jobs/views.py:108", "jobs/views.py:109"
VIOLATION = error("23505", "jobs_once", "done")


def lost(**more):
    """Both read, both save; B's UPDATE waits for A's commit."""
    steps = [
        step("A", "SELECT session"),
        step("A", "SELECT job", READ),
        step("B", "SELECT session"),
        step("B", "SELECT job", READ),
        step("A", "UPDATE job", SAVE),
        step("B", "UPDATE job", SAVE, waited=True, through=6),
        step("A", "COMMIT"),
        step("B", "COMMIT"),
    ]
    return run("AABBABAB", steps=steps, **more)


def test_the_steps_that_matter_in_order():
    assert [(each.number, str(each)) for each in explained(lost())] == [
        (2, f"A reads job ({READ})"),
        (4, f"B reads job ({READ}): as it was before A's UPDATE (step 5)"),
        (5, f"A updates job ({SAVE})"),
        (
            6,
            f"B updates job ({SAVE}): waits until step 7, overwrites A's UPDATE (step 5), which it had not seen",
        ),
        (7, "A commits: its changes to job can be seen from now on"),
        (8, "B commits: its changes to job can be seen from now on"),
    ]


def test_prose_is_the_lines():
    assert prose(lost()).startswith(
        f"A reads job ({READ}) · B reads job ({READ}): as it was before A's UPDATE"
    )


def test_an_uncommitted_change_is_not_seen():
    steps = [step("A", "UPDATE job"), step("B", "SELECT job"), step("A", "COMMIT"), step("B", "UPDATE job")]
    effects = [each.effect for each in explained(run("ABAB", steps=steps))]
    assert effects[1] == "does not see A's UPDATE (step 1), which is not committed"
    assert effects[3] == "overwrites A's UPDATE (step 1), which it had not seen"


def test_who_read_after_the_commit_overwrites_nothing():
    steps = [step("A", "UPDATE job"), step("A", "COMMIT"), step("B", "SELECT job"), step("B", "UPDATE job")]
    lines = explained(run("AABB", steps=steps))
    assert [each.effect for each in lines[2:]] == ["", ""]


def test_what_was_rolled_back_was_no_change():
    steps = [step("B", "SELECT job"), step("A", "UPDATE job"), step("A", "ROLLBACK"), step("B", "UPDATE job")]
    lines = explained(run("BAAB", steps=steps))
    assert [str(each) for each in lines] == [
        "B reads job",
        "A updates job",
        "A rolls back",
        "B updates job",
    ]


def test_tables_that_only_one_changes_are_left_out():
    steps = [step("A", "INSERT log"), step("B", "SELECT job"), step("A", "COMMIT"), step("B", "COMMIT")]
    assert explained(run("ABAB", steps=steps)) == []


def test_a_lock_and_a_violation():
    steps = [
        step("A", "LOCK job"),
        step("A", "INSERT done", autocommit=True),
        step("B", "INSERT done", MARK, error=VIOLATION),
    ]
    lines = explained(run("AAB", steps=[*steps, step("B", "UPDATE job")]))
    assert str(lines[0]) == "A locks and reads job"
    assert str(lines[2]) == f"B inserts into done ({MARK}): unique violation (SQLSTATE 23505, jobs_once)"


def test_the_sentence_of_a_silent_loss():
    silent = Judged(lost(), ANOMALY, overwritten=(Overwritten("job", (4521,), ("result", "seal"), 0, 1),))
    assert summary(silent) == (
        f"B reads job ({READ}) before A's UPDATE (step 5) is committed; "
        "A is answered 200, but job 4521 holds B's result, seal."
    )


def test_the_sentence_of_a_failure():
    failed = Judged(lost(B=(500, "", VIOLATION)), FAILURE, reason="B is answered 500: unique violation")
    assert summary(failed).endswith("; B is answered 500: unique violation.")


def test_the_sentence_of_another_anomaly_names_the_difference():
    other = Judged(
        run("AB", steps=[]), ANOMALY, differences=("done has {}", "B answers 200 instead of 400", "x")
    )
    assert summary(other) == (
        "A 200 and B 200, which no serial order gives: done has {}; B answers 200 instead of 400."
    )


def test_the_sentence_of_a_serial_outcome():
    assert summary(Judged(lost(), SERIAL)) == "A 200 and B 200: what one after the other gives too."


def test_steps_that_nobody_understood_do_not_stop_it():
    unknown = [replace(each, reads=None, writes=None, locks=None) for each in lost().steps]
    assert {each.what for each in explained(run("AABBABAB", steps=unknown))} <= {"updates job", "commits"}
