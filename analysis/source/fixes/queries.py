"""The query that a hit reads with: where its manager ends, what it is about, and how a lock gets into it."""

from dataclasses import dataclass, replace

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.models import Model
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.sites import MANAGERS, Site
from analysis.source.fixes.syntax import chain_calls, chain_names, find, method_of

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
    `source`  the calls of the query set, or row, that the chain starts from, where a variable holds that one
    """

    call: cst.Call
    calls: tuple[cst.Call, ...]
    model: str | None
    target: str | None
    kind: str
    source: tuple[cst.Call, ...] = ()

    @property
    def methods(self) -> list[str]:
        return [call.func.attr.value for call in self.calls if isinstance(call.func, cst.Attribute)]

    @property
    def narrowed(self) -> tuple[cst.Call, ...]:
        """The calls behind the variable that the chain starts from, where it holds a query set and no row."""
        return self.source if self.source and method_of(self.source[-1]) in LAZY else ()

    @property
    def locked(self) -> bool:
        return "select_for_update" in {
            *self.methods,
            *map(method_of, self.narrowed),
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
        and (query := query_of(site, node)) is not None
    ]


def query_of(site: Site, call: cst.Call) -> Query | None:
    """The call as a query of the ORM; None, if it looks like none."""
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
    source = _source(site, names)
    found = Query(call, calls, None, _target(site, call), "chain", source)
    return replace(found, model=_model_of(site, chain_names(source[-1].func) if found.narrowed else names))


def _source(site: Site, names: list[str]) -> tuple[cst.Call, ...]:
    """The calls of the query set, or row, that a chain starts from, where the function sets the variable once."""
    if set(MANAGER_NAMES) & set(names) or names[0] == "self":
        return ()
    made = [
        each.value
        for each in find(site.function, cst.Assign, NAMED)
        if names[0] == site.code(each.targets[0].target)
    ]
    if len(made) != 1 or not isinstance(made[0], cst.Call):
        return ()
    return tuple(reversed(list(chain_calls(made[0]))))


def _model_of(site: Site, names: list[str]) -> str | None:
    """The model of `Job.objects.…`; of `self.…` in a manager the one that the hit is about."""
    if len(names) > 1 and names[1] in MANAGER_NAMES and names[0][:1].isupper():
        return names[0]
    manager = names[0] == "self" and len(names) > 1 and names[1] in (*ONE_ROW, *NO_ROW, *LAZY)
    return site.hit.model if manager and site.owner and site.owner.name.value not in site.models else None


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


def equalities(query: Query) -> dict[str, cst.BaseExpression]:
    """The arguments of the look-up.

    Raises: NotOffered, if it is more than equality of columns
    """
    found: dict[str, cst.BaseExpression] = {}
    for call in (*query.narrowed, *query.calls):
        name = method_of(call)
        if name in ("select_related", "only", "order_by", "select_for_update"):
            continue
        if name not in ("get", "filter", "first", "exists", "all"):
            raise NotOffered(f"the look-up uses .{name}()")
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
    if not query.source and not set(MANAGER_NAMES) & set(names) and names[0] != "self":
        raise NotOffered(f"what `{names[0]}` holds at {site.hit.read} is not written in one place")
    return (*query.source, *query.calls)


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
