"""The gate: when a reproduction, and the fix for it, are believed.

Four runs: one after the other before the fix = passes; at once before = fails with production's signature; at once
after = passes; one after the other after = passes. Then the runs at once are repeated, before and after, and none may
come out otherwise. Without a fix there are the runs before it only. A test that is red for another reason (a refusal,
an import, another SQLSTATE) proves nothing.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from analysis.replay.mechanism import Signature

PASSED, FAILED, SKIPPED, BROKEN = "passed", "failed", "skipped", "broken"
ANOMALY: Final = "no serial order gives this:"
"""How the generated test's message begins when it is red for the right reason."""


@dataclass(frozen=True)
class Result:
    """How one run of a test came out, with the message of a failure. `broken`: the test itself could not run.

    `test`: its dotted name, where the report says it.
    """

    status: str
    message: str = ""
    test: str = field(default="", compare=False)


@dataclass(frozen=True)
class Row:
    """One run of the gate: what it was to give, what it gave, and whether that is enough."""

    name: str
    wanted: str
    got: str
    passed: bool


@dataclass(frozen=True)
class Gate:
    """`believed` only if all four runs were as wanted and no repeat was a flake; `reason` is the first that was not.

    `repeats`  how often each of the two runs at once was repeated
    `flakes`   how many repeats came out otherwise
    `has_fix`  whether the runs after a fix are among them
    """

    rows: tuple[Row, ...]
    repeats: int
    flakes: int
    believed: bool
    reason: str
    has_fix: bool = True


Run = Callable[[bool], Result]
Again = Callable[[bool, int], list[Result]]


def gate(
    serial: Run, at_once: Run, again: Again, expected: Signature, repeats: int = 100, has_fix: bool = True
) -> Gate:
    """Judge a reproduction and a fix. The callables get True for the application with the fix.

    `again(fixed, n)` runs the test at once n times and gives the n results. Stops at the first run that disappoints.
    """
    rows: list[Row] = []
    for name, run, fixed, is_red in (
        ("one after the other, before", serial, False, False),
        ("at once, before", at_once, False, True),
        ("at once, after", at_once, True, False),
        ("one after the other, after", serial, True, False),
    ):
        if fixed and not has_fix:
            continue
        rows.append(_row(name, run(fixed), expected if is_red else None))
        if not rows[-1].passed:
            reason = f"{name}: wanted {rows[-1].wanted}, got {rows[-1].got}"
            return Gate(tuple(rows), 0, 0, False, reason, has_fix)
    flakes = [
        row
        for fixed, wanted in ((False, expected), (True, None))[: 1 + has_fix]
        for row in _repeated(again(fixed, repeats), repeats, wanted)
    ]
    reason = (
        f"{len(flakes)} of {(1 + has_fix) * repeats} repeats came out otherwise, first: {flakes[0].got}"
        if flakes
        else ""
    )
    return Gate(tuple(rows), repeats, len(flakes), not flakes, reason, has_fix)


def missing_in(message: str, expected: Signature) -> list[str]:
    """The parts of production's signature that a failure's message lacks; of a silent race only the anomaly counts."""
    lines = {line.strip() for line in message.splitlines()}
    missing = (
        [] if any(line.startswith(ANOMALY) for line in lines) else ["an outcome that no serial order gives"]
    )
    if expected.status is not None and not any(f" answered {expected.status}: " in line for line in lines):
        missing.append(f"status {expected.status}")
    if expected.sqlstate is not None and f"sqlstate {expected.sqlstate}" not in lines:
        missing.append(f"SQLSTATE {expected.sqlstate}")
    if expected.constraint is not None and f"constraint_name {expected.constraint}" not in lines:
        missing.append(f"constraint {expected.constraint}")
    return missing


def _row(name: str, result: Result, expected: Signature | None) -> Row:
    """`expected` where the run is to fail, with this signature."""
    if expected is None:
        got = result.status if result.status == PASSED else f"{result.status}: {_first_line(result.message)}"
        return Row(name, PASSED, got, result.status == PASSED)
    wanted = ", ".join(["failed", *missing_in(ANOMALY, expected)])
    missing = missing_in(result.message, expected) if result.status == FAILED else []
    got = f"{result.status}: {_first_line(result.message)}" if result.message else result.status
    if missing:
        got = f"failed for another reason, without {', '.join(missing)}: {_first_line(result.message)}"
    return Row(name, wanted, got, result.status == FAILED and not missing)


def _repeated(results: list[Result], repeats: int, expected: Signature | None) -> list[Row]:
    """The repeats that came out otherwise; a repeat that gave no result is one of them."""
    rows = [_row("again", each, expected) for each in results]
    lost = [Row("again", "a result", "none", False)] * (repeats - len(results))
    return [each for each in rows if not each.passed] + lost


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0]
