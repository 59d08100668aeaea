"""A read in a function that the hit's function calls: locked there, if nobody else calls it."""

import re
from dataclasses import replace

import libcst as cst

from analysis.source.fixes.change import changed_text
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.queries import query_at, with_lock
from analysis.source.fixes.sites import Site, open_site
from analysis.source.fixes.syntax import find, replaced
from analysis.source.modules import is_test


def locked_where_called(site: Site) -> tuple[dict[cst.FunctionDef, cst.FunctionDef], dict[str, str]]:
    """The called function with its read locked: as a change of the same file, or as the text of another one.

    Raises: NotOffered, if others call it too (outside a transaction a lock is an error), or it has no such read
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
    name = max(spans)[1]
    _only_caller(site, name.rpartition(".")[2])
    there = replace(site.hit, function=name, read=place, test=None, act=place, calls=(), reads=())
    called = open_site(site.source, there, site.models)
    query = query_at(called, place.line)
    if query is None:
        raise NotOffered(f"no query of the ORM is on the read line, {place}")
    locked = replaced(called.function, query.call, with_lock(called, query))
    if place.path != site.hit.path:
        return {}, {place.path: changed_text(called, {called.function: locked}, [])}
    around = [each for each in find(site.module, cst.FunctionDef) if site.covers(each, place.line)]
    return {around[-1]: locked}, {}


def _only_caller(site: Site, name: str) -> None:
    called = re.compile(rf"(?<!def )\b{re.escape(name)}\(")
    count = sum(
        len(called.findall(site.source.text(each) or "")) for each in site.source.paths if not is_test(each)
    )
    if count != 1:
        raise NotOffered(
            f"`{name}` reads the row, and {count} places call it: outside a transaction a lock is an error"
        )
