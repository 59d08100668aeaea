"""Files that are there whole or not at all, readable by their owner only, and what it means that there is no room."""

import contextlib
import errno
import os
import shutil
import tempfile
from pathlib import Path
from typing import Final

FULL: Final = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT}


class NoRoom(Exception):
    """A file cannot be written: its disk, or what this user may write to it, is full."""


def no_room(path: Path, needed: int, reason: str) -> NoRoom:
    """The error for a file, or a folder's file, that needs about so many bytes."""
    return NoRoom(
        f"{path}: no room ({reason}): about {megabytes(needed)} needed, {megabytes(free_bytes(path))} free. "
        "What was there before is as it was: make room, then run this again."
    )


def make_folder(folder: Path) -> None:
    """Make a folder, and those above it that are missing, for their owner only, whatever the umask."""
    for each in [*reversed(folder.parents), folder]:
        if not each.is_dir():
            each.mkdir(mode=0o700, exist_ok=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that only its owner may read; whoever looks sees the old content or the new, never a part.

    Raises: NoRoom; OSError. The old file is then as it was.
    """
    make_folder(path.parent)
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException as error:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno in FULL:
            raise no_room(path, len(data), str(error.strerror)) from error
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last through a power cut, where the system can."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def free_bytes(path: Path) -> int:
    """What this user may still write to the disk that `path` lies on, or would."""
    there = next(folder for folder in path.absolute().parents if folder.exists())
    return shutil.disk_usage(there).free


def megabytes(size: int) -> str:
    """A size for people, rounded up: 1 MB is 1,000,000 bytes."""
    return f"{-(-size // 1_000_000):,} MB"
