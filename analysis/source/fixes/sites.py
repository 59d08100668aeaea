"""The function of a hit as a syntax tree: the statements that read, test and act, and the block that holds them all."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import libcst as cst
from libcst.metadata import CodeRange, MetadataWrapper, PositionProvider

from analysis.source.fixes.layout import Layout, layout_of
from analysis.source.fixes.models import Model
from analysis.source.fixes.proposals import NotOffered
from analysis.source.fixes.syntax import Statement, chain_names, find, names_in
from analysis.source.hits import Hit, Place
from analysis.source.modules import Code
from analysis.source.trees import Tree

WRITES = frozenset(
    [
        *("save", "create", "bulk_create", "get_or_create", "update_or_create"),
        *("update", "bulk_update", "delete", "add", "remove", "set", "clear"),
    ]
)
AMBIGUOUS = ("add", "remove", "set", "clear", "update")  # sets and dicts have them too
MANAGERS = frozenset(
    ["objects", "_default_manager", "_base_manager", "filter", "exclude", "all", "get_queryset"]
)


@dataclass(frozen=True)
class Span:
    """Some statements in a row of one block, `first` to `last`, both in it.

    `around` are the compound statements of the function that hold the block, the outermost first.
    """

    block: cst.IndentedBlock
    first: int
    last: int
    around: tuple[Statement, ...]

    @property
    def statements(self) -> list[Statement]:
        return list(self.block.body[self.first : self.last + 1])


@dataclass(frozen=True)
class Site:
    """One hit in the syntax tree of its file."""

    source: Code
    hit: Hit
    models: Mapping[str, Model]
    text: str
    module: cst.Module
    places: Mapping[cst.CSTNode, CodeRange]
    function: cst.FunctionDef
    owner: cst.ClassDef | None
    layout: Layout

    @property
    def tree(self) -> Tree:
        return self.source.tree

    def code(self, node: cst.CSTNode) -> str:
        return self.module.code_for_node(node).strip()

    def expression(self, code: str) -> cst.BaseExpression:
        return cst.parse_expression(code, config=self.module.config_for_parsing)

    def statement(self, code: str) -> cst.SimpleStatementLine | cst.BaseCompoundStatement:
        return cst.parse_statement(code, config=self.module.config_for_parsing)

    def covers(self, node: cst.CSTNode, line: int) -> bool:
        place = self.places.get(node)
        return place is not None and place.start.line <= line <= place.end.line

    def line_here(self, place: Place) -> int | None:
        """The line of this function for a place: its own; for the act also the one that calls what leads there."""
        for each in (place, *(self.hit.calls if place == self.hit.act else ())):
            if each.path == self.hit.path and self.covers(self.function, each.line):
                return each.line
        return None

    @property
    def body(self) -> cst.IndentedBlock:
        if not isinstance(self.function.body, cst.IndentedBlock):
            raise NotOffered("the function is written on one line")
        return self.function.body

    def names(self) -> set[str]:
        """Every name that the function mentions."""
        return names_in(self.function)

    def fresh(self, name: str) -> str:
        """The name, or one like it that the function does not use yet."""
        taken = self.names()
        return next(each for each in (name, *(f"{name}_{n}" for n in range(2, 99))) if each not in taken)


def open_site(source: Code, hit: Hit, models: Mapping[str, Model]) -> Site:
    """The function of a hit.

    Raises: NotOffered, if the file cannot be parsed or has no such function, or the function is asynchronous
    """
    text = source.text(hit.path)
    if text is None or source.module(hit.path) is None:
        raise NotOffered(f"{hit.path} cannot be read: {source.unread.get(hit.path, 'no text')}")
    try:
        wrapper = MetadataWrapper(cst.parse_module(text))
    except (cst.ParserSyntaxError, RecursionError) as error:
        raise NotOffered(f"{hit.path} cannot be parsed") from error
    places = wrapper.resolve(PositionProvider)
    lines = [hit.read.line, *(each.line for each in (hit.act, *hit.calls) if each.path == hit.path)]
    found = [
        (function, owner)
        for function, name, owner in _functions(wrapper.module, "", None)
        if name == hit.function
        and any(places[function].start.line <= line <= places[function].end.line for line in lines)
    ]
    if not found:
        raise NotOffered(f"{hit.path} has no function {hit.function} around line {hit.read.line}")
    function, owner = found[0]
    if function.asynchronous:
        raise NotOffered("the function is asynchronous: transaction.atomic() does not work there")
    layout = layout_of(
        text, "\n".join(filter(None, map(source.tree.read, ("pyproject.toml", "setup.cfg", "tox.ini"))))
    )
    return Site(source, hit, models, text, wrapper.module, places, function, owner, layout)


def _functions(
    node: cst.CSTNode, prefix: str, owner: cst.ClassDef | None
) -> Iterator[tuple[cst.FunctionDef, str, cst.ClassDef | None]]:
    for child in node.children:
        if isinstance(child, cst.FunctionDef):
            name = f"{prefix}{child.name.value}"
            yield child, name, owner
            yield from _functions(child, f"{name}.<locals>.", None)
        elif isinstance(child, cst.ClassDef):
            yield from _functions(child, f"{prefix}{child.name.value}.", child)
        else:
            yield from _functions(child, prefix, owner)


def span_of(site: Site, lines: list[int]) -> Span:
    """The shortest row of statements in one block that holds all of the lines."""
    block, around = site.body, ()  # type: tuple[cst.IndentedBlock, tuple[Statement, ...]]
    while True:
        first = _index(site, block, min(lines))
        last = _index(site, block, max(lines))
        if first is None or last is None:
            raise NotOffered("the lines of the read and of the act are not in one block of the function")
        inner = next(
            (
                each
                for each in blocks_of(block.body[first])
                if all(any(site.covers(s, line) for s in each.body) for line in lines)
            ),
            None,
        )
        if first != last or inner is None:
            return Span(block, first, last, around)
        around = (*around, block.body[first])
        block = inner


def _index(site: Site, block: cst.IndentedBlock, line: int) -> int | None:
    return next((index for index, each in enumerate(block.body) if site.covers(each, line)), None)


def blocks_of(node: cst.CSTNode | None) -> Iterator[cst.IndentedBlock]:
    """The blocks directly below a compound statement: its body, its handlers', its `else`."""
    if node is None or isinstance(node, cst.FunctionDef | cst.ClassDef):
        return
    for child in node.children:
        if isinstance(child, cst.IndentedBlock):
            yield child
        elif isinstance(child, cst.If | cst.Else | cst.ExceptHandler | cst.Finally | cst.MatchCase):
            yield from blocks_of(child)


def whole(site: Site, *also: int) -> Span:
    """The statements from the read, and the lines in `also`, to the last write that belongs to the act."""
    lines = [site.line_here(site.hit.read), site.line_here(site.hit.act)]
    if site.hit.test is not None:
        lines.append(site.line_here(site.hit.test) or lines[0])
    known = [line for line in lines if line is not None]
    if len(known) < 2 or lines[0] is None:
        raise NotOffered(f"the row is read in another function, at {site.hit.read}")
    span = span_of(site, [*known, *also])
    later = [index for index, each in enumerate(span.block.body) if index > span.last and writes(each)]
    return Span(span.block, span.first, max([span.last, *later]), span.around)


def writes(node: cst.CSTNode) -> bool:
    """A call below the node looks like a write of the ORM."""
    return any(_writes(call) for call in find(node, cst.Call))


def _writes(call: cst.Call) -> bool:
    if not isinstance(call.func, cst.Attribute) or call.func.attr.value not in WRITES:
        return False
    if call.func.attr.value in AMBIGUOUS:
        of_manager = any(name in MANAGERS for name in chain_names(call.func.value))
        return of_manager or bool(call.args and all(arg.keyword for arg in call.args))
    return True
