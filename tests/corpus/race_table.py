"""The score of the checks on real race fixes, case by case; and the git commands that get the code.

python -m tests.corpus.race_table FOLDER [held | held2 | held3 | held4]
python -m tests.corpus.race_table --commands [held | held2 | held3 | held4]
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from analysis.source.hits import Hit
from tests.corpus.races import (
    HELD,
    HELD_2,
    HELD_3,
    HELD_4,
    RACES,
    SIDES,
    Judgement,
    Label,
    Other,
    Side,
    judgements,
    labels,
    notes,
    read_side,
)

RECALL, SPECIFICITY, UNDEFENDED = 0.85, 0.90, 1 / 20
SETS = {"": RACES, "held": HELD, "held2": HELD_2, "held3": HELD_3, "held4": HELD_4}


def main(arguments: Sequence[str]) -> int:
    if not arguments:
        print(
            "real race fixes: not scored; python -m tests.corpus.race_table --commands prints how to get them"
        )
        return 0
    folder, *held = arguments
    asked = list(labels(SETS[held[0] if held else ""]))
    if folder == "--commands":
        print("\n".join(commands(asked)))
        return 0
    lines, problems = table(Path(folder), asked)
    print("\n".join([*lines, *(f"FAILED {problem}" for problem in problems)]))
    return 1 if problems else 0


def commands(asked: list[Label]) -> Iterator[str]:
    """Shell commands that put each case into races/<case>/before and races/<case>/after."""
    yield "# real race fixes; run these, then: make corpus RACES=races"
    for repo in dict.fromkeys(label.repo for label in asked):
        yield f"git clone --bare --filter=blob:none https://github.com/{repo} {clone(repo)}"
    for label in asked:
        folder = f"races/{label.case}/{label.side}"
        at = label.commit + ("^" if label.side == SIDES[0] else "")
        yield f"mkdir -p {folder} && git -C {clone(label.repo)} archive {at} -- ':(glob)**/*.py' | tar -x -C {folder}"


def clone(repo: str) -> str:
    """Where the commands put the copy of a repository."""
    return f"races/{repo.replace('/', '+')}.git"


def table(folder: Path, asked: list[Label]) -> tuple[list[str], list[str]]:
    """The report, line by line, and what is below the bar or not judged."""
    missing = sorted({each.case for each in asked if not (folder / each.case / each.side).is_dir()})
    read = [read_side(folder, each) for each in asked if each.case not in missing]
    sides, others = [side for side, _ in read], [other for _, found in read for other in found]
    lines = [f"not scored, no code in {folder}: {case}" for case in missing]
    lines += [each for side in sides for each in of_side(side)]
    scores, problems = score(sides)
    rest, unfit = of_others(others, judgements())
    argued = [f"argued: {case}: {why}" for case, why in notes()["argued"].items()]
    return [*lines, "", *argued, "", *rest, "", *scores], problems + unfit


def of_side(side: Side) -> Iterator[str]:
    """One side: the label, whether it is right, and its hits."""
    label = side.label
    said = {True: "racy", False: "safe", None: "-"}[label.racy]
    mark = "" if label.racy is None else ("right" if side.right else "WRONG")
    strictly = "strict" if label.racy and side.strictly else ""
    lines = ",".join(map(str, label.lines[0])) if label.racy else ""
    kind = (label.kind or "") if label.racy else ""
    yield f"{label.case:<26} {label.side:<6} {said:<4} {kind:<24} {lines:<10} {mark:<5} {strictly}"
    for hit in side.hits:
        yield f"{'':<10} {shown(hit)}"


def shown(hit: Hit) -> str:
    """A hit on one line."""
    test = f" test {hit.test.line}" if hit.test else ""
    act = str(hit.act) if hit.act.path != hit.read.path else str(hit.act.line)
    calls = f" by {', '.join(map(str, hit.calls))}" if hit.calls else ""
    return f"{hit.check:<26} {hit.function}: read {hit.read.line}{test} act {act}{calls} of {hit.model}"


def score(sides: list[Side]) -> tuple[list[str], list[str]]:
    """Recall on the racy sides, specificity on the safe ones, and what is below the bar."""
    racy, safe = ([side for side in sides if side.label.racy is each] for each in (True, False))
    strictly = sum(side.strictly for side in racy)
    lines, problems = [], []
    for name, given, bar in (("recall", racy, RECALL), ("specificity", safe, SPECIFICITY)):
        right = sum(side.right for side in given)
        lines.append(f"{name:<12} {right} of {len(given)}, {right / max(len(given), 1):.1%} (bar {bar:.0%})")
        if right < bar * len(given):
            problems.append(name)
    lines.append(f"strictly     {strictly} of {len(racy)} racy sides with the label's own class and lines")
    found = sum(bool(side.hits) for side in racy)
    lines.append(f"any hit      in {found} of {len(racy)} racy sides")
    return lines, problems


def of_others(
    others: list[Other], judged: dict[tuple[str, str, str, str], Judgement]
) -> tuple[list[str], list[str]]:
    """The hits in functions that no label is about, each function counted once, with what was judged of them."""
    once = {other.key: other for other in others}
    hits: dict[tuple[str, str, str, str], tuple[Other, Hit]] = {}
    for other in once.values():
        for hit in other.hits:
            hits.setdefault((other.repo, other.path, hit.function, hit.check), (other, hit))
    lines = []
    counts = {"defend": 0, "would not": 0, "NOT JUDGED": 0}
    for key, (other, hit) in sorted(hits.items()):
        known = judged.get(key)
        said = "NOT JUDGED" if known is None else ("defend" if known.defend else "would not")
        counts[said] += 1
        lines.append(f"{said:<10} {other.case}/{other.side}/{other.path} {shown(hit)}")
        lines += [f"{'':<10} {known.why}"] if known else []
    functions = {other.key[:3] for other in once.values()}
    bad = counts["would not"] + counts["NOT JUDGED"]
    lines.append(
        f"{len(functions)} other functions, {len(hits)} hits in them: "
        + ", ".join(f"{count} {name}" for name, count in counts.items())
        + f"; undefended hits: {bad / max(len(functions), 1):.1%} of the functions"
        + f", {bad / max(len(hits), 1):.1%} of the hits"
    )
    return lines, ["other functions"] if bad > UNDEFENDED * len(functions) else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
