"""A small shop to be fixed: a tree in memory, and hits read off marks in its code."""

import re
import textwrap
from dataclasses import dataclass

from analysis.source.fixes import Declined, Proposal, menu
from analysis.source.hits import Hit, Place

MODELS = """from django.contrib.auth.models import User
from django.db import models


class Voucher(models.Model):
    OPEN = "open"
    USED = "used"

    code = models.CharField(max_length=20, unique=True)
    status = models.CharField(max_length=10, default=OPEN)
    used = models.IntegerField(default=0)
    limit = models.IntegerField(default=1)
    active = models.BooleanField(default=True)
    owner = models.ForeignKey(User, null=True, on_delete=models.CASCADE)
    used_at = models.DateTimeField(null=True)
    note = models.TextField(blank=True)

    def label(self):
        return f"{self.code} ({self.status})"

    def spoil(self):
        self.status = self.USED


class Redemption(models.Model):
    voucher = models.ForeignKey(Voucher, on_delete=models.CASCADE, related_name="redemptions")
    user = models.ForeignKey(User, on_delete=models.CASCADE)
    amount = models.IntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["voucher", "user"], name="one_redemption"),
        ]


class Review(models.Model):
    author = models.ForeignKey(User, on_delete=models.CASCADE)
    voucher = models.ForeignKey(Voucher, on_delete=models.CASCADE)
    kind = models.CharField(max_length=10, default="open")
    text = models.TextField()

    def __str__(self):
        return self.text


class Page(models.Model):
    title = models.CharField(max_length=40)
    hits = models.IntegerField(default=0)
    body = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)


class Ticket(models.Model):
    title = models.CharField(max_length=40)
    taken = models.BooleanField(default=False)

    def save(self, *args, **kwargs):
        self.title = self.title.strip()
        super().save(*args, **kwargs)
"""
MIGRATION = """from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = []
"""
MARK = re.compile(r"[ ]*#([RTA]+)$")


@dataclass(frozen=True)
class Files:
    """A tree in memory."""

    texts: dict[str, str]

    def paths(self):
        return sorted(path for path in self.texts if path.endswith(".py"))

    def read(self, path):
        return self.texts.get(path)


@dataclass(frozen=True)
class Case:
    """Code with its marks taken out, in a tree, and the hit that the marks were."""

    tree: Files
    hit: Hit

    def offered(self, name):
        """The fix of a name: a Proposal or a Declined."""
        return next(each for each in menu(self.tree, self.hit) if each.name == name)

    def fixed(self, name, path=None):
        """The text that a fix makes of the file of the hit."""
        found = self.offered(name)
        assert isinstance(found, Proposal), found.reason
        return found.files[path or self.hit.path]

    def reason(self, name):
        """Why a fix is not offered."""
        found = self.offered(name)
        assert isinstance(found, Declined), found.diff
        return found.reason


def marked(code, function, *, model=None, check="check-then-act", path="shop/views.py", **others):
    """A case from code in which `#R`, `#T` and `#A` end the lines of read, test and act."""
    lines, places = [], {}
    for number, line in enumerate(textwrap.dedent(code).lstrip("\n").split("\n"), 1):
        found = MARK.search(line)
        for mark in found[1] if found else "":
            places[mark] = Place(path, number)
        lines.append(MARK.sub("", line))
    texts = {
        "shop/__init__.py": "",
        "shop/models.py": MODELS,
        "shop/migrations/__init__.py": "",
        "shop/migrations/0001_initial.py": MIGRATION.replace('("shop", "0001_initial")', ""),
        "shop/migrations/0002_more.py": MIGRATION,
        path: "\n".join(lines),
        **{name.replace("__", "/") + ".py": text for name, text in others.items()},
    }
    hit = Hit(check, function, places["R"], places.get("T"), places["A"], model, "", "", ())
    return Case(Files(texts), hit)


def code(text):
    """Code as it stands in a test."""
    return textwrap.dedent(text).lstrip("\n")


def only(text, name):
    """One function or class of a module, with its decorators."""
    lines = text.split("\n")
    start = next(i for i, each in enumerate(lines) if re.match(rf"(def|class) {name}\b", each))
    while start and lines[start - 1].startswith("@"):
        start -= 1
    end = next(
        (
            i
            for i in range(start + 1, len(lines))
            if (lines[i] and not lines[i].startswith((" ", "@", "def", ")")))
            or (lines[i].startswith(("@", "def", "class")) and i > start + 4)
        ),
        len(lines),
    )
    return "\n".join(lines[start:end]).rstrip() + "\n"
