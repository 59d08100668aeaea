"""Geometry of the charts: what stands where, what is drawn how, and that no text lies on another."""

import os
import subprocess
import sys
from itertools import combinations, pairwise

import matplotlib
import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import same_color, to_rgb
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle, StepPatch

from analysis import charts
from analysis.charts.layout import Row, Tag, counted, row_of_labels, spread
from analysis.charts.rates import percent
from analysis.charts.spans import gap_text, lanes_of, milliseconds, spans
from analysis.charts.style import FAILED, PASSED, REFUSED
from analysis.charts.text import fitted, visible, width_of, wrapped
from analysis.charts.times import DAY, HOUR, MINUTE, SECOND, clock, ticks

NOON = 1_773_230_400 * SECOND  # 2026-03-11 12:00 UTC
MS = 1000

HOSTILE = [
    r"$\frac{",
    "$x$ and $y",
    r"\$100",
    "\x1b[31mred\x1b[0m\x07",
    "user\u202egnp.exe",
    "zero\u200bwidth\ufeff",
    "two\nlines\r\n\u2028three",
    "\x00\x7f\x85",
    "<script>alert(1)</script>",
    "Z" + "\u0300\u0489" * 50,
    "工作 🦄 العربية",
    "%s {0} {{}} \\",
    "x" * 100_000,
    "",
    " ",
]


# -- pictures ---------------------------------------------------------------------------------------------------------


def request(
    lane: int, starts_ms=None, ends_ms=None, status: int | None = 200, **columns: object
) -> dict[str, object]:
    """A request known to the ms; None: that end is not known."""
    start, end = (None if ms is None else NOON + round(ms * MS) for ms in (starts_ms, ends_ms))
    row: dict[str, object] = {
        "lane": lane,
        "method": "POST",
        "path": "/api/jobs/complete",
        "status": status,
        "starts_from": start,
        "starts_by": None if start is None else start + 999,
        "ends_from": end,
        "ends_by": None if end is None else end + 999,
        "stamp_us": start,
        "process": "4127",
        "place": "access.log:18311",
        "outcome": "IntegrityError · app.log:2207",
        "user": "sarah_k",
        "entity": "job 4521",
    }
    return row | columns


def event(lane: int, kind: str, ms: float, width_us: int = 1, label: str | None = None) -> dict[str, object]:
    at = NOON + round(ms * MS)
    return {
        "lane": lane,
        "kind": kind,
        "from_us": at,
        "by_us": at + width_us - 1,
        "label": label,
        "detail": None,
    }


def interleaving(requests: list[dict], events: list[dict] = (), **options: object) -> charts.Chart:
    columns = ["lane", "kind", "from_us", "by_us", "label", "detail"]
    return charts.interleaving(
        pd.DataFrame(list(events), columns=columns),
        pd.DataFrame(requests),
        **({"title": "The second request read before the first wrote", "zero_us": NOON} | options),
    )


def rates(errors: list[float], requests: list[int], bucket_us: int = MINUTE) -> pd.DataFrame:
    counts = np.asarray(requests, dtype=float)
    rate = np.divide(
        np.asarray(errors, dtype=float), counts, out=np.full(len(counts), np.nan), where=counts > 0
    )
    return pd.DataFrame(
        {
            "bucket_us": NOON + bucket_us * np.arange(len(counts)),
            "requests": requests,
            "errors": errors,
            "error_rate": rate,
            "low": rate * 0.5,
            "high": np.minimum(rate * 1.5 + 0.01, 1),
        }
    )


def error_rate(table: pd.DataFrame | None = None, **options: object) -> charts.Chart:
    table = rates([1] * 30 + [50] * 20 + [1] * 10, [300] * 60) if table is None else table
    return charts.error_rate(table, **({"title": "Errors rose", "bucket_us": MINUTE} | options))


def spike(
    onset_min: float = 30, end_min: float | None = 50, text: str = "16.7 %, 23 users"
) -> charts.SpikeMark:
    onset = NOON + round(onset_min * MINUTE)
    end = None if end_min is None else NOON + round(end_min * MINUTE)
    return charts.SpikeMark(0.003, onset, onset - SECOND, onset + 2 * SECOND, end, text)


def deploys(*minutes_and_versions: tuple[float, str | None]) -> pd.DataFrame:
    rows = [(NOON + round(minutes * MINUTE), version) for minutes, version in minutes_and_versions]
    return pd.DataFrame(rows, columns=["deployed_us", "version"])


def pairs(*rows: tuple[int | None, str, int, int]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["gap_us", "overlap", "first_status", "second_status"])


def sources(*paths: str) -> pd.DataFrame:
    first = pd.Timestamp("2026-03-11 12:00:00")
    return pd.DataFrame(
        {
            "source_id": range(1, len(paths) + 1),
            "path": paths,
            "kind": "access",
            "clock": "web",
            "records": 1234,
            "quarantined": 3,
            "resolution_us": 1000,
            "first_at": first,
            "last_at": first + pd.Timedelta("30min"),
        }
    )


