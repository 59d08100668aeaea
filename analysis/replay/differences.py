"""What tells two outcomes apart, in lines that a person reads."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from analysis.replay.outcomes import LEFT_OUT, NAMES, Outcome

LONGEST: Final = 120  # characters of a value that are shown
ALIKE: Final = 0.5  # of their columns equal: two versions of one row


def differences(one: Outcome, other: Outcome) -> list[str]:
    """What the first has and the second has not, line by line; [] where nothing tells them apart.

    Of a request whose status differs the answer is not told as well: it says the same in other words.
    """
    statuses = list(zip(NAMES, one.statuses, other.statuses, strict=False))
    lines = [
        f"{name} answers {mine} instead of {theirs}" for name, mine, theirs in statuses if mine != theirs
    ]
    told = {name for name, mine, theirs in statuses if mine != theirs}
    lines += _in_answers(one, other, told)
    rows, others = one.rows - other.rows, other.rows - one.rows
    for table in sorted({name for name, _ in rows | others}):
        lines += _in_rows(table, _of(table, rows), _of(table, others))
    changed = {name for name, _ in rows | others}
    lines += [
        f"{table} has lost {_row(text)}" for table, text in one.gone - other.gone if table not in changed
    ]
    return lines + [
        f"{table} still has {_row(text)}" for table, text in other.gone - one.gone if table not in changed
    ]


def _in_answers(one: Outcome, other: Outcome, told: set[str]) -> Iterator[str]:
    apart = {
        place.partition("~")[0]: None
        for place in (*one.answers, *other.answers)
        if place[0] not in told
        and (
            place not in one.answers
            or place not in other.answers
            or not one.answers[place].agrees(other.answers[place])
        )
    }
    mine, theirs = (
        joined({place: leaf.value for place, leaf in each.answers.items()}) for each in (one, other)
    )
    for place in apart:
        yield f"{place}: {_shown(mine, place)} instead of {_shown(theirs, place)}"


def _in_rows(table: str, mine: list[str], theirs: list[str]) -> Iterator[str]:
    left = [joined(json.loads(each)) for each in theirs]
    for row in (joined(json.loads(each)) for each in mine):
        twin = max(left, key=lambda each: _equal(row, each), default=None)
        if twin is None or _equal(row, twin) < ALIKE * len(row):
            yield f"{table} has a row more: {_listed(row)}"
            continue
        left.remove(twin)
        columns = [column for column in row | twin if row.get(column) != twin.get(column)]
        key = f" {row['id']}" if "id" in row and "id" not in columns else ""
        said = (f"{each} {_shown(row, each)} instead of {_shown(twin, each)}" for each in columns)
        yield f"{table}{key}: {', '.join(said)}"
    for row in left:
        yield f"{table} has a row less: {_listed(row)}"


def joined(leaves: Mapping[str, Any]) -> dict[str, Any]:
    """Values that were taken apart word by word, together again; "…" where a volatile word was left out."""
    found: dict[str, Any] = {}
    words: dict[str, list[tuple[int, str]]] = {}
    for place, value in leaves.items():
        base, _, number = place.partition("~")
        if number:
            words.setdefault(base, []).append((int(number), str(value)))
        else:
            found[base] = value
    return found | {base: "".join(_with_gaps(sorted(each))) for base, each in words.items()}


def _with_gaps(words: Iterable[tuple[int, str]]) -> Iterator[str]:
    expected = 0
    for number, word in words:
        yield word if number == expected else f"…{word}"
        expected = number + 1


def _of(table: str, rows: Counter[tuple[str, str]]) -> list[str]:
    return sorted(text for name, text in rows.elements() if name == table)


def _equal(one: Mapping[str, Any], two: Mapping[str, Any]) -> int:
    return sum(column in two and value == two[column] for column, value in one.items())


def _row(text: str) -> str:
    return _listed(joined(json.loads(text)))


def _listed(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{column} {_shown(row, column)}" for column in row if row[column] != LEFT_OUT)


def _shown(values: Mapping[str, Any], place: str) -> str:
    if place not in values:
        return "nothing"
    text = repr(values[place])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
