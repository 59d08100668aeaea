"""Opens the application, then answers one command a line with one answer a line."""

from __future__ import annotations

import base64
import json
import os
import resource
import sys
from collections.abc import Callable
from typing import Any

import django
from django.db import connection, connections

from .database import fetched
from .fixture import Fixture
from .hooks import hook_everything
from .opening import (
    CannotPlay,
    as_sent,
    http_request,
    isolation,
    loaded,
    replace_settings,
    stage,
)
from .places import APPLICATION
from .play import Play
from .player import close_kept

OUTBOX = "django.core.mail.outbox"  # stands among the tables: no row shows that a mail was sent
MEMORY_BYTES = 4 << 30


class Application:
    """The open application: its fixture and its requests."""

    def __init__(self, given: dict[str, Any]) -> None:
        APPLICATION.root = os.path.realpath(given["root"])
        APPLICATION.setup = os.path.realpath(given["setup"])
        os.chdir(APPLICATION.root)
        sys.path[0] = APPLICATION.root  # and not this file's folder
        os.environ["DJANGO_SETTINGS_MODULE"] = given["settings"]
        with stage(f"its settings {given['settings']!r} cannot be loaded, see [app] of case.toml"):
            self.notes = replace_settings(given["database"])
            django.setup()
        from django.core.handlers.wsgi import WSGIHandler
        from django.core.management import call_command

        with stage("its migrations fail"):
            call_command("migrate", interactive=False, run_syncdb=True, verbosity=0)
        with stage("its middleware cannot be loaded"):
            self.handler = WSGIHandler()
        self.make_rows(given["evidence"])
        self.fixture = Fixture()
        self.changed: set[str] = set()
        hook_everything()
        self.level: str | None = None
        self.options = dict(connections.settings["default"]["OPTIONS"])
        for number in range(len(self.requests)):  # fills the caches of a process that has served before
            self.play([self.requests[number]], lambda play: play.in_turn([0]))

    def make_rows(self, evidence: dict[str, Any]) -> None:
        from django.apps import apps
        from django.core.management.color import no_style

        with stage("the rows cannot be made"):
            setup = loaded(APPLICATION.setup)
            rows = setup.rows(evidence)
        with stage("the requests cannot be made"):
            self.requests = [as_sent(each) for each in setup.requests(rows)]
        models = [each for each in apps.get_models(include_auto_created=True) if each._meta.managed]
        for statement in connection.ops.sequence_reset_sql(no_style(), models):
            fetched(statement)

    def play(
        self, requests: list[dict[str, Any]], how: Callable[[Play], None], **given: Any
    ) -> dict[str, Any]:
        from django.core import mail
        from django.core.cache import caches

        self.fixture.restore(self.changed)
        self.changed = set()
        for cache in caches.all():
            cache.clear()
        mail.outbox = []
        self.set_isolation(given.get("isolation"))
        play = Play(self.handler, [http_request(each) for each in requests], given.get("watched") or ())
        how(play)
        run = play.finish(self.fixture)
        if mail.outbox and not play.stuck:
            run["rows"][OUTBOX] = [{"subject": m.subject, "body": m.body, "to": m.to} for m in mail.outbox]
        self.changed = self.fixture.touched(play.steps)
        return run

    def check_fixture(self) -> None:
        """Was what the statements' text told all that had changed? If not, all tables are put back from now on."""
        self.fixture.restore(self.changed)
        if not self.fixture.whole():
            self.fixture.odd = True
            self.fixture.restore(set(self.fixture.tables))
        self.changed = set()

    def set_isolation(self, level: str | None) -> None:
        """For the sessions to come: the application's own level, or this one for all transactions."""
        if level != self.level:
            close_kept()
            self.level = level
        options = dict(self.options)
        if level:
            options.pop("isolation_level", None)
            escaped = level.lower().replace(" ", "\\ ")
            options["options"] = (
                f"{options.get('options', '')} -c default_transaction_isolation={escaped}".strip()
            )
        for alias in connections.settings:
            connections.settings[alias]["OPTIONS"] = options

    def described(self) -> dict[str, Any]:
        requests = [{**each, "body": base64.b64encode(each["body"]).decode()} for each in self.requests]
        tables = {
            name: {key: each[key] for key in ("columns", "key", "odd")}
            for name, each in self.fixture.tables.items()
        }
        catalog = {
            "tables": tables,
            "foreign": self.fixture.foreign,
            "views": self.fixture.views,
            "functions": sorted(self.fixture.functions),
        }
        rows = {name: json.loads(text) for name, text in self.fixture.kept.items() if text != "[]"}
        opened = {"requests": requests, "catalog": catalog, "rows": rows, "notes": self.notes}
        return {**opened, "isolation": isolation()}

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        do = command["do"]
        if do == "alone":
            run = self.play([self.requests[command["request"]]], lambda play: play.in_turn([0]), **command)
            self.check_fixture()
            return run
        if do == "serial":
            return self.play(self.requests, lambda play: play.in_turn(command["order"]), **command)
        return self.play(self.requests, lambda play: play.together(command["choices"]), **command)


def main() -> None:
    """One answer a line for each command a line. The application's own prints go to standard error."""
    commands, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    application = None
    for line in commands:
        command = json.loads(line)
        try:
            if application is None:
                application = Application(command)
                said = application.described()
            else:
                said = application.answer(command)
        except CannotPlay as error:
            said = {"error": str(error)}
        print(json.dumps(said, default=str), file=answers)
    os._exit(0)
