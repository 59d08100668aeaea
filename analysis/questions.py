"""Questions that take more than one signal, asked of a case."""

import json
import re
from collections.abc import Iterator, Sequence

import ibis
import pandas as pd

from analysis.evidence.deadlocks import FIRST, MOST_RECORDS, Piece, deadlock, reports
from analysis.findings import Finding
from analysis.findings_of_links import how_linked
from analysis.investigation import Investigation
from analysis.signals.clocks import stamped_order
from analysis.signals.duplicates import missing_evidence
from analysis.signals.impact import causes
from analysis.signals.interleaving import critical_window, most_telling, timeline
from analysis.signals.keys import errors_about
from analysis.signals.linking import RELIABLE, siblings, tied
from analysis.signals.skew import Skew, contained, skews, tightest
from analysis.signals.spikes import Spike
from analysis.wording import Row

SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")  # RFC 9110, section 9.2.1
EVIDENCE = ("requests", "statements", "exceptions", "records", "sources")


def flagged(case: Investigation) -> pd.DataFrame:
    """The records that may be forged: flagged_record, reason, text."""
    flags, records = case.table("flags"), case.table("records")
    rows = flags.join(records.select("record_id", "text"), "record_id").order_by("record_id")
    return case.run(rows.select("reason", "text", flagged_record="record_id"))


def retold(case: Investigation) -> pd.DataFrame:
    """The requests that two logs tell, a row two logs.

    Out:  path, told_by (the path of the log as which they count), requests, first_record and first_told_by (the first
          of them in either log)
    """
    requests = case.opened.table("requests").select("record_id", "source_id")
    of = requests.join(case.table("sources").select("source_id", "path"), "source_id").drop("source_id")
    better = of.select(first_told_by="record_id", told_by="path")
    rows = case.table("retold").rename(first_told_by="told_by").join(of, "record_id")
    rows = rows.join(better, "first_told_by")
    firsts = {"first_record": rows.record_id.min(), "first_told_by": rows.first_told_by.min()}
    return case.run(
        rows.group_by("path", "told_by").aggregate(requests=rows.count(), **firsts).order_by("path")
    )


def causes_around(case: Investigation, found: Sequence[Spike]) -> pd.DataFrame:
    """The causes of failures, counted before and from the first onset."""
    onset_us = min((spike.onset_us for spike in found), default=0)
    return case.run(causes(case.table("exceptions"), case.links, case.requests, onset_us))


def new_failures(case: Investigation, of: pd.DataFrame, found: Sequence[Spike]) -> ibis.Column | None:
    """record_ids of the requests that failed of a cause unseen before the onset; None if there is no such cause."""
    new = of[(of["before"] == 0) & of["fingerprint"].notna()] if found else of.head(0)
    if new.empty:
        return None
    exceptions, links = case.table("exceptions"), case.links
    raised = exceptions.filter(
        exceptions.is_last, exceptions.fingerprint.isin(sorted(set(new["fingerprint"])))
    )
    return links.semi_join(raised, links.to_record == raised.record_id).from_record


def since_onset(found: Sequence[Spike], only: ibis.Column | None) -> int | None:
    """From when on failures count: all of a new cause, else those from the first onset on."""
    return min((spike.onset_us for spike in found), default=None) if only is None else None


def writing(pairs: ibis.Table) -> ibis.Table:
    """Pairs of a method that is not safe: those that can harm each other."""
    return pairs.filter(~pairs.method.isin(SAFE))


def telling_pair(case: Investigation, pairs: ibis.Table, suspects: pd.DataFrame) -> ibis.Table:
    """The one pair to show: of a suspected endpoint if there is one, else of any that writes."""
    of = writing(pairs)
    if len(suspects):
        named = (suspects["method"] + " " + suspects["route"]).tolist()
        of = of.filter((of.method + " " + of.route).isin(named))
    return most_telling(of, case.links)


def what_happened(case: Investigation, telling: ibis.Table) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The events of a pair's two requests, and the stretch in which both had read."""
    pair = case.run(telling).iloc[0]
    tables = {name: case.table(name) for name in EVIDENCE} | {"links": case.links}
    events = timeline([int(pair["first_record"]), int(pair["second_record"])], **tables)
    return case.run(events), case.run(critical_window(events, telling))


def stamped_first(case: Investigation, pair: ibis.Table) -> pd.DataFrame:
    """The pair with `stamped`: before, after or undecided."""
    return case.run(stamped_order(pair, case.table("records"), case.table("sources")))


def errors_naming(case: Investigation, pair: ibis.Table) -> pd.DataFrame:
    """The errors whose key names what the pair is about, with their order against each of the two requests."""
    about = errors_about(case.table("exceptions"), pair)
    found = case.run(about)
    for side in ("first", "second"):
        against = about.select(first_record=about.record_id, second_record=about[f"{side}_record"])
        order = stamped_first(case, against).set_index("first_record")["stamped"]
        found[f"order_{side}"] = found["record_id"].map(order)
    return found


