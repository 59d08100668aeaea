"""How far the access log's stamps and durations are from the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evidence import Evidence

RESOLUTION_US = 1_000


@dataclass(frozen=True)
class Spread:
    """The distribution of a difference, in µs."""

    values: Sequence[int]  # sorted

    def at(self, share: float) -> int:
        return self.values[min(len(self.values) - 1, int(share * len(self.values)))]

    def as_json(self) -> dict[str, int]:
        return {
            "min_us": self.values[0],
            "p001_us": self.at(0.001),
            "p01_us": self.at(0.01),
            "median_us": self.at(0.5),
            "p99_us": self.at(0.99),
            "p999_us": self.at(0.999),
            "max_us": self.values[-1],
        }


@dataclass(frozen=True)
class Clock:
    """Differences between what the access log says and what the wrapper measured.

    `finish`: stamp - exit; negative where the line was stamped before the response was closed.
    `start`: (stamp - duration) - entry. `duration`: logged - (exit - entry).
    """

    finish: Spread
    start: Spread
    duration: Spread
    error_us: dict[str, int]  # by request id: how far its stamps are off, beyond their resolution

    @property
    def uncertainty_us(self) -> int:
        """What an overlap read off the log may be wrong by, but for the worst per cent of requests.

        An overlap compares one finish with another's start: a step of the clock at each of the two ends, and the
        99th percentile of each end's deviation beyond it. How wrong a pair's own stamps are stands in `error_us`.
        """
        return sum(RESOLUTION_US + deviations(end).at(0.99) for end in (self.finish, self.start))

    def as_json(self) -> dict[str, Any]:
        return {
            "finish": self.finish.as_json(),
            "start": self.start.as_json(),
            "duration": self.duration.as_json(),
            "resolution_us": RESOLUTION_US,
            "deviations": {
                name: {
                    "p99_us": spread.at(0.99),
                    "p999_us": spread.at(0.999),
                    "max_us": spread.values[-1],
                }
                for name, end in (("finish", self.finish), ("start", self.start))
                for spread in [deviations(end)]
            },
        }


def deviations(end: Spread) -> Spread:
    """How far the log lies from the truth, whichever way, beyond its own resolution."""
    return Spread(sorted(beyond(value) for value in end.values))


def beyond(difference_us: int) -> int:
    """What a difference has in excess of a stamp that is cut off to its resolution."""
    return max(difference_us, -difference_us - RESOLUTION_US, 0)


def measure(found: Evidence) -> Clock:
    """Compare each line of the access log with the wrapper's note of the same request."""
    finish, start, duration, error = [], [], [], {}
    for line in found.access:
        note = found.by_id[line.request_id]
        entry_us, exit_us = note.entry_ns // 1000, note.exit_ns // 1000
        finish.append(line.stamp_us - exit_us)
        start.append(line.stamp_us - line.duration_us - entry_us)
        duration.append(line.duration_us - (exit_us - entry_us))
        error[line.request_id] = max(beyond(finish[-1]), beyond(start[-1]))
    spreads = [Spread(sorted(values)) for values in (finish, start, duration)]
    return Clock(spreads[0], spreads[1], spreads[2], error)
