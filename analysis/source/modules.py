"""Modules of a tree, parsed once and never imported: their functions, classes and imports, and what a name means.

Source: https://docs.python.org/3/library/ast.html
"""

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from analysis.source.syntax import assignment, common, dotted, is_test, too_deep
from analysis.source.trees import Tree

__all__ = ["Class", "Code", "Function", "Module", "assignment", "dotted", "is_test"]

LARGEST = 2_000_000  # characters; a file above it is generated data, not code somebody wrote
LONGEST_CHAIN = 12  # re-exports followed from a name to its definition
DEFINITION = re.compile(r"^[ \t]*(?:async[ \t]+)?def[ \t]+(\w+)", re.MULTILINE)


@dataclass(frozen=True, eq=False)
class Class:
    """A class of a module: `name` qualified within it, `bases` as the source spells them."""

    name: str
    node: ast.ClassDef
    module: "Module"

    @property
    def simple(self) -> str:
        return self.node.name

    @cached_property
    def bases(self) -> tuple[str, ...]:
        return tuple(dotted(base) or "?" for base in self.node.bases)

    @cached_property
    def methods(self) -> dict[str, "Function"]:
        return {
            node.name: Function(f"{self.name}.{node.name}", node, self.module, self)
            for node in ast.iter_child_nodes(self.node)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }

    def inner(self, name: str) -> ast.ClassDef | None:
        """A class in the body, such as `Meta`."""
        return next((n for n in self.node.body if isinstance(n, ast.ClassDef) and n.name == name), None)

    def assigned(self, name: str) -> ast.expr | None:
        """What a class attribute is set to in the body."""
        return assignment(self.node.body, name)


@dataclass(frozen=True, eq=False)
class Function:
    """A function or method: `name` qualified within its module (`complete_job`, `Job.finish`)."""

    name: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    module: "Module"
    owner: Class | None = None

    @property
    def simple(self) -> str:
        return self.node.name

    @cached_property
    def decorators(self) -> tuple[str, ...]:
        return tuple(
            dotted(d.func if isinstance(d, ast.Call) else d) or "?" for d in self.node.decorator_list
        )

    @property
    def is_property(self) -> bool:
        return any(d.rsplit(".", 1)[-1] in ("property", "cached_property") for d in self.decorators)

    @property
    def parameters(self) -> list[ast.arg]:
        return [*self.node.args.posonlyargs, *self.node.args.args]


