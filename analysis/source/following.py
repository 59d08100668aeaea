"""Following calls inside the tree, and what decorators and context managers add to the code they surround."""

import ast
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from analysis.source import words
from analysis.source.hits import Place
from analysis.source.modules import Class, Function, dotted
from analysis.source.values import NOTHING, Value, merged

if TYPE_CHECKING:
    from analysis.source.trace import Frame, Tracer

HOOK = "a look-up that subclasses fill in"
LOOKS_UP = ("retrieve", "find_", "lookup", "get_existing", "fetch_existing", "existing_")
DEEPEST = 4  # calls followed from the function that was asked about


def inline(
    tracer: "Tracer",
    function: Function,
    args: list[Value],
    given: dict[str, Value],
    node: ast.expr | ast.stmt,
) -> Value:
    """Executes a function of the tree with these arguments; its return value.

    Not followed: recursion, more than DEEPEST calls, and anything once half of the budget is spent. Then the value
    depends on the arguments and the querysets among them count as run.
    """
    from analysis.source.trace import Frame

    if is_hook(function):
        read = tracer.emit("read", "hook", node, base=HOOK)
        return Value(origins=frozenset({read.order}), present=True).tainted(*args, *given.values())
    if len(tracer.calls) >= DEEPEST or function in tracer.active or tracer.nearly_spent:
        tracer.escape(*args, *given.values())
        return NOTHING.tainted(*args, *given.values())
    frame = Frame(function, function.module, dict(tracer.closures.get(function, {})))
    frame.guards_before = len(tracer.guards)
    fill_parameters(frame.env, function, args, given)
    outer = tracer.frame.env
    same = function.owner is not None and bool(args) and args[0] is outer.get("self")
    if same:
        frame.env.update({k: v for k, v in outer.items() if k.startswith("self.")})
    enter(tracer, frame, function, node)
    raised = [guard for guard in tracer.guards[frame.guards_before :] if guard.refuses == "raise"]
    tracer.guards[frame.guards_before :] = raised
    if same:
        outer.update({k: v for k, v in frame.env.items() if k.startswith("self.")})
    return merged(*frame.returns) if frame.returns else NOTHING


def enter(tracer: "Tracer", frame: "Frame", function: Function, node: ast.expr | ast.stmt) -> None:
    """Executes the body of a function in a frame of its own; whatever happens, the caller's is back afterwards.

    node: the call; where the framework makes it, which has no line in the tree, a statement of the function itself.
    """
    from analysis.source.statements import run_block

    outer, path, loops = tracer.frame, len(tracer.path), tracer.loops
    by_framework = any(node is statement for statement in function.node.body)
    tracer.calls.append(Place((function if by_framework else outer).module.path, node.lineno))
    tracer.chain.append(tracer.next_order())
    tracer.active.append(function)
    tracer.frame = frame
    try:
        with surroundings(tracer, function):
            run_block(tracer, function.node.body)
    finally:
        tracer.frame, tracer.loops = outer, loops
        tracer.calls.pop()
        tracer.chain.pop()
        tracer.active.pop()
        del tracer.path[path:]


def is_hook(function: Function) -> bool:
    """`def retrieve(self, data): return None`: a look-up that subclasses elsewhere fill in."""
    body = [node for node in function.node.body if not isinstance(node, ast.Expr | ast.Pass)]
    empty = not body or (len(body) == 1 and isinstance(body[0], ast.Return) and is_none(body[0].value))
    return function.owner is not None and empty and function.simple.startswith(LOOKS_UP)


def is_none(node: ast.expr | None) -> bool:
    return node is None or (isinstance(node, ast.Constant) and node.value is None)


def fill_parameters(
    env: dict[str, Value], function: Function, args: list[Value], given: dict[str, Value]
) -> None:
    spec = function.node.args
    names = [*spec.posonlyargs, *spec.args]
    for position, parameter in enumerate(names):
        if position < len(args):
            env[parameter.arg] = args[position]
    for keyword in [*names, *spec.kwonlyargs]:
        if keyword.arg in given:
            env[keyword.arg] = given[keyword.arg]
    defaults = dict(
        zip([p.arg for p in names[len(names) - len(spec.defaults) :]], spec.defaults, strict=True)
    )
    defaults |= {p.arg: d for p, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None}
    for name, default in defaults.items():
        if name not in env and isinstance(default, ast.Constant):
            env[name] = Value(constant=default.value)
    for keyword in [*names, *spec.kwonlyargs]:
        env.setdefault(keyword.arg, NOTHING)
    if spec.vararg is not None:
        env[spec.vararg.arg] = NOTHING.tainted(*args[len(names) :])
    if spec.kwarg is not None:
        named = {p.arg for p in [*names, *spec.kwonlyargs]}
        env[spec.kwarg.arg] = NOTHING.tainted(*(v for k, v in given.items() if k not in named))


@dataclass
class Wrapping:
    """What surrounds the code: a transaction, a lock, handlers of exceptions."""

    atomic: bool = False
    lock: bool = False
    handlers: tuple[str, ...] = ()


