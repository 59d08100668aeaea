"""`make zoo`: every handler read and re-enacted; ends with 1 if one is not judged as truth.toml says.

python -m tests.zoo [--all-orders] [HANDLER …]
"""

import argparse
import sys

from analysis.replay.server import running
from tests.zoo.score import Score, score
from tests.zoo.truth import handlers

ROW = "{:33} {:27} {:21} {:17} {:>9} {:>6}  {}"


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m tests.zoo")
    options.add_argument("handler", nargs="*", help="only these")
    options.add_argument("--all-orders", action="store_true", help="compare with every order there is")
    given = options.parse_args()
    wanted = [each for each in handlers() if not given.handler or each.name in given.handler]
    if unknown := set(given.handler) - {each.name for each in wanted}:
        options.error(f"no such handler: {', '.join(sorted(unknown))}; truth.toml lists them")
    print(ROW.format("handler", "hit in the source", "read, test, act", "verdict", "explored", "s", ""))
    with running() as server:
        scores = [shown(score(server, each, given.all_orders)) for each in wanted]
    right = sum(not each.wrong for each in scores)
    print(f"{right} of {len(scores)} handlers judged as they are")
    return int(right < len(scores))


def shown(found: Score) -> Score:
    """Prints the row, and returns it."""
    hit = next(iter(found.hits), None)
    lines = (
        f"{hit.read.line}, {hit.test.line if hit.test else '-'}, {hit.act.line}" if hit is not None else "-"
    )
    explored = f"{found.explored}/{found.orders}" if found.orders else str(found.explored)
    print(
        ROW.format(
            found.handler.name,
            hit.check if hit else "-",
            lines,
            found.verdict,
            explored,
            f"{found.seconds:.1f}",
            "; ".join(found.wrong),
        ),
        flush=True,
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
