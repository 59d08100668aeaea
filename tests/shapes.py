"""Small modules as text, read as an application; lines are marked in comments: `# read`, `# test`, `# act`."""

from textwrap import dedent

from analysis.source import hits_in
from analysis.source.hits import Hit

VIEWS = "shop/views.py"
MODELS = dedent("""
    from django.db import models
    from django.contrib.auth.models import User

    class Job(models.Model):
        status = models.CharField(max_length=9)
        owner = models.ForeignKey(User, on_delete=models.CASCADE)
        result = models.TextField()
        attempts = models.IntegerField(default=0)

    class Completion(models.Model):
        job = models.OneToOneField(Job, on_delete=models.CASCADE)
        result = models.TextField()

    class Vote(models.Model):
        user = models.ForeignKey(User, on_delete=models.CASCADE)
        job = models.ForeignKey(Job, on_delete=models.CASCADE)
        value = models.IntegerField()

        class Meta:
            constraints = [models.UniqueConstraint(fields=["user", "job"], name="one_vote")]

    class Note(models.Model):
        job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="notes")
        author = models.ForeignKey(User, on_delete=models.CASCADE)
        text = models.TextField()

    class Coupon(models.Model):
        code = models.CharField(max_length=20, unique=True)
        used = models.IntegerField(default=0)
        limit = models.IntegerField()

        def is_usable(self):
            return self.used < self.limit

    class Account(models.Model):
        number = models.CharField(max_length=20, unique=True)
        balance = models.IntegerField()
        name = models.CharField(max_length=80)

    class Invoice(models.Model):
        account = models.ForeignKey(Account, on_delete=models.CASCADE)
        number = models.IntegerField()
        paid = models.BooleanField(default=False)

        class Meta:
            unique_together = [("account", "number")]
""")
IMPORTS = dedent("""
    from django.db import IntegrityError, connection, models, transaction
    from django.db.models import F, Max
    from django.core.mail import send_mail
    from django.http import HttpResponse, JsonResponse
    from django.shortcuts import get_object_or_404
    from .models import Account, Completion, Coupon, Invoice, Job, Note, Vote
""")


class Text:
    """A tree that is written down in a test."""

    def __init__(self, files: dict[str, str]) -> None:
        self.files = files

    def paths(self) -> list[str]:
        return sorted(self.files)

    def read(self, path: str) -> str | None:
        return self.files.get(path)


def application(views: str, **files: str) -> Text:
    """The models above, the views, and other modules of the same folder by name."""
    modules = {f"shop/{name}.py": dedent(text) for name, text in files.items()}
    return Text({"shop/__init__.py": "", "shop/models.py": MODELS, VIEWS: IMPORTS + dedent(views), **modules})


def found(views: str, **files: str) -> list[Hit]:
    """The hits in the views."""
    return hits_in(application(views, **files), VIEWS)


def hit(check: str, views: str, **files: str) -> Hit:
    """The one hit of the check, or of one of several (`limited-use|lost-update`), which names the marked lines."""
    hits = found(views, **files)
    named = [each for each in hits if each.check in check.split("|")]
    assert len(named) == 1, f"{check}: wanted one hit, got {[(each.check, each.act.line) for each in hits]}"
    marks = marked(views, **files)
    for mark, place in (("read", named[0].read), ("test", named[0].test), ("act", named[0].act)):
        if mark in marks:
            assert place, f"{check}: no {mark} line, wanted {marks[mark]}"
            assert (place.path, place.line) == marks[mark], f"{check}: {mark} line"
    return named[0]


def silent(views: str, **files: str) -> None:
    """No check has anything to say."""
    hits = found(views, **files)
    assert not hits, f"{[(each.check, each.function, each.read.line, each.act.line) for each in hits]}"


def marked(views: str, **files: str) -> dict[str, tuple[str, int]]:
    """Path and line by mark."""
    tree = application(views, **files)
    return {
        mark: (path, number)
        for path, text in tree.files.items()
        for number, line in enumerate(text.splitlines(), 1)
        for mark in line.partition("# ")[2].split()
        if mark in ("read", "test", "act")
    }
