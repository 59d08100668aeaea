"""PostgreSQL log records -> who waited for whose lock.

Source: PostgreSQL manual, section 19.8 "Error Reporting and Logging" (log_lock_waits) and 19.12 "Lock Management"
(deadlock_timeout: shorter waits are not logged).
"""

import re
from typing import Any, Final

import ibis
import pandas as pd

from analysis.evidence.postgres import (
    ENDS_WAIT,
    LOGGED,
    WAITED,
    Key,
    Line,
    joined,
    lines,
    microseconds,
    typed,
)

HOLDERS: Final = re.compile(r"Process(?:es)? holding the lock: ([\d, ]*)\. Wait queue: ([\d, ]*)\.")
AWAITED: Final = re.compile(r"transaction (\d{1,18})$")

LOCK_WAITS: Final = ibis.schema(
    {
        "record_id": "int64",
        "ended_record_id": "int64",
        "source_id": "int32",
        "session": "string",
        "process": "string",
        "lock_mode": "string",
        "lock_on": "string",
        "awaited_xid": "int64",
        "holders": "array<string>",
        "queue": "array<string>",
        "waited_us": "int64",
        "outcome": "string",
    }
)


def lock_waits(records: pd.DataFrame) -> pd.DataFrame:
    """The waits for locks that log_lock_waits shows: an order that rests on no clock.

    In:  as for `statements`.
    Out: one row a wait, by record_id: record_id, ended_record_id (NULL: no line shows its end), source_id,
         session, process, lock_mode and lock_on as logged, awaited_xid where it is a
         transaction, holders and queue (process ids), waited_us (at least, where the end is not shown), outcome
         as logged. "process B acquired ShareLock on transaction A": A's commit or rollback came before.
    """
    waits: list[dict[str, Any]] = []
    going: dict[Key, dict[str, Any]] = {}
    for line in joined(lines(records)):
        match = WAITED.match(line.message or "") if line.level in LOGGED else None
        wait = going.pop(line.key, None)  # a process waits for one lock at a time
        if match is None:
            continue
        if wait is None or (wait["lock_mode"], wait["lock_on"]) != (match[3], match[4]):
            wait = begun_wait(line, match)
            waits.append(wait)
        wait["waited_us"], wait["outcome"] = microseconds(match[5], match[6]), match[2]
        if match[2] in ENDS_WAIT:
            wait["ended_record_id"] = line.record_id
        else:
            going[line.key] = wait
    return typed({name: [wait.get(name) for wait in waits] for name in LOCK_WAITS}, LOCK_WAITS)


def begun_wait(line: Line, match: re.Match[str]) -> dict[str, Any]:
    """The first line of a wait as a row of `lock_waits`."""
    holding = HOLDERS.match(line.detail or "")
    awaited = AWAITED.match(match[4])
    return {
        "record_id": line.record_id,
        "source_id": line.source_id,
        "session": line.session or line.process,
        "process": match[1],
        "lock_mode": match[3],
        "lock_on": match[4],
        "awaited_xid": int(awaited[1]) if awaited else None,
        "holders": process_ids(holding[1]) if holding else [],
        "queue": process_ids(holding[2]) if holding else [],
    }


def process_ids(text: str) -> list[str]:
    """`123, 456` -> ["123", "456"]."""
    return [part for part in text.replace(" ", "").split(",") if part]
