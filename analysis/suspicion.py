"""What the logs accuse: the endpoint, two of its requests, the error, the code that raised it. Data for the proof."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import ibis
import pandas as pd

from analysis import questions
from analysis.investigation import Investigation
from analysis.signals import correlate, duplicates

WINDOW_US: Final = 1_000_000
NAMED: Final = "named by hand"


class NothingToProve(Exception):
    """The logs accuse no code that could be re-enacted."""


@dataclass(frozen=True)
class Raised:
    """An exception as the logs tell it: the cause in its chain that tells most. See `read_raised` for the frames."""

    record_id: int
    type: str | None
    message: str | None
    sqlstate: str | None
    constraint: str | None
    key_columns: tuple[str, ...]
    key_values: tuple[str, ...]
    frames: tuple[dict[str, Any], ...]  # file, line, function, code, in_app; outermost call first


@dataclass(frozen=True)
class Observed:
    """A statement that one of the two requests was seen to run, in the order of the database's log."""

    worker: int  # 0: the request that began first
    kind: str
    sql: str
    shape: str
    params: str | None
    table: str | None
    sqlstate: str | None
    record_id: int


@dataclass(frozen=True)
class Suspicion:
    """One endpoint under suspicion. `records`: of the two requests; `overlap` in time: sure, possible, none.

    Where the endpoint was named by hand, `records` are of at most one request that it answered, and `overlap` is NAMED.
    """

    method: str
    path: str
    route: str
    entity: str | None
    user: str | None
    records: tuple[int, ...]
    statuses: tuple[int | None, ...]
    stamp_us: int | None
    raised: Raised | None
    statements: tuple[Observed, ...]
    overlap: str = "sure"

    @property
    def success(self) -> int | None:
        """The status that the endpoint answers when nothing goes wrong, as the pair shows it."""
        return next((status for status in self.statuses if status is not None and status < 400), None)

    @property
    def failure(self) -> int | None:
        """The status that the one which lost answered."""
        return next((status for status in self.statuses if status is not None and status >= 500), None)


def suspicion(case: Investigation, window_us: int = WINDOW_US) -> Suspicion:
    """What the case's [app] names, else what the logs accuse most: the telling pair of an endpoint.

    A suspected endpoint is taken before any other that writes. Raises: NothingToProve
    """
    app = case.opened.case.app
    if app is not None and app.endpoint is not None:
        return of_endpoint(case, app.endpoint)
    pairs = duplicates.pairs(case.requests, window_us)
    judged = correlate.suspects(case.run(correlate.two_by_two(correlate.exposure(case.requests, pairs))))
    telling = questions.telling_pair(case, pairs, judged[judged["verdict"] == "suspect"])
    found = case.run(telling)
    if not len(found) or not failing(found.iloc[0]):
        pairs = duplicates.pairs(by_anybody(case.requests), window_us)
        raising = case.links.filter(case.links.to_table == "exceptions").from_record
        traced = pairs.first_record.isin(raising) | pairs.second_record.isin(raising)
        broken = pairs.filter(traced, (pairs.first_status >= 500) != (pairs.second_status >= 500))
        others = case.run(questions.telling_pair(case, broken, judged.iloc[:0]))
        found = others if len(others) else found
    if len(found):
        return of_pair(case, found.iloc[0].to_dict())
    raise NothingToProve(
        "no two requests for the same thing by the same user stand close together in these logs; "
        "an access log with what each request is about and by whom would show them; an endpoint that you suspect "
        'yourself is named in case.toml: [app] endpoint = "POST /jobs/7/done"'
    )


def of_endpoint(case: Investigation, endpoint: str) -> Suspicion:
    """The accusation that an analyst makes; the last request there that went well stands for both."""
    method, path = endpoint.split()
    requests = case.requests
    there = (requests.path.split("?")[0] == path) | (requests.route == path)
    well = requests.filter(requests.method == method, there, requests.status < 400)
    rows = case.run(well.order_by(ibis.desc("stamp_us"), ibis.desc("record_id")).limit(1)).to_dict("records")
    row = (
        rows[0] if rows else {"path": path, "route": path, "entity": None, "user_id": None, "stamp_us": None}
    )
    return Suspicion(
        method=method,
        path=str(row["path"]),
        route=str(row["route"]),
        entity=text(row["entity"]),
        user=text(row["user_id"]),
        records=tuple(int(each["record_id"]) for each in rows),
        statuses=tuple(number(each["status"]) for each in rows),
        stamp_us=number(row["stamp_us"]),
        raised=None,
        statements=(),
        overlap=NAMED,
    )


def failing(pair: pd.Series) -> bool:
    """Was one of the two answered 5xx, as far as the logs say?"""
    return any((number(pair[f"{side}_status"]) or 0) >= 500 for side in ("first", "second"))


