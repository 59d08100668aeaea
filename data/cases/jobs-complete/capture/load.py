"""The load generator: people who browse, poll, open tabs, double-click and retry.

    python load.py --port P --clients FILE --notes FILE --seconds N --seed S

What people do never changes during a run; which code answers them does, and they do not know it.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import math
import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client import Client

CYCLE_S = (20.0, 34.0)  # a pause between two jobs
POLL_S = 1.0
DOUBLE_CLICK_S = (0.002, 0.250)  # gap of the second click, log-uniform
TAB_S = 0.002
IMPATIENT_S = 0.10  # a mobile client's time-out
PAGES = (6, 12)  # of an ordinary result
LONG_PAGES = 250  # of a result that takes longer to validate than IMPATIENT_S
HEALTH_S = 5.0

TWO_TABS = 0.15
PROFILE = 0.30
PROGRESS = 0.45
COMMENT = 0.20
COMMENT_TWICE = 0.10
DOUBLE_CLICK = 0.36
RETRY = 0.04
OLD_CLIENT_EVERY = 400  # one completion in so many comes from an old client, in its old shape
OLD_PROGRESS_EVERY = 150


@dataclass
class Crowd:
    """What all users share: the clock that ends the run, and counters."""

    ends: float
    actions: itertools.count[int]
    completions: itertools.count[int]
    progresses: itertools.count[int]

    def left(self) -> float:
        return max(0.0, self.ends - time.monotonic())

    def over(self) -> bool:
        return self.left() == 0


class Person:
    """One user, doing one job after the other until the run is over."""

    def __init__(self, client: Client, crowd: Crowd, seed: str) -> None:
        self.client, self.crowd = client, crowd
        self.dice = random.Random(seed)
        self.taken: set[int] = set()

    async def work(self) -> None:
        await asyncio.sleep(self.dice.uniform(0, sum(CYCLE_S) / 2))
        while not self.crowd.over():
            job = await self.browse()
            if job is None:
                return
            await self.do(job)
            await asyncio.sleep(min(self.dice.uniform(*CYCLE_S), self.crowd.left()))

    async def send(self, method: str, path: str, kind: str, **rest: Any) -> Any:
        rest.setdefault("action", next(self.crowd.actions))
        return await self.client.send(method, path, kind=kind, **rest)

    async def browse(self) -> int | None:
        """Look at one's list and pick a job, at times in two tabs at once."""
        if self.dice.random() < PROFILE:
            await self.send("GET", "/api/users/me", "browse")
        _, answer = await self.send("GET", "/api/jobs?status=open", "browse")
        jobs = [job["id"] for job in (answer or {}).get("jobs", ()) if job["id"] not in self.taken]
        if not jobs:
            return None
        job = self.dice.choice(jobs[:5])
        self.taken.add(job)
        if self.dice.random() < TWO_TABS:
            await self.together("GET", f"/api/jobs/{job}", "tabs", TAB_S, [None, None], job=job)
        else:
            await self.send("GET", f"/api/jobs/{job}", "browse", job=job)
        return int(job)

    async def do(self, job: int) -> None:
        await self.send("POST", "/api/jobs/start", "start", job=job, body={"job_id": job})
        await self.poll(job, self.dice.randint(1, 3))
        if self.dice.random() < PROGRESS:
            await self.report(job)
        await self.complete(job)
        if self.dice.random() < COMMENT:
            await self.comment(job)
        if self.dice.random() < PROFILE:
            await self.send("GET", f"/api/comments?job={job}", "browse", job=job)

    async def poll(self, job: int, times: int) -> None:
        action = next(self.crowd.actions)
        for _ in range(times):
            await self.send("GET", f"/api/jobs/{job}", "poll", job=job, action=action)
            await asyncio.sleep(POLL_S)

    async def report(self, job: int) -> None:
        """Progress, said twice: the second PUT changes nothing."""
        timing = {"seconds": self.dice.randint(20, 120)}
        if next(self.crowd.progresses) % OLD_PROGRESS_EVERY == OLD_PROGRESS_EVERY // 2:
            timing = {"ms": timing["seconds"] * 1000}
        body = {"progress": self.dice.randint(10, 90), "timing": timing}
        await self.together("PUT", f"/api/jobs/{job}", "put", self.gap(), [body, body], job=job)

    async def complete(self, job: int) -> None:
        if next(self.crowd.completions) % OLD_CLIENT_EVERY == OLD_CLIENT_EVERY // 2:
            body = self.result(job, "single")
            body["timing"] = {"ms": 1000 * body["timing"]["seconds"]}
            await self.post_completion("single", job, body)
            return
        roll = self.dice.random()
        if roll < DOUBLE_CLICK:
            clicks = [self.result(job, "first"), self.result(job, "second")]
            await self.together("POST", "/api/jobs/complete", "double", self.gap(), clicks, job=job)
        elif roll < DOUBLE_CLICK + RETRY:
            await self.complete_impatiently(job)
        else:
            await self.post_completion("single", job, self.result(job, "single"))

    async def post_completion(self, kind: str, job: int, body: dict[str, Any]) -> None:
        await self.send("POST", "/api/jobs/complete", kind, job=job, body=body)

    async def complete_impatiently(self, job: int) -> None:
        """Give up on an answer that takes long, and send the same again."""
        action = next(self.crowd.actions)
        for attempt, patience in (("first", IMPATIENT_S), ("retry", 30.0)):
            sent, _ = await self.send(
                "POST", "/api/jobs/complete", "retry", job=job, action=action,
                body=self.result(job, attempt, LONG_PAGES), timeout_s=patience,
            )  # fmt: skip
            if sent.outcome != "timeout":
                return

    async def comment(self, job: int) -> None:
        body = {"job_id": job, "text": f"done in {self.dice.randint(2, 40)} min"}
        times = 2 if self.dice.random() < COMMENT_TWICE else 1
        await self.together("POST", "/api/comments", "comment", self.gap(), [body] * times, job=job)

    async def together(
        self, method: str, path: str, kind: str, gap_s: float, bodies: list[Any], *, job: int
    ) -> None:
        """Send one request after the other, `gap_s` apart, without waiting for answers."""
        action = next(self.crowd.actions)
        async with asyncio.TaskGroup() as group:
            for number, body in enumerate(bodies):
                if number:
                    await asyncio.sleep(gap_s)
                group.create_task(self.send(method, path, kind, job=job, action=action, body=body))

    def gap(self) -> float:
        shortest, longest = DOUBLE_CLICK_S
        return shortest * math.exp(self.dice.uniform(0, math.log(longest / shortest)))

    def result(self, job: int, draft: str, pages: int = 0) -> dict[str, Any]:
        """A result as the client posts it; `draft` is new for each click."""
        count = pages or self.dice.randint(*PAGES)
        result = {
            "draft": f"{draft}-{self.dice.getrandbits(48):012x}",
            "pages": [f"{self.dice.getrandbits(32):08x}" for _ in range(count)],
        }
        return {"job_id": job, "result": result, "timing": {"seconds": self.dice.randint(20, 150)}}


