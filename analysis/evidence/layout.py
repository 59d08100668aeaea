"""A layout, `<logged_at> <level> <message>`: parsed, and compiled to DuckDB string functions.

A field reaches up to the first occurrence of the literal behind it, the last one to the end. `<_>` skips, `<?name>`
is for a second look only, `<+name>` joins the field of that name, `<*fields>` at the end takes the rest as k=v pairs.
`<name->` is padded to a width: the blanks before and behind the value do not count.

String functions and not one regex: RE2 is five times slower past four groups. Source: Grafana Loki, "pattern"
parser; Elastic Logstash, dissect filter plugin, "field types" and "right padding modifier (->)".
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

FIELD = re.compile(r"<([?+*]?)(_|[a-z][a-z0-9_]*)(-?)>")
NUMBERS = frozenset({"status", "duration_s", "duration_ms", "duration_us", "duration_ns"})
AT_ONCE = 4
RUN = 3  # from so many equal separators on, one string_split is cheaper than finding each


class LayoutError(ValueError):
    """A layout that cannot be compiled."""


@dataclass(frozen=True)
class Field:
    """One field of a layout and the literals around it; `until` is empty at the end of the line."""

    name: str
    mark: str  # "" | "?" | "+" | "*"
    after: str
    until: str
    padded: bool = False


@dataclass(frozen=True)
class Layout:
    """A parsed layout: the literal it starts with, then its fields."""

    start: str
    fields: tuple[Field, ...]

    def __str__(self) -> str:
        named = (f"<{each.mark}{each.name}{'-' * each.padded}>{each.until}" for each in self.fields)
        return self.start + "".join(named)


@dataclass(frozen=True)
class Cells:
    """A text already split: its pieces are those of the list `column` behind the first `skip`."""

    column: str
    skip: int
    separator: str


@dataclass
class Steps:
    """Columns to compute, step after step: a later step may use what an earlier one named.

    values: field -> SQL expression over those columns; the pairs of a `<*tail>`, a blank before them, as "*".
    fits: conditions that hold where the values mean something. cells: of fields that were split on the way.
    """

    prefix: str
    levels: list[dict[str, str]] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)
    fits: list[str] = field(default_factory=list)
    cells: dict[str, Cells] = field(default_factory=dict)

    def add(self, **columns: str) -> None:
        """Name columns that the steps after this one may use; the prefix goes before each name."""
        self.levels.append({f"{self.prefix}{name}": expression for name, expression in columns.items()})


def literal(text: str) -> str:
    """`text` as an SQL string literal.

    Raises: LayoutError for NUL, which no log line holds after it was read.
    """
    if "\0" in text:
        raise LayoutError(f"{text!r} holds a NUL")
    return "'" + text.replace("'", "''") + "'"


def one_of(value: str, words: Iterable[str]) -> str:
    """Whether `value` is one of the words, the likely ones first.

    Few at a time: a longer IN, and list_contains too, becomes a join, which costs more than it finds.
    """
    given = [literal(word) for word in words]
    tests = [
        f"WHEN {value} IN ({', '.join(given[i : i + AT_ONCE])}) THEN true"
        for i in range(0, len(given), AT_ONCE)
    ]
    return f"CASE {' '.join(tests)} ELSE false END"


def read_layout(text: str) -> Layout:
    """Parse a layout.

    Raises: LayoutError where two fields touch, a name comes twice, or `<*fields>` is not last.
    """
    parts = FIELD.split(text)
    start, marks, names, padded, untils = (
        parts[0],
        parts[1::4],
        parts[2::4],
        map(bool, parts[3::4]),
        parts[4::4],
    )
    fields = tuple(map(Field, names, marks, [start, *untils], untils, padded))
    if not fields:
        raise LayoutError(f"layout {text!r} has no <field>")
    named = [each.name for each in fields if each.mark != "+" and each.name != "_"]
    for each in fields[:-1]:
        if not each.until:
            raise LayoutError(f"nothing separates <{each.name}> from the next field in {text!r}")
        if each.mark == "*":
            raise LayoutError(f"<*{each.name}> must be the last field of {text!r}")
    for name in named:
        if named.count(name) > 1:
            raise LayoutError(f"<{name}> comes twice in {text!r}; write <+{name}> to join")
    for each in fields:
        if each.padded and each.mark in ("+", "*"):
            raise LayoutError(f"<{each.mark}{each.name}-> in {text!r}: only a value of its own can be padded")
        if each.mark == "+" and each.name not in named:
            raise LayoutError(f"<+{each.name}> joins nothing in {text!r}")
    return Layout(start, fields)


def cut(layout: Layout, subject: str, prefix: str, known: Cells | None = None) -> Steps:
    """SQL steps that cut `subject` by `layout`; known: the pieces of `subject`, where it was split before."""
    steps, rest, taken = Steps(prefix), subject, 0
    if layout.start:
        starts = f"starts_with({subject}, {literal(layout.start)})"
        steps.fits.append(starts)
        steps.add(start=f"CASE WHEN {starts} THEN substr({subject}, {len(layout.start) + 1}) END")
        rest, known = f"{prefix}start", None
    while taken < len(layout.fields):
        fields = layout.fields[taken:]
        separator = known.separator if known else fields[0].until
        count = _run(fields, separator)
        if fields[0].padded:
            known = None
        if count >= (1 if known else RUN):
            rest = _split(steps, fields[: count + 1], rest, known or Cells("", 0, separator))
        else:
            count = 1
            rest = _find(steps, fields, rest, taken)
        known = None
        taken += count
    return steps


def _run(fields: Sequence[Field], separator: str) -> int:
    """How many leading fields a split at `separator` yields.

    A number may end in a unit before it: no number has the separator inside, so its piece is the number and unit.
    """
    count = 0
    for now in fields[:-1]:
        if now.padded:
            break
        if now.until != separator and not (now.name in NUMBERS and now.until.endswith(separator)):
            break
        count += 1
    return count if separator else 0


def _keep(steps: Steps, each: Field, expression: str) -> None:
    if each.mark == "+":
        steps.values[each.name] += f" || {literal(each.after)} || {expression}"
    elif each.name != "_":
        steps.values["*" if each.mark == "*" else each.name] = expression


def _split(steps: Steps, fields: Sequence[Field], rest: str, known: Cells) -> str:
    """Cut all fields but the last at one separator; returns the name of what the last begins with."""
    *run, last = fields
    cells, skip, size = known.column, known.skip, len(known.separator)
    number = len(steps.levels)
    if not cells:
        cells = f"{steps.prefix}cells{number}"
        steps.add(**{f"cells{number}": f"string_split({rest}, {literal(known.separator)})"})
    pairs = last.mark == "*"
    steps.fits.append(f"len({cells}) {'>=' if pairs else '>'} {skip + len(run)}")
    steps.add(**{f"cut{number}_{i}": f"{cells}[{skip + i + 1}]" for i in range(len(run))})
    pieces = [f"{steps.prefix}cut{number}_{i}" for i in range(len(run))]
    start = f"{' + '.join(f'length({piece})' for piece in pieces)} + {len(run) * size + 1}"
    steps.add(**{f"behind{number}": _pairs(f"substr({rest}, {{}})", start, known.separator, pairs)})
    for each, piece in zip(run, pieces, strict=True):
        unit = each.until.removesuffix(known.separator)
        if unit:
            steps.fits.append(f"ends_with({piece}, {literal(unit)})")
        _keep(steps, each, f"left({piece}, length({piece}) - {len(unit)})" if unit else piece)
    if not last.until and not pairs and not last.padded:
        steps.cells[last.name] = Cells(cells, skip + len(run), known.separator)
    return f"{steps.prefix}behind{number}"


def _pairs(cut_at: str, start: str, separator: str, pairs: bool) -> str:
    """What lies behind a separator; before pairs stands a blank, the separator's own if it has one."""
    if pairs and separator.endswith(" "):
        return cut_at.format(f"{start} - 1")
    return ("' ' || " if pairs else "") + cut_at.format(start)


