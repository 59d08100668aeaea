"""What a check of source code finds: a place to read, not a verdict.

A hit becomes an accusation only when the re-enactment shows an interleaving that no serial order gives.
"""

from dataclasses import dataclass


@dataclass(frozen=True, order=True)
class Place:
    """A line of a file of the repository: `path` as git spells it, lines from 1."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Hit:
    """One suspicion about one function.

    `read`   where the state was read (`job = Job.objects.get(…)`)
    `test`   where it was decided upon (`if job.status != …`); None where the read is the test (`.exists()` in an
             `if` has both on one line), or where nothing is tested (a counter)
    `act`    where it is acted upon (`job.save()`, `….create(…)`)
    """

    check: str  # name of the check: "check-then-insert", "lost-update", …
    function: str  # qualified within its module: "complete_job", "ReviewSerializer.create"
    read: Place
    test: Place | None
    act: Place
    model: str | None  # class name of the model acted upon: "JobCompletion"
    between: str  # one sentence: what another request can do between read and act
    cost: str  # one sentence: what that costs (a spurious 500 behind a constraint is not a lost payment)
    cures: tuple[str, ...]  # names of fixes that would make it safe, the lightest first
    calls: tuple[Place, ...] = ()  # the calls followed from the function to the act
    reads: tuple[
        Place, ...
    ] = ()  # where the read lies in a callee: the calls followed to it, and its own line last

    @property
    def path(self) -> str:
        """The file of the function that was asked about."""
        return self.read.path
