"""Which tables a statement reads, writes and locks: generous, never too little; None where it cannot be known.

Not a parser. A table counts as read when its name occurs, so an alias that is called like a table only makes the
answer more cautious. What changes rows is found by the words that must be there. Views, the application's own
functions, triggers, rules and partitions may touch anything.

Foreign keys: a row that points to another locks it (FOR KEY SHARE), and a row that goes is looked for among those that
point to it; both at once, or with COMMIT where the constraint is deferred, which is what Django makes.
Source: PostgreSQL manual, "Explicit Locking" (13.3.2) and "SET CONSTRAINTS"; src/backend/utils/adt/ri_triggers.c.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from analysis.replay.tokens import Token, tokens_of

Tables = frozenset[str]
NOTHING: Tables = frozenset()
READING = {"select", "values", "table", "with", "insert", "update", "delete", "merge"}
HARMLESS = {"set", "show", "reset", "discard", "listen", "unlisten", "close", "deallocate", "savepoint"}
ADVISORY = "(advisory locks)"  # stands for a table: who takes one and who else takes one depend on each other
SEQUENCES = "(sequences)"  # setval(); nextval() of two requests only changes which number is whose


@dataclass(frozen=True)
class Foreign:
    """A foreign key: rows of `table` point by `columns` to rows of `parent`; `acts`: ON DELETE CASCADE and the like."""

    table: str
    parent: str
    columns: Tables
    parent_columns: Tables
    deferred: bool
    acts: bool


@dataclass(frozen=True)
class Catalog:
    """What the database says of itself, as `worker.py` sends it; "table", or "schema.table" outside of public.

    `odd`: tables with triggers, rules, partitions, children or row security.
    """

    tables: Tables = NOTHING
    odd: Tables = NOTHING
    views: Tables = NOTHING
    functions: Tables = NOTHING
    foreign: tuple[Foreign, ...] = ()


@dataclass(frozen=True)
class Touched:
    """What a statement touches at once, and (`late_…`) what its transaction's COMMIT will touch because of it."""

    reads: Tables | None = NOTHING
    writes: Tables | None = NOTHING
    locks: Tables | None = NOTHING
    late_reads: Tables = NOTHING
    late_locks: Tables = NOTHING


ANYTHING = Touched(None, None, None)


def read_catalog(given: Mapping[str, Any]) -> Catalog:
    """The catalog that a worker sent as JSON."""
    tables = given["tables"]
    return Catalog(
        tables=frozenset(tables),
        odd=frozenset(name for name, each in tables.items() if each["odd"]),
        views=frozenset(given["views"]),
        functions=frozenset(given["functions"]),
        foreign=tuple(
            Foreign(
                each["table"],
                each["parent"],
                frozenset(each["columns"]),
                frozenset(each["parent_columns"]),
                each["deferred"],
                each["acts"],
            )
            for each in given["foreign"]
        ),
    )


def touched(sql: str, catalog: Catalog) -> Touched:
    """What one statement touches: its text before the parameters are put in."""
    tokens = tokens_of(sql)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    words = {each.text for each in tokens if each.kind == "word"}
    first = next((each.text for each in tokens if each.text != "("), "")
    if not tokens or (first in HARMLESS and "constraints" not in words):
        return Touched()
    mentioned = _mentioned(tokens, catalog)
    if mentioned is None or any(each.text == ";" for each in tokens):
        return ANYTHING
    if first == "lock":
        return Touched(writes=mentioned)
    if first not in READING:
        return ANYTHING
    changes = tuple(_changes(tokens, catalog))
    if any(each.tables is None for each in changes) or ("into" in words and not {"insert", "merge"} & words):
        return ANYTHING
    return _with_foreign_keys(
        Touched(
            reads=mentioned,
            writes=_union(each.tables for each in changes) | _beside_tables(tokens),
            locks=mentioned if _locks_rows(tokens) else NOTHING,
        ),
        changes,
        catalog,
    )


