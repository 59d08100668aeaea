"""The look of a file: its quotes, its longest line, and new code that keeps to both.

Lines that a change made too long are broken the way black breaks them: after the last opening bracket that is long
enough, the arguments on one line if they fit, else one a line with a comma after the last.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from analysis.source.fixes.syntax import chain_calls, find, replaced

LIMITS: Final = (79, 88, 100, 110, 120)
CONFIGURED: Final = re.compile(
    r"^\s*(?:line[-_]length|max[-_]line[-_]length)\s*=\s*(\d{2,3})\s*$", re.MULTILINE
)
QUOTES: Final = re.compile(r"""(?<!["'\w])["'](?=[^"'\n]*["'])""")
TRIPLE: Final = re.compile("""'{3}|"{3}""")
ROUNDS: Final = 40
Bracket = cst.Call | cst.List | cst.Dict


@dataclass(frozen=True)
class Layout:
    """How a file is written: its quote character and the length that its lines keep to."""

    quote: str
    limit: int

    def literal(self, value: object) -> str:
        """A Python literal of the value, in the file's quotes where that needs no escape."""
        written = repr(value)
        if isinstance(value, str) and written[0] == "'" and self.quote == '"' and '"' not in written:
            return f'"{written[1:-1]}"'
        return written


def layout_of(text: str, configuration: str = "") -> Layout:
    """The layout of a file; `configuration`: the text of pyproject.toml or setup.cfg, if it has a line length."""
    quotes = Counter(QUOTES.findall(TRIPLE.sub("", text)))
    given = CONFIGURED.search(configuration)
    longest = max((len(line.rstrip("\r")) for line in text.split("\n")), default=0)
    limit = int(given[1]) if given else next((each for each in LIMITS[1:] if longest <= each), LIMITS[-1])
    return Layout("'" if quotes["'"] > quotes['"'] else '"', limit)


def fitted(before: str, after: str, layout: Layout) -> str:
    """`after` with each line that is new and too long broken; lines that were too long before are left alone."""
    known = {line.strip() for line in before.split("\n") if len(line) > layout.limit}
    tried: set[str] = set()
    for _ in range(ROUNDS):
        line = next((each for each in _too_long(after, layout.limit) if each[1] not in known | tried), None)
        if line is None:
            break
        tried.add(line[1])
        after = _broken(after, line[0], layout.limit)
    return after


def _too_long(text: str, limit: int) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(text.split("\n"), 1):
        if len(line.rstrip("\r")) > limit:
            yield number, line.strip()


def _broken(text: str, number: int, limit: int) -> str:
    """The text with the widest bracket, or chain of calls, of one line spread over more; unchanged if it has none."""
    wrapper = MetadataWrapper(cst.parse_module(text))
    places = wrapper.resolve(PositionProvider)
    line = text.split("\n")[number - 1]
    start = len(line) - len(line.lstrip())
    extra = _beyond_block(places, number, start)
    whole = [call for call in find(wrapper.module, cst.Call) if _on_line(places[call], number)]
    chain = max(whole, key=lambda each: _last(places[each]), default=None)
    if (
        chain is not None
        and len(list(chain_calls(chain))) > 1
        and not extra
        and _reaches(places, chain, limit)
    ):
        return replaced(wrapper.module, chain, _chain(chain)).code
    brackets: list[Bracket] = [
        *find(wrapper.module, cst.Call),
        *find(wrapper.module, cst.List),
        *find(wrapper.module, cst.Dict),
    ]
    found = [
        each
        for each in brackets
        if _parts(each)
        and all(_on_line(places[part], number) for part in _parts(each))
        and places[each].end.line == number
    ]
    # the one that closes last: what precedes its bracket stays on the line
    widest = max(found, key=lambda each: _last(places[each]), default=None)
    if widest is None or places[_parts(widest)[0]].start.column > limit:
        return text
    parts = ", ".join(_part(wrapper.module, each) for each in _parts(widest))
    spread = _spread(widest, extra, one_line=start + 4 + len(parts) <= limit)
    return replaced(wrapper.module, widest, spread).code


def _parts(node: Bracket) -> Sequence[cst.Arg | cst.BaseElement | cst.BaseDictElement]:
    return node.args if isinstance(node, cst.Call) else node.elements


def _on_line(place: CodeRange, number: int) -> bool:
    return place.start.line == place.end.line == number


def _reaches(places: Mapping[cst.CSTNode, CodeRange], call: cst.Call, limit: int) -> bool:
    """Breaking the arguments of a call would not help: there are none, or its bracket is beyond the limit."""
    return not call.args or places[call.args[0]].start.column > limit


def _last(place: CodeRange) -> tuple[int, int, int]:
    """Sorts by where a call closes, the outer one last."""
    return place.end.column, -place.start.line, -place.start.column


def _chain(call: cst.Call) -> cst.Call:
    """`(` a line for each call of a chain `)`."""
    parens = {
        "lpar": [cst.LeftParen(whitespace_after=_new_line("    "))],
        "rpar": [cst.RightParen(_new_line(""))],
    }
    return _on_lines(call).with_changes(**parens)


def _on_lines(call: cst.Call) -> cst.Call:
    if not isinstance(call.func, cst.Attribute) or not isinstance(call.func.value, cst.Call):
        return call
    dot = cst.Dot(whitespace_before=_new_line("    "))
    return call.with_changes(func=call.func.with_changes(value=_on_lines(call.func.value), dot=dot))


def _part(module: cst.Module, part: cst.Arg | cst.BaseElement | cst.BaseDictElement) -> str:
    return module.code_for_node(part.with_changes(comma=cst.MaybeSentinel.DEFAULT)).strip()


def _beyond_block(places: Mapping[cst.CSTNode, CodeRange], number: int, start: int) -> str:
    """The white space by which a continuation line is indented more than the statement it belongs to."""
    around = [
        place.start.column
        for node, place in places.items()
        if isinstance(node, cst.BaseStatement) and place.start.line <= number <= place.end.line
    ]
    statement = max(around, default=start)
    return " " * max(0, start - statement)


def _spread(node: Bracket, extra: str, *, one_line: bool) -> Bracket:
    """The arguments or elements on a line of their own, or each on one, with a comma after the last."""
    inner, outer = _new_line(extra + "    "), _new_line(extra)
    gap = cst.SimpleWhitespace(" ") if one_line else inner
    *others, last = _parts(node)
    middle = [each.with_changes(comma=cst.Comma(whitespace_after=gap)) for each in others]
    end = cst.MaybeSentinel.DEFAULT if one_line else cst.Comma()
    if isinstance(node, cst.Dict):
        return node.with_changes(
            elements=[*middle, last.with_changes(comma=end)],
            lbrace=cst.LeftCurlyBrace(whitespace_after=inner),
            rbrace=cst.RightCurlyBrace(whitespace_before=outer),
        )
    if isinstance(node, cst.List):
        return node.with_changes(
            elements=[*middle, last.with_changes(comma=end)],
            lbracket=cst.LeftSquareBracket(whitespace_after=inner),
            rbracket=cst.RightSquareBracket(whitespace_before=outer),
        )
    if one_line:
        final = last.with_changes(comma=cst.MaybeSentinel.DEFAULT, whitespace_after_arg=outer)
    else:
        final = last.with_changes(comma=cst.Comma(whitespace_after=outer))
    return node.with_changes(args=[*middle, final], whitespace_before_args=inner)


def _new_line(indent: str) -> cst.ParenthesizedWhitespace:
    return cst.ParenthesizedWhitespace(indent=True, last_line=cst.SimpleWhitespace(indent))
