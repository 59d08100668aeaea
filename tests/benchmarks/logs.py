"""A large application log to measure on. For speed only: its distributions are made up."""

from pathlib import Path

import numpy as np

START = np.datetime64("2026-03-11T00:00:00.000", "ms")
ENDPOINTS = [b"GET /api/jobs", b"POST /api/jobs/complete", b"POST /api/jobs/start", b"GET /api/users/me"]
TRACEBACK = b"""%(stamp)sZ ERROR django.request Internal Server Error: /api/jobs/complete request_id=%(id)032x
Traceback (most recent call last):
  File "/app/jobs/views.py", line 142, in complete_job
    job.save()
  File "/app/venv/lib/python3.12/site-packages/django/db/models/base.py", line 822, in save
    self._perform_update(using=using, update_fields=update_fields)
django.db.utils.IntegrityError: duplicate key value violates unique constraint "jobs_job_completion_unique"
DETAIL:  Key (job_id, status)=(%(job)d, completed) already exists.

"""
REQUEST = b"%sZ INFO gunicorn.access %s %d %dms job_id=%d user=user%d request_id=%032x\n"
CHUNK = 100_000


def write_log(file: Path, lines: int, seed: int = 7) -> None:
    """Write about `lines` lines: requests of one day, one in two hundred with a nine-line traceback before it."""
    rng = np.random.default_rng(seed)
    requests = int(lines / (1 + 9 / 200))
    stamps = np.sort(rng.integers(0, 86_400_000, requests))
    with file.open("wb") as stream:
        for first in range(0, requests, CHUNK):
            stream.write(b"".join(chunk_lines(rng, stamps[first : first + CHUNK])))


def chunk_lines(rng: np.random.Generator, stamps: np.ndarray) -> list[bytes]:
    count = len(stamps)
    texts = np.datetime_as_string(START + stamps, unit="ms")
    kinds, jobs, users = (
        rng.integers(0, 4, count),
        rng.integers(1, 200_000, count),
        rng.integers(0, 20_000, count),
    )
    failed, durations, ids = rng.random(count) < 1 / 200, rng.integers(1, 90, count), rng.bytes(16 * count)
    found = []
    for row in range(count):
        stamp, ident = texts[row].encode(), int.from_bytes(ids[16 * row : 16 * row + 16])
        if failed[row]:
            found.append(TRACEBACK % {b"stamp": stamp, b"id": ident, b"job": jobs[row]})
        status = 500 if failed[row] else 200
        found.append(
            REQUEST % (stamp, ENDPOINTS[kinds[row]], status, durations[row], jobs[row], users[row], ident)
        )
    return found
