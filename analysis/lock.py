"""One process at a time loads a case."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

WAIT_S = 30.0
OWNER_ONLY: Final = 0o600


class LockedError(Exception):
    """Another process is loading this case."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the lock of one case's store.

    The system lets go of it when its holder dies, however that dies.
    Raises: LockedError after WAIT_S seconds, naming the holder.
    """
    holder = folder / "holder"
    lock = FileLock(folder / "lock", timeout=WAIT_S, mode=OWNER_ONLY)
    try:
        lock.acquire()
    except Timeout as error:
        raise LockedError(
            f"{folder}: process {read_holder(holder)} is loading this case, and {WAIT_S:g} s were not enough for it; "
            "wait for it or stop it, then run this again"
        ) from error
    try:
        handle = os.open(holder, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, OWNER_ONLY)
        with os.fdopen(handle, "w") as file:
            file.write(str(os.getpid()))
        yield
    finally:
        lock.release()


def read_holder(holder: Path) -> str:
    """The number of the process that holds the lock, as it wrote it down."""
    try:
        return holder.read_text().strip() or "unknown"
    except FileNotFoundError:
        return "unknown"
