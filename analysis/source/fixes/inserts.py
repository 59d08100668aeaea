"""The insert of a hit: the statement, its model, its arguments, and the key that the database keeps apart."""

from dataclasses import dataclass

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.models import Model
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.sites import MANAGERS, Site, Span
from analysis.source.fixes.syntax import Statement, chain_names, find, method_of

DEFAULTS = m.Arg(keyword=m.Name("defaults") | m.Name("create_defaults"))


@dataclass(frozen=True)
class Insert:
    """`M.objects.create(…)`, `M(…).save()`, `super().create(…)`: `given` are its keyword arguments, by column.

    `call`    the call that inserts
    `whole`   all values are in `given`: nothing comes through `**` or a positional argument
    """

    statement: Statement
    call: cst.Call
    model: Model
    given: dict[str, cst.BaseExpression]
    whole: bool

    @property
    def constrained(self) -> bool:
        """The database refuses a second one with the same values."""
        return self.model.covers(columns(self.given)) if self.whole else bool(self.model.unique)


def columns(given: dict[str, cst.BaseExpression]) -> frozenset[str]:
    """Arguments as columns: `job_id` is `job`."""
    return frozenset(name.removesuffix("_id") for name in given)


def insert_in(site: Site, statement: Statement) -> Insert | None:
    """The insert that a statement makes, if it makes one of a known model."""
    for call in find(statement, cst.Call):
        name, names = method_of(call), chain_names(call.func)
        made = _construction(site, names[0]) if name == "save" and len(names) == 2 else None
        if name == "create" and (
            MANAGERS & set(names) or names[:1] == ["super"] or any(a.keyword for a in call.args)
        ):
            owner = names[0] if names and names[0] in site.models else site.hit.model
            arguments = call.args
        elif name in ("get_or_create", "update_or_create"):
            owner = names[0] if names[0] in site.models else site.hit.model
            arguments = [each for each in call.args if not m.matches(each, DEFAULTS)]
        elif made is not None:
            owner, arguments = chain_names(made.func)[-1], made.args
        elif name == "save" and names[0] in ("serializer", "form", "super"):
            owner, arguments = site.hit.model, [cst.Arg(cst.Name("validated_data"))]
        else:
            continue
        if owner is not None and owner in site.models:
            given = {each.keyword.value: each.value for each in arguments if each.keyword is not None}
            return Insert(statement, call, site.models[owner], given, len(given) == len(arguments))
    return None


def insert_at_act(site: Site) -> Insert:
    """The insert that the act of the hit is.

    Raises: NotOffered, if the act inserts nothing
    """
    act = site.line_here(site.hit.act)
    for line in find(site.function, cst.SimpleStatementLine):
        if act is not None and site.covers(line, act) and (insert := insert_in(site, line)) is not None:
            return insert
    raise NotOffered(f"the act at {site.hit.act} inserts no row of a model that was found in the tree")


def _construction(site: Site, name: str) -> cst.Call | None:
    """`M(…)` of `name = M(…)`, where the function makes the row itself."""
    for each in find(site.function, cst.Assign, m.Assign(targets=[m.AssignTarget(m.Name(name))])):
        if isinstance(each.value, cst.Call):
            names = chain_names(each.value.func)
            if names and names[-1] in site.models and len(names) <= 2 and not MANAGERS & set(names):
                return each.value
    return None


def insert_of(site: Site, span: Span) -> Insert:
    """The insert at the act, or the first one after it in the span's block.

    Raises: NotOffered, if there is none
    """
    act = site.line_here(site.hit.act) or 0
    found = [insert_in(site, each) for each in span.block.body if site.places[each].end.line >= act]
    insert = next((each for each in found if each is not None), None)
    if insert is None:
        raise NotOffered("no insert of a known model follows the check in its block")
    return insert