@contextmanager
def surroundings(tracer: "Tracer", function: Function) -> Iterator[None]:
    """The decorators of a function, taken as the blocks that they amount to."""
    found = [decoration(tracer, function, name) for name in function.decorators]
    handlers = tuple(h for one in found for h in one.handlers)
    tracer.handlers += handlers
    try:
        with block(tracer, function.node, any(w.lock for w in found), any(w.atomic for w in found)):
            yield
    finally:
        del tracer.handlers[len(tracer.handlers) - len(handlers) :]


@contextmanager
def block(tracer: "Tracer", node: ast.stmt, lock: bool, atomic: bool) -> Iterator[None]:
    """A block under a lock or in a transaction."""
    if lock:
        event = tracer.emit("mutex", "lock", node)
        tracer.mutexes.append(event.order)
    if atomic:
        tracer.transactions.append(tracer.next_order())
    try:
        yield
    finally:
        if atomic:
            tracer.transactions.pop()
        if lock:
            tracer.mutexes.pop()


def decoration(tracer: "Tracer", function: Function, name: str) -> Wrapping:
    """What a decorator does, by its name and, where the tree holds it, by its code."""
    found = tracer.code.find(function.module, name)
    wrapping = Wrapping(atomic=words.is_atomic_name(name), lock=words.is_lock_name(name))
    if isinstance(found, Function):
        inner = wrapped(found)
        wrapping.atomic |= inner.atomic
        wrapping.lock |= inner.lock
        wrapping.handlers = inner.handlers
    return wrapping


def wrapped(decorator: Function) -> Wrapping:
    """The blocks of a decorator around the call of the function that it decorates."""
    parameters = {
        p.arg for f in ast.walk(decorator.node) if isinstance(f, ast.FunctionDef) for p in f.args.args
    }
    wrapping = Wrapping()
    for node in ast.walk(decorator.node):
        if not isinstance(node, ast.Try | ast.With) or not calls_one_of(node.body, parameters):
            continue
        if isinstance(node, ast.Try):
            wrapping.handlers += tuple(name for h in node.handlers for name in handled(h))
        else:
            names = [
                dotted(i.context_expr.func if isinstance(i.context_expr, ast.Call) else i.context_expr) or ""
                for i in node.items
            ]
            wrapping.atomic |= any(words.is_atomic_name(name) for name in names)
            wrapping.lock |= any(words.is_lock_name(name) for name in names)
    return wrapping


def calls_one_of(body: list[ast.stmt], names: set[str]) -> bool:
    return any(
        isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id in names
        for node in body
        for part in ast.walk(node)
    )


def handled(handler: ast.ExceptHandler) -> list[str]:
    """The names of the exceptions that a handler deals with: not those that it only raises again.

    Who turns every error of the database into one of his own has told nobody that the row is there already.
    """
    last = handler.body[-1]
    again = isinstance(last, ast.Raise) and (
        last.exc is None
        or (isinstance(last.exc, ast.Name) and last.exc.id == handler.name)
        or all(name.rsplit(".", 1)[-1] in ("DatabaseError", "Error") for name in caught(handler))
    )
    escapes = any(
        isinstance(part, ast.Return | ast.Continue | ast.Break)
        for node in handler.body
        for part in ast.walk(node)
    )
    return [] if again and not escapes else caught(handler)


def caught(handler: ast.ExceptHandler) -> list[str]:
    """The names of the exceptions that a handler catches; "BaseException" for a bare one."""
    if handler.type is None:
        return ["BaseException"]
    nodes = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [dotted(node) or ast.unparse(node) for node in nodes]


def manages(tracer: "Tracer", node: ast.expr) -> Wrapping:
    """What `with …:` opens: a transaction, a lock, or something else."""
    func = node.func if isinstance(node, ast.Call) else node
    name = dotted(func) or (func.attr if isinstance(func, ast.Attribute) else "")
    wrapping = Wrapping(words.is_atomic_name(name), words.is_lock_name(name))
    found = tracer.code.find(tracer.frame.module, name) if name else None
    body = found.node if isinstance(found, Function | Class) else None
    for part in ast.walk(body) if body is not None else ():
        if isinstance(part, ast.With | ast.AsyncWith):
            inner = [
                dotted(i.context_expr.func if isinstance(i.context_expr, ast.Call) else i.context_expr) or ""
                for i in part.items
            ]
            wrapping.atomic |= any(words.is_atomic_name(n) for n in inner)
        if isinstance(part, ast.Constant) and isinstance(part.value, str):
            from analysis.source.effects import LOCKS

            wrapping.lock |= bool(LOCKS.search(part.value)) and part is not docstring(body)
    if body is not None and "durable" in name:
        wrapping.atomic = True
    return wrapping


def docstring(body: ast.AST | None) -> ast.expr | None:
    first = getattr(body, "body", [None])[0]
    return first.value if isinstance(first, ast.Expr) else None
