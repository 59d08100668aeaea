"""What a run came to: its answers and its final rows, without what no order of steps decides.

Volatile is what differs between two runs of one serial order: stamps, tokens, random keys. It is left out by its
place: "jobs_job.completed_at", "A/body/job/updated_at", and in a text word by word ("…~3"), so that what stands
beside a stamp still counts; that there is a stamp counts, unless that is by chance too ("…?"). Keys that the database
gave to new rows are renamed to what their rows say, in foreign keys, in key-like places ("id", "order_id") and in
answers: a rolled-back INSERT uses up a number of its sequence (PostgreSQL manual, 9.17), which is no difference; which
row a key points to is one.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from analysis.replay.runs import Run

Row = Mapping[str, Any]
Places = frozenset[str]

NAMES: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
LEFT_OUT: Final = "…"
DEPTH: Final = 3  # how far a row's description follows foreign keys to other new rows
DEEPEST: Final = 50  # levels of JSON that are taken apart
UUID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
INSTANT: Final = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?(?:Z|[+-]\d\d:?(?:\d\d)?))?"
)
WORD: Final = re.compile(
    rf"{UUID.pattern}|{INSTANT.pattern}|\d\d:\d\d:\d\d(?:\.\d+)?|\d+\.\d+|\w+|[^\w]+", re.IGNORECASE
)
KEY_LIKE: Final = re.compile(r"(?:^|[./_])(?:id|ids|pk|uuid|guid|\w+(?:_id|_pk|Id))(?:/\d+)?$")


@dataclass(frozen=True)
class Keys:
    """What the database says of its keys, and the rows before each run.

    `primary`  table -> its primary key's columns
    `foreign`  (table, column) -> the table it points to; keys of one column only
    """

    primary: Mapping[str, Sequence[str]] = field(default_factory=dict)
    foreign: Mapping[tuple[str, str], str] = field(default_factory=dict)
    fixture: Mapping[str, Sequence[Row]] = field(default_factory=dict)

    def of(self, table: str, row: Row) -> tuple[Any, ...] | None:
        columns = self.primary.get(table)
        return tuple(row.get(each) for each in columns) if columns else None

    def given_column(self, table: str) -> str | None:
        """The column of a key that the database or a default gives: single, and not itself a foreign key."""
        columns = self.primary.get(table, ())
        return columns[0] if len(columns) == 1 and (table, columns[0]) not in self.foreign else None


def read_keys(catalog: Mapping[str, Any], fixture: Mapping[str, Sequence[Row]]) -> Keys:
    """The keys in the catalog that a worker sent as JSON."""
    return Keys(
        primary={name: tuple(each["key"]) for name, each in catalog["tables"].items()},
        foreign={
            (each["table"], each["columns"][0]): each["parent"]
            for each in catalog["foreign"]
            if len(each["columns"]) == 1
        },
        fixture=fixture,
    )


@dataclass(frozen=True)
class Leaf:
    """One value of an answer; `rows`: what the new rows say whose key it is."""

    value: Any
    rows: tuple[str, ...] = ()
    key_like: bool = False

    def agrees(self, other: "Leaf") -> bool:
        if self.rows and other.rows:
            same = not set(self.rows).isdisjoint(other.rows)
            return same or (not self.key_like and self.value == other.value)
        return bool(self.value == other.value)


@dataclass(frozen=True)
class Outcome:
    """What can be compared of a run. `rows`, `gone`: made or changed, deleted or changed; (table, text), how often."""

    statuses: tuple[int, ...]
    answers: Mapping[str, Leaf]
    rows: Counter[tuple[str, str]]
    gone: Counter[tuple[str, str]]

    def same(self, other: "Outcome") -> bool:
        return (
            self.statuses == other.statuses
            and self.rows == other.rows
            and self.gone == other.gone
            and self.answers.keys() == other.answers.keys()
            and all(leaf.agrees(other.answers[place]) for place, leaf in self.answers.items())
        )


class Reader:
    """Reads runs as outcomes, leaving out volatile places."""

    def __init__(self, keys: Keys, volatile: Places = frozenset()) -> None:
        self.keys, self.volatile = keys, volatile
        self.known = {
            table: {keys.of(table, row) for row in rows}
            for table, rows in keys.fixture.items()
            if table in keys.primary
        }
        self.before = {
            table: Counter((table, self.text(table, row, {})) for row in rows)
            for table, rows in keys.fixture.items()
        }

    def outcome(self, run: Run) -> Outcome:
        new = self.new_rows(run)
        rows: Counter[tuple[str, str]] = Counter()
        gone: Counter[tuple[str, str]] = Counter()
        for table, now in run.rows.items():
            after = Counter((table, self.text(table, row, new)) for row in now)
            before = self.before.get(table, Counter())
            rows += after - before
            gone += before - after
        return Outcome(tuple(each.status for each in run.responses), self.answers(run, new), rows, gone)

    def is_new(self, table: str, row: Row) -> bool:
        key = self.keys.of(table, row)
        return key is not None and key not in self.known.get(table, ())

    def new_rows(self, run: Run) -> dict[str, list[tuple[str, Row]]]:
        """Of each key that a new row was given, as text: the rows, with their tables."""
        new: dict[str, list[tuple[str, Row]]] = {}
        for table, rows in run.rows.items():
            column = self.keys.given_column(table)
            for row in rows if column else ():
                if self.is_new(table, row) and is_given(row[column or ""]):
                    new.setdefault(str(row[column or ""]), []).append((table, row))
        return new

    def text(self, table: str, row: Row, new: Mapping[str, list[tuple[str, Row]]], depth: int = DEPTH) -> str:
        """A row's description: equal for rows that say the same."""
        said: dict[str, Any] = {}
        for column, value in row.items():
            target = self.keys.foreign.get((table, column))
            meant = [each for each in new.get(str(value), ()) if target in (None, each[0])]
            if column == self.keys.given_column(table) and any(each is row for _, each in meant):
                said[column] = "new"
            elif meant and (target or KEY_LIKE.search(column)):
                said[column] = self.rows_meant(meant, new, depth - 1)
            else:
                leaves = dict(_leaves(f"{table}.{column}", value, self.volatile))
                said.update({place.partition(".")[2]: leaf for place, leaf in leaves.items()})
        return json.dumps(said, sort_keys=True, default=str)

    def rows_meant(
        self, meant: Sequence[tuple[str, Row]], new: Mapping[str, list[tuple[str, Row]]], depth: int
    ) -> list[str]:
        if depth < 0:
            return ["new"]
        return sorted(f"{table} {self.text(table, row, new, depth)}" for table, row in meant)

    def answers(self, run: Run, new: Mapping[str, list[tuple[str, Row]]]) -> dict[str, Leaf]:
        """The values of all answers by their places. Rows that say the same are told apart by who is named first."""
        found: dict[str, Leaf] = {}
        named: dict[str, list[str]] = {}
        for name, response in zip(NAMES, run.responses, strict=False):
            for place, value in _leaves(f"{name}/body", _parsed(response.body), self.volatile):
                key = str(value)
                texts = self.rows_meant(new[key], new, DEPTH) if key in new else []
                for text in texts:
                    if key not in named.setdefault(text, []):
                        named[text].append(key)
                rows = tuple(f"{text} {named[text].index(key)}" for text in texts)
                found[place] = Leaf(value, rows, bool(KEY_LIKE.search(place) or UUID.fullmatch(key)))
        return found


