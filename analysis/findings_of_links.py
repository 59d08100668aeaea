"""How errors and statements were tied to requests, in words: by id, by which evidence, and what stayed ambiguous."""

from collections.abc import Iterable
from typing import Final

import pandas as pd

from analysis.findings import Finding
from analysis.signals.linking import RELIABLE
from analysis.wording import Row, counted, milliseconds

BY_ID: Final = "request_id"
WORDS: Final = {
    "path": "path",
    "session": "session",
    "key": "key",
    "entity": "entity",
    "user": "user",
    "status": "status",
    "process": "process",
    "statement": "failed statement",
    "order": "order of lines",
    "habit": "what the route usually runs",
    "claims": "what other links leave over",
    "time": "time",
}
"""Evidence by its name in a rule, in the order in which it is told."""

STEPS: Final = (1.0, 0.99, RELIABLE, 0.9, 0.8, 0.5, 0.0)


def told_twice(retold: pd.DataFrame) -> list[Finding]:
    """That two logs tell the same requests, and by which of them those count.

    In:   retold as `questions.retold` gives it
    """
    limits = "Told by method, path, status and the order of stamps within 2 s; what only one log tells counts as well."
    return [
        Finding(
            f"{row['path']} tells {counted(row['requests'], 'request')} that {row['told_by']} tells too; each counts "
            f"once, as {row['told_by']} tells it.",
            (int(row["first_record"]), int(row["first_told_by"])),
            limits,
        )
        for row in retold.to_dict("records")
    ]


def by_what(rules: Iterable[str]) -> str:
    """`request id`, or the evidence of all rules: `path, key and time`."""
    used = {word.removesuffix(" across clocks") for rule in rules for word in rule.split("+")}
    told = ["request id"] if BY_ID in used else []
    told += [text for word, text in WORDS.items() if word in used]
    return " and ".join(part for part in (", ".join(told[:-1]), *told[-1:]) if part)


def reliable(tied: pd.DataFrame, to_table: str) -> pd.DataFrame:
    """The rows of `linking.tied` for one table that may be reasoned from."""
    return tied[(tied["to_table"] == to_table) & (tied["confidence"] >= RELIABLE)]


def how_linked(tied: pd.DataFrame, to_table: str, things: int) -> list[Finding]:
    """How the exceptions, or the statements, were tied to requests; nothing where there are none.

    In:   tied as `linking.tied` gives it; things: how many records there are to be linked
    """
    if not things:
        return []
    sure = reliable(tied, to_table)
    by_id = int(sure.loc[sure["rule"] == BY_ID, "records"].sum())
    inferred = sure[sure["rule"] != BY_ID]
    linked = int(sure["records"].sum())
    unsure = int(tied.loc[tied["to_table"] == to_table, "records"].sum()) - linked
    none = things - linked - unsure
    noun = {"exceptions": "error", "statements": "statement"}[to_table]
    ways = [f"{by_id:,} by request id"] if by_id else []
    if len(inferred):
        ways.append(f"{int(inferred['records'].sum()):,} by {by_what(inferred['rule'])}")
    claim = f"{linked:,} of {counted(things, noun)} {'is' if 1 in (linked, things) else 'are'} linked to a request"
    claim += f": {'; '.join(ways)}" if ways else ""
    left = [
        f"{number:,} {what}" for number, what in ((unsure, "ambiguous"), (none, "linked to none")) if number
    ]
    claim += f". Of the others, {', '.join(left)}." if left else "."
    return [Finding(claim, limits=_limits(inferred, unsure))]


def _limits(inferred: pd.DataFrame, unsure: int) -> str:
    """What links by evidence cannot show."""
    told = []
    if len(inferred):
        told.append(f"Without an id a link is inferred; of confidence {RELIABLE} and more, it counts.")
    if unsure:
        told.append(
            "What is ambiguous has other candidates, or evidence against the only one: it counts nowhere."
        )
    return " ".join(told) or "An id says which request a line is of, not what it did."


def curve(tied: pd.DataFrame) -> pd.DataFrame:
    """How many errors and statements are linked at each confidence or above, for people."""
    rows = []
    for least in STEPS:
        kept = tied[tied["confidence"] >= least].groupby("to_table")["records"].sum()
        rows.append([least, *(int(kept.get(name, 0)) for name in ("exceptions", "statements"))])
    return pd.DataFrame(rows, columns=["confidence from", "errors", "statements"]).drop_duplicates(
        subset=["errors", "statements"]
    )


def ties_fact(tied: pd.DataFrame) -> dict[str, dict[str, int]]:
    """Links for verdict.json: records by how they were linked."""
    found = {}
    for name in ("exceptions", "statements"):
        sure = reliable(tied, name)
        by_id = sure["rule"] == BY_ID
        unsure = tied[(tied["to_table"] == name) & (tied["confidence"] < RELIABLE)]
        parts = {"by_id": sure[by_id], "by_evidence": sure[~by_id], "ambiguous": unsure}
        found[name] = {part: int(rows["records"].sum()) for part, rows in parts.items()}
    return found


def sibling(row: Row) -> Finding:
    """Which request succeeded beside a failed one, and how surely."""
    gap = int(row["gap_us"])
    when = (
        "at the same instant" if gap == 0 else f"{milliseconds(abs(gap))} {'earlier' if gap < 0 else 'later'}"
    )
    sure = float(row["confidence"])
    said = "The sibling that succeeded" if sure >= RELIABLE else "A sibling that may have succeeded"
    claim = f"{said} began {when} (confidence {sure:.2f}, by {SIBLING[str(row['rule'])]}); overlap: {row['overlap']}."
    records = tuple(int(row[name]) for name in ("error_record", "failed_record", "sibling_record"))
    return Finding(claim, records, "Lines: the error, the request that failed, the one that did not.")


SIBLING: Final = {
    "duplicate": "equal keys",
    "route+user+time": "route, user and time",
    "route+client+time": "route, client and time",
    "ambiguous": "route and time, with others as near",
}


def siblings_found(siblings: pd.DataFrame) -> list[Finding]:
    """The surest sibling, if there is one.

    In:   siblings as `linking.siblings` gives them
    """
    order = ["confidence", "error_record", "sibling_record"]
    ranked = siblings.sort_values(order, ascending=[False, True, True])
    return [
        sibling(dict(zip(ranked.columns, row, strict=True))) for row in ranked.head(1).to_numpy().tolist()
    ]
