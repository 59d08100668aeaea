"""get_or_create() is only as atomic as a unique constraint on its look-up makes it; without one it inserts twice.

Source: https://docs.djangoproject.com/en/5.2/ref/models/querysets/#get-or-create
"""

from collections.abc import Iterator

from analysis.source.events import Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import locks_before, parent_fields, suspicion
from analysis.source.words import GETS_OR_INSERTS


def get_or_create_unconstrained(facts: Facts, trace: Trace) -> Iterator[Hit]:
    for act in trace.of("write"):
        if act.verb not in GETS_OR_INSERTS or act.private or locks_before(trace, None, act, act.order):
            continue
        model = facts.models.named(act.model, act.place.path)
        names = [*act.lookups, *parent_fields(facts, act)]
        fixed = [*names, *(act.fields or ())]
        if model is None or model.open_ended or any(name.startswith("**") for name in names):
            continue
        if model.unique_within(fixed) is not None or any("?" in unique.fields for unique in model.uniques):
            continue
        if not act.lookups or "?" in names:
            continue
        fields = ", ".join(sorted({name.split("__", 1)[0] for name in names}))
        between = f"Another request can insert the same {model.name}: no unique constraint covers {fields}."
        cost = f"Two rows of {model.name}; from then on every get() by these fields raises MultipleObjectsReturned."
        yield suspicion(
            "get-or-create-unconstrained",
            trace,
            act,
            None,
            None,
            between,
            cost,
            ("unique_constraint", "advisory_lock"),
        )