def is_given(value: object) -> bool:
    """Whether a key may be one that the database or a default gave: a number or a UUID."""
    if isinstance(value, str):
        return UUID.fullmatch(value) is not None
    return isinstance(value, int) and not isinstance(value, bool)


def volatile_places(keys: Keys, serial: Sequence[Run]) -> Places:
    """The places that differ between runs of one serial order: first of the rows, then of the answers."""
    reader = Reader(keys)
    pairs = [(one, two) for group in by_order(serial).values() for one in group[:1] for two in group[1:]]
    in_rows = {place for one, two in pairs for place in _row_differences(reader, one, two)}
    reader = Reader(keys, frozenset(in_rows))
    in_answers: set[str] = set()
    for one, two in pairs:
        mine, theirs = reader.answers(one, reader.new_rows(one)), reader.answers(two, reader.new_rows(two))
        in_answers.update(_apart(mine, theirs))
    return frozenset(in_rows | in_answers)


def by_order(runs: Sequence[Run]) -> dict[tuple[int, ...], list[Run]]:
    """Serial runs by the order of their requests; in each group, runs that should be equal."""
    found: dict[tuple[int, ...], list[Run]] = {}
    for run in runs:
        found.setdefault(tuple(dict.fromkeys(run.choices)), []).append(run)
    return found


