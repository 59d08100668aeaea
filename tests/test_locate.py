from pathlib import Path

import pytest
from history import History, git

from analysis.evidence.changes import OurRepository
from analysis.source.deployed import Deploy, announces, deployed_at, tags_of
from analysis.source.locate import Frame, enclosing, in_tree, locate, locate_in_history

CASE = Path(__file__).parent.parent / "data/cases/jobs-complete"
VIEWS = """\
from jobs.models import Job


def complete(request, pk):
    job = Job.objects.get(pk=pk)
    if job.status != "open":
        return None

    job.status = "done"
    job.save()
    return job


class JobView(View):
    def post(self, request):
        return complete(
            request,
            self.kwargs["pk"],
        )
"""


class Files(dict):
    """A tree of literals."""

    def paths(self):
        return sorted(self)

    read = dict.get


def place(frame, **files):
    (found,) = locate([frame], Files({name.replace("__", "/") + ".py": text for name, text in files.items()}))
    return found


def of(line, code="", function="complete", file="/app/jobs/views.py"):
    return Frame(file, line, function, code)


# From a server's path to the repository's


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("/app/jobs/views.py", "jobs/views.py"),
        ("jobs/views.py", "jobs/views.py"),
        ("./jobs/views.py", "jobs/views.py"),
        ("C:\\srv\\app\\jobs\\views.py", "jobs/views.py"),
        ("/srv/releases/20260311/src/jobs/views.py", "jobs/views.py"),
        ("/app/shop/views.py", "backend/shop/views.py"),
        ("/app/manage.py", "manage.py"),
        ("/app/backend/manage.py", "backend/manage.py"),
    ],
)
def test_the_longest_common_end_decides(file, path):
    paths = ["backend/shop/views.py", "jobs/views.py", "backend/manage.py", "manage.py", "old/reviews.py"]
    assert in_tree(file, paths) == (path,)


@pytest.mark.parametrize(
    "file", ["/app/jobs/urls.py", "../../etc/passwd", "\x1b[2Jviews.py", "", "/", "/app/xviews.py"]
)
def test_a_file_that_the_repository_does_not_have_is_nowhere(file):
    assert in_tree(file, ["jobs/views.py"]) == ()


def test_a_tie_is_said_and_not_decided():
    found = place(of(5, file="/app/jobs/views.py"), one__jobs__views=VIEWS, two__jobs__views=VIEWS)
    assert found.path is None
    assert found.ties == ("one/jobs/views.py", "two/jobs/views.py")
    assert found.reason == "2 files end like '/app/jobs/views.py'"


def test_a_tie_is_decided_by_the_printed_lines():
    found = place(of(5, "job = Job.objects.get(pk=pk)"), one__jobs__views="x = 1\n", two__jobs__views=VIEWS)
    assert (found.path, found.matched) == ("two/jobs/views.py", True)


def test_two_copies_of_the_printed_lines_stay_a_tie():
    found = place(of(5, "job = Job.objects.get(pk=pk)"), one__jobs__views=VIEWS, two__jobs__views=VIEWS)
    assert (found.path, found.reason) == (None, "2 files hold these lines and end like '/app/jobs/views.py'")


def test_a_name_alone_is_not_enough():
    found = place(of(5, "return 1", file="/app/shop/views.py"), jobs__views=VIEWS)
    assert (found.path, found.matched) == (None, None)
    assert found.reason == "jobs/views.py shares only its name with '/app/shop/views.py'"


def test_a_name_alone_is_enough_where_the_printed_lines_stand():
    found = place(of(5, "job = Job.objects.get(pk=pk)", file="/app/views.py"), jobs__views=VIEWS)
    assert (found.path, found.matched) == ("jobs/views.py", True)


def test_a_reason_shows_a_hostile_path_as_a_literal():
    assert "\x1b" not in place(of(5, file="/app/\x1b[31m/x\n.py"), jobs__views=VIEWS).reason


# The printed lines


