"""PostgreSQL 18's own log of racing sessions, as excerpts, and a reader for them.

Each line: seconds, process, vxid, xid, level, SQLSTATE, message, as the csvlog had them (log_statement=all,
log_duration=on, log_lock_waits=on, deadlock_timeout=50ms); |DETAIL and |QUERY where they were not empty; `\\n` is a
newline.
"""

# ruff: noqa: E501 - the server's own lines

import re

import pandas as pd

ROW = re.compile(
    r"(?P<seconds>\d+\.\d{3}) (?P<process>\S+) (?P<vxid>\S+) (?P<xid>\d+) (?P<level>\w+) (?P<sqlstate>\w{5}) "
    r"(?P<message>.*?)(?: \|DETAIL (?P<detail>.*?))?(?: \|QUERY (?P<query>.*))?$"
)


def written(excerpt: str, **columns: object) -> pd.DataFrame:
    """The records of an excerpt, one a line; extra columns are set on every row."""
    rows = [ROW.match(line.strip()) for line in excerpt.splitlines() if line.strip()]
    return pd.DataFrame([record(number, row) for number, row in enumerate(rows, 1)]).assign(**columns)


def record(number: int, row: "re.Match[str]") -> dict[str, object]:
    texts = {name: text and text.replace("\\n", "\n") for name, text in row.groupdict().items()}
    return {
        "record_id": number,
        "source_id": 1,
        "line_no": number,
        "logged_us": round(float(texts["seconds"]) * 1_000_000),
        "resolution_us": 1000,
        "process": texts["process"],
        "session": f"6b05103e.{int(texts['process']):x}",
        "vxid": texts["vxid"],
        "xid": int(texts["xid"]),
        "level": texts["level"],
        "sqlstate": None if texts["sqlstate"] == "00000" else texts["sqlstate"],
        "message": texts["message"],
        "detail": texts["detail"],
        "query": texts["query"],
        "clock": "database",
        "writer": "database",
    }


RACE = r"""
10.214 10270 1/2 0 LOG 00000 statement: BEGIN
10.214 10270 1/2 0 LOG 00000 duration: 0.103 ms
10.214 10270 1/2 0 LOG 00000 statement: /* request_id=0f3a1 */ SELECT id FROM jobs_job WHERE id=4 AND status='in_progress' LIMIT 21
10.215 10270 1/2 0 LOG 00000 duration: 1.628 ms
10.216 10271 2/2 0 LOG 00000 statement: BEGIN
10.216 10271 2/2 0 LOG 00000 duration: 0.068 ms
10.216 10271 2/2 0 LOG 00000 statement: /* request_id=0f3a2 */ SELECT id FROM jobs_job WHERE id=4 AND status='in_progress' LIMIT 21
10.217 10271 2/2 0 LOG 00000 duration: 0.644 ms
10.217 10270 1/2 0 LOG 00000 statement: /* request_id=0f3a1 */ INSERT INTO jobs_done(job_id,status) VALUES (4,'completed') RETURNING id
10.218 10270 1/2 765 LOG 00000 duration: 0.767 ms
10.220 10271 2/2 0 LOG 00000 statement: /* request_id=0f3a2 */ INSERT INTO jobs_done(job_id,status) VALUES (4,'completed') RETURNING id
10.270 10271 2/2 766 LOG 00000 process 10271 still waiting for ShareLock on transaction 765 after 50.094 ms |DETAIL Process holding the lock: 10270. Wait queue: 10271. |QUERY /* request_id=0f3a2 */ INSERT INTO jobs_done(job_id,status) VALUES (4,'completed') RETURNING id
10.340 10270 1/2 765 LOG 00000 statement: COMMIT
10.343 10271 2/2 766 LOG 00000 process 10271 acquired ShareLock on transaction 765 after 123.572 ms |QUERY /* request_id=0f3a2 */ INSERT INTO jobs_done(job_id,status) VALUES (4,'completed') RETURNING id
10.344 10271 2/2 766 ERROR 23505 duplicate key value violates unique constraint "jobs_job_completion_unique" |DETAIL Key (job_id, status)=(4, completed) already exists. |QUERY /* request_id=0f3a2 */ INSERT INTO jobs_done(job_id,status) VALUES (4,'completed') RETURNING id
10.344 10270 1/0 0 LOG 00000 duration: 4.081 ms
10.344 10271 2/0 766 LOG 00000 statement: ROLLBACK
10.344 10271 2/0 0 LOG 00000 duration: 0.048 ms
"""
"""Two requests insert the same key; the second waits for the first and fails."""

