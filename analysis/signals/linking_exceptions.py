"""Which request raised an error, where no id says so.

The path that the log line names and the time it was written at leave a few requests; the key that the database
complained about, the status, the process, a failed statement, the claims of other errors and the order of lines in
one file choose among them.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from analysis.signals.slots import PLACE, begun_in, reached_from

HORIZON_US: Final = 5_000_000
"""How long a request is taken to last where no log says."""

NAMED_PATH: Final = r"(?:^|: |\bon |\b(?:GET|HEAD|POST|PUT|PATCH|DELETE) )(/[^\s?#]*)"
"""Django: `Internal Server Error: /path`; Flask: `Exception on /path [POST]`; a request line."""

PLAIN_PATH: Final = r"^[^?#]*"

SAYS: Final = ("says_key", "says_status", "says_process", "says_statement")
LOGGER: Final = ("source_id", "logger")

FITTING: Final = 0.95
"""Share of a logger's errors that must fit a failed request, for one without a key to be tied to the only one left."""

MISFIT: Final = 0.5
"""Share below which the logger's clock must be another, or its requests logged elsewhere."""

MISTRUST: Final = 0.2
"""What the confidence of a link is multiplied by where most else fits no request: chance meetings are many."""

MOST_ORDERED: Final = 3
"""Requests that file order tells apart at most: up to three, least, greatest and sum name a set of record_ids."""


def links(
    requests: ibis.Table,
    exceptions: ibis.Table,
    records: ibis.Table,
    sources: ibis.Table,
    broken: ibis.Table,
    told: ibis.Table,
) -> ibis.Table:
    """Links from requests to the records of their exceptions, as `linking.exceptions_by_evidence` gives them.

    In:   the promised tables; broken: from_record, sqlstate, one row each, of failed statements surely placed; told:
          from_record, source_id, logger, one row each, of errors that an id links
    """
    raised = errors(exceptions, records, sources)
    possible = supported(untold(candidates(requests, raised), told), broken)
    left = in_order(unclaimed(possible)).left_join(
        fits(requests, raised, possible), list(LOGGER), rname="of_{name}"
    )
    weighed = left.mutate(left=left.count().over(ibis.window(group_by="to_record")))
    equals = ibis.ifelse(weighed.left > 1, weighed.left, _claimants(weighed))
    trust = ibis.ifelse(weighed.fit < MISFIT, MISTRUST, 1.0).fill_null(1.0)
    return weighed.select(
        "from_record",
        "to_record",
        to_table=ibis.literal("exceptions"),
        rule=ibis.ifelse(equals > 1, "ambiguous", _rule(weighed)),
        confidence=ibis.ifelse(equals > 1, 1.0 / equals.cast("float64"), _lone(weighed)) * trust,
    )


def errors(exceptions: ibis.Table, records: ibis.Table, sources: ibis.Table) -> ibis.Table:
    """Each record with an exception: when it was written and what it names.

    Out:  to_record, source_id, logger, line_no, error_process, error_id, error_clock, by_position (lines of its file
          stand in the order they were written in), named_path ('' if none), stamp_from, stamp_by, and of its chain
          sqlstate and values (string array)
    """
    said = exceptions.filter(exceptions.key_values.length() > 0)
    values = said.select(of="record_id", value=said.key_values.unnest()).distinct()
    values = values.group_by("of").aggregate(values=values.value.collect())
    chains = exceptions.group_by(to_record="record_id").aggregate(sqlstate=exceptions.sqlstate.max())
    origin = sources.select(
        "source_id", error_clock="clock", by_position=(sources.ordered_by == "writer").fill_null(False)
    )
    timed = records.filter(records.logged_us.notnull()).left_join(origin, "source_id")
    told = timed.select(
        "source_id",
        "logger",
        "line_no",
        "error_clock",
        "by_position",
        of="record_id",
        error_process="process",
        error_id="request_id",
        named_path=timed.message.fill_null("").re_extract(NAMED_PATH, 1).fill_null(""),
        stamp_from="logged_us",
        stamp_by=timed.logged_us + timed.resolution_us.fill_null(1) - 1,
    )
    known = chains.join(told, chains.to_record == told.of).drop("of")
    return known.left_join(values, known.to_record == values.of).drop("of")