@pytest.mark.parametrize(
    ("line", "code", "function"),
    [
        (10, "job.save()", "complete"),
        (10, "    job.save()", "complete"),
        (10, 'job.status = "done"\njob.save()', "complete"),  # lines before it are printed too
        (9, 'job.status = "done"\njob.save()', "complete"),
        (10, 'return None\njob.status = "done"\njob.save()', "complete"),  # a blank line between
        (16, "return complete(\n...<2 lines>...\n)", "post"),
        (16, 'return complete(\n    request,\n    self.kwargs["pk"],\n)', "post"),
        (1, "from jobs.models import Job", "<module>"),
    ],
)
def test_printed_lines_that_stand_there_confirm_the_revision(line, code, function):
    found = place(of(line, code, function), jobs__views=VIEWS)
    assert (found.path, found.line, found.matched) == ("jobs/views.py", line, True)


@pytest.mark.parametrize(
    ("line", "code", "function", "reason"),
    [
        (9, "job.save()", "complete", "stand at line 10 of jobs/views.py, not at 9"),
        (10, "job.save(update_fields=[])", "complete", "do not stand in"),
        (10, "job.save()\nreturn 1", "complete", "do not stand in"),
        (10, "job.sav", "complete", "do not stand in"),
        (10, "job.save()", "finish", "stand at line 10"),
        (16, "return complete(\n...<9 lines>...\n)", "post", "do not stand in"),
        (0, "job.save()", "complete", "stand at line 10"),
        (10**9, "job.save()", "complete", "stand at line 10"),
    ],
)
def test_printed_lines_that_do_not_stand_there_mean_another_revision(line, code, function, reason):
    found = place(of(line, code, function), jobs__views=VIEWS)
    assert found.matched is False
    assert reason in found.reason


def test_the_published_traceback_prints_the_lines_before_the_one_it_names():
    code = 'job.status = "completed"\njob.completed_at = timezone.now()\njob.save()'
    text = "\n" * 138 + "def complete_job(request):\n    " + code.replace("\n", "\n    ") + "\n"
    frame = Frame("/app/jobs/views.py", 142, "complete_job", code)
    assert place(frame, jobs__views=text).matched
    assert not place(frame, jobs__views="\n\n\n" + text).matched


def test_without_printed_lines_nothing_is_confirmed():
    found = place(of(10), jobs__views=VIEWS)
    assert (found.path, found.matched) == ("jobs/views.py", None)
    assert "not confirmed" in found.reason


def test_the_function_is_qualified_within_its_module():
    assert place(of(16, "return complete(", "post"), jobs__views=VIEWS).function == "JobView.post"


def test_a_file_that_does_not_parse_has_lines_and_no_functions():
    text = VIEWS + "print 'python 2'\n"
    assert enclosing(text, 10) is None
    found = place(of(10, "job.save()"), jobs__views=text)
    assert (found.matched, found.function) == (True, "complete")


def test_the_innermost_function_is_found_below_if_and_in_wrappers():
    text = "if True:\n def api(view):\n  def answer(request):\n   return view(request)\n  return answer\n"
    assert [enclosing(text, line) for line in range(1, 6)] == [None, "api", "api.answer", "api.answer", "api"]


def test_a_class_body_is_no_function():
    assert enclosing(VIEWS, 14) is None


# Another revision than the one that was deployed


@pytest.fixture
def history(tmp_path):
    return History(tmp_path / "repository")


def test_the_revisions_in_which_the_printed_lines_stand_are_found(history):
    old = history.commit("old", {"jobs/views.py": VIEWS})
    again = history.commit("again", {"jobs/views.py": VIEWS + "# more\n"})
    history.commit("elsewhere", {"jobs/views.py": VIEWS + "# more\n", "x.py": ""})
    new = history.commit("new", {"jobs/views.py": "# moved\n" + VIEWS})
    frames = [of(16, "return complete(", "post"), of(10, "job.save()")]
    for found in locate_in_history(frames, history.ours(), new):
        assert (found.path, found.matched, found.candidates) == ("jobs/views.py", False, (again, old))
        assert found.reason.endswith(f"all frames fit since {again[:12]}")


