import pytest

from analysis.replay import server


@pytest.fixture(autouse=True, scope="session")
def store(tmp_path_factory):
    """Databases of cases go to a folder of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("store")
        patch.setenv("RACE_FORENSICS_STORE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def postgres():
    """One throw-away PostgreSQL for all tests that re-enact."""
    with server.running() as running:
        yield running
