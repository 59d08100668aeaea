"""Parts that several tables of a format file have: names, regexes, conditions."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

CSV_KEYS: Final = {"columns", "optional", "delimiter", "header", "map"}
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


def pointer(key: str) -> str:
    """A JSON pointer to a key of the outermost object; a pointer stays what it is. Source: RFC 6901, section 3."""
    return key if key.startswith("/") else "/" + key.replace("~", "~0").replace("/", "~1")


def known(table: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    unknown = sorted(set(table) - set(keys))
    if unknown:
        raise FormatError(f"{where}unknown key {', '.join(unknown)}; known: {', '.join(sorted(keys))}")


def one_of(value: Any, words: Iterable[str], what: str) -> None:
    if value not in words:
        raise FormatError(f"{what} = {value!r}; wanted one of {', '.join(words)}")


def texts(
    table: Mapping[str, Any],
    where: str,
    one: Iterable[str] = (),
    several: Iterable[str] = (),
    named: Iterable[str] = (),
) -> None:
    """Raises: FormatError where a key of `one` is no text, one of `several` no list of them, of `named` no table."""
    for keys, wanted, fits in (
        (one, "a text in quotes", _is_text),
        (several, "a list of texts", lambda value: isinstance(value, list) and all(map(_is_text, value))),
        (
            named,
            "a table of texts",
            lambda value: isinstance(value, dict) and all(map(_is_text, value.values())),
        ),
    ):
        for key in keys:
            if key in table and not fits(table[key]):
                raise FormatError(f"{where}{key} = {table[key]!r}; wanted {wanted}")


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def table(given: Mapping[str, Any]) -> None:
    """Raises: FormatError where [csv] does not say how a line is cut into columns."""
    known(given, CSV_KEYS, "[csv] ")
    texts(given, "[csv] ", ("delimiter",))
    delimiter, header = given.get("delimiter", ","), given.get("header", False)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise FormatError(f"[csv] delimiter = {delimiter!r}; wanted one character, and no quote or newline")
    if not isinstance(header, bool | str):
        raise FormatError(f"[csv] header = {header!r}; wanted true, or what a line of names begins with")
    if "map" not in given if header else not given.get("columns"):
        raise FormatError("[csv] wants columns = […], or header = true and [csv.map]")


def switches(table: Mapping[str, Any], keys: Iterable[str]) -> None:
    """Raises: FormatError where one of the keys is neither true nor false."""
    for key in keys:
        if not isinstance(table.get(key, False), bool):
            raise FormatError(f"{key} = {table[key]!r}; wanted true or false, without quotes")
