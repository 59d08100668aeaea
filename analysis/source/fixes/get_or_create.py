"""One call that reads or inserts: `get_or_create`, `update_or_create`, on a key that the database keeps apart.

Source: Django, "QuerySet API reference", get_or_create(): atomic only "assuming that the database enforces uniqueness".
"""

from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.absent import is_absence
from analysis.source.fixes.change import proposal
from analysis.source.fixes.guards import guard_of as refusing
from analysis.source.fixes.guards import refusal
from analysis.source.fixes.inserts import Insert, columns, insert_at_act, insert_in
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.queries import Query, equalities, query_at
from analysis.source.fixes.sites import MANAGERS, Site, Span, span_of
from analysis.source.fixes.syntax import Statement, chain_names, find, leading_lines, lost_comments, names_in
from analysis.source.fixes.transactions import takes_absence, with_block

NAME = "get_or_create"


@dataclass(frozen=True)
class Pair:
    """A look-up and the insert for when nothing was found: statements `first` to `last` of a block.

    `rest`   what follows the insert in its branch: it runs for a new row only
    `named`  the variable that holds the row afterwards, if one does
    `kept`   statements between the two that stay as they are
    `after`  what comes behind
    """

    block: cst.IndentedBlock
    first: int
    last: int
    insert: Insert
    lookup: dict[str, cst.BaseExpression]
    named: str | None
    rest: tuple[Statement, ...] = ()
    kept: tuple[Statement, ...] = ()
    answer: cst.IndentedBlock | None = None
    after: tuple[Statement, ...] = ()


def get_or_create(site: Site) -> Proposal:
    """The look-up and the insert as one `get_or_create(look-up, defaults={the rest})`.

    Raises: NotOffered, if they are not about the same row, or no unique constraint covers the look-up
    """
    return proposal(
        site,
        merged(site, constrained=True),
        [],
        name=NAME,
        title="Get or create in one call",
        why="get_or_create inserts, and reads again when another request's insert came first; the unique constraint"
        " makes one of two inserts fail.",
        loser=loser(site),
        waits="its insert waits until the first request's transaction has ended; when it finds the row, nothing waits",
    )


def loser(site: Site) -> str:
    try:
        return f"the check's own refusal: {refusing(site).answer}"
    except NotOffered:
        return "the same as when it had come after the first request: it goes on with the row that it finds"


def merged(site: Site, *, constrained: bool) -> cst.FunctionDef:
    """The function with one get_or_create for look-up and insert; `constrained`: only where a constraint covers it."""
    insert_at_act(site)
    pair = _pair(site)
    model = pair.insert.model
    if constrained and not model.covers(columns(pair.lookup)):
        raise NotOffered(
            f"no unique constraint of {model.name} covers ({', '.join(pair.lookup)}): get_or_create might make two"
        )
    if not repeats(site, pair.insert, pair.lookup):
        raise NotOffered(
            "the insert does not repeat the values of the look-up: they may be two different rows"
        )
    new = _statements(site, pair)
    body = [*pair.block.body[: pair.first], *new, *pair.block.body[pair.last + 1 :]]
    return with_block(site, pair.block, body)


def _statements(site: Site, pair: Pair) -> list[Statement]:
    literal = site.layout.literal
    defaults = ", ".join(
        f"{literal(name)}: {site.code(value)}"
        for name, value in pair.insert.given.items()
        if name not in pair.lookup
    )
    words = [f"{name}={site.code(value)}" for name, value in pair.lookup.items()]
    words += [f"defaults={{{defaults}}}"] if defaults else []
    call = f"{site.code(manager_of(pair.insert))}.get_or_create({', '.join(words)})"
    asks = pair.rest or pair.answer is not None
    names = f"{pair.named or '_'}, {site.fresh('created') if asks else '_'}"
    targets = "" if not asks and pair.named is None else f"{names} = "
    line = site.statement(f"{targets}{call}")
    lines = leading_lines(pair.block.body[pair.first] if not pair.kept else pair.insert.statement)
    replaced = [each for each in pair.block.body[pair.first : pair.last + 1] if each not in pair.kept]
    lines += lost_comments(replaced, [*lines, *pair.rest, *([pair.answer] if pair.answer else [])])
    new: list[Statement] = [*pair.kept, line.with_changes(leading_lines=lines)]
    if asks:
        created = site.fresh("created")
        branch = site.statement(f"if {'not ' if pair.answer else ''}{created}:\n    pass")
        body = pair.answer or cst.IndentedBlock(body=pair.rest)
        new.append(branch.with_changes(body=body))
    return [*new, *pair.after]


def repeats(site: Site, insert: Insert, lookup: dict[str, cst.BaseExpression]) -> bool:
    """The insert gives each column of the look-up the value that was looked for."""
    given = {name: site.code(value) for name, value in insert.given.items()}
    return insert.whole and all(given.get(name) == site.code(value) for name, value in lookup.items())


def manager_of(insert: Insert) -> cst.BaseExpression:
    """`M.objects`, of the insert where it names one."""
    if isinstance(insert.call.func, cst.Attribute) and MANAGERS & set(chain_names(insert.call.func)):
        return insert.call.func.value
    return cst.Attribute(value=cst.Name(insert.model.name), attr=cst.Name(insert.model.manager))


def _pair(site: Site) -> Pair:
    lines = [site.line_here(site.hit.read), site.line_here(site.hit.act)]
    query = query_at(site, lines[0])
    known = [line for line in lines if line is not None]
    if query is None or len(known) < 2:
        raise NotOffered(f"no query of the ORM is on the read line, {site.hit.read}")
    if query.locked:
        raise NotOffered("the look-up takes a lock")
    span = span_of(site, known)
    for shape in (_except, _missing, _absent, _refused):
        pair = shape(site, span, query)
        if pair is not None:
            return pair
    raise NotOffered(
        "the look-up and the insert are not one of: get/except/create, first/if/create, exists/create"
    )