def drawn(chart: charts.Chart, gid: str, kind: type = Artist) -> list:
    """Artists with that gid, in order of drawing."""
    return chart.findobj(lambda artist: artist.get_gid() == gid and isinstance(artist, kind))


def extents(box: Rectangle) -> tuple[float, float]:
    return round(box.get_x(), 6), round(box.get_x() + box.get_width(), 6)


def texts(chart: charts.Chart) -> list:
    """Every text that shows, but for the ticks."""
    found = [*chart.texts, *(text for legend in chart.legends for text in legend.get_texts())]
    for axes in chart.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label]
    return [text for text in found if text.get_text().strip()]


def words(chart: charts.Chart) -> str:
    return "\n".join(text.get_text() for text in texts(chart))


def tick_labels(chart: charts.Chart) -> list:
    """The texts of all ticks in view."""
    axes = [axis for axes in chart.axes for axis in (axes.xaxis, axes.yaxis)]
    views = [(axis, *sorted(axis.get_view_interval())) for axis in axes]
    found = [
        tick for axis, low, high in views for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high
    ]
    return [tick.label1 for tick in found if tick.label1.get_text()]


def pixels(chart: charts.Chart) -> np.ndarray:
    canvas = FigureCanvasAgg(chart)
    canvas.draw()
    return np.array(canvas.buffer_rgba())


def collisions(chart: charts.Chart) -> list[tuple[str, str]]:
    """Pairs of texts that lie on one another, and texts that leave the sheet (paired with themselves)."""
    with charts.style():
        FigureCanvasAgg(chart).draw()
        shown = [*texts(chart), *tick_labels(chart)]
        boxes = [(text.get_text(), text.get_window_extent().padded(-1)) for text in shown]
    sheet = chart.bbox.padded(1)
    off = [(text, text) for text, box in boxes if not (sheet.contains(*box.min) and sheet.contains(*box.max))]
    return off + [(a, b) for (a, box), (b, other) in combinations(boxes, 2) if box.overlaps(other)]


# -- text -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("\x1b[0m", r"\x1b[0m"),
        ("a\u202eb", r"a\u202eb"),
        ("a\u200bb", r"a\u200bb"),
        ("a\nb", r"a\x0ab"),
        ("\U0001f984", r"\U0001f984"),
        ("工", r"\u5de5"),
        ("\ud800", r"\ud800"),
        ("$x$", "$x$"),
        ("Müller, Ψ, ✓, Привет", "Müller, Ψ, ✓, Привет"),
        ("Mu\u0308ller", "Müller"),
        ("e\u0301\u0301", r"é\u0301"),
    ],
)
def test_what_cannot_be_seen_is_written_as_an_escape(raw, shown):
    assert visible(raw) == shown


def test_a_path_is_shortened_in_its_middle():
    short = fitted("/api/v2/organisations/acme/jobs/4521/complete", 1.5, 9)
    assert short.startswith("/api/v2") and short.endswith("/complete") and "…" in short
    assert width_of(short, 9) <= 1.5


def test_a_path_with_room_is_left_alone():
    assert fitted("/api/jobs", 1.5, 9) == "/api/jobs"


@given(st.text(max_size=120), st.floats(0.3, 3))
@example("\u0300" * 40, 0.5)
@settings(max_examples=30, deadline=None)
def test_any_text_fits_its_room(text, room):
    assert width_of(fitted(text, room, 9), 9) <= room


def test_a_title_breaks_at_spaces_but_not_between_a_number_and_its_unit():
    lines = wrapped("Errors rose from 3 % to 20 %", width_of("Errors rose from 3", 13) + 0.01, 13)
    assert lines == ["Errors rose from", "3\u00a0% to 20\u00a0%"]


# -- layout -----------------------------------------------------------------------------------------------------------


def test_labels_with_room_stand_where_they_belong():
    assert spread([1, 3, 5], [0.5, 0.5, 0.5], 0, 6) == [1, 3, 5]


def test_labels_that_would_collide_move_apart_evenly():
    left, right = spread([2, 2], [1, 1], 0, 6)
    assert (left + right) / 2 == 2
    assert right - left > 1


@given(st.lists(st.floats(0, 5), min_size=1, max_size=40), st.integers(1, 2))
@settings(max_examples=30, deadline=None)
def test_no_label_of_a_row_covers_another(xs, lines):
    tags = [Tag(x, ["read", "update", "duplicate key"][index % 3]) for index, x in enumerate(sorted(xs))]
    row = Row(0, 5.5, 9, lambda names: counted(names, "statement"), lines=lines)
    labels = row_of_labels(tags, row)
    for line in range(lines):
        edges = [
            (label.x - width_of(label.text, 9) / 2, label.x + width_of(label.text, 9) / 2)
            for label in labels
            if label.line == line
        ]
        assert all(left[1] < right[0] for left, right in pairwise(edges))
        assert all(left >= -1e-6 and right <= 5.5 + 1e-6 for left, right in edges)


