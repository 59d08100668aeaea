"""Every fix of the menu tried on every racy handler of the zoo: `python -m tests.zoo.fixes [HANDLER …]`.

The fixes that truth.toml names are kept, in its order; whatever else is proposed, and what is known to do nothing,
is broken by some order. Ends with 1 if one is not.
"""

import sys

from analysis.proof.menu import Menu, Stage, try_menu
from analysis.replay.app import Application
from analysis.replay.server import Server, running
from analysis.source import hits_in
from analysis.source.trees import FolderTree
from tests.zoo.truth import SETUP, Handler, handlers


def menu_of(server: Server, handler: Handler) -> Menu:
    """The whole menu for the handler's hits, each change in a copy of its site and on a database of its own."""
    tree = FolderTree(handler.site)
    hits = hits_in(tree, handler.file, handler.view, followed=True)
    application = Application(handler.site, settings="config.settings")
    return try_menu(
        Stage(server, application, SETUP, handler.evidence, handler.isolation.lower()), tree, hits
    )


def wrong(handler: Handler, menu: Menu) -> list[str]:
    """What differs from the truth."""
    kept = tuple(each.proposal.name for each in menu.tried if each.kept)
    broken = [each for each in (*menu.tried, *menu.placebos) if each.enacted is None]
    return [
        *(
            [f"kept: wanted {', '.join(handler.fixes)}, got {', '.join(kept)}"]
            if kept != handler.fixes
            else []
        ),
        *(f"{each.proposal.name} does nothing, and is kept" for each in menu.placebos if each.kept),
        *(f"{each.proposal.name}: {each.reason}" for each in broken),
    ]


def main() -> int:
    racy = [
        each for each in handlers() if each.verdict != "safe" and each.name in (sys.argv[1:] or [each.name])
    ]
    count = 0
    with running() as server:
        for handler in racy:
            menu = menu_of(server, handler)
            found = wrong(handler, menu)
            count += bool(found)
            told = [
                f"{each.proposal.name} ({each.waits}, {each.lines})"
                if each.kept
                else f"not {each.proposal.name}"
                for each in menu.tried
            ]
            controls = len(menu.placebos)
            print(
                f"{handler.name:19} {', '.join(told)}; {controls} controls; {'; '.join(found)}".rstrip("; "),
                flush=True,
            )
    print(
        f"{len(racy) - count} of {len(racy)} menus as they should be (statements waited for, lines changed)"
    )
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
