"""The rows that each run begins with: made once, kept in a schema of their own, put back before each run."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from . import catalog
from .catalog import literal, quoted, table_name
from .database import fetched

CHANGES = re.compile(r"\b(INSERT|UPDATE|DELETE|MERGE|TRUNCATE|COPY|CALL|DO|CREATE|ALTER|DROP|INTO)\b", re.I)


class Fixture:
    """The rows that each run begins with, kept in a schema of their own.

    What a run may have changed is told by its statements' text, generously; where triggers, rules, partitions or the
    application's own functions make that unsure, all tables count as changed. Names in SQL come from the catalogs.
    """

    def __init__(self) -> None:
        self.tables: dict[str, dict[str, Any]] = {}
        for schema, relation, columns, key, odd in fetched(catalog.TABLES):
            known = {
                "columns": columns or [],
                "key": key or [],
                "odd": odd,
                "quoted": quoted(schema, relation),
            }
            self.tables[table_name(schema, relation)] = {**known, "relation": relation}
        self.foreign = [
            {
                "table": table_name(*row[:2]),
                "parent": table_name(*row[2:4]),
                "deferred": row[4],
                "acts": row[5],
                "columns": row[6],
                "parent_columns": row[7],
            }
            for row in fetched(catalog.FOREIGN)
        ]
        self.views = [table_name(*row) for row in fetched(catalog.VIEWS)]
        self.functions = {row[0] for row in fetched(catalog.FUNCTIONS)}
        self.odd = any(each["odd"] for each in self.tables.values())
        self.sequences = fetched(catalog.SEQUENCES)
        fetched("CREATE SCHEMA race_kept")
        for number, each in enumerate(self.tables.values()):
            each["kept"] = f"race_kept.t{number}"
            fetched(f"CREATE TABLE {each['kept']} AS SELECT * FROM ONLY {each['quoted']}")  # noqa: S608
        self.kept = self.texts(self.tables)
        fetched("SET session_replication_role = replica")  # no triggers when this session puts rows back
        self.restore(set(self.tables))

    def touched(self, steps: list[dict[str, Any]]) -> set[str]:
        """The tables that these steps may have changed."""
        found: set[str] = set()
        for sql in (step["sql"] for step in steps if step["kind"] == "statement"):
            if self.functions & set(re.findall(r"\w+", sql)):
                return set(self.tables)
            if CHANGES.search(sql) or "nextval" in sql or "setval" in sql:
                mentioned = {name for name, each in self.tables.items() if each["relation"] in sql}
                found |= mentioned or set(self.tables)
        return set(self.tables) if found and self.odd else self.reached(found, "parent", "table", only="acts")

    def reached(self, tables: set[str], start: str, end: str, only: str = "") -> set[str]:
        """These tables and, along foreign keys, those that a change to them can change too."""
        reached, size = set(tables), -1
        while len(reached) > size:
            size = len(reached)
            keys = [each for each in self.foreign if each[start] in reached]
            reached |= {each[end] for each in keys if not only or each[only]}
        return reached

    def texts(self, tables: Iterable[str]) -> dict[str, str]:
        """The rows of each table as JSON text, in the order of the primary key."""
        parts = []
        for name in sorted(tables):
            each = self.tables[name]
            order = ", ".join(quoted("row", column) for column in each["key"]) or '"row"::text'
            rows = f"coalesce(json_agg(to_jsonb(\"row\") ORDER BY {order})::text, '[]')"
            parts.append(f'SELECT {literal(name)}, {rows} FROM ONLY {each["quoted"]} AS "row"')  # noqa: S608
        return dict(fetched(" UNION ALL ".join(parts))) if parts else {}

    def rows(self, touched: set[str]) -> dict[str, Any]:
        """The rows of each table that differs from the fixture."""
        return {
            name: json.loads(text) for name, text in self.texts(touched).items() if text != self.kept[name]
        }

    def restore(self, touched: set[str]) -> None:
        """Puts the rows of these tables back as they were, in the same places of the file each time.

        DELETE and VACUUM leave an empty file as TRUNCATE does, so unordered answers keep their order; but they cost a
        tenth, and need not empty the tables that point to this one.
        """
        mine = [self.tables[name] for name in sorted(touched)]
        if mine:
            fetched("; ".join(f"DELETE FROM ONLY {each['quoted']}" for each in mine))  # noqa: S608
            fetched(f"VACUUM (INDEX_CLEANUP ON, TRUNCATE ON) {', '.join(each['quoted'] for each in mine)}")
        owners = {quoted_owner(name) for name in touched}
        parts = [
            f"SELECT setval('{sequence}', {value}, {str(called).lower()})"
            for sequence, value, called, owner in self.sequences
            if owner is None or owner in owners
        ]
        for each in (self.tables[name] for name in sorted(touched) if self.kept[name] != "[]"):
            columns = ", ".join(map(quoted, each["columns"]))
            into = f"INSERT INTO {each['quoted']} ({columns}) OVERRIDING SYSTEM VALUE"
            parts.append(f"{into} SELECT {columns} FROM {each['kept']}")  # noqa: S608
        if parts:
            fetched("; ".join(parts))

    def whole(self) -> bool:
        """Are all rows again what they were?"""
        return self.texts(self.tables) == self.kept


def quoted_owner(table: str) -> str:
    return table if "." in table else f"public.{table}"
