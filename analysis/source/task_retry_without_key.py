"""A task that may run twice does something that must happen once, and nothing recognises the second run.

Source: https://docs.celeryq.dev/en/stable/userguide/tasks.html#retrying
"""

import ast
from collections.abc import Iterator

from analysis.source.events import Event, Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.modules import Function
from analysis.source.suspicion import suspicion
from analysis.source.words import MAILS

TASKS = ("shared_task", "task", "actor", "job", "db_task")
RETRIES = ("autoretry_for", "acks_late", "max_retries", "retry_backoff", "retries", "retry_kwargs")
KEYS = ("idempotency", "dedup", "request_id", "unique_key")


def task_retry_without_key(facts: Facts, trace: Trace) -> Iterator[Hit]:
    functions = facts.function(trace.path, trace.function)
    task = next((f for f in functions if f.node.lineno == trace.line), None)
    if task is None or not is_retried(task):
        return
    for act in [*trace.of("effect"), *(w for w in trace.of("write") if w.verb in ("create", "acreate"))]:
        if has_key(act) or any(guard.origins or guard.claims for guard in act.guards) or act.catches_conflict:
            continue
        between = (
            "The task can fail, or lose its worker, after this line: then it is run again from its beginning."
        )
        cost = "It happens once for each attempt."
        yield suspicion(
            "task-retry-without-key",
            trace,
            act,
            None,
            None,
            between,
            cost,
            ("unique_constraint", "get_or_create"),
        )
        return


def is_retried(function: Function) -> bool:
    """Is it a task, and does it say that it may be run again?"""
    for node in function.node.decorator_list:
        name = ast.unparse(node.func if isinstance(node, ast.Call) else node).rsplit(".", 1)[-1]
        if name not in TASKS:
            continue
        given = {k.arg for k in node.keywords} if isinstance(node, ast.Call) else set()
        if given & set(RETRIES) or name == "actor":  # dramatiq retries unless told not to
            return True
        return any(
            isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "retry"
            for part in ast.walk(function.node)
        )
    return False


def has_key(act: Event) -> bool:
    """Does the call carry a key by which the other side recognises it?"""
    text = ast.unparse(act.node).lower() if act.node is not None else ""
    return any(word in text for word in KEYS) or (act.verb in MAILS and "message_id" in text)
