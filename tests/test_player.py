"""The generated test on a small shop and a real PostgreSQL: red where the view races, green where it does not."""

from pathlib import Path

import pytest

from analysis.replay.app import Application
from analysis.replay.gate import ANOMALY, FAILED, PASSED, SKIPPED, Result
from analysis.replay.server import running
from analysis.replay.teamtest import AT_ONCE, SERIAL, TeamTest
from analysis.replay.testfile import Facts, Turn, file_name, render

pytestmark = pytest.mark.slow
SHOP = Path(__file__).parent / "racing"
ONE_PAUSE = "test_at_once_with_one_pause"
SETUP = """
from shop.models import Voucher


def rows(evidence):
    for pk in (1, 2)[: evidence["vouchers"]]:
        Voucher.objects.create(pk=pk)


def requests(rows):
    bodies = ({"text": "a", "order": "1,2"}, {"text": "b", "order": "2,1"})
    return [{"method": "POST", "path": "/VIEW/", "data": body} for body in bodies]
"""
SIGNERS = """
from django.contrib.auth.models import User
from shop.models import Voucher


def rows(evidence):
    Voucher.objects.create()
    return [User.objects.create(username=name) for name in ("ada", "bob")]


def requests(rows):
    return [{"method": "POST", "path": "/VIEW/", "user": user} for user in rows]
"""


APP = Application(SHOP)


@pytest.fixture(scope="module")
def database():
    with running() as server:
        yield {"ENGINE": "django.db.backends.postgresql", **server.django("shop")}


def facts(view, turns, setup=SETUP, vouchers=1, **given):
    return Facts(
        view=f"shop.views.{view}",
        endpoint=f"POST /{view}/",
        happened="",
        sources=(),
        evidence={"vouchers": vouchers},
        setup=setup.replace("VIEW", view),
        turns=[Turn("AB".index(letter), "", "") for letter in turns],
        **given,
    )


REVIEWED = SETUP.replace("import Voucher", "import Review, Voucher").replace(
    "Voucher.objects.create(pk=pk)",
    "used = Voucher.objects.create(pk=pk)\n"
    "        for number in (1, 2, 3):\n"
    '            Review.objects.create(pk=number, voucher=used, text="")',
)
CASES = {
    "use": facts("use", "AB"),
    "use_answered_201": facts("use", "AB", answered=(201,)),
    "use_without_witness": facts("use", ""),
    "use_safely": facts("use_safely", "AB"),
    "review": facts("review", "AB"),
    "review_locked": facts("review_locked", "ABBBBBB"),
    "receipt": facts("receipt", "AAABBB"),
    "receipt_after_three": facts("receipt", "AAABBB", setup=REVIEWED),
    "once": facts("once", "AB"),
    "tell": facts("tell", "AB"),
    "tell_once": facts("tell_once", "AB"),
    "watch": facts("watch", "ABABAB"),
    "crossed": facts("crossed", "AB", vouchers=2),
    "crossed_retried": facts("crossed_retried", "AB", vouchers=2),
    "sign": facts("sign", "AAAB", setup=SIGNERS),
    "sign_as_nobody": facts("sign", "AB"),
    "look": facts("look", "AB"),
    "in_turn": facts("in_turn", "AB"),
}


@pytest.fixture(scope="module")
def played(database, tmp_path_factory):
    """The tests of all cases, run in one process: what did not pass, by case and method."""
    folder = tmp_path_factory.mktemp("player") / "copy"
    team = TeamTest(APP, database, folder, file_name("use"), render(CASES["use"]))
    for name, each in CASES.items():
        source = render(each).replace("LIMIT_S = 30", "LIMIT_S = 5" if name == "in_turn" else "LIMIT_S = 30")
        (folder / f"test_race_{name}.py").write_text(source)
    results = team.results(*(f"test_race_{name}" for name in CASES))
    assert len(results) == 3 * len(CASES), results
    return {tuple(each.test.removeprefix("test_race_").split(".")[::2]): each for each in results}


@pytest.fixture
def play(played):
    """How a case's test came out, or one method of it."""

    def result(name, *methods) -> Result:
        found = (played.get((name, each)) for each in methods or (SERIAL, AT_ONCE, ONE_PAUSE))
        return next(filter(None, found), Result(PASSED))

    return result