async def watch_health(client: Client, crowd: Crowd) -> None:
    while not crowd.over():
        await client.send("GET", "/healthz", kind="health", action=next(crowd.actions))
        await asyncio.sleep(HEALTH_S)


def address_of(number: int) -> str:
    """An address from the ranges kept for documentation (RFC 5737)."""
    network = ("203.0.113", "198.51.100")[number // 254 % 2]
    return f"{network}.{number % 254 + 1}"


async def run(options: argparse.Namespace) -> None:
    people = json.loads(options.clients.read_text())
    counters = (itertools.count(), itertools.count(), itertools.count())
    crowd = Crowd(time.monotonic() + options.seconds, *counters)
    with options.notes.open("w") as notes:
        async with asyncio.TaskGroup() as group:
            monitor = Client(options.port, "-", "-", "192.0.2.10", notes)
            group.create_task(watch_health(monitor, crowd))
            for number, person in enumerate(people):
                client = Client(options.port, person["name"], person["token"], address_of(2 * number), notes)
                group.create_task(Person(client, crowd, f"{options.seed}/{number}").work())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--clients", type=Path, required=True)
    parser.add_argument("--notes", type=Path, required=True)
    parser.add_argument("--seconds", type=float, required=True)
    parser.add_argument("--seed", type=int, default=1)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