def ties(case: Investigation) -> tuple[pd.DataFrame, list[Finding]]:
    """How errors and statements were tied to requests: the counts, and what they say."""
    of = case.run(tied(case.table("links")))
    statements = case.table("statements")
    ran = int(case.run(statements.aggregate(n=statements.count()))["n"][0])
    told = [*how_linked(of, "exceptions", case.logged_errors()), *how_linked(of, "statements", ran)]
    return of, told


def candidates(case: Investigation) -> pd.DataFrame:
    """The requests that each error which no link decides may be of, the surest first."""
    links = case.table("links")
    doubtful = links.filter(links.to_table == "exceptions", links.confidence < RELIABLE)
    named = doubtful.select("rule", "confidence", error_record="to_record", request_record="from_record")
    order = [ibis.desc("confidence"), "error_record", "request_record"]
    return case.run(named.select("error_record", "request_record", "rule", "confidence").order_by(*order))


def database_errors(case: Investigation) -> pd.DataFrame:
    """What the database refused, by code and constraint, with how many traces of it stand in one another."""
    exceptions = case.table("exceptions")
    refused = exceptions.filter(exceptions.sqlstate.notnull() | exceptions.error_code.notnull())
    refused = refused.mutate(key_columns=refused.key_columns.join(", "))
    kinds = ["sqlstate", "error_code", "constraint_name", "table_name", "key_columns"]
    counted = refused.group_by(*kinds).aggregate(
        errors=refused.record_id.nunique(),
        doubtful=refused.record_id.nunique(where=refused.doubtful),
        first_record=refused.record_id.min(),
    )
    return case.run(counted.order_by(ibis.desc("errors"), "first_record"))


def deadlocks(case: Investigation) -> pd.DataFrame:
    """The deadlocks that database logs report, a row a participant: process, lock, waits_for, statement, victim."""
    records = case.table("records")
    detail = records.fields["detail"].cast("string")
    reported = records.filter(records.text.contains("; blocked by process "))
    rows = case.run(reported.select("record_id", "text", detail=detail)).to_dict("records")
    texts = {row["record_id"]: unquoted(row["detail"]) or str(row["text"]) for row in rows}
    texts |= dict(reports(innodb_pieces(case)))
    found = []
    for record_id, text in sorted(texts.items()):
        told = deadlock(text)
        for one in told.participants if told else ():
            victim = told is not None and one.process == told.victim
            found.append({"deadlock_record": record_id, **vars(one), "victim": victim})
    columns = ["deadlock_record", "process", "lock", "waits_for", "statement", "victim"]
    return pd.DataFrame(found, columns=columns)


def innodb_pieces(case: Investigation) -> Iterator[Piece]:
    """The records from the one before each that begins a report of InnoDB's on."""
    records = case.table("records")
    begin = records.filter(records.text.contains(FIRST)).select(begins="record_id")
    if case.run(begin.limit(1)).empty:
        return
    near = records.join(
        begin, [records.record_id >= begin.begins - 1, records.record_id < begin.begins + MOST_RECORDS]
    )
    names = ("record_id", "source_id", "process", "logger", "thread", "message", "text")
    rows = case.run(near.select(*names).distinct().order_by("record_id"))
    for row in rows.astype(object).where(rows.notna(), None).to_dict("records"):
        first, _, rest = (row["text"] or "").partition("\n")
        head = first if row["message"] is None else row["message"]
        writer = row["process"], row["logger"]
        yield Piece(row["record_id"], row["source_id"], writer, row["thread"], head, rest)


def unquoted(value: object) -> str:
    """A JSON text as what it says; empty where there is none."""
    return "" if pd.isna(value) else str(json.loads(str(value)))  # type: ignore[call-overload]


def siblings_of(case: Investigation, pairs: pd.DataFrame) -> pd.DataFrame:
    """The requests that succeeded beside failed ones: of these pairs, or of all requests where there are none."""
    requests = case.requests
    if len(pairs):
        both = {int(record) for side in ("first_record", "second_record") for record in pairs[side]}
        requests = requests.filter(requests.record_id.isin(sorted(both)))
    return case.run(siblings(requests, case.table("links")))


def clocks_apart(case: Investigation) -> list[Skew]:
    """The offsets between clocks that the links by id bound."""
    names = ("requests", "statements", "links", "records", "sources")
    return skews(case.run(tightest(contained(*(case.table(each) for each in names)))))


def would_have_decided(case: Investigation, pair: Row) -> list[str]:
    """What would have decided the pair's overlap, each record named by its place."""
    return [
        re.sub(r"record (\d+)", lambda match: "{}:{}".format(*case.places([int(match[1])])[0]), phrase)
        for phrase in missing_evidence(pair)
    ]
