"""Runs the generated test as the team would: in a copy of the application, by the application's own test runner.

Running an application's code is opt-in, in a child process with a scrubbed environment and a time limit.
"""

import ast
import os
import re
import shutil
import signal
import subprocess
import tempfile
import uuid
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from analysis.replay.app import Application, scrubbed
from analysis.replay.gate import BROKEN, FAILED, PASSED, SKIPPED, Gate, Result, gate
from analysis.replay.literals import literal
from analysis.replay.mechanism import Signature

SETTINGS: Final = "race_test_settings"
AGAIN: Final = "test_race_again"
SERIAL: Final = "test_one_after_the_other"
AT_ONCE: Final = "test_at_once_in_the_order_that_failed"
NOT_COPIED: Final = shutil.ignore_patterns(
    ".git", ".hg", ".venv", "venv", "node_modules", "__pycache__", "*.pyc"
)

END: Final = r"^(OK|FAILED)(?: \((.*)\))?$"
BLOCK: Final = re.compile(
    r"^={70}\n(?P<kind>FAIL|ERROR): (?P<method>[\w.]+) \((?P<case>[\w.]+)\)[^\n]*\n(?:[^\n]*\n)*?-{70}\n"
    r"(?P<text>.*?)(?=^={70}$|^-{70}$)",
    re.MULTILINE | re.DOTALL,
)
SETTINGS_SOURCE: Final = """
from {module} import *

OURS = {database}
TEST = {test}


def on_our_server(alias):
    given = DATABASES[alias]
    options = given.get("OPTIONS", {{}})
    options = {{name: options[name] for name in options if not name.startswith("ssl")}}
    test = TEST if alias == "default" else {{"MIRROR": "default"}}
    return {{**given, **OURS, "OPTIONS": options, "TEST": test}}


DATABASES = {{alias: on_our_server(alias) for alias in DATABASES}}
LOGGING = {{
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {{"none": {{"class": "logging.NullHandler"}}}},
    "root": {{"handlers": ["none"]}},
}}
"""
AGAIN_SOURCE: Final = """
import {module} as given


class Again(given.{case}):
    def test_again(self):
        witness = [who for who, _, _ in given.WITNESS]
        complaints = self.race.complaints(*[witness] * {times})
        self.fail("".join(f"\\n{mark}\\n{{each}}" for each in complaints))


for name in dir(given.{case}):
    if name.startswith("test"):
        setattr(Again, name, None)
"""


class TeamTest:
    """The generated test in a scratch copy of an application, with or without a fix's files.

    `database`  what overrides the databases of its settings: HOST, PORT, USER, PASSWORD, NAME (`Server.django`)
    `folder`    where the copy is made; must not be there yet
    `name`, `source`  the test's file
    `changes`   the files that a fix replaces, by their path in the tree
    """

    limit_s = 300

    def __init__(
        self,
        app: Application,
        database: Mapping[str, str],
        folder: Path,
        name: str,
        source: str,
        changes: Mapping[str, str] | None = None,
    ) -> None:
        self.app, self.database, self.folder = app, database, folder
        shutil.copytree(app.root, folder, symlinks=True, ignore=NOT_COPIED)
        for path, text in (changes or {}).items():
            _write_inside(folder, path, text)
        package = "tests." if (folder / "tests" / "__init__.py").is_file() else ""
        self.module, self.again_module = package + name.removesuffix(".py"), package + AGAIN
        self.case = _case_of(source)
        _write_inside(folder, self.module.replace(".", "/") + ".py", source)
        _write_inside(folder, f"{SETTINGS}.py", _settings(app.settings_module(), database))

    def run(self, *methods: str) -> Result:
        """Run some methods of the test, or all of them; the first failure's message."""
        labels = [f"{self.module}.{self.case}.{each}" for each in methods]
        results = self.results(*(labels or [self.module]))
        return next((each for each in results if each.status != PASSED), results[0])

    def again(self, times: int) -> list[Result]:
        """Play the order that failed many times over, in one process."""
        mark = f"again {uuid.uuid4().hex}"  # no answer of the application can hold it
        source = AGAIN_SOURCE.format(module=self.module, case=self.case, times=times, mark=mark)
        _write_inside(self.folder, self.again_module.replace(".", "/") + ".py", source)
        results = self.results(self.again_module)
        complaints = [each.strip() for each in results[0].message.split(mark)[1:]]
        if results[0].status != FAILED or not complaints:
            return results
        return [Result(FAILED, each) if each else Result(PASSED) for each in complaints]

    def results(self, *labels: str) -> list[Result]:
        """Run tests by their dotted names; those that did not pass come first."""
        manage = ["manage.py"] if (self.folder / "manage.py").is_file() else ["-m", "django"]
        command = [self.app.python, *manage, "test", "--noinput", f"--settings={SETTINGS}", *labels]
        with tempfile.TemporaryDirectory() as home:
            environment = {**scrubbed(home, self.database), **self.app.environment}
            process = subprocess.Popen(
                command, cwd=self.folder, env=environment, text=True, errors="replace",
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True,
            )  # fmt: skip
            try:
                _, said = process.communicate(timeout=self.limit_s)
            except subprocess.TimeoutExpired:
                return [Result(BROKEN, f"the test runner did not finish within {self.limit_s} s")]
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        return read_results(said, process.returncode)


