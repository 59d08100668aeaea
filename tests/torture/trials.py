"""A trial: one fault, tried again and again with other random numbers."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

MODULES = ("reading", "storing", "instants")


@dataclass(frozen=True)
class Trial:
    """One fault and how often it is to be survived.

    threat: the fault in a few words. run(number) raises AssertionError where it was not survived; `number`, from 0,
    seeds all that is random. count: runs of the full torture; short: runs within `make test`. limit_s: seconds after
    which one run counts as hung.
    """

    name: str
    threat: str
    count: int
    run: Callable[[int], None]
    short: int = 1
    limit_s: float = 600


def all_trials() -> dict[str, Trial]:
    """Every trial of `MODULES`, by its name."""
    found = [trial for name in MODULES for trial in importlib.import_module(f"tests.torture.{name}").TRIALS]
    names = [trial.name for trial in found]
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ValueError(f"two trials of one name: {', '.join(sorted(twice))}")
    return dict(zip(names, found, strict=True))
