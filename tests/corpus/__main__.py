"""`make corpus`: a table of how the logs of the corpus are read; exit code 1 below the bar.

python -m tests.corpus
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.corpus.checks import BAR, Read, read_corpus
from tests.corpus.logs import LOGS
from tests.corpus.reasons import reasons


def main() -> int:
    if not LOGS.is_dir():
        print(f"no corpus: {LOGS} is not there")
        return 1
    with tempfile.TemporaryDirectory() as folder:
        os.environ["RACE_FORENSICS_STORE"] = folder
        read = read_corpus()
    print("\n".join(table(read)))
    return 1 if read.problems else 0


def table(read: Read) -> Iterator[str]:
    """The report, line by line."""
    yield f"{'log':<60} {'format':<32} {'records':>7} {'quarantined':>11} {'bytes':>8}  accounted"
    for log in read.logs:
        right = "" if log.detected == log.judged else f"  WANTED {log.judged}"
        yield (
            f"{short(log.file):<60} {log.detected:<32} {log.records:>7} {log.quarantined:>11} {log.bytes:>8}  "
            f"{'no' if log.problems else 'yes'}{right}"
        )
    yield f"\n{'against Filebeat':<60} {'events':>6} {'ours':>5} {'compared':>8} {'equal':>6}  not claimed by us"
    for each in read.comparisons:
        yield (
            f"{each.file:<60} {each.expected:>6} {each.records:>5} {each.compared:>8} {each.equal:>6}  "
            f"{', '.join(each.unclaimed)}"
        )
    yield "\nwhere the two differ, which side is right, and why"
    for reason in reasons():
        yield f"{reason.count:>4} {reason.right:<6} {reason.file} {reason.field}: {reason.why}"
    for module, (equal, compared) in read.modules().items():
        yield f"{module:<12} {equal} of {compared} fields equal, {equal / compared:.1%}"
    equal, compared = read.equal
    yield f"{'all':<12} {equal} of {compared} fields equal, {equal / compared:.1%} (bar {BAR:.0%})"
    yield from (f"FAILED {problem}" for problem in read.problems)


def short(file: str) -> str:
    """The path with long names cut."""
    return "/".join(part if len(part) < 48 else f"{part[:8]}…" for part in Path(file).parts)


if __name__ == "__main__":
    sys.exit(main())
