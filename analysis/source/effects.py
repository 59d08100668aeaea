"""What leaves the process: tasks, mails, calls to other services, raw SQL, and the locks that raw SQL takes.

Source: https://docs.djangoproject.com/en/5.2/topics/db/transactions/#performing-actions-after-commit
        https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from analysis.source import words
from analysis.source.queries import keywords
from analysis.source.values import NOTHING, Query, Value

if TYPE_CHECKING:
    from analysis.source.trace import Tracer

LOCKS = re.compile(
    r"pg_(?:try_)?advisory_(?:xact_)?lock|LOCK\s+TABLES?|FOR\s+(?:NO\s+KEY\s+)?UPDATE|SERIALIZABLE|GET_LOCK",
    re.I,
)
SIGNS_IN = ("get_user_model", "authenticate", "get_user")
CACHE_LOCKS = ("cache.add", "redis.set", "setnx")


def foreign_call(tracer: "Tracer", called: Value, node: ast.Call) -> Value:
    """A call to something that the tree does not hold."""
    from analysis.source.expressions import evaluate

    name = called.foreign
    last = name.rsplit(".", 1)[-1]
    if last in ("on_commit", "delay_on_commit", "apply_async_on_commit"):
        tracer.emit("deferred", last, node)
        return NOTHING
    args = [evaluate(tracer, arg) for arg in node.args]
    given = keywords(tracer, node)
    everything = NOTHING.tainted(called, *args, *given.values())
    tracer.escape(*args, *given.values())
    if takes_lock(name, last, node):
        tracer.emit("lock", last, node)
    elif is_effect(name, last):
        event = tracer.emit("effect", last, node)
        event.base, event.value, event.values = name, everything, given
    elif last == "cursor":
        return Value(foreign=name)
    elif last in SIGNS_IN:
        return signed_in(tracer, last, node)
    elif last in words.GETS_OR_404 or last in words.DATABASE_VALUES:
        from analysis.source.named_calls import named_call

        return named_call(tracer, node, last)
    return replace(everything, answer=True)


def takes_lock(name: str, last: str, node: ast.Call) -> bool:
    """By SQL, by the cache, or by a library whose name says so."""
    if last in ("execute", "executemany", "raw"):
        return locks_by_sql(node)
    return name.endswith(CACHE_LOCKS) or words.is_lock_name(last)


def locks_by_sql(node: ast.Call) -> bool:
    """Is the statement one that takes a lock (or asks for SERIALIZABLE)?"""
    return any(
        isinstance(part, ast.Constant) and isinstance(part.value, str) and LOCKS.search(part.value)
        for arg in node.args[:1]
        for part in ast.walk(arg)
    )


def is_effect(name: str, last: str) -> bool:
    if last in words.SENDS or last in words.MAILS:
        return True
    if last in words.CALLS_OUT_VERBS and name.startswith(words.CALLS_OUT):
        return True
    owner = name.rsplit(".", 2)[-2].lower() if name.count(".") else ""
    return last == "send" and owner.endswith(
        ("mail", "email", "message", "msg", "emailmessage", "multialternatives")
    )


def signed_in(tracer: "Tracer", name: str, node: ast.Call) -> Value:
    """authenticate() reads a user."""
    from analysis.source.queries import read_rows

    if name == "get_user_model":
        return Value(foreign="User")
    return read_rows(tracer, Query("User", "User", lookups=("username",)), "first", node)
