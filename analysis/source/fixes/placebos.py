"""Changes known to do nothing: the negative control. A re-enactment that lets one of them pass proves nothing.

Source: PostgreSQL, "Transaction Isolation", 13.2.1 Read Committed (a transaction alone hides nothing from a second
one's check); Django, "QuerySet API reference", "When QuerySets are evaluated".
"""

from collections.abc import Mapping

import libcst as cst

from analysis.source.fixes.answers import answers
from analysis.source.fixes.change import atomic_import, model_import, proposal
from analysis.source.fixes.guards import guard_index, guard_of
from analysis.source.fixes.imports import Import
from analysis.source.fixes.models import Model
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.queries import equalities, query_at
from analysis.source.fixes.saves import row_of
from analysis.source.fixes.sites import Site, Span, whole
from analysis.source.fixes.syntax import Statement, find
from analysis.source.fixes.transactions import wrapped
from analysis.source.hits import Hit
from analysis.source.trees import Tree

LOSER = "what it was answered before: nothing changes"
WAITS = "only where two writes of one row, or two equal keys, meet"


def atomic_alone(site: Site) -> Proposal:
    """One transaction, and no lock in it: the second request still reads what the first has not committed."""
    span = whole(site)
    query = query_at(site, site.line_here(site.hit.read))
    if query is not None and query.locked:
        raise NotOffered("the read takes a lock: a transaction around it is no control, but the fix")
    return _placebo(
        site,
        span,
        span.statements,
        [],
        "atomic_alone",
        "Only a transaction",
        "At READ COMMITTED a transaction keeps no other one from reading the same row and passing the same check.",
    )


def lock_unevaluated(site: Site) -> Proposal:
    """A query set with `select_for_update()` that nothing asks for its rows: no statement reaches the database."""
    span = whole(site)
    query = query_at(site, site.line_here(site.hit.read))
    if query is not None and (query.target is None or query.methods[-1:] == ["first"]):
        if query.model is None:
            raise NotOffered("the model of the read is not known")
        model, at = query.model, 0
        asks = ", ".join(f"{name}={site.code(value)}" for name, value in equalities(query).items())
    else:
        row, facts = row_of(site)
        model, asks = facts.name, f"pk={row}.pk"
        at = 0 if query is None else 1 + _holding(span, query.call)
    lock = _lock(site, model, f"filter({asks})")
    return _placebo(
        site,
        span,
        [*span.statements[:at], lock, *span.statements[at:]],
        [model_import(site, model)],
        "lock_unevaluated",
        "A lock that is never taken",
        "A query set is lazy: select_for_update() sends nothing until somebody asks for the rows.",
    )


def _holding(span: Span, call: cst.Call) -> int:
    """Which statement of the span holds a call."""
    return next(index for index, each in enumerate(span.statements) if call in find(each, cst.Call))


def lock_after_check(site: Site) -> Proposal:
    """The row is locked between the check and the act: both requests have passed the check by then."""
    span = whole(site)
    row, model = row_of(site)
    query = query_at(site, site.line_here(site.hit.read))
    if query is not None and query.methods[-1:] == ["first"]:
        raise NotOffered("the check lets a row pass that is not there: there is nothing to lock after it")
    at = guard_index(span, guard_of(site)) - span.first + 1
    statements = [*span.statements[:at], _lock(site, model.name, f"get(pk={row}.pk)"), *span.statements[at:]]
    return _placebo(
        site,
        span,
        statements,
        [model_import(site, model.name)],
        "lock_after_check",
        "A lock after the check",
        "The check was made on what the row held before the lock; the second request waits, then does the same again.",
    )


PLACEBOS = (atomic_alone, lock_unevaluated, lock_after_check)


def placebos(tree: Tree, hit: Hit, models: Mapping[str, Model] | None = None) -> list[Proposal]:
    """The changes that look like a fix of a hit and are none, as far as they fit the function."""
    return [each for each in answers(PLACEBOS, tree, hit, models) if isinstance(each, Proposal)]


def _lock(site: Site, model: str, asks: str) -> Statement:
    manager = site.models[model].manager if model in site.models else "objects"
    return site.statement(f"{model}.{manager}.select_for_update().{asks}")


def _placebo(
    site: Site,
    span: Span,
    statements: list[Statement],
    imports: list[Import | None],
    name: str,
    title: str,
    why: str,
) -> Proposal:
    atomic, transaction = atomic_import(site)
    function: cst.FunctionDef = wrapped(site, span, statements, atomic)
    return proposal(
        site, function, [transaction, *imports], name=name, title=title, why=why, loser=LOSER, waits=WAITS
    )
