"""Links by evidence on made-up incidents whose truth is known; `python -m tests.incidents.score` prints the curves."""

import pytest

from analysis.signals.linking import RELIABLE
from tests.incidents.score import TARGETS, curve, links
from tests.incidents.shapes import SHAPES
from tests.incidents.timeline import play

SEED = 20


@pytest.fixture(scope="module", params=SHAPES, ids=lambda shape: shape.name)
def scored(request):
    """A shape, and the curve of its links to each table."""
    incident = play(request.param, SEED)
    found = links(incident)
    return request.param, {of: curve(found, incident, of).set_index("confidence") for of in TARGETS}


def test_reliable_links_are_right(scored):
    for of, points in scored[1].items():
        assert points.loc[RELIABLE, "precision"] >= 0.99, (of, points)


def test_what_the_logs_decide_is_found(scored):
    shape, curves = scored
    for of, least in shape.known_to.items():
        assert curves[of].loc[RELIABLE, "recall"] >= least, (of, curves[of])


def test_links_that_are_not_reliable_are_not_believed_far_beyond_what_they_are_worth(scored):
    for of, points in scored[1].items():
        assert points.loc[0.9, "precision"] >= 0.9 or points.loc[0.9, "links"] < 10, (of, points)
