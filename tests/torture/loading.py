"""Cases to load, and loads in processes of their own, which tell how far they are and may be killed."""

import multiprocessing
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from analysis import lock, store
from analysis.case import Case, read_case
from analysis.evidence import seal
from analysis.read_only import open_read_only

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.torture.loading", "analysis.investigation"])
STORE = "RACE_FORENSICS_STORE"
FOREVER_S = 300
APP = "2026-11-24T{:02d}:{:02d}:{:02d}Z {} app.jobs job {} took {} ms\n"
ACCESS = (
    '[2026-11-24T{:02d}:{:02d}:{:02d}.{:03d}] 41 203.0.113.7 "POST /api/jobs/{} HTTP/1.1" {} 0.038123 job={} '
    "user=sarah_k request_id=id{}\n"
)
TRACEBACK = """Traceback (most recent call last):
  File "/app/jobs/views.py", line 142, in complete_job
    job.save()
ValueError: job {}
"""

Tables = dict[str, dict[str, Any]]


def write_case(folder: Path, requests: int) -> Case:
    """An access log and an application's log of so many requests, a tenth of them failed."""
    folder.mkdir(parents=True, exist_ok=True)
    access, app = [], []
    for number in range(requests):
        clock = (number // 3600 % 24, number // 60 % 60, number % 60)
        failed = number % 10 == 0
        job = number // 2
        access.append(ACCESS.format(*clock, number % 1000, job, 500 if failed else 200, job, number))
        app.append(APP.format(*clock, "ERROR" if failed else "INFO", job, number % 977))
        app += [TRACEBACK.format(number)] * failed
    (folder / "access.log").write_text("".join(access))
    (folder / "app.log").write_text("".join(app))
    (folder / "case.toml").write_text(
        '[fields]\nentity = "job"\nuser = "user"\nrequest_id = "request_id"\n'
        '[[source]]\npath = "access.log"\nformat = "gunicorn_access_ms"\n'
        '[[source]]\npath = "app.log"\nformat = "render_export"\n'
    )
    return read_case(folder)


@cache
def a_case(requests: int) -> Case:
    """The same case of this size for every trial of this process."""
    return write_case(Path(tempfile.mkdtemp(prefix="torture-case-")) / f"case-{requests}", requests)


@contextmanager
def own_store(folder: Path | None = None) -> Iterator[Path]:
    """Databases go to a fresh folder, or to the given one."""
    former = os.environ.get(STORE)
    with tempfile.TemporaryDirectory(prefix="torture-store-", ignore_cleanup_errors=True) as fresh:
        os.environ[STORE] = str(folder or fresh)
        try:
            yield folder or Path(fresh)
        finally:
            os.environ.pop(STORE)
            if former is not None:
                os.environ[STORE] = former


def folder_of(case: Case) -> Path:
    return store.store_folder(case) / "with-ids"


def tables_of(case: Case) -> Tables:
    """The digests of a case's tables, loaded if need be."""
    opened = store.open_loaded(case)
    opened.close()
    return opened.manifest.tables


@cache
def undisturbed(requests: int) -> Tables:
    """The digests of an undisturbed load."""
    with own_store():
        return tables_of(a_case(requests))


def lying_there(case: Case) -> Tables | None:
    """What the store holds as it is, digests computed from its rows; None: nothing. Raises: SealError."""
    folder = folder_of(case)
    manifest = seal.read_manifest(folder / seal.MANIFEST)
    if manifest is None:
        return None
    seal.check(manifest, folder / manifest.database)
    connection = open_read_only(folder / manifest.database)
    try:
        return seal.digests(connection)
    finally:
        connection.close()


def a_former_load(case: Any) -> None:
    """Put a smaller case's database where this case's will lie."""
    with own_store():
        tables_of(a_case(100))
        former = folder_of(a_case(100))
        kept = Path(tempfile.mkdtemp()) / "kept"
        shutil.copytree(former, kept)
    shutil.copytree(kept, folder_of(case))
    shutil.rmtree(kept.parent)


def assert_tidy(folder: Path) -> None:
    names = {file.name.split("-")[0] for file in folder.iterdir()}
    assert names == {"case", "case.manifest.json", "holder", "lock"}, names
    assert len(list(folder.glob("case-*"))) == 1


@dataclass(frozen=True)
class Child:
    """A process that runs a function of this package in a store of its own."""

    process: Any
    pipe: Connection

    def answer(self) -> Any:
        """What the function returned, or the name and text of what it raised; None if it was killed."""
        while True:
            try:
                assert self.pipe.poll(FOREVER_S), "a child hangs"
                kind, value = self.pipe.recv()
            except (EOFError, ConnectionResetError):
                return None
            if kind == "answer":
                return value

    def until(self, step: str) -> bool:
        """Wait until it tells of this step; False if it ended before."""
        while True:
            try:
                assert self.pipe.poll(FOREVER_S), "a child hangs"
                kind, value = self.pipe.recv()
            except (EOFError, ConnectionResetError):
                return False
            if kind == "answer":
                return False
            if value == step:
                return True

    def kill(self) -> None:
        self.process.kill()
        self.process.join()


def start(function: Callable[..., Any], *arguments: Any) -> Child:
    """Run `function(tell, *arguments)` in a process; it may `tell` steps."""
    mine, childs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=serve, args=(childs, os.environ[STORE], function, arguments))
    process.start()
    childs.close()
    return Child(process, mine)


def serve(
    pipe: Connection, store_folder: str, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> None:
    os.environ[STORE] = store_folder

    def tell(step: str) -> None:
        pipe.send(("step", step))

    try:
        value = function(tell, *arguments)
    except Exception as error:  # noqa: BLE001 - told to the trial, which judges it
        value = (type(error).__name__, str(error))
    pipe.send(("answer", value))


def telling(function: Callable[..., Any], tell: Callable[[str], None], before: str, after: str = "") -> Any:
    """A function that does what it did and tells when it begins and has ended."""

    def told(*arguments: Any, **named: Any) -> Any:
        if before:
            tell(before)
        value = function(*arguments, **named)
        if after:
            tell(after)
        return value

    return told


def load(tell: Callable[[str], None], folder: str, wait_s: float = 30) -> Tables:
    """Load a case and tell each step as the real functions take it. For a process of its own."""
    lock.WAIT_S = wait_s
    store.load = telling(store.load, tell, "begun", "loaded")
    store.leave_out_copies = telling(store.leave_out_copies, tell, "read")
    seal.digests = telling(seal.digests, tell, "checkpointed")
    opened = store.open_loaded(read_case(Path(folder)), progress=lambda *_: tell("reading"))
    opened.close()
    return opened.manifest.tables
