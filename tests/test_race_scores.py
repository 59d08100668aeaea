"""How the checks are scored on real race fixes (`make corpus RACES=folder`): the scorer itself, on a small tree."""

from pathlib import Path
from textwrap import dedent

from analysis.source.hits import Hit, Place
from tests.corpus.race_table import commands, of_others, score
from tests.corpus.races import Judgement, Label, Other, Side, read_side

BEFORE = dedent("""
    from django.db import models

    class Job(models.Model):
        attempts = models.IntegerField()

    def retry(pk):
        job = Job.objects.get(pk=pk)
        job.attempts += 1
        job.save(update_fields=["attempts"])

    def again(pk):
        job = Job.objects.get(pk=pk)
        job.attempts += 1
        job.save(update_fields=["attempts"])

    def look(pk):
        return Job.objects.get(pk=pk).attempts
    """)


def label(side="before", racy=True, kind="counter-increment", lines=((8, 10),), functions=("retry",)):
    return Label("jobs", "a/b", "c0ffee", side, "jobs/models.py", functions, racy, kind, lines)


def a_hit(check="counter-increment", read=8, act=10, function="retry", path="jobs/models.py"):
    return Hit(check, function, Place(path, read), None, Place(path, act), "Job", "", "", ())


def test_a_racy_side_wants_the_class_and_the_lines():
    assert Side(label(), (a_hit(),)).right
    assert not Side(label(), ()).right
    assert not Side(label(), (a_hit(check="next-free"),)).right
    assert not Side(label(), (a_hit(read=30, act=40),)).right


def test_a_class_that_holds_the_label_s_is_right_but_not_strictly():
    side = Side(label(), (a_hit(check="lost-update"),))
    assert side.right
    assert not side.strictly


def test_lines_between_are_right_but_not_strictly():
    side = Side(label(lines=((20, 25),)), (a_hit(read=8, act=40),))
    assert side.right
    assert not side.strictly


def test_lines_of_another_file_do_not_count():
    assert not Side(label(), (a_hit(path="jobs/views.py"),)).right


def test_a_safe_side_wants_silence():
    assert Side(label(racy=False), ()).right
    assert not Side(label(racy=False), (a_hit(),)).right


def test_a_label_of_a_class_holds_its_methods():
    assert label(functions=("Review",)).holds("Review.save")
    assert label(functions=("Form.save",)).holds("Form.save")
    assert not label(functions=("Form.save",)).holds("Other.save")


def test_a_folder_is_read_and_the_other_functions_are_kept_apart(tmp_path: Path):
    file = tmp_path / "jobs" / "before" / "jobs" / "models.py"
    file.parent.mkdir(parents=True)
    file.write_text(BEFORE, encoding="utf-8")
    side, others = read_side(tmp_path, label())
    assert [hit.function for hit in side.hits] == ["retry"]
    assert side.right
    assert {other.name: len(other.hits) for other in others} == {"again": 1, "look": 0}


def test_below_the_bar_is_a_problem():
    missed = [Side(label(), (a_hit(),)), Side(label(), ())]
    assert score(missed)[1] == ["recall"]
    assert score([Side(label(), (a_hit(),)), Side(label(racy=False), (a_hit(),))])[1] == ["specificity"]
    assert score([Side(label(), (a_hit(),)), Side(label(racy=False), ())])[1] == []


def test_a_hit_that_nobody_judged_counts_as_undefended():
    other = Other(
        "jobs", "a/b", "before", "jobs/models.py", "again", "def again(): …", (a_hit(function="again"),)
    )
    key = ("a/b", "jobs/models.py", "again", "counter-increment")
    assert of_others([other], {})[1] == ["other functions"]
    assert of_others([other], {key: Judgement(*key, False, "why")})[1] == ["other functions"]
    assert of_others([other, other], {key: Judgement(*key, True, "why")})[1] == []


def test_the_commands_name_the_commit_and_its_parent():
    printed = "\n".join(commands([label(), label("after")]))
    assert "archive c0ffee^ -- " in printed
    assert "archive c0ffee -- " in printed
    assert printed.count("git clone") == 1
