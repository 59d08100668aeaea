"""From an endpoint, as an access log names it, to the view that answers it. Read off the source, nothing is run.

Source: https://docs.djangoproject.com/en/5.2/topics/http/urls/#how-django-processes-a-request
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from analysis.source.handlers import handler
from analysis.source.hits import Place
from analysis.source.modules import Code, Module, is_test
from analysis.source.routes import LONGEST, Match, Unreadable, match
from analysis.source.scopes import Scope
from analysis.source.urlpatterns import Pattern, Patterns

NAMES_SETTINGS: Final = re.compile(r"""DJANGO_SETTINGS_MODULE["'\],\s=]+["']([\w.]+)["']""")
ROOT: Final = re.compile(r"""^\s*ROOT_URLCONF\s*=\s*["']([\w.]+)["']""", re.MULTILINE)
DEEPEST: Final = 12


@dataclass(frozen=True)
class Endpoint:
    """What answers a method and a path.

    `place`, `function`  the view, its name qualified within its module: "JobView.post"; None: `reason` says why
    `route`              the patterns that matched, put together: "api/jobs/<int:job_id>"
    `captured`           the parts of the path that they captured, as text
    `hooks`              further methods that a generic view calls: (place, qualified name)
    `pattern`            the line of the URLconf
    `doubts`             patterns before it that could not be read; one of them may be the one that answers
    """

    place: Place | None
    function: str | None
    route: str | None = None
    captured: dict[str, str] = field(default_factory=dict)
    hooks: tuple[tuple[Place, str], ...] = ()
    pattern: Place | None = None
    doubts: tuple[str, ...] = ()
    reason: str = ""


@dataclass(frozen=True)
class Found:
    """A pattern that matches to the end, with what stood above it."""

    pattern: Pattern
    route: str
    captured: dict[str, str]


def endpoint(code: Code, method: str, path: str, settings: str | None = None) -> Endpoint:
    """The view behind a method and a path.

    In:  settings: dotted name of the settings module; None: the one that manage.py or wsgi.py names, else all
    """
    wanted = plain_path(path)
    if wanted is None:
        return Endpoint(None, None, reason=f"{path[:80]!r} is no path of a request")
    roots = root_urlconfs(code, settings)
    if not roots:
        return Endpoint(None, None, reason="no settings of the repository name a ROOT_URLCONF that it holds")
    patterns = Patterns(code)
    doubts: list[str] = []
    for root in roots:
        for asked, note in ((wanted, ""), (f"{wanted}/", "with the slash that APPEND_SLASH adds")):
            if note and (wanted.endswith("/") or wanted == ""):
                continue
            for found in search(patterns, patterns.of_module(root), asked, doubts):
                return answered(code, found, method, tuple(doubts), note)
    unread = f"; not read: {'; '.join(doubts[:5])}" if doubts else ""
    names = ", ".join(root.path for root in roots)
    return Endpoint(
        None, None, doubts=tuple(doubts), reason=f"no pattern of {names} matches {path[:80]!r}{unread}"
    )


def answered(code: Code, found: Found, method: str, doubts: tuple[str, ...], note: str) -> Endpoint:
    """The pattern that matched, and the function behind it."""
    pattern = found.pattern
    assert pattern.target is not None
    by = handler(code, pattern.target, method.lower(), pattern.actions)
    reasons = "; ".join(reason for reason in (by.reason, note) if reason)
    return Endpoint(
        by.place, by.function, found.route, found.captured, by.hooks, pattern.place, doubts, reasons
    )


def search(
    patterns: Patterns, listed: Sequence[Pattern], path: str, doubts: list[str], steps: int = DEEPEST
) -> Iterator[Found]:
    """The patterns that match, in Django's order: the first one answers."""
    for pattern in listed if steps else ():
        matched = tried(pattern, path, doubts)
        if matched is None:
            continue
        if pattern.target is not None:
            yield Found(pattern, shown(pattern.route), matched.captured)
        elif pattern.includes is not None:
            inside = patterns.included(pattern.includes)
            for rest in rests(matched.rest) if pattern.loose else [matched.rest]:
                for found in search(patterns, inside, rest, doubts, steps - 1):
                    route = shown(pattern.route) + found.route
                    yield Found(found.pattern, route, matched.captured | found.captured)


def rests(path: str) -> list[str]:
    """What may be left of a path where the pattern before it is known in part: it may end at each slash."""
    return [path, *(path[at + 1 :] for at, letter in enumerate(path) if letter == "/")][:DEEPEST]


def tried(pattern: Pattern, path: str, doubts: list[str]) -> Match | None:
    """A pattern tried on a path; one that cannot be is a doubt."""
    reason = pattern.reason
    matched = None
    if pattern.regex is not None:
        try:
            matched = match(pattern.regex, path)
        except Unreadable as error:
            reason = str(error)
        else:
            if matched is None or not pattern.loose:
                return matched
            reason = "a part of its route is computed when the application starts"
    doubt = f"{pattern.place} {pattern.route} ({reason})"
    if doubt not in doubts:
        doubts.append(doubt)
    return matched


def shown(route: str) -> str:
    """A route without the anchors of a regular expression."""
    return re.sub(r"^\^|\\Z$|\$$", "", route).replace("/?", "/")


def plain_path(path: str) -> str | None:
    """The path that Django resolves: decoded, without its first slash, its query, its host; None if it is none."""
    if len(path) > LONGEST:
        return None
    host = re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*://[^/?#]*", path)
    plain = re.split(r"[?#]", path[host.end() :] if host else path, maxsplit=1)[0]
    return unquote(plain).removeprefix("/") if plain.startswith("/") or plain == "" else None


def root_urlconfs(code: Code, settings: str | None = None) -> list[Module]:
    """The modules that ROOT_URLCONF names, those of the named settings first."""
    named = [settings] if settings else list(named_settings(code))
    modules = [module for name in named if isinstance(module := code.absolute(name, ""), Module)]
    if not modules:
        modules = [module for path in setting_paths(code) if (module := code.module(path)) is not None]
    scopes = [Scope(code, module) for module in modules]
    texts = [(g.scope.text(g.node), s.module.path) for s in scopes for g in s.lookup("ROOT_URLCONF")]
    if not texts:  # settings that this Python cannot parse
        texts = [(name, path) for path in setting_paths(code) for name in ROOT.findall(code.text(path) or "")]
    found = [code.absolute(text, path) for text, path in texts if text]
    return list(dict.fromkeys(root for root in found if isinstance(root, Module)))


def named_settings(code: Code) -> Iterator[str]:
    """The settings that manage.py, wsgi.py, asgi.py name, in this order."""
    for name in ("manage.py", "wsgi.py", "asgi.py"):
        for path in sorted(code.paths, key=lambda path: (path.count("/"), path)):
            if path.rsplit("/", 1)[-1] == name:
                yield from NAMES_SETTINGS.findall(code.text(path) or "")


def setting_paths(code: Code) -> list[str]:
    """Modules that set a ROOT_URLCONF, those that only tests use last."""
    found = [path for path in code.paths if ROOT.search(code.text(path) or "")]
    return sorted(found, key=lambda path: (is_test(path), path.count("/"), path))


def listed(code: Code, settings: str | None = None) -> Iterator[Found]:
    """Every pattern below the root, whatever the path: what there is to ask for."""
    patterns = Patterns(code)
    for root in root_urlconfs(code, settings):
        yield from below(patterns, patterns.of_module(root), "", DEEPEST)


def below(patterns: Patterns, given: Sequence[Pattern], above: str, steps: int) -> Iterator[Found]:
    for pattern in given if steps else ():
        route = above + shown(pattern.route)
        if pattern.target is not None or pattern.regex is None:
            yield Found(pattern, route, {})
        elif pattern.includes is not None:
            yield from below(patterns, patterns.included(pattern.includes), route, steps - 1)
