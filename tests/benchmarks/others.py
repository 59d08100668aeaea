"""Other tools at what they can do of the job: python -m tests.benchmarks.others TOOL KIND FILE OUT.

polars and chDB write the columns and the line to a Parquet file; lnav, which keeps nothing, counts the failures. None
folds tracebacks, keeps offsets or accounts for bytes. Prints how many rows it made, and its peak memory in MB.
"""

import importlib.util
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.benchmarks.ours import peak_mb
from tests.benchmarks.rivals import COMBINED, TEN_GROUPS

TEXTS: Final = frozenset({"text", "gz", "zst"})


def polars(kind: str, log: Path, out: Path) -> str:
    import polars as pl

    if kind == "json":
        frame = pl.scan_ndjson(log)
    else:
        frame = pl.scan_csv(log, has_header=False, new_columns=["line"], separator="\x01", quote_char=None)
        line = pl.col("line")
        if kind in TEXTS:
            cells = line.str.split_exact(" ", 9).struct.rename_fields(TEN_GROUPS[1])
        else:
            cells = line.str.extract_groups(named(*COMBINED))
        frame = frame.with_columns(cells.alias("cells")).unnest("cells")
    frame.sink_parquet(out)
    return str(pl.scan_parquet(out).select(pl.len()).collect().item())


def named(regex: str, names: list[str]) -> str:
    """The regex with its groups named."""
    first, *rest = regex.replace(r"\(", "\0").split("(")
    groups = (f"(?P<{name}>{part}" for name, part in zip(names, rest, strict=True))
    return (first + "".join(groups)).replace("\0", r"\(")


def chdb(kind: str, log: Path, out: Path) -> str:
    import chdb as ch

    if kind == "json":
        columns = ", ".join(
            f"{name} String" for name in ("ts", "level", "logger", "method", "path", "job_id", "user")
        )
        given = (
            f"file('{log}', JSONEachRow, '{columns}, request_id String, status Int32, duration_ms Float64')"
        )
        select = f"SELECT parseDateTime64BestEffort(ts, 3) AS logged_at, * FROM {given}"
    else:
        given = f"file('{log}', LineAsString, 'line String')"
        cells = "splitByChar(' ', line)" if kind in TEXTS else f"extractGroups(line, {quoted(COMBINED[0])})"
        names = TEN_GROUPS[1] if kind in TEXTS else COMBINED[1]
        columns = ", ".join(f"cells[{place}] AS {name}" for place, name in enumerate(names, 1))
        select = f"SELECT {columns}, line FROM (SELECT line, {cells} AS cells FROM {given})"
    ch.query(f"INSERT INTO FUNCTION file('{out}', Parquet) {select}")
    return str(ch.query(f"SELECT count() FROM file('{out}', Parquet)")).strip()


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def lnav(kind: str, log: Path, out: Path) -> str:
    """Only nginx's is a format of lnav's own."""
    counting = ";SELECT count(*) AS rows, sum(sc_status >= 500) AS failed FROM access_log"
    command = ["lnav", "-N", "-n", "-c", counting, "-c", ":write-csv-to -", str(log)]
    counted = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return counted.split()[-1].partition(",")[0]


TOOLS: Final[dict[str, Callable[[str, Path, Path], str]]] = {"polars": polars, "chdb": chdb, "lnav": lnav}


def able(kind: str) -> list[str]:
    """The tools that are here and know this kind of log."""
    found = [name for name in ("polars", "chdb") if importlib.util.find_spec(name)]
    return found + (["lnav"] if kind == "nginx" and shutil.which("lnav") else [])


def run(tool: str, kind: str, log: Path, out: Path) -> str:
    """One tool in a process of its own: what it printed."""
    out.unlink(missing_ok=True)
    command = [sys.executable, "-m", "tests.benchmarks.others", tool, kind, str(log), str(out)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def main(tool: str, kind: str, log: str, out: str) -> None:
    rows = TOOLS[tool](kind, Path(log), Path(out))
    of_child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
    print(f"{rows} rows, {max(peak_mb(), of_child)} MB peak")


if __name__ == "__main__":
    main(*sys.argv[1:])
