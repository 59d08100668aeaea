"""Records that may be forged, in words: how many, where, why; they count in no rate, and are linked to nothing."""

import pandas as pd

from analysis.findings import Finding
from analysis.investigation import Investigation
from analysis.wording import counted


def flagged(case: Investigation) -> pd.DataFrame:
    """The records that may be forged: flagged_record, reason, text."""
    flags, records = case.table("flags"), case.table("records")
    rows = flags.join(records.select("record_id", "text"), "record_id").order_by("record_id")
    return case.run(rows.select("reason", "text", flagged_record="record_id"))


def findings(case: Investigation) -> list[Finding]:
    """That records may be forged, by their places; nothing where none is flagged."""
    if not case.forged:
        return []
    rows = flagged(case)
    claim = f"{counted(len(rows), 'record')} may be forged: text with a line break in it, not lines of the program's."
    limits = "They count in no rate and are linked to nothing. A flag is a reason to look, not a proof; a forged line "
    limits += "that fits its place and its neighbours is not seen."
    return [Finding(claim, tuple(rows["flagged_record"]), limits)]
