from datetime import date, datetime

import pytest

from analysis.case import CaseError, Fields, SourceSpec, Window, read_case, zone_name

WHOLE = """
title = "Duplicate completions"
zone = "Europe/Berlin"
date = 2026-03-11
deploys = "deploys.csv"
repository = "history.bundle"
window = { since = 2026-03-11T15:00:00Z, until = 2026-03-11T17:15:00+01:00 }
[fields]
entity = "job_id"
user = "user"
[[source]]
path = "*.log"
clock = "host"
ordered_by = "stamp"
lag_ms = 2.5
[app]
root = "source"
"""


def written(folder, text):
    (folder / "case.toml").write_text(text)
    return folder


def test_a_case_is_read_whole(tmp_path):
    case = read_case(written(tmp_path, WHOLE))
    assert (case.title, case.zone, case.date) == ("Duplicate completions", "Europe/Berlin", date(2026, 3, 11))
    assert case.window == Window(datetime(2026, 3, 11, 15), datetime(2026, 3, 11, 16, 15))
    assert case.fields == Fields(entity="job_id", user="user")
    assert case.sources == (SourceSpec("*.log", clock="host", ordered_by="stamp", lag_us=2500),)
    assert (case.deploys, case.repository) == (("deploys.csv",), "history.bundle")
    assert case.app and case.app.root == "source"


def test_the_title_is_the_folders_name_unless_given(tmp_path):
    assert read_case(written(tmp_path, '[[source]]\npath = "a.log"')).title == tmp_path.name


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("title = ", "not valid TOML"),
        ("", r"no \[\[source\]\]"),
        ('[[source]]\nformat = "x"', "number 1 has no path"),
        ('[[source]]\npath = "a"\nformt = "x"', "unknown key 'formt'; did you mean 'format'"),
        ('[[source]]\npath = "a"\nordered_by = "luck"', "'writer' or 'stamp'"),
        ('zone = "Mars/Olympus"\n[[source]]\npath = "a"', "'Mars/Olympus' is not an IANA time zone"),
        ('zone = 3\n[[source]]\npath = "a"', "zone = 3; wanted a text"),
        ('date = "11 March"\n[[source]]\npath = "a"', "wanted a date without quotes"),
        ('titel = "x"\n[[source]]\npath = "a"', "did you mean 'title'"),
        ("[app]\nsettings = 'x'\n", "has no root"),
        ("[app]\nroot = 'x'\nendpoint = '/pay/'\n", "wanted a method and a path, such as"),
        ('[[source]]\npath = "a"\nlag_ms = inf', "lag_ms = inf; wanted a number of at most"),
        ('[[source]]\npath = "a"\nlag_ms = nan', "lag_ms = nan; wanted a number of at most"),
        ('[fields]\nuser = "u"\nusr = "v"\n[[source]]\npath = "a"', "unknown key 'usr'"),
    ],
)
def test_each_mistake_has_its_own_message(tmp_path, text, message):
    with pytest.raises(CaseError, match=message):
        read_case(written(tmp_path, text))


def test_a_folder_without_a_case_says_how_to_get_one(tmp_path):
    with pytest.raises(CaseError, match="python -m analysis new"):
        read_case(tmp_path)


def test_files_of_a_glob_come_sorted_and_only_from_the_case(tmp_path):
    case = read_case(written(tmp_path, '[[source]]\npath = "*.log"\n[[source]]\npath = "../x.log"'))
    (tmp_path / "b.log").touch()
    (tmp_path / "a.log").touch()
    assert [file.name for file in case.files(case.sources[0])] == ["a.log", "b.log"]
    with pytest.raises(CaseError, match="leaves the case folder"):
        case.files(case.sources[1])


def test_a_glob_that_matches_nothing_is_named(tmp_path):
    case = read_case(written(tmp_path, '[[source]]\npath = "*.log"'))
    with pytest.raises(CaseError, match=r"'\*.log' names no file"):
        case.files(case.sources[0])


@pytest.mark.parametrize("path", ["**x", "x" * 300, "", "a/**b/c"])
def test_a_path_that_is_no_glob_is_named(tmp_path, path):
    case = read_case(written(tmp_path, f'[[source]]\npath = "{path}"'))
    with pytest.raises(CaseError, match="is no path or glob"):
        case.files(case.sources[0])


@pytest.mark.parametrize("zone", ["Europe", "x" * 300, "a" + ".b" * 2000, "a\\u0000b", "../UTC", ""])
def test_a_zone_that_is_none_is_named(tmp_path, zone):
    with pytest.raises(CaseError, match="is not an IANA time zone"):
        zone_name(zone.replace("\\u0000", "\0"), str(tmp_path))


@pytest.mark.parametrize("value", ["[" * 5000 + "]" * 5000, "9" * 5000, "'"])
def test_a_value_without_end_is_not_valid_toml(tmp_path, value):
    with pytest.raises(CaseError, match="not valid TOML"):
        read_case(written(tmp_path, f"a = {value}"))


def test_an_application_is_described_for_the_re_enactment(tmp_path):
    (tmp_path / "case.toml").write_text(
        '[[source]]\npath = "a.log"\n'
        '[app]\nroot = "source"\nsettings = "config.settings"\nsetup = "rows.py"\n[app.environment]\nSECRET_KEY = "x"\n'
    )
    app = read_case(tmp_path).app
    assert (app.root, app.settings, app.python, app.setup) == ("source", "config.settings", None, "rows.py")
    assert app.environment == {"SECRET_KEY": "x"}


def test_a_variable_of_the_application_that_is_no_text_is_refused(tmp_path):
    (tmp_path / "case.toml").write_text('[app]\nroot = "source"\n[app.environment]\nWORKERS = 3\n')
    with pytest.raises(CaseError, match="WORKERS = 3; wanted a text"):
        read_case(tmp_path)
