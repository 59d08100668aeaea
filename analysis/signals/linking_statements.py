"""Which request ran which statements, where no id says so.

A session serves one request at a time, so its statements come in runs: everything between BEGIN and COMMIT, and what
follows without a pause that no request spans. A run belongs to a request whose bounds hold all of it. What a run
names (an entity, a user) and what runs already placed have shown (which shapes a route runs, which process holds a
session) rule candidates out; what is left is counted, not guessed at.
"""

from typing import Final

import ibis
import ibis.expr.types as ir

from analysis.signals.session_runs import runs
from analysis.signals.slots import PLACE, begun_in, reached_from

SEEN: Final = 20
"""Runs already placed from which a shape or a session is known well enough to rule a request out."""

STEADY: Final = 0.98
"""Share of a word's runs that one user must be a candidate of, and of a session's runs that one process ran."""

REPEATED: Final = 3
"""Runs that a word must occur in before it can stand for a user."""

RIVAL: Final = 0.5
"""Share of a word's runs from which a second user makes it stand for nobody."""

FITTING: Final = 0.8
"""Share of a session's runs that must fit a request: less, and it serves something else or its clock is another."""

POOLED: Final = 0.02
"""Share of requests surely run by several sessions from which a session stands for nobody."""

MISTRUST: Final = 0.2
"""What the confidence of a link is multiplied by in a session that fits so badly: chance meetings are many."""

LONGEST: Final = 65_536
"""Characters of a statement that are searched for words."""

ASIDE: Final = r"/\*[^*]*\*+(?:[^/*][^*]*\*+)*/|--[^\n]*|\"[^\"]*\"|`[^`]*`"
BREAKS: Final = r"[^0-9A-Za-z_.@-]+"


def links(requests: ibis.Table, statements: ibis.Table, served: ibis.Table) -> ibis.Table:
    """Links from requests to their statements, as `linking.statements_by_evidence` gives them.

    In:   the promised tables; served: from_record, source_id, one row each, of requests with statements linked by id
    """
    run_of = runs(requests, statements)
    possible = candidates(requests, run_of, served)
    spoken = supported(possible, words(run_of))
    of_run = ibis.window(group_by=["session", "run"])
    usual = habitual(spoken.mutate(among=spoken.count().over(of_run)), run_of)
    left = claimed(usual.mutate(usual=usual.count().over(of_run)))
    weighed = left.mutate(left=left.count().over(of_run)).join(fits(requests, run_of, possible), "session")
    named = weighed.says_entity + weighed.says_user > 0
    doubtful = ~named | ~weighed.one_clock
    lone = ibis.cases((doubtful, 0.9), (weighed.among > 1, 0.95), else_=0.99)
    trust = ibis.ifelse(weighed.fit < FITTING, MISTRUST, 1.0)
    equals = ibis.ifelse(weighed.left > 1, weighed.left, weighed.rivals + 1)
    decided = weighed.select(
        "session",
        "run",
        "from_record",
        rule=ibis.ifelse(equals > 1, "ambiguous", _rule(weighed)),
        confidence=ibis.ifelse(equals > 1, 1.0 / equals.cast("float64"), lone) * trust,
    )
    of_statement = run_of.select("session", "run", to_record="record_id").join(decided, ["session", "run"])
    table = ibis.literal("statements")
    return of_statement.select("from_record", "to_record", "rule", "confidence", to_table=table)


def _rule(weighed: ibis.Table) -> ir.StringValue:
    """The evidence that speaks for a candidate, joined by +."""
    parts = (
        ("entity+", weighed.says_entity == 1),
        ("user+", weighed.says_user == 1),
        ("habit+", weighed.among > weighed.usual),
        ("claims+", weighed.usual > weighed.left),
    )
    said = ibis.literal("session+")
    for part, holds in parts:
        said = said + ibis.ifelse(holds, part, "")
    return said + ibis.ifelse(weighed.one_clock, "time", "time across clocks")


