"""The application's settings with the outside world taken out, and its requests as they are sent."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import logging
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import connection, transaction

from .places import APPLICATION, is_application


class CannotPlay(Exception):
    """What the user has to mend; the message says where."""


@contextlib.contextmanager
def stage(what: str) -> Iterator[None]:
    """Whatever the application raises here is told with its last line and the place."""
    try:
        yield
    except CannotPlay:
        raise
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = [each for each in frames if is_application(each.filename) or each.filename == APPLICATION.setup]
        at = f" ({os.path.relpath(own[-1].filename, APPLICATION.root)}:{own[-1].lineno})" if own else ""
        raise CannotPlay(f"{what}: {type(error).__name__}: {error}{at}") from error


def replace_settings(database: dict[str, str]) -> list[str]:
    """The application's settings with the outside world taken out; what was changed that matters, in words."""
    given = settings.DATABASES.get("default", {})
    engine = str(given.get("ENGINE", ""))
    notes = [] if "postg" in engine else [f"the settings name {engine!r}; re-enacted on PostgreSQL"]
    kept = {name: given[name] for name in ("ATOMIC_REQUESTS", "AUTOCOMMIT", "TIME_ZONE") if name in given}
    options = given.get("OPTIONS", {}) if not notes else {}
    options = {
        name: options[name]
        for name in ("isolation_level", "server_side_binding", "options")
        if name in options
    }
    one = {
        "ENGINE": "django.db.backends.postgresql",
        **kept,
        **database,
        "OPTIONS": options,
        "CONN_MAX_AGE": None,
    }
    settings.DATABASES = {alias: one for alias in {"default", *settings.DATABASES}}
    settings.DATABASE_ROUTERS = []
    settings.CACHES = {
        alias: {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": alias}
        for alias in {"default", *settings.CACHES}
    }
    if "cache" in settings.SESSION_ENGINE:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.db"
    settings.LOGGING_CONFIG = (
        None  # Django's own handler for errors would query what the local variables hold
    )
    logging.getLogger().addHandler(logging.NullHandler())
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    settings.DEBUG = settings.DEBUG_PROPAGATE_EXCEPTIONS = settings.SECURE_SSL_REDIRECT = False
    settings.ALLOWED_HOSTS = ["*"]
    settings.CELERY_TASK_ALWAYS_EAGER = settings.task_always_eager = True
    return notes


def isolation() -> str:
    """At which level the application's transactions run, if nothing says otherwise: "read committed"."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SHOW transaction_isolation")
        return str(cursor.fetchone()[0])


def loaded(path: str) -> Any:
    """The module at that path, under a name that no application uses."""
    spec = importlib.util.spec_from_file_location("race_forensics_setup", path)
    if spec is None or spec.loader is None:
        raise CannotPlay(f"{path}: not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    for name in ("rows", "requests"):
        if not callable(getattr(module, name, None)):
            raise CannotPlay(f"{path}: a function `{name}` was wanted, there is none")
    return module


def as_sent(given: dict[str, Any]) -> dict[str, Any]:
    """A request as a `setup.py` describes it -> method, path, body in bytes, headers with its user's session."""
    if missing := [name for name in ("method", "path") if not given.get(name)]:
        raise CannotPlay(f"{APPLICATION.setup}: a request has no {' and no '.join(missing)}")
    headers = dict(given.get("headers") or {})
    body = given.get("body", b"")
    if "json" in given:
        body, kind = json.dumps(given["json"], cls=DjangoJSONEncoder), "application/json"
    elif "data" in given:
        body, kind = urlencode(given["data"], doseq=True), "application/x-www-form-urlencoded"
    else:
        kind = "application/octet-stream"
    headers.setdefault("Content-Type", kind)
    if given.get("user") is not None:
        headers["Cookie"] = "; ".join(
            filter(None, [headers.get("Cookie", ""), session_cookie(given["user"])])
        )
    body = body if isinstance(body, bytes) else str(body).encode()
    return {"method": given["method"], "path": given["path"], "body": body, "headers": headers}


def session_cookie(user: Any) -> str:
    from django.test import Client

    if not {"django.contrib.auth", "django.contrib.sessions"} <= set(settings.INSTALLED_APPS):
        raise CannotPlay(
            "a request names a user, but django.contrib.sessions is not installed: give its headers"
        )
    client = Client()
    client.force_login(user)
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"


def http_request(given: dict[str, Any]) -> Any:
    """A new request for the WSGI handler, without the check of CSRF tokens."""
    from django.test import RequestFactory

    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in given["headers"].items()}
    kind = headers.pop("HTTP_CONTENT_TYPE", "application/octet-stream")
    request = RequestFactory().generic(given["method"], given["path"], given["body"], kind, **headers)
    request._dont_enforce_csrf_checks = True
    return request
