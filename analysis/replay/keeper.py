"""Keeps a throw-away PostgreSQL while its standard input is open; then stops the server and removes its folder.

A process of its own, with the standard library only: when whoever wanted the server is killed, the pipe closes and
the server goes all the same. Arguments: folder, user ("" for the present one), initdb, postgres.
"""

import os
import pwd
import shutil
import signal
import subprocess
import sys
from pathlib import Path

# Data that is thrown away needs no safety on the disk; what would act at a time of its own choosing is off.
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "autovacuum": "off",
}
INITDB = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync"]
STOP_S = 10


def main(folder: str, user: str, initdb: str, postgres: str) -> None:
    data = Path(folder) / "data"
    who = {"user": user, "group": pwd.getpwnam(user).pw_gid, "extra_groups": []} if user else {}
    server = None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # only the pipe tells when
    try:
        with (Path(folder) / "log").open("wb") as log:
            streams = {"stdin": subprocess.DEVNULL, "stdout": log, "stderr": log, "cwd": folder}
            make = [initdb, *INITDB, "-D", str(data)]
            subprocess.run(make, check=True, **streams, **who)  # type: ignore[call-overload]
            settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]
            start = [postgres, "-D", str(data), "-k", folder, *settings]
            server = subprocess.Popen(start, start_new_session=True, **streams, **who)  # type: ignore[call-overload]
        sys.stdin.buffer.read()
    except subprocess.CalledProcessError:
        print((Path(folder) / "log").read_text(errors="replace"), flush=True)
    except OSError as error:
        print(error, flush=True)
    finally:
        if server:
            stop(server)
        shutil.rmtree(folder, ignore_errors=True)


def stop(server: "subprocess.Popen[bytes]") -> None:
    """PostgreSQL manual, "Shutting Down the Server": SIGQUIT is the immediate shutdown."""
    server.send_signal(signal.SIGQUIT)
    try:
        server.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
