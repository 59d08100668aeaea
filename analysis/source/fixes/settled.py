"""What is fixed already: the functions that no fix of the menu is offered for."""

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.inserts import insert_at_act, insert_in
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.queries import LAZY, NO_ROW, query_at
from analysis.source.fixes.sites import Site, whole
from analysis.source.fixes.syntax import find, method_of
from analysis.source.fixes.transactions import caught, in_transaction

ONE_CALL = ("get_or_create", "update_or_create", "on_commit")


def settled(site: Site) -> str | None:
    """Why the read and the act of the hit are one step already; None if they are not."""
    if "pg_advisory" in site.code(site.function):
        return "an advisory lock is taken"
    act = site.line_here(site.hit.act)
    query = query_at(site, site.line_here(site.hit.read))
    if query is not None and query.locked and query.methods[-1:] not in ([each] for each in (*NO_ROW, *LAZY)):
        try:
            held = in_transaction(site, whole(site))
            absent = query.model is not None and query.model == insert_at_act(site).model.name
        except NotOffered:
            held, absent = False, False
        if held and not absent:
            return "the row is locked before the check"
    for line in find(site.function, cst.SimpleStatementLine):
        if act is not None and site.covers(line, act):
            return _act(site, line)
    return None


def _act(site: Site, line: cst.SimpleStatementLine) -> str | None:
    calls = find(line, cst.Call)
    insert = insert_in(site, line)
    if any(method_of(call) in ONE_CALL for call in calls) and (insert is None or insert.constrained):
        return "the act is one call that reads and writes, or waits for the commit"
    counted = m.matches(line, m.SimpleStatementLine(body=[m.Assign()]))
    if counted and any(method_of(call) == "update" for call in calls):
        return "the write has its condition, and its count is looked at"
    if insert is not None and insert.constrained:
        for block in find(site.function, cst.Try):
            handled = {name for each in block.handlers for name in caught(each)}
            if handled & {"IntegrityError", "DatabaseError"} and line in find(
                block.body, cst.SimpleStatementLine
            ):
                return "a conflict of the insert is handled"
    return None
