"""Faults of reading, all of them."""

from tests.torture import crafted, files, fuzzing, sizes, texts
from tests.torture.trials import Trial

TRIALS: tuple[Trial, ...] = (*texts.TRIALS, *files.TRIALS, *crafted.TRIALS, *sizes.TRIALS, *fuzzing.TRIALS)