@given(st.lists(st.floats(0, 5), min_size=1, max_size=40))
@settings(max_examples=30, deadline=None)
def test_a_leader_from_the_upper_line_passes_between_the_labels_below(xs):
    tags = [Tag(x, ["read", "update"][index % 2]) for index, x in enumerate(sorted(xs))]
    row = Row(0, 5.5, 9, lambda names: counted(names, "statement"), lines=2)
    labels = row_of_labels(tags, row)
    lower = [(label.x, width_of(label.text, 9) / 2) for label in labels if label.line == 0]
    for label in labels:
        if label.via is not None:
            assert all(abs(label.via - x) > half for x, half in lower)


def test_a_second_line_holds_what_one_line_cannot():
    tags = [Tag(1 + index / 4, ["read", "update"][index % 2]) for index in range(8)]
    one, two = (
        row_of_labels(tags, Row(0, 5.5, 9, lambda names: counted(names, "statement"), lines=lines))
        for lines in (1, 2)
    )
    assert len(one) < len(two) == 8


def test_an_error_keeps_a_label_of_its_own():
    tags = [Tag(1 + index / 100, "read") for index in range(20)]
    tags[10] = Tag(1.1, "duplicate key", alone=True)
    labels = row_of_labels(tags, Row(0, 5, 9, lambda names: counted(names, "statement")))
    assert [label.text for label in labels] == ["10 reads", "duplicate key", "9 reads"]


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["read"], "read"),
        (["read"] * 3, "3 reads"),
        (["read", "update", "read"], "2 reads, update"),
        (["duplicate key"] * 2, "2 × duplicate key"),
        (["read", "lock", "update", "insert"], "4 statements"),
    ],
)
def test_things_that_share_a_label_are_counted(names, said):
    assert counted(names, "statement") == said


# -- time axes --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("span", "first_ticks"),
    [
        (30 * SECOND, ["12:00:00", "12:00:05"]),
        (75 * MINUTE, ["12:00", "12:10"]),
        (24 * HOUR, ["12:00", "15:00"]),
        (20 * DAY, ["03-12", "03-19"]),
        (3000 * DAY, ["2027-05-06", "2029-01-11"]),
    ],
)
def test_ticks_are_as_fine_as_the_span(span, first_ticks):
    found = ticks(NOON, NOON + span)
    assert [text for _, text in found[:2]] == first_ticks
    assert 3 <= len(found) <= 9


def test_midnight_says_the_date():
    assert dict(ticks(NOON, NOON + DAY))[NOON + 12 * HOUR] == "03-12"


def test_a_clock_shows_as_many_decimals_as_asked_for():
    assert (clock(NOON + 101_999), clock(NOON + 101_999, 3)) == ("12:00:00", "12:00:00.101")


# -- error rate -------------------------------------------------------------------------------------------------------


def test_the_line_stands_at_its_buckets_in_per_cent():
    chart = error_rate(rates([0, 30], [100, 100]))
    (line,) = drawn(chart, "rate", StepPatch)
    values, edges, _ = line.get_data()
    assert values.tolist() == [0, 30]
    assert edges.tolist() == [NOON, NOON + MINUTE, NOON + 2 * MINUTE]


def test_a_bucket_without_requests_breaks_the_line():
    (line,) = drawn(error_rate(rates([1, 0, 1], [10, 0, 10])), "rate", StepPatch)
    assert np.isnan(line.get_data().values).tolist() == [False, True, False]


def test_a_missing_bucket_breaks_the_line_too():
    table = rates([1, 1, 1], [10, 10, 10]).drop(index=1)
    (line,) = drawn(error_rate(table), "rate", StepPatch)
    assert np.isnan(line.get_data().values).tolist() == [False, True, False]


def test_the_band_is_the_interval():
    table = rates([1, 30], [100, 100])
    (band,) = drawn(error_rate(table), "band", StepPatch)
    assert band.get_data().values.tolist() == pytest.approx((100 * table["high"]).tolist())
    assert band.get_data().baseline.tolist() == pytest.approx((100 * table["low"]).tolist())


def test_traffic_is_in_requests_a_second():
    (bars,) = drawn(error_rate(rates([0, 0], [60, 120])), "traffic", StepPatch)
    assert bars.get_data().values.tolist() == [1, 2]


def test_thin_traffic_is_counted_in_a_unit_that_it_fills():
    chart = error_rate(rates([0, 0], [1, 3]))
    (bars,) = drawn(chart, "traffic", StepPatch)
    assert bars.get_data().values.tolist() == [1, 3]
    assert "requests/min" in words(chart)


