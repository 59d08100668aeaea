"""A query with `select_for_update()` in the place where people write it.

Source: Django, "QuerySet API reference", select_for_update(); PostgreSQL, SELECT, "The Locking Clause".
"""

import libcst as cst

from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.queries import MANAGER_NAMES, NO_ROW, Query
from analysis.source.fixes.sites import Site
from analysis.source.fixes.syntax import chain_calls, chain_names, method_of, replaced

NO_LOCK = {
    "distinct": "DISTINCT",
    "union": "UNION",
    "intersection": "INTERSECT",
    "difference": "EXCEPT",
    "values": "a result that is no row",
}


def with_lock(site: Site, query: Query) -> cst.BaseExpression:
    """The query with `select_for_update()` in the place where people write it.

    Raises: NotOffered, for what PostgreSQL or Django cannot lock
    """
    if query.kind == "get_object":
        return _get_object(site, query)
    if query.kind == "shortcut":
        first = query.call.args[0]
        return query.call.with_changes(
            args=[first.with_changes(value=_locked_source(site, first.value)), *query.call.args[1:]]
        )
    methods = query.methods
    if methods[-1] in NO_ROW:
        raise NotOffered(f"the check asks .{methods[-1]}(): there may be no row that a lock could hold")
    if (unfit := next((name for name in methods if name in NO_LOCK), None)) is not None:
        raise NotOffered(f"PostgreSQL refuses FOR UPDATE together with {NO_LOCK[unfit]}")
    if "annotate" in methods and _aggregates(site, query):
        raise NotOffered("PostgreSQL refuses FOR UPDATE together with GROUP BY (an aggregate in .annotate())")
    # behind the manager where the chain shows one, else before the call that asks for the row
    at = query.calls[0] if _starts_at_manager(query.calls[0]) else query.call
    assert isinstance(at.func, cst.Attribute)
    locked = _lock(site, at.func.value, methods, query)
    if at is query.call and methods[-1] == "all":
        return locked  # select_for_update() gives all rows itself
    changed = at.with_changes(func=at.func.with_changes(value=locked))
    if at is query.call:
        return changed
    return replaced(query.call, at, changed)


def _starts_at_manager(call: cst.Call) -> bool:
    names = chain_names(call.func)
    return len(names) > 1 and names[-2] in MANAGER_NAMES


def _lock(site: Site, source: cst.BaseExpression, methods: list[str], query: Query) -> cst.Call:
    """`source.select_for_update()`; of the row itself only where joins may have no row (PostgreSQL refuses those)."""
    joins = "select_related" in methods or any(
        "__" in site.code(arg) for call in query.calls if method_of(call) == "order_by" for arg in call.args
    )
    of = f"of=({site.layout.literal('self')},)" if joins else ""
    call = site.expression(f"x.select_for_update({of})")
    assert isinstance(call, cst.Call) and isinstance(call.func, cst.Attribute)
    return call.with_changes(func=call.func.with_changes(value=source))


def _aggregates(site: Site, query: Query) -> bool:
    words = ("Count(", "Sum(", "Max(", "Min(", "Avg(", "Agg(")
    return any(
        word in site.code(arg)
        for call in query.calls
        if method_of(call) == "annotate"
        for arg in call.args
        for word in words
    )


def _locked_source(site: Site, source: cst.BaseExpression) -> cst.BaseExpression:
    """The first argument of get_object_or_404, locked: a model, a manager or a query set."""
    if isinstance(source, cst.Name) and source.value[:1].isupper():
        model = site.models.get(source.value)
        manager = model.manager if model else "objects"
        return site.expression(f"{source.value}.{manager}.select_for_update()")
    methods = [name for call in chain_calls(source) if (name := method_of(call))]
    if unfit := next((name for name in methods if name in NO_LOCK), None):
        raise NotOffered(f"PostgreSQL refuses FOR UPDATE together with {NO_LOCK[unfit]}")
    chain = Query(cst.Call(func=source), tuple(reversed(list(chain_calls(source)))), None, None, "chain")
    if chain.calls and "annotate" in methods and _aggregates(site, chain):
        raise NotOffered("PostgreSQL refuses FOR UPDATE together with GROUP BY (an aggregate in .annotate())")
    return _lock(site, source, methods, chain)


def _get_object(site: Site, query: Query) -> cst.BaseExpression:
    """`self.get_object()` finds and permits; the row is then read again under its lock."""
    if query.model is None:
        raise NotOffered(
            "the view names neither `model` nor `queryset`: what get_object() reads is not known"
        )
    model = site.models.get(query.model)
    manager = model.manager if model else "objects"
    return site.expression(
        f"get_object_or_404({query.model}.{manager}.select_for_update(), pk=self.get_object().pk)"
    )
