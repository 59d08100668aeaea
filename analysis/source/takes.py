"""What a view takes from a request and wants of its rows, as data: `intake.py` reads it off the source."""

from dataclasses import dataclass, field
from typing import Any, Final

from analysis.source.hits import Place


@dataclass(frozen=True)
class Source:
    """Where a value comes from.

    kind  "const" (`value`), "user", "request", "url" (`path`: its name), "body" and "query" (`path`: the keys that
          lead to it), "header" (`path`: its name, then "0" or "1" for the part before or behind its blank), "row"
          and "rows" (`row`: its number among the wanted), "found" (how many rows a query met), "attr" (`path` of a
          row), "column" (`path`: another column of the row that is looked for), "model" (`value`: its class name),
          "" (unknown); "self", "parts", "validated" on the way
    """

    kind: str = ""
    path: tuple[str, ...] = ()
    row: int | None = None
    value: Any = None


UNKNOWN: Final = Source()


@dataclass(frozen=True)
class Want:
    """One condition on a value: "is", "not", "above", "below", "true", "false", "none", "some"; with a constant."""

    kind: str
    value: Any = None
    place: Place | None = None


@dataclass
class Wanted:
    """A row that the view looks for: by what, and what it must be like for the view to go on.

    required: True it must be there, False it must not, None either will do
    referred: nothing is wanted of it but that another row can refer to it
    """

    model: str
    place: Place
    lookups: dict[str, Source] = field(default_factory=dict)
    wants: dict[str, list[Want]] = field(default_factory=dict)
    required: bool | None = None
    referred: bool = False


@dataclass
class Taken:
    """A part of the body or of the query: `kind` the type that its use tells ("int", "list", …), "" if nothing does."""

    where: str
    path: tuple[str, ...]
    kind: str = ""
    wants: list[Want] = field(default_factory=list)


@dataclass
class Intake:
    """Everything that one view takes and wants.

    staff: a permission of the user is asked for; headers: those that must be there; schemes: words that headers
    begin with ("Token"), by header; gaps: conditions that could not be read, with their places
    """

    taken: dict[tuple[str, tuple[str, ...]], Taken] = field(default_factory=dict)
    rows: list[Wanted] = field(default_factory=list)
    user: bool = False
    staff: bool = False
    is_json: bool = False
    headers: set[str] = field(default_factory=set)
    schemes: dict[str, str] = field(default_factory=dict)
    gaps: list[str] = field(default_factory=list)

    def take(self, source: Source, kind: str = "") -> None:
        """Notes that a part of the body or query is read, and what type its use tells."""
        if source.kind not in ("body", "query") or not source.path:
            return
        key = (source.kind, source.path)
        taken = self.taken.setdefault(key, Taken(source.kind, source.path))
        taken.kind = taken.kind or kind

    @property
    def leaves(self) -> list[Taken]:
        """The parts that hold no other part, in the order of first use."""
        return [
            each
            for each in self.taken.values()
            if not any(o.path[: len(each.path)] == each.path and o is not each for o in self.taken.values()
                       if o.where == each.where)
        ]  # fmt: skip
