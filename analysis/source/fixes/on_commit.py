"""Send only what was committed: the side effect moves behind the commit.

Source: Django, "Database transactions", "Performing actions after commit".
"""

from typing import Final

import libcst as cst
import libcst.matchers as m

from analysis.source.fixes.change import needed, proposal
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.sites import Site, span_of
from analysis.source.fixes.syntax import find, method_of, replaced
from analysis.source.fixes.transactions import in_transaction

NAME = "on_commit"
NO_COMMA: Final = cst.MaybeSentinel.DEFAULT
SENDS: Final = (
    "delay",
    "apply_async",
    "send",
    "enqueue",
    "defer",
    "send_task",
    "send_mail",
    "publish",
    "post",
)


def on_commit(site: Site) -> Proposal:
    """`transaction.on_commit(partial(f, …))` in place of `f(…)`.

    Raises: NotOffered, if the act sends nothing, its result is used, or no transaction is open
    """
    act = site.line_here(site.hit.act)
    if act is None:
        raise NotOffered(f"the act is in another function, at {site.hit.act}")
    span = span_of(site, [act])
    line = span.block.body[span.first]
    if not m.matches(line, m.SimpleStatementLine(body=[m.Expr(value=m.Call())])):
        raise NotOffered("the act is no call that stands alone: what it returns is used")
    call = find(line, cst.Call)[0]
    name = method_of(call) or site.code(call.func)
    if name == "on_commit":
        raise NotOffered("the call waits for the commit already")
    if name not in SENDS:
        raise NotOffered(f"`{site.code(call.func)}` is not known to send anything out of the database")
    if not in_transaction(site, span):
        raise NotOffered("no transaction is open around the call that the source shows")
    transaction, partial = needed(site, "django.db", "transaction"), needed(site, "functools", "partial")
    if find(call, cst.Comment):
        raise NotOffered("the call has comments between its arguments, which would be lost")
    function, words = site.code(call.func), [site.code(arg.with_changes(comma=NO_COMMA)) for arg in call.args]
    handed = f"{partial.local}({', '.join([function, *words])})" if words else function
    new = site.expression(f"{transaction.local}.on_commit({handed})")
    return proposal(
        site,
        replaced(site.function, call, new),
        [transaction, partial if call.args else None],
        name=NAME,
        title="Send only after the commit",
        why=f"What `{site.code(call.func)}` starts reads the database from another connection: before the commit it"
        " finds the old rows, and after a rollback it would work for nothing.",
        loser="nothing changes in its answer; what was rolled back sends nothing",
        waits="nothing waits",
    )
