"""Delete only if the row is still there: the count of deleted rows tells who came first.

Source: Django, "QuerySet API reference", delete(): it returns the number of objects deleted; PostgreSQL, "Transaction
Isolation", 13.2.1: a DELETE waits for the row, and deletes nothing where another one has deleted it.
"""

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.absent import guard_of_read, one_read
from analysis.source.fixes.change import atomic_import, model_import, proposal
from analysis.source.fixes.guards import Guard, guard_of, refusal
from analysis.source.fixes.imports import Import
from analysis.source.fixes.models import Model
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.queries import model_read, query_at
from analysis.source.fixes.saves import row_of
from analysis.source.fixes.sites import Site, Span, whole, writes
from analysis.source.fixes.syntax import Statement, chain_names, find, replaced, rewritten
from analysis.source.fixes.transactions import with_block, wrapped

NAME = "conditional_delete"


def conditional_delete(site: Site) -> Proposal:
    """`deleted, _ = Model.objects.filter(pk=row.pk).delete()` before all that is written, then a refusal.

    Raises: NotOffered, if no row that was read is deleted, or nothing is answered where it is not there
    """
    span = whole(site)
    if (chained := _chained(site, span)) is not None:
        return chained
    row, model, guard, statements, imported = _read(site, span)
    if "delete" in model.methods:
        raise NotOffered(f"{model.name} has a delete() of its own, which that of a query set would not call")
    at = _deleting(statements, row)
    first = next((index for index, each in enumerate(statements[:at]) if writes(each)), at)
    if any(m.matches(arg.value, m.Name(row)) for each in statements[first:at] for arg in find(each, cst.Arg)):
        raise NotOffered(f"what is written before the delete may refer to `{row}`")
    deleted = site.fresh("deleted")
    delete = site.statement(f"{deleted}, _ = {model.name}.{model.manager}.filter(pk={row}.pk).delete()")
    answer = site.statement(f"if not {deleted}:\n    pass").with_changes(body=refusal(site, guard))
    decide = [_in_place_of(statements[at], delete), answer]
    changed = [*statements[:first], *decide, *statements[first:at], *statements[at + 1 :]]
    # what comes before the first write is only read: no transaction has to hold it
    kept = first if statements[:first] == span.statements[:first] else 0
    goes_on = any(map(writes, changed[first + len(decide) :]))
    function, transaction = _put(site, span, changed, kept if goes_on else None)
    return proposal(
        site,
        function,
        [imported, model_import(site, model.name), transaction],
        name=NAME,
        title="Delete only if the row is still there",
        why="The database deletes a row once: the request whose DELETE finds none has come second, and nothing of it"
        " is written.",
        loser=f"the refusal for a row that is not there: {guard.answer}",
        waits="its DELETE waits until the first request's transaction has ended; reading does not wait",
    )


def _put(
    site: Site, span: Span, changed: list[Statement], kept: int | None
) -> tuple[cst.FunctionDef, Import | None]:
    """The function with these statements in the span's place, and what it then imports.

    kept: how many of them stay before a transaction around the others; None: they need none
    """
    if kept is None:
        body = span.block.body
        return with_block(site, span.block, [*body[: span.first], *changed, *body[span.last + 1 :]]), None
    atomic, transaction = atomic_import(site)
    part = Span(span.block, span.first + kept, span.last, span.around)
    return wrapped(site, part, changed[kept:], atomic), transaction


def _in_place_of(old: Statement, new: Statement) -> Statement:
    assert isinstance(old, cst.SimpleStatementLine)
    return new.with_changes(leading_lines=old.leading_lines, trailing_whitespace=old.trailing_whitespace)


def _chained(site: Site, span: Span) -> Proposal | None:
    """`M.objects.filter(…).delete()` in place of `M.objects.get(…).delete()`, which raises where the row is gone.

    Of a query set with a lock: its first row under the lock, and its delete(); a query set's delete() takes none.
    """
    got = m.Call(func=m.Attribute(attr=m.Name("get")))
    deleted = m.Call(func=m.Attribute(value=got, attr=m.Name("delete")))
    line = span.statements[0]
    if not m.matches(line, m.SimpleStatementLine(body=[m.Expr(value=deleted)])):
        return None
    (call, *_) = find(line, cst.Call, got)
    assert isinstance(call.func, cst.Attribute)
    found = call.with_changes(func=call.func.with_changes(attr=cst.Name("filter")))
    new: list[Statement] = [replaced(line, call, found)]
    if "select_for_update" in chain_names(call):
        row = site.fresh((site.hit.model or "row").lower())
        read = site.statement(f"{row} = {site.code(found)}.first()")
        new = [_in_place_of(line, read), site.statement(f"if {row} is not None:\n    {row}.delete()")]
    return proposal(
        site,
        rewritten(site.function, {line: new}),
        [],
        name=NAME,
        title="Delete what is there",
        why="get() raises where another request has deleted the row in between: there is nothing left to delete then.",
        loser="the same as the first: the row is gone, as it wanted",
        waits="its DELETE waits until the first request's transaction has ended",
    )


def _read(site: Site, span: Span) -> tuple[str, Model, Guard, list[Statement], Import | None]:
    """The row, its model, what is answered where it is not there, and the statements of the span."""
    query = query_at(site, site.line_here(site.hit.read))
    if query is not None and (one := one_read(site, span, query)) is not None:
        return one.row, model_read(site, query), guard_of(site), one.statements, None
    row, model = row_of(site)
    guard, imported = guard_of_read(site)
    return row, model, guard, span.statements, imported


def _deleting(statements: list[Statement], row: str) -> int:
    deletes = m.Call(func=m.Attribute(value=m.Name(row), attr=m.Name("delete")))
    for index, each in enumerate(statements):
        if m.matches(each, m.SimpleStatementLine(body=[m.Expr(value=deletes)])):
            return index
    raise NotOffered(f"no plain `{row}.delete()` follows the read in its block")
