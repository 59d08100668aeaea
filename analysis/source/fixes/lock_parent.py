"""Lock the row that the checked ones belong to, where no single row is checked: a count, an absent row, a number.

Source: PostgreSQL, "Explicit Locking", 13.3.2 Row-Level Locks; Django, "QuerySet API reference", select_for_update().
"""

from dataclasses import dataclass

import libcst as cst

from analysis.source.fixes.advisory_lock import key_of
from analysis.source.fixes.called_reads import read_query
from analysis.source.fixes.change import atomic_import, model_import, proposal
from analysis.source.fixes.imports import Import
from analysis.source.fixes.inserts import insert_at_act
from analysis.source.fixes.lock_row import loser
from analysis.source.fixes.locking import with_lock
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.queries import NO_ROW, Query, conditions, query_at
from analysis.source.fixes.sites import Site, whole
from analysis.source.fixes.syntax import chain_names, find, put_before, replaced
from analysis.source.fixes.transactions import wrapped

NAME = "lock_parent"


@dataclass(frozen=True)
class Parent:
    """What the checked rows belong to: a row that the function reads anyway, or the key of one that it does not."""

    name: str
    read: Query | None = None
    key: str | None = None


def lock_parent(site: Site) -> Proposal:
    """`select_for_update()` on the parent before the check, and one transaction to the last write.

    Raises: NotOffered, if one row is checked (it has a lock of its own), or the checked rows have no parent in sight
    """
    query = read_query(site)
    if query.kind != "chain" or (query.methods[-1] not in NO_ROW and query.model != _inserted(site)):
        raise NotOffered("the check is about a row that exists: the row's own lock is enough")
    parent = _parent(site, query)
    atomic, transaction = atomic_import(site)
    imports: list[Import | None] = [transaction]
    if parent.read is not None:
        span = whole(site, site.places[parent.read.call].start.line)
        locked = with_lock(site, parent.read)
        statements = [replaced(each, parent.read.call, locked) for each in span.statements]
    else:
        span = whole(site)
        manager = site.models[parent.name].manager
        lock = site.statement(f"{parent.name}.{manager}.select_for_update().get(pk={parent.key})")
        first, *others = span.statements
        statements = [*put_before(lock, first), *others]
        imports.append(model_import(site, parent.name))
    return proposal(
        site,
        wrapped(site, span, statements, atomic),
        imports,
        name=NAME,
        title="Lock the row that they belong to",
        why=f"No single row is checked, but all belong to one {parent.name}: requests for the same one take turns."
        f" Every other place that changes such rows has to take the same lock.",
        loser=loser(site),
        waits=f"its read of the {parent.name}, and all after it, wait until the first request's transaction has ended",
    )


def _inserted(site: Site) -> str | None:
    try:
        return insert_at_act(site).model.name
    except NotOffered:
        return None


def _parent(site: Site, query: Query) -> Parent:
    """`event` of `event.tickets.count()`; of `filter(account_id=…)` the account. A User comes last."""
    names = chain_names(query.call.func)
    found = []
    read = _read_of(site, names[0])
    if (
        read is not None
        and read.model is not None
        and read.kind != "get_object"
        and query.model is None
        and len(names) > 2
    ):
        found.append(Parent(read.model, read))
    model = site.models.get(query.model or site.hit.model or "")
    for arg in conditions(site, query) if model is not None and not found else ():
        assert arg.keyword is not None and model is not None
        field = model.fields.get(arg.keyword.value) or model.fields.get(arg.keyword.value.removesuffix("_id"))
        if field is not None and field.relation and field.target is not None:
            read = _read_of(site, site.code(arg.value))
            if read is not None and read.model == field.target:
                found.append(Parent(field.target, read))
            elif field.target in site.models:
                found.append(Parent(field.target, key=key_of(site, model, arg)))
    if not found:
        raise NotOffered("no foreign key of the look-up says what the rows belong to")
    return next((each for each in found if each.name != "User"), found[0])


def _read_of(site: Site, name: str) -> Query | None:
    """The query of one row that the function sets a variable to, on every way to the check."""
    for each in find(site.function, cst.Assign):
        if [site.code(target.target) for target in each.targets] == [name] and isinstance(
            each.value, cst.Call
        ):
            line = site.places[each.value].start.line
            query = query_at(site, line) if _leads_to_read(site, line) else None
            if query is not None and query.call is each.value and not query.locked:
                return (
                    query if query.kind == "shortcut" or query.methods[-1:] in (["get"], ["first"]) else None
                )
    return None


def _leads_to_read(site: Site, line: int) -> bool:
    """A line of the block that holds the read, or of one around it, before the read."""
    read = site.line_here(site.hit.read) or 0
    return line <= read and any(
        any(isinstance(each, cst.SimpleStatementLine) and site.covers(each, line) for each in block.body)
        and any(site.covers(each, read) for each in block.body)
        for block in find(site.function, cst.IndentedBlock)
    )
