"""Parts that several tables of a format file have: names, regexes, conditions."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


class FormatError(ValueError):
    """A format file that says too little, something unknown, or something its own samples contradict."""


def regex(given: str | None) -> str | None:
    """Raises: FormatError where a group has no name, since groups become fields by their names."""
    if given is None:
        return None
    try:
        groups = re.compile(given)
    except re.error as error:
        raise FormatError(f"regex {given!r}: {error}") from error
    names(groups.groupindex)
    if not groups.groups or groups.groups != len(groups.groupindex):
        raise FormatError(f"regex {given!r}: each group must be named (?P<name>…) or not be one (?:…)")
    return given


def must(data: Mapping[str, Any], key: str) -> dict[str, str]:
    """Raises: FormatError for a regex that cannot be read, or a field that the format does not have."""
    given: dict[str, str] = data.get(key, {})
    for name, regex in given.items():
        try:
            re.compile(regex)
        except re.error as error:
            raise FormatError(f"{key}.{name} = {regex!r}: {error}") from error
        if not _has(data, name):
            raise FormatError(f"{key}.{name}: no layout, regex, json or csv of the format names this field")
    return given


def _has(data: Mapping[str, Any], field: str) -> bool:
    """Whether a format's file names a field."""
    texts = [
        str(part.get(key, "")) for part in (data, *data.get("inside", ())) for key in ("layout", "regex")
    ]
    named = re.compile(rf"<[?+]?{re.escape(field)}-?>")
    table = data.get("csv", {})
    return any(map(named.search, texts)) or any(
        field in names for names in (data.get("json", {}), table.get("map", {}), table.get("columns", ()))
    )


def names(given: Iterable[str]) -> None:
    for name in given:
        if not NAME.fullmatch(name):
            raise FormatError(f"field {name!r}: wanted small letters, digits and _")


def several(given: str | list[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def known(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise FormatError(f"{where}unknown key {', '.join(unknown)}; known: {', '.join(sorted(keys))}")


def one_of(value: Any, words: Iterable[str], what: str) -> None:
    if value not in words:
        raise FormatError(f"{what} = {value!r}; wanted one of {', '.join(words)}")


def switches(table: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Raises: FormatError where one of the keys is neither true nor false."""
    for key in keys:
        if not isinstance(table.get(key, False), bool):
            raise FormatError(f"{key} = {table[key]!r}; wanted true or false, without quotes")
