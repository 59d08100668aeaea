"""What the notebooks told, as one verdict: data first, prose second."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from analysis.files import write_whole
from analysis.findings import Finding
from analysis.investigation import ANSWERS
from analysis.safe_text import masked

FILE: Final = "verdict.json"
PROVED: Final = "race proved"
SHOWN: Final = "race shown, no error of it logged"
SUSPECTED: Final = "race suspected"
OPEN: Final = "incident, cause open"
NONE: Final = "no incident found"
UNKNOWN: Final = "not enough evidence"

MEANING: Final = {
    PROVED: (
        "Errors rose where duplicate requests overlapped, and the re-enactment gives the same error.",
        "An order that can have been is not the one that was; the database log shows that one.",
    ),
    SHOWN: (
        "Two such requests, re-enacted, give what no serial order gives; no error in these logs is known to be theirs.",
        "That the code can lose is not that it did: the rows, or the database log in its order, show that.",
    ),
    SUSPECTED: (
        "Errors rose where duplicate requests overlapped.",
        "Logs make a suspect; only a re-enactment convicts.",
    ),
    OPEN: (
        "Errors rose, and overlapping duplicates do not explain them.",
        "A cause that leaves no trace in these logs.",
    ),
    NONE: (
        "No endpoint's error rate rose, and none fails more where duplicates overlap.",
        "A rise before the logs begin, and what no log tells.",
    ),
    UNKNOWN: ("The logs cannot tell.", "What would have decided it is named below."),
}


@dataclass(frozen=True)
class Verdict:
    """The answer to a case. `facts` are the numbers behind it, by name; `missing` what would have decided it."""

    title: str
    verdict: str
    findings: list[dict[str, Any]]
    facts: dict[str, Any]
    missing: list[str]
    charts: dict[str, str]  # name -> what is to be seen in it

    @property
    def incident(self) -> bool:
        """Whether something happened that a scheduler should wake someone for."""
        return self.verdict in (PROVED, SHOWN, SUSPECTED, OPEN)

    def missing_table(self) -> pd.DataFrame:
        """What would have decided it, as a table."""
        return pd.DataFrame({"missing": self.missing}, dtype="str")

    def as_finding(self) -> Finding:
        """The verdict as a sentence."""
        return Finding(
            f"{self.verdict.capitalize()}. {MEANING[self.verdict][0]}", limits=MEANING[self.verdict][1]
        )


def sum_up(title: str, out: str) -> Verdict:
    """The verdict over the answers that the notebooks left in `out`; written there as verdict.json.

    Race suspected: an endpoint is a suspect, and its error rate rose (or no rate can be told); proved: a re-enactment
    was asked for and gave production's error. Race shown: a re-enactment convicted without an error of production's to
    compare with, and no rise is left unexplained. Not enough evidence: nothing rose that could be seen, and either no
    rate can be told or a pair's overlap is undecided beside an error.
    """
    if not out:
        missing = ["the findings of the other notebooks: give all of them the same `out`"]
        return Verdict(title, UNKNOWN, [], {}, missing, {})
    folder = Path(out)
    findings: list[dict[str, Any]] = []
    facts: dict[str, Any] = {}
    charts: dict[str, str] = {}
    told = sorted((folder / ANSWERS).glob("*.json"))
    for file in [*told[1:], *told[:1]]:  # what was read stands last: nobody asks for it first
        answers = json.loads(file.read_text(encoding="utf-8"))
        findings += answers["findings"]
        facts |= answers["facts"]
        charts |= answers["charts"]
    found = Verdict(title, decide(facts), findings, facts, facts.get("would_have_decided", []), charts)
    body = {name: value for name, value in vars(found).items() if name != "missing"}
    text = json.dumps(masked(body), indent=1, sort_keys=True, ensure_ascii=True)
    write_whole(folder / FILE, f"{text}\n".encode())
    return found


def decide(facts: dict[str, Any]) -> str:
    """The verdict that the facts allow."""
    risen = {(spike["method"], spike["route"]) for spike in facts.get("spikes", [])}
    suspects = {(each["method"], each["route"]) for each in facts.get("suspects", [])}
    proof = facts.get("proof", {})
    shown = SHOWN if proof.get("proved") else None
    if risen & suspects or (suspects and not facts.get("answered")):
        return PROVED if shown and proof.get("same_error") else shown or SUSPECTED
    if risen or suspects:
        return OPEN
    if shown:
        return shown
    undecided = facts.get("errors") and facts.get("would_have_decided")
    return UNKNOWN if undecided or not facts.get("answered") else NONE


def read_verdict(out: Path) -> Verdict:
    """The verdict that `sum_up` wrote into `out`."""
    body = json.loads((out / FILE).read_text(encoding="utf-8"))
    return Verdict(**body, missing=body["facts"].get("would_have_decided", []))
