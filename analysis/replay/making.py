"""Makes a row with a plain value in each column that has no default. Inlined into a generated `setup.py`.

Runs inside the application's interpreter and knows only Django; the same row each time, so that the same case gives
the same bytes. Source: https://docs.djangoproject.com/en/5.2/ref/models/meta/
"""

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

from django.core.management.color import no_style
from django.db import connection
from django.db.models import Model

# --- inlined from here ---

NOON = dt.datetime(2026, 1, 1, 12, tzinfo=dt.UTC)
PLAIN = {
    "BinaryField": b"",
    "BooleanField": False,
    "DateField": NOON.date(),
    "DateTimeField": NOON,
    "DecimalField": Decimal(1),
    "DurationField": dt.timedelta(seconds=1),
    "FloatField": 1.0,
    "GenericIPAddressField": "192.0.2.1",
    "JSONField": {},
    "TimeField": NOON.time(),
}


def make(model: type[Model], **given: Any) -> Any:
    """A saved row: what is given, and a plain value for whatever else the database wants."""
    for field in model._meta.concrete_fields:
        filled = (
            field.has_default() or getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
        )
        if (
            filled
            or field.null
            or not {field.name, field.attname, "pk" * field.primary_key}.isdisjoint(given)
        ):
            continue
        if not (field.primary_key and field.get_internal_type().endswith("AutoField")):
            given[field.name] = plain(field)
    row = model._base_manager.create(**given)
    with connection.cursor() as cursor:  # a row whose number was given must not be in the way of the next one
        for statement in connection.ops.sequence_reset_sql(no_style(), [model]):
            cursor.execute(statement)
    return row


def plain(field: Any) -> Any:
    """A value that a column takes: the row that is there already, the first choice, a text that is its own."""
    if field.is_relation:
        return field.related_model._base_manager.order_by("pk").first() or make(field.related_model)
    kind, number = field.get_internal_type(), field.model._base_manager.count() + 1
    plain = PLAIN | {"UUIDField": uuid.UUID(int=number)}
    if field.flatchoices or kind in plain:
        return field.flatchoices[0][0] if field.flatchoices else plain[kind]
    return number if "Integer" in kind else text(field, f"{field.name}-{number}")


def text(field: Any, word: str) -> str:
    """A text as long as the column allows; an address where it wants one."""
    named = type(field).__name__
    whole = (
        f"{word}@example.org"
        if "Email" in named
        else f"https://example.org/{word}"
        if "URL" in named
        else word
    )
    return whole[: field.max_length]
