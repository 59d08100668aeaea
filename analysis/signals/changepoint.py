"""Where a rate changed in a sequence of failures and successes, with an interval.

Source: Hinkley and Hinkley 1970, "Inference about the change-point in a sequence of binomial variables",
Biometrika 57.
"""

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

Counts: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

SUPPORT: Final = -np.log(1 - np.sqrt(0.95))
"""How far below the best a change point's log-likelihood may lie and still be in its 95 % interval (3.68)."""


@dataclass(frozen=True)
class Change:
    """The first request at the new rate; the change lies after `from_us` and by `by_us` (95 %)."""

    request: int
    at_us: int
    from_us: int
    by_us: int


def rise(errors: Counts, requests: Counts, base: tuple[int, int] = (0, 0)) -> Floats:
    """Log-likelihood that the rate rose just before item k, for k = 0 … n-1; -inf where it did not rise.

    In:   failures and requests of each item (a bucket, or a single request); base, those known to precede them all
    """
    before_errors = base[0] + np.cumsum(errors) - errors
    before = base[1] + np.cumsum(requests) - requests
    after_errors = base[0] + errors.sum() - before_errors
    after = base[1] + requests.sum() - before
    likelihood = _likelihood(before_errors, before) + _likelihood(after_errors, after)
    return np.where(after_errors * before > before_errors * after, likelihood, -np.inf)


def fall(errors: Counts, requests: Counts, calm_rate: float) -> Floats:
    """Log-likelihood that the rate fell to `calm_rate` just before item k, for k = 1 … n (n: not yet).

    In:   failures and requests of each item; calm_rate, strictly between 0 and 1
    """
    raised_errors, raised = np.cumsum(errors), np.cumsum(requests)
    calm_errors, calm = raised_errors[-1] - raised_errors, raised[-1] - raised
    fell = xlogy(calm_errors, calm_rate) + xlogy(calm - calm_errors, 1 - calm_rate)
    likelihood = _likelihood(raised_errors, raised) + fell
    return np.where(raised_errors > calm_rate * raised, likelihood, -np.inf)


def plausible(likelihood: Floats) -> tuple[int, int, int]:
    """The best change point, and the first and the last of its 95 % interval.

    Seen from the true change point, the likelihood ratio of the later (or the earlier) ones is a martingale of
    mean 1: it ever exceeds e^x with probability e^-x at most (Ville 1939), and on neither side with probability
    (1 - e^-x)^2, which is 0.95 at x = 3.68. The usual chi2(1)/2 = 1.92 would cover some 85 %: a change point is
    no regular parameter.

    Source: Siegmund 1988, "Confidence sets in change-point problems", International Statistical Review 56.
    """
    best = int(np.argmax(likelihood))
    inside = np.flatnonzero(likelihood >= likelihood[best] - SUPPORT)
    return best, int(inside[0]), int(inside[-1])


def change(started_us: Counts, likelihood: Floats, first: int) -> Change:
    """The change in a sequence of requests, where `likelihood[0]` is that of one just before request `first`."""
    best, earliest, latest = (first + position for position in plausible(likelihood))
    before = max(earliest - 1, 0)
    return Change(best, int(started_us[best]), int(started_us[before]), int(started_us[latest]))


def _likelihood(errors: Counts, requests: Counts) -> Floats:
    """Of a stretch at its own best rate; 0 for an empty one."""
    rate = errors / np.maximum(requests, 1)
    return np.asarray(xlogy(errors, rate) + xlogy(requests - errors, 1 - rate))
