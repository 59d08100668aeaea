"""What is known about the handlers of the zoo: `truth.toml`, and the marked lines of the sources."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.source.hits import Place

HERE = Path(__file__).parent
SETUP = HERE / "setup.py"
MARK = re.compile(r"# ((?:read|test|act)(?:, (?:test|act))?): (\w+)")


@dataclass(frozen=True)
class Handler:
    """One view; `check` and `verdict` are what is wanted of it, `lines` what a hit has to name."""

    name: str
    view: str  # qualified within its module: "OpenCart.post"
    site: Path
    file: str
    check: str  # "" where nothing is to be found in the source
    verdict: str  # "anomaly", "failure", "duplicate effect" or "safe"
    isolation: str
    status: int  # alone
    sqlstate: str | None  # of a 500 that some order gives,
    constraint: str | None
    explains: bool  # or that none can give
    fixes: tuple[str, ...]  # that survive, the best first
    evidence: dict[str, Any]  # what setup.py is given
    lines: dict[str, Place]  # by "read", "test", "act"


def handlers() -> list[Handler]:
    """All handlers, each racy one before its twin."""
    pairs = tomllib.loads((HERE / "truth.toml").read_text())["pair"]
    return [handler for pair in pairs for handler in (_racy(pair), _twin(pair))]


def _racy(pair: dict[str, Any]) -> Handler:
    view = pair["racy"]["view"]
    site = HERE / pair.get("site", "shop_site")
    return Handler(
        name=view,
        view=view,
        site=site,
        file=pair["file"],
        check=pair["check"],
        verdict=pair["verdict"],
        isolation=pair.get("isolation", "READ COMMITTED"),
        status=pair["status"],
        sqlstate=pair.get("sqlstate"),
        constraint=pair.get("constraint"),
        explains=pair.get("explains", True),
        fixes=tuple(pair["fixes"]),
        evidence=_evidence(pair, pair["racy"]["path"]),
        lines=marked(site, pair["racy"].get("mark", view)),
    )


def _twin(pair: dict[str, Any]) -> Handler:
    view = pair["twin"]["view"]
    site = HERE / pair.get("site", "shop_site")
    return Handler(
        name=view,
        view=view,
        site=site,
        file=pair["file"],
        check="",
        verdict="safe",
        isolation="READ COMMITTED",
        status=pair["status"],
        sqlstate=None,
        constraint=None,
        explains=True,
        fixes=(),
        evidence=_evidence(pair, pair["twin"]["path"]),
        lines=marked(site, f"{pair['racy'].get('mark', pair['racy']['view'])}_twin"),
    )


def _evidence(pair: dict[str, Any], path: str | list[str]) -> dict[str, Any]:
    paths = [path] * 2 if isinstance(path, str) else path
    return {
        "rows": pair["rows"],
        "user": pair.get("user"),
        "headers": pair.get("headers", {}),
        "requests": [{"path": p, "data": data} for p, data in zip(paths, pair["data"], strict=True)],
    }


def marked(site: Path, name: str) -> dict[str, Place]:
    """The lines that carry a mark of this name: `# read: name`, `# read, test: name`."""
    return {
        mark: Place(file.relative_to(site).as_posix(), number)
        for file in sorted(site.rglob("*.py"))
        for number, line in enumerate(file.read_text().splitlines(), 1)
        for marks, marked_name in MARK.findall(line)
        if marked_name == name
        for mark in marks.split(", ")
    }
