"""What must come before what in a run, and which runs cannot be told apart."""

from replayed import run, step

from analysis.replay.traces import traced


def waiting(table):
    """B's UPDATE waits for A's COMMIT, then B reads something that A never touched."""
    steps = [
        step("A", "UPDATE job"),
        step("B", f"UPDATE {table}", waited=True, through=2),
        step("A", "COMMIT"),
        step("B", "SELECT other"),
        step("B", "COMMIT"),
    ]
    return traced(run("ABABB", steps=steps))


def test_who_waited_goes_on_after_the_step_that_ended_its_wait():
    found = waiting("job")
    assert found.before(2, 3)
    assert found.races(3) == ()


def test_a_wait_that_no_table_explains_is_an_order_all_the_same():
    found = waiting("unknown")
    assert found.before(1, 2)
    assert found.races(2) == (1,)


def test_independent_steps_may_change_places_and_dependent_ones_may_not():
    first, second = step("A", "UPDATE job"), step("B", "UPDATE other")
    third = step("B", "UPDATE job")
    one = traced(run("ABB", steps=[first, second, third]))
    assert one.key() == traced(run("BAB", steps=[second, first, third])).key()
    assert one.key() != traced(run("BBA", steps=[second, third, first])).key()


def test_a_race_is_with_the_last_step_that_matters():
    steps = [
        step("A", "UPDATE job"),
        step("A", "UPDATE other"),
        step("B", "UPDATE other"),
        step("B", "UPDATE job"),
    ]
    found = traced(run("AABB", steps=steps))
    assert [found.races(number) for number in range(4)] == [(), (), (1,), ()]
    assert found.initials(1, 2) == {1}


def test_who_can_go_first_is_who_needs_nothing_of_what_comes_before():
    steps = [step("A", "UPDATE job"), step("B", "SELECT x"), step("B", "UPDATE job")]
    found = traced(run("ABB", steps=steps))
    assert found.races(2) == (0,)
    assert found.initials(0, 2) == {1}
