"""Write only the columns that were changed: another request's columns are left as they are.

Source: Django, "Model instance reference", "Specifying which fields to save".
"""

import libcst as cst

from analysis.source.fixes.change import proposal
from analysis.source.fixes.guards import guard_of
from analysis.source.fixes.proposals import NotOffered, Proposal
from analysis.source.fixes.saves import column_edits, save_of
from analysis.source.fixes.sites import Site
from analysis.source.fixes.syntax import find, names_in, rewritten

NAME = "update_fields"


def update_fields(site: Site) -> Proposal:
    """`row.save(update_fields=[…])` with the columns that the function assigns.

    Raises: NotOffered, if a check decides the write (both requests would still write), or a value comes from the read
    """
    save = save_of(site)
    if find(save.line, cst.Arg):
        raise NotOffered("the save has arguments: it writes what they say")
    if (guard := _guard(site)) is not None:
        raise NotOffered(
            f"the write depends on the check at {guard}, which a save of fewer columns does not repeat"
        )
    for each in save.changes:
        if each.delta is not None or save.row in names_in(each.node.value):
            raise NotOffered(f"`{save.row}.{each.column}` is computed from the row as it was read")
    return proposal(
        site,
        rewritten(site.function, column_edits(site, save)),
        [],
        name=NAME,
        title="Save only the columns that changed",
        why="A full save writes every column as it was read, and so takes back what another request wrote in between.",
        loser="success: its columns are written, those of the other request stay",
        waits="its UPDATE waits until the first request's transaction has ended",
    )


def _guard(site: Site) -> str | None:
    if site.hit.test is not None:
        return str(site.hit.test)
    try:
        return guard_of(site).place
    except NotOffered:
        return None
