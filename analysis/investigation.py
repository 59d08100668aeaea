"""What a notebook works with: the loaded case, the window it looks at, and the findings it tells."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final

import ibis
import pandas as pd
from matplotlib.figure import Figure

from analysis.case import FILE, Case, read_case, utc
from analysis.charts import to_svg
from analysis.discover import discover
from analysis.display import Place, show_again, show_figure, show_finding, show_svg
from analysis.evidence.load import Progress
from analysis.files import write_whole
from analysis.findings import Finding, outside
from analysis.findings_of_time import strays, unstamped
from analysis.safe_text import masked
from analysis.signals.linking import RELIABLE
from analysis.signals.strays import main_stretch
from analysis.store import OpenCase, open_loaded, quiet

ANSWERS: Final = "answers"
CHARTS: Final = "charts"
INSTANTS: Final = ("first_us", "last_us", "started_us", "onset_us", "end_us")


def find_case(folder: Path, zone: str = "") -> Case:
    """The case in `folder`: as its case.toml describes it, else as its files look.

    Raises: CaseError, Unopenable, FormatError.
    """
    return read_case(folder) if (folder / FILE).is_file() else discover(folder, zone or None).case


def open_case(
    folder: str | Path, zone: str = "", request_ids: bool = True, progress: Progress = quiet
) -> OpenCase:
    """The tables of a case, to be asked with SQL, Ibis or pandas; loaded first where that is needed.

    In:   folder: holds case.toml or just logs; zone: IANA zone of stamps that carry none, where there is no
          case.toml; request_ids=False: as if no log carried a request id
    Raises: CaseError, Unopenable, FormatError, LockedError, SealError.
    """
    return open_loaded(find_case(Path(folder), zone), request_ids=request_ids, progress=progress)


class Investigation:
    """One notebook's look at a case."""

    def __init__(self, opened: OpenCase, notebook: str, out: str, since: str, until: str) -> None:
        self.opened, self.notebook = opened, notebook
        self.out = Path(out) if out else None
        window, zone = opened.case.window, opened.case.zone
        self.since_us = microseconds(utc(datetime.fromisoformat(since), zone) if since else window.since)
        self.until_us = microseconds(utc(datetime.fromisoformat(until), zone) if until else window.until)
        self.forged, self.retold = (self._count(name) > 0 for name in ("flags", "retold"))
        self.told: list[tuple[Finding, list[str]]] = []
        self.facts: dict[str, Any] = {}
        self.drawn: dict[str, str] = {}  # chart -> what is to be seen in it

    @property
    def requests(self) -> ibis.Table:
        """The requests stamped within the window, as an Ibis expression."""
        requests = self.table("requests")
        if self.since_us is not None:
            requests = requests.filter(requests.stamp_us >= self.since_us)
        if self.until_us is not None:
            requests = requests.filter(requests.stamp_us <= self.until_us)
        return requests

    def table(self, name: str) -> ibis.Table:
        """A promised table as an Ibis expression; requests and exceptions without those that may be forged.

        Nor are those requests in it that another log tells too. `opened.table(name)` has them all.
        """
        whole = self.opened.table(name)
        if self.forged and name in ("requests", "exceptions"):
            whole = whole.anti_join(self.opened.table("flags"), "record_id")
        if self.retold and name == "requests":
            whole = whole.anti_join(self.opened.table("retold"), "record_id")
        return whole

    def _count(self, name: str) -> int:
        rows = self.opened.table(name)
        return int(self.opened.run(rows.aggregate(rows=rows.count()))["rows"][0])

    @property
    def links(self) -> ibis.Table:
        """The links that may be reasoned from, as an Ibis expression; `table("links")` has the doubtful ones too."""
        links = self.table("links")
        return links.filter(links.confidence >= RELIABLE)

    def run(self, expr: ibis.Table) -> pd.DataFrame:
        """The rows of an Ibis expression."""
        return self.opened.run(expr)

    def frame(self, name: str) -> pd.DataFrame:
        """A promised table, whole, as a DataFrame."""
        return self.opened.frame(name)

    @property
    def window(self) -> tuple[int, int] | None:
        """The window, if it is closed on both sides."""
        bounds = (self.since_us, self.until_us)
        return None if None in bounds else bounds  # type: ignore[return-value]

    @property
    def problems(self) -> list[str]:
        """Rows of the lists beside the logs that could not be read."""
        return self.opened.manifest.problems

    def extent(self) -> tuple[int, int]:
        """µs from the first request to the last, and how many there are."""
        requests = self.requests
        span = requests.stamp_us.max() - requests.stamp_us.min()
        row = self.run(requests.aggregate(span_us=span, requests=requests.count())).iloc[0]
        return 0 if pd.isna(row["span_us"]) else int(row["span_us"]), int(row["requests"])

    def outside(self) -> list[Finding]:
        """That the window misses all requests there are, if it does."""
        requests = self.table("requests")
        ends = {"first": requests.stamp_us.min(), "last": requests.stamp_us.max()}
        row = self.run(requests.aggregate(**ends)).iloc[0]
        if pd.isna(row["first"]) or self.extent()[1]:
            return []
        return [outside(int(row["first"]), int(row["last"]))]

    def without_strays(self) -> list[Finding]:
        """Look no further than where nearly all requests lie, if a few lie far from them and no window was given."""
        if (self.since_us, self.until_us) != (None, None):
            return []
        found = self.run(main_stretch(self.requests))
        if found.empty:
            return []
        row = found.iloc[0]
        if pd.isna(row["far"]) or not row["far"] or not row["strays"]:
            return []
        self.since_us, self.until_us = int(row["first_us"]), int(row["last_us"])
        return [strays(int(row["strays"]), int(row["earliest_us"]), int(row["latest_us"]))]

    def unstamped(self) -> list[Finding]:
        """That requests carry no stamp, if some do; no window holds them."""
        requests = self.table("requests")
        lost = requests.filter(requests.stamp_us.isnull())
        failed = lost.count(where=lost.status >= 500)
        row = self.run(lost.aggregate(requests=lost.count(), failed=failed)).iloc[0]
        return [unstamped(int(row["requests"]), int(row["failed"]))] if row["requests"] else []

    def keyed(self) -> int:
        """How many requests name both what they are about and by whom."""
        requests = self.requests
        return int(self.run(requests.aggregate(keyed=requests.request_key.count()))["keyed"][0])

    def logged_errors(self) -> int:
        """How many records hold an exception."""
        exceptions = self.table("exceptions")
        return int(self.run(exceptions.aggregate(errors=exceptions.record_id.nunique()))["errors"][0])

    def readable(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A table for people: instants as UTC times, records by their places."""
        shown = frame.copy()
        for name in frame.columns:
            if name in INSTANTS:
                shown[name] = pd.to_datetime(frame[name].astype("Int64") // 1000, unit="ms")
            elif name.endswith("_record") or name == "first_failure":
                shown[name] = ["{}:{}".format(*place) for place in self.places(frame[name])]
        return shown.rename(columns={name: name.replace("_us", "_at") for name in INSTANTS})

    def places(self, record_ids: Iterable[int]) -> list[tuple[str, int]]:
        """Path and line of records, in the order given."""
        wanted = [int(record_id) for record_id in record_ids]
        rows = self.opened.connection.execute(PLACES, [wanted]).fetchall()
        by_id = {record_id: (path, line_no) for record_id, path, line_no in rows}
        return [by_id[record_id] for record_id in wanted if record_id in by_id]

    def tell(self, *findings: Finding) -> None:
        """Show findings and keep them for the summary."""
        for finding in findings:
            places = self.places(finding.evidence)
            self.told.append((finding, [f"{path}:{line}" for path, line in places]))
            show_finding(finding, places)

    def draw(self, figure: Figure, name: str, as_png: bool = False) -> None:
        """Show a chart and leave it in charts/NAME.svg, to be pasted into a post-mortem and for the summary."""
        show_figure(figure, as_png=as_png)
        if self.out is not None:
            write_whole(self.out / CHARTS / f"{name}.svg", to_svg(figure).encode())
            self.drawn[name] = str(figure.get_label())

    def fact(self, **facts: Any) -> None:
        """Keep values for verdict.json: JSON types only."""
        self.facts |= facts

    def save(self) -> None:
        """Leave what was told where the summary finds it; nowhere without an `out`."""
        if self.out is None:
            return
        told = [
            {"notebook": self.notebook, **asdict(finding), "evidence": places}
            for finding, places in self.told
        ]
        answers = {"findings": told, "facts": self.facts, "charts": self.drawn}
        text = json.dumps(masked(answers), indent=1, sort_keys=True, ensure_ascii=True, allow_nan=False)
        write_whole(self.out / ANSWERS / f"{self.notebook}.json", f"{text}\n".encode())


def show_drawn(charts: Mapping[str, str], out: str, *names: str) -> None:
    """Show charts again that other notebooks drew; those that none drew are left out."""
    for name in names:
        file = Path(out) / CHARTS / f"{name}.svg"
        if name in charts and file.is_file():
            show_svg(file.read_text(encoding="utf-8"), charts[name])


def show_told(findings: Iterable[Mapping[str, Any]]) -> None:
    """Show findings again, by the notebook that told them: `02_error_spike` is the part `Error spike`."""
    for notebook, told in groupby(findings, key=itemgetter("notebook")):
        part = notebook.partition("_")[2].replace("_", " ").capitalize()
        show_again(part, [(Finding(each["claim"], limits=each["limits"]), places_of(each)) for each in told])


def places_of(told: Mapping[str, Any]) -> list[Place]:
    """The evidence of a finding as it was left for the summary, `path:line` each."""
    return [(path, int(line)) for path, _, line in (place.rpartition(":") for place in told["evidence"])]


PLACES: Final = """
SELECT record_id, path, line_no FROM records JOIN sources USING (source_id)
WHERE record_id IN (SELECT unnest($1::BIGINT[]))
"""


def investigate(
    folder: str,
    notebook: str,
    out: str = "",
    since: str = "",
    until: str = "",
    zone: str = "",
    request_ids: bool = True,
) -> Investigation:
    """Open a case for a notebook: `since` and `until` are ISO instants, the case's own window where empty.

    Raises: as `open_case`; ValueError for an instant that is not ISO 8601.
    """
    return Investigation(open_case(folder, zone, request_ids), notebook, out, since, until)


def microseconds(instant: datetime | None) -> int | None:
    """A naive UTC instant as µs since the epoch."""
    return None if instant is None else int(pd.Timestamp(instant).value // 1000)
