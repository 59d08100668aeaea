"""Lock the row before the check, inside a transaction that lasts until the write.

Source: Django, "QuerySet API reference", select_for_update(); PostgreSQL, "Explicit Locking", 13.3.2 Row-Level Locks.
"""

from typing import Final

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.absent import one_read
from analysis.source.fixes.called_reads import locked_where_called
from analysis.source.fixes.change import atomic_import, changed_text, model_import, needed, packed
from analysis.source.fixes.guards import guard_of
from analysis.source.fixes.imports import Import
from analysis.source.fixes.inserts import insert_at_act
from analysis.source.fixes.locking import with_lock
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.queries import LAZY, Query, query_at
from analysis.source.fixes.sites import Site, Span, whole
from analysis.source.fixes.syntax import Statement, chain_calls, find, method_of, put_before, replaced
from analysis.source.fixes.transactions import in_transaction, takes_absence, wrapped

NAME = "lock_row"
ABSENT: Final = ("get-except-create", "get-or-create-unconstrained", "lock-absent-row")
NOTHING_THERE: Final = "the check is for a row that is not there yet: no row is there to be locked"
WAITS = "its read of the row, and all that follows, wait until the first request's transaction has ended"


def lock_row(site: Site) -> Proposal:
    """`select_for_update()` on the read, and one `transaction.atomic()` from there to the last write.

    Raises: NotOffered, if nothing is locked by that: no row is read, PostgreSQL refuses it, it is locked already
    """
    if site.hit.check in ABSENT:
        raise NotOffered(NOTHING_THERE)
    span = whole(site)
    query = query_at(site, site.line_here(site.hit.read))
    atomic, transaction = atomic_import(site)
    imports: list[Import | None] = [transaction]
    functions: dict[cst.FunctionDef, cst.FunctionDef] = {}
    others: dict[str, str] = {}
    if query is not None:
        statements = _locked_read(site, span, query)
        imports += (
            [needed(site, "django.shortcuts", "get_object_or_404")] if query.kind == "get_object" else []
        )
    elif site.hit.reads:
        functions, others = locked_where_called(site)
        statements = span.statements
    else:
        statements, more = _locked_given(site, span)
        imports += more
    functions |= {site.function: wrapped(site, span, statements, atomic)}
    return packed(
        site.tree,
        {**others, site.hit.path: changed_text(site, functions, imports)},
        name=NAME,
        title="Lock the row before the check",
        why=_why(site, query),
        loser=loser(site),
        waits=WAITS,
    )


def _locked_read(site: Site, span: Span, query: Query) -> list[Statement]:
    if _is_absent(site, span, query):
        raise NotOffered(NOTHING_THERE)
    if site.hit.check == "lock-never-evaluated" and query.methods[-1:] in ([each] for each in LAZY):
        return [replaced(each, query.call, _asked(query)) for each in span.statements]
    if (
        site.hit.check == "delete-after-check"
        and site.hit.read == site.hit.act
        and query.methods[-1:] == ["get"]
    ):
        raise NotOffered(
            "get() raises for the second request, with a lock or without: the row is gone by then"
        )
    if query.locked and in_transaction(site, span):
        raise NotOffered("the row is locked before the check already")
    if (one := one_read(site, span, query)) is not None:
        first, *others = one.statements
        return [replaced(first, one.query.call, with_lock(site, one.query)), *others]
    locked = query.call if query.locked else with_lock(site, query)
    statements = [replaced(each, query.call, locked) for each in span.statements]
    return [each for each in statements if not _asks_nothing(each)]


def _asked(query: Query) -> cst.Call:
    """`list(…)`: the query set is asked for its rows, and so locks them."""
    arg = cst.Arg(query.call.with_changes(lpar=[], rpar=[]))
    called = cst.Call(func=cst.Name("list"), args=[arg])
    if not query.call.lpar:
        return called
    arg = arg.with_changes(whitespace_after_arg=query.call.rpar[-1].whitespace_before)
    return called.with_changes(args=[arg], whitespace_before_args=query.call.lpar[0].whitespace_after)


def _is_absent(site: Site, span: Span, query: Query) -> bool:
    """What is inserted is what was looked for, or the act is what happens when nothing was found."""
    if query.model is not None and query.model == _inserted(site):
        return True
    if query.model == site.hit.model and site.hit.check == "check-then-insert":
        return True
    act = site.line_here(site.hit.act) or 0
    handlers = [each for node in (*span.around, *span.statements) for each in find(node, cst.ExceptHandler)]
    return any(takes_absence(each) and site.covers(each, act) for each in handlers)


def _asks_nothing(node: Statement) -> bool:
    """A query set with a lock that nothing evaluates: it would look like the lock, and is none."""
    if not m.matches(node, m.SimpleStatementLine(body=[m.Expr(value=m.Call())])):
        return False
    methods = [method_of(call) for call in chain_calls(find(node, cst.Call)[0])]
    return "select_for_update" in methods and methods[0] in LAZY


def _inserted(site: Site) -> str | None:
    try:
        return insert_at_act(site).model.name
    except NotOffered:
        return None


def _locked_given(site: Site, span: Span) -> tuple[list[Statement], list[Import | None]]:
    """The row came in as a parameter: lock it by its key and read it again, then go on as before."""
    row, model = given_row(site)
    manager = site.models[model].manager
    lock = site.statement(f"{model}.{manager}.select_for_update().get(pk={row}.pk)")
    again = site.statement(f"{row}.refresh_from_db()")
    first, *others = span.statements
    before, after = put_before(lock, first)
    return [before, again, after, *others], [model_import(site, model)]


def given_row(site: Site) -> tuple[str, str]:
    """The parameter that is the row, and its model: `self` of a model, or what the hit saves.

    Raises: NotOffered, if the row is not a parameter of a known model
    """
    line = site.line_here(site.hit.test or site.hit.read)
    parameters = {each.name.value for each in site.function.params.params}
    for node in find(site.function, cst.Attribute):
        if (
            isinstance(node.value, cst.Name)
            and node.value.value in parameters
            and site.covers(node, line or 0)
        ):
            row = node.value.value
            owner = site.owner.name.value if site.owner else None
            model = owner if row == "self" else site.hit.model
            known = site.models.get(model or "")
            if model is not None and known and node.attr.value in {*known.fields, *known.methods}:
                return row, model
    raise NotOffered(f"no query of the ORM is on the read line, {site.hit.read}, and the row is no parameter")


def loser(site: Site) -> str:
    """What the second request is answered when the check stays and sees the first one's work."""
    try:
        guard = guard_of(site)
    except NotOffered:
        return "the same as when it had come after the first request had ended"
    return f"the refusal of the check at {guard.place}: {guard.answer}"


def _why(site: Site, query: Query | None) -> str:
    why = f"The read at {site.hit.read} takes the row's lock: the check after it sees what the first request left."
    if query is None:
        why += " The row is read again under the lock: changes that the caller made to it and did not save are lost."
    if query is not None and any(
        query.call in find(each.body, cst.Call) and any(map(takes_absence, each.handlers))
        for each in find(site.function, cst.Try)
    ):
        why += " Where no row is there yet, nothing is locked: two requests may both insert one."
    if query is not None and query.kind == "get_object":
        why += (
            " get_object() still finds the row and checks permissions; the locked read costs one query more."
        )
    return why
