"""The menu tried on some handlers of the zoo, every order re-enacted: `make zoo` tries it on all of them."""

import os
import subprocess
import sys
from dataclasses import replace

import pytest

from analysis.source import hits_in
from analysis.source.fixes import propose
from analysis.source.fixes.apply import check_applies, write_copy
from analysis.source.trees import FolderTree
from tests.zoo.fixes import menu_of, wrong
from tests.zoo.truth import handlers

RACY = {each.name: each for each in handlers() if each.fixes}
ENACTED = ("close_with_row", "like", "Subscribe.post", "confirm", "give_back", "spend")


def changes(handler):
    """What the menu proposes for the handler's hits, each change once."""
    tree = FolderTree(handler.site)
    hits = hits_in(tree, handler.file, handler.view, followed=True)
    found = {each.diff: each for hit in hits for each in propose(tree, hit)}
    for each in found.values():
        check_applies(tree, each)
    return list(found.values())


@pytest.mark.parametrize("name", RACY)
def test_the_menu(name):
    assert sorted(each.name for each in changes(RACY[name])) == sorted(RACY[name].fixes)


@pytest.mark.slow
@pytest.mark.parametrize("name", ENACTED)
def test_no_order_breaks_a_fix_and_some_order_breaks_what_does_nothing(postgres, name):
    assert wrong(RACY[name], menu_of(postgres, RACY[name])) == []


@pytest.mark.slow
def test_a_fix_that_some_order_breaks_and_another_rank_are_told(postgres):
    menu = menu_of(postgres, RACY["like"])
    other = replace(RACY["like"], fixes=("lock_row", "f_expression"))
    assert wrong(other, menu) == ["kept: wanted lock_row, f_expression, got f_expression, lock_row"]
    kept = replace(menu, placebos=(replace(menu.placebos[0], kept=True),))
    assert wrong(RACY["like"], kept) == ["atomic_alone does nothing, and is kept"]
    none = replace(menu, placebos=(replace(menu.placebos[0], enacted=None, reason="no server"),))
    assert wrong(RACY["like"], none) == ["atomic_alone: no server"]


@pytest.mark.slow
def test_at_a_snapshot_the_reason_says_why_a_lock_does_not_help(postgres):
    off_duty = next(each for each in handlers() if each.name == "off_duty")
    (lock,) = menu_of(postgres, off_duty).tried
    assert lock.proposal.name == "lock_parent" and not lock.kept
    assert "at REPEATABLE READ a request that waited for a lock goes on reading" in lock.reason
    (kept, *_) = menu_of(postgres, replace(off_duty, isolation="READ COMMITTED")).tried
    assert kept.kept and "READ" not in kept.reason


DUPLICATES = """
import os, sys, django
sys.path.insert(0, os.getcwd())
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
from django.conf import settings
settings.DATABASES["default"].update({name[3:]: value for name, value in os.environ.items() if name[:3] == "DB_"})
django.setup()
from importlib import import_module
from django.core.management import call_command
from django.db import IntegrityError, connection
from shop.models import Customer, Subscription

call_command("migrate", "shop", "0001", verbosity=0)
ada, bob = (Customer.objects.create(name=name) for name in ("Ada", "Bob"))
for customer, topic in ((ada, "news"), (ada, "news"), (ada, "sales"), (bob, "news")):
    Subscription.objects.create(customer=customer, topic=topic)
try:
    call_command("migrate", "shop", verbosity=0)
except IntegrityError:
    print("refused")
note = import_module("shop.migrations." + sys.argv[1]).__doc__
with connection.cursor() as cursor:
    cursor.execute("SELECT " + note.partition("SELECT ")[2])
    found = cursor.fetchall()
print(found == [(ada.pk, "news", 2)], found)
Subscription.objects.filter(customer=ada, topic="news").first().delete()
call_command("migrate", "shop", verbosity=0)
print("made")
"""


@pytest.mark.slow
def test_the_note_of_a_migration_finds_the_duplicates_that_keep_it_from_being_run(postgres, tmp_path):
    (fix,) = changes(RACY["Subscribe.post"])
    (name,) = [path.rpartition("/")[2].removesuffix(".py") for path in fix.files if "migrations" in path]
    write_copy(RACY["Subscribe.post"].site, fix.files, tmp_path / "site")
    with postgres.database() as database:
        told = {f"DB_{key}": value for key, value in postgres.django(database).items()}
        ran = subprocess.run(
            [sys.executable, "-c", DUPLICATES, name],
            cwd=tmp_path / "site",
            env={"PATH": os.environ["PATH"], **told},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ran.stdout.splitlines()[0::2] == ["refused", "made"], ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[1].startswith("True"), ran.stdout
