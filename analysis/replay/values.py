"""Values for a generated `setup.py`, as the Python source that stands for them.

Whatever comes from a log or from the code under suspicion enters as a literal or as a name of that code.
"""

import ast
import re
from collections.abc import Sequence
from typing import Any, Final

from analysis.replay.literals import literal
from analysis.source.models import Model
from analysis.source.takes import Taken, Want

PAIRS: Final = {
    "int": (1, 2),
    "float": (1.0, 2.0),
    "decimal": ("1.00", "2.00"),
    "str": ("A", "B"),
    "list": (["A"], ["B"]),
    "dict": ({"sent": "A"}, {"sent": "B"}),
    "bool": (True, True),
    "date": ("2026-01-01", "2026-01-02"),
    "datetime": ("2026-01-01T12:00:00Z", "2026-01-02T12:00:00Z"),
    "email": ("a@example.org", "b@example.org"),
    "url": ("https://example.org/a", "https://example.org/b"),
    "uuid": ("00000000-0000-0000-0000-00000000000a", "00000000-0000-0000-0000-00000000000b"),
}
NUMBERS: Final = r"amount|quantity|count|number|cents|price|score|seats?$|seconds|size|total|value|(?:^|_)n$"
NAMED: Final = (
    (r"e?mail", "email"),
    (r"url|link|website", "url"),
    (r"(?:date_?time|_at)$", "datetime"),
    (r"(?:^|_)(?:date|day)$", "date"),
    (r"uuid", "uuid"),
    (NUMBERS, "int"),
)
"""What the name of a part of a body tells of its type, where its use tells nothing."""
ENOUGH: Final = 10
"""What a number that must be large enough has more than needed: two requests may each take some of it."""
SOON: Final = "timezone.now() + timedelta(days=1)"
BEFORE: Final = "timezone.now() - timedelta(days=1)"


def pair(taken: Taken, shown: str | None = None) -> tuple[Any, Any]:
    """The values that the two requests send for a part of the body: of its type, different where they may be.

    shown: what the logs show of it
    """
    kind = taken.kind or next(
        (k for pattern, k in NAMED if re.search(pattern, taken.path[-1].lower())), "str"
    )
    one, other = PAIRS.get(kind, PAIRS["str"])
    for want in taken.wants:
        if want.kind == "is":
            one = other = want.value
        elif want.kind == "above" and isinstance(want.value, int | float):
            one, other = want.value + 1, want.value + 2
        elif want.kind == "below" and isinstance(want.value, int | float):
            one, other = want.value - 1, want.value - 2
    if shown is not None and one != other:
        return seen(shown, kind), other if seen(shown, kind) != other else one
    return one, other


def seen(shown: str, kind: str) -> Any:
    """A text of a log as a value of a type; as text where it is none."""
    try:
        return {"int": int, "float": float}.get(kind, str)(shown)
    except ValueError:
        return shown


def number_or_text(text: str) -> str:
    """A key as the log shows it, as source: a number where it is one."""
    return text if re.fullmatch(r"[1-9][0-9]{0,17}|0", text) else literal(text)


def wished(model: Model | None, name: str, wants: Sequence[Want]) -> str | None:
    """The source of a value that meets the conditions on a column; None if it has to be found by hand."""
    kind = column_kind(model, name)
    found: str | None = None
    for want in wants:
        value = value_for(kind, want)
        if value is None or (found is not None and value != found):
            return None
        found = value
    return found


def value_for(kind: str, want: Want) -> str | None:
    """The source of a value of a kind of column that meets one condition."""
    value = want.value
    if want.kind in ("is", "none"):
        return literal(value if want.kind == "is" else None)
    if want.kind == "not" and isinstance(value, bool):
        return literal(not value)
    if want.kind == "not" and value is not None:
        return None
    if "Date" in kind:
        return {"above": SOON, "false": "None"}.get(want.kind, BEFORE)
    if want.kind in ("above", "below"):
        number = value or 0
        return literal(
            number + ENOUGH if want.kind == "above" else min(number - 1, 0) if value is not None else 0
        )
    false, true = {"Boolean": (False, True), "Char": ("", "A")}.get(kind, (0, ENOUGH))
    return literal(false if want.kind == "false" else true)


def column_kind(model: Model | None, name: str) -> str:
    """ "Date", "Boolean", "Char" or "" for a number or what is not known."""
    call = model.fields.get(name) if model else None
    named = ast.unparse(call.func).rsplit(".", 1)[-1] if call is not None else ""
    words = {
        "Date": "Date",
        "Boolean": "Boolean",
        "Char": "Char",
        "Text": "Char",
        "Slug": "Char",
        "Email": "Char",
    }
    return next((kind for word, kind in words.items() if word in named), "")
