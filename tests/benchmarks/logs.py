"""Large logs to measure on. For speed only: their distributions are made up."""

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Final

import numpy as np
import zstandard

START = np.datetime64("2026-03-11T00:00:00.000", "ms")
CHUNK = 100_000
ENDPOINTS = [
    (b"GET", b"/api/jobs"),
    (b"POST", b"/api/jobs/complete"),
    (b"POST", b"/api/jobs/start"),
    (b"GET", b"/api/users/me"),
]
TRACEBACK = b"""%(stamp)sZ ERROR django.request Internal Server Error: /api/jobs/complete request_id=%(id)032x
Traceback (most recent call last):
  File "/app/jobs/views.py", line 142, in complete_job
    job.save()
  File "/app/venv/lib/python3.12/site-packages/django/db/models/base.py", line 822, in save
    self._perform_update(using=using, update_fields=update_fields)
django.db.utils.IntegrityError: duplicate key value violates unique constraint "jobs_job_completion_unique"
DETAIL:  Key (job_id, status)=(%(job)d, completed) already exists.

"""
TEXT = (
    b"%(stamp)sZ INFO gunicorn.access %(method)s %(path)s %(status)d %(ms)dms job_id=%(job)d user=user%(user)d "
    b"request_id=%(id)032x\n"
)
JSON = (
    b'{"ts":"%(stamp)sZ","level":"INFO","logger":"gunicorn.access","method":"%(method)s","path":"%(path)s",'
    b'"status":%(status)d,"duration_ms":%(ms)d,"job_id":%(job)d,"user":"user%(user)d","request_id":"%(id)032x"}\n'
)
NGINX = (
    b'203.0.113.%(host)d - user%(user)d [11/Mar/2026:%(time)s +0000] "%(method)s %(path)s?job_id=%(job)d HTTP/1.1" '
    b'%(status)d 512 "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0"\n'
)
LINES: Final = {"text": TEXT, "json": JSON, "nginx": NGINX, "gz": TEXT, "zst": TEXT}
"""Kind of log -> its line; gz and zst hold the text one."""

NAMES: Final = {
    "text": "app.log",
    "json": "app.jsonl",
    "nginx": "access.log",
    "gz": "app.log.gz",
    "zst": "app.log.zst",
}
OPEN: Final[dict[str, Callable[[Path], IO[bytes]]]] = {
    "gz": lambda file: gzip.open(file, "wb", compresslevel=1),  # noqa: SIM115 - the caller closes it
    "zst": lambda file: zstandard.open(file, "wb"),
}


def write_log(folder: Path, kind: str, lines: int, seed: int = 7) -> Path:
    """Write about `lines` lines of a kind: requests of one day, one in two hundred of them failing.

    In text a failing one has a nine-line traceback before it.
    """
    rng = np.random.default_rng(seed)
    with_tracebacks = LINES[kind] is TEXT
    requests = int(lines / (1 + 9 / 200)) if with_tracebacks else lines
    stamps = np.sort(rng.integers(0, 86_400_000, requests))
    file = folder / NAMES[kind]
    with OPEN.get(kind, lambda file: file.open("wb"))(file) as stream:
        for first in range(0, requests, CHUNK):
            rows = chunk_rows(rng, stamps[first : first + CHUNK])
            stream.write(b"".join(formatted(rows, LINES[kind], with_tracebacks)))
    return file


def chunk_rows(rng: np.random.Generator, stamps: np.ndarray) -> Iterator[dict[bytes, object]]:
    """The requests at these ms of the day, as values for `LINES`."""
    count = len(stamps)
    texts = np.datetime_as_string(START + stamps, unit="ms")
    kinds, jobs, users = (
        rng.integers(0, 4, count),
        rng.integers(1, 200_000, count),
        rng.integers(0, 20_000, count),
    )
    failed, durations, ids = rng.random(count) < 1 / 200, rng.integers(1, 90, count), rng.bytes(16 * count)
    for row in range(count):
        stamp = texts[row].encode()
        method, path = ENDPOINTS[kinds[row]]
        yield {
            **{b"stamp": stamp, b"time": stamp[11:19], b"method": method, b"path": path},
            **{b"status": 500 if failed[row] else 200, b"ms": durations[row], b"job": jobs[row]},
            **{b"user": users[row], b"host": users[row] % 250},
            b"id": int.from_bytes(ids[16 * row : 16 * row + 16]),
        }


def formatted(rows: Iterator[dict[bytes, object]], line: bytes, with_tracebacks: bool) -> Iterator[bytes]:
    for row in rows:
        if with_tracebacks and row[b"status"] == 500:
            yield TRACEBACK % row
        yield line % row
