"""Write only if the check still holds: the condition goes into the UPDATE, and the count of rows tells who won.

Source: Django, "QuerySet API reference", update(): "there is no race condition"; PostgreSQL, "Transaction Isolation",
13.2.1: an UPDATE waits for the row, then evaluates its WHERE clause again.
"""

from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.absent import guard_of_read, is_absence
from analysis.source.fixes.called_reads import read_query
from analysis.source.fixes.change import atomic_import, f_import, model_import, needed, proposal
from analysis.source.fixes.guards import Condition, Guard, allowed, guard_index, guard_of, refusal
from analysis.source.fixes.imports import Import
from analysis.source.fixes.models import Model
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.queries import conditions
from analysis.source.fixes.rows import Assigned, assigned
from analysis.source.fixes.saves import row_of
from analysis.source.fixes.sites import Site, Span, whole, writes
from analysis.source.fixes.syntax import Statement, find, names_in
from analysis.source.fixes.transactions import with_block, wrapped

NAME = "conditional_update"


@dataclass(frozen=True)
class Save:
    """`row.save()` at `index` of the span's block, the check before it, and what it would write."""

    row: str
    model: Model
    guard: Guard
    index: int
    changes: tuple[Assigned, ...]
    columns: tuple[str, ...]
    imported: Import | None = None


def conditional_update(site: Site) -> Proposal:
    """`updated = Model.objects.filter(pk=…, condition).update(…)`, then the check's own refusal.

    Raises: NotOffered, if the check is no comparison of columns, or the write is no plain assignment and `save()`
    """
    span = whole(site)
    save = _save(site, span)
    condition = _condition(site, save)
    imports = [model_import(site, save.model.name), save.imported]
    values, before, more = _values(site, save)
    imports += more
    if condition.expressions or any(each.delta for each in save.changes):
        imports.append(f_import(site)[1])
    statements, first = span.block.body, _first_write(span, save)
    update = _update(site, save, condition, values, before)
    changed = [*statements[first : save.index], *update, *statements[save.index + 1 : span.last + 1]]
    part = Span(span.block, first, span.last, span.around)
    if first < span.last:
        atomic, transaction = atomic_import(site)
        imports.append(transaction)
        function = wrapped(site, part, changed, atomic)
    else:
        function = with_block(site, span.block, [*statements[:first], *changed, *statements[span.last + 1 :]])
    return proposal(
        site,
        function,
        imports,
        name=NAME,
        title="Write only if the check still holds",
        why=f"The database repeats the check of {save.guard.place} while it holds the row's lock; only"
        " the columns that changed are written. update() calls no save() and sends no signals.",
        loser=f"the check's own refusal, once more: {save.guard.answer}",
        waits="its UPDATE waits until the first request's transaction has ended; reading and checking do not wait",
    )


def _first_write(span: Span, save: Save) -> int:
    """Where the transaction has to begin: at the first write after the check.

    Raises: NotOffered, if a write comes before the save, and the refusal would not take it back
    """
    statements, start = span.block.body, guard_index(span, save.guard) + 1
    first = next((at for at in range(start, save.index) if writes(statements[at])), save.index)
    raises = m.matches(save.guard.body.body[-1], m.SimpleStatementLine(body=[m.Raise()]))
    if first < save.index and not raises:
        raise NotOffered(
            "something is written between the check and the save: the refusal would not take it back"
        )
    return first


def _save(site: Site, span: Span) -> Save:
    row, model = row_of(site)
    guard, imported = _guard(site, row)
    if "save" in model.methods:
        raise NotOffered(f"{model.name} has a save() of its own, which update() would not call")
    if (listener := _listener(site, model.name)) is not None:
        raise NotOffered(f"{listener} listens to the signals of {model.name}, which update() does not send")
    at = guard_index(span, guard)
    saved = m.Call(func=m.Attribute(value=m.Name(row), attr=m.Name("save")))
    index = next(
        (
            index
            for index, each in enumerate(span.block.body)
            if index > at and m.matches(each, m.SimpleStatementLine(body=[m.Expr(value=saved)]))
        ),
        None,
    )
    if index is None:
        raise NotOffered(f"no plain `{row}.save()` follows the check in its block")
    changes = tuple(assigned(site, row, model, span.block.body[at + 1 : index]))
    columns = _columns(span.block.body[index], changes)
    return Save(row, model, guard, index, changes, columns, imported)