def test_the_onset_is_drawn_with_its_interval_and_both_are_named():
    chart = error_rate(spikes=[spike(30)])
    (interval,) = drawn(chart, "onset-interval", Rectangle)
    assert extents(interval) == (NOON + 30 * MINUTE - SECOND, NOON + 30 * MINUTE + 2 * SECOND)
    assert drawn(chart, "onset", Line2D)[0].get_xdata()[0] == NOON + 30 * MINUTE
    assert "onset 12:30:00.0\n(12:29:59.0 to 12:30:02.0)" in words(chart)
    assert "baseline\n0.3\u00a0%" in words(chart)


def test_a_spike_that_has_not_ended_is_shaded_to_the_end_and_has_no_end():
    chart = error_rate(spikes=[spike(30, None)])
    (shade,) = drawn(chart, "spike", Rectangle)
    assert extents(shade) == (NOON + 30 * MINUTE, NOON + 60 * MINUTE)
    assert not drawn(chart, "end") and "end" not in words(chart).split()


def test_both_of_two_deploys_five_seconds_apart_are_named():
    chart = error_rate(deploys=deploys((20, "v42"), (20 + 5 / 60, "v42-hotfix")))
    assert "deploy v42\n12:20:00" in words(chart)
    assert "deploy v42-hotfix\n12:20:05" in words(chart)
    assert collisions(chart) == []


def test_a_deploy_outside_the_time_shown_is_not_drawn():
    chart = error_rate(deploys=deploys((-5, "v41"), (20, None), (300, "v43")))
    assert [line.get_xdata()[0] for line in drawn(chart, "deploy", Line2D)] == [NOON + 20 * MINUTE] * 2
    assert "v4" not in words(chart)


def test_many_deploys_are_counted():
    chart = error_rate(deploys=deploys(*((20 + index / 20, f"v{index}") for index in range(40))))
    named = [text.split(" ") for text in words(chart).split("\n") if "deploy" in text]
    assert sum(int(first) if first.isdigit() else 1 for first, *_ in named) == 40
    assert collisions(chart) == []


@pytest.mark.parametrize("onset_min", [0, 0.2, 29, 58, 59.9])
def test_marks_at_the_edges_stay_on_the_sheet(onset_min):
    chart = error_rate(
        spikes=[
            spike(onset_min, min(onset_min + 0.5, 60), "a spike with a rather long text of its own, 23 users")
        ],
        deploys=deploys((onset_min, "v42"), (onset_min + 0.01, "v43" * 20)),
    )
    assert collisions(chart) == []


def test_two_spikes_close_together_are_both_named():
    chart = error_rate(spikes=[spike(30, 31, "8 %, 2 users"), spike(32, 33, "9 %, 4 users")])
    assert "8 %, 2 users" in words(chart) and "9 %, 4 users" in words(chart)
    assert collisions(chart) == []


def test_the_other_endpoints_are_named_beside_the_baseline_without_collision():
    chart = error_rate(spikes=[spike()], others=rates([1] * 60, [300] * 60))
    assert len(drawn(chart, "others", StepPatch)) == 1
    assert "other\nendpoints" in words(chart)
    assert collisions(chart) == []


def test_all_zero_and_all_empty_rates_can_be_drawn():
    for table in (rates([0] * 3, [5] * 3), rates([0] * 3, [0] * 3), rates([1], [1])):
        assert collisions(error_rate(table)) == []


@pytest.mark.parametrize(
    ("rate", "shown"), [(0, "0"), (0.002, "0.2"), (0.153, "15.3"), (1, "100"), (0.0004, "<0.1")]
)
def test_rates_are_written_in_per_cent(rate, shown):
    assert percent(rate) == f"{shown}\u00a0%"


def test_the_title_is_the_finding():
    title = charts.rate_title("POST /api/jobs/complete", 0.002, 0.153, NOON + 47 * MINUTE)
    assert (
        title.replace("\u00a0", " ") == "Errors on POST /api/jobs/complete rose from 0.2 % to 15.3 % at 12:47"
    )


# -- interleaving -----------------------------------------------------------------------------------------------------


def test_a_bar_runs_from_start_to_finish_with_both_ends_hatched():
    chart = interleaving([request(1, 2, 20)])
    (sure,) = drawn(chart, "bar-sure", Rectangle)
    first, last = drawn(chart, "bar-unsure", Rectangle)
    assert extents(sure) == (2.999, 20)
    assert (extents(first), extents(last)) == ((2, 2.999), (20, 20.999))
    assert first.get_hatch() and last.get_hatch()
    assert "could be anywhere in here" in words(chart)


