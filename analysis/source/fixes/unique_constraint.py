"""Let the database refuse the second row: a unique constraint, its migration, and an answer to the conflict.

Source: Django, "Constraints reference", UniqueConstraint; "Migration Operations", AddConstraint.
"""

import libcst as cst

from analysis.source.fixes.advisory_lock import constant_of
from analysis.source.fixes.called_reads import read_query
from analysis.source.fixes.change import changed_text, packed
from analysis.source.fixes.constraints import Constraint, constrained, migration
from analysis.source.fixes.get_or_create import loser, merged
from analysis.source.fixes.guards import guard_of
from analysis.source.fixes.imports import Import
from analysis.source.fixes.insert_first import handled
from analysis.source.fixes.inserts import Insert, insert_at_act, insert_of
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.queries import equalities
from analysis.source.fixes.sites import Site, whole
from analysis.source.fixes.syntax import method_of
from analysis.source.fixes.update_or_create import joined

NAME = "unique_constraint"
Answered = tuple[cst.FunctionDef, list[Import | None]]


def unique_constraint(site: Site) -> Proposal:
    """A UniqueConstraint on the columns of the look-up, and the conflict answered as the check would have.

    Raises: NotOffered, if a constraint is there, or the look-up is more than equality of columns of the inserted model
    """
    insert = insert_at_act(site)
    constraint = _constraint(site, insert)
    model, answered = insert.model, _answered(site, insert)
    text = answered if model.path == site.hit.path else site.source.text(model.path) or ""
    path, new = migration(site.tree, constraint)
    return packed(
        site.tree,
        {site.hit.path: answered, model.path: constrained(site.tree, text, constraint), path: new},
        name=NAME,
        title="Let the database refuse the second row",
        why=f"{model.name} gets a unique constraint on ({', '.join(constraint.fields)}): whatever code inserts, one row"
        f" stays. Existing duplicates have to be cleaned first: the migration has the query.{_nulls(constraint)}",
        loser=loser(site),
        waits=f"its insert into {model.name} waits until the first request's transaction has ended",
        migration=True,
    )


def _lookup(site: Site, insert: Insert) -> dict[str, cst.BaseExpression]:
    """The values that are to be there once: of the look-up before the insert, or of the get_or_create itself."""
    if _is_one_call(insert):
        if any("__" in name for name in insert.given) or not insert.whole:
            raise NotOffered("the look-up is more than equality of columns")
        return insert.given
    query = read_query(site)
    if query.model is None:
        raise NotOffered(
            f"the look-up starts from a row: which column of {insert.model.name} holds it is not known"
        )
    if query.model != insert.model.name:
        raise NotOffered(f"the check reads {query.model}, not the {insert.model.name} that is inserted")
    return equalities(query)


def _is_one_call(insert: Insert) -> bool:
    return method_of(insert.call) in ("get_or_create", "update_or_create")


def _constraint(site: Site, insert: Insert) -> Constraint:
    """The columns of the look-up; a constant among its values makes the constraint one for the rows that have it."""
    fields, condition, model = [], [], insert.model
    for name, value in _lookup(site, insert).items():
        column = name if name in model.fields else name.removesuffix("_id")
        if column not in model.fields:
            raise NotOffered(f"`{name}` is not a column of {model.name} that its source shows")
        constant = constant_of(site, value)
        if constant is None:
            fields.append(column)
        else:
            condition.append((column, constant))
    if model.covers(frozenset(fields) | {name for name, _ in condition}):
        raise NotOffered(f"{model.name} has a unique constraint on these columns already")
    if not fields:
        raise NotOffered("the look-up has constants only: no column would be left to be unique")
    return Constraint(model, tuple(fields), tuple(condition))


def _answered(site: Site, insert: Insert) -> str:
    """The file with the conflict answered: by one call that reads or inserts, else by the check's refusal."""
    if _is_one_call(insert):
        return site.text
    for answer in (_merged, _joined, _handled):
        try:
            function, imports = answer(site)
        except NotOffered as error:
            reason = error
        else:
            return changed_text(site, {site.function: function}, imports)
    raise reason


def _merged(site: Site) -> Answered:
    return merged(site, constrained=False), []


def _joined(site: Site) -> Answered:
    return joined(site, constrained=False)


def _handled(site: Site) -> Answered:
    span = whole(site)
    return handled(site, span, insert_of(site, span), guard_of(site))


def _nulls(constraint: Constraint) -> str:
    loose = [name for name in constraint.fields if constraint.model.fields[name].null]
    return (
        f" Rows without a {' or '.join(loose)} stay apart from each other: NULL is never equal."
        if loose
        else ""
    )
