"""What a function does where the row that it reads is not there: the refusal that a loser can be given too."""

from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.change import needed
from analysis.source.fixes.guards import Guard, leaves
from analysis.source.fixes.imports import Import
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.queries import Query, equalities, query_at, query_of
from analysis.source.fixes.sites import Site, Span
from analysis.source.fixes.syntax import Statement, find, leading_lines
from analysis.source.fixes.transactions import takes_absence

NOTHING = ("{0} is None", "not {0}")


def guard_of_read(site: Site) -> tuple[Guard, Import | None]:
    """The answer for a row that is not there: of `get_object_or_404`, of `except DoesNotExist`, of `if row is None`.

    Raises: NotOffered, if the read gives no row, or nothing is answered for one that is not there
    """
    query = query_at(site, site.line_here(site.hit.read))
    if query is None or query.target is None:
        raise NotOffered("no row is read into a variable")
    line = next(
        each for each in find(site.function, cst.SimpleStatementLine) if query.call in find(each, cst.Call)
    )
    place = f"{site.hit.path}:{site.places[line].start.line}"
    if query.kind in ("shortcut", "get_object"):
        error = needed(site, "django.http", "Http404")
        answer = site.statement(f"raise {error.local}")
        return Guard(line, cst.IndentedBlock(body=[answer]), place, site.code(answer)), error
    for node in find(site.function, cst.Try):
        if len(node.handlers) != 1 or query.call not in find(node.body, cst.Call):
            continue
        handler = node.handlers[0]
        if takes_absence(handler) and isinstance(handler.body, cst.IndentedBlock):
            return _leaving(site, node, handler.body, place), None
    for check in find(site.function, cst.If):
        if is_absence(site, check, query.target) and isinstance(check.body, cst.IndentedBlock):
            return _leaving(site, check, check.body, place), None
    raise NotOffered(f"nothing is answered where the row that is read at {place} is not there")


def is_absence(site: Site, check: cst.If, row: str) -> bool:
    """`if row is None`, `if not row`."""
    return site.code(check.test) in [each.format(row) for each in NOTHING]


def _leaving(site: Site, node: cst.If | cst.Try, body: cst.IndentedBlock, place: str) -> Guard:
    last = body.body[-1]
    if not leaves(last):
        raise NotOffered(f"where the row that is read at {place} is not there, the function goes on")
    return Guard(node, body, place, " ".join(site.code(last).split()))


@dataclass(frozen=True)
class OneRead:
    """`x = M.objects.filter(…).first()` and `if x is None: refusal`, in place of a check by exists() and a get().

    `statements`  of the span, with `call`, the read, in the first
    """

    statements: list[Statement]
    query: Query
    row: str


def one_read(site: Site, span: Span, query: Query) -> OneRead | None:
    """`if not M.objects.filter(…).exists(): refusal`, `x = M.objects.get(…)` as one read; None, if it is not that.

    Between the two the row can go, and get() raises.
    """
    if query.methods[-1:] != ["exists"] or len(span.statements) < 2:
        return None
    check, line, *others = span.statements
    negated = m.UnaryOperation(operator=m.Not(), expression=m.Call())
    if not isinstance(check, cst.If) or not m.matches(check.test, negated) or check.orelse:
        return None
    reads = [
        each for each in map(lambda call: query_of(site, call), find(line, cst.Call)) if each is not None
    ]
    if (
        not reads
        or reads[0].target is None
        or reads[0].methods[-1:] != ["get"]
        or reads[0].model != query.model
    ):
        return None
    if _look_up(site, reads[0]) != _look_up(site, query) or query.call not in find(check.test, cst.Call):
        return None
    row = reads[0].target
    assert isinstance(query.call.func, cst.Attribute)
    first = query.call.with_changes(func=query.call.func.with_changes(attr=cst.Name("first")))
    read = site.statement(f"{row} = {site.code(first)}")
    assert isinstance(read, cst.SimpleStatementLine) and isinstance(line, cst.SimpleStatementLine)
    read = read.with_changes(leading_lines=leading_lines(check), trailing_whitespace=line.trailing_whitespace)
    test = check.with_changes(test=site.expression(f"{row} is None"), leading_lines=[])
    (call, *_) = find(read, cst.Call)
    found = query_of(site, call)
    assert found is not None
    return OneRead([read, test, *others], found, row)


def _look_up(site: Site, query: Query) -> dict[str, str]:
    return {name: site.code(value) for name, value in equalities(query).items()}
