"""A made-up incident played out: requests queue for workers, run statements, fail; and what the logs show of it."""

import heapq
import itertools
import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tests.incidents.shapes import MS, App, Route, Shape

START_US = 1_773_244_000_000_000
ERRORS, ACCESS, DATABASE = 1, 2, 3
LITERAL = re.compile(r"'[^']*'|\b\d+\b")
UNIQUE, BUG = "23505", None


@dataclass
class Ask:
    """A request as it really was, in µs."""

    arrived: float
    app: App
    route: Route
    user: int
    entity: int
    first: int | None = None  # number of the request that this one repeats
    began: float = 0.0
    ended: float = 0.0
    worker: int = 0
    status: int = 200
    sqlstate: str | None = None

    @property
    def path(self) -> str:
        return self.route.path.replace("{id}", str(self.entity))


@dataclass
class Incident:
    """The promised tables of an incident, and which request each exception and statement is really of."""

    tables: dict[str, pd.DataFrame]
    truth: dict[str, dict[int, int]]


def arrivals(shape: Shape, rng: np.random.Generator) -> list[Ask]:
    """The requests as they come, doubled ones with their repeat."""
    times = START_US + np.cumsum(rng.exponential(1e6 / shape.rate_s, shape.requests))
    shares = np.array([route.share for route in shape.apps[0].routes])
    asks: list[Ask] = []
    for at in times:
        app = shape.apps[rng.integers(len(shape.apps))]
        route = app.routes[rng.choice(len(app.routes), p=shares / shares.sum())]
        ask = Ask(float(at), app, route, int(rng.integers(60)), int(rng.integers(1_000, 1_900)))
        asks.append(ask)
        if rng.random() < route.doubled:
            again = Ask(ask.arrived + rng.uniform(1, 30) * MS, app, route, ask.user, ask.entity, id(ask))
            asks.append(again)
    return sorted(asks, key=lambda ask: ask.arrived)


def served(asks: list[Ask], shape: Shape, rng: np.random.Generator) -> None:
    """Give each request a worker, a beginning and an end; of two that overlap the one that ends last fails."""
    free = [(0.0, worker) for worker in range(shape.workers)]
    running: dict[tuple[str, int, int], Ask] = {}
    for ask in asks:
        since, ask.worker = heapq.heappop(free)
        ask.began = max(ask.arrived, since + 100)
        ask.ended = ask.began + max(3.0, rng.gamma(3, ask.route.mean_ms / 3)) * MS
        heapq.heappush(free, (ask.ended, ask.worker))
        if rng.random() < shape.bugs:
            ask.status = 500
        key = (ask.app.name, ask.user, ask.entity)
        other = running.get(key)
        if ask.route.doubled and other is not None and other.ended > ask.began and other.status == 200:
            late = max(ask, other, key=lambda one: one.ended)
            late.status, late.sqlstate = 500, UNIQUE
        running[key] = ask


def stamped(true_us: float, step_us: int) -> int:
    return int(true_us) // step_us * step_us


def access_row(number: int, ask: Ask, shape: Shape, rng: np.random.Generator) -> dict[str, object]:
    """A request as its access log shows it, bounds as the loader makes them of a stamp that marks the finish."""
    stamp = stamped(ask.ended + rng.uniform(0, 0.4) * MS, shape.access_us)
    took = int(ask.ended - ask.began)
    known = shape.with_duration
    entity = str(ask.entity) if shape.with_entity or "{id}" in ask.route.path else None
    user = f"user{ask.user}" if shape.with_user else None
    by = stamp + shape.access_us - 1
    return {
        "record_id": number,
        "source_id": ACCESS,
        "line_no": number,
        "method": ask.route.method,
        "path": ask.path,
        "route": ask.route.path,
        "status": ask.status,
        "user_id": user,
        "client_ip": f"192.0.2.{ask.user}",
        "entity": entity,
        "request_key": f"{ask.route.method} {ask.route.path} {entity} {user}" if entity and user else None,
        "stamp_us": stamp,
        "starts_from": stamp - shape.access_lag_us - took if known else None,
        "starts_by": by - took if known else by,
        "ends_from": stamp - shape.access_lag_us,
        "ends_by": by,
        "duration_us": took if known else None,
        "process": str(4000 + ask.worker) if shape.with_process else None,
        "clock": "host",
        "writer": "access.log",
    }


def error_rows(ask: Ask, number: int, shape: Shape) -> tuple[dict[str, object], dict[str, object]]:
    """A failed request's exception and the record it stands in."""
    keyed = ask.sqlstate is not None and shape.with_key
    chain = {
        "record_id": number,
        "position": 0,
        "is_last": True,
        "type": "IntegrityError" if ask.sqlstate else "KeyError",
        "sqlstate": ask.sqlstate,
        "key_values": [str(ask.entity), "completed"] if keyed else [],
    }
    line = {
        "record_id": number,
        "source_id": ERRORS,
        "logger": ask.app.logger,
        "process": str(4000 + ask.worker) if shape.with_process else None,
        "logged_us": stamped(ask.ended - 500 + shape.skew_us, shape.error_us),
        "resolution_us": shape.error_us,
        "message": ask.app.error.format(path=ask.path, method=ask.route.method),
    }
    return chain, line