@dataclass(eq=False)
class Module:
    """One parsed file: its tree, its functions and classes by qualified name, and what it imports as what."""

    path: str
    tree: ast.Module
    functions: dict[str, Function] = field(default_factory=dict)
    classes: dict[str, Class] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)

    @cached_property
    def dotted(self) -> str:
        """The dotted name by its path: `src/shop/models.py` is `src.shop.models`."""
        return self.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class Code:
    """A tree of files with each module parsed at most once.

    A file that does not parse, is too large or nests too deep is no module: it is named in `unread`.
    """

    def __init__(self, tree: Tree) -> None:
        self.tree = tree
        self.unread: dict[str, str] = {}
        self._modules: dict[str, Module | None] = {}
        self._texts: dict[str, str | None] = {}

    @cached_property
    def paths(self) -> tuple[str, ...]:
        return tuple(path for path in sorted(self.tree.paths()) if path.endswith(".py"))

    @cached_property
    def by_dotted(self) -> dict[str, tuple[str, ...]]:
        """Paths by every dotted suffix of their name, shortest path first."""
        found: dict[str, list[str]] = {}
        for path in sorted(self.paths, key=len):
            parts = path.removesuffix(".py").removesuffix("/__init__").split("/")
            for start in range(len(parts)):
                found.setdefault(".".join(parts[start:]), []).append(path)
        return {name: tuple(paths) for name, paths in found.items()}

    def text(self, path: str) -> str | None:
        if path not in self._texts:
            self._texts[path] = self.tree.read(path)
        return self._texts[path]

    def module(self, path: str) -> Module | None:
        if path not in self._modules:
            self._modules[path] = self._parse(path)
        return self._modules[path]

    def _parse(self, path: str) -> Module | None:
        text = self.text(path)
        if text is None or len(text) > LARGEST:
            self.unread[path] = "no text" if text is None else "too large"
            return None
        if too_deep(text):
            self.unread[path] = "nested too deep"
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            self.unread[path] = f"{type(error).__name__}: {error}"
            return None
        module = Module(path, tree)
        fill(module, tree.body, "", None)
        module.imports.update(imports_of(tree, path))
        return module

    def module_named(self, name: str, near: str) -> Module | None:
        """The module with a dotted name, the one that shares most of its path with `near`."""
        paths = self.by_dotted.get(name, ())
        if not paths:
            return None
        return self.module(max(paths, key=lambda path: (common(path, near), -len(path))))

    def find(
        self, module: Module, name: str, steps: int = LONGEST_CHAIN
    ) -> "Class | Function | Module | None":
        """What a dotted name means in a module, followed through imports and re-exports."""
        if steps == 0:
            return None
        head, _, rest = name.partition(".")
        if name in module.classes:
            return module.classes[name]
        if name in module.functions:
            return module.functions[name]
        if head in module.imports:
            return self.absolute(f"{module.imports[head]}.{rest}".rstrip("."), module.path, steps - 1)
        for star in [value for key, value in module.imports.items() if key.startswith("*")]:
            other = self.module_named(star, module.path)
            found = self.find(other, name, steps - 1) if other is not None and other is not module else None
            if found is not None:
                return found
        return None

    def absolute(
        self, name: str, near: str, steps: int = LONGEST_CHAIN
    ) -> "Class | Function | Module | None":
        """What an absolute dotted name means: the longest part that is a module, then a name in it."""
        parts = name.split(".")
        for length in range(len(parts), 0, -1):
            module = self.module_named(".".join(parts[:length]), near)
            if module is not None:
                rest = ".".join(parts[length:])
                return self.find(module, rest, steps) if rest else module
        return None

    def ancestors(self, of: Class) -> Iterator[Class]:
        """The class and its bases in the tree, nearest first."""
        seen: list[Class] = []
        todo = [of]
        while todo and len(seen) < 40:
            one = todo.pop(0)
            if one in seen:
                continue
            seen.append(one)
            yield one
            found = [self.find(one.module, base) for base in one.bases]
            todo += [base for base in found if isinstance(base, Class)]

    def foreign_bases(self, of: Class) -> tuple[str, ...]:
        """The bases, of the class and of its ancestors, that the tree does not hold."""
        return tuple(
            one.module.imports.get(base.split(".", 1)[0], base.split(".", 1)[0])
            + base[len(base.split(".", 1)[0]) :]
            for one in self.ancestors(of)
            for base in one.bases
            if not isinstance(self.find(one.module, base), Class)
        )

    def method(self, of: Class, name: str, after: bool = False) -> Function | None:
        """The method that an instance has; with `after` the one that `super()` reaches."""
        for one in self.ancestors(of):
            if after:
                after = False
                continue
            if name in one.methods:
                return one.methods[name]
        return None

    @cached_property
    def definitions(self) -> dict[str, tuple[str, ...]]:
        """Paths by the name of a function that they define, tests left out."""
        found: dict[str, set[str]] = {}
        for path in self.paths:
            if not is_test(path):
                for name in DEFINITION.findall(self.text(path) or ""):
                    found.setdefault(name, set()).add(path)
        return {name: tuple(sorted(paths)) for name, paths in found.items()}

    def functions_named(self, name: str, most: int) -> list[Function]:
        """All functions and methods with a name, nowhere near a test; none if there are more than `most`."""
        paths = self.definitions.get(name, ())
        if not 0 < len(paths) <= most:
            return []
        modules = [module for path in paths if (module := self.module(path)) is not None]
        found = [f for module in modules for f in module.functions.values() if f.simple == name]
        return found if len(found) <= most else []


def fill(module: Module, body: list[ast.stmt], prefix: str, owner: Class | None) -> None:
    """Enters functions and classes, also those below `if` and `try`, by qualified name."""
    for node in body:
        if isinstance(node, ast.ClassDef):
            one = Class(prefix + node.name, node, module)
            module.classes[one.name] = one
            fill(module, node.body, f"{one.name}.", one)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            function = owner.methods.get(node.name) if owner else None
            if function is None or function.node is not node:  # below an `if`, or defined twice
                function = Function(prefix + node.name, node, module, owner)
            module.functions[prefix + node.name] = function
        else:
            for part in ("body", "orelse", "handlers", "finalbody"):
                for child in getattr(node, part, []):
                    inner = child.body if isinstance(child, ast.ExceptHandler) else [child]
                    fill(module, inner, prefix, None if owner is None else owner)


def imports_of(tree: ast.Module, path: str) -> dict[str, str]:
    """Absolute dotted names by the name they are imported as; `*`-imports under keys that begin with a star."""
    package = path.removesuffix(".py").split("/")[:-1]
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                name = alias.name if alias.asname else alias.name.split(".", 1)[0]
                found.setdefault(alias.asname or name, name)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                if alias.name == "*":
                    found[f"*{len(found)}"] = source
                else:
                    found.setdefault(alias.asname or alias.name, f"{source}.{alias.name}".lstrip("."))
    return found