ROW_LOCK = r"""
10.344 10270 1/3 0 LOG 00000 statement: BEGIN
10.344 10270 1/3 0 LOG 00000 duration: 0.034 ms
10.344 10270 1/3 0 LOG 00000 statement: /* request_id=0f3a3 */ SELECT id FROM jobs_job WHERE id=5 FOR UPDATE
10.345 10270 1/3 767 LOG 00000 duration: 0.181 ms
10.345 10271 2/3 0 LOG 00000 statement: BEGIN
10.345 10271 2/3 0 LOG 00000 duration: 0.027 ms
10.345 10271 2/3 0 LOG 00000 statement: /* request_id=0f3a4 */ UPDATE jobs_job SET status='x /* request_id=evil */' WHERE id=5
10.396 10271 2/3 768 LOG 00000 process 10271 still waiting for ShareLock on transaction 767 after 50.079 ms |DETAIL Process holding the lock: 10270. Wait queue: 10271. |QUERY /* request_id=0f3a4 */ UPDATE jobs_job SET status='x /* request_id=evil */' WHERE id=5
10.446 10270 1/3 767 LOG 00000 statement: /* request_id=0f3a3 */ UPDATE jobs_job SET status='y' WHERE id=5
10.446 10270 1/3 767 LOG 00000 duration: 0.337 ms
10.446 10270 1/3 767 LOG 00000 statement: COMMIT
10.446 10270 1/0 0 LOG 00000 duration: 0.067 ms
10.446 10271 2/3 768 LOG 00000 process 10271 acquired ShareLock on transaction 767 after 100.353 ms |QUERY /* request_id=0f3a4 */ UPDATE jobs_job SET status='x /* request_id=evil */' WHERE id=5
10.446 10271 2/3 768 LOG 00000 duration: 101.014 ms
10.446 10271 2/3 768 LOG 00000 statement: COMMIT
10.447 10271 2/0 0 LOG 00000 duration: 0.056 ms
"""
"""One request holds a row, the other waits and goes on."""

DEADLOCK = r"""
10.447 10270 1/4 0 LOG 00000 statement: BEGIN
10.447 10270 1/4 0 LOG 00000 duration: 0.028 ms
10.447 10270 1/4 0 LOG 00000 statement: /* request_id=0f3a5 */ UPDATE jobs_job SET status='a' WHERE id=1
10.447 10270 1/4 769 LOG 00000 duration: 0.093 ms
10.447 10271 2/4 0 LOG 00000 statement: BEGIN
10.447 10271 2/4 0 LOG 00000 duration: 0.021 ms
10.447 10271 2/4 0 LOG 00000 statement: /* request_id=0f3a6 */ UPDATE jobs_job SET status='b' WHERE id=2
10.447 10271 2/4 770 LOG 00000 duration: 0.084 ms
10.452 10271 2/4 770 LOG 00000 statement: /* request_id=0f3a6 */ UPDATE jobs_job SET status='b' WHERE id=1
10.472 10270 1/4 769 LOG 00000 statement: /* request_id=0f3a5 */ UPDATE jobs_job SET status='a' WHERE id=2
10.502 10271 2/4 770 LOG 00000 process 10271 detected deadlock while waiting for ShareLock on transaction 769 after 50.109 ms |DETAIL Process holding the lock: 10270. Wait queue: . |QUERY /* request_id=0f3a6 */ UPDATE jobs_job SET status='b' WHERE id=1
10.502 10271 2/4 770 ERROR 40P01 deadlock detected |DETAIL Process 10271 waits for ShareLock on transaction 769; blocked by process 10270.\nProcess 10270 waits for ShareLock on transaction 770; blocked by process 10271.\nProcess 10271: /* request_id=0f3a6 */ UPDATE jobs_job SET status='b' WHERE id=1\nProcess 10270: /* request_id=0f3a5 */ UPDATE jobs_job SET status='a' WHERE id=2 |QUERY /* request_id=0f3a6 */ UPDATE jobs_job SET status='b' WHERE id=1
10.502 10270 1/4 769 LOG 00000 duration: 30.334 ms
10.502 10270 1/4 769 LOG 00000 statement: COMMIT
10.503 10270 1/0 0 LOG 00000 duration: 0.053 ms
10.503 10271 2/0 770 LOG 00000 statement: ROLLBACK
"""
"""Two requests wait for each other."""

