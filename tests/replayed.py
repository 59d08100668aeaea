"""Runs written by hand: `run("AB", A=(200, {...}), B=(409, {...}), rows={...})`."""

import json

from analysis.replay.runs import COMMIT, ROLLBACK, STATEMENT, DatabaseError, Response, Run, Step

KINDS = {"COMMIT": COMMIT, "ROLLBACK": ROLLBACK}


def error(sqlstate, constraint=None, table=None):
    return DatabaseError("django.db.utils.IntegrityError", sqlstate, constraint, table, message="says so")


def answer(given):
    status, body, *failed = given
    text = body if isinstance(body, str) else json.dumps(body)
    return Response(status, text, failed[0] if failed else None, tuple(failed))


def run(order, A=(200, {}), B=(200, {}), rows=None, steps=None, **more):
    """`order`: who went at each step, "AAB"."""
    choices = tuple("AB".index(each) for each in order)
    steps = steps or [Step(each, STATEMENT, "SELECT 1") for each in choices]
    enabled = tuple((0, 1) for _ in choices)
    return Run(choices, enabled, tuple(steps), (answer(A), answer(B)), rows or {}, **more)


def step(who, sql, line="", **more):
    """A step as worker.py describes it: `step("A", "SELECT job")`, `step("B", "COMMIT")`."""
    kind = KINDS.get(sql, STATEMENT)
    verb, _, table = sql.partition(" ")
    tables = frozenset({table}) if table else frozenset()
    touched = {"SELECT": {"reads": tables}, "LOCK": {"reads": tables, "locks": tables}}
    texts = {"SELECT": "SELECT * FROM {}", "LOCK": "SELECT * FROM {} FOR UPDATE", "INSERT": "INSERT INTO {}"}
    texts |= {"UPDATE": "UPDATE {} SET x = 1", "DELETE": "DELETE FROM {}"}
    text = texts[verb].format(f'"{table}"') if verb in texts else ""
    known = {} if kind != STATEMENT else touched.get(verb, {"reads": tables, "writes": tables})
    return Step("AB".index(who), kind, text, line=line, **{**known, **more})