def test_the_deployed_revision_is_kept_where_it_matches(history):
    history.commit("other", {"jobs/views.py": "# moved\n" + VIEWS})
    right = history.commit("right", {"jobs/views.py": VIEWS})
    history.commit("later", {"jobs/views.py": VIEWS + "# more\n"})
    (found,) = locate_in_history([of(10, "job.save()")], history.ours(), right)
    assert (found.matched, found.revision, found.candidates) == (True, right, ())


def test_all_frames_must_stand_in_one_revision(history):
    one = history.commit("one", {"jobs/views.py": VIEWS, "jobs/other.py": "def f():\n    a()\n"})
    history.commit("two", {"jobs/views.py": VIEWS, "jobs/other.py": "def f():\n    b()\n"})
    new = history.commit("three", {"jobs/views.py": "\n" + VIEWS, "jobs/other.py": "def f():\n    b()\n"})
    frames = [of(10, "job.save()"), of(2, "a()", "f", "/app/jobs/other.py")]
    assert {found.candidates for found in locate_in_history(frames, history.ours(), new)} == {(one,)}


def test_where_no_revision_fits_it_is_said(history):
    new = history.commit("new", {"jobs/views.py": VIEWS})
    (found,) = locate_in_history([of(10, "job.archive()")], history.ours(), new)
    assert found.candidates == ()
    assert "no revision" in found.reason


def test_a_file_that_was_renamed_since_is_found_under_its_old_name(history):
    old = history.commit("old", {"jobs/views.py": VIEWS})
    new = history.commit("new", {"jobs/api.py": VIEWS})
    (found,) = locate_in_history([of(10, "job.save()")], history.ours(), new)
    assert (found.path, found.candidates) == (None, (old,))
    assert found.reason.endswith(f"all frames fit as jobs/views.py since {old[:12]}")


@pytest.mark.parametrize(
    "file", ["/app/*.py", "/app/:(exclude)x.py", "/app/--all.py", "/app/[a-z]*.py", "../../x.py"]
)
def test_a_path_of_a_log_is_no_pattern_and_no_option_of_git(history, file):
    new = history.commit("new", {"jobs/views.py": VIEWS})
    (found,) = locate_in_history([of(10, "job.save()", file=file)], history.ours(), new)
    assert (found.path, found.candidates) == (None, ())


def test_a_long_history_is_searched_in_bounded_steps(history):
    """The right revision lies beyond the first step."""
    old = history.commit("old", {"jobs/views.py": VIEWS})
    for n in range(25):
        new = history.commit(f"{n}", {"jobs/views.py": "\n" * (n + 1) + VIEWS})
    (found,) = locate_in_history([of(10, "job.save()")], history.ours(), new)
    assert found.candidates == (old,)


# The bundled case


@pytest.fixture(scope="module")
def bundled(tmp_path_factory):
    ours = OurRepository(tmp_path_factory.mktemp("ours"))
    ours.fetch(CASE / "history.bundle")
    return ours


def test_a_traceback_of_the_bundled_case_confirms_the_version_that_was_deployed(bundled):
    log = ["return view(request, *args, **kwargs)", "return report_progress(request, job_id)"]
    frames = [of(30, log[0], "answer"), of(53, log[1], "job_detail")]
    (first, second) = locate_in_history(frames, bundled, "b423fe738dbeea14f984db96b42b247fa89eb385")
    assert (first.path, first.function, first.matched) == ("jobs/views.py", "api.answer", True)
    assert (second.function, second.matched) == ("job_detail", True)


# What was deployed

COMMITS = [("aa" * 20, "Release 2.15.0"), ("ab" * 20, "Drop the lock"), ("bb" * 20, "Release 2.14.1 (#9)")]
OLD, NEW = Deploy(100, "2.14.1", "bb" * 20), Deploy(200, "2.15.0", "aaaaaaaaaa")


