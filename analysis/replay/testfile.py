"""The test that a team keeps: one file that needs Django alone and reads from top to bottom.

What happened, the rows, the two requests, the order that failed, three assertions, and then the small player, which
is the modules in `inlined` as they are. It asks only that the outcome is that of a serial order and that nothing
fails, so any correct fix passes.
"""

import ast
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from analysis.replay.imports import import_block, imports_of
from analysis.replay.inlined.steps import summary
from analysis.replay.literals import identifier, in_docstring, literal
from analysis.replay.parts import Part, player_parts, refuse_taken_names, setup_part
from analysis.replay.runs import BEGIN, Run
from analysis.safe_text import mask_secrets, masked

LETTERS: Final = "ABCDEFGH"
WIDTH: Final = 84
# A word is never broken: a line that ended within an escape would undo it.
WRAPPING: Final[dict[str, Any]] = {"break_long_words": False, "break_on_hyphens": False}
OWN_NAMES: Final = frozenset({"ANSWERED", "EVIDENCE", "LOCAL", "WITNESS"})
ANY_SUCCESS: Final = (200, 201, 202, 204)

OWN_IMPORTS: Final = """
from __future__ import annotations
from unittest import skipUnless
from django.db import connection
from django.conf import settings
from django.test import TransactionTestCase, override_settings
"""

TEST: Final = '''
LOCAL = {{"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}


@override_settings(CACHES={{key: {{**LOCAL, "LOCATION": key}} for key in settings.CACHES}})
@skipUnless(connection.vendor == "postgresql", "only PostgreSQL has the locks at issue")
class {name}RaceTest(TransactionTestCase):
    """Any fix will do: what counts is that some serial order gives the same outcome."""

    databases = "__all__"
    serialized_rollback = True

    def setUp(self):
        self.race = Race(requests(rows(EVIDENCE)))

    def test_one_after_the_other(self):
        """The first is answered as in production and writes: else the rest is empty."""
        for outcome in self.race.serial():
            first = outcome.play.started[0]
            self.assertFalse(outcome.failed, outcome.answered())
            self.assertIn(outcome.status[first], ANSWERED, f"{{first}} alone")
            self.assertTrue(outcome.changes(set()), "nothing was written")

    def test_at_once_in_the_order_that_failed(self):
        self.check([who for who, _, _ in WITNESS])

    def test_at_once_with_one_pause(self):
        """Each pauses before each of its steps in turn, and the other goes first."""
        self.check(*self.race.with_one_pause())

    def check(self, *orders):
        for complaint in self.race.complaints(*orders):
            if complaint:
                self.fail(complaint)


# What follows plays the requests and compares what they came to. It knows this
# application only by its models.
'''


@dataclass(frozen=True)
class Turn:
    """One step of the witness: who went, what was sent, from which line of the application."""

    worker: int
    what: str
    line: str


@dataclass(frozen=True)
class Facts:
    """What the test says and plays. All text may come from a log.

    `view`      dotted name of the view: "jobs.views.complete_job"
    `endpoint`  "POST /api/jobs/complete"
    `happened`  what went wrong in production, in sentences
    `sources`   where that is seen: "logs/app.log.gz:88"
    `evidence`  what `rows` in the setup file is given
    `setup`     source of the setup file: `rows(evidence)` and `requests(rows)`
    `turns`     the order that failed
    `answered`  with which statuses production answers when nothing goes wrong
    """

    view: str
    endpoint: str
    happened: str
    sources: Sequence[str]
    evidence: Mapping[str, Any]
    setup: str
    turns: Sequence[Turn]
    answered: Sequence[int] = ANY_SUCCESS


def file_name(view: str) -> str:
    """The name of the test file of a view: "test_race_complete_job.py"."""
    return f"test_race_{identifier(view)}.py"


def turns_of(run: Run) -> tuple[Turn, ...]:
    """The order of a run as the player follows it: Django opens a transaction without a statement of its own."""
    return tuple(
        Turn(each.worker, summary(each.sql) if each.sql else each.kind.upper(), each.line)
        for each in run.steps
        if each.kind != BEGIN
    )


def render(facts: Facts) -> str:
    """The source of the test file.

    Raises: CannotWriteTest where the setup file is no Python, lacks a function, or uses a name that the player needs.
    """
    name = "".join(word.capitalize() for word in identifier(facts.view).split("_"))
    own = Part(tuple(imports_of(ast.parse(OWN_IMPORTS).body)), TEST.format(name=name).strip("\n"), OWN_NAMES)
    setup, player = setup_part(facts.setup), player_parts()
    refuse_taken_names(setup, [own, *player])
    parts = [
        f'"""{_docstring(facts)}"""',
        import_block(each for part in (own, setup, *player) for each in part.imports),
        _constants(facts) + "\n",
        setup.body + "\n",
        own.body + "\n",
        "\n\n\n".join(part.body for part in player),
    ]
    return "\n\n".join(parts) + "\n"


def _constants(facts: Facts) -> str:
    witness = [
        (LETTERS[turn.worker], mask_secrets(turn.what), mask_secrets(turn.line)) for turn in facts.turns
    ]
    evidence = {mask_secrets(name): masked(each) for name, each in facts.evidence.items()}
    values = {"EVIDENCE": evidence, "ANSWERED": tuple(facts.answered), "WITNESS": witness}
    return "\n".join(f"{name} = {literal(each, len(name) + 3, 0)}" for name, each in values.items())


def _docstring(facts: Facts) -> str:
    """What happened in production and where that is seen; every text escaped."""
    paragraphs = [
        f"Two requests at once: {facts.endpoint}",
        facts.happened,
        "The order in WITNESS shows it: A and B are the two requests, and each line is one step of one of them.",
    ]
    texts = ["\n".join(textwrap.wrap(in_docstring(each), WIDTH, **WRAPPING)) for each in paragraphs]
    seen = "\n".join(f"    {in_docstring(each)}" for each in facts.sources)
    return "\n\n".join([*texts[:2], f"Seen in:\n{seen}", texts[2]]) + "\n"
