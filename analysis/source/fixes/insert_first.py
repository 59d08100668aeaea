"""Let the unique constraint decide: insert first, and answer the conflict as the check would have.

Source: PostgreSQL, "Index Uniqueness Checks"; Django, "Database transactions", "Avoid
catching exceptions inside atomic".
"""

import ast
from collections.abc import Sequence

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.change import atomic_import, needed, proposal
from analysis.source.fixes.guards import Guard, guard_index, guard_of, refusal
from analysis.source.fixes.imports import Import
from analysis.source.fixes.inserts import Insert, insert_of
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.rows import function_called
from analysis.source.fixes.sites import Site, Span, whole, writes
from analysis.source.fixes.syntax import Statement, chain_names, find, leading_lines, names_in
from analysis.source.fixes.transactions import atomic_block, caught, in_transaction, with_block

NAME = "insert_first"
SAVE = m.Call(func=m.Attribute(attr=m.Name("save")))


def insert_first(site: Site) -> Proposal:
    """The insert and the other writes in one transaction, the insert first; IntegrityError gets the check's refusal.

    Raises: NotOffered, if no unique constraint stands behind the insert, or the conflict is handled already
    """
    span = whole(site)
    insert = insert_of(site, span)
    if not insert.constrained:
        raise NotOffered(
            f"no unique constraint of {insert.model.name} covers the insert: the database would take both"
        )
    function, imports = handled(site, span, insert, guard_of(site))
    return proposal(
        site,
        function,
        imports,
        name=NAME,
        title="Insert first and answer the conflict",
        why=f"The unique constraint of {insert.model.name} lets one of two inserts through; the other request takes its"
        " writes back and is refused as the check would have done it. The check stays for those who come later.",
        loser=f"the check's own refusal, once more: {guard_of(site).answer}",
        waits=f"its insert into {insert.model.name} waits until the first request's transaction has ended",
    )


def handled(
    site: Site, span: Span, insert: Insert, guard: Guard
) -> tuple[cst.FunctionDef, list[Import | None]]:
    """The function with `try`, the writes in a transaction, and the refusal for IntegrityError; and the imports."""
    for each in [*find(span.block, cst.Try), *(node for node in span.around if isinstance(node, cst.Try))]:
        if isinstance(each, cst.Try) and {"IntegrityError", "DatabaseError"} & {
            n for h in each.handlers for n in caught(h)
        }:
            raise NotOffered("a conflict of the insert is handled already")
    body = list(span.block.body)
    at = body.index(insert.statement)
    start = guard_index(span, guard) + 1
    if at < start:
        raise NotOffered("the insert comes before the check")
    first = next((index for index in range(start, at) if writes(body[index])), at)
    nested = in_transaction(site, span)
    moved = first < at and _movable(site, insert, body[first:at])
    if nested and first < at and not moved and not _raises(guard):
        raise NotOffered(
            "writes come before the insert, and the refusal inside the transaction would keep them"
        )
    row, changed = _changed(site, body[start:at])
    atomic, transaction = atomic_import(site)
    error = needed(site, "django.db", "IntegrityError")
    if moved:
        order = [insert.statement, *body[first:at]]
        order[0], order[1] = _swapped(order[0], order[1])
    else:
        order = body[first : at + 1]
    # what follows belongs to the same transaction, up to the last write; inside one, the savepoint holds the insert
    inside = [order[0]] if nested and moved else order if nested else [*order, *body[at + 1 : span.last + 1]]
    after = [*order[len(inside) :], *body[at + 1 :]] if nested else body[max(at, span.last) + 1 :]
    block = _try(site, inside, refusal(site, guard, row, changed), atomic, error.local)
    return with_block(site, span.block, [*body[:first], block, *after]), [transaction, error]


def _try(
    site: Site, inside: Sequence[Statement], answer: cst.IndentedBlock, atomic: str, error: str
) -> cst.Try:
    block = atomic_block(site, inside, atomic)
    statement = site.statement(f"try:\n    pass\nexcept {error}:\n    pass")
    assert isinstance(statement, cst.Try)
    return statement.with_changes(
        leading_lines=block.leading_lines,
        body=cst.IndentedBlock(body=[block.with_changes(leading_lines=[])]),
        handlers=[statement.handlers[0].with_changes(body=answer)],
    )


def _raises(guard: Guard) -> bool:
    return m.matches(guard.body.body[-1], m.SimpleStatementLine(body=[m.Raise()]))


def _swapped(first: Statement, second: Statement) -> tuple[Statement, Statement]:
    """Two statements whose places were changed: the empty lines before them stay where they were."""
    mine, other = leading_lines(first), leading_lines(second)
    return _led(first, _empty(other) + _comments(mine)), _led(second, _empty(mine) + _comments(other))


def _led(node: Statement, lines: list[cst.EmptyLine]) -> Statement:
    return node.with_changes(leading_lines=lines)


def _empty(lines: list[cst.EmptyLine]) -> list[cst.EmptyLine]:
    return [each for each in lines if each.comment is None]


def _comments(lines: list[cst.EmptyLine]) -> list[cst.EmptyLine]:
    return [each for each in lines if each.comment is not None]


def _changed(site: Site, statements: Sequence[Statement]) -> tuple[str | None, set[str]]:
    """A row whose columns the statements assign in memory, and the columns."""
    found = [
        each.target
        for statement in statements
        for each in find(statement, cst.AssignTarget)
        if isinstance(each.target, cst.Attribute)
    ]
    rows = [site.code(each.value) for each in found if isinstance(each, cst.Attribute)]
    return (rows[0] if rows else None), {each.attr.value for each in found if isinstance(each, cst.Attribute)}


def _movable(site: Site, insert: Insert, passed: Sequence[Statement]) -> bool:
    """The insert means the same before the statements as after them: it needs nothing that they make or write."""
    if not all(isinstance(each, cst.SimpleStatementLine) for each in passed):
        return False
    made = {name for each in passed for target in find(each, cst.AssignTarget) for name in names_in(target)}
    if made & names_in(insert.statement):
        return False
    saved = {
        site.code(each.func.value)
        for s in passed
        for each in find(s, cst.Call, SAVE)
        if isinstance(each.func, cst.Attribute)
    }
    _, columns = _changed(
        site, [each for each in site.body.body if isinstance(each, cst.SimpleStatementLine)]
    )
    for node in find(insert.statement, cst.Attribute):
        if site.code(node.value) in saved and node.attr.value in columns:
            return False
    calls = [each for each in find(insert.statement, cst.Call) if each is not insert.call]
    return all(_independent(site, call, columns) for call in calls)


def _independent(site: Site, call: cst.Call, columns: set[str]) -> bool:
    """A function of the repository that the arguments call does not ask for a column that was changed before."""
    definition = function_called(site, ".".join(chain_names(call.func)))
    if definition is None:
        return False
    for node in ast.walk(definition):
        if isinstance(node, ast.Attribute) and node.attr in columns | {"save", "update", "create", "delete"}:
            return False
        if (
            isinstance(node, ast.keyword)
            and node.arg is not None
            and node.arg.rpartition("__")[2] in columns
            and "__" in node.arg
        ):
            return False
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in columns:
            return False
    return True
