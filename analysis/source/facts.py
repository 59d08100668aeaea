"""The facts of a tree: what each function reads, decides, locks and writes, and how the models are constrained.

`Facts.trace(function)` is the one thing that checks build upon: the events of a function in the order in which they are
executed, calls followed inside the tree to a depth of four. Only `words`, `queries`, `rows`, `forms`, `effects` and
`models` know Django's vocabulary; another library (SQLAlchemy) is another reader that emits the same events.
"""

import ast
import re
from functools import cached_property
from weakref import WeakKeyDictionary

from analysis.source.events import Trace
from analysis.source.following import surroundings
from analysis.source.givens import given, me
from analysis.source.models import Models
from analysis.source.modules import Code, Function, assignment, is_test
from analysis.source.statements import run_block
from analysis.source.trace import BudgetSpent, Tracer
from analysis.source.trees import Tree
from analysis.source.validation import HANDLES, form_of, save_follows, validate_first
from analysis.source.values import NOTHING, Row, Value

SETTINGS = re.compile(r"\b(?:INSTALLED_APPS|DATABASES|ATOMIC_REQUESTS)\b")
NO_REQUEST = ("non_atomic_requests", "shared_task", "task", "actor", "job", "db_task")  # decorators
REQUEST_TRANSACTION = (
    -1
)  # the transaction that ATOMIC_REQUESTS opens around a view, and the admin around its own
REGISTERS = re.compile(r"\bregister\(([^()]*)")


class Facts:
    """Everything the checks know about one tree, computed when asked for and kept."""

    def __init__(self, tree: Tree) -> None:
        self.code = Code(tree)
        self.models = Models(self.code)
        self._traces: dict[Function, Trace] = {}

    def functions(self, path: str) -> list[Function]:
        """The functions of a file in the order of the source, nested ones left to what surrounds them."""
        module = self.code.module(path)
        return sorted(module.functions.values(), key=lambda f: f.node.lineno) if module else []

    def function(self, path: str, name: str) -> list[Function]:
        """The functions that a qualified or plain name means; several if it is plain and classes share it."""
        return [f for f in self.functions(path) if name in (f.name, f.simple)]

    def reaching(self, path: str, asked: list[Function]) -> list[Function]:
        """The functions of a file that may call these, directly or through others of the file; these among them."""
        found, names = list(asked), {one.simple for one in asked}
        rest = [one for one in self.functions(path) if one not in asked]
        while more := [one for one in rest if names & spoken(one)]:
            found += more
            names |= {one.simple for one in more}
            rest = [one for one in rest if one not in more]
        return found

    def trace(self, function: Function) -> Trace:
        if function not in self._traces:
            self._traces[function] = self._execute(function)
        return self._traces[function]

    def _execute(self, function: Function) -> Trace:
        tracer = Tracer(self.code, self.models, function)
        in_request = self.atomic_requests and not any(
            d.rsplit(".", 1)[-1] in NO_REQUEST for d in function.decorators
        )
        if in_request or (receives(function) and self.in_admin & senders(function)):
            tracer.transactions.append(REQUEST_TRANSACTION)
        for parameter in [*function.parameters, *function.node.args.kwonlyargs]:
            tracer.frame.env[parameter.arg] = self._parameter(tracer, function, parameter)
        for rest in (function.node.args.vararg, function.node.args.kwarg):
            if rest is not None:
                tracer.frame.env[rest.arg] = NOTHING
        if receives(function) and function.node.args.kwarg is not None:  # kwargs["instance"]
            told = Value(rows=(Row(None, "given", name="instance"),))
            tracer.frame.env[function.node.args.kwarg.arg] = told
        try:
            validate_first(tracer, function)
            with surroundings(tracer, function):
                run_block(tracer, function.node.body)
            save_follows(tracer, function)
        except (BudgetSpent, RecursionError):
            tracer.trace.cut = True
        tracer.trace.view = any(p.arg == "request" for p in function.parameters)
        tracer.trace.receives = receives(function)
        tracer.trace.evaluated = frozenset(tracer.evaluated)
        return tracer.trace

    def _parameter(self, tracer: Tracer, function: Function, parameter: ast.arg) -> Value:
        first = function.parameters[:1] == [parameter]
        if first and function.owner is not None and "staticmethod" not in function.decorators:
            return me(tracer, function, parameter.arg)
        if (
            parameter.arg in ("serializer", "form")
            and function.owner is not None
            and function.simple in HANDLES
        ):
            form = form_of(tracer, function.owner)
            if form is not None:
                return Value(instance=form)
        return given(tracer, parameter.arg, parameter.annotation, function.module)

    @cached_property
    def settings(self) -> list[str]:
        """The paths of modules that look like settings."""
        return [
            p
            for p in self.code.paths
            if "settings" in p and not is_test(p) and SETTINGS.search(self.code.text(p) or "")
        ]

    @cached_property
    def atomic_requests(self) -> bool:
        """Does a settings module open a transaction around each request?"""
        return any(
            re.search(r"""ATOMIC_REQUESTS["']?\]?\s*[:=]\s*True""", self.code.text(p) or "")
            for p in self.settings
        )

    @cached_property
    def in_admin(self) -> frozenset[str]:
        """The models that the admin saves, which it does in a transaction: names as `register` is given them."""
        paths = [p for p in self.code.paths if re.search(r"\badmin\b", p) and not is_test(p)]
        given = [each for p in paths for each in REGISTERS.findall(self.code.text(p) or "")]
        return frozenset(name.rsplit(".", 1)[-1] for each in given for name in re.findall(r"[\w.]+", each))

    @cached_property
    def serializable(self) -> bool:
        """Do the settings ask for SERIALIZABLE? Then the database refuses what the checks look for."""
        return any(
            re.search(r"ISOLATION_LEVEL_SERIALIZABLE|IsolationLevel\.SERIALIZABLE", self.code.text(p) or "")
            for p in self.settings
        )

    def setting(self, name: str) -> ast.expr | None:
        """What a settings module assigns to a name."""
        for path in self.settings:
            module = self.code.module(path)
            value = assignment(module.tree.body, name) if module else None
            if value is not None:
                return value
        return None


def receives(function: Function) -> bool:
    """Is it called by a signal after a row was written: `sender` and `instance`, and not for one that is to be?"""
    names = {p.arg for p in [*function.parameters, *function.node.args.kwonlyargs]}
    early = any("pre_" in ast.unparse(one) for one in function.node.decorator_list)
    told = "instance" in names or "instance" in {
        n.value for n in ast.walk(function.node) if isinstance(n, ast.Constant)
    }
    return "sender" in names and told and not early


def senders(function: Function) -> set[str]:
    """The models of which `@receiver(…, sender=Model)` is told, by their last name."""
    given = [k for one in function.node.decorator_list if isinstance(one, ast.Call) for k in one.keywords]
    return {ast.unparse(k.value).rsplit(".", 1)[-1].strip("'\"") for k in given if k.arg == "sender"}


def spoken(function: Function) -> set[str]:
    """The names and attributes in a function's text."""
    nodes = list(ast.walk(function.node))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.attr for node in nodes if isinstance(node, ast.Attribute)}


_known: "WeakKeyDictionary[Tree, Facts]" = WeakKeyDictionary()


def facts_of(tree: Tree) -> Facts:
    """The facts of a tree, the same object each time where the tree can be remembered."""
    try:
        if tree not in _known:
            _known[tree] = Facts(tree)
        return _known[tree]
    except TypeError:  # a tree that cannot be hashed or weakly referenced
        return Facts(tree)
