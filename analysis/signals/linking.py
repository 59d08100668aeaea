"""Which request raised this error, which statements belong to it, and which sibling succeeded, without request ids.

Evidence decides: bounds in time, the path and key that an error names, the session, what its statements say, what is
usual. Each link says which evidence decided and how far to trust it; where several candidates are as good as each
other, all of them are given, and the rule says "ambiguous".
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from analysis.signals import linking_exceptions, linking_statements
from analysis.signals.duplicates import BOUNDS, overlap, pairs

LINK: Final = ("from_record", "to_record", "to_table", "rule", "confidence")
RELIABLE: Final = 0.95
"""Confidence from which a link may be reasoned from, here and in a report."""

SAME_USER: Final = 0.9
"""Confidence that the one request that passed beside a failed one, on its route by its user, was about the same."""

SAME_CLIENT: Final = 0.7
"""Likewise where only the address is known: a proxy's address is everybody's."""


def statements_by_evidence(
    requests: ibis.Table, unlinked: ibis.Table, statements: ibis.Table, known: ibis.Table
) -> ibis.Table:
    """Links from each request to the statements that the evidence ties to it.

    In:   the tables requests and statements; unlinked: the statements in question; known: links by id
    Out:  the promised table `links`. rule names the evidence that decided, as "session+entity+time", or is
          "ambiguous" where k > 1 candidates are equally good, confidence 1/k each. One candidate left: 0.99 if a
          statement's words name it; 0.95 if habit or the claims of others chose it; at most 0.9 if only time did, if
          its stamps are of another clock than the request's, or if much else of its session fits no request

    A statement needs a request with both bounds known. What fits no request is linked to none. A request that ids
    tie to statements of a log has no others in it.
    """
    origin = statements.select("source_id", to_record="record_id")
    served = known.filter(known.to_table == "statements").join(origin, "to_record")
    served = served.select("from_record", "source_id").distinct()
    return linking_statements.links(requests, unlinked, served).select(*LINK)


def exceptions_by_evidence(
    requests: ibis.Table,
    unlinked: ibis.Table,
    records: ibis.Table,
    sources: ibis.Table,
    statements: ibis.Table,
    known: ibis.Table,
) -> ibis.Table:
    """Links from each request to the exceptions that the evidence ties to it.

    In:   the promised tables; sources tell clocks, and whether position in a file orders its lines; records: those of
          exceptions at least; unlinked: the exceptions in question; known: the links so far, statements' among them
    Out:  the promised table `links`. rule as "path+key+status+time", or "ambiguous" (1/k each). One candidate left:
          0.99 if the error's key or a failed statement names it; 0.95 to 0.97 if status, order or the claims of others
          chose it; at most 0.9 if its stamps are of another clock than the request's, or if much else of its logger
          fits no request; 0.5 to 0.8 if evidence is missing or speaks against it

    A request that an id ties to an error of a logger raised no other that this logger tells of; an error whose id no
    request carries is no request's that carries one, if ids of its log are found among requests at all.
    """
    sure = known.filter(known.to_table == "statements", known.confidence >= RELIABLE)
    broken = sure.join(statements.select("sqlstate", to_record="record_id"), "to_record")
    broken = broken.filter(broken.sqlstate.notnull()).select("from_record", "sqlstate").distinct()
    origin = records.select("source_id", "logger", to_record="record_id")
    told = known.filter(known.to_table == "exceptions").join(origin, "to_record")
    told = told.select("from_record", "source_id", "logger").distinct()
    return linking_exceptions.links(requests, unlinked, records, sources, broken, told).select(*LINK)


def siblings(requests: ibis.Table, links: ibis.Table, window_us: int = 1_000_000) -> ibis.Table:
    """The requests that succeeded beside one that raised an error: same request, or as near to it as is known.

    In:   the table requests; links by id or by evidence; window_us as for `duplicates.pairs`
    Out:  one row an error, failed request and sibling: error_record, failed_record, sibling_record; gap_us (µs from
          the failed one's instant to the sibling's, negative: it came first), overlap ("sure", "possible", "none"),
          rule, confidence (of the whole: the error's link times the sibling's)

    rule "duplicate": the keys are equal. Where the failed request's key is unknown: "route+user+time" (or client in
    place of user) if one request passed within the window, "ambiguous" if k > 1 did, 1/k each.
    """
    raised = links.filter(links.to_table == "exceptions")
    raised = raised.select(failed_record="from_record", error_record="to_record", trust="confidence")
    beside = _duplicates(requests, window_us).union(_neighbours(requests, raised, window_us))
    met = raised.join(beside, "failed_record")
    return met.select(
        "error_record",
        "failed_record",
        "sibling_record",
        "gap_us",
        "overlap",
        "rule",
        confidence=met.trust * met.confidence,
    )


def _duplicates(requests: ibis.Table, window_us: int) -> ibis.Table:
    """Each failed request with each duplicate that passed."""
    both = pairs(requests, window_us)
    columns = ("failed_record", "sibling_record", "gap_us", "overlap")
    sides = []
    for failed, passed, sign in (("first", "second", 1), ("second", "first", -1)):
        lost = both.filter(both[f"{failed}_status"] >= 500, both[f"{passed}_status"].between(200, 299))
        named = lost.select(
            "overlap",
            failed_record=lost[f"{failed}_record"],
            sibling_record=lost[f"{passed}_record"],
            gap_us=(lost.gap_us * sign).cast("int64"),
        )
        sides.append(named.select(*columns))
    return sides[0].union(sides[1]).mutate(rule=ibis.literal("duplicate"), confidence=ibis.literal(1.0))


def _neighbours(requests: ibis.Table, raised: ibis.Table, window_us: int) -> ibis.Table:
    """Each failed request of unknown key with what passed on its route, by its user or client, within the window.

    Two such requests lie in one slot as wide as the window, or in neighbouring ones: the failed one is listed in all
    three, so a client's whole day is not compared with each of its failures.
    """
    asked = requests.mutate(
        instant=ibis.coalesce((requests.starts_from + requests.starts_by) >> 1, requests.stamp_us),
        who=ibis.coalesce(requests.user_id, requests.client_ip),
    ).filter(requests.request_key.isnull())
    width = max(window_us, 1)
    slot = asked.instant - asked.instant % width
    failed = asked.mutate(slot=ibis.array([slot - width, slot, slot + width]).unnest())
    failed = failed.filter(failed.status >= 500)
    failed = failed.semi_join(raised, failed.record_id == raised.failed_record)
    passed = asked.mutate(slot=slot).filter(asked.status.between(200, 299))
    place = ("method", "route", "who", "slot")
    first = failed.select(*place, "user_id", **_sided(failed, "first"))
    met = first.join(passed.select(*place, **_sided(passed, "second")), list(place))
    gap = met.second_instant - met.first_instant
    near = met.mutate(gap_us=gap.cast("int64")).filter(gap.between(-window_us, window_us))
    rivals = near.count().over(ibis.window(group_by="first_record"))
    by_client = near.user_id.isnull()
    return near.select(
        failed_record="first_record",
        sibling_record="second_record",
        gap_us="gap_us",
        overlap=overlap(near),
        rule=ibis.cases((rivals > 1, "ambiguous"), (by_client, "route+client+time"), else_="route+user+time"),
        confidence=ibis.cases(
            (rivals > 1, 1.0 / rivals.cast("float64")), (by_client, SAME_CLIENT), else_=SAME_USER
        ),
    )


def _sided(asked: ibis.Table, side: str) -> dict[str, ir.Value]:
    own = {f"{side}_{name}": asked[name] for name in ("clock", *BOUNDS, "instant")}
    return own | {f"{side}_record": asked.record_id}


def tied(links: ibis.Table) -> ibis.Table:
    """How surely exceptions and statements are tied to a request, and by what.

    In:   the table links
    Out:  one row a to_table, rule and confidence, the surest first: records (int64, exceptions' or statements'),
          candidates (int64, the most requests that one of these records is linked to)
    """
    each = links.group_by("to_table", "to_record", "rule", "confidence").aggregate(candidates=links.count())
    of = each.group_by("to_table", "rule", confidence=each.confidence.round(2))
    counted = of.aggregate(records=each.count(), candidates=each.candidates.max())
    return counted.order_by("to_table", ibis.desc("confidence"), ibis.desc("records"), "rule")