def test_ends_that_are_known_less_well_than_the_request_is_long_leave_nothing_sure():
    chart = interleaving([request(1, 0, 20, starts_by=NOON + 999_999, ends_by=NOON + 1_019_999)])
    assert not drawn(chart, "bar-sure")
    assert [extents(box) for box in drawn(chart, "bar-unsure", Rectangle)] == [(0, 1019.999)]


def test_a_request_without_a_finish_is_open_to_the_right():
    chart = interleaving([request(1, 2, None, ends_from=NOON + 2 * MS)])
    assert drawn(chart, "open_right") and not drawn(chart, "open_left")
    assert "?" in words(chart)


def test_a_finish_without_a_start_is_open_to_the_left():
    chart = interleaving([request(1, None, 20, starts_by=NOON + 20 * MS)])
    assert drawn(chart, "open_left") and not drawn(chart, "open_right")


def test_two_stamps_of_which_nobody_knows_what_they_mark_are_ticks_not_bars():
    unknown = {"starts_from": None, "ends_by": None, "status": None}
    chart = interleaving(
        [request(1, 101, **unknown), request(2, 108, **unknown)], verdict="overlap undecided"
    )
    assert not drawn(chart, "bar-sure") and not drawn(chart, "bar-unsure")
    stamps = [line.get_xdata()[0] for line in drawn(chart, "stamp", Line2D)]
    assert stamps == [101, 108]
    assert words(chart).count("?") == 6  # both ends of both, and "start or finish?" twice
    assert "7 ms between the stamps · overlap undecided" in words(chart)
    assert "no status" in words(chart)
    assert collisions(chart) == []


def test_a_request_of_which_nothing_is_known_has_an_empty_lane():
    nothing = {"starts_by": None, "ends_from": None, "stamp_us": None}
    assert spans(lanes_of(pd.DataFrame([request(1, **nothing)]))[0]) == []
    assert collisions(interleaving([request(1, **nothing), request(2, 0, 5)])) == []


def bounds(*pair: tuple[int, int]) -> str:
    first, second = lanes_of(pd.DataFrame([request(1, 0, starts_by=NOON + 0), request(2, 0)]))
    rows = [
        request(lane, 0, starts_from=NOON + low, starts_by=NOON + high)
        for lane, (low, high) in enumerate(pair)
    ]
    first, second = lanes_of(pd.DataFrame(rows))
    return gap_text(first, second)


def test_the_gap_is_as_sure_as_its_bounds():
    assert bounds((0, 0), (7000, 7000)) == "7 ms"
    assert bounds((0, 999), (7000, 7999)) == "6–8 ms"


def test_a_gap_whose_bounds_cross_is_undecided():
    assert bounds((0, 999), (500, 1499)) == "less than 1.5 ms, order undecided"


@pytest.mark.parametrize(
    ("us", "said"), [(250, "0.25 ms"), (7000, "7 ms"), (1_250_000, "1,250 ms"), (10**6, "1 s")]
)
def test_durations_are_written_in_ms(us, said):
    assert milliseconds(us) == said


@pytest.mark.parametrize(
    ("status", "colour", "sign"),
    [(200, PASSED, "✓ 200"), (302, PASSED, "✓ 302"), (409, REFUSED, "409"), (500, FAILED, "✕ 500")],
)
def test_colour_and_sign_say_how_a_request_ended(status, colour, sign):
    chart = interleaving([request(1, 0, 20, status)], [event(1, "read", 5)])
    assert sign in words(chart).split("\n")
    assert same_color(drawn(chart, "mark-read", Line2D)[0].get_markeredgecolor(), colour)


def test_failed_and_passed_differ_without_colour():
    chart = interleaving([request(1, 0, 20, 200), request(2, 5, 25, 500)])
    passed, failed = drawn(chart, "bar-sure", Rectangle)
    assert (passed.get_hatch(), failed.get_hatch()) == (None, "..")


def test_shape_says_what_a_statement_did():
    kinds = ["read", "lock", "insert", "update", "delete", "commit", "rollback", "error", "begin"]
    chart = interleaving(
        [request(1, 0, 100)], [event(1, kind, 10 * index + 5) for index, kind in enumerate(kinds)]
    )
    marks = {kind: drawn(chart, f"mark-{kind}", Line2D)[0] for kind in kinds}
    assert [marks[kind].get_marker() for kind in kinds] == ["o", "D", "s", "s", "s", "^", "v", "X", "|"]
    assert to_rgb(marks["read"].get_markerfacecolor()) == (1, 1, 1)
    assert set(kinds) - set(words(chart).split("\n")) == {"begin"}  # its mark is named in the key
    assert [mark.get_xdata()[0] for mark in marks.values()] == pytest.approx([10 * i + 5 for i in range(9)])


