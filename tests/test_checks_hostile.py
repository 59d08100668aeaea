"""Code under suspicion is read, not run; and no text breaks the reading of it, or holds it up (T15)."""

import time
from pathlib import Path

import pytest

from analysis.source import CHECKS, hits_in
from tests.shapes import IMPORTS, MODELS, VIEWS, Text, application, found

SECONDS = 2
RACY = """
def retry(request, pk):
    job = Job.objects.get(pk=pk)
    job.attempts += 1
    job.save()
"""
DEEP = 100_000
HOSTILE = {
    "syntax": "def f(:\n    pass\n",
    "python 2": "print 'hello'\n",
    "null bytes": "x = 1\0\n",
    "surrogates": "x = '\udce4'\n",
    "nothing": "",
    "only a mark": "\ufeff",
    "brackets": "x = " + "(" * DEEP + ")" * DEEP,
    "not": "x = " + "not " * DEEP + "y",
    "attributes": "x = a" + ".b" * DEEP,
    "sum": "x = 1" + "+1" * DEEP,
    "calls": "x = f" + "()" * DEEP,
    "elif": "if a:\n    pass\n" + "elif a:\n    pass\n" * 20_000,
    "lambdas": "x = " + "lambda: " * DEEP + "1",
}
PARSED = {
    # Python's parser takes these; what walks the tree must, too.
    "attributes": "x = Job.objects" + ".filter(pk=1)" * 900,
    "sum": "x = 1" + "+1" * 2000,
    "elif": "if a:\n        pass\n" + "    elif a:\n        pass\n" * 1500,
    "indent": "if a:\n" + "".join(" " * depth + "if a:\n" for depth in range(5, 99)) + " " * 99 + "pass\n",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_module_that_cannot_be_parsed_has_no_hits(name):
    tree = Text({"shop/models.py": MODELS, VIEWS: IMPORTS + HOSTILE[name]})
    assert in_time(lambda: hits_in(tree, VIEWS)) == []


@pytest.mark.parametrize("name", HOSTILE)
def test_a_neighbour_that_cannot_be_parsed_hides_nothing(name):
    views = RACY + "    from .broken import f\n    f(job)\n"
    tree = application(views)
    tree.files["shop/broken.py"] = HOSTILE[name]
    assert [hit.check for hit in in_time(lambda: hits_in(tree, VIEWS))] == ["counter-increment"]


@pytest.mark.parametrize("name", PARSED)
def test_deep_code_hides_nothing(name):
    tree = application(RACY + f"\n\ndef deep(a):\n    {PARSED[name]}\n")
    assert "counter-increment" in [hit.check for hit in in_time(lambda: hits_in(tree, VIEWS))]


def test_functions_that_call_each_other():
    views = """
        def one(pk):
            job = Job.objects.get(pk=pk)
            job.attempts += 1
            return two(job)

        def two(job):
            job.save()
            three(job)
            return one(job.pk)

        def three(job):
            return two(job)
        """
    assert "counter-increment" in [hit.check for hit in in_time(lambda: found(views))]


def test_classes_and_modules_that_lean_on_each_other():
    views = """
        from .services import Base, VALUE

        class View(Base):
            def post(self, request, pk):
                job = self.job(pk)
                job.save()
        """
    services = """
        from .views import View, VALUE

        class Base(View):
            def job(self, pk):
                return super().job(pk)
        """
    in_time(lambda: found(views, services=services))


def test_calls_that_fan_out():
    """Each function calls two, thirty levels deep: 2^30 paths."""
    lines = [f"def f{n}(job):\n    f{n + 1}(job)\n    f{n + 1}(job)\n" for n in range(30)]
    views = "\n".join(lines) + "\ndef f30(job):\n    job.save()\n" + RACY + "    f0(job)\n"
    tree = Text({"shop/models.py": MODELS, VIEWS: IMPORTS + views})
    assert "counter-increment" in [hit.check for hit in in_time(lambda: hits_in(tree, VIEWS))]


def test_two_megabytes_of_code():
    many = "".join(
        f"def retry{n}(request, pk):\n    job = Job.objects.get(pk=pk)\n    job.attempts += 1\n    job.save()\n\n\n"
        for n in range(20_000)
    )
    tree = Text({"shop/models.py": MODELS, VIEWS: IMPORTS + many})
    in_time(lambda: hits_in(tree, VIEWS, "retry7"))
    tree = application(RACY + "    from .large import f\n    f(job)\n", large=many)
    assert "counter-increment" in [hit.check for hit in in_time(lambda: hits_in(tree, VIEWS))]


def test_code_is_read_and_not_run(tmp_path: Path):
    canary = tmp_path / "canary"
    run = f"import pathlib; pathlib.Path({str(canary)!r}).touch()\n"
    settings = run + "DATABASES = {}\n"
    tree = Text(
        {
            "shop/__init__.py": run,
            "shop/models.py": run + MODELS,
            "shop/settings.py": settings,
            "manage.py": run,
            VIEWS: IMPORTS + run + RACY,
        }
    )
    assert [hit.check for hit in hits_in(tree, VIEWS)] == ["counter-increment"]
    assert not canary.exists()
    exec(run)  # the canary does sing where it is run
    assert canary.exists()


def test_nothing_of_the_code_is_imported():
    """A module under suspicion may have the name of one that is installed, or of our own."""
    import sys

    before = set(sys.modules)
    tree = Text(
        {"antigravity.py": "", "this.py": MODELS, VIEWS: "import antigravity, this\n" + IMPORTS + RACY}
    )
    hits_in(tree, VIEWS)
    assert not {"antigravity", "this", "shop", "shop.views"} & (set(sys.modules) - before)


def test_a_path_that_is_not_there_has_no_hits():
    assert hits_in(Text({}), "gone.py") == []


def test_every_check_is_a_function_with_the_page_it_rests_on():
    for check in CHECKS:
        module = sys_module(check)
        assert "https://" in (module.__doc__ or ""), module.__name__


def sys_module(function):
    import sys

    return sys.modules[function.__module__]


def in_time(work):
    """What the work gives. Fails when it takes longer than a reader of code may."""
    began = time.process_time()
    result = work()
    assert time.process_time() - began < SECONDS
    return result
