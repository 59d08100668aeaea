"""One handler of the zoo under frontrun 0.7: frontrun python THIS_FILE HANDLER HOW DRIVER SECONDS DATABASE.

Runs in frontrun's own environment: frontrun[sql,process], django, psycopg[binary], psycopg2-binary. HOW: "threads" (its
helper for Django, with the replay of the counter-example) or "processes" (its exploration of external accesses; no
replay). DRIVER: 2 or 3, of psycopg. Settings: with psycopg 3 the check of INSERTs is off and no lock_timeout is set,
since both fail there. The view is called, not the whole stack. DATABASE: the values of DATABASES["default"] as JSON.
Prints JSON.

Source: https://github.com/lucaswiman/frontrun, README of 0.7.0.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SITE = ROOT / "tests/zoo/shop_site"


def boot(database: dict[str, str], driver: int) -> None:
    """Django with the settings of the shop, this database and this psycopg."""
    from django.conf import settings

    if settings.configured:
        return
    if driver == 2:
        sys.modules["psycopg"] = None  # type: ignore[assignment]  # Django then takes psycopg2
    import django

    sys.path[:0] = [str(ROOT), str(SITE)]
    import config.settings

    given = {name: getattr(config.settings, name) for name in dir(config.settings) if name.isupper()}
    given["DATABASES"] = {"default": {**given["DATABASES"]["default"], **database}}
    settings.configure(**given, LOGGING_CONFIG=None)
    django.setup()


class Worker:
    """One of the two requests; as a class it can be sent to a process."""

    def __init__(self, number: int, database: dict[str, str], driver: int) -> None:
        self.number, self.database, self.driver = number, database, driver

    def __call__(self, sent: list[dict[str, Any]]) -> None:
        boot(self.database, self.driver)
        from django.test import RequestFactory
        from django.urls import resolve

        mine = sent[self.number]
        match = resolve(mine["path"])
        match.func(RequestFactory().post(mine["path"], mine["data"]), *match.args, **match.kwargs)


class Safely(Worker):
    """In threads an exception is what the request came to: noted, so that the invariant can see it."""

    def __call__(self, sent: list[dict[str, Any]]) -> None:
        try:
            super().__call__(sent)
        except Exception as error:  # noqa: BLE001 - Django's own handler takes all of them too
            sent[self.number]["error"] = repr(error)


def prepared(name: str, database: dict[str, str], driver: int) -> tuple[Any, Any]:
    """setup() and invariant(), the invariant written by hand for each handler."""
    boot(database, driver)
    import shop.models as shop
    from django.apps import apps
    from django.core.management import call_command
    from django.db import connection

    from tests.zoo import setup as zoo
    from tests.zoo.truth import handlers

    call_command("migrate", run_syncdb=True, verbosity=0)
    handler = next(each for each in handlers() if each.name == name)
    tables = ", ".join(model._meta.db_table for model in apps.get_app_config("shop").get_models())
    holds = {
        "close_with": lambda: shop.Payment.objects.count() == 1,
        "redeem": lambda: shop.Redemption.objects.count() == 1,
        "buy_ticket": lambda: shop.Ticket.objects.count() == 1,
        "write_invoice": lambda: sorted(each.number for each in shop.Invoice.objects.all()) == [1, 2],
    }
    held = next(check for start, check in holds.items() if name.startswith(start))

    def setup() -> list[dict[str, Any]]:
        with connection.cursor() as cursor:
            cursor.execute(f"TRUNCATE {tables} RESTART IDENTITY CASCADE")
        sent = zoo.requests(zoo.rows(handler.evidence))
        return [{"path": each["path"], "data": each["data"], "error": ""} for each in sent]

    return setup, lambda sent: not any(each["error"] for each in sent) and held()


def explored(how: str, driver: int, seconds: float, name: str, database: dict[str, str]) -> Any:
    import frontrun
    from frontrun.contrib.django import django_dpor
    from rival_frontrun_child import Safely as InThread  # importable by name, as dill wants it
    from rival_frontrun_child import Worker as InProcess

    setup, invariant = prepared(name, database, driver)
    given = {"setup": setup, "invariant": invariant, "total_timeout": seconds}
    if how == "threads":
        threads = [InThread(number, database, driver) for number in (0, 1)]
        lock_timeout = 1000 if driver == 2 else None
        return django_dpor(
            threads=threads, lock_timeout=lock_timeout, warn_nondeterministic_sql=driver == 2, **given
        )
    workers = [InProcess(number, database, driver) for number in (0, 1)]
    return frontrun.explore(
        workers=workers, execution="process", reuse_workers=True, preemption_bound=None, **given
    )


def main() -> None:
    name, how, driver, seconds, database = sys.argv[1:6]
    began = time.monotonic()
    result = explored(how, int(driver), float(seconds), name, json.loads(database))
    said = {
        "holds": result.property_holds,
        "explored": result.num_explored,
        "exhausted": result.exhausted,
        "reproduced": result.reproduction_successes,
        "repeats": result.reproduction_attempts,
        "seconds": round(time.monotonic() - began, 1),
        "why": (result.explanation or result.inconclusive_reason or "")[:300],
    }
    print(json.dumps(said), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()