def test_a_mark_known_to_ten_ms_shows_its_bounds_and_one_known_to_the_us_does_not():
    requests = [request(1, 0, 100)]
    assert drawn(interleaving(requests, [event(1, "read", 20, 10_000)]), "bounds", Line2D)[
        0
    ].get_xdata().tolist() == [
        20,
        29.999,
    ]
    assert not drawn(interleaving(requests, [event(1, "read", 20)]), "bounds")


def test_statements_that_tie_are_spread_over_the_ms_in_which_they_lie_in_the_order_given():
    chart = interleaving([request(1, 0, 10)], [event(1, kind, 5, 1000) for kind in ("read", "update")])
    read, update = (drawn(chart, f"mark-{kind}", Line2D)[0].get_xdata()[0] for kind in ("read", "update"))
    assert 5 < read < update < 6


def test_a_wait_is_a_bar_from_its_beginning_to_its_end():
    chart = interleaving([request(1, 0, 30)], [event(1, "wait", 10, 8001, "waits for the other's row")])
    (wait,) = drawn(chart, "mark-wait", Rectangle)
    assert extents(wait) == (10, 18)
    assert "waits for the other's row" in words(chart)


def test_an_error_line_known_to_the_second_gets_no_place_among_milliseconds():
    chart = interleaving(
        [request(1, 0, 20), request(2, 5, 25)], [event(2, "error", 0, 1_000_000, "IntegrityError")]
    )
    assert not drawn(chart, "mark-error")
    assert "IntegrityError: known to 1 s only, order undecided" in words(chart)


def test_an_event_of_another_time_does_not_squash_the_axis():
    chart = interleaving([request(1, 0, 20)], [event(1, "error", 60_000, label="late")])
    assert chart.axes[0].get_xlim()[1] < 30
    assert "late: outside this view, at 12:01:00.000" in words(chart)


def test_an_event_of_a_request_that_is_not_shown_leaves_no_trace():
    chart, alone = (interleaving([request(1, 0, 20)], events) for events in ([event(9, "read", 30)], []))
    assert not drawn(chart, "mark-read")
    assert words(chart) == words(alone)
    assert chart.axes[0].get_xlim() == alone.axes[0].get_xlim()


def test_the_window_is_shaded_and_named():
    chart = interleaving([request(1, 0, 20)], window=(NOON + 5 * MS, NOON + 9 * MS))
    (shade,) = drawn(chart, "window", Rectangle)
    assert extents(shade) == (5, 9)
    assert "both have read,\nneither has written" in words(chart)


def test_what_all_lanes_share_is_said_once_and_what_differs_is_not():
    same = interleaving([request(1, 0, 9), request(2, 3, 9)])
    assert "milliseconds after 12:00:00 UTC · job 4521 · user sarah_k" in words(same)
    other = interleaving([request(1, 0, 9), request(2, 3, 9, user="bob"), request(3, 3, 9, entity=None)])
    assert "milliseconds after 12:00:00 UTC" in words(other).split("\n")


def lifelike(lanes: int, within_ms: float) -> charts.Chart:
    """Requests that each issue a dozen statements within so many ms, known to the ms, as a database log gives them."""
    random = np.random.default_rng(lanes)
    order = [
        "read",
        "read",
        "begin",
        "lock",
        "read",
        "update",
        "wait",
        "insert",
        "error",
        "rollback",
        "read",
        "commit",
    ]
    requests, events = [], []
    for lane in range(lanes):
        start = 4.3 * lane
        requests.append(
            request(
                lane, start, start + within_ms + 6, [200, 500][lane % 2], place=f"access.log:{18311 + lane}"
            )
        )
        moments = start + 2 + np.sort(random.uniform(0, within_ms, len(order)))
        events += [
            event(
                lane,
                kind,
                int(at),
                1000,
                {"error": "duplicate key", "wait": "waits for the other's row"}.get(kind),
            )
            for kind, at in zip(order, moments, strict=True)
        ]
    window = (NOON + 8 * MS, NOON + 12 * MS)
    return interleaving(requests, events, window=window, verdict="overlap sure", subtitle="from three logs")


@pytest.mark.parametrize(("lanes", "within_ms"), [(2, 30), (3, 30), (8, 30), (2, 1), (5, 300)])
def test_no_text_lies_on_another_however_dense_the_log(lanes, within_ms):
    assert collisions(lifelike(lanes, within_ms)) == []


def test_twenty_five_statements_within_one_ms_are_grouped_but_the_error_is_named():
    events = [event(1, ["read", "update"][index % 2], 10 + index / 25) for index in range(24)]
    chart = interleaving([request(1, 0, 30, 500)], [*events, event(1, "error", 10.5, label="duplicate key")])
    assert "duplicate key" in words(chart).split("\n")
    assert len(texts(chart)) < 25
    assert collisions(chart) == []