LOCK_TIMEOUT = r"""
10.503 10270 1/5 0 LOG 00000 statement: BEGIN
10.503 10270 1/5 0 LOG 00000 duration: 0.024 ms
10.503 10270 1/5 0 LOG 00000 statement: /* request_id=0f3a7 */ UPDATE jobs_job SET status='a' WHERE id=1
10.503 10270 1/5 771 LOG 00000 duration: 0.177 ms
10.503 10271 2/5 0 LOG 00000 statement: BEGIN
10.503 10271 2/5 0 LOG 00000 duration: 0.035 ms
10.503 10271 2/5 0 LOG 00000 statement: /* request_id=0f3a8 */ SET lock_timeout='80ms'
10.503 10271 2/5 0 LOG 00000 duration: 0.086 ms
10.503 10271 2/5 0 LOG 00000 statement: /* request_id=0f3a8 */ UPDATE jobs_job SET status='a' WHERE id=1
10.554 10271 2/5 772 LOG 00000 process 10271 still waiting for ShareLock on transaction 771 after 50.113 ms |DETAIL Process holding the lock: 10270. Wait queue: 10271. |QUERY /* request_id=0f3a8 */ UPDATE jobs_job SET status='a' WHERE id=1
10.584 10271 2/5 772 ERROR 55P03 canceling statement due to lock timeout |QUERY /* request_id=0f3a8 */ UPDATE jobs_job SET status='a' WHERE id=1
10.584 10271 2/0 772 LOG 00000 statement: ROLLBACK
10.584 10271 2/0 0 LOG 00000 duration: 0.067 ms
10.584 10270 1/5 771 LOG 00000 statement: COMMIT
10.584 10270 1/0 0 LOG 00000 duration: 0.048 ms
"""
"""A wait that lock_timeout ends."""

EXTENDED = r"""
10.593 10275 3/2 0 LOG 00000 statement: BEGIN
10.593 10275 3/2 0 LOG 00000 duration: 0.082 ms
10.594 10275 3/2 0 LOG 00000 duration: 0.301 ms
10.594 10275 3/2 0 LOG 00000 duration: 0.310 ms
10.594 10275 3/2 0 LOG 00000 execute <unnamed>: SELECT status FROM jobs_job WHERE id = $1 /*request_id='0f%3Aext'*/ |DETAIL Parameters: $1 = '7'
10.594 10275 3/2 0 LOG 00000 duration: 0.039 ms
10.594 10275 3/2 0 LOG 00000 statement: SAVEPOINT "_pg3_2"
10.594 10275 3/2 0 LOG 00000 duration: 0.030 ms
10.595 10275 3/2 0 LOG 00000 duration: 0.033 ms
10.595 10275 3/2 0 LOG 00000 duration: 0.037 ms
10.595 10275 3/2 0 LOG 00000 execute <unnamed>: UPDATE jobs_job SET note=$1 WHERE id=$2 /*request_id='0f%3Aext'*/ |DETAIL Parameters: $1 = 'it''s, a ''note''', $2 = '7'
10.595 10275 3/2 773 LOG 00000 duration: 0.142 ms
10.595 10275 3/2 773 LOG 00000 statement: RELEASE "_pg3_2"
10.595 10275 3/2 773 LOG 00000 duration: 0.014 ms
10.595 10275 3/2 773 LOG 00000 statement: COMMIT
10.595 10275 3/0 0 LOG 00000 duration: 0.043 ms
"""
"""The extended protocol: parse and bind leave durations without text."""

