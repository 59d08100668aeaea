"""Mutated bytes through every parser: nothing crashes or hangs, and no byte is lost.

A run of a parser takes about `RUN_BYTES`; the counts make 50 million bytes each.
"""

import io
import random
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from analysis.case import CaseError, read_case
from analysis.evidence import derive, mysql, postgres, seal, sql
from analysis.evidence.compression import compression_of
from analysis.evidence.deploys import DeploysError, deploys
from analysis.evidence.encodings import encoding_of
from analysis.evidence.formats import detect, shipped
from analysis.evidence.lockwaits import lock_waits
from analysis.evidence.pgerrors import database_error
from analysis.evidence.split import split
from analysis.evidence.sqltext import read_sql
from analysis.evidence.tracebacks import exceptions
from tests.torture.accounted import BOM, assert_whole, folder_of, load_folder, loaded
from tests.torture.mutating import corpus, format_seeds, formats, heap, mutated, strings_of
from tests.torture.trials import Trial

RUN_BYTES = 250_000
RUNS = 50_000_000 // RUN_BYTES
MOST_S = 2  # of the processor's time, for one call


def timed(call: Callable[[], object], what: object) -> None:
    began = time.process_time()
    call()
    took = time.process_time() - began
    assert took < MOST_S, f"{took:.1f} s for {what!r:.2000}"


def every_format(number: int) -> None:
    """A format's mutated samples through the whole loader, exceptions and statements included."""
    chance = random.Random(number)
    which = number % len(formats())
    fmt = formats()[which]
    seeds, header = format_seeds(which)
    content = header + heap(chance, seeds + strings_of("test_tracebacks.py")[:20], RUN_BYTES)
    with folder_of({"a.log": content}) as folder:

        def through() -> None:
            with load_folder(folder, "a.log", fmt.name) as connection:
                derive.load_exceptions(connection)
                derive.load_statements(connection, "request_id", True)
                seal.check_accounts(connection)
                assert_whole(connection, content)

        began = time.process_time()
        through()
        assert time.process_time() - began < 20, f"{fmt.name}: slower than 12 KB/s"


def every_head(number: int) -> None:
    """A format's mutated samples, or the corpus, in blocks of any size: the slices rebuild the bytes."""
    chance = random.Random(number)
    which = number % len(formats())
    fmt = formats()[which]
    seeds = format_seeds(which)[0] + ([chance.choice(corpus())] if corpus() else [])
    chunk = chance.choice((64, 997, 1 << 16, 1 << 22))
    content = heap(chance, seeds, RUN_BYTES if chunk > 1000 else 200 * chunk)
    rebuilt = bytearray(BOM if content.startswith(BOM) else b"")
    for batch in split(io.BytesIO(content), fmt.head, fmt.fold, chunk):
        rows = [*batch.records.to_pylist(), *batch.quarantine.to_pylist()]
        for row in sorted(rows, key=lambda row: row["byte_start"]):
            between = content[len(rebuilt) : row["byte_start"]]
            assert re.fullmatch(rb"(?:\r?\n)*", between)
            rebuilt += between + content[row["byte_start"] : row["byte_end"]]
    assert re.fullmatch(rb"(?:\r?\n)*", content[len(rebuilt) :]), "bytes are lost at the end"
    assert rebuilt == content[: len(rebuilt)]
    n = batch.counts
    assert (
        n.bytes == n.record_bytes + n.continuation_bytes + n.blank_bytes + n.quarantined_bytes == len(content)
    )


def detection(number: int) -> None:
    """A mutated file of the corpus, or of any format, is asked for its format and loaded as that."""
    chance = random.Random(number)
    seeds, header = format_seeds(number % len(formats()))
    seed = (
        chance.choice(corpus())
        if corpus() and chance.random() < 0.5
        else header + heap(chance, seeds, 20_000)
    )
    content = b" " * (number % 2) + mutated(chance, seed, corpus() or [seed])
    if encoding_of(content) or compression_of(content):  # by chance; its content is then another one
        return
    found = detect(content, shipped())
    if found:
        with loaded(content, found[0].format.name) as connection:
            assert_whole(connection, content)