def test_a_lost_update_is_told_by_the_row_it_leaves(play):
    red = play("use", AT_ONCE)
    assert red.status == FAILED
    assert red.message.startswith(f"{ANOMALY} A 200, B 200")
    assert 'rows: + shop_voucher {"id": 1, "note": "", "used": 1}' in red.message
    assert 'rows: not + shop_voucher {"id": 1, "note": "", "used": 2}' in red.message
    order = [line.split()[1:3] for line in red.message.partition("in this order:")[2].strip().splitlines()]
    assert order == [["A", "SELECT"], ["B", "SELECT"], ["B", "UPDATE"], ["A", "UPDATE"]]
    assert "shop/views.py:" in red.message


def test_an_update_in_one_statement_is_green_though_its_answer_holds_the_time(play):
    assert play("use_safely") == Result(PASSED)


def test_a_duplicate_row_is_red_under_atomic_requests(play):
    red = play("review", AT_ONCE)
    assert red.status == FAILED
    assert (
        "no serial order gives this: A 201, B 201 (A first: A 201, B 409; B first: A 409, B 201)"
        in red.message
    )
    assert "COMMIT" in red.message, "ATOMIC_REQUESTS was not respected"


def test_a_lock_first_is_green_and_the_blocked_one_yields(play):
    assert play("review_locked") == Result(PASSED)


def test_random_keys_and_used_up_numbers_do_not_matter(play):
    assert play("receipt") == Result(PASSED)


def test_numbers_that_the_setup_chose_are_not_given_again(play):
    """The database would give 1, 2 and 3 next, and each INSERT fail, though no other request is about."""
    assert play("receipt_after_three") == Result(PASSED)


def test_what_the_cache_keeps_does_not_outlive_a_play(play):
    """Else the second play would find the voucher used up."""
    assert play("once") == Result(PASSED)


def test_a_mail_too_many_is_red(play):
    red = play("tell", AT_ONCE)
    assert "mail to ada@shop.example: 2" in red.message.splitlines()


def test_a_mail_after_a_conditional_update_is_green(play):
    assert play("tell_once") == Result(PASSED)


def test_each_failure_is_told_with_its_own_exception(play):
    red = play("watch", AT_ONCE)
    assert "A answered 500: ValueError: a was overtaken" in red.message.splitlines()
    assert "B answered 500: ValueError: b was overtaken" in red.message.splitlines()


def test_a_deadlock_is_red_with_its_sqlstate(play):
    red = play("crossed", AT_ONCE)
    assert red.status == FAILED and "sqlstate 40P01" in red.message.splitlines()
    assert "waits for" in red.message


def test_a_deadlock_that_is_retried_is_green(play):
    assert play("crossed_retried") == Result(PASSED)


def test_a_wait_outside_the_database_ends_with_a_clear_message(play):
    red = play("in_turn", AT_ONCE)
    assert red.status == FAILED and "B hung for 5 s, not for a lock in the database" in red.message


def test_requests_are_logged_in_as_their_users(play):
    red = play("sign", AT_ONCE)
    assert red.message.startswith(f"{ANOMALY} A 200, B 200")
    assert '"note": "ada,bob,"' in red.message


def test_a_refused_request_is_told_apart(play):
    """The order comes to nothing wrong, as nothing happens: only the serial run can say so."""
    red = play("sign_as_nobody", SERIAL)
    assert red == Result(FAILED, "403 not found in (200, 201, 202, 204) : A alone")


def test_an_answer_that_is_not_productions_is_told_apart(play):
    """Such as a redirect to the login page."""
    red = play("use_answered_201", SERIAL)
    assert red == Result(FAILED, "200 not found in (201,) : A alone")


def test_a_request_that_writes_nothing_is_told_apart(play):
    assert play("look", SERIAL).message.endswith("nothing was written")


def test_one_pause_finds_the_race_without_a_witness(play):
    assert play("use_without_witness", ONE_PAUSE).message.startswith(ANOMALY)


def test_sqlite_is_skipped(tmp_path):
    """Row locks are what is at issue, and it has none."""
    source = render(facts("use", "AB"))
    team = TeamTest(APP, {}, tmp_path / "copy", file_name("use"), source)
    assert team.run() == Result(SKIPPED)
