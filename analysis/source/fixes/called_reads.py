"""A read in a function that the hit's function calls: its look-up in the caller's words, or locked where it is."""

import ast
import re
from collections.abc import Mapping
from dataclasses import replace

import libcst as cst

from analysis.source.fixes.change import bound, changed_text
from analysis.source.fixes.locking import with_lock
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.queries import Query, query_at, query_of
from analysis.source.fixes.sites import Site, open_site
from analysis.source.fixes.syntax import chain_names, find, replaced
from analysis.source.modules import is_test


def read_query(site: Site) -> Query:
    """The query of the hit's read line; of a function called there the query in it, as the caller would write it.

    Raises: NotOffered, if there is none, or its values are not the caller's
    """
    query = query_at(site, site.line_here(site.hit.read))
    if query is not None:
        return query
    if len(site.hit.reads) != 2 or site.hit.reads[0] == site.hit.reads[1]:
        raise NotOffered(f"no query of the ORM is on the read line, {site.hit.read}")
    called = _called(site)
    there = query_at(called, called.hit.read.line)
    if there is None or there.kind != "chain" or there.source:
        raise NotOffered(f"no query of the ORM stands alone on the read line, {called.hit.read}")
    return _in_words_of(site, called, there)


def _in_words_of(site: Site, called: Site, there: Query) -> Query:
    """The query with the call's arguments in place of the parameters of the called function."""
    given = _arguments(site, called)
    own = bound(called) - given.keys()
    for arg in find(there.call, cst.Arg):
        names = {
            node.id for node in ast.walk(ast.parse(called.code(arg.value))) if isinstance(node, ast.Name)
        }
        if strange := sorted(names & own):
            raise NotOffered(
                f"the look-up at {called.hit.read} uses `{strange[0]}`, which the caller does not have"
            )
    tree = _Given(given).visit(ast.parse(called.code(there.call), mode="eval"))
    call = site.expression(ast.unparse(tree))
    assert isinstance(call, cst.Call)
    query = query_of(site, call)
    assert query is not None
    return query


class _Given(ast.NodeTransformer):
    def __init__(self, given: Mapping[str, ast.expr]) -> None:
        self.given = given

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.given.get(node.id, node)


def _arguments(site: Site, called: Site) -> dict[str, ast.expr]:
    """What the call on the read line hands to each parameter."""
    name, line = called.function.name.value, site.line_here(site.hit.read) or 0
    calls = [
        each
        for each in find(site.function, cst.Call)
        if site.covers(each, line) and chain_names(each.func)[-1:] == [name]
    ]
    if len(calls) != 1 or any(arg.star for arg in calls[0].args):
        raise NotOffered(f"what `{name}` is called with at {site.hit.read} is not written there")
    parameters = [each.name.value for each in called.function.params.params]
    call = calls[0]
    values: list[cst.BaseExpression] = [arg.value for arg in call.args if arg.keyword is None]
    if called.owner is not None and isinstance(call.func, cst.Attribute):
        values.insert(0, call.func.value)
    given = dict(zip(parameters, values, strict=False))
    given |= {arg.keyword.value: arg.value for arg in call.args if arg.keyword is not None}
    return {name: ast.parse(site.code(value), mode="eval").body for name, value in given.items()}


def locked_where_called(site: Site) -> tuple[dict[cst.FunctionDef, cst.FunctionDef], dict[str, str]]:
    """The called function with its read locked: as a change of the same file, or as the text of another one.

    Raises: NotOffered, if others call it too (outside a transaction a lock is an error), or it has no such read
    """
    called = _called(site)
    place = called.hit.read
    _only_caller(site, called.function.name.value)
    query = query_at(called, place.line)
    if query is None:
        raise NotOffered(f"no query of the ORM is on the read line, {place}")
    locked = replaced(called.function, query.call, with_lock(called, query))
    if place.path != site.hit.path:
        return {}, {place.path: changed_text(called, {called.function: locked}, [])}
    around = [each for each in find(site.module, cst.FunctionDef) if site.covers(each, place.line)]
    return {around[-1]: locked}, {}


def _called(site: Site) -> Site:
    """The function that the read line calls, and that reads.

    Raises: NotOffered, if it is more than one call away
    """
    place = site.hit.reads[-1]
    module = site.source.module(place.path)
    spans = [
        (each.node.lineno, name)
        for name, each in (module.functions if module else {}).items()
        if each.node.lineno <= place.line <= (each.node.end_lineno or 0)
    ]
    if len(site.hit.reads) != 2 or not spans:
        raise NotOffered(f"the row is read {len(site.hit.reads) - 1} calls away, at {place}")
    there = replace(site.hit, function=max(spans)[1], read=place, test=None, act=place, calls=(), reads=())
    return open_site(site.source, there, site.models)


def _only_caller(site: Site, name: str) -> None:
    called = re.compile(rf"(?<!def )\b{re.escape(name)}\(")
    count = sum(
        len(called.findall(site.source.text(each) or "")) for each in site.source.paths if not is_test(each)
    )
    if count != 1:
        raise NotOffered(
            f"`{name}` reads the row, and {count} places call it: outside a transaction a lock is an error"
        )