def _row_differences(reader: Reader, one: Run, two: Run) -> Iterator[str]:
    news = reader.new_rows(one), reader.new_rows(two)
    for table in one.rows.keys() & two.rows.keys():
        for rows in zip(_aligned(reader, table, one), _aligned(reader, table, two), strict=False):
            for column in rows[0]:
                values = [row.get(column) for row in rows]
                if all(str(value) in new for value, new in zip(values, news, strict=True)):
                    continue  # keys of new rows: renamed
                mine, theirs = (
                    {place: Leaf(leaf) for place, leaf in _leaves(f"{table}.{column}", value, frozenset())}
                    for value in values
                )
                yield from _apart(mine, theirs)


def _apart(mine: Mapping[str, Leaf], theirs: Mapping[str, Leaf]) -> Iterator[str]:
    """The places that differ; with a "?" where even whether there is a value differs."""
    bases = [{place.partition("~")[0]: None for place in each} for each in (mine, theirs)]
    for place in mine.keys() | theirs.keys():
        base = place.partition("~")[0]
        if place in mine and place in theirs and mine[place].agrees(theirs[place]):
            continue
        empty = [
            base not in known or (base in each and each[base].value is None)
            for known, each in zip(bases, (mine, theirs), strict=True)
        ]
        if any(empty):
            yield f"{base}?"
        else:
            yield place if place in mine and place in theirs else base


def _aligned(reader: Reader, table: str, run: Run) -> list[Row]:
    """Old rows, then new ones by number, or where their keys are random by what they say beside stamps and tokens."""
    column = reader.keys.given_column(table)

    def place(row: Row) -> tuple[bool, int, str]:
        key = row[column] if column else None
        number = key if isinstance(key, int) else 0
        return reader.is_new(table, row), number, "" if number else _masked(row)

    return sorted(run.rows[table], key=place)


def _masked(row: Row) -> str:
    return re.sub(
        rf"{UUID.pattern}|{INSTANT.pattern}|[0-9a-f]{{16,}}",
        "?",
        json.dumps(row, sort_keys=True, default=str),
    )


def _parsed(body: str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body.splitlines()


def _leaves(place: str, value: Any, volatile: Places) -> Iterator[tuple[str, Any]]:
    """The single values in a JSON value, each with its place; a text of several words word by word."""
    if f"{place}?" in volatile:
        return
    if place in volatile:
        yield place, None if value is None else LEFT_OUT
        return
    if isinstance(value, dict | list) and value and place.count("/") < DEEPEST:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, each in items:
            yield from _leaves(f"{place}/{name}", each, volatile)
        return
    words = WORD.findall(value) if isinstance(value, str) else []
    if len(words) < 2:
        yield place, value
        return
    for number, word in enumerate(words):
        if f"{place}~{number}" not in volatile:
            yield f"{place}~{number}", word
