"""How many links by evidence are right: python -m tests.incidents.score [SEEDS] prints the curve of each shape."""

import sys

import pandas as pd

from analysis import engine
from analysis.evidence.links import load_links
from analysis.schema import TABLES
from tests.incidents.shapes import SHAPES, Shape
from tests.incidents.timeline import Incident, play

STEPS = (0.99, 0.97, 0.95, 0.9, 0.5)
TARGETS = ("exceptions", "statements")


def links(incident: Incident) -> pd.DataFrame:
    """The links that the loader makes of an incident's tables."""
    connection = engine.in_memory(incident.tables)
    for name in ("links", "flags", "retold"):
        engine.create_table(connection, name)
    load_links(connection)
    return connection.execute("SELECT * FROM links").df()


def curve(found: pd.DataFrame, incident: Incident, of: str) -> pd.DataFrame:
    """Precision and recall of the links to one table, by least confidence.

    Recall counts the records whose request the logs show; a link of any other is wrong.
    """
    truth = incident.truth[of]
    mine = found[found["to_table"] == of]
    right = mine["to_record"].map(truth) == mine["from_record"]
    shown = sum(1 for request in truth.values() if request)
    rows = []
    for least in STEPS:
        kept = mine["confidence"] >= least
        good = int((right & kept).sum())
        rows.append(
            (least, int(kept.sum()), good / kept.sum() if kept.any() else 1.0, good / shown if shown else 1.0)
        )
    return pd.DataFrame(rows, columns=["confidence", "links", "precision", "recall"])


def wrong(found: pd.DataFrame, incident: Incident, of: str, least: float = 0.95) -> pd.Series:
    """How many wrong links there are by rule."""
    mine = found[(found["to_table"] == of) & (found["confidence"] >= least)]
    bad = mine[mine["to_record"].map(incident.truth[of]) != mine["from_record"]]
    return bad["rule"].value_counts()


def show(shape: Shape, seed: int) -> None:
    incident = play(shape, seed)
    found = links(incident)
    for of in TARGETS:
        print(
            f"\n{shape.name}, seed {seed}: {of}\n{curve(found, incident, of).round(4).to_string(index=False)}"
        )
        bad = wrong(found, incident, of)
        if len(bad):
            print(f"wrong: {bad.to_dict()}")


if __name__ == "__main__":
    assert set(TARGETS) <= set(TABLES)
    for number in range(int(sys.argv[1]) if len(sys.argv) > 1 else 1):
        for each in SHAPES:
            show(each, number)
