"""The query that a hit reads with: where its manager ends, what it is about, and how a lock gets into it."""

from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.models import Model
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.sites import MANAGERS, Site
from analysis.source.fixes.syntax import chain_calls, chain_names, find, method_of, replaced

ONE_ROW = ("get", "first", "last", "earliest", "latest")
NO_ROW = (
    "exists",
    "count",
    "aggregate",
    "contains",
    "in_bulk",
    "values",
    "values_list",
    "dates",
    "datetimes",
)
NO_ROWS = tuple([each] for each in NO_ROW)
WRITING = ("update", "delete")
LAZY = ("filter", "all", "exclude", "order_by", "select_for_update")
NO_LOCK = {
    "distinct": "DISTINCT",
    "union": "UNION",
    "intersection": "INTERSECT",
    "difference": "EXCEPT",
    "values": "a result that is no row",
}
SHORTCUTS = ("get_object_or_404", "aget_object_or_404", "get_list_or_404")
NAMED = m.Assign(targets=[m.AssignTarget(target=m.Name())])
MANAGER_NAMES = ("objects", "_default_manager", "_base_manager")


@dataclass(frozen=True)
class Query:
    """A read: `Job.objects.filter(…).get(…)`, `get_object_or_404(Job, …)` or `self.get_object()`.

    `calls`   the calls of the chain, the innermost first
    `model`   the class it reads, as the code names it
    `target`  the variable it is assigned to
    `kind`    "chain", "shortcut" or "get_object"
    """

    call: cst.Call
    calls: tuple[cst.Call, ...]
    model: str | None
    target: str | None
    kind: str

    @property
    def methods(self) -> list[str]:
        return [call.func.attr.value for call in self.calls if isinstance(call.func, cst.Attribute)]

    @property
    def locked(self) -> bool:
        return "select_for_update" in {
            *self.methods,
            *(chain_names(self.call.args[0].value) if self.kind == "shortcut" and self.call.args else ()),
        }


def query_at(site: Site, line: int | None) -> Query | None:
    """The outermost query of the ORM on a line of the function; for a lock that is never taken, the read after it."""
    found = _queries(site, line, line)
    if not found or not found[0].locked or found[0].methods[-1:] not in ([each] for each in LAZY):
        return found[0] if found else None
    later = _queries(site, (line or 0) + 1, site.line_here(site.hit.act))
    reads = [
        each
        for each in later
        if each.model == found[0].model and each.target and each.methods[-1:] not in NO_ROWS
    ]
    return reads[0] if reads else found[0]


def _queries(site: Site, first: int | None, last: int | None) -> list[Query]:
    """The queries on some lines of the function, in the order of the code."""
    calls = find(site.function, cst.Call)
    # of a chain only the whole asks the database: `filter(…).update(…)` reads nothing
    parts = {id(part) for call in calls for part in list(chain_calls(call))[1:] if method_of(call) in WRITING}
    return [
        query
        for node in calls
        if id(node) not in parts
        and any(site.covers(node, line) for line in range(first or 0, (last or 0) + 1))
        and (query := _query(site, node)) is not None
    ]


def read_query(site: Site) -> Query:
    """The query of the hit's read line."""
    query = query_at(site, site.line_here(site.hit.read))
    if query is None:
        raise NotOffered(f"no query of the ORM is on the read line, {site.hit.read}")
    return query


def _query(site: Site, call: cst.Call) -> Query | None:
    if isinstance(call.func, cst.Name) and call.func.value in SHORTCUTS and call.args:
        names = chain_names(call.args[0].value)
        model = names[0] if names and names[0][:1].isupper() else None
        return Query(call, (), model, _target(site, call), "shortcut")
    if not isinstance(call.func, cst.Attribute):
        return None
    if chain_names(call.func) == ["self", "get_object"]:
        return Query(call, (), _model_of_view(site.owner), _target(site, call), "get_object")
    if call.func.attr.value not in (*ONE_ROW, *NO_ROW, *LAZY):
        return None
    calls = tuple(reversed(list(chain_calls(call))))
    names = chain_names(call.func)
    keywords = any(arg.keyword is not None for each in calls for arg in each.args)
    asks = call.func.attr.value in ("exists", "aggregate", "first", "last") or (
        names[-1] == "count" and not call.args
    )
    if not keywords and not MANAGERS & set(names) and not asks:
        return None
    model = names[0] if len(names) > 1 and names[1] in MANAGER_NAMES and names[0][:1].isupper() else None
    return Query(call, calls, model, _target(site, call), "chain")


def _target(site: Site, call: cst.Call) -> str | None:
    for assign in find(site.function, cst.Assign, NAMED):
        if assign.value is call:
            return site.code(assign.targets[0].target)
    return None


def _model_of_view(owner: cst.ClassDef | None) -> str | None:
    """The model of a class-based view: `model = Job`, or `queryset = Job.objects.…`."""
    for assign in find(owner, cst.Assign, NAMED) if owner else ():
        if m.matches(assign.targets[0].target, m.Name("model") | m.Name("queryset")):
            names = chain_names(assign.value)
            if names and names[0][:1].isupper():
                return names[0]
    return None


def model_read(site: Site, query: Query) -> Model:
    """The model that a query reads.

    Raises: NotOffered, if its source is not in the tree
    """
    if query.model is None or query.model not in site.models:
        raise NotOffered(f"the model behind the read at {site.hit.read} was not found in the tree")
    return site.models[query.model]


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


def equalities(query: Query) -> dict[str, cst.BaseExpression]:
    """The arguments of the look-up.

    Raises: NotOffered, if it is more than equality of columns
    """
    found: dict[str, cst.BaseExpression] = {}
    for call in query.calls:
        name = query.methods[query.calls.index(call)]
        if name not in ("get", "filter", "first", "exists", "all", "select_related", "only", "order_by"):
            raise NotOffered(f"the look-up uses .{name}()")
        if name in ("select_related", "only", "order_by"):
            continue
        for arg in call.args:
            if arg.keyword is None or arg.star or "__" in arg.keyword.value:
                raise NotOffered("the look-up is more than equality of columns")
            found[arg.keyword.value] = arg.value
    if query.kind != "chain" or not found:
        raise NotOffered("the look-up names no columns")
    return found


def all_calls(site: Site, query: Query) -> tuple[cst.Call, ...]:
    """The calls of a query, with those of the query set that it starts from, where a variable holds that one.

    Raises: NotOffered, if it starts from a variable that the function does not set to a query set
    """
    names = chain_names(query.call.func)
    if query.kind != "chain" or set(MANAGER_NAMES) & set(names) or names[:1] == ["self"]:
        return query.calls
    made = [
        each.value
        for each in find(site.function, cst.Assign, NAMED)
        if names[0] == site.code(each.targets[0].target)
    ]
    if len(made) != 1 or not isinstance(made[0], cst.Call):
        raise NotOffered(f"what `{names[0]}` holds at {site.hit.read} is not written in one place")
    return (*reversed(list(chain_calls(made[0]))), *query.calls)


def conditions(site: Site, query: Query) -> list[cst.Arg]:
    """The named arguments of the filter(), get() and get_object_or_404() of a query."""
    if query.kind == "shortcut":
        return [arg for arg in query.call.args if arg.keyword is not None]
    return [
        arg
        for call in all_calls(site, query)
        if method_of(call) in ("filter", "get")
        for arg in call.args
        if arg.keyword is not None
    ]
