"""Blast radius: who was hit, where, and by which cause."""

from collections.abc import Collection, Sequence

import ibis
from ibis import _

from analysis.signals.rates import ENDPOINT, outcomes


def users_hit(
    requests: ibis.Table,
    since_us: int | None = None,
    until_us: int | None = None,
    only: Collection[int] | ibis.Column | None = None,
    by: Sequence[str] = ENDPOINT,
) -> ibis.Table:
    """The users with at least one failed request, the first to be hit first.

    In:   requests
          since_us, until_us  window of starts [since, until); a bound given leaves out requests without a stamp
          only                record_ids whose failures count, as numbers or as a column; None: every failure
          by                  columns told apart beside the user (none: one row a user)
    Out:  user_id, by, failures, requests (in the window), first_us, last_us (starts of the failed ones),
          first_failure (its record_id)

    Failures of unknown users are in `impact_summary` only.
    """
    return (
        _in_window(requests, since_us, until_us, only)
        .filter(_.user_id.notnull())
        .group_by("user_id", *by)
        .aggregate(
            failures=_.count(where=_.counts),
            requests=_.count(),
            first_us=_.started_us.min(where=_.counts),
            last_us=_.started_us.max(where=_.counts),
            first_failure=_.record_id.first(where=_.counts, order_by=[_.started_us, _.record_id]),
        )
        .filter(_.failures > 0)
        .order_by("first_us", "user_id", *by)
    )


def impact_summary(
    requests: ibis.Table,
    since_us: int | None = None,
    until_us: int | None = None,
    only: Collection[int] | ibis.Column | None = None,
    by: Sequence[str] = ENDPOINT,
) -> ibis.Table:
    """How many were hit and how many spared, the endpoint with the most failures first.

    In:   as for `users_hit`; by, none: one row over all endpoints
    Out:  by, requests, failures,
          users, users_hit, users_spared          known users: all, with a failure that counts, and without
          requests_unknown, failures_unknown      those of requests whose user is not known
    """
    window = _in_window(requests, since_us, until_us, only)
    return (
        window.aggregate(
            by=list(by),
            requests=_.count(),
            failures=_.count(where=_.counts),
            users=_.user_id.nunique(),
            users_hit=_.user_id.nunique(where=_.counts),
            requests_unknown=_.count(where=_.user_id.isnull()),
            failures_unknown=_.count(where=_.counts & _.user_id.isnull()),
        )
        .mutate(users_spared=_.users - _.users_hit)
        .relocate("users_spared", after="users_hit")
        .order_by(ibis.desc("failures"), *by)
    )


def causes(exceptions: ibis.Table, links: ibis.Table, requests: ibis.Table, instant_us: int) -> ibis.Table:
    """The failed requests by what made them fail, before and from an instant: which cause is new.

    In:   exceptions, links, requests; instant_us, e.g. an onset
    Out:  one row a cause and endpoint, the one that grew most first:
          fingerprint, type, sqlstate, constraint_name   of the exception that propagated, the last two of its
                                                         whole chain; all NULL: no exception is linked
          method, route
          failures, before, after                        `failures` counts those without a stamp too
          users                                          known users with such a failure
          first_us, last_us, first_failure               starts, and the record_id of the first

    A failure counts under one cause: the exception linked with the highest confidence, then the last one logged.
    """
    failed, cause = outcomes(requests).filter(_.failed), _cause_of_request(exceptions, links)
    return (
        failed.left_join(cause, failed.record_id == cause.from_record)
        .group_by("fingerprint", "type", "sqlstate", "constraint_name", *ENDPOINT)
        .aggregate(
            failures=_.count(),
            before=_.count(where=_.started_us < instant_us),
            after=_.count(where=_.started_us >= instant_us),
            users=_.user_id.nunique(),
            first_us=_.started_us.min(),
            last_us=_.started_us.max(),
            first_failure=_.record_id.first(order_by=[_.started_us, _.record_id]),
        )
        .order_by(ibis.desc(_.after - _.before), "fingerprint", "type", "constraint_name", *ENDPOINT)
    )


def _in_window(
    requests: ibis.Table,
    since_us: int | None,
    until_us: int | None,
    only: Collection[int] | ibis.Column | None,
) -> ibis.Table:
    """The requests started in [since, until), and whether each `counts` as a failure."""
    started = outcomes(requests)
    if since_us is not None:
        started = started.filter(_.started_us >= since_us)
    if until_us is not None:
        started = started.filter(_.started_us < until_us)
    wanted = True if only is None else _.record_id.isin(only)
    return started.mutate(counts=_.failed.fill_null(False) & wanted)


def _cause_of_request(exceptions: ibis.Table, links: ibis.Table) -> ibis.Table:
    """from_record of each linked request, with the exception that explains it best."""
    chains = exceptions.group_by("record_id").aggregate(
        fingerprint=_.fingerprint.max(where=_.is_last),
        type=_.type.max(where=_.is_last),
        sqlstate=_.sqlstate.max(),
        constraint_name=_.constraint_name.max(),
    )
    linked = links.filter(_.to_table == "exceptions").join(chains, links.to_record == chains.record_id)
    best = ibis.window(group_by="from_record", order_by=[ibis.desc("confidence"), ibis.desc("to_record")])
    return (
        linked.mutate(rank=ibis.row_number().over(best))
        .filter(_["rank"] == 0)
        .select("from_record", "fingerprint", "type", "sqlstate", "constraint_name")
    )