def candidates(requests: ibis.Table, raised: ibis.Table) -> ibis.Table:
    """The requests under way when each error was written, on the path that it names; without one, those that failed.

    In:   the table requests; raised as `errors` gives it
    Out:  one row an error and request: what `raised` says, from_record, entity, user_id, status, process, plain_path,
          request_id, begun_from, done_by, bounded (both ends are known), one_clock
    """
    placed, nowhere = raised.filter(raised.named_path != ""), raised.filter(raised.named_path == "")
    failed = requests.filter(requests.status >= 500)
    met = _under_way(placed, requests, on_path=True).union(_under_way(nowhere, failed, on_path=False))
    return met.mutate(one_clock=(met.clock == met.error_clock).fill_null(False)).drop("clock", "error_clock")


def _under_way(raised: ibis.Table, requests: ibis.Table, on_path: bool) -> ibis.Table:
    """Each error with the requests that may have been under way as it was written; on_path: on the path it names."""
    path = requests.path
    asked = requests.select(
        "entity",
        "user_id",
        "status",
        "process",
        "clock",
        "request_id",
        from_record="record_id",
        plain_path=ibis.ifelse(path.contains("?") | path.contains("#"), path.re_extract(PLAIN_PATH, 0), path),
        begun_from=requests.starts_from.fill_null(requests.ends_by - HORIZON_US),
        done_by=requests.ends_by.fill_null(requests.starts_by + HORIZON_US),
        bounded=requests.starts_from.notnull() & requests.ends_by.notnull(),
    )
    errors = reached_from(raised, "stamp_from", "stamp_by")
    spans = begun_in(asked, "begun_from", "done_by")
    met = [*PLACE, spans.begun_from <= errors.stamp_by, spans.done_by >= errors.stamp_from]
    if on_path:
        met.append(spans.plain_path == errors.named_path)
    return errors.join(spans, met).drop(*PLACE)


def untold(possible: ibis.Table, told: ibis.Table) -> ibis.Table:
    """The candidates that ids leave: no request of which this logger told otherwise, none that carries another id."""
    logger = possible.logger.identical_to(told.logger)
    free = possible.anti_join(told, ["from_record", "source_id", logger])
    speak = free.source_id.isin(told.source_id)
    other = (free.error_id.notnull() & free.request_id.notnull() & speak).fill_null(False)
    return free.filter(~other).drop("error_id", "request_id")


def supported(possible: ibis.Table, broken: ibis.Table) -> ibis.Table:
    """The candidates of each error that most evidence speaks for.

    Out:  rows of `possible` plus each of SAYS (int64, 0 or 1), denies_key (the error's key names something else),
          among (int64, how many are as good), could (int64, failed requests that the key does not rule out)
    """
    broke = broken.select(broken_record="from_record", broken_state="sqlstate")
    met = possible.left_join(
        broke, [possible.from_record == broke.broken_record, possible.sqlstate == broke.broken_state]
    )
    names_it = met["values"].contains(met.entity).fill_null(False)
    names_them = met["values"].contains(met.user_id).fill_null(False)
    weighed = met.select(
        *possible.columns,
        says_key=_one(names_it | names_them),
        says_status=_one(met.status >= 500),
        says_process=_one(met.process == met.error_process),
        says_statement=_one(met.broken_record.notnull()),
        denies_key=met["values"].notnull() & met.entity.notnull() & ~names_it,
    )
    of_error = ibis.window(group_by="to_record")
    score = sum((weighed[name] for name in SAYS[1:]), weighed[SAYS[0]])
    could = _one((weighed.says_status == 1) & ~weighed.denies_key).sum().over(of_error).cast("int64")
    best = weighed.mutate(behind=score.max().over(of_error) - score, could=could)
    best = best.filter(best.behind == 0).drop("behind")
    return best.mutate(among=best.count().over(of_error).cast("int64"))


def fits(requests: ibis.Table, raised: ibis.Table, possible: ibis.Table) -> ibis.Table:
    """What share of a logger's errors, in the time that the requests cover, fits a failed request.

    Out:  one row a logger with such errors that name a path: source_id, logger, fit
    """
    covered = raised.filter(
        raised.named_path != "",
        raised.stamp_from >= requests.starts_by.min().as_scalar(),
        raised.stamp_by <= requests.ends_by.max().as_scalar(),
    )
    fitting = possible.filter((possible.says_status == 1) & ~possible.denies_key)
    fitting = fitting.select(of="to_record").distinct().mutate(fits=1.0)
    met = covered.left_join(fitting, covered.to_record == fitting.of)
    return met.group_by(*LOGGER).aggregate(fit=met.fits.fill_null(0.0).mean())


