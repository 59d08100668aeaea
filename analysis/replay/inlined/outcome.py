"""Is what two requests came to one of their serial outcomes?

An outcome is the answers and the final rows. What differs between two equal serial
plays, one before and one after the play in question, is volatile (stamps, random keys)
and is left out. Of a refusal (4xx) its number and words are left out too: a fix may refuse
at another place than the code did. Keys that the database or a default gave to new rows are renamed to
what their rows say, because a rolled-back INSERT uses up a number (PostgreSQL manual,
"Sequence Manipulation Functions").
"""

from __future__ import annotations

import collections
import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.core import mail
from django.db.models import AutoField

from analysis.replay.inlined.player import RacePlay

if TYPE_CHECKING:
    from analysis.replay.inlined.race import Place, Places, Race, Row

# --- inlined from here ---


class RaceOutcome:
    """What a play came to: the values in its answers, and the rows of all tables."""

    def __init__(self, race: Race, play: RacePlay) -> None:
        self.race, self.play, self.rows = race, play, race.read()
        self.status = {name: each.status for name, each in play.requests.items()}
        self.failed = [name for name, code in self.status.items() if not 0 < code < 500]
        self.answers: dict[tuple[str, str], Any] = {}
        for name, each in play.requests.items():
            found = [("status", each.status), *values("body", parsed(each.body))]
            if 400 <= each.status < 500:
                found = [("status", "refused")]
            self.answers.update({(name, place): value for place, value in found})
        sent = collections.Counter(to for each in mail.outbox for to in each.to)
        self.answers.update({("mail to", to): number for to, number in sent.items()})
        self.new = {
            (table, race.key(table, row)): row
            for table, rows in self.rows.items()
            for row in rows
            if (table, race.key(table, row)) not in race.old
        }

    def answered(self) -> str:
        return ", ".join(f"{name} {status}" for name, status in self.status.items())

    def complaint(self, serial: list[RaceOutcome], left_out: Places) -> str:
        """Why this is the outcome of no serial order, and how it came about; or ""."""
        differences = [self.differences(each, left_out) for each in serial]
        if not self.failed and not all(differences):
            return ""
        orders = [f"{each.play.started[0]} first: {each.answered()}" for each in serial]
        answers = f"{self.answered()} ({'; '.join(orders)})"
        failures = [self.failure(each) for each in self.failed]
        why = failures or [f"{line:.300}" for line in min(differences, key=len)]
        heading = "What happened, in this order:"
        story = self.play.story()
        return "\n".join(
            [f"no serial order gives this: {answers}", *why, heading, story]
        )

    def failure(self, name: str) -> str:
        """The exception behind a 5xx, and what PostgreSQL says of it."""
        error = self.play.requests[name].error
        report = getattr(getattr(error, "__cause__", None), "diag", None)
        text = f"{name} answered {self.status[name]}: {type(error).__name__}: {error}"
        fields = [(each, getattr(report, each, None)) for each in DIAGNOSTICS]
        return "\n".join(
            [text, *(f"{each} {value}" for each, value in fields if value)]
        )

    def said(self, table: str, row: Row, left_out: Places, depth: int = 3) -> Row:
        """A row without volatile columns; new rows are known by what they say."""
        said: Row = {}
        for column, value in row.items():
            target = self.race.targets.get((table, column), "")
            other = self.new.get((target, str(value)))
            if other is not None and depth:
                said[column] = self.said(target, other, left_out, depth - 1)
            elif other is not None or self.is_given(table, column, value):
                said[column] = "new"
            elif (table, column) not in left_out:
                said[column] = value
        return said

    def is_given(self, table: str, column: str, value: Any) -> bool:
        """Is this a new row's key that the database or a default gave?"""
        key = self.race.metas[table].pk
        given = isinstance(key, AutoField) or key.has_default()
        return given and column == key.column and (table, str(value)) in self.new

    def names(self, value: str, left_out: Places) -> set[str]:
        """What the new rows say whose key this is."""
        rows = [(table, row) for (table, key), row in self.new.items() if key == value]
        return {text_of(table, self.said(table, row, left_out)) for table, row in rows}

    def agrees(self, other: RaceOutcome, place: Place, left_out: Places) -> bool:
        """The same value, but for the keys of new rows that say the same."""
        mine = KEYS.split(str(self.answers.get(place)))
        theirs = KEYS.split(str(other.answers.get(place)))
        return len(mine) == len(theirs) and all(
            one == two or self.names(one, left_out) & other.names(two, left_out)
            for one, two in zip(mine, theirs)
        )

    def by_age(self, table: str) -> list[Row]:
        """Old rows by key, then new ones by key, random ones by what they say."""
        rows, old = self.rows[table], self.race.old
        new = [row for row in rows if (table, self.race.key(table, row)) not in old]
        if not isinstance(self.race.metas[table].pk, AutoField):
            new.sort(key=lambda row: text_of(table, self.said(table, row, set(), 0)))
        return [row for row in rows if row not in new] + new

    def volatile(self, twin: RaceOutcome) -> Places:
        """What differs between equal plays: columns of tables, places in answers."""
        found: Places = set()
        for table in self.rows:
            for mine, theirs in zip(self.by_age(table), twin.by_age(table)):
                one = self.said(table, mine, set(), 0)
                two = twin.said(table, theirs, set(), 0)
                found |= {(table, each) for each in one if one[each] != two.get(each)}
        places = {*self.answers, *twin.answers}
        return found | {each for each in places if not self.agrees(twin, each, found)}

    def changes(self, left_out: Places) -> collections.Counter[str]:
        """Rows that this play made or changed (+), and what they were before (-)."""
        changes: collections.Counter[str] = collections.Counter()
        for table in self.rows:
            now = self.texts(table, self.rows[table], left_out)
            then = self.texts(table, self.race.kept[table], left_out)
            changes.update(f"+ {each}" for each in (now - then).elements())
            changes.update(f"- {each}" for each in (then - now).elements())
        return changes

    def texts(
        self, table: str, rows: list[Row], left_out: Places
    ) -> collections.Counter[str]:
        said = [self.said(table, row, left_out) for row in rows]
        return collections.Counter(text_of(table, each) for each in said)

    def differences(self, other: RaceOutcome, left_out: Places) -> list[str]:
        """What tells this outcome from another, line by line; [] where nothing does."""
        places = sorted({*self.answers, *other.answers} - left_out)
        apart = [each for each in places if not self.agrees(other, each, left_out)]
        mine, theirs = self.changes(left_out), other.changes(left_out)
        return [
            *(f"{' '.join(each)}: {self.answers.get(each)!r}" for each in apart),
            *(f"rows: {each}" for each in (mine - theirs).elements()),
            *(f"rows: not {each}" for each in (theirs - mine).elements()),
        ]


DIAGNOSTICS = ("sqlstate", "constraint_name")
KEYS = re.compile(r"([0-9a-f]{8}-[0-9a-f-]{27}|\d+)")


def text_of(table: str, row: Row) -> str:
    return f"{table} {json.dumps(row, sort_keys=True)}"


def parsed(body: bytes) -> Any:
    """A JSON body's value; of any other text its lines."""
    text = body.decode("utf-8", "replace")
    try:
        return json.loads(text)
    except ValueError:
        return text.splitlines()


def values(place: str, value: Any) -> Iterator[tuple[str, Any]]:
    """The single values in JSON, each with its place: ("body/jobs/0/id", 17)."""
    named = dict(enumerate(value)) if isinstance(value, list) else value
    if not isinstance(named, dict) or not named:
        yield place, value
        return
    for name, each in named.items():
        yield from values(f"{place}/{name}", each)
