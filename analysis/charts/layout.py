"""Where labels go: beside each other, in order, as near to what they name as they can."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final

import numpy as np
from scipy.optimize import isotonic_regression

from analysis.charts.text import fitted, width_of

PAD: Final = 0.1  # inches between two labels of a row


@dataclass(frozen=True)
class Tag:
    """Something to be named at `x` (inches). Those that stand `alone` share no label if it can be helped."""

    x: float
    text: str
    alone: bool = False


@dataclass(frozen=True)
class Label:
    """Text centred at `x`, naming what stands at `target` (inches).

    `line` 0 is the nearest to what is named. A leader from line 1 passes line 0 at `via`.
    """

    x: float
    target: float
    text: str
    line: int = 0
    via: float | None = None


Say = Callable[[Sequence[str]], str]


def spread(centres: Sequence[float], widths: Sequence[float], low: float, high: float) -> list[float]:
    """Positions as near to `centres` (ascending) as can be (least squares), in order, without overlap in [low, high].

    Source: isotonic regression (pool adjacent violators) on the centres less the room needed before each.
    If the room does not suffice, the row starts at `low` and runs over `high`.
    """
    if not centres:
        return []
    steps = [(left + right) / 2 + PAD for left, right in pairwise(widths)]
    offsets = np.concatenate([[0.0], np.cumsum(steps)])
    free = isotonic_regression(np.asarray(centres) - offsets).x
    lowest, highest = low + widths[0] / 2, high - widths[-1] / 2 - offsets[-1]
    return [float(x) for x in np.maximum(np.minimum(free, highest), lowest) + offsets]


@dataclass(frozen=True)
class Row:
    """The room for labels: from `low` to `high` inches, in letters of `size` points, in one or two `lines`.

    A label may stand up to `reach` inches from what it names; `say` words the texts of tags that share one.
    """

    low: float
    high: float
    size: float
    say: Say
    reach: float = 0.4
    lines: int = 1
    bold: bool = False


def row_of_labels(tags: Sequence[Tag], row: Row) -> list[Label]:
    """Labels for `tags` (ascending x), none over another.

    While a label would stand too far from what it names, the second line is used if there is one, then the two
    closest neighbours come to share a label.
    """
    groups = [list(same) for _, same in groupby(tags, key=lambda tag: (tag.x, tag.text))]
    while groups:
        pairs = list(enumerate(pairwise(groups)))
        alike = [pair for pair in pairs if is_alike(*pair[1])]
        for lines in range(1, row.lines + 1):
            labels, inside, near = placed(groups, row, lines)
            if inside and (near or (lines == row.lines and not alike)):
                return labels
        if not pairs:
            return labels
        merge_closest(groups, alike or pairs)
    return []


def placed(groups: Sequence[Sequence[Tag]], row: Row, lines: int) -> tuple[list[Label], bool, bool]:
    """One label a group in turn on each line, whether all are within the row, and whether all are within reach.

    Line 0 leaves a gap wherever a leader of line 1 has to pass.
    """
    texts = [words_of(group, row) for group in groups]
    widths = [width_of(text, row.size, row.bold) for text in texts]
    targets = [(group[0].x + group[-1].x) / 2 for group in groups]
    upper = [index % lines == 1 for index in range(len(groups))]
    passing = [0.0 if above else width for above, width in zip(upper, widths, strict=True)]
    xs = spread(targets, passing, row.low, row.high)
    raised = [index for index, above in enumerate(upper) if above]
    vias = dict(zip(raised, xs[1::2], strict=False))
    tops = spread([xs[index] for index in raised], [widths[index] for index in raised], row.low, row.high)
    for index, x in zip(raised, tops, strict=True):
        xs[index] = x
    labels = [
        Label(xs[index], targets[index], text, int(upper[index]), vias.get(index))
        for index, text in enumerate(texts)
    ]
    edges = [(label.x - width / 2, label.x + width / 2) for label, width in zip(labels, widths, strict=True)]
    inside = all(row.low - 1e-6 <= left and right <= row.high + 1e-6 for left, right in edges)
    near = all(abs(label.x - label.target) <= row.reach for label in labels)
    return labels, inside, near


def words_of(group: Sequence[Tag], row: Row) -> str:
    """The text of a label, each line no wider than the row."""
    words = row.say([tag.text for tag in group])
    return "\n".join(fitted(line, row.high - row.low, row.size, row.bold) for line in words.split("\n"))


def merge_closest(groups: list[list[Tag]], pairs: Sequence[tuple[int, tuple[list[Tag], list[Tag]]]]) -> None:
    """Merge those two neighbours among `pairs` that stand closest."""
    index, _ = min(pairs, key=lambda pair: (pair[1][1][0].x - pair[1][0][-1].x, pair[0]))
    groups[index : index + 2] = [groups[index] + groups[index + 1]]


def is_alike(left: Sequence[Tag], right: Sequence[Tag]) -> bool:
    """Whether two groups may be named together without hiding one that should stand alone."""
    texts = {tag.text for tag in (*left, *right)}
    return len(texts) == 1 or not any(tag.alone for tag in (*left, *right))


def counted(texts: Sequence[str], noun: str) -> str:
    """`read`, `3 reads`, `2 reads, update`; past three different ones `9 statements`.

    A text of one word takes a plural s, a longer one is multiplied: `2 × duplicate key`.
    """
    counts = Counter(texts)
    if len(counts) > 3:
        return f"{len(texts)} {noun}s"
    return ", ".join(times(text, count) for text, count in counts.items())


def times(text: str, count: int) -> str:
    """`text`, `count` times."""
    if count == 1:
        return text
    return f"{count} {text}s" if text.isalpha() and text.isascii() else f"{count} × {text}"