ERRORS = r"""
10.595 10275 3/3 0 LOG 00000 statement: BEGIN
10.595 10275 3/3 0 LOG 00000 duration: 0.010 ms
10.595 10275 3/3 0 ERROR 42601 syntax error at or near "SELEC" |QUERY SELEC 1
10.595 10275 3/0 0 LOG 00000 statement: ROLLBACK
10.595 10275 3/0 0 LOG 00000 duration: 0.007 ms
10.596 10275 3/4 0 LOG 00000 statement: BEGIN
10.596 10275 3/4 0 LOG 00000 duration: 0.005 ms
10.596 10275 3/4 0 LOG 00000 duration: 0.377 ms
10.596 10275 3/4 0 LOG 00000 duration: 0.032 ms
10.596 10275 3/4 0 LOG 00000 execute <unnamed>: INSERT INTO jobs_done(job_id,status) VALUES ($1,$2) |DETAIL Parameters: $1 = '99', $2 = 'x'
10.596 10275 3/4 775 ERROR 23503 insert or update on table "jobs_done" violates foreign key constraint "jobs_done_job_id_fkey" |DETAIL Key (job_id)=(99) is not present in table "jobs_job". |QUERY INSERT INTO jobs_done(job_id,status) VALUES ($1,$2)
10.597 10275 3/0 775 LOG 00000 statement: ROLLBACK
10.597 10275 3/0 0 LOG 00000 duration: 0.019 ms
"""
"""A statement that was never announced, and one that was."""

ONE_LINE = r"""
10.600 10270 1/0 0 LOG 00000 duration: 0.011 ms  statement: COMMIT
10.600 10270 1/7 0 LOG 00000 duration: 0.002 ms  statement: BEGIN
10.600 10270 1/7 778 LOG 00000 duration: 0.101 ms  statement: /* request_id=0f3a9 */ UPDATE jobs_job SET status='q' WHERE id=1\n  AND true
10.600 10270 1/0 0 LOG 00000 duration: 0.019 ms  statement: COMMIT
10.600 10270 1/8 0 LOG 00000 duration: 0.003 ms  statement: BEGIN
10.600 10270 1/8 0 ERROR 22012 division by zero |QUERY /* request_id=0f3a9 */ SELECT 1/0
10.600 10270 1/0 0 LOG 00000 duration: 0.006 ms  statement: ROLLBACK
10.601 10275 3/10 0 LOG 00000 duration: 0.004 ms  statement: BEGIN
10.601 10275 3/10 0 LOG 00000 duration: 0.020 ms  parse <unnamed>: SELECT status FROM jobs_job WHERE id = $1
10.601 10275 3/10 0 LOG 00000 duration: 0.030 ms  bind <unnamed>: SELECT status FROM jobs_job WHERE id = $1 |DETAIL Parameters: $1 = '8'
10.601 10275 3/10 0 LOG 00000 duration: 0.009 ms  execute <unnamed>: SELECT status FROM jobs_job WHERE id = $1 |DETAIL Parameters: $1 = '8'
10.601 10275 3/0 0 LOG 00000 duration: 0.010 ms  statement: COMMIT
"""
"""log_min_duration_statement: text and duration in one line."""
