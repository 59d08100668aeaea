"""The zoo in its short form: all handlers read, four pairs re-enacted. `make zoo` re-enacts all."""

from dataclasses import replace

import pytest

from analysis.source import hits_in
from analysis.source.hits import Place
from analysis.source.trees import FolderTree
from tests.zoo.score import enacted, score, wrong_hits
from tests.zoo.truth import HERE, Handler, handlers, marked

ALL = handlers()
PAIRS = ("close_with_row", "redeem", "transfer", "charge")
SHORT = [
    each
    for racy, twin in zip(ALL[::2], ALL[1::2], strict=True)
    if racy.name in PAIRS
    for each in (racy, twin)
]


def named(name: str) -> Handler:
    return next(each for each in ALL if each.name == name)


@pytest.mark.parametrize("handler", ALL, ids=lambda each: each.name)
def test_a_racy_handler_is_named_by_its_lines_and_a_twin_is_not(handler):
    hits = hits_in(FolderTree(handler.site), handler.file, handler.view, followed=True)
    assert not wrong_hits(handler, hits)


@pytest.mark.slow
@pytest.mark.parametrize("handler", SHORT, ids=lambda each: each.name)
def test_a_racy_handler_is_convicted_and_its_twin_acquitted(postgres, handler):
    assert not score(postgres, handler, all_orders=True).wrong


@pytest.mark.slow
def test_what_is_not_as_the_truth_says_is_told(postgres):
    racy = named("close_with_row")
    with enacted(postgres, racy) as found:
        assert found.verdict == "failure"
        acquitted = replace(found, handler=replace(racy, verdict="safe", explains=False))
        verdict, mechanism = acquitted.wrong()
        assert verdict == "enacted: wanted safe, got failure"
        assert mechanism.startswith("mechanism: 6 of 8 distinguishable interleavings give a unique violation")
        other = replace(found, handler=replace(racy, sqlstate="40P01"))
        assert other.wrong()[0].startswith("mechanism: no interleaving gives a deadlock")


@pytest.mark.slow
def test_without_the_positive_control_nobody_is_acquitted(postgres):
    twin = named("close_with_row_holding")
    with enacted(postgres, twin) as found:
        assert found.verdict == "safe"
        refused = replace(found, handler=replace(twin, status=201))
        assert (refused.verdict, refused.control()) == ("not re-enacted", ["alone: wanted 201, got 200"])
        elsewhere = replace(found, handler=replace(twin, lines={"act": Place(twin.file, 1)}))
        assert elsewhere.control() == [f"alone: line {twin.file}:1 was not executed"]
        assert elsewhere.verdict == "not re-enacted"


def test_a_hit_of_another_class_or_line_is_wrong():
    racy = named("redeem")
    hits = hits_in(FolderTree(racy.site), racy.file, racy.view, followed=True)
    assert wrong_hits(replace(racy, check="lost-update"), hits)
    assert wrong_hits(replace(racy, lines={**racy.lines, "act": Place(racy.file, 1)}), hits)
    assert wrong_hits(replace(racy, lines={**racy.lines, "test": Place(racy.file, 1)}), hits)
    assert wrong_hits(racy, [])
    assert wrong_hits(replace(racy, check=""), hits)


def test_marks_are_found_by_name():
    assert marked(HERE / "shop_site", "buy_ticket").keys() == {"read", "test", "act"}
    assert not marked(HERE / "shop_site", "buy")


def test_every_racy_handler_has_a_twin_and_its_lines():
    assert [each.verdict == "safe" for each in ALL] == [False, True] * (len(ALL) // 2)
    assert all("act" in each.lines for each in ALL if each.check or each.verdict == "safe")
    assert len({each.name for each in ALL}) == len(ALL) >= 48
