import pytest


@pytest.fixture(autouse=True)
def store(tmp_path_factory, monkeypatch):
    """Databases of cases go to a folder of the test's own."""
    folder = tmp_path_factory.mktemp("store")
    monkeypatch.setenv("RACE_FORENSICS_STORE", str(folder))
    return folder
