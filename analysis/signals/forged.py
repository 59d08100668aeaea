"""Which lines stand where their writer cannot have written them: text with a line break in it makes records (CWE-117).

A forged line looks like a record; what surrounds it does not. Each sign has innocent twins, so one that is sure counts
alone and the others only in pairs. A flag says "look at this line", and that it counts in no rate until someone has.

Source: CWE-117, Improper Output Neutralization for Logs.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

MOST: Final = 20
"""Lines that one text is taken to forge at most. A clock that was set back stays back for longer."""

UNORDERED: Final = 0.001
"""Share of steps back from which a file is not written in the order of its stamps, and order tells nothing."""

SLACK_US: Final = 2_000_000
"""How far threads that write one file, and buffers, step back without a word."""

USUAL: Final = 3
"""A gap is unusual if it is so many times as long as all but one in a hundred."""

SURE: Final = frozenset({"order", "quote"})
SIGNS: Final[Mapping[str, str]] = {
    "order": "its stamp is out of order with the lines around it",
    "quote": "it stands within a quotation that the line before opens and it closes",
    "cut": "the line before lacks the id that its logger always ends with",
    "bare": "it tells an error without the traceback that its logger always gives",
    "stranger": "hardly another line names its logger or process",
    "step": "its stamp is not as fine as those of the other lines",
}


def out_of_order(stamps: Ints, slack_us: int = SLACK_US) -> Bools:
    """Which lines of a file are stamped earlier, or later, than the lines on both sides of them.

    In:   stamps, µs, one a line, in the order of the file; slack_us: steps back up to it are nobody's fault
    Out:  one a line: in a block of at most MOST lines that was stepped into and out of by an unusual leap, while the
          lines around it go on in order

    A clock that is set back has one leap, not two. A file with many steps back is in no order: nothing is out of it.
    """
    found = np.zeros(len(stamps), dtype=np.bool_)
    steps = np.diff(stamps)
    back = np.flatnonzero(steps < -slack_us)
    if not len(back) or len(back) > max(MOST, UNORDERED * len(stamps)):
        return found
    ahead = steps[steps >= 0]
    leap = max(slack_us, USUAL * int(np.quantile(ahead, 0.99)) if len(ahead) else 0)
    for last in back.tolist():
        for first, end in (_past(stamps, last, slack_us, leap), _future(stamps, last, slack_us, leap)):
            found[first:end] = True
    return found


def _past(stamps: Ints, last: int, slack_us: int, leap_us: int) -> tuple[int, int]:
    """The block of past stamps that begins behind `last`, from it until behind it; (0, 0) if there is none."""
    window = stamps[last + 1 : last + MOST + 2]
    returned = np.flatnonzero(window >= stamps[last] - slack_us)
    if not len(returned):
        return 0, 0
    size = int(returned[0])
    deep = stamps[last] - window[:size].max() > leap_us
    leaves = window[size] - window[size - 1] > leap_us
    return (last + 1, last + 1 + size) if deep and leaves else (0, 0)


def _future(stamps: Ints, last: int, slack_us: int, leap_us: int) -> tuple[int, int]:
    """The block of future stamps that ends with `last`; (0, 0) if there is none."""
    window = stamps[max(0, last - MOST) : last + 1][::-1]
    after = stamps[last + 1]
    came = np.flatnonzero(window <= after + slack_us)
    if not len(came):
        return 0, 0
    size = int(came[0])
    high = window[:size].min() - after > leap_us
    enters = window[size - 1] - window[size] > leap_us
    return (last + 1 - size, last + 1) if high and enters else (0, 0)


def flagged(signs: Iterable[tuple[int, str]]) -> dict[int, str]:
    """Which records to flag, and why.

    In:   (record_id, name in SIGNS), as often as one is seen
    Out:  record_id -> the reasons, joined; records with a sure sign, or with two of the others
    """
    seen: dict[int, set[str]] = {}
    for record_id, sign in signs:
        seen.setdefault(record_id, set()).add(sign)
    return {
        record_id: "; ".join(text for sign, text in SIGNS.items() if sign in names)
        for record_id, names in sorted(seen.items())
        if names & SURE or len(names) >= 2
    }
