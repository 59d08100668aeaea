"""Let the database count: `F("count") + 1` in place of a number that was read before.

Source: Django, "Query Expressions", F() expressions, "Avoiding race conditions using F()".
"""

import ast
from dataclasses import replace

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.change import f_import, proposal
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.rows import Assigned
from analysis.source.fixes.saves import Save, column_edits, line_of, save_of
from analysis.source.fixes.sites import Site, Span
from analysis.source.fixes.syntax import KEEP, Statement, find, names_in, replaced, rewritten
from analysis.source.fixes.transactions import in_transaction
from analysis.source.hits import Place

NAME = "f_expression"


def f_expression(site: Site) -> Proposal:
    """`row.count = F("count") + 1` and `row.save(update_fields=["count"])`; read again where it is shown later.

    Raises: NotOffered, if nothing is counted, the count decides something (a limit), or more than counting is saved
    """
    save = save_of(site)
    edits = _counting(site, save)
    for other in _others(site, save):
        edits |= _counting(site, other)
    return proposal(
        site,
        rewritten(site.function, edits),
        [f_import(site)[1]],
        name=NAME,
        title="Let the database count",
        why="The UPDATE adds to what the row holds by then, not to what was read; other columns are left alone.",
        loser="success, like the first: both are counted",
        waits="its UPDATE waits until the first request's transaction has ended",
    )


def _others(site: Site, save: Save) -> list[Save]:
    """The other places of the function that count in the same row: one branch mended alone would be half a fix."""
    saves = m.Call(func=m.Attribute(value=m.Name(save.row), attr=m.Name("save")))
    found = []
    for line in find(
        site.function, cst.SimpleStatementLine, m.SimpleStatementLine(body=[m.Expr(value=saves)])
    ):
        place = Place(site.hit.path, site.places[line].start.line)
        try:
            other = save_of(replace(site, hit=replace(site.hit, act=place, calls=())))
        except NotOffered:
            continue
        if line is not save.line and any(each.delta for each in other.changes):
            found.append(other)
    return found


def _counting(site: Site, save: Save) -> dict[Statement, list[cst.CSTNode]]:
    """The edits of one save and of what is counted before it."""
    counted = [each for each in save.changes if each.delta is not None]
    if not counted:
        raise NotOffered("no column is set to itself plus or minus something")
    names = {each.column for each in counted}
    if checked := names & _checked(site, save):
        raise NotOffered(
            f"`{sorted(checked)[0]}` is checked before it is counted: both requests would pass the check"
        )
    if looked_at := names & _decides_later(site, save):
        raise NotOffered(
            f"`{sorted(looked_at)[0]}` decides after it is counted: read again, both requests may see the last number"
        )
    edits = column_edits(site, save)
    for each in counted:
        line = line_of(site, each)
        new = site.statement(
            f"{save.row}.{each.column} = {f_import(site)[0]}({site.layout.literal(each.column)}) {each.delta}"
        )
        assert isinstance(new, cst.SimpleStatementLine)
        counting = replaced(line, each.node, new.body[0])
        edits[line] = [counting if step is KEEP else step for step in edits.get(line, [KEEP])]
    edits[save.line] += _again(site, save, counted)
    return edits


def _decides_later(site: Site, save: Save) -> set[str]:
    """The columns that something after the save decides by, where no transaction holds the row from then on."""
    if in_transaction(site, Span(save.block, save.index, save.index, _blocks_around(site, save))):
        return set()
    end = site.places[save.line].end.line
    deciding: list[cst.If | cst.IfExp | cst.While] = [
        *find(site.function, cst.If),
        *find(site.function, cst.IfExp),
        *find(site.function, cst.While),
    ]
    tests = [each.test for each in deciding if site.places[each].start.line > end]
    columns = m.Attribute(value=m.Name(save.row))
    return {node.attr.value for test in tests for node in find(test, cst.Attribute, columns)}


def _blocks_around(site: Site, save: Save) -> tuple[Statement, ...]:
    return tuple(
        each for each in find(site.function, cst.With) if save.block in find(each, cst.IndentedBlock)
    )


def _checked(site: Site, save: Save) -> set[str]:
    """The columns that something before the save decides by: itself, or through a property or method of the model."""
    end = site.places[save.line].start.line
    tests = [each.test for each in find(site.function, cst.If) if site.places[each].start.line < end]
    seen = {
        node.attr.value
        for test in tests
        for node in find(test, cst.Attribute)
        if site.code(node.value) == save.row
    }
    asked = [save.model.methods[name] for name in seen if name in save.model.methods]
    return seen | {node.attr for each in asked for node in ast.walk(each) if isinstance(node, ast.Attribute)}


def _again(site: Site, save: Save, counted: list[Assigned]) -> list[Statement]:
    """An F() stays in the row until it is read again: a later save would count twice, a response could not show it."""
    later = [*save.block.body[save.index + 1 :], *(each for each in save.around)]
    shown = any(save.row in names_in(each) for each in later if each is not None)
    if not shown:
        return []
    names = ", ".join(site.layout.literal(each) for each in dict.fromkeys(each.column for each in counted))
    return [site.statement(f"{save.row}.refresh_from_db(fields=[{names}])")]