def _except(site: Site, span: Span, query: Query) -> Pair | None:
    """`try: x = get(…)` / `except DoesNotExist: x = create(…)`; the span is the Try's, or within its body."""
    for node in [*span.statements, *span.around]:
        if not isinstance(node, cst.Try) or len(node.handlers) != 1 or node.orelse or node.finalbody:
            continue
        if not takes_absence(node.handlers[0]) or not isinstance(node.body, cst.IndentedBlock):
            continue
        body, handler = node.body.body, node.handlers[0].body
        if len(body) != 1 or not find(body[0], cst.Call) or not isinstance(handler, cst.IndentedBlock):
            continue
        block = span.block if node in span.block.body else None
        if m.matches(body[0], RETURN):
            return _returned(site, block, node, handler, query)
        return _branch(site, block, node, handler, query)
    return None


RETURN = m.SimpleStatementLine(body=[m.Return()])


def _returned(
    site: Site, block: cst.IndentedBlock | None, node: cst.Try, branch: cst.IndentedBlock, query: Query
) -> Pair | None:
    """Both sides return the row, and do nothing else."""
    insert = insert_in(site, branch.body[0])
    if block is None or insert is None or len(branch.body) != 1 or not m.matches(branch.body[0], RETURN):
        return None
    at, named = list(block.body).index(node), site.fresh(insert.model.name.lower())
    return Pair(block, at, at, insert, equalities(query), named, after=(site.statement(f"return {named}"),))


def _branch(
    site: Site,
    block: cst.IndentedBlock | None,
    node: Statement,
    branch: cst.IndentedBlock,
    query: Query,
    before: int = 0,
) -> Pair | None:
    """The pair where the insert is the first thing that a branch does."""
    # an insert below a condition is none that always follows
    lines = [each if isinstance(each, cst.SimpleStatementLine) else None for each in branch.body]
    found = [insert_in(site, each) if each is not None else None for each in lines]
    at = next((index for index, each in enumerate(found) if each is not None), None)
    insert = found[at] if at is not None else None
    if block is None or insert is None or at is None or m.matches(insert.statement, RETURN):
        return None
    named = made(site, insert)
    if query.target is not None and named is not None and named != query.target:
        return None
    earlier = [each for each in branch.body[:at] if not constructs(each, insert)]
    if earlier:
        return None
    last = list(block.body).index(node)
    return Pair(
        block, last - before, last, insert, equalities(query), query.target, tuple(branch.body[at + 1 :])
    )


def made(site: Site, insert: Insert) -> str | None:
    """The variable that holds the new row."""
    line = insert.statement
    if m.matches(line, m.SimpleStatementLine(body=[m.Assign(targets=[m.AssignTarget(m.Name())])])):
        return site.code(find(line, cst.AssignTarget)[0].target)
    names = chain_names(insert.call.func)
    return names[0] if names[-1:] == ["save"] else None


def constructs(line: Statement, insert: Insert) -> bool:
    """`x = M(…)` before `x.save()`."""
    names = chain_names(insert.call.func)
    made = m.Assign(targets=[m.AssignTarget(m.Name(names[0]))], value=m.Call())
    return names[-1:] == ["save"] and m.matches(line, m.SimpleStatementLine(body=[made]))


def _missing(site: Site, span: Span, query: Query) -> Pair | None:
    """`x = filter(…).first()` / `if x is None: x = create(…)`."""
    if query.target is None or query.methods[-1:] != ["first"] or span.last != span.first + 1:
        return None
    node = span.block.body[span.last]
    if not isinstance(node, cst.If) or node.orelse or not isinstance(node.body, cst.IndentedBlock):
        return None
    if not is_absence(site, node, query.target):
        return None
    return _branch(site, span.block, node, node.body, query, 1)


def _absent(site: Site, span: Span, query: Query) -> Pair | None:
    """`if not filter(…).exists(): create(…)`."""
    for node in (*span.around[-1:], *span.statements):
        if isinstance(node, cst.If) and query.call in find(node.test, cst.Call) and not node.orelse:
            negated = m.matches(node.test, m.UnaryOperation(operator=m.Not(), expression=m.Call()))
            if negated and query.methods[-1:] == ["exists"] and isinstance(node.body, cst.IndentedBlock):
                block = next(
                    (each for each in find(site.function, cst.IndentedBlock) if node in each.body), None
                )
                pair = _branch(site, block, node, node.body, query)
                if pair is not None and (row := made(site, pair.insert)) is not None:
                    return Pair(pair.block, pair.first, pair.last, pair.insert, pair.lookup, row, pair.rest)
                return pair
    return None


def _refused(site: Site, span: Span, query: Query) -> Pair | None:
    """`if filter(…).exists(): refusal` … `create(…)`: the insert's place is kept, and what lies between."""
    node = span.block.body[span.first]
    if not isinstance(node, cst.If) or query.call is not node.test or query.methods[-1:] != ["exists"]:
        return None
    insert = insert_in(site, span.block.body[span.last])
    if insert is None or span.last == span.first or m.matches(insert.statement, RETURN):
        return None
    between = span.block.body[span.first + 1 : span.last]
    kept = [each for each in between if not constructs(each, insert)]
    if any({"save"} & names_in(each) for each in kept):
        return None
    answer = refusal(site, refusing(site))
    stays = (node, *kept) if kept else ()
    return Pair(
        span.block, span.first, span.last, insert, equalities(query), made(site, insert), (), stays, answer
    )