def gate_of(before: TeamTest, after: TeamTest | None, expected: Signature, repeats: int = 100) -> Gate:
    """The gate on the generated test itself, run by the application's own runner; `after`: None without a fix."""
    which = {False: before, True: after or before}
    return gate(
        lambda fixed: which[fixed].run(SERIAL),
        lambda fixed: which[fixed].run(AT_ONCE),
        lambda fixed, times: which[fixed].again(times),
        expected,
        repeats,
        has_fix=after is not None,
    )


def read_results(said: str, code: int) -> list[Result]:
    """The results in unittest's report, at least one. A run that no report ends is broken, and so is an error.

    Source: Python documentation, unittest, "TextTestResult"; exit code 0 only where nothing failed.
    """
    ran, end = re.findall(r"^Ran (\d+) tests? in ", said, re.MULTILINE), re.findall(END, said, re.MULTILINE)
    blocks = list(BLOCK.finditer(said))
    if not ran or not end or int(ran[-1]) == 0 or bool(blocks) != bool(code):
        return [Result(BROKEN, _last_line(said) or f"the test runner ended with exit code {code}")]
    skipped = [Result(SKIPPED)] * sum(map(int, re.findall(r"skipped=(\d+)", end[-1][1])))
    passed = [Result(PASSED)] * (int(ran[-1]) - len(blocks) - len(skipped))
    return [*map(_read_block, blocks), *skipped, *passed]


def _read_block(block: re.Match[str]) -> Result:
    case, method = block["case"], block["method"]  # since Python 3.11 the case's name ends with the method's
    test = case if case.endswith(f".{method}") else f"{case}.{method}"
    if block["kind"] == "ERROR":
        return Result(BROKEN, _last_line(block["text"]), test)
    return Result(FAILED, block["text"].partition("AssertionError: ")[2].strip(), test)


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2][:500]


def _case_of(source: str) -> str:
    """The name of the generated test's class."""
    return next(
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name.endswith("RaceTest")
    )


def _write_inside(folder: Path, path: str, text: str) -> None:
    target = (folder / path).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise ValueError(f"{path} is no path inside the application")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def _settings(module: str, database: Mapping[str, str]) -> str:
    """The application's settings, every database of theirs on our server; options of a network connection dropped."""
    test = {"NAME": f"test_race_{uuid.uuid4().hex[:12]}"}
    return SETTINGS_SOURCE.format(module=module, database=literal(dict(database)), test=literal(test))
