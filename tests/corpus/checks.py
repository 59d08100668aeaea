"""What is asked of the corpus: detected right, accounted for to the byte, and read as Filebeat reads it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from tests.corpus import accounts, filebeat
from tests.corpus.filebeat import Comparison
from tests.corpus.logs import LOGS, NONE, detected, judged, loaded
from tests.corpus.reasons import reasons, unexplained

BAR: Final = 0.97
CLAIMED: Final = "combined_access"  # of what is none of ours: every line of it has to be quarantined


@dataclass(frozen=True)
class Log:
    """One log: what it is, what detection says, and how it was accounted for."""

    file: str
    judged: str
    detected: str
    records: int
    quarantined: int
    bytes: int
    problems: tuple[str, ...]


@dataclass(frozen=True)
class Read:
    """The whole corpus."""

    logs: tuple[Log, ...]
    comparisons: tuple[Comparison, ...]

    @property
    def equal(self) -> tuple[int, int]:
        """Equal and compared fields."""
        return sum(each.equal for each in self.comparisons), sum(each.compared for each in self.comparisons)

    def modules(self) -> dict[str, tuple[int, int]]:
        """Equal and compared fields by module and fileset."""
        found: dict[str, tuple[int, int]] = {}
        for each in self.comparisons:
            module = "/".join(each.file.split("/")[:2])
            equal, compared = found.get(module, (0, 0))
            found[module] = equal + each.equal, compared + each.compared
        return found

    @property
    def problems(self) -> list[str]:
        """Everything below the bar."""
        found = [
            f"{log.file}: detected {log.detected}, is {log.judged}"
            for log in self.logs
            if log.detected != log.judged
        ]
        found += [f"{log.file}: {problem}" for log in self.logs for problem in log.problems]
        found += unexplained((one for each in self.comparisons for one in each.differences), reasons())
        equal, compared = self.equal
        if equal < BAR * compared:
            found.append(f"{equal} of {compared} fields equal, fewer than {BAR:.0%}")
        return found


def read_corpus() -> Read:
    """Load every log as what it was detected to be."""
    formats = {file: detected(file) for file in judged()}
    with loaded((file, CLAIMED if fmt == NONE else fmt) for file, fmt in formats.items()) as case:
        counts = case.sql("SELECT path, records, quarantined, bytes FROM sources").set_index("path")
        logs = [
            Log(file, fmt, formats[file], *counts.loc[file].tolist(), tuple(accounts.problems(case, file)))
            for file, fmt in judged().items()
        ]
    return Read(tuple(logs), tuple(sorted(comparisons(formats), key=lambda each: each.file)))


def comparisons(formats: dict[str, str]) -> Iterator[Comparison]:
    """Every log that Filebeat has events of, in the zone that Filebeat was told."""
    expected = filebeat.expected_events(LOGS / "beats")
    zones = {file: filebeat.zone_of(events) for file, events in expected.items()}
    for zone in sorted(set(zones.values())):
        files = [file for file in expected if zones[file] == zone and formats[f"beats/{file}"] != NONE]
        with loaded(((f"beats/{file}", formats[f"beats/{file}"]) for file in files), zone) as case:
            rows = filebeat.our_rows(case)
        yield from (filebeat.compare(file, expected[file], rows.get(f"beats/{file}", [])) for file in files)


def accounted(formats: Iterable[tuple[str, str]]) -> list[str]:
    """What is wrong with the accounts of logs that are claimed to be of these formats."""
    given = list(formats)
    with loaded(given) as case:
        return [f"{file}: {problem}" for file, _ in given for problem in accounts.problems(case, file)]