def test_tables_are_named_where_there_is_room_and_left_out_where_there_is_not():
    statements = [
        "read django_session",
        "read auth_user",
        "read jobs_job",
        "update jobs_job",
        "delete jobs_job",
    ]
    roomy, crowded = (
        interleaving(
            [request(1, 0, 120)],
            [
                event(1, text.split()[0], 5 + step * index, label=text)
                for index, text in enumerate(statements)
            ],
        )
        for step in (20, 3)
    )
    assert set(statements) <= set(words(roomy).split("\n"))
    assert "update" in words(crowded).split("\n") and "jobs_job" not in words(crowded)


# -- duplicates -------------------------------------------------------------------------------------------------------


def test_failing_and_passing_pairs_stand_apart_with_their_counts():
    table = pairs(
        (7000, "sure", 200, 500),
        (8000, "sure", 200, 200),
        (9000, "possible", 200, 200),
        (2 * 10**6, "none", 200, 404),
    )
    chart = charts.gaps(table, title="gaps")
    said = words(chart)
    assert "1 pair" in said.split("\n") and "3 pairs" in said.split("\n")
    assert [text for text in said.split("\n") if text.startswith("overlap sure")] == ["overlap sure: 1"] * 2
    assert collisions(chart) == []


def test_a_pair_stands_at_its_gap_on_the_line_of_its_overlap():
    chart = charts.gaps(pairs((10_000, "possible", 200, 500)), title="gaps")
    rugs = {kind: drawn(chart, f"rug-{kind}")[0].get_segments() for kind in ("sure", "possible", "none")}
    assert [len(rugs[kind]) for kind in rugs] == [0, 1, 0]
    assert rugs["possible"][0][0][0] == pytest.approx(10, rel=0.01)


def test_every_pair_is_counted_in_a_bar():
    table = pairs(
        *((int(10 ** (index / 20)), "none", 200, 200) for index in range(160)), (0, "none", 200, 200)
    )
    chart = charts.gaps(table, title="gaps")
    assert sum(bar.get_height() for bar in drawn(chart, "bars-none", Rectangle)) == len(table)


def test_a_pair_without_a_known_gap_is_left_out():
    chart = charts.gaps(pairs((None, "possible", 200, 500), (7000, "sure", 200, 500)), title="gaps")
    assert "1 pair" in words(chart).split("\n")


def exposed(*rows: tuple[str, int, int, float, float]) -> charts.Chart:
    columns = ["label", "requests", "failures", "low", "high"]
    return charts.exposure(pd.DataFrame(rows, columns=columns), title="exposure")


def test_a_group_is_a_dot_on_its_interval_with_its_counts():
    chart = exposed(("overlapping", 112, 48, 0.34, 0.52), ("others", 9870, 21, 0.001, 0.003))
    assert drawn(chart, "whisker", Line2D)[0].get_xdata().tolist() == pytest.approx([34, 52])
    assert drawn(chart, "rate", Line2D)[0].get_xdata()[0] == pytest.approx(100 * 48 / 112)
    assert "42.9\u00a0% · 48 of 112" in words(chart)
    assert collisions(chart) == []


def test_a_group_without_requests_shows_no_rate():
    chart = exposed(("overlapping", 0, 0, np.nan, np.nan), ("others", 10, 0, 0, 0.28))
    assert len(drawn(chart, "rate", Line2D)) == 1
    assert "no requests" in words(chart)


# -- coverage ---------------------------------------------------------------------------------------------------------


def test_a_source_covers_the_time_from_its_first_to_its_last_record():
    chart = charts.coverage(sources("access.log"), title="coverage")
    (bar,) = drawn(chart, "source")
    edges = bar.get_paths()[0].get_extents()
    assert (edges.x0, edges.x1) == (NOON, NOON + 30 * MINUTE)


def test_a_silent_stretch_is_cut_out_of_its_own_source_only():
    silence = pd.DataFrame([(2, NOON + MINUTE, NOON + 5 * MINUTE)], columns=["source_id", "from_us", "by_us"])
    chart = charts.coverage(sources("access.log", "app.log"), title="coverage", gaps=silence)
    (gap,) = drawn(chart, "gap")
    _, bar = drawn(chart, "source")
    assert gap.get_paths()[0].get_extents().x1 == NOON + 5 * MINUTE
    assert gap.get_paths()[0].get_extents().y0 == bar.get_paths()[0].get_extents().y0


def test_a_source_without_stamps_has_no_bar_and_says_so():
    table = sources("access.log", "notes.txt")
    table.loc[1, ["first_at", "last_at"]] = pd.NaT
    chart = charts.coverage(
        table, title="coverage", window=(NOON, NOON + MINUTE), deploys=deploys((3, "v1"), (3.01, "v2"))
    )
    assert len(drawn(chart, "source")) == 1
    assert "no stamps · 3 rejected" in words(chart)
    assert collisions(chart) == []


# -- hostile input, empty input, same bytes ---------------------------------------------------------------------------


