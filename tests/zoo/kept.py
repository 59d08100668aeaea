"""The test that a team would keep, for every handler of the zoo: `python -m tests.zoo.kept`.

Red for each that races, green for its twin; also green for what one after the other does twice as well, since no
order of steps is at fault there. No witness is given: the orders with one pause have to find the race.
"""

import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from analysis.replay.app import Application
from analysis.replay.gate import FAILED
from analysis.replay.literals import identifier
from analysis.replay.server import Server, running
from analysis.replay.teamtest import TeamTest
from analysis.replay.testfile import Facts, render
from tests.zoo.truth import SETUP, Handler, handlers


def kept_test(handler: Handler) -> str:
    return render(
        Facts(
            view=handler.view,
            endpoint="",
            happened="",
            sources=(),
            evidence=handler.evidence,
            setup=SETUP.read_text(),
            turns=(),
            answered=(handler.status,),
        )
    )


def red_handlers(server: Server, site: Path, of_site: list[Handler], folder: Path) -> set[str]:
    """The views whose test failed. Raises AssertionError where a test could not run at all."""
    database = {"ENGINE": "django.db.backends.postgresql", **server.django("zoo")}
    names = {f"test_race_{identifier(each.view.replace('.', '_'))}": each for each in of_site}
    name, first = next(iter(names.items()))
    team = TeamTest(
        Application(site, settings="config.settings"), database, folder, f"{name}.py", kept_test(first)
    )
    team.limit_s = 1200
    for name, each in names.items():
        (folder / f"{name}.py").write_text(kept_test(each))
    results = team.results(*names)
    assert len(results) == 3 * len(names) and all(each.status in ("passed", FAILED) for each in results), (
        results[0]
    )
    return {names[each.test.partition(".")[0]].view for each in results if each.status == FAILED}


def main() -> int:
    sites = defaultdict(list)
    for each in handlers():
        sites[each.site].append(each)
    wrong = 0
    with running() as server, tempfile.TemporaryDirectory() as temporary:
        for site, of_site in sites.items():
            red = red_handlers(server, site, of_site, Path(temporary) / site.name)
            for each in of_site:
                colour = "red" if each.view in red else "green"
                wanted = "red" if each.verdict in ("anomaly", "failure") else "green"
                wrong += colour != wanted
                print(f"{each.view:36} {each.verdict:17} {colour:6} {'WRONG' * (colour != wanted)}".rstrip())
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
