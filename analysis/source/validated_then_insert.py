"""A form fills in columns that the user cannot see, and inserts: its validation asks nobody whether the row exists.

Source: https://docs.djangoproject.com/en/5.2/topics/forms/modelforms/#validation-on-a-modelform
"""

from collections.abc import Iterator

from analysis.source.events import Trace
from analysis.source.facts import Facts
from analysis.source.hits import Hit
from analysis.source.suspicion import protected, suspicion


def validated_then_insert(facts: Facts, trace: Trace) -> Iterator[Hit]:
    """ModelForm.save() that sets a unique combination on its instance: validate_unique() leaves such columns out."""
    for act in trace.of("write"):
        model = facts.models.named(act.model, act.place.path)
        if (
            act.verb != "super-save"
            or act.insert is False
            or act.calls
            or model is None
            or act.catches_conflict
        ):
            continue
        filled = {
            event.fields[0] for event in trace.of("set") if event.fields and set(event.rows) & set(act.rows)
        }
        unique = next((u for u in model.uniques if len(u.fields) > 1 and u.fields <= filled), None)
        if unique is None or protected(trace, None, act, act.order):
            continue
        fields = " and ".join(sorted(unique.fields))
        between = f"The form does not validate that {fields} are unique together: another request can insert the same."
        cost = "The unique constraint refuses the second row: the loser is answered with an unhandled database error."
        yield suspicion(
            "check-then-insert", trace, act, None, None, between, cost, ("get_or_create", "insert_first")
        )
