"""Capture the incident anew: a real application, a real database, a real bad deploy.

    python data/cases/jobs-complete/capture/capture.py [--seconds N] [--out DIR]

Serves the good release under load, deploys the bad one, rolls it back, and keeps the logs as they
were written. Nothing is kept if the witnesses disagree. The default run takes about eight minutes.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import clock
import postgres
from checks import disagreements
from deployment import Deployment, deployment, favour
from evidence import Deploy, Evidence, read_rows, read_violations
from history import Release, Repository
from keep import between, compress, csv_records, keep
from records import read_access, read_sent, read_served, read_traces
from stale import stale_traces
from truth import truth_of

HERE = Path(__file__).parent
SECONDS = 400
BAD_DEPLOY = 0.43  # of the run
ROLLBACK = 0.82
BEFORE_ONSET_NS = 60 * 1_000_000_000  # of the database log that is kept
AFTER_ONSET_NS = 90 * 1_000_000_000


@dataclass(frozen=True)
class Plan:
    seconds: float
    out: Path
    good: Release
    bad: Release


def say(text: str) -> None:
    print(f"capture: {text}", file=sys.stderr, flush=True)


def capture(seconds: float, out: Path, scratch: Path) -> None:
    """Everything from the patches to the case folder."""
    repository = Repository(scratch / "repository")
    good, bad = repository.releases()[-2:]
    plan = Plan(seconds, out, good, bad)
    say(f"{repository.commits()} commits; good {good.version}, bad {bad.version}")
    logs = scratch / "logs"
    logs.mkdir()
    with postgres.running(folder(scratch / "pgdata")) as server:
        with deployment(scratch / "srv", logs, server.socket_folder) as place:
            say(f"served from {place.current}")
            prepare(place, repository, plan, server)
            deploys = incident(place, plan)
        with server.connect() as connection:
            rows = read_rows(connection)
        say(f"PostgreSQL {server.version()}; reading what was written")
    served, traces = read_served(place.side), read_traces(logs / "app.log")
    found = Evidence(
        deploys=deploys,
        served=served,
        sent=read_sent(place.folder / "sent.jsonl"),
        access=read_access(logs / "access.log"),
        traces=traces,
        rows=rows,
        stale_traces=stale_traces(traces, served, place.current, place.release),
        violations=read_violations(server.csvlog),
        guilty_commit=repository.guilty_commit(good.revision, bad.revision),
    )
    wrong = disagreements(found)
    if wrong:
        raise SystemExit("the witnesses disagree; nothing is kept:\n  " + "\n  ".join(wrong[:20]))
    write_case(plan, found, repository, logs, server.csvlog)


def folder(path: Path) -> Path:
    path.mkdir()
    return path


def prepare(place: Deployment, repository: Repository, plan: Plan, server: postgres.Server) -> None:
    """Both releases in place, the good one's tables made and filled, statements logged from now."""
    for release in (plan.good, plan.bad):
        repository.export(release.revision, place.release(release.revision))
        place.install(release.revision)
    place.manage(plan.good.revision, "migrate", "--verbosity=0")
    place.manage(plan.good.revision, "seed_demo", f"--clients={place.folder / 'clients.json'}")
    with server.connect() as connection:
        connection.execute("VACUUM ANALYZE")
    server.log_statements()


def incident(place: Deployment, plan: Plan) -> Sequence[Deploy]:
    """The run: good code, bad code, good code again, under a load that knows nothing of it."""
    deploys = [deploy(place, plan.good, "")]
    with load(place, plan.seconds) as people:
        started = time.monotonic()
        for share, release, note in (
            (BAD_DEPLOY, plan.bad, ""),
            (ROLLBACK, plan.good, f"rollback of {plan.bad.version}"),
        ):
            wait_until(started + share * plan.seconds, people)
            deploys.append(deploy(place, release, note))
        if people.wait():
            raise SystemExit("the load generator failed; see above")
    errors = [line for line in place.errors().splitlines() if "[ERROR]" in line or "CRIT" in line]
    if errors:
        raise SystemExit("gunicorn complained:\n  " + "\n  ".join(errors[:20]))
    return deploys


def deploy(place: Deployment, release: Release, note: str) -> Deploy:
    began_ns = time.time_ns()
    say(f"deploying {release.version} {note}".rstrip())
    place.manage(release.revision, "migrate", "--verbosity=0")
    place.switch_to(release.revision)
    return Deploy(release.version, release.revision, note, began_ns)


@contextmanager
def load(place: Deployment, seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    """The load generator, in a process of its own."""
    process = subprocess.Popen(
        [
            sys.executable, HERE / "load.py", f"--port={place.port}", f"--seconds={seconds}",
            f"--clients={place.folder / 'clients.json'}", f"--notes={place.folder / 'sent.jsonl'}",
        ],
        start_new_session=True,
    )  # fmt: skip
    favour(process)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait_until(moment: float, people: subprocess.Popen[bytes]) -> None:
    while (left := moment - time.monotonic()) > 0:
        if people.poll() is not None:
            raise SystemExit("the load generator ended early; see above")
        time.sleep(min(left, 0.5))


def write_case(plan: Plan, found: Evidence, repository: Repository, logs: Path, csvlog: Path) -> None:
    """The case folder: logs, deploys, history, source, truth."""
    target = plan.out / "logs"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    keep(logs / "access.log", target)
    keep(logs / "app.log", target)
    onset_ns = found.bad.began_ns
    with csvlog.open("rb") as file:
        window = between(csv_records(file), onset_ns - BEFORE_ONSET_NS, onset_ns + AFTER_ONSET_NS)
        compress(window, target / "postgresql.csv.gz")
    with (plan.out / "deploys.csv").open("w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["deployed_at", "version", "revision", "note"])
        table.writerows([d.deployed_at, d.version, d.revision, d.note] for d in found.deploys)
    repository.bundle(plan.out / "history.bundle")
    shutil.rmtree(plan.out / "source", ignore_errors=True)
    repository.export(plan.bad.revision, plan.out / "source")
    truth = truth_of(found, clock.measure(found))
    write_truth(truth, plan.out / "truth.json")
    say(f"written to {plan.out}; {truth['requests']} requests, {truth['races_lost']} races lost")


def write_truth(truth: dict[str, Any], path: Path) -> None:
    """JSON with a line for each pair, so that two captures can be compared line by line."""
    pairs = ",\n  ".join(json.dumps(pair) for pair in truth["pairs"])
    head = json.dumps({**truth, "pairs": []}, indent=1)
    path.write_text(head.replace('"pairs": []', f'"pairs": [\n  {pairs}\n ]') + "\n")


def leave(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=SECONDS, help="length of the run")
    parser.add_argument("--out", type=Path, default=HERE.parent, help="the case folder")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, leave)
    with tempfile.TemporaryDirectory(prefix="jobs-", ignore_cleanup_errors=True) as scratch:
        try:
            capture(options.seconds, options.out.resolve(), Path(scratch))
        except KeyboardInterrupt:
            raise SystemExit("capture: interrupted; nothing was kept") from None


if __name__ == "__main__":
    main()
