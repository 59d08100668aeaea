"""One call that inserts or changes: `update_or_create`, or a `get_or_create` that holds the row it finds.

Source: Django, "QuerySet API reference", update_or_create(): like get_or_create() it needs a unique constraint; "it
uses select_for_update()". A get_or_create() of a query set with that lock reads the row under it, or inserts it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.absent import is_absence
from analysis.source.fixes.change import atomic_import, proposal
from analysis.source.fixes.get_or_create import constructs, made, manager_of, repeats
from analysis.source.fixes.imports import Import
from analysis.source.fixes.inserts import Insert, columns, insert_at_act, insert_in
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.queries import Query, equalities, query_at
from analysis.source.fixes.sites import Site, Span, span_of
from analysis.source.fixes.syntax import (
    Statement,
    chain_names,
    find,
    leading_lines,
    lost_comments,
    names_in,
    rewritten,
)
from analysis.source.fixes.transactions import takes_absence, with_block, wrapped

NAME = "update_or_create"
FOUND = ("{0}", "{0} is not None")


@dataclass(frozen=True)
class Either:
    """A look-up, what is done with the row where there is one, and the insert where there is none.

    `row`     the variable that holds the row afterwards
    `found`   what is done with the row that was there
    """

    span: Span
    query: Query
    row: str
    insert: Insert
    found: tuple[Statement, ...]


def update_or_create(site: Site) -> Proposal:
    """The look-up and both branches as one call on a key that a unique constraint keeps apart.

    Raises: NotOffered, if they are not about the same row, or no constraint covers the look-up
    """
    function, imports = joined(site, constrained=True)
    return proposal(
        site,
        function,
        imports,
        name=NAME,
        title="Update or create in one call",
        why="The row is locked where it is there; where it is not, the unique constraint makes one of two inserts fail,"
        " and that request goes on with the other one's row, under its lock.",
        loser="the same as when it had come after the first request: it changes the row that the first one made",
        waits="its look-up, or its insert, waits until the first request's transaction has ended",
    )


def joined(site: Site, *, constrained: bool) -> tuple[cst.FunctionDef, list[Import | None]]:
    """The function with one call for both branches; `constrained`: only where a constraint covers the look-up."""
    insert_at_act(site)
    either = _either(site)
    lookup, insert = equalities(either.query), either.insert
    if constrained and not insert.model.covers(columns(lookup)):
        raise NotOffered(
            f"no unique constraint of {insert.model.name} covers ({', '.join(lookup)}): it might make two"
        )
    if not repeats(site, insert, lookup):
        raise NotOffered(
            "the insert does not repeat the values of the look-up: they may be two different rows"
        )
    values = {name: site.code(value) for name, value in insert.given.items() if name not in lookup}
    keys = [f"{name}={site.code(value)}" for name, value in lookup.items()]
    manager = site.code(manager_of(insert))
    defaults = ", ".join(f"{site.layout.literal(name)}: {value}" for name, value in values.items())
    words = ", ".join([*keys, *([f"defaults={{{defaults}}}"] if defaults else [])])
    if _assigned(site, either) == values:
        used = either.row in names_in(site.function.with_changes(body=_without(site, either)))
        line = site.statement(f"{f'{either.row}, _ = ' if used else ''}{manager}.update_or_create({words})")
        return _put(site, either, [line]), []
    created, (atomic, imported) = site.fresh("created"), atomic_import(site)
    line = site.statement(f"{either.row}, {created} = {manager}.select_for_update().get_or_create({words})")
    branch = site.statement(f"if not {created}:\n    pass")
    first, *others = either.found
    changes = [first.with_changes(leading_lines=_comments(first)), *others]
    branch = branch.with_changes(body=cst.IndentedBlock(body=changes))
    return _put(site, either, [line, branch], atomic), [imported]


def _assigned(site: Site, either: Either) -> dict[str, str] | None:
    """The columns that the branch of the found row sets, where it does nothing but set and save them."""
    *lines, last = either.found
    if not lines or not m.matches(last, _saves(either.row)):
        return None
    column = m.Attribute(value=m.Name(either.row))
    values = {}
    for line in lines:
        if not m.matches(line, m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(column)])])):
            return None
        (assign,) = find(line, cst.Assign)
        target = assign.targets[0].target
        if not isinstance(target, cst.Attribute) or either.row in names_in(assign.value):
            return None
        values[target.attr.value] = site.code(assign.value)
    return values


def _saves(row: str) -> m.SimpleStatementLine:
    saved = m.Call(func=m.Attribute(value=m.Name(row), attr=m.Name("save")))
    return m.SimpleStatementLine(body=[m.Expr(value=saved)])


def _put(site: Site, either: Either, new: Sequence[Statement], atomic: str | None = None) -> cst.FunctionDef:
    """The function with the new statements in the place of the old ones, in a transaction where it is asked for."""
    span = either.span
    first, *others = new
    lines = leading_lines(span.statements[0])
    lines += lost_comments(span.statements, [*lines, *others])
    statements = [first.with_changes(leading_lines=lines), *others]
    if atomic is not None:
        return _tidied(either, wrapped(site, span, statements, atomic))
    body = span.block.body
    return _tidied(
        either, with_block(site, span.block, [*body[: span.first], *statements, *body[span.last + 1 :]])
    )


def _tidied(either: Either, function: cst.FunctionDef) -> cst.FunctionDef:
    """Without the query set that only the look-up started from."""
    name = chain_names(either.query.call.func)[0]
    if not either.query.narrowed or len(find(function, cst.Name, m.Name(name))) > 1:
        return function
    made = m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(m.Name(name))])])
    return rewritten(function, {each: [] for each in find(function, cst.SimpleStatementLine, made)})


def _without(site: Site, either: Either) -> cst.IndentedBlock:
    """What is left of the function's body without the look-up and its branches."""
    function = _put(site, either, [site.statement("pass")])
    assert isinstance(function.body, cst.IndentedBlock)
    return function.body