def texts_through(test: str, parse: Callable[[str], object]) -> Callable[[int], None]:
    """A trial of a parser that takes one text; its seeds are the texts of its own tests."""

    def run(number: int) -> None:
        chance = random.Random(number)
        seeds = strings_of(test)
        length = 0
        while length < RUN_BYTES:
            raw = mutated(chance, chance.choice(seeds), seeds)
            for text in (raw.decode(errors="backslashreplace").replace("\0", "\\x00"),):
                timed(lambda text=text: parse(text), text)
            length += len(raw) + 1

    return run


def database_lines(number: int) -> None:
    """A database log's mutated samples, read as its format says, then as statements and lock waits."""
    chance = random.Random(number)
    kinds = [which for which, fmt in enumerate(formats()) if fmt.kind == "database"]
    which = kinds[number % len(kinds)]
    seeds, header = format_seeds(which)
    seeds = [*seeds, *strings_of("test_postgres.py"), *strings_of("test_mysql.py")]
    content = header + heap(chance, seeds, RUN_BYTES, whole=0.5)
    with loaded(content, formats()[which].name) as connection:
        lines = connection.execute("SELECT * FROM database_lines ORDER BY record_id").df()
        entries = connection.execute(sql.STATEMENT_LINES).df()
    timed(lambda: postgres.statements(lines, "request_id"), formats()[which].name)
    timed(lambda: mysql.statements(entries, "request_id"), formats()[which].name)
    timed(lambda: lock_waits(lines), formats()[which].name)


def deploy_lists(number: int) -> None:
    """Mutated lists of deploys: rows, or why not, row by row; or one message for the file."""
    chance = random.Random(number)
    seeds = strings_of("test_deploys.py")
    with tempfile.TemporaryDirectory() as name:
        file = Path(name, "deploys.csv")
        for _ in range(50):
            file.write_bytes(heap(chance, seeds, RUN_BYTES // 50, whole=0.5))

            def read() -> None:
                try:
                    found, bad = deploys(file, "Europe/Berlin")
                except DeploysError as error:
                    assert str(file) in str(error)
                else:
                    assert isinstance(found, pd.DataFrame) and isinstance(bad, list)

            timed(read, file.read_bytes())


def case_files(number: int) -> None:
    """A mutated case.toml is a case, or an error that names the file."""
    chance = random.Random(number)
    seeds = [text for text in strings_of("test_case.py") + strings_of("test_load.py") if b"=" in text]
    seeds += [Path("data/cases/jobs-complete/case.toml").read_bytes()]
    length = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        file = folder / "case.toml"
        while length < RUN_BYTES // 10:
            content = mutated(chance, chance.choice(seeds), seeds)
            file.write_bytes(content)
            length += len(content)

            def read() -> None:
                try:
                    case = read_case(folder)
                    for spec in case.sources:
                        case.files(spec)
                except CaseError as error:
                    assert str(folder) in str(error)

            timed(read, content)


TRIALS = (
    Trial("fuzz-formats", "mutated samples through the loader, 50 MB a format", RUNS * 75, every_format, 3),
    Trial(
        "fuzz-heads",
        "mutated samples and corpus through the splitter, 50 MB a format",
        RUNS * 75,
        every_head,
        4,
    ),
    Trial("fuzz-detect", "mutated files asked for their format", 1000, detection, 3),
    Trial(
        "fuzz-tracebacks", "mutated tracebacks, 50 MB", RUNS, texts_through("test_tracebacks.py", exceptions)
    ),
    Trial(
        "fuzz-pgerrors",
        "mutated database errors, 50 MB",
        RUNS,
        texts_through("test_pgerrors.py", database_error),
    ),
    Trial("fuzz-sql", "mutated SQL, 50 MB", RUNS, texts_through("test_sqltext.py", read_sql)),
    Trial(
        "fuzz-database", "mutated database logs, statements and lock waits, 50 MB", RUNS, database_lines, 2
    ),
    Trial("fuzz-deploys", "mutated lists of deploys, 50 MB", RUNS, deploy_lists),
    Trial("fuzz-case", "mutated case.toml, 50 MB", RUNS * 10, case_files),
)
