"""The rows of all tables, kept and put back, and requests that are played on them.

Names in SQL are those of the application's own models, quoted.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any
from urllib.parse import urlencode

from django.apps import apps
from django.conf import settings
from django.core import mail
from django.core.cache.backends import locmem
from django.core.management.color import no_style
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction
from django.http import HttpRequest
from django.test import RequestFactory

from analysis.replay.inlined.outcome import RaceOutcome
from analysis.replay.inlined.player import RacePlay

# --- inlined from here ---

Row = dict[str, Any]
Place = tuple[str, str]
Places = set[Place]


class Race:
    """The rows as they are now, and requests to play on them again and again."""

    def __init__(self, requests: Sequence[Row]) -> None:
        fill_caches([{}, {}])  # the test before may have left something
        self.requests = [logged_in(each) for each in requests]
        tables = connection.introspection.table_names()
        models = apps.get_models(include_auto_created=True)
        real = [each for each in models if not each._meta.proxy]
        self.models = [each for each in real if each._meta.db_table in tables]
        self.metas = {each._meta.db_table: each._meta for each in self.models}
        self.targets = {
            (table, field.column): field.related_model._meta.db_table
            for table, meta in self.metas.items()
            for field in meta.local_concrete_fields
            if field.related_model
        }
        self.copies = {table: f"race_{n}" for n, table in enumerate(self.metas)}
        with connection.cursor() as cursor:
            for table, copy in self.copies.items():
                cursor.execute(f"CREATE TEMP TABLE {copy} AS TABLE {quoted(table)}")
        self.kept = self.read()
        self.cached = [{name: dict(each[name]) for name in each} for each in CACHES]
        every = [(table, row) for table, rows in self.kept.items() for row in rows]
        self.old = {(table, self.key(table, row)) for table, row in every}

    def key_columns(self, table: str) -> list[str]:
        meta = self.metas[table]
        return [each.column for each in getattr(meta, "pk_fields", [meta.pk])]

    def key(self, table: str, row: Row) -> str:
        return ", ".join(str(row[column]) for column in self.key_columns(table))

    def read(self) -> dict[str, list[Row]]:
        """The rows of each table, by their keys."""
        rows = {}
        with connection.cursor() as cursor:
            for table in self.metas:
                keys = ", ".join(map(quoted, self.key_columns(table)))
                source = f"{quoted(table)} AS t ORDER BY {keys}"
                cursor.execute(f"SELECT to_jsonb(t)::text FROM {source}")  # noqa: S608
                rows[table] = [json.loads(text) for (text,) in cursor.fetchall()]
        return rows

    def put_back(self) -> None:
        """Restores rows and sequences; again where a trigger or a cascade meddled."""
        for _ in range(5):
            rows = self.read()
            changed = [each for each in rows if rows[each] != self.kept[each]]
            with transaction.atomic(), connection.cursor() as cursor:
                for table in changed:
                    cursor.execute(f"DELETE FROM {quoted(table)}")  # noqa: S608
                for table in changed:
                    cursor.execute(self.copy_back(table))
                for reset in connection.ops.sequence_reset_sql(no_style(), self.models):
                    cursor.execute(reset)
            if not changed:
                return
        raise AssertionError(f"cannot put back the rows of {', '.join(changed)}")

    def copy_back(self, table: str) -> str:
        fields = self.metas[table].local_concrete_fields
        plain = [each for each in fields if not getattr(each, "generated", False)]
        names = ", ".join(quoted(each.column) for each in plain)
        kept = f"SELECT {names} FROM {self.copies[table]}"  # noqa: S608
        return f"INSERT INTO {quoted(table)} ({names}) OVERRIDING SYSTEM VALUE {kept}"

    def play(self, turns: Iterable[str]) -> RaceOutcome:
        self.put_back()
        mail.outbox.clear()
        fill_caches(self.cached)
        requests = [http_request(each) for each in self.requests]
        return RaceOutcome(self, RacePlay(requests, turns))

    def serial(self) -> list[RaceOutcome]:
        """One after the other: A first, then B first."""
        return [self.play("ABCDEFGH"[number]) for number in range(len(self.requests))]

    def with_one_pause(self) -> Iterator[str]:
        """Each pauses before each of its steps but the first; the other goes first."""
        for play in self.serial():
            first = play.play.started[0]
            steps = [who for who, *_ in play.play.steps if who == first]
            others = [name for name in play.status if name != first]
            for number in range(1, len(steps)):
                yield from (first * number + other for other in others)

    def complaints(self, *orders: Iterable[str]) -> list[str]:
        """What is wrong with what each order comes to; "" where a serial one does."""
        before = self.serial()
        outcomes = [self.play(turns) for turns in orders]
        after = self.serial()
        for each in before + after:
            if each.failed:
                why = "\n".join(map(each.failure, each.failed))
                raise AssertionError(f"one after the other: {each.answered()}\n{why}")
        pairs = zip(before, after)
        left_out = {each for one, two in pairs for each in one.volatile(two)}
        return [each.complaint(before, left_out) for each in outcomes]


CACHES = (locmem._caches, locmem._expire_info)


def fill_caches(kept: list[dict[str, Any]]) -> None:
    for caches, contents in zip(CACHES, kept):
        for name, cache in caches.items():
            cache.clear()
            cache.update(contents.get(name, {}))


def quoted(name: str) -> str:
    return str(connection.ops.quote_name(name))


def logged_in(given: Row) -> Row:
    """A request with the session cookie of its user, if it names one."""
    if given.get("user") is None:
        return given
    from django.test import Client

    client = Client()
    client.force_login(given["user"])
    name = settings.SESSION_COOKIE_NAME
    headers = {"Cookie": f"{name}={client.cookies[name].value}"}
    return {**given, "headers": {**given.get("headers", {}), **headers}}


def http_request(given: Row) -> HttpRequest:
    """The request for the WSGI handler: by HTTPS, without the check of CSRF tokens."""
    body, kind = given.get("body", b""), "application/octet-stream"
    if "json" in given:
        body, kind = (
            json.dumps(given["json"], cls=DjangoJSONEncoder),
            "application/json",
        )
    elif "data" in given:
        body, kind = (
            urlencode(given["data"], doseq=True),
            "application/x-www-form-urlencoded",
        )
    headers = {
        name.upper().replace("-", "_"): value
        for name, value in given.get("headers", {}).items()
    }
    kind = headers.pop("CONTENT_TYPE", kind)
    meta = {f"HTTP_{name}": value for name, value in headers.items()}
    make = RequestFactory().generic
    request = make(given["method"], given["path"], body, kind, secure=True, **meta)
    request._dont_enforce_csrf_checks = True
    return request
