"""The code under suspicion, read and never imported.

`hits_in(tree, path, function)` asks all checks about one function, or about all functions of a file.
"""

from collections.abc import Iterable

from analysis.source.callers import all_callers_lock
from analysis.source.check_then_insert import check_then_insert
from analysis.source.counter_increment import counter_increment
from analysis.source.delete_after_check import delete_after_check
from analysis.source.effect_before_commit import effect_before_commit
from analysis.source.facts import Facts, facts_of
from analysis.source.get_except_create import get_except_create
from analysis.source.get_or_create_unconstrained import get_or_create_unconstrained
from analysis.source.hits import Hit, Place
from analysis.source.last_one import last_one
from analysis.source.limited_use import limited_use
from analysis.source.lock_absent_row import lock_absent_row
from analysis.source.lock_after_check import lock_after_check
from analysis.source.lock_never_evaluated import lock_never_evaluated
from analysis.source.lock_outside_transaction import lock_outside_transaction
from analysis.source.lost_update import lost_update
from analysis.source.modules import Function, is_test
from analysis.source.next_free import next_free
from analysis.source.task_retry_without_key import task_retry_without_key
from analysis.source.trees import Tree

# The order is a preference: of several hits that end in one act, the first names it best.
CHECKS = (
    lock_never_evaluated,
    lock_outside_transaction,
    lock_after_check,
    lock_absent_row,
    get_except_create,
    next_free,
    check_then_insert,
    get_or_create_unconstrained,
    limited_use,
    last_one,
    counter_increment,
    lost_update,
    delete_after_check,
    effect_before_commit,
    task_retry_without_key,
)


# A deeper act is an affair of what is called on the way: every caller of a shared helper would be told the same.
DEEPEST_ACT = 2


def hits_in(tree: Tree, path: str, function: str | None = None, followed: bool = False) -> list[Hit]:
    """What the checks find in a function (qualified, or its plain name), or in all functions of a file.

    A hit whose read and act both lie inside one call is that callee's own; with `followed` it is told here too: for
    the view that a request enters by, all that happens below it matters. A hit that starts in a caller of the same
    file and decides and acts in `function` is told for both.
    Tests, migrations and hand-started scripts have no hits: no two requests meet in them.
    """
    if is_test(path):
        return []
    facts = facts_of(tree)
    if function is None:
        found = [hit for one in facts.functions(path) for hit in hits_of(facts, one, followed)]
    else:
        asked = facts.function(path, function)
        names = {one.name for one in asked}
        spans = [(one.node.lineno, one.node.end_lineno or 0) for one in asked]
        found = [hit for one in facts.reaching(path, asked) for hit in hits_of(facts, one, followed)]
        found = [hit for hit in found if hit.function in names or acts_within(hit, path, spans)]
    return sorted(set(found), key=lambda hit: (hit.read, hit.act, hit.check))


def hits_at(tree: Tree, path: str, line: int, followed: bool = True) -> list[Hit]:
    """The hits of the function that holds a line (1 for the first): what a frame of a traceback points into."""
    around = [
        one
        for one in facts_of(tree).functions(path)
        if one.node.lineno <= line <= (one.node.end_lineno or 0)
        or line in (d.lineno for d in one.node.decorator_list)
    ]
    return hits_in(tree, path, around[-1].name, followed) if around else []


def hits_of(facts: Facts, function: Function, followed: bool) -> list[Hit]:
    """The hits of one function. A helper whose callers all take a lock first has none."""
    trace = facts.trace(function)
    found = best(hit for check in CHECKS for hit in check(facts, trace) if followed or not nested(hit))
    return [] if found and not trace.view and all_callers_lock(facts, function) else found


def nested(hit: Hit) -> bool:
    """Is it the callee's own? Read and act lie in one call, or neither read nor decision in the function's own file."""
    if len(hit.calls) > DEEPEST_ACT:
        return True
    if not hit.reads or not hit.calls:
        return False
    abroad = hit.reads[-1].path != hit.path and (hit.test is None or hit.test.path != hit.path)
    return hit.reads[0] == hit.calls[0] or (abroad and hit.act.path != hit.path)


def best(hits: Iterable[Hit]) -> list[Hit]:
    """One hit for each act: the first, as CHECKS are ordered by how well they name what happens.

    A number taken twice and a check passed twice are two things, even where one insert does both.
    """
    found: dict[tuple[Place, str | None, bool], Hit] = {}
    for hit in hits:
        found.setdefault((hit.act, hit.model, hit.check == "next-free"), hit)
    return list(found.values())


def acts_within(hit: Hit, path: str, spans: list[tuple[int, int]]) -> bool:
    """Does a caller's hit decide and act inside one of these functions?"""
    return hit.act.path == path and any(
        first <= hit.act.line <= last
        and hit.test is not None
        and hit.test.path == path
        and first <= hit.test.line <= last
        for first, last in spans
    )