def ran(ask: Ask, shape: Shape, rng: np.random.Generator) -> list[dict[str, object]]:
    """The statements of a request, in true times."""
    texts = list(ask.route.statements)
    if ask.route.in_transaction:
        texts = [*texts[:2], "BEGIN", *texts[2:], "ROLLBACK" if ask.sqlstate else "COMMIT"]
    cuts = np.sort(rng.uniform(0.05, 0.9, len(texts)))
    rows = []
    for text, cut in zip(texts, cuts, strict=True):
        said = text.format(id=ask.entity, user=f"user{ask.user}", token=f"tok{ask.user:04d}ff")
        begun = ask.began + cut * (ask.ended - ask.began)
        failed = ask.sqlstate if text.startswith("INSERT") else None
        rows.append({"sql": said, "begun": begun, "took": rng.uniform(0.1, 0.9) * MS, "sqlstate": failed})
    for row, after in itertools.pairwise(rows):
        row["took"] = min(float(row["took"]), max(10.0, float(after["begun"]) - float(row["begun"]) - 5))
    return rows


KINDS = {"SELECT": "read", "INSERT": "insert", "UPDATE": "update", "BEGIN": "begin"}


def statement_row(row: dict[str, object], session: str, shape: Shape) -> dict[str, object]:
    text = str(row["sql"])
    begun = float(row["begun"]) + shape.skew_us
    return {
        "source_id": DATABASE,
        "session": session,
        "started_us": stamped(begun, MS),
        "finished_us": stamped(begun + float(row["took"]), MS),
        "resolution_us": MS,
        "sql": text,
        "shape": LITERAL.sub("?", text),
        "kind": KINDS.get(text.split(maxsplit=1)[0], text.split(maxsplit=1)[0].lower()),
        "sqlstate": row["sqlstate"],
        "clock": "host",
        "writer": "db.log",
    }


def pooled_sessions(statements: list[tuple[float, int, list[dict[str, object]]]]) -> list[str]:
    """A session for each transaction: the one that has been free the longest."""
    free = [(0.0, session) for session in range(12)]
    names = []
    for begun, _, rows in statements:
        _, session = heapq.heappop(free)
        names.append(f"s{session}")
        heapq.heappush(free, (max(begun, *(float(r["begun"]) + float(r["took"]) for r in rows)), session))
    return names


def play(shape: Shape, seed: int) -> Incident:
    """The incident of a shape; a seed gives the same one each time."""
    rng = np.random.default_rng(seed)
    asks = arrivals(shape, rng)
    served(asks, shape, rng)
    logged = sorted((ask for ask in asks), key=lambda ask: ask.ended)
    numbers = {id(ask): number for number, ask in enumerate(logged, 1)}
    shown = [ask for ask in logged if rng.random() >= shape.missing]
    requests = [access_row(numbers[id(ask)], ask, shape, rng) for ask in shown]
    failed = [ask for ask in logged if ask.status == 500]
    chains, lines, of_error = [], [], {}
    for line_no, ask in enumerate(failed, 1):
        record = 1_000_000 + line_no
        chain, line = error_rows(ask, record, shape)
        chains.append(chain)
        lines.append(line | {"line_no": line_no})
        of_error[record] = numbers[id(ask)]
    statements, of_statement = database_log(logged, numbers, shape, rng)
    sources = [{"source_id": n, "clock": "host", "ordered_by": "writer"} for n in (ERRORS, ACCESS, DATABASE)]
    tables = {
        "sources": pd.DataFrame(sources),
        "requests": pd.DataFrame(requests),
        "records": pd.DataFrame(lines),
        "exceptions": pd.DataFrame(chains),
        "statements": pd.DataFrame(statements),
    }
    present = set(tables["requests"]["record_id"])
    truth = {"exceptions": of_error, "statements": of_statement}
    return Incident(
        tables, {name: {k: v if v in present else 0 for k, v in of.items()} for name, of in truth.items()}
    )


def database_log(
    asks: list[Ask], numbers: dict[int, int], shape: Shape, rng: np.random.Generator
) -> tuple[list[dict[str, object]], dict[int, int]]:
    """The statements as the database logs them, and whose they are."""
    groups = []
    for ask in sorted(asks, key=lambda one: one.began):
        rows = ran(ask, shape, rng)
        groups.append((float(rows[0]["begun"]), numbers[id(ask)], f"w{ask.worker}", rows))
    if shape.pooled:
        parts = [(float(row["begun"]), number, [row]) for _, number, _, rows in groups for row in rows]
        parts.sort(key=lambda part: part[0])
        names = pooled_sessions(parts)
        flat = [
            (row, number, name) for (_, number, rows), name in zip(parts, names, strict=True) for row in rows
        ]
    else:
        flat = [(row, number, name) for _, number, name, rows in groups for row in rows]
    flat.sort(key=lambda one: float(one[0]["begun"]))
    found, truth = [], {}
    for line_no, (row, number, session) in enumerate(flat, 1):
        record = 2_000_000 + line_no
        found.append(statement_row(row, session, shape) | {"record_id": record, "line_no": line_no})
        truth[record] = number
    return found, truth