def _guard(site: Site, row: str) -> tuple[Guard, Import | None]:
    """The check that refuses; where there is none but for a row that is not there, what the read itself asks for."""
    try:
        guard = guard_of(site)
    except NotOffered as error:
        try:
            return guard_of_read(site)
        except NotOffered:
            raise error from None
    if isinstance(guard.node, cst.If) and is_absence(site, guard.node, row):
        return guard_of_read(site)
    return guard, None


def _condition(site: Site, save: Save) -> Condition:
    """What lets the row pass: the opposite of the check; of a read that asks for it, its own conditions."""
    if isinstance(save.guard.node, cst.If) and not is_absence(site, save.guard.node, save.row):
        return allowed(site, save.guard.node.test, save.row, save.model)
    kept = {}
    for arg in conditions(site, read_query(site)):
        if arg.keyword is not None and arg.keyword.value.split("__")[0] in save.columns:
            kept[arg.keyword.value] = site.code(arg.value)
    if not kept:
        raise NotOffered("nothing is checked that a second request could be refused with")
    return Condition(tuple(f"{name}={value}" for name, value in kept.items()))


def _listener(site: Site, model: str) -> str | None:
    """A file with a receiver of the save signals of a model."""
    for path in site.source.paths:
        text = site.source.text(path) or ""
        if ("post_save" in text or "pre_save" in text) and f"sender={model}" in text.replace(" ", ""):
            return path
    return None


def _columns(statement: Statement, changes: tuple[Assigned, ...]) -> tuple[str, ...]:
    """The columns to write: those assigned, or of them those that `update_fields` names."""
    found = tuple(dict.fromkeys(each.column for each in changes))
    arguments = find(statement, cst.Arg)
    if arguments:
        if len(arguments) != 1 or not m.matches(arguments[0], m.Arg(keyword=m.Name("update_fields"))):
            raise NotOffered("the save() has arguments that an update() cannot have")
        named = [each.evaluated_value for each in find(statement, cst.SimpleString)]
        found = tuple(each for each in found if each in named)
    if not found:
        raise NotOffered("no column of the row is assigned between the check and the save")
    return found


def _values(site: Site, save: Save) -> tuple[list[str], list[Statement], list[Import]]:
    """The arguments of update(), the statements it needs before it, and their imports."""
    values: list[str] = []
    before: list[Statement] = []
    imports: list[Import] = []
    for column in save.columns:
        its = [each for each in save.changes if each.column == column]
        if not any(each.always for each in its):
            raise NotOffered(
                f"`{save.row}.{column}` is assigned under a condition: an UPDATE would always write it"
            )
        if len(its) == 1 and its[0].delta is not None:
            values.append(f"{column}={f_import(site)[0]}({site.layout.literal(column)}) {its[0].delta}")
        elif any(each.delta or save.row in names_in(each.node.value) for each in its):
            raise NotOffered(f"`{save.row}.{column}` is computed from the row as it was read")
        else:
            values.append(
                f"{column}={its[0].value if len(its) == 1 and its[0].value else f'{save.row}.{column}'}"
            )
    for each in save.model.fields.values():
        if each.auto_now and each.name not in save.columns:
            if each.kind != "DateTimeField":
                raise NotOffered(f"{save.model.name}.{each.name} is set by save() itself (auto_now)")
            timezone = _timezone(site)
            imports.append(timezone)
            before.append(site.statement(f"{save.row}.{each.name} = {timezone.local}.now()"))
            values.append(f"{each.name}={save.row}.{each.name}")
    return values, before, imports


def _timezone(site: Site) -> Import:
    return needed(site, "django.utils", "timezone")


def _update(
    site: Site, save: Save, condition: Condition, values: list[str], before: list[Statement]
) -> list[Statement]:
    count, manager = site.fresh("updated"), save.model.manager
    kept = ", ".join((f"pk={save.row}.pk", *condition.kept))
    excluded = f".exclude({', '.join(condition.left_out)})" if condition.left_out else ""
    update = site.statement(
        f"{count} = {save.model.name}.{manager}.filter({kept}){excluded}.update({', '.join(values)})"
    )
    check = site.statement(f"if not {count}:\n    pass")
    columns = set(save.columns)
    given = save.row in {each.name.value for each in site.function.params.params}
    check = check.with_changes(body=refusal(site, save.guard, save.row, columns, given=given))
    again = _again(site, save)
    return [*before, update, check, *again]


def _again(site: Site, save: Save) -> list[Statement]:
    """A counter that the database counted is read again, if the row is shown later."""
    counted = [each.column for each in save.changes if each.delta and each.column in save.columns]
    if not counted:
        return []
    names = ", ".join(site.layout.literal(each) for each in dict.fromkeys(counted))
    return [site.statement(f"{save.row}.refresh_from_db(fields=[{names}])")]