def unclaimed(possible: ibis.Table) -> ibis.Table:
    """The candidates without those that another error of the same logger has for its only one.

    A logger tells of an error once: two lines are two requests, unless nothing else can be.
    """
    sure = possible.filter((possible.among == 1) & (possible.says_status == 1) & ~possible.denies_key)
    claims = sure.select("from_record", "source_id", "logger").distinct()
    open_to = possible.filter(possible.among > 1)
    logger = open_to.logger.identical_to(claims.logger)
    free = open_to.anti_join(claims, ["from_record", "source_id", logger])
    stuck = open_to.anti_join(free.select("to_record").distinct(), "to_record")
    return possible.filter(possible.among == 1).union(free).union(stuck)


def in_order(possible: ibis.Table) -> ibis.Table:
    """The candidates, each error's place in its file matched with the requests' place in time where both are sure.

    Out:  rows of `possible` plus ordered (boolean)

    k errors of one logger that share the same k candidates, one surely over before the next began, were written in
    the order of their requests, if position in that file means anything.
    """
    of_error = ibis.window(group_by="to_record")
    rows = possible.mutate(
        least=possible.from_record.min().over(of_error),
        greatest=possible.from_record.max().over(of_error),
        total=possible.from_record.sum().over(of_error),
        requests=possible.from_record.count().over(of_error),
    )
    shared = ["source_id", "logger", "named_path", "least", "greatest", "total", "requests"]
    earlier = ibis.window(group_by="to_record", order_by=["begun_from", "from_record"])
    rows = rows.mutate(
        place=ibis.row_number().over(earlier),
        apart=(
            (rows.begun_from > rows.done_by.lag().over(earlier)) | rows.done_by.lag().over(earlier).isnull()
        ),
        line=ibis.dense_rank().over(ibis.window(group_by=shared, order_by="line_no")),
        errors=rows.to_record.nunique().over(ibis.window(group_by=shared)),
    )
    told = (rows.requests == rows.errors) & rows.requests.between(2, MOST_ORDERED)
    told &= (rows.apart & rows.bounded & rows.by_position).all().over(of_error)
    chosen = rows.mutate(ordered=told.fill_null(False))
    return chosen.filter(~chosen.ordered | (chosen.place == chosen.line)).select(*possible.columns, "ordered")


def _claimants(weighed: ibis.Table) -> ir.IntegerValue:
    """How many errors of one logger are left with this same request, though others failed that they may be of.

    A logger tells of an error once: at most one of them is right.
    """
    chosen = (weighed.left == 1) & (weighed.could > 1)
    of_request = ibis.window(group_by=["from_record", *LOGGER])
    return ibis.ifelse(chosen, chosen.cast("int64").sum().over(of_request), 1)


def _lone(weighed: ibis.Table) -> ir.FloatingValue:
    """How far to trust the one candidate that is left."""
    named = weighed.says_key + weighed.says_statement > 0
    fit = weighed.fit.fill_null(1.0)
    doubtful = ~weighed.one_clock | (~named & (fit < FITTING))
    lone = ibis.cases(
        (weighed.denies_key, 0.5),
        (weighed.says_status == 0, 0.7),
        (~named & (weighed.named_path == ""), 0.8),
        (doubtful, 0.9),
        (weighed.among > 1, 0.95),
        (named, 0.99),
        else_=0.97,
    )
    return lone.cast("float64")


def _rule(weighed: ibis.Table) -> ir.StringValue:
    """The evidence that speaks for a candidate, joined by +."""
    parts = (
        ("path+", weighed.named_path != ""),
        ("key+", weighed.says_key == 1),
        ("status+", weighed.says_status == 1),
        ("process+", weighed.says_process == 1),
        ("statement+", weighed.says_statement == 1),
        ("order+", weighed.ordered),
        ("claims+", (weighed.among > 1) & ~weighed.ordered),
    )
    said = ibis.literal("")
    for part, holds in parts:
        said = said + ibis.ifelse(holds, part, "")
    return said + ibis.ifelse(weighed.one_clock, "time", "time across clocks")


def _one(holds: ir.BooleanValue) -> ir.IntegerValue:
    return holds.fill_null(False).cast("int64")
