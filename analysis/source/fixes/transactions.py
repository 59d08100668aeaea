"""Statements put inside one `transaction.atomic()`, the way a maintainer would write it.

Source: Django, "Database transactions", "Controlling transactions explicitly".
"""

import re
from collections.abc import Sequence
from typing import Final, TypeGuard

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.sites import Site, Span, blocks_of, writes
from analysis.source.fixes.syntax import Statement, find, leading_lines, replaced, rewritten

DATABASE_ERRORS = frozenset(("IntegrityError", "DatabaseError", "Error", "Exception", "BaseException"))
ATOMIC_REQUESTS: Final = re.compile(r"""\bATOMIC_REQUESTS["']?\s*[\]:=]+\s*True""")
ATOMIC_CALL = m.Call(func=m.Attribute(attr=m.Name("atomic")) | m.Name("atomic"))
ATOMIC_NAME = m.Attribute(attr=m.Name("atomic")) | m.Name("atomic")


def is_atomic(node: cst.CSTNode) -> bool:
    """A `with transaction.atomic():`, perhaps beside other context managers."""
    return isinstance(node, cst.With) and any(m.matches(each.item, ATOMIC_CALL) for each in node.items)


def in_transaction(site: Site, span: Span) -> bool:
    """The block of the span runs inside a transaction that the function opens, or its decorator."""
    decorated = any(
        m.matches(each.decorator, ATOMIC_CALL | ATOMIC_NAME)
        or (m.matches(each.decorator, m.Call()) and "transaction.atomic" in site.code(each.decorator))
        for each in (*site.function.decorators, *(_of_method(site) if site.owner else ()))
    )
    return decorated or any(is_atomic(each) for each in span.around) or _request_is_atomic(site)


def _request_is_atomic(site: Site) -> bool:
    """A view of an application that puts each request into a transaction."""
    names = [each.name.value for each in site.function.params.params[:2]]
    if "request" not in names or "non_atomic_requests" in site.code(site.function):
        return False
    return any(
        ATOMIC_REQUESTS.search(site.source.text(path) or "")
        for path in site.source.paths
        if "settings" in path
    )


def _of_method(site: Site) -> Sequence[cst.Decorator]:
    """Decorators of the class that name this method: `@method_decorator(transaction.atomic, name="post")`."""
    assert site.owner is not None
    return [
        each
        for each in site.owner.decorators
        if f'"{site.function.name.value}"' in site.code(each).replace("'", '"')
    ]


def wrapped(site: Site, span: Span, statements: Sequence[Statement], atomic: str) -> cst.FunctionDef:
    """The function with the statements of a span replaced by others that run in one transaction.

    `atomic` is what `transaction.atomic` is called in this file. A block at one end of the statements grows over all
    of them; a decorator, where they are all that the function does; else a new block.
    """
    before, after = span.block.body[: span.first], span.block.body[span.last + 1 :]
    if in_transaction(site, span):
        return with_block(site, span.block, [*before, *statements, *after])
    guarded = [_with_savepoint(site, each, atomic) for each in statements]
    first, last = statements[0], statements[-1]
    if len(statements) > 1 and _only_atomic(first) and isinstance(first.body, cst.IndentedBlock):
        grown = first.with_changes(body=first.body.with_changes(body=[*first.body.body, *guarded[1:]]))
        return with_block(site, span.block, [*before, grown, *after])
    if len(statements) > 1 and _only_atomic(last):
        guarded[-1:] = _joined(last)
    elif _is_all(site, span):
        decorator = cst.Decorator(decorator=site.expression(atomic))
        function = with_block(site, span.block, [*before, *guarded, *after])
        return function.with_changes(decorators=[*site.function.decorators, decorator])
    return with_block(site, span.block, [*before, atomic_block(site, guarded, atomic), *after])


def atomic_block(site: Site, statements: Sequence[Statement], atomic: str) -> cst.With:
    """`with transaction.atomic():` around statements; the empty lines before the first one go before the block."""
    block = site.statement(f"with {atomic}():\n    pass")
    assert isinstance(block, cst.With)
    first, *others = statements
    lines = leading_lines(first)
    empty = next((at for at, line in enumerate(lines) if line.comment is not None), len(lines))
    return block.with_changes(
        leading_lines=lines[:empty],
        body=cst.IndentedBlock(body=[first.with_changes(leading_lines=lines[empty:]), *others]),
    )


def with_block(site: Site, old: cst.IndentedBlock, body: Sequence[Statement]) -> cst.FunctionDef:
    new = old.with_changes(body=body)
    if old is site.function.body:
        return site.function.with_changes(body=new)
    return replaced(site.function, old, new)


def _is_all(site: Site, span: Span) -> bool:
    """Nothing comes before the span but a docstring, nothing after it but one return."""
    if span.block is not site.function.body or find(site.function, cst.Yield):
        return False
    before, after = span.block.body[: span.first], span.block.body[span.last + 1 :]
    return all(_is_docstring(each) for each in before) and (
        not after or (len(after) == 1 and m.matches(after[0], m.SimpleStatementLine(body=[m.Return()])))
    )


def _is_docstring(node: cst.CSTNode) -> bool:
    return m.matches(node, m.SimpleStatementLine(body=[m.Expr(m.SimpleString() | m.ConcatenatedString())]))


def _only_atomic(node: cst.CSTNode) -> TypeGuard[cst.With]:
    return is_atomic(node) and isinstance(node, cst.With) and len(node.items) == 1


def _joined(block: cst.With) -> list[Statement]:
    """The body of a block, to be put behind other statements: what stood before the block comes first."""
    assert isinstance(block.body, cst.IndentedBlock)
    first, *others = block.body.body
    lines = [*block.leading_lines, *leading_lines(first)]
    return [first.with_changes(leading_lines=lines), *others]


def _with_savepoint(site: Site, node: Statement, atomic: str) -> Statement:
    """The statement, with a savepoint where it goes on after a database error.

    Inside a transaction PostgreSQL refuses every statement that follows an error, until a rollback.
    """
    edits: dict[Statement, list[cst.CSTNode]] = {}
    for inner in _tries(node):
        handled = {name for each in inner.handlers for name in caught(each)}
        assert isinstance(inner.body, cst.IndentedBlock)
        if handled & DATABASE_ERRORS and writes(inner.body) and not all(map(is_atomic, inner.body.body)):
            body = inner.body.with_changes(body=[atomic_block(site, list(inner.body.body), atomic)])
            edits[inner] = [inner.with_changes(body=body)]
    return rewritten(node, edits) if edits else node


def _tries(node: cst.CSTNode) -> list[cst.Try]:
    found = [node] if isinstance(node, cst.Try) else []
    return found + [each for block in blocks_of(node) for child in block.body for each in _tries(child)]


def takes_absence(handler: cst.ExceptHandler) -> bool:
    """The handler takes what `get()` raises where no row is there."""
    return bool({"DoesNotExist", "ObjectDoesNotExist"} & set(caught(handler)))


def caught(handler: cst.ExceptHandler) -> list[str]:
    """The last names of the exceptions that a handler takes: ["IntegrityError"]; a bare `except` takes all."""
    if handler.type is None:
        return ["BaseException"]
    kinds = (
        [each.value for each in handler.type.elements]
        if isinstance(handler.type, cst.Tuple)
        else [handler.type]
    )
    return [
        each.attr.value if isinstance(each, cst.Attribute) else getattr(each, "value", "") for each in kinds
    ]
