"""A lock for a row that does not exist yet: PostgreSQL's advisory lock on the model and the key, held to the commit.

Source: PostgreSQL, "Explicit Locking", 13.3.5 Advisory Locks; "System Administration Functions", pg_advisory_xact_lock.
"""

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.called_reads import read_query
from analysis.source.fixes.change import atomic_import, needed, proposal
from analysis.source.fixes.inserts import insert_at_act
from analysis.source.fixes.lock_row import loser
from analysis.source.fixes.models import Model, app_folder
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.queries import NO_ROW, Query, conditions
from analysis.source.fixes.sites import Site, whole
from analysis.source.fixes.syntax import Statement, chain_names, put_before
from analysis.source.fixes.transactions import wrapped

NAME = "advisory_lock"
LOCK = "SELECT pg_advisory_xact_lock(hashtext(%s), hashtext(%s))"


def advisory_lock(site: Site) -> Proposal:
    """`pg_advisory_xact_lock` before the read, in one transaction with the act.

    Raises: NotOffered, if the check is about a row that exists: its own lock is enough
    """
    query = read_query(site)
    model = insert_at_act(site).model
    if query.kind != "chain" or (query.methods[-1] not in NO_ROW and query.model != model.name):
        raise NotOffered("the check is about a row that exists: the row's own lock is enough")
    span = whole(site)
    lock, cursor = _lock(site, model, query), needed(site, "django.db", "connection")
    first, *others = span.statements
    atomic, transaction = atomic_import(site)
    return proposal(
        site,
        wrapped(site, span, [*put_before(lock, first), *others], atomic),
        [transaction, cursor],
        name=NAME,
        title="Lock the key of a row that does not exist yet",
        why="No row is there to be locked, so the requests meet at a lock on the model and the key of the look-up."
        " Every other place that inserts such rows has to take the same lock.",
        loser=loser(site),
        waits="it waits before its read until the first request's transaction has ended, as do requests with its hash",
    )


def _lock(site: Site, model: Model, query: Query) -> Statement:
    literal = site.layout.literal
    cursor, connection = site.fresh("cursor"), needed(site, "django.db", "connection").local
    label = literal(f"{app_folder(model.path).name}.{model.name}")
    return site.statement(
        f"with {connection}.cursor() as {cursor}:\n"
        f"    {cursor}.execute({literal(LOCK)}, [{label}, {_key(site, model, query)}])\n"
    )


def _key(site: Site, model: Model, query: Query) -> str:
    """The values of the look-up as one text: what differs between requests that may run side by side."""
    values = [
        key_of(site, model, arg)
        for arg in conditions(site, query)
        if _is_equality(arg) and not _constant(site, model, arg.value)
    ]
    if not values:
        return site.layout.literal("")
    if len(values) == 1:
        return f"str({values[0]})"
    if any(mark in each for each in values for mark in "\"'{}\\\n"):
        return f"{site.layout.literal(':')}.join(map(str, [{', '.join(values)}]))"
    return f"f{site.layout.quote}{':'.join(f'{{{each}}}' for each in values)}{site.layout.quote}"


def _is_equality(arg: cst.Arg) -> bool:
    """Values that another look-up finds equal (`iexact`, a range) may be written otherwise: they are no key."""
    return arg.keyword is not None and "__" not in arg.keyword.value


def key_of(site: Site, model: Model, arg: cst.Arg) -> str:
    """The code of a value; of a row that a foreign key points to, its primary key."""
    assert arg.keyword is not None
    code, field = site.code(arg.value), model.fields.get(arg.keyword.value)
    if field is None or not field.relation or not isinstance(arg.value, cst.Name | cst.Attribute):
        return code
    last = chain_names(arg.value)[-1]
    return code if last in ("id", "pk") or last.endswith(("_id", "_pk")) else f"{code}.pk"


def _constant(site: Site, model: Model, value: cst.BaseExpression) -> bool:
    return m.matches(value, m.SimpleString() | m.Integer() | m.Name("True") | m.Name("False")) or (
        isinstance(value, cst.Attribute) and constant_of(site, value) is not None
    )


def constant_of(site: Site, value: cst.BaseExpression) -> object:
    """The value of `Job.OPEN` or `Job.Status.OPEN`, where the source shows it; of a literal, the literal."""
    if isinstance(value, cst.SimpleString):
        return value.evaluated_value
    if isinstance(value, cst.Integer):
        return value.evaluated_value
    if isinstance(value, cst.Name) and value.value in ("True", "False"):
        return value.value == "True"
    names = chain_names(value) if isinstance(value, cst.Attribute) else []
    owner = site.models.get(names[0]) if names else None
    return owner.constants.get(".".join(names[1:])) if owner is not None else None
