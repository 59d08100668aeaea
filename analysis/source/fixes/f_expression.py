"""Let the database count: `F("count") + 1` in place of a number that was read before.

Source: Django, "Query Expressions", F() expressions, "Avoiding race conditions using F()".
"""

import ast

import libcst as cst

from analysis.source.fixes.change import f_import, proposal
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.rows import Assigned
from analysis.source.fixes.saves import Save, column_edits, line_of, save_of
from analysis.source.fixes.sites import Site
from analysis.source.fixes.syntax import KEEP, Statement, find, names_in, replaced, rewritten

NAME = "f_expression"


def f_expression(site: Site) -> Proposal:
    """`row.count = F("count") + 1` and `row.save(update_fields=["count"])`; read again where it is shown later.

    Raises: NotOffered, if nothing is counted, the count is checked before (a limit), or more than counting is saved
    """
    save = save_of(site)
    counted = [each for each in save.changes if each.delta is not None]
    if not counted:
        raise NotOffered("no column is set to itself plus or minus something")
    checked = {each.column for each in counted} & _checked(site, save)
    if checked:
        raise NotOffered(
            f"`{sorted(checked)[0]}` is checked before it is counted: both requests would pass the check"
        )
    expression, imported = f_import(site)
    edits = column_edits(site, save)
    for each in counted:
        line = line_of(site, each)
        new = site.statement(
            f"{save.row}.{each.column} = {expression}({site.layout.literal(each.column)}) {each.delta}"
        )
        assert isinstance(new, cst.SimpleStatementLine)
        counting = replaced(line, each.node, new.body[0])
        edits[line] = [counting if step is KEEP else step for step in edits.get(line, [KEEP])]
    edits[save.line] += _again(site, save, counted)
    return proposal(
        site,
        rewritten(site.function, edits),
        [imported],
        name=NAME,
        title="Let the database count",
        why="The UPDATE adds to what the row holds by then, not to what was read; other columns are left alone.",
        loser="success, like the first: both are counted",
        waits="its UPDATE waits until the first request's transaction has ended",
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