def _find(steps: Steps, fields: Sequence[Field], rest: str, number: int) -> str:
    """Cut the first of `fields` at its separator; returns the name of what is left."""
    each, prefix = fields[0], steps.prefix
    if each.padded:
        steps.add(**{f"padded{number}": f"trim({rest})" if not each.until else f"ltrim({rest})"})
        rest = f"{prefix}padded{number}"
    if not each.until:
        _keep(steps, each, rest)
        return rest
    place, size = f"{prefix}at{number}", len(each.until)
    steps.add(**{f"at{number}": f"instr({rest}, {literal(each.until)})"})
    if len(fields) == 1:
        steps.fits.append(f"{place} > 0 AND {place} = length({rest}) - {size - 1}")
        value = f"left({rest}, {place} - 1)"
        _keep(steps, each, f"rtrim({value})" if each.padded else value)
        return rest
    value = f"left({rest}, {place} - 1)"
    pairs = fields[1].mark == "*"
    left_over = _pairs(f"substr({rest}, {{}})", f"{place} + {size}", each.until, pairs)
    if pairs:  # none is fine: then the field reaches to the end
        value = f"CASE WHEN {place} > 0 THEN {value} ELSE {rest} END"
        left_over = f"CASE WHEN {place} > 0 THEN {left_over} ELSE '' END"
    else:
        steps.fits.append(f"{place} > 0")
    if each.padded:
        value = f"rtrim({value})"
        left_over = f"ltrim({left_over})" if each.until.endswith(" ") and not pairs else left_over
    columns = {f"rest{number}": left_over} | ({} if each.name == "_" else {f"cut{number}": value})
    steps.add(**columns)
    _keep(steps, each, f"{prefix}cut{number}")
    return f"{prefix}rest{number}"
