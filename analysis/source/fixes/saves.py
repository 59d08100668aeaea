"""A row that is read, changed and saved whole: where, and which columns the save has to write."""

from dataclasses import dataclass, replace

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.lock_row import given_row
from analysis.source.fixes.models import Model
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.queries import model_read, query_at
from analysis.source.fixes.rows import Assigned, assigned
from analysis.source.fixes.sites import Site, blocks_of, span_of
from analysis.source.fixes.syntax import KEEP, Statement, chain_names, find, names_in, replaced


@dataclass(frozen=True)
class Save:
    """`row.save()` as the statement `index` of a block, with the assignments before it.

    `around`   what comes after the save in the blocks around its own
    """

    row: str
    model: Model
    block: cst.IndentedBlock
    index: int
    changes: tuple[Assigned, ...]
    around: tuple[Statement, ...]

    @property
    def line(self) -> Statement:
        return self.block.body[self.index]

    @property
    def columns(self) -> list[str]:
        """The columns that a save has to write: those assigned, and those that save() sets itself."""
        own = [each.name for each in self.model.fields.values() if each.auto_now]
        return list(dict.fromkeys([*(each.column for each in self.changes), *own]))


def save_of(site: Site) -> Save:
    """The save at the act of a hit.

    Raises: NotOffered, if the act is no plain `row.save()` of a row that was read, or who changes the row is not known
    """
    act, read = site.line_here(site.hit.act), site.line_here(site.hit.read)
    if act is None:
        raise NotOffered(f"the row is saved in another function, at {site.hit.act}")
    row, model = row_of(site)
    span = span_of(site, [act])
    saved = m.Call(func=m.Attribute(value=m.Name(row), attr=m.Name("save")))
    if not m.matches(span.block.body[span.first], m.SimpleStatementLine(body=[m.Expr(value=saved)])):
        raise NotOffered(f"the act at {site.hit.act} is no plain `{row}.save()`")
    _own_save(model)
    between, doubtful = _before(site, read or act, act)
    maybe = [replace(each, always=False) for each in assigned(site, row, model, doubtful)]
    changes = (*maybe, *assigned(site, row, model, between))
    if not changes:
        raise NotOffered(f"no column of `{row}` is assigned between the read and the save")
    after = tuple(
        each for outer in span.around for block in find(site.function, cst.IndentedBlock) if outer in block.body
        for each in block.body[list(block.body).index(outer) + 1 :]
    )  # fmt: skip
    return Save(row, model, span.block, span.first, changes, after)


def row_of(site: Site) -> tuple[str, Model]:
    """The variable that holds the row of the hit, and its model: the row was read here, or came as a parameter.

    Raises: NotOffered, if the read gives no single row, or locks it
    """
    query = query_at(site, site.line_here(site.hit.read))
    if query is None:
        row, name = _called_row(site) or given_row(site)
        return row, site.models[name]
    if query.locked:
        raise NotOffered("the row is locked before the check already")
    if query.target is None or query.methods[-1:] not in ([], ["get"], ["first"], ["last"]):
        raise NotOffered("the check is not about one row that was read into a variable")
    return query.target, model_read(site, query)


def _called_row(site: Site) -> tuple[str, str] | None:
    """The variable that a call on the read line sets, where the row is read in the called function."""
    act, read, model = site.line_here(site.hit.act), site.line_here(site.hit.read), site.hit.model
    if act is None or read is None or model not in site.models or model is None or not site.hit.reads:
        return None
    saved = [chain_names(each.func) for each in find(site.function, cst.Call) if site.covers(each, act)]
    rows = {names[0] for names in saved if len(names) == 2 and names[1] == "save"}
    targets = [names_in(each) for each in find(site.function, cst.AssignTarget) if site.covers(each, read)]
    return next(((row, model) for row in rows for names in targets if row in names), None)


def _own_save(model: Model) -> None:
    definition = model.methods.get("save")
    if definition is None:
        return
    arguments = definition.args
    named = {each.arg for each in (*arguments.args, *arguments.kwonlyargs)}
    if arguments.kwarg is None and "update_fields" not in named:
        raise NotOffered(f"the save() of {model.name} takes no update_fields")


def _before(site: Site, read: int, act: int) -> tuple[list[Statement], list[Statement]]:
    """The statements that lead from the read to the act; and those of a `try` that the act's own branch comes after."""
    query, span = query_at(site, read), span_of(site, [read, act])
    block, first = span.block, span.first
    before: list[Statement] = []
    doubtful: list[Statement] = []
    while True:
        last = next(index for index, each in enumerate(block.body) if site.covers(each, act))
        before += [each for each in block.body[first:last] if isinstance(each, cst.BaseStatement)]
        inner = [each for each in blocks_of(block.body[last]) if any(site.covers(s, act) for s in each.body)]
        if not inner:
            break
        whole = block.body[last]
        if (
            isinstance(whole, cst.Try)
            and isinstance(whole.body, cst.IndentedBlock)
            and inner[0] is not whole.body
        ):
            doubtful += [each for each in whole.body.body if isinstance(each, cst.BaseStatement)]
        block, first = inner[0], 0
    asks = [query.call] if query is not None else []
    return [each for each in before if not _is_read(each, asks)], [
        each for each in doubtful if not _is_read(each, asks)
    ]


def _is_read(node: Statement, asks: list[cst.Call]) -> bool:
    return isinstance(node, cst.SimpleStatementLine) and any(call in find(node, cst.Call) for call in asks)


def column_edits(site: Site, save: Save) -> dict[Statement, list[cst.CSTNode]]:
    """`row.save(update_fields=…)` in place of `row.save()`: a list of the columns.

    Where a column is assigned only under a condition, the list grows there: a column that was not assigned holds
    what was read, and must not be written.
    """
    sure = [each for each in save.columns if _is_sure(save, each)]
    names = f"[{', '.join(site.layout.literal(each) for each in sure)}]"
    line = save.line
    if find(line, cst.Arg):  # it names its columns itself
        return {line: [KEEP]}
    if len(sure) == len(save.columns):
        return {line: [_saving(site, save, line, names)]}
    changed = site.fresh("changed")
    edits: dict[Statement, list[cst.CSTNode]] = {line: [_saving(site, save, line, changed)]}
    doubtful = [each for each in save.changes if each.column not in sure]
    for each in doubtful:
        column = site.layout.literal(each.column)
        edits[line_of(site, each)] = [KEEP, site.statement(f"{changed}.append({column})")]
    read = site.line_here(site.hit.read)
    around = span_of(site, [read or site.places[line].start.line, site.places[line].start.line]).statements
    first = next(each for each in around if line_of(site, doubtful[0]) in find(each, cst.SimpleStatementLine))
    start = site.statement(f"{changed} = {names}")
    edits[first] = [start, KEEP]
    return edits


def _is_sure(save: Save, column: str) -> bool:
    mine = [each for each in save.changes if each.column == column]
    return not mine or any(each.always for each in mine)


def line_of(site: Site, change: Assigned) -> cst.SimpleStatementLine:
    """The line of an assignment."""
    return next(each for each in find(site.function, cst.SimpleStatementLine) if change.node in each.body)


def _saving(site: Site, save: Save, line: Statement, columns: str) -> Statement:
    new = site.statement(f"{save.row}.save(update_fields={columns})")
    assert isinstance(new, cst.SimpleStatementLine) and isinstance(line, cst.SimpleStatementLine)
    return replaced(line, line.body[0], new.body[0])
