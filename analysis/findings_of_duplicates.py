"""What is told of duplicates: how many, whether they fail more, how the most telling pair lay in time, who lost."""

from typing import Any, Final

import pandas as pd

from analysis.findings import Finding
from analysis.wording import Row, counted, endpoint, milliseconds, said_name, short_type

JUDGED: Final = (
    *("method", "route", "verdict", "overlapping_failed", "overlapping_passed", "single_failed"),
    *("single_passed", "risk_ratio", "p_adjusted"),
)
"""Columns of `correlate.suspects` worth showing."""


def duplicates(pairs: pd.DataFrame, window_us: int, keyed: int) -> Finding:
    """How many duplicates there are, and how many of them overlapped."""
    if not keyed:
        return Finding(
            "Duplicates cannot be told: no log names both the entity and the user of a request.",
            limits="Keys for them can be named under [fields] in case.toml.",
        )
    of = pairs["overlap"].value_counts()
    claim = (
        f"{counted(len(pairs), 'pair')} of duplicates within {milliseconds(window_us)}: "
        f"{of.get('sure', 0):,} surely overlapped, {of.get('possible', 0):,} possibly, {of.get('none', 0):,} did not."
    )
    return Finding(
        claim, limits="A duplicate is not a race: polls, tabs and idempotent writes repeat and harm nobody."
    )


def suspect(row: Row) -> Finding:
    """Whether an endpoint fails more where duplicates overlap."""
    get = {name: int(row[name]) for name in row if name.endswith(("_failed", "_passed"))}
    overlapping = get["overlapping_failed"] + get["overlapping_passed"]
    single = get["single_failed"] + get["single_passed"]
    where = endpoint(row)
    claim = (
        f"{where}: {get['overlapping_failed']:,} of {overlapping:,} requests that overlapped a duplicate failed, "
        f"{get['single_failed']:,} of {single:,} others"
    )
    if row["verdict"] == "suspect":
        ratio, low, high = (float(row[name]) for name in ("risk_ratio", "ratio_low", "ratio_high"))
        claim += f": {ratio:.0f} times as often (95 %: {low:.0f} to {high:.0f})."
    else:
        claim += f": {row['verdict']}."
    limits = f"Fisher's exact test, p = {float(row['p_adjusted']):.1g} after Holm. "
    limits += "Correlation ranks suspects; only a re-enactment convicts."
    return Finding(claim, limits=limits)


def interleaved(pair: Row, window: pd.DataFrame) -> Finding:
    """How the most telling pair of duplicates lay in time."""
    where = endpoint(pair)
    gap = milliseconds(float(pair["gap_us"]))
    about = (
        f"Two requests {where} for {said_name(pair['entity'])} by {said_name(pair['user_id'])}, {gap} apart,"
    )
    said = {
        "sure": "surely overlapped",
        "possible": "may or may not have overlapped: undecided",
        "none": "did not overlap",
    }[str(pair["overlap"])]
    claim = f"{about} {said}."
    opened = window[window["was_open"] == "yes"]
    if len(opened):
        first = opened.iloc[0]
        width = (
            (int(first["closes_from"]) - int(first["opens_by"])) if pd.notna(first["closes_from"]) else None
        )
        claim += f" Both had read {said_name(first['table_name'])} before either wrote it"
        claim += f", for at least {milliseconds(width)}." if width is not None else "."
    records = (int(pair["first_record"]), int(pair["second_record"]))
    limits = "One pair, chosen as the most telling; statements are ordered by the database's own log."
    return Finding(claim, records, limits)


def stamped(pair: Row) -> Finding:
    """Which of two requests was stamped first."""
    order = str(pair["stamped"])
    records = (int(pair["first_record"]), int(pair["second_record"]))
    said = {"before": "The first was stamped first", "after": "The second was stamped first"}.get(order)
    claim = (
        f"{said}: the stamps of one clock are further apart than its step."
        if said
        else "Which was stamped first is undecided."
    )
    return Finding(claim, records, "The order of stamps is not the order of starts, nor of finishes.")


def named_by_error(error: Row) -> Finding:
    """That an error's key names what two requests were about."""
    columns, values = (", ".join(map(said_name, error[column])) for column in ("key_columns", "key_values"))
    claim = (
        f"{short_type(error)} (SQLSTATE {error['sqlstate']}) on {said_name(error['constraint_name'])} names "
        f"({columns}) = ({values}), which both requests were about; {said_orders(error)}."
    )
    records = tuple(int(error[name]) for name in ("record_id", "first_record", "second_record"))
    return Finding(claim, records, "The key links the error to the pair, not to one of the two.")


def said_orders(error: Row) -> str:
    """When the error came, beside the two requests."""
    orders = {name: str(error[f"order_{name}"]) for name in ("first", "second")}
    if set(orders.values()) == {"undecided"}:
        return "whether it came before or after either of them is undecided"
    said = (
        f"whether before or after the {name} is undecided" if order == "undecided" else f"{order} the {name}"
        for name, order in orders.items()
    )
    return f"it came {', '.join(said)}"


def pair_fact(pair: Row) -> dict[str, Any]:
    """A pair for verdict.json."""
    names = ("method", "route", "entity", "user_id", "overlap")
    return {**{name: str(pair[name]) for name in names}, "gap_us": int(pair["gap_us"])}


def error_fact(error: Row) -> dict[str, Any]:
    """An error that names a pair's entity, for verdict.json."""
    names = ("type", "sqlstate", "constraint_name", "order_first", "order_second")
    keys = {name: [str(one) for one in error[name]] for name in ("key_columns", "key_values")}
    return {**{name: str(error[name]) for name in names}, **keys}


def silent(losers: pd.DataFrame) -> list[Finding]:
    """Who was answered 2xx and lost the write all the same; nothing if nobody can have."""
    of = losers["overwritten"].value_counts()
    if not of.get("sure", 0) and not of.get("possible", 0):
        return []
    claim = (
        f"{counted(int(of.get('sure', 0)), 'request')} answered 2xx although their write was surely overwritten by the "
        f"other of the pair; {of.get('possible', 0):,} more may have been."
    )
    sure = losers[losers["overwritten"] == "sure"]
    limits = (
        "Known where the database log shows both requests' statements; the rows themselves would prove it."
    )
    return [Finding(claim, tuple(sure["victim_record"].head(20)), limits)]


def effects(pairs: pd.DataFrame) -> list[Finding]:
    """Serial duplicates that were both taken, if there are any."""
    if pairs.empty:
        return []
    claim = f"{counted(len(pairs), 'serial duplicate')} of a method that is not idempotent were both answered 2xx."
    limits = "Not a race: the cure is an idempotency key, not a lock. A 2xx does not say that the effect was doubled."
    return [Finding(claim, tuple(pairs["second_record"].head(20)), limits)]


def overlap_counts(pairs: pd.DataFrame) -> dict[str, int]:
    """Pairs by overlap, for verdict.json."""
    of = pairs["overlap"].value_counts()
    return {name: int(of.get(name, 0)) for name in ("sure", "possible", "none")}


def deadlocked(found: pd.DataFrame) -> list[Finding]:
    """That sessions deadlocked, and over what; nothing where none did."""
    if found.empty:
        return []
    reports = found["deadlock_record"].nunique()
    claim = f"The database found {counted(reports, 'deadlock')}; each has a victim whose transaction was rolled back."
    limits = "Who waited for whom and with which statement stands in the table; what each held, only its log shows."
    return [Finding(claim, tuple(dict.fromkeys(found["deadlock_record"].tolist())), limits)]
