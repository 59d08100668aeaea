"""Looking things up in a syntax tree, with types."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import libcst as cst
import libcst.matchers as m

Statement = cst.BaseStatement
Node = TypeVar("Node", bound=cst.CSTNode)


def find(node: cst.CSTNode, kind: type[Node], like: m.BaseMatcherNode | None = None) -> list[Node]:
    """The nodes of one kind, the node itself and all below it, that match a pattern; in the order of the code."""
    found: list[Node] = []
    todo = [node]
    while todo:
        one = todo.pop()
        if isinstance(one, kind) and (like is None or m.matches(one, like)):
            found.append(one)
        todo += reversed(one.children)
    return found


def names_in(node: cst.CSTNode) -> set[str]:
    """Every name below a node."""
    return {each.value for each in find(node, cst.Name)}


def chain_names(node: cst.BaseExpression) -> list[str]:
    """The names along `a.b(…).c`: ["a", "b", "c"]."""
    if isinstance(node, cst.Name):
        return [node.value]
    if isinstance(node, cst.Attribute):
        return [*chain_names(node.value), node.attr.value]
    if isinstance(node, cst.Call):
        return chain_names(node.func)
    return []


def chain_calls(node: cst.BaseExpression) -> Iterator[cst.Call]:
    """The calls along `a.b(…).c(…)`, the outermost first."""
    while isinstance(node, cst.Call | cst.Attribute):
        if isinstance(node, cst.Call):
            yield node
            node = node.func
        else:
            node = node.value


def method_of(call: cst.Call) -> str | None:
    """The name of the method that a call calls."""
    return call.func.attr.value if isinstance(call.func, cst.Attribute) else None


def leading_lines(node: cst.CSTNode) -> list[cst.EmptyLine]:
    """The empty lines and comments before a statement."""
    return list(getattr(node, "leading_lines", ()))


def put_before(new: Statement, old: Statement) -> list[Statement]:
    """Two statements in a row: the empty lines of the old one come first, its comments stay with it."""
    lines = leading_lines(old)
    at = next((index for index, each in enumerate(lines) if each.comment is not None), len(lines))
    return [new.with_changes(leading_lines=lines[:at]), old.with_changes(leading_lines=lines[at:])]


def lost_comments(old: Sequence[cst.CSTNode], kept: Sequence[cst.CSTNode]) -> list[cst.EmptyLine]:
    """The comments of old nodes that the kept ones do not have, as lines of their own."""
    there = {each.value for node in kept for each in find(node, cst.Comment)}
    found = [each for node in old for each in find(node, cst.Comment)]
    return [cst.EmptyLine(comment=each) for each in found if each.value not in there]


def replaced(node: Node, old: cst.CSTNode, new: cst.CSTNode) -> Node:
    """The node with one node below it replaced by another."""
    changed = node.deep_replace(old, new)
    assert isinstance(changed, type(node))
    return changed


KEEP = cst.EmptyLine()  # in a list of statements that take the place of one: here it stays itself


class _Rewriting(cst.CSTTransformer):
    def __init__(self, edits: Mapping[Statement, Sequence[cst.CSTNode]]) -> None:
        self.edits = edits

    def on_leave(self, original_node: cst.CSTNode, updated_node: cst.CSTNode) -> object:  # type: ignore[override]
        if isinstance(original_node, cst.BaseStatement) and original_node in self.edits:
            return cst.FlattenSentinel(
                [updated_node if each is KEEP else each for each in self.edits[original_node]]
            )
        return updated_node


def rewritten(node: Node, edits: Mapping[Statement, Sequence[cst.CSTNode]]) -> Node:
    """The node with some statements below it, or itself, replaced by others; KEEP among them is the statement itself.

    All at once: a change makes new nodes of all others, and a second one would look for the old ones in vain.
    """
    changed = node.visit(_Rewriting(edits))
    found = changed.nodes[0] if isinstance(changed, cst.FlattenSentinel) else changed
    assert isinstance(found, type(node))
    return found
