"""A load that is killed leaves the old state or the new one, never a third."""

import random
import signal
import subprocess
import sys
import time

import pytest

from analysis.case import read_case
from analysis.store import open_loaded

LINE = "2026-11-24T09:14:07Z INFO app line {number} of many, long enough to take some time to load\n"


@pytest.mark.slow
def test_a_load_killed_at_any_moment_leaves_no_third_state(tmp_path):
    (tmp_path / "case.toml").write_text('[[source]]\npath = "a.log"\nformat = "render_export"\n')
    log = tmp_path / "a.log"
    log.write_text("".join(LINE.format(number=number) for number in range(1_000)))
    open_loaded(read_case(tmp_path)).close()
    log.write_text("".join(LINE.format(number=number) for number in range(200_000)))
    code = f"import analysis; analysis.open_case({str(tmp_path)!r}).close()"
    started = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True)
    took = time.monotonic() - started
    chance = random.Random(7)
    for round_no in range(6):
        log.write_text("".join(LINE.format(number=number + round_no) for number in range(200_000)))
        loading = subprocess.Popen([sys.executable, "-c", code])
        time.sleep(chance.uniform(0.3, 1.0) * took)
        loading.send_signal(signal.SIGKILL)
        loading.wait()
    opened = open_loaded(read_case(tmp_path))
    assert (
        opened.sql("SELECT count(*) AS n, min(message) AS first FROM records").iloc[0].tolist()[0] == 200_000
    )
    assert opened.sql("SELECT count(*) AS n FROM records WHERE message LIKE 'line 5 of%'")["n"][0] == 1