def _comments(node: Statement) -> list[cst.EmptyLine]:
    return [each for each in leading_lines(node) if each.comment is not None]


def _either(site: Site) -> Either:
    lines = [site.line_here(site.hit.read), site.line_here(site.hit.act)]
    query = query_at(site, lines[0])
    known = [line for line in lines if line is not None]
    if query is None or query.target is None or query.kind != "chain" or len(known) < 2:
        raise NotOffered("no row is looked up into a variable, to be changed where it is found")
    span = span_of(site, known)
    for shape in (_try, _if):
        if (either := shape(site, span, query, query.target)) is not None:
            return either
    raise NotOffered("the look-up is not followed by one branch that changes the row and one that inserts it")


def _try(site: Site, span: Span, query: Query, row: str) -> Either | None:
    """`try: x = get(…)`, `except DoesNotExist: x = create(…)`; it is changed in the `try`, or in its `else`."""
    around = [each for each in (*span.statements, *span.around[-1:]) if isinstance(each, cst.Try)]
    node = next((each for each in around if query.call in find(each.body, cst.Call)), None)
    if node is None or len(node.handlers) != 1 or node.finalbody or not takes_absence(node.handlers[0]):
        return None
    read, *found = _body(node.body)
    if query.call not in find(read, cst.Call) or query.methods[-1:] != ["get"]:
        return None
    found += _body(node.orelse.body) if node.orelse else []
    return _both(site, node, query, row, _body(node.handlers[0].body), found)


def _if(site: Site, span: Span, query: Query, row: str) -> Either | None:
    """`x = filter(…).first()`, `if x is None: x = create(…)`, `else:` it is changed; or the other way round."""
    node = span.block.body[span.last]
    if query.methods[-1:] != ["first"] or span.last != span.first + 1 or not isinstance(node, cst.If):
        return None
    if not isinstance(node.orelse, cst.Else):
        return None
    branches = [_body(node.body), _body(node.orelse.body)]
    if site.code(node.test) in [each.format(row) for each in FOUND]:
        branches.reverse()
    elif not is_absence(site, node, row):
        return None
    absent, found = branches
    return _both(site, node, query, row, absent, found)


def _both(
    site: Site, node: Statement, query: Query, row: str, absent: list[Statement], found: list[Statement]
) -> Either | None:
    """The two branches of a statement, if the one does nothing but insert, and the other one something."""
    if not absent or all(m.matches(each, m.SimpleStatementLine(body=[m.Pass()])) for each in found):
        return None
    # an insert below a condition is none that always follows
    insert = insert_in(site, absent[-1]) if isinstance(absent[-1], cst.SimpleStatementLine) else None
    if insert is None or not all(constructs(each, insert) for each in absent[:-1]):
        return None
    if made(site, insert) not in (None, row):
        return None
    block = next(each for each in find(site.function, cst.IndentedBlock) if node in each.body)
    last = list(block.body).index(node)
    first = last if query.call in find(node, cst.Call) else last - 1
    return Either(Span(block, first, last, _around(site, block)), query, row, insert, tuple(found))


def _around(site: Site, block: cst.IndentedBlock) -> tuple[Statement, ...]:
    """The compound statements of the function that hold a block, the outermost first."""
    compound = [
        *find(site.body, cst.If),
        *find(site.body, cst.Try),
        *find(site.body, cst.With),
        *find(site.body, cst.For),
    ]
    inside = [each for each in compound if block in find(each, cst.IndentedBlock)]
    return tuple(sorted(inside, key=lambda each: site.places[each].start.line))


def _body(block: cst.BaseSuite) -> list[Statement]:
    return [each for each in block.body if isinstance(each, cst.BaseStatement)]