def _names(tokens: list[Token]) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Each name with its qualifiers: ("public", "jobs_job"), and where it begins."""
    place = 0
    while place < len(tokens):
        start, parts = place, [tokens[place]]
        while place + 2 < len(tokens) and tokens[place + 1].text == "." and parts[-1].kind != "other":
            place += 2
            parts.append(tokens[place])
        if parts[0].kind != "other":
            yield start, tuple(each.text for each in parts)
        place += 1


def _relations(parts: tuple[str, ...], relations: Tables) -> Tables:
    """What a name may mean: with its schema, or without (the search path is not known: in any schema)."""
    return frozenset(relation for relation in relations if relation.rsplit(".", 1)[-1] in parts)


def _mentioned(tokens: list[Token], catalog: Catalog) -> Tables | None:
    """The tables whose names occur; None where a view, a table with a mind of its own or a function does."""
    names = [parts for _, parts in _names(tokens)]
    called = {one.text for one, two in itertools.pairwise(tokens) if two.text == "(" and one.kind != "other"}
    if called & catalog.functions:
        return None
    found = _union(_relations(parts, catalog.tables) for parts in names)
    views = _union(_relations(parts, catalog.views) for parts in names)
    return None if views or found & catalog.odd else found


@dataclass(frozen=True)
class _Change:
    verb: str  # "insert", "update", "delete"
    tables: Tables | None  # None: which one is not clear
    columns: Tables | None = None  # those that an UPDATE sets; None: perhaps all


def _changes(tokens: list[Token], catalog: Catalog) -> Iterator[_Change]:
    names = dict(_names(tokens))
    for place, token in enumerate(tokens):
        before = tokens[place - 1].text if place else ""
        after = tokens[place + 1].text if place + 1 < len(tokens) else ""
        if token.kind != "word" or (token.text, before) in {("update", "for"), ("update", "key")}:
            continue
        if (token.text, before) == ("update", "do"):  # ON CONFLICT DO UPDATE: of the table it inserts into
            yield from (_Change("update", each.tables) for each in _changes(tokens[:place], catalog))
        elif (token.text, after) in {("insert", "into"), ("delete", "from"), ("merge", "into")}:
            verb = "update" if token.text == "merge" else token.text
            yield _Change(verb, _target(tokens, place + 2, names, catalog))
        elif token.text == "update" and before != "then":
            yield _Change("update", _target(tokens, place + 1, names, catalog), _columns_set(tokens, place))


def _target(
    tokens: list[Token], place: int, names: Mapping[int, tuple[str, ...]], catalog: Catalog
) -> Tables | None:
    if place < len(tokens) and tokens[place].text == "only":
        place += 1
    return _relations(names.get(place, ()) or ("",), catalog.tables) or None


def _columns_set(tokens: list[Token], place: int) -> Tables | None:
    """The columns between SET and what follows the list: `"status" = %s, "done_at" = now()`."""
    found, depth, expected = set(), 0, False
    for token, after in zip(tokens[place:], [*tokens[place + 1 :], Token("other", "")], strict=True):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.kind == "word" and token.text in ("where", "from", "returning"):
            break
        if expected:
            if after.text != "=" or token.kind == "other":
                return None  # (a, b) = (…), an array's element, a field
            found.add(token.text)
        expected = depth == 0 and (token.text == "," or (token.kind == "word" and token.text == "set"))
    return frozenset(found) or None


def _locks_rows(tokens: list[Token]) -> bool:
    """SELECT … FOR UPDATE, FOR NO KEY UPDATE, FOR SHARE, FOR KEY SHARE."""
    pairs = itertools.pairwise(tokens)
    return any(one.text == "for" and two.text in ("update", "no", "share", "key") for one, two in pairs)


def _beside_tables(tokens: list[Token]) -> Tables:
    words = [each.text for each in tokens if each.kind != "other"]
    advisory = {ADVISORY} if any("advisory" in each for each in words) else set()
    return frozenset(advisory | ({SEQUENCES} if "setval" in words else set()))


def _with_foreign_keys(found: Touched, changes: Iterable[_Change], catalog: Catalog) -> Touched:
    now_reads: set[str] = set()
    now_locks: set[str] = set()
    late_reads: set[str] = set()
    late_locks: set[str] = set()
    for change in changes:
        for key in catalog.foreign:
            pointing = key.table in (change.tables or ()) and change.verb != "delete"
            pointed_at = key.parent in (change.tables or ()) and change.verb != "insert"
            if change.verb == "update" and change.columns is not None:
                pointing = pointing and bool(change.columns & key.columns)
                pointed_at = pointed_at and bool(change.columns & key.parent_columns)
            if pointed_at and key.acts:
                return ANYTHING
            if pointing:
                (late_locks if key.deferred else now_locks).add(key.parent)
            if pointed_at:
                (late_reads if key.deferred else now_reads).add(key.table)
    return Touched(
        _union([found.reads or NOTHING, frozenset(now_reads)]),
        found.writes,
        _union([found.locks or NOTHING, frozenset(now_locks)]),
        frozenset(late_reads),
        frozenset(late_locks),
    )


def _union(sets: Iterable[Tables | None]) -> Tables:
    return frozenset(name for each in sets for name in each or ())


def annotate(steps: Iterable[dict[str, Any]], read: Callable[[str], Touched]) -> None:
    """Puts `reads`, `writes` and `locks` on a worker's steps.

    COMMIT and ROLLBACK have those of their transaction: they publish or take back its writes and free its locks;
    a COMMIT also has what deferred constraints look at then.
    """
    open_now: dict[int, Touched] = {}
    for step in steps:
        before = open_now.get(step["worker"], Touched())
        if step["kind"] == "statement":
            now = read(step["sql"])
            if step["autocommit"]:
                now = _late_at_once(now)
            else:
                open_now[step["worker"]] = _together(before, now)
        elif step["kind"] in ("commit", "rollback", "rollback_to"):
            ended = replace(before, reads=NOTHING)
            now = _late_at_once(ended) if step["kind"] == "commit" else ended
            if step["kind"] != "rollback_to":
                open_now.pop(step["worker"], None)
        else:
            now = Touched()
        for name in ("reads", "writes", "locks"):
            step[name] = getattr(now, name)


def _late_at_once(now: Touched) -> Touched:
    return replace(now, reads=_both(now.reads, now.late_reads), locks=_both(now.locks, now.late_locks))


def _together(one: Touched, two: Touched) -> Touched:
    return Touched(
        _both(one.reads, two.reads),
        _both(one.writes, two.writes),
        _both(one.locks, two.locks),
        one.late_reads | two.late_reads,
        one.late_locks | two.late_locks,
    )


def _both(one: Tables | None, two: Tables | None) -> Tables | None:
    return None if one is None or two is None else one | two
