"""Fixes for handlers of the zoo, re-enacted in every distinguishable order; and what does nothing seen to fail."""

from dataclasses import replace

import pytest

from analysis.source import hits_in
from analysis.source.fixes import propose
from analysis.source.fixes.apply import check_applies, write_copy
from analysis.source.fixes.placebos import placebos
from analysis.source.trees import FolderTree
from tests.zoo.score import enacted
from tests.zoo.truth import handlers

WANTED = {
    "close_with_row": ["lock_row", "conditional_update", "insert_first"],
    "like": ["lock_row", "f_expression"],
    "buy_ticket": ["lock_parent", "advisory_lock"],
    "add_review": ["insert_first", "get_or_create", "lock_parent", "advisory_lock"],
    "cancel": ["lock_row"],
    "extend": ["lock_row", "conditional_update"],
    "withdraw": ["lock_row", "conditional_update"],
    "write_invoice": ["lock_parent", "advisory_lock"],
    "EditCustomer.post": ["lock_row", "update_fields"],
}
ENACTED = ("close_with_row", "like", "buy_ticket", "EditCustomer.post")
RACY = {each.name: each for each in handlers() if each.name in WANTED}


def changes(handler, ask):
    """What a menu makes of the handler's hits, each change once."""
    tree = FolderTree(handler.site)
    found = [
        each for hit in hits_in(tree, handler.file, handler.view, followed=True) for each in ask(tree, hit)
    ]
    for each in found:
        check_applies(tree, each)
    return list({each.diff: each for each in found}.values())


@pytest.mark.parametrize("name", WANTED)
def test_the_menu(name):
    assert [each.name for each in changes(RACY[name], propose)] == WANTED[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", ENACTED)
def test_no_order_breaks_a_fix(postgres, tmp_path, name):
    handler = RACY[name]
    for each in changes(handler, propose):
        site = tmp_path / each.name
        write_copy(handler.site, each.files, site)
        with enacted(postgres, replace(handler, site=site, lines={})) as found:
            assert (each.name, found.verdict) == (each.name, "safe")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["close_with_row", "like"])
def test_some_order_breaks_what_does_nothing(postgres, tmp_path, name):
    handler = RACY[name]
    tried = changes(handler, placebos)
    assert {"atomic_alone", "lock_unevaluated"} <= {each.name for each in tried}
    for each in tried:
        site = tmp_path / each.name
        write_copy(handler.site, each.files, site)
        with enacted(postgres, replace(handler, site=site, lines={})) as found:
            assert (each.name, found.verdict) == (each.name, handler.verdict)