@pytest.mark.parametrize(
    ("instant", "revision", "since", "before"),
    [
        (100, "bb" * 20, 100, None),
        (199, "bb" * 20, 100, None),
        (200, "aa" * 20, 200, "bb" * 20),
        (10**18, "aa" * 20, 200, "bb" * 20),
    ],
)
def test_the_last_deploy_so_far_is_the_one(instant, revision, since, before):
    found = deployed_at(instant, [NEW, OLD], COMMITS, {})
    assert (found.revision, found.since_us, found.before) == (revision, since, before)


def test_after_a_rollback_the_version_before_it_is_the_one_that_was_replaced():
    found = deployed_at(300, [OLD, NEW, Deploy(250, None, "ab" * 20)], COMMITS, {})
    assert (found.revision, found.before) == ("ab" * 20, "aa" * 20)


def test_before_the_first_deploy_nothing_is_known():
    found = deployed_at(99, [OLD, NEW], COMMITS, {})
    assert (found.revision, found.reason) == (None, "it is before the first deploy of the list")
    assert deployed_at(99, [], COMMITS, {}).reason == "the list of deploys is empty"


@pytest.mark.parametrize(
    ("deploy", "tags", "revision"),
    [
        (Deploy(0, "2.15.0"), {"v2.15.0": "ab" * 20}, "ab" * 20),  # a tag says more than a subject
        (Deploy(0, None, "release-2.15.0"), {"v2.15.0": "ab" * 20}, "ab" * 20),
        (Deploy(0, "2.15.0"), {"v2.15.0-rc1": "ab" * 20, "2.1": "bb" * 20}, "aa" * 20),
        (Deploy(0, "v2.14.1"), {}, "bb" * 20),
        (Deploy(0, "2.15.0", "AAAAAAA"), {"2.15.0": "ab" * 20}, "aa" * 20),
    ],
)
def test_a_deploy_names_its_commit_by_revision_tag_or_release(deploy, tags, revision):
    assert deployed_at(0, [deploy], COMMITS, tags).revision == revision


@pytest.mark.parametrize(
    ("deploy", "tags", "reason"),
    [
        (Deploy(0, "2.15"), {}, "'2.15'"),
        (Deploy(0, None, "cccccccc"), {}, "'cccccccc'"),
        (Deploy(0), {}, "names nothing"),
        (Deploy(0, "blue"), {}, "'blue'"),
        (Deploy(0, None, "aaaaaa"), {}, "'aaaaaa'"),  # six digits are no revision
        (Deploy(0, "2.15.0"), {"v2.15.0": "aa" * 20, "2.15.0": "bb" * 20}, "2 commits have tags"),
        (Deploy(0, "\x1b[31m\n"), {}, r"'\x1b[31m\n'"),
    ],
)
def test_a_deploy_that_names_no_commit_or_several_is_said(deploy, tags, reason):
    found = deployed_at(0, [deploy], COMMITS, tags)
    assert found.revision is None
    assert reason in found.reason


@pytest.mark.parametrize(
    "subject", ["Release 2.15.0", "2.15.0", "v2.15.0", "Bump version to 2.15.0", "Release 2.15.0 (#415)"]
)
def test_a_release_announces_its_version(subject):
    assert announces(subject, "2.15.0")


@pytest.mark.parametrize(
    "subject",
    [
        "Revert 2.15.0",
        "Release 2.15.0rc1",
        "Release 12.15.0",
        "Release 2.15.01",
        "Fix what 2.15.0 broke",
        "Release 2.15.0.1",
    ],
)
def test_a_mention_of_a_version_is_no_release(subject):
    assert not announces(subject, "2.15.0")


def test_tags_are_those_of_the_repository_annotated_or_not(history):
    commit = history.commit("first", {"x.py": ""})
    git(history.folder, "tag", "v1")
    git(history.folder, "tag", "--annotate", "--message=two", "v2")
    assert tags_of(history.ours()) == {"v1": commit, "v2": commit}
