"""Python source for values and text that came from elsewhere: nothing in them can leave its literal.

Laid out as `ruff format` (and black) would with 88 columns.
Source: Python language reference, "String and Bytes literals"; black's code style, "The magic trailing comma".
"""

import keyword
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from analysis.safe_text import safe

WIDTH: Final = 88


def literal(value: Any, before: int = 0, after: int = 1, indent: int = 0) -> str:
    """The value as a literal: None, bool, int, float, str, bytes, dict, list, tuple; anything else as its text.

    `before` and `after` are the columns that its line needs besides, `indent` where its line begins.
    """
    line = _on_one_line(value)
    if before + len(line) + after <= WIDTH or not isinstance(value, Mapping | list | tuple) or not value:
        return line
    inner, pad = indent + 4, " " * (indent + 4)
    if isinstance(value, Mapping):
        keys = [(f"{_on_one_line(key)}: ", each) for key, each in value.items()]
    else:
        keys = [("", each) for each in value]
    rows = [f"{pad}{key}{literal(each, inner + len(key), 1, inner)}," for key, each in keys]
    opening, closing = _brackets(value)
    return "\n".join([opening, *rows, " " * indent + closing])


def _on_one_line(value: Any) -> str:
    if isinstance(value, Mapping):
        return (
            "{" + ", ".join(f"{_on_one_line(key)}: {_on_one_line(each)}" for key, each in value.items()) + "}"
        )
    if isinstance(value, list | tuple):
        opening, closing = _brackets(value)
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        return opening + ", ".join(map(_on_one_line, value)) + comma + closing
    if value is None or isinstance(value, bool | int | float):
        return repr(value) if math.isfinite(value or 0) else f'float("{value}")'
    return _in_double_quotes(repr(value if isinstance(value, bytes | str) else str(value)))


def _brackets(value: Any) -> tuple[str, str]:
    return ("{", "}") if isinstance(value, Mapping) else ("[", "]") if isinstance(value, list) else ("(", ")")


def _in_double_quotes(text: str) -> str:
    """A repr in the quotes that formatters prefer: double ones, unless these need more escapes."""
    if text.endswith('"') or text.count('"') > text.count("'") - 2:
        return text
    start = text.index("'")
    inner = re.sub(r"\\.|\"", _with_other_escape, text[start + 1 : -1])
    return f'{text[:start]}"{inner}"'


def _with_other_escape(match: re.Match[str]) -> str:
    return {"\\'": "'", '"': '\\"'}.get(match[0], match[0])


def in_docstring(text: str) -> str:
    """Text that stays inside a triple-quoted string whatever it holds; secrets masked, controls as escapes."""
    return safe(text).replace("\\", "\\\\").replace('"""', '\\"\\"\\"')


def identifier(name: str) -> str:
    """A lower-case identifier for a name that may hold anything: "complete_job" of "jobs.views.complete_job"."""
    last = re.sub(r"[^0-9A-Za-z]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.rpartition(".")[2]))
    word = last.strip("_").lower()[:60] or "view"
    return f"view_{word}" if word[0].isdigit() or keyword.iskeyword(word) else word
