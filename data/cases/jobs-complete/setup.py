"""The rows that `POST /api/jobs/complete` needs, and two requests that a lost update cannot hide between.

Run by the re-enactment inside the application's own interpreter, and inlined into the test that the team keeps.
"""

from typing import Any

from accounts.models import ApiToken, User
from jobs.models import Job, JobEvent


def rows(evidence: dict[str, Any]) -> dict[str, Any]:
    """A job in progress under the number that the logs show, its assignee, and some working times of its queue."""
    user = User.objects.create(name=evidence.get("user") or "sarah_k", full_name="Sarah K.", team="labels")
    token = ApiToken.objects.create(user=user, key="a-token-for-the-re-enactment")
    number = int(evidence.get("entity") or 4521)
    job = Job.objects.create(pk=number, title="scans", queue="scans", assignee=user, status=Job.IN_PROGRESS)
    for seconds in (50, 60, 70):
        JobEvent.objects.create(job=job, queue=job.queue, kind="worked", seconds=seconds)
    return {"job": job, "token": token}


def requests(rows: dict[str, Any]) -> list[dict[str, Any]]:
    """Two completions of one job: different pages, so different seals."""
    return [
        {
            "method": "POST",
            "path": "/api/jobs/complete",
            "headers": {"Authorization": f"Token {rows['token'].key}"},
            "json": {
                "job_id": rows["job"].pk,
                "result": {"summary": f"sent by {name}", "pages": [name]},
                "timing": {"seconds": 60},
            },
        }
        for name in ("A", "B")
    ]