def candidates(requests: ibis.Table, run_of: ibis.Table, served: ibis.Table) -> ibis.Table:
    """The requests whose bounds hold all of a run.

    In:   the table requests; run_of as `runs` gives it; served as for `links`
    Out:  one row a run and request: session, run, from_record, user_id, entity, process, endpoint, one_clock
    """
    whole = run_of.group_by("session", "run").aggregate(
        first_us=run_of.starts_by.min(),
        last_us=run_of.finished_us.max(),
        run_clock=run_of.clock.min(),
        source_id=run_of.source_id.min(),
    )
    asked = requests.select(
        "user_id",
        "entity",
        "process",
        "clock",
        "starts_from",
        "ends_by",
        from_record="record_id",
        endpoint=requests.method.fill_null("") + " " + requests.route.fill_null(""),
    )
    spans = begun_in(asked, "starts_from", "ends_by")
    near = reached_from(whole, "first_us", "first_us")
    met = near.join(spans, [*PLACE, spans.starts_from <= near.first_us, spans.ends_by >= near.last_us])
    met = met.anti_join(served, ["from_record", "source_id"])
    one_clock = (met.clock == met.run_clock).fill_null(False)
    columns = ("session", "run", "from_record", "user_id", "entity", "process", "endpoint")
    return met.select(*columns, one_clock=one_clock)


def fits(requests: ibis.Table, run_of: ibis.Table, possible: ibis.Table) -> ibis.Table:
    """What share of a session's runs, in the time that the requests cover, fits any request.

    Out:  one row a session with such runs: session, fit
    """
    whole = run_of.group_by("session", "run").aggregate(first_us=run_of.starts_by.min())
    covered = whole.filter(
        whole.first_us >= requests.starts_from.min().as_scalar(),
        whole.first_us <= requests.ends_by.max().as_scalar(),
    )
    fitting = possible.select("session", "run").distinct().mutate(fits=1.0)
    met = covered.left_join(fitting, ["session", "run"], rname="of_{name}")
    return met.group_by("session").aggregate(fit=met.fits.fill_null(0.0).mean())


def words(run_of: ibis.Table) -> ibis.Table:
    """What the statements of each run say beside comments and quoted names.

    Out:  one row a run and word: session, run, word
    """
    said = run_of["sql"].left(LONGEST).re_replace(ASIDE, " ") + " " + run_of["params"].fill_null("")
    told = run_of.select("session", "run", word=said.re_split(BREAKS).unnest()).distinct()
    return told.filter(told.word != "")


def names(said: ibis.Table, possible: ibis.Table) -> ibis.Table:
    """The words that stand for one user: a token, the id of a row. Wherever such a word is said, that user is about,
    and often is not where it is not: every word would stand for a user who is always there.

    In:   said as `words` gives it; possible as `candidates` gives it
    Out:  one row a word: word, named_user
    """
    about = possible.filter(possible.user_id.notnull()).select("session", "run", "user_id").distinct()
    often = said.group_by("word").aggregate(of_runs=said.count())
    often = often.filter(often.of_runs >= REPEATED)
    common = about.group_by("user_id").aggregate(of_user=about.count())
    everywhere = common.mutate(
        share=common.of_user / said.select("session", "run").distinct().count().as_scalar()
    )
    about = about.semi_join(everywhere.filter(everywhere.share < RIVAL), "user_id")
    met = said.join(often, "word").join(about, ["session", "run"])
    fits = met.group_by("word", "user_id").aggregate(share=met.count() / met.of_runs.max())
    fits = fits.filter(fits.share >= RIVAL)
    lone = fits.group_by("word").aggregate(
        named_user=fits.user_id.max(), share=fits.share.max(), users=fits.count()
    )
    return lone.filter((lone.users == 1) & (lone.share >= STEADY)).select("word", "named_user")


