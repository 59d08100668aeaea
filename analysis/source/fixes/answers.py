"""Changes asked one by one whether they fit a hit."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from analysis.source.fixes.models import Model, read_models
from analysis.source.fixes.proposals import Declined, NotOffered, Proposal
from analysis.source.fixes.settled import settled
from analysis.source.fixes.sites import Site, open_site
from analysis.source.hits import Hit
from analysis.source.modules import Code
from analysis.source.trees import Tree

Fix = Callable[[Site], Proposal]


def answers(
    fixes: Sequence[Fix], tree: Tree, hit: Hit, models: Mapping[str, Model] | None
) -> list[Proposal | Declined]:
    """What each change makes of the function of a hit, or why it does not fit."""
    source = Code(tree)
    try:
        site = open_site(
            source, _where_it_happens(source, hit), read_models(source) if models is None else models
        )
        if (reason := settled(site)) is not None:
            raise NotOffered(reason)
    except NotOffered as error:
        return [Declined(fix.__name__, str(error)) for fix in fixes]
    return [_answer(fix, site) for fix in fixes]


def _where_it_happens(source: Code, hit: Hit) -> Hit:
    """The hit of the called function, where read and act both lie inside one and the same call."""
    if not hit.reads or not hit.calls or hit.reads[0] != hit.calls[0] or hit.reads[-1].path != hit.act.path:
        return hit
    module = source.module(hit.act.path)
    around = [
        (each.node.lineno, name)
        for name, each in (module.functions if module else {}).items()
        if all(
            each.node.lineno <= line <= (each.node.end_lineno or 0)
            for line in (hit.reads[-1].line, hit.act.line)
        )
    ]
    return replace(hit, function=max(around)[1], read=hit.reads[-1], reads=(), calls=()) if around else hit


def _answer(fix: Fix, site: Site) -> Proposal | Declined:
    try:
        return fix(site)
    except NotOffered as reason:
        return Declined(fix.__name__, str(reason))
