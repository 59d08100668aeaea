import os
import subprocess
import tomllib

import pytest

from analysis.case import CaseError, Fields, read_case
from analysis.discover import discover, guess_fields, to_toml

ACCESS = (
    '[2026-11-24T09:14:07.481] 41 203.0.113.7 "POST /api/jobs/{id}/done HTTP/1.1" 200 0.038 '
    "job_id={id} user=ana{id} request_id=0f3a{id}\n"
)
APP = "2026-11-24T09:14:07Z ERROR django.request Internal Server Error: /x request_id=0f3a7\n"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "access.log").write_text("".join(ACCESS.format(id=number) for number in (7, 8, 9)))
    (tmp_path / "app.log").write_text(APP)
    (tmp_path / "deploys.csv").write_text("deployed_at,version,revision,note\n2026-11-24T09:00:00Z,1,a,\n")
    (tmp_path / "notes.txt").write_text("nothing\nof a log\n")
    (tmp_path / ".hidden.log").write_text(APP)
    (tmp_path / "evil.ipynb").write_text("{}")
    return tmp_path


def test_logs_become_sources_and_deploys_are_told_from_them(folder):
    case = discover(folder).case
    assert [(source.path, source.format) for source in case.sources] == [
        ("app.log", "render_export"),
        ("logs/access.log", "gunicorn_access_ms"),
    ]
    assert case.deploys == ("deploys.csv",)


def test_a_bare_clone_beside_the_logs_is_the_history_and_none_of_its_files_is_a_log(folder):
    subprocess.run(["git", "init", "-q", "--bare", folder / "shop.git"], check=True)
    (folder / "shop.git" / "objects" / "app.log").write_text(APP)
    found = discover(folder)
    assert found.case.repository == "shop.git"
    assert not [note for note in found.notes if "HEAD" in note or "sample" in note]
    assert [source.path for source in found.case.sources] == ["app.log", "logs/access.log"]


def test_a_folder_with_a_file_called_head_is_no_repository(folder):
    (folder / "web").mkdir()
    (folder / "web" / "HEAD").write_text("ref: of the day\n")
    (folder / "web" / "app.log").write_text(APP)
    found = discover(folder)
    assert found.case.repository is None
    assert "web/app.log" in [source.path for source in found.case.sources]


def test_a_bundle_is_preferred_to_a_checkout_below(folder):
    subprocess.run(["git", "init", "-q", folder / "code"], check=True)
    assert discover(folder).case.repository == "code"
    (folder / "history.bundle").write_bytes(b"# v2 git bundle\n")
    assert discover(folder).case.repository == "history.bundle"


def test_the_file_to_start_from_shows_how_an_application_is_named(folder):
    shown = to_toml(discover(folder)).replace("# [app]", "[app]").replace('# root = "', 'root = "')
    assert tomllib.loads(shown.replace("# python = ", "python = "))["app"]["root"] == "../application"


def test_what_fits_nothing_is_named_and_not_a_source(folder):
    assert "notes.txt: fits no known format" in discover(folder).notes


def test_the_keys_of_entity_user_and_request_are_guessed(folder):
    assert discover(folder).case.fields == Fields(entity="job_id", user="user", request_id="request_id")


def test_the_written_case_toml_is_the_discovered_case(folder):
    found = discover(folder, "Europe/Berlin")
    text = to_toml(found)
    tomllib.loads(text)
    (folder / "case.toml").write_text(text)
    written = read_case(folder)
    assert (written.sources, written.fields, written.zone, written.deploys) == (
        found.case.sources,
        found.case.fields,
        "Europe/Berlin",
        ("deploys.csv",),
    )


def test_hostile_file_names_stay_texts_in_the_toml(folder):
    (folder / 'a"\n[x]\ny = 1 #.log').write_text(APP)
    parsed = tomllib.loads(to_toml(discover(folder)))
    assert set(parsed) == {"title", "zone", "deploys", "fields", "source"}


def test_a_folder_without_a_log_is_refused_with_what_was_seen(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing\nof a log\n")
    with pytest.raises(CaseError, match=r"notes\.txt: fits no known format"):
        discover(tmp_path)


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "a.log").write_text(APP)
    with pytest.raises(CaseError, match="not a folder"):
        discover(tmp_path / "a.log")


@pytest.mark.parametrize(
    ("lines", "fields"),
    [
        (["GET /x order_id=41 userId=7", "GET /x order_id=42 userId=7"], ("order_id", "userId")),
        (["job=- user=a", "job=7 user=b", "job=8 user=c"], ("job", "user")),
        (["took=12 bytes=100", "took=13 bytes=200"], (None, None)),
        (["colour=red7 x=low", "colour=blue x=high"], (None, None)),
        (["pid=41 trace_id=42", "pid=43 trace_id=44"], (None, None)),
        (["job_id=7 user=a", "job_id=7 user=b"], (None, "user")),
        (['{"ticket_id": "T-100", "username": "x"}', '{"ticket_id": "T-101"}'], ("ticket_id", "username")),
        (
            [r'{"log":"{\"job_id\": 7, \"user\": \"a\"}\n"}', r'{"log":"{\"job_id\": 8}\n"}'],
            ("job_id", "user"),
        ),
    ],
)
def test_an_entity_is_an_id_that_varies(lines, fields):
    guessed = guess_fields(lines)
    assert (guessed.entity, guessed.user) == fields


def test_the_date_that_stamps_lack_is_asked_for_with_the_files_own_as_a_hint(tmp_path):
    for name, line in (("a.log", "15:47:23.101 GET /x"), ("b.log", "2026-03-11T15:47:23Z INFO app: x")):
        (tmp_path / name).write_text(f"{line}\n")
        os.utime(tmp_path / name, (1_773_244_043, 1_773_244_043))
    lines = to_toml(discover(tmp_path)).splitlines()
    hints = [line for line in lines if "last changed" in line]
    assert hints == ["# a.log: no full date in its stamps; the file was last changed on 2026-03-11"]


def test_a_wrapped_format_is_named_with_its_wrapper_and_read_again(folder):
    line = '{"log":"[2026-11-24T09:14:07.481] 41 203.0.113.7 \\"GET /%d HTTP/1.1\\" 200 0.038\\n","stream":"stdout",'
    lines = [line % number + '"time":"2026-11-24T09:14:07.5Z"}\n' for number in range(3)]
    (folder / "web.log").write_text("".join(lines))
    found = discover(folder)
    assert {source.path: source.format for source in found.case.sources}[
        "web.log"
    ] == "docker_json > gunicorn_access_ms"
    (folder / "case.toml").write_text(to_toml(found))
    assert read_case(folder).sources == found.case.sources