def supported(possible: ibis.Table, said: ibis.Table) -> ibis.Table:
    """The candidates that a run's words speak for most.

    Out:  rows of `possible` plus says_entity and says_user (int64, 0 or 1); only the best of each run
    """
    entities = possible.select("session", "run", "entity").distinct()
    entities = entities.semi_join(said, ["session", "run", entities.entity == said.word])
    named = said.join(names(said, possible), "word").select("session", "run", user_id="named_user")
    users = possible.select("session", "run", "user_id").distinct()
    users = users.semi_join(said, ["session", "run", users.user_id == said.word]).union(named).distinct()
    found = possible.left_join(
        entities.mutate(says_entity=1), ["session", "run", "entity"], rname="entity_{name}"
    ).left_join(users.mutate(says_user=1), ["session", "run", "user_id"], rname="user_{name}")
    weighed = found.select(
        *possible.columns,
        says_entity=found.says_entity.fill_null(0).cast("int64"),
        says_user=found.says_user.fill_null(0).cast("int64"),
    )
    of_run = ibis.window(group_by=["session", "run"])
    score = weighed.says_entity + weighed.says_user
    return weighed.mutate(lead=score.max().over(of_run) - score).filter(ibis._.lead == 0).drop("lead")


def placed(possible: ibis.Table) -> ibis.Table:
    """The runs that one candidate is left for."""
    counted = possible.mutate(left=possible.count().over(ibis.window(group_by=["session", "run"])))
    return counted.filter(counted.left == 1).drop("left")


def habitual(possible: ibis.Table, run_of: ibis.Table) -> ibis.Table:
    """The candidates that do what was seen before: their route runs these shapes, their process holds the session.

    Learned from the runs that one candidate is left for; what was seen fewer than SEEN times rules nothing out.
    """
    sure = placed(possible)
    shapes = run_of.select("session", "run", "shape").distinct()
    seen = sure.join(shapes, ["session", "run"])
    pairs = seen.select("endpoint", "shape").distinct().mutate(usual=True)
    known_shapes = seen.group_by("shape").aggregate(n=seen.count()).filter(ibis._.n >= SEEN).select("shape")
    known_routes = (
        sure.group_by("endpoint").aggregate(n=sure.count()).filter(ibis._.n >= SEEN).select("endpoint")
    )
    tried = possible.select("session", "run", "endpoint").distinct().join(shapes, ["session", "run"])
    tried = tried.semi_join(known_shapes, "shape").semi_join(known_routes, "endpoint")
    strange = tried.anti_join(pairs, ["endpoint", "shape"]).select("session", "run", "endpoint").distinct()
    kept = possible.anti_join(strange, ["session", "run", "endpoint"])
    held = sure.group_by("session", "process").aggregate(n=sure.count())
    held = held.mutate(share=held.n / held.n.sum().over(ibis.window(group_by="session")))
    holders = held.filter((held.n >= SEEN) & (held.share >= STEADY)).select("session", holder="process")
    owned = kept.left_join(holders, "session", rname="held_{name}")
    return owned.filter(owned.holder.isnull() | (owned.process == owned.holder).fill_null(True)).select(
        *possible.columns
    )


def claimed(possible: ibis.Table) -> ibis.Table:
    """The candidates, a request that one session surely ran taken from the runs of others: it has one session,
    unless requests are seen to have several, as behind a pool that hands out sessions by transaction.

    Out:  rows of `possible` plus rivals (int64): other sessions that nothing but this same request is left for, with
          as much speaking for it; neither is taken from those, a request may use two databases
    """
    worth = possible.mutate(worth=possible.says_entity + possible.says_user)
    sure = placed(worth).group_by("from_record", "session").aggregate(worth=ibis._.worth.max())
    sure = sure.select(of_record="from_record", by_session="session", by_worth="worth")
    open_to = worth.mutate(left=worth.count().over(ibis.window(group_by=["session", "run"])))
    met = open_to.left_join(sure, [open_to.from_record == sure.of_record, open_to.session != sure.by_session])
    as_good = (met.by_worth >= met.worth).fill_null(False).cast("int64")
    counted = met.group_by("session", "run", "from_record", "left").aggregate(
        rivals=as_good.sum().cast("int64"), taken=met.by_session.notnull().any()
    )
    requests = sure.group_by("of_record").aggregate(several=(sure.by_session.nunique() > 1).cast("float64"))
    pooled = (requests.several.mean().fill_null(0.0) > POOLED).as_scalar()
    kept = counted.filter((counted.left == 1) | ~counted.taken | pooled)
    return possible.join(
        kept.select("session", "run", "from_record", "rivals"), ["session", "run", "from_record"]
    )
