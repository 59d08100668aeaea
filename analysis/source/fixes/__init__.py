"""The menu of fixes: each turns the text of a function into the text of one that may be right."""

from collections.abc import Mapping

from analysis.source.fixes.advisory_lock import advisory_lock
from analysis.source.fixes.answers import answers
from analysis.source.fixes.conditional_delete import conditional_delete
from analysis.source.fixes.conditional_update import conditional_update
from analysis.source.fixes.f_expression import f_expression
from analysis.source.fixes.get_or_create import get_or_create
from analysis.source.fixes.insert_first import insert_first
from analysis.source.fixes.lock_parent import lock_parent
from analysis.source.fixes.lock_row import lock_row
from analysis.source.fixes.models import Model
from analysis.source.fixes.on_commit import on_commit
from analysis.source.fixes.proposals import Declined, Proposal
from analysis.source.fixes.unique_constraint import unique_constraint
from analysis.source.fixes.update_fields import update_fields
from analysis.source.fixes.update_or_create import update_or_create
from analysis.source.hits import Hit
from analysis.source.trees import Tree

FIXES = (
    lock_row,
    conditional_update,
    conditional_delete,
    insert_first,
    get_or_create,
    update_or_create,
    f_expression,
    update_fields,
    unique_constraint,
    lock_parent,
    advisory_lock,
    on_commit,
)


def menu(tree: Tree, hit: Hit, models: Mapping[str, Model] | None = None) -> list[Proposal | Declined]:
    """Every fix for a hit: what it would change, or why it is not offered."""
    return answers(FIXES, tree, hit, models)


def propose(tree: Tree, hit: Hit, models: Mapping[str, Model] | None = None) -> list[Proposal]:
    """The fixes that fit a hit, in the order of the menu.

    In:   the files, the hit, and what `read_models` found in the files (read anew if not given)
    Out:  proposals; nothing is ranked, and none is proved right before it was re-enacted
    """
    return [each for each in menu(tree, hit, models) if isinstance(each, Proposal)]
