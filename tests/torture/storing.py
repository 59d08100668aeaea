"""Faults of storing: loads killed, crowded out, short of room or memory; databases damaged or forged."""

import random
import time
from functools import cache

from tests.torture import copies, crowd, damage, loading, room
from tests.torture.trials import Trial

REQUESTS = 35_000  # two blocks of the longer log
PHASES = {
    "read": ("begun", "reading"),
    "insert": ("reading", "read"),
    "commit": ("read", "loaded"),
    "checkpoint": ("loaded", "answer"),
}


@cache
def steps_s() -> dict[str, float]:
    """Seconds from an undisturbed load's beginning to the first time of each step."""
    with loading.own_store():
        child = loading.start(loading.load, str(loading.a_case(REQUESTS).folder))
        seen: dict[str, float] = {}
        while "answer" not in seen:
            kind, value = child.pipe.recv()
            seen.setdefault("answer" if kind == "answer" else value, time.monotonic())
    return {step: at - seen["begun"] for step, at in seen.items()}


def killed(phase: str, number: int) -> None:
    """A load killed at a random moment of a phase leaves the old state or the new one, and the next one is whole."""
    chance = random.Random(f"{phase} {number}")
    begins, ends = PHASES[phase]
    span = steps_s()[ends] - steps_s()[begins]
    case, old = loading.a_case(REQUESTS), loading.undisturbed(100)
    with loading.own_store():
        if number % 2:
            loading.a_former_load(case)
        child = loading.start(loading.load, str(case.folder))
        assert child.until(begins), "the load ended before this phase"
        time.sleep(chance.uniform(0, 1.1 * span))
        child.kill()
        there = loading.lying_there(case)
        assert there in (
            [old, loading.undisturbed(REQUESTS)] if number % 2 else [None, loading.undisturbed(REQUESTS)]
        )
        assert loading.tables_of(case) == loading.undisturbed(REQUESTS)
        loading.assert_tidy(loading.folder_of(case))


TRIALS: tuple[Trial, ...] = (
    *copies.TRIALS,
    *crowd.TRIALS,
    *damage.TRIALS,
    *room.TRIALS,
    *(
        Trial(
            f"killed-{phase}",
            f"kill -9 of a load in its phase {phase}",
            50,
            lambda n, phase=phase: killed(phase, n),
        )
        for phase in PHASES
    ),
)