def hostile_lane(lane: int, text: str) -> dict[str, object]:
    names = dict.fromkeys(("method", "path", "process", "place", "outcome", "user", "entity"), text)
    return request(lane, 3 * lane, 20) | names


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_a_log_can_leave_its_place_among_the_lanes(text):
    events = [event(1, "error", 9, label=text), event(1, "wait", 9, 4000, label=text), event(2, text, 9)]
    chart = interleaving(
        [hostile_lane(1, text), hostile_lane(2, text)],
        events,
        title=text,
        subtitle=text,
        verdict=text,
        window=(NOON + 5 * MS, NOON + 9 * MS),
        window_text=text,
    )
    assert collisions(chart) == []


@pytest.mark.parametrize("text", HOSTILE)
def test_no_text_from_a_log_can_leave_its_place_along_the_time_axis(text):
    close = deploys((20, text), (20.1, text))
    chart = error_rate(title=text, subtitle=text, spikes=[spike(text=text)], deploys=close)
    assert collisions(chart) == []
    assert not any(label.get_parse_math() for label in texts(chart))


def test_no_text_from_a_log_can_leave_its_row():
    everything = " ".join(HOSTILE)
    table = sources(*HOSTILE).assign(kind=HOSTILE, clock=HOSTILE)
    assert collisions(charts.coverage(table, title=everything, deploys=deploys((3, everything)))) == []
    assert collisions(exposed(*((text, 10, 5, 0.2, 0.8) for text in HOSTILE))) == []
    assert (
        collisions(charts.gaps(pairs(*((7000, text, 200, 500) for text in HOSTILE)), title=everything)) == []
    )


def test_no_text_from_a_log_is_alive_in_the_svg():
    lanes = [hostile_lane(lane, text) for lane, text in enumerate(HOSTILE, 1)]
    svg = charts.to_svg(interleaving(lanes, title=" ".join(HOSTILE)))
    assert "<script" not in svg and not {"\x1b", "\x07", "\u202e", "\u200b", "\x00"} & set(svg)


def test_nothing_to_draw_is_said():
    nothing = pd.DataFrame()
    assert "no requests with a time" in words(error_rate(nothing))
    assert "no requests to compare" in words(interleaving([]))
    assert "no duplicates" in words(charts.gaps(pairs(), title="gaps"))
    assert "no requests" in words(exposed())
    assert "no sources" in words(charts.coverage(nothing, title="coverage"))


def test_text_is_never_smaller_than_can_be_read():
    for chart in (lifelike(3, 30), error_rate(spikes=[spike()], deploys=deploys((20, "v42")))):
        assert min(text.get_fontsize() for text in texts(chart)) >= 8.5


def test_the_settings_of_the_caller_are_left_alone():
    before = dict(matplotlib.rcParams)
    with matplotlib.rc_context({"font.size": 31, "text.usetex": False, "savefig.bbox": "tight"}):
        loud = charts.to_svg(lifelike(2, 30))
        assert matplotlib.rcParams["font.size"] == 31
    assert dict(matplotlib.rcParams) == before
    assert loud == charts.to_svg(lifelike(2, 30))


def test_a_chart_looks_the_same_whatever_the_settings_it_is_drawn_in():
    chart = interleaving([request(1, 0, 20)])
    plain = pixels(chart)
    with matplotlib.rc_context(
        {"text.hinting": "force_autohint", "font.size": 31, "lines.dashed_pattern": [9, 9]}
    ):
        assert np.array_equal(pixels(chart), plain)


def test_a_chart_shows_itself_in_a_notebook_with_its_title():
    chart = interleaving([request(1, 0, 20)], title="Seven <ms> & more")
    assert chart._repr_svg_() == charts.to_svg(chart)
    assert "<dc:title>Seven &lt;ms&gt; &amp; more</dc:title>" in chart._repr_svg_()


def specimens() -> list[str]:
    """Charts as SVG, one of each kind."""
    every = (
        lifelike(3, 30),
        error_rate(spikes=[spike()], deploys=deploys((20, "v42"), (20.1, "v43"))),
        charts.gaps(pairs((7000, "sure", 200, 500), (8000, "possible", 200, 200)), title="gaps"),
        exposed(("overlapping", 112, 48, 0.34, 0.52)),
        charts.coverage(sources("access.log"), title="coverage"),
    )
    return [charts.to_svg(chart) for chart in every]


def test_the_same_bytes_come_out_of_another_process():
    code = "import sys; sys.path.insert(0, sys.argv[1]); import test_charts as t; print(*t.specimens(), sep='', end='')"
    environment = os.environ | {"PYTHONHASHSEED": "20260311", "TZ": "Asia/Kolkata", "LC_ALL": "C"}
    command = [sys.executable, "-X", "utf8", "-c", code, os.path.dirname(__file__)]
    other = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    assert other.decode() == "".join(specimens())