def by_anybody(requests: ibis.Table) -> ibis.Table:
    """Requests about a named thing, keyed without their user: many applications log none for an answer 5xx."""
    about = requests.filter(requests.entity.notnull(), requests.status.notnull())
    key = about.method + " " + about.route + " " + about.entity
    return about.mutate(request_key=key, repeat_us=ibis.literal(0, "int64"))


def of_pair(case: Investigation, pair: Mapping[Any, Any]) -> Suspicion:
    """The accusation that one pair of duplicates makes."""
    records = (int(pair["first_record"]), int(pair["second_record"]))
    requests = case.table("requests")
    rows = case.run(requests.filter(requests.record_id.isin(list(records)))).set_index("record_id")
    first = rows.loc[records[0]]
    return Suspicion(
        method=str(first["method"]),
        path=str(first["path"]),
        route=str(first["route"]),
        entity=text(first["entity"]),
        user=text(first["user_id"]),
        records=records,
        statuses=tuple(number(rows.loc[record]["status"]) for record in records),
        stamp_us=number(first["stamp_us"]),
        raised=raised_by(case, records) or raised_about(case, pair),
        statements=statements_of(case, records),
        overlap=str(pair["overlap"]),
    )


def raised_by(case: Investigation, records: tuple[int, ...]) -> Raised | None:
    """The exception that a link ties to one of these requests."""
    links = case.links
    tied = links.filter(links.to_table == "exceptions", links.from_record.isin(list(records)))
    found = case.run(tied.select("to_record").distinct().order_by("to_record"))["to_record"].tolist()
    return read_raised(case, int(found[0])) if found else None


def raised_about(case: Investigation, pair: Mapping[Any, Any]) -> Raised | None:
    """The exception whose key names what the pair is about, where no link ties one to it."""
    pairs = duplicates.pairs(case.requests, WINDOW_US)
    mine = pairs.filter(
        pairs.first_record == pair["first_record"], pairs.second_record == pair["second_record"]
    )
    named = questions.errors_naming(case, mine)
    return read_raised(case, int(named["record_id"].iloc[0])) if len(named) else None


def read_raised(case: Investigation, record_id: int) -> Raised:
    """The chain of one record as its root cause; the frames are those of the exception with most of the application's.

    A driver's exception, the root cause, often has no frame of the application; the one it became has.
    """
    exceptions = case.table("exceptions")
    chain = exceptions.filter(exceptions.record_id == record_id, exceptions.member_of.isnull())
    rows = case.run(chain.order_by("position")).to_dict("records")
    telling = next((row for row in rows if text(row["sqlstate"])), rows[0])
    framed = max(rows, key=lambda row: (own_frames(row), row["is_last"]))
    return Raised(
        record_id=record_id,
        type=text(rows[-1]["type"]),
        message=text(telling["message"]),
        sqlstate=text(telling["sqlstate"]),
        constraint=text(telling["constraint_name"]),
        key_columns=tuple(listed(telling["key_columns"])),
        key_values=tuple(listed(telling["key_values"])),
        frames=tuple(dict(frame) for frame in listed(framed["frames"])),
    )


def own_frames(row: Mapping[Any, Any]) -> int:
    return sum(bool(frame["in_app"]) for frame in listed(row["frames"]))


def statements_of(case: Investigation, records: tuple[int, ...]) -> tuple[Observed, ...]:
    """The statements of two requests, in the order in which one writer wrote them."""
    links, statements = case.links, case.table("statements")
    tied = links.filter(links.to_table == "statements", links.from_record.isin(list(records)))
    ran = tied.select("from_record", record_id="to_record").join(statements, "record_id")
    rows = case.run(ran.order_by("source_id", "line_no", "record_id")).to_dict("records")
    return tuple(
        Observed(
            worker=records.index(int(row["from_record"])),
            kind=str(row["kind"]),
            sql=str(row["sql"]),
            shape=str(row["shape"]),
            params=text(row["params"]),
            table=text(row["table_name"]),
            sqlstate=text(row["sqlstate"]),
            record_id=int(row["record_id"]),
        )
        for row in rows
    )


def text(value: object) -> str | None:
    """A cell as text, None where it is NULL."""
    return None if pd.isna(value) else str(value)  # type: ignore[call-overload]


def number(value: object) -> int | None:
    """A cell as a whole number, None where it is NULL."""
    return None if pd.isna(value) else int(value)  # type: ignore[call-overload]


def listed(value: object) -> list[Any]:
    """A cell that holds a list; an empty one where it is NULL."""
    return [] if value is None or isinstance(value, float) else list(value)  # type: ignore[call-overload]
