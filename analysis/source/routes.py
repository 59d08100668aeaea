"""One URL pattern: does a path match it, what is left of the path, and what was captured.

A pattern comes from a stranger's code, so Python's own matcher, which can be made to run for years, is not asked:
RE2 (DuckDB's) is, whose time is linear in the path. What RE2 does not have (a look-ahead, a back reference) is said.

Source: https://docs.djangoproject.com/en/5.2/topics/http/urls/#path-converters;
https://github.com/google/re2/wiki/Syntax
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import duckdb

CONVERTERS: Final = {
    "str": "[^/]+",
    "int": "[0-9]+",
    "slug": "[-a-zA-Z0-9_]+",
    "uuid": "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    "path": ".+",
}
PARAMETER: Final = re.compile(r"<(?:(?P<converter>[^>:]+):)?(?P<name>[^>]+)>")
LONGEST: Final = 4_000
"""Characters of a path or of a pattern beyond which nothing is matched."""


class Unreadable(Exception):
    """A pattern that this reader cannot try."""


@dataclass(frozen=True)
class Match:
    """`rest`: the path behind the match; `captured`: by name, or by number where the pattern names nothing."""

    rest: str
    captured: dict[str, str]


def route_regex(route: str, is_end: bool, converters: Mapping[str, str]) -> str:
    """The regular expression of a `path()` route.  Raises: Unreadable for a converter that is not known."""
    parts, at = ["^"], 0
    for parameter in PARAMETER.finditer(route):
        converter = parameter["converter"] or "str"
        regex = converters.get(converter)
        if regex is None:
            raise Unreadable(f"the converter {converter!r} of {route!r} is not in the repository")
        parts += [re.escape(route[at : parameter.start()]), f"(?P<{parameter['name']}>{regex})"]
        at = parameter.end()
    return "".join([*parts, re.escape(route[at:]), r"\Z" if is_end else ""])


def whole(regex: str) -> str:
    """An end that Django asks to match in full: a pattern of `re_path` whose last character is `$`."""
    if not regex.endswith("$") or (regex.startswith("^") and "|" not in regex):
        return regex
    inline = re.match(r"(?:\(\?[a-z]+\))?", regex)
    flags = inline[0] if inline else ""
    return rf"{flags}^(?:{regex.removeprefix(flags)})\Z"


def match(regex: str, path: str) -> Match | None:
    """Tries one pattern as Django does: searched for, not anchored unless it says so.  Raises: Unreadable"""
    if len(path) > LONGEST or len(regex) > LONGEST:
        raise Unreadable(f"longer than {LONGEST} characters")
    if (head := literal_head(regex)) and not path.startswith(head):
        return None
    names = group_names(regex)
    found = search(regex.replace(r"\Z", r"\z"), path, len(names))
    if found is None:
        return None
    before, whole, *groups = found
    named = {name: value for name, value in zip(names, groups, strict=True) if name and value}
    numbered = {str(number): value for number, value in enumerate(groups) if value}
    return Match(path[len(before) + len(whole) :], named if any(names) else numbered)


def search(regex: str, path: str, groups: int) -> list[str] | None:
    """What stands before the match, the match, and each group.  Raises: Unreadable"""
    inline = re.match(r"\(\?([ims]+)\)", regex)
    flags, regex = (inline[1], regex[inline.end() :]) if inline else ("", regex)
    names = [f"g{number}" for number in range(groups + 2)]
    # `^` and the lazy `.*?` put the first match into groups of ours: its place is not told otherwise
    anchored = regex if regex.startswith("^") and "|" not in regex else f"(?:{regex})"
    lead = "()" if anchored.startswith("^") else "(.*?)"
    framed = f"(?s{flags})^{lead}({anchored.removeprefix('^') if lead == '()' else anchored})"
    try:
        row = (
            matcher()
            .execute(
                "SELECT regexp_matches($path, $regex), regexp_extract($path, $regex, $names)",
                {"path": path, "regex": framed, "names": names},
            )
            .fetchone()
        )
    except duckdb.Error as error:
        said = str(error).splitlines()[0]
        raise Unreadable(f"the pattern {regex!r} cannot be tried in linear time ({said})") from error
    return list(row[1].values()) if row and row[0] else None


@cache
def matcher() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(":memory:")


def group_names(regex: str) -> list[str]:
    """The name of each group, "" for one without.  Raises: Unreadable"""
    try:
        compiled = re.compile(regex)
    except (re.error, RecursionError, OverflowError) as error:
        raise Unreadable(f"the pattern {regex!r} is no regular expression: {error}") from error
    names = {number: name for name, number in compiled.groupindex.items()}
    return [names.get(number, "") for number in range(1, compiled.groups + 1)]


def literal_head(regex: str) -> str:
    """The characters with which each path that an anchored pattern matches begins."""
    if "|" in regex or not regex.startswith("^"):
        return ""
    head = re.match(r"\^((?:[\w/-]|\\[^\w\s])*)", regex)
    text = head[1] if head else ""
    if head and regex[head.end() : head.end() + 1] in ("?", "*", "{"):
        text = re.sub(r"(?:[\w/-]|\\.)$", "", text)
    return re.sub(r"\\(.)", r"\1", text)
