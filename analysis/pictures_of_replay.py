"""Re-enacted orders drawn: the same lanes as the observed ones, a step where those have milliseconds."""

from collections.abc import Sequence
from typing import Any, Final

import pandas as pd

from analysis import charts
from analysis.charts import Chart
from analysis.evidence.sqltext import read_sql
from analysis.pictures import IN_WORDS
from analysis.proof.prove import Proof
from analysis.replay.runs import BEGIN, ROLLBACK_TO, STATEMENT, Response, Run, Step
from analysis.replay.shrink import switches
from analysis.wording import counted

STEP_US: Final = 1000
AXIS: Final = "steps, in the order in which they took effect"
SHOWN_AS: Final = {ROLLBACK_TO: "rollback", BEGIN: "begin"}
LETTERS: Final = "ABCDEFGH"


def enacted(run: Run, requests: Sequence[tuple[str, str]], title: str, subtitle: str = "") -> Chart:
    """One re-enacted order, lane by lane.

    In:   requests: method and path of each worker's
    """
    return charts.interleaving(
        events(run),
        lanes(run, requests),
        title=title,
        subtitle=subtitle,
        zero_us=0,
        window=window(run),
        axis=AXIS,
    )


def events(run: Run) -> pd.DataFrame:
    """The steps of a run as events: lane is the worker, an event's instant the number of the step, from 1."""
    rows: list[dict[str, Any]] = []
    for number, step in enumerate(run.steps, 1):
        kind, table = what(step)
        at = number * STEP_US
        if step.waited and step.through is not None:
            sent, at = at, (step.through + 1) * STEP_US + STEP_US // 2
            rows.append(row(step, "wait", "waits for a lock", sent, at))
        if step.error is not None:
            words = IN_WORDS.get(step.error.sqlstate or "", step.error.type.rpartition(".")[2])
            rows.append(row(step, "error", words, at, at) | {"sqlstate": step.error.sqlstate})
        else:
            rows.append(row(step, kind, f"{kind} {table}" if table else kind, at, at))
    return pd.DataFrame(rows, columns=["lane", "kind", "label", "detail", "from_us", "by_us", "sqlstate"])


def row(step: Step, kind: str, label: str, from_us: int, by_us: int) -> dict[str, Any]:
    return {
        "lane": step.worker,
        "kind": kind,
        "label": label,
        "detail": step.sql,
        "from_us": from_us,
        "by_us": by_us,
        "sqlstate": None,
    }


def what(step: Step) -> tuple[str, str | None]:
    """What kind of event a step is, and of which table."""
    if step.kind != STATEMENT:
        return SHOWN_AS.get(step.kind, step.kind), None
    text = read_sql(step.sql)
    return text.kind, text.table_name


def lanes(run: Run, requests: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """The workers as lanes, each from its first step to its last."""
    rows = []
    for worker, (method, path) in enumerate(requests):
        mine = [number for number, step in enumerate(run.steps, 1) if step.worker == worker]
        first, last = (mine[0], mine[-1]) if mine else (0, 0)
        response = run.responses[worker]
        rows.append(
            {
                "lane": worker,
                "method": method,
                "path": path,
                "status": response.status,
                "starts_from": first * STEP_US - STEP_US // 2,
                "starts_by": first * STEP_US - STEP_US // 2,
                "ends_from": last * STEP_US + STEP_US // 2,
                "ends_by": last * STEP_US + STEP_US // 2,
                "process": None,
                "place": f"request {LETTERS[worker]}",
                "outcome": outcome(response),
            }
        )
    return pd.DataFrame(rows)


def outcome(response: Response) -> str:
    """The error that ended a request, if one did."""
    return "" if response.error is None else response.error.type.rpartition(".")[2]


def window(run: Run) -> tuple[int, int] | None:
    """From the step at which both had read a table until either first wrote to it, if both had."""
    read: dict[str, set[int]] = {}
    for number, step in enumerate(run.steps, 1):
        for table in step.writes or ():
            opened = [at for at in read.get(table, set()) if at]
            if len({run.steps[at - 1].worker for at in opened}) > 1:
                return max(opened) * STEP_US, number * STEP_US
        for table in step.reads or ():
            read.setdefault(table, set()).add(number)
    return None


def witness(proof: Proof) -> Chart:
    """The order with the fewest switches, drawn."""
    assert proof.witness is not None
    accused, run = proof.cause.suspicion, proof.witness
    switched = switches(run.choices)
    title = f"Re-enacted: {counted(switched, 'switch', 'switches')} between the two requests are enough"
    before = proof.before
    subtitle = ""
    if before is not None:
        bad, all_orders = len(before.judgement.bad), len(before.exploration.runs)
        orders = "distinguishable orders" if before.exploration.complete else "orders played"
        subtitle = f"{bad} of {all_orders} {orders} go wrong; this one has the fewest switches"
    return enacted(run, [(accused.method, accused.path)] * len(run.responses), title, subtitle)
