"""What a case wants from k=v pairs and query strings, and what is left of a record's fields, as SQL."""

import json
import re
from collections.abc import Container, Iterable, Mapping
from typing import Final

from analysis.evidence.layout import Steps, literal

PAIRS_CAP: Final = 1 << 16  # of longer pairs the beginning only is told apart


def said(value: str) -> str:
    """`value`, NULL where it is empty or the "-" of access logs."""
    return f"CASE WHEN {value} NOT IN ('', '-') THEN {value} END"


def first_said(values: Iterable[str]) -> str:
    """The first of the values that says something."""
    return f"coalesce({', '.join(said(value) for value in values)})"


def find_wanted(steps: Steps, wanted: Mapping[str, str], in_pairs: bool) -> str | None:
    """Look up what the case wants in k=v pairs, then in the query string; what the format itself names comes last.

    Out: SQL of the pairs that nobody wanted, as JSON members with a comma before each; None without pairs.
    """
    found: dict[str, list[str]] = {name: [] for name in wanted}
    leftover = _find_pairs(steps, wanted, found) if in_pairs else None
    if "path" in steps.values:
        _find_asked(steps, wanted, found)
    for name, values in found.items():
        own = [steps.values[name]] if name in steps.values else []
        if values or own:
            steps.values[name] = first_said([*values, *own])
    return leftover


def _find_asked(steps: Steps, wanted: Mapping[str, str], found: dict[str, list[str]]) -> None:
    """Look for key=value in the query string of the path."""
    path = steps.values["path"]
    for name, key in wanted.items():
        query = literal(rf"^[^?]*\?(?:.*?&)??{re.escape(key)}=([^&]*)")
        steps.add(
            **{
                f"asked_{name}": f"CASE WHEN contains({path}, '?') THEN regexp_extract({path}, {query}, 1, 's') END"
            }
        )
        value = f"_asked_{name}"
        # A value that decodes to bytes that are no UTF-8 is kept as it was sent.
        found[name].append(
            f"CASE WHEN contains({value}, '%') THEN coalesce(TRY(url_decode({value})), {value}) ELSE {value} END"
        )


def _cut_keys(steps: Steps, subject: str, separator: str, wanted: Mapping[str, str], column: str) -> None:
    """Name what follows `key=` in the subject, up to the separator, `_{column}_{name}`; NULL where there is no key.

    By positions: split_part is a macro over string_split, and three times as slow.
    """
    keys = {name: f"{separator}{key}=" for name, key in wanted.items()}
    steps.add(**{f"{column}_at_{name}": f"instr({subject}, {literal(key)})" for name, key in keys.items()})
    steps.add(
        **{
            f"{column}_from_{name}": f"CASE WHEN _{column}_at_{name} > 0 "
            f"THEN substr({subject}, _{column}_at_{name} + {len(key)}) END"
            for name, key in keys.items()
        }
    )
    steps.add(
        **{
            f"{column}_{name}": f"CASE WHEN contains({start}, {literal(separator)}) "
            f"THEN left({start}, instr({start}, {literal(separator)}) - 1) ELSE {start} END"
            for name in keys
            for start in [f"_{column}_from_{name}"]
        }
    )


def _find_pairs(steps: Steps, wanted: Mapping[str, str], found: dict[str, list[str]]) -> str | None:
    """Look for ` key=value` in the format's pairs, or in the message where it has none."""
    pairs, message = steps.values.pop("*", None), steps.values.get("message")
    if pairs is None and message is None:
        return None
    given = [value for value in (pairs, message and f"' ' || {message}") if value]
    steps.add(pairs=f"coalesce({', '.join(given)})")
    _cut_keys(steps, "_pairs", " ", wanted, "raw")
    for name in wanted:
        raw, rest = f"_raw_{name}", f"_raw_from_{name}"
        bare = (
            raw
            if message is None
            else f"CASE WHEN ends_with({raw}, ',') THEN rtrim({raw}, ',') ELSE {raw} END"
        )
        found[name].append(
            f"CASE WHEN starts_with({raw}, chr(34)) THEN regexp_extract({rest}, '^\"([^\"]*)', 1) ELSE {bare} END"
        )
    if pairs is None:
        return None
    beginning = f"left(_pairs, {PAIRS_CAP})"
    lengths = [f"coalesce(length(_raw_{name}) + {len(key) + 2}, 0)" for name, key in wanted.items()]
    named = ", ".join(map(literal, [*wanted.values(), ""]))
    members = (
        rf"""list_transform(list_filter(regexp_extract_all({beginning}, '[^ =]+=(?:"[^"]*"|[^ ]*)'), """
        f"lambda x: NOT list_contains([{named}], left(x, instr(x, '=') - 1))), "
        "lambda x: to_json(left(x, instr(x, '=') - 1)) || ':' || "
        "to_json(trim(substr(x, instr(x, '=') + 1), chr(34))))"
    )
    # Counting characters tells cheaply that every pair was wanted.
    others = f"{pairs} IS NOT NULL AND length(_pairs) > {' + '.join([*lengths, '1'])}"
    return f"CASE WHEN {others} THEN ',' || array_to_string({members}, ',') END"


def other_fields(values: Mapping[str, str], known: Container[str], leftover: str | None) -> str:
    """The JSON of the fields that have no column of their own, and of `leftover`; NULL if there are none."""
    members = [
        f"{literal(',' + json.dumps(name) + ':')} || to_json({said(value)})"
        for name, value in values.items()
        if name not in known
    ]
    if leftover is not None:
        members.append(leftover)
    if not members:
        return "NULL::JSON"
    text = f"concat({', '.join(members)})"
    return f"CASE WHEN length({text}) > 1 THEN CAST('{{' || substr({text}, 2) || '}}' AS JSON) END"
