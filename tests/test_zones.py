import datetime as dt
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from analysis.evidence.zones import EPOCH, HOUR_US, LAST_US, Doubt, Offset, offset_us, offsets

ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"]


def us(*parts):
    return int((dt.datetime(*parts) - EPOCH).total_seconds()) * 1_000_000


def test_a_zone_without_changes_has_one_offset():
    assert offsets("Asia/Kolkata", us(2026, 1, 1), us(2026, 12, 31)) == (
        [Offset(us(2026, 1, 1), 11 * HOUR_US // 2, "IST")],
        [],
    )


def test_clocks_go_forward_in_spring_and_an_hour_never_is():
    found, doubts = offsets("Europe/Berlin", us(2026, 3, 28), us(2026, 3, 30))
    winter, summer = Offset(us(2026, 3, 28), HOUR_US, "CET"), Offset(us(2026, 3, 29, 3), 2 * HOUR_US, "CEST")
    assert found == [winter, summer]
    assert doubts == [Doubt("gap", us(2026, 3, 29, 2), us(2026, 3, 29, 3), winter, summer)]


def test_clocks_go_back_in_autumn_and_an_hour_is_twice():
    found, doubts = offsets("Europe/Berlin", us(2026, 10, 24), us(2026, 10, 26))
    assert [each.offset_us for each in found] == [2 * HOUR_US, HOUR_US]
    assert doubts == [Doubt("fold", us(2026, 10, 25, 2), us(2026, 10, 25, 3), *found)]


def test_one_reading_within_the_doubtful_hour_is_doubtful():
    found, doubts = offsets("Europe/Berlin", us(2026, 10, 25, 2, 10), us(2026, 10, 25, 2, 10))
    assert [each.offset_us for each in found] == [2 * HOUR_US]
    assert [(each.kind, each.since_us, each.until_us) for each in doubts] == [
        ("fold", us(2026, 10, 25, 2), us(2026, 10, 25, 3))
    ]


def test_the_end_of_the_calendar_has_an_offset():
    found, doubts = offsets("Europe/Berlin", LAST_US - HOUR_US, LAST_US)
    assert ([each.offset_us for each in found], doubts) == ([HOUR_US], [])


@given(
    st.sampled_from(ZONES),
    st.integers(us(2020, 1, 1), us(2030, 1, 1)),
    st.integers(0, 400 * 24 * HOUR_US),
    st.data(),
)
def test_the_pieces_say_what_the_zone_says(name, first, span, data):
    found, doubts = offsets(name, first, first + span)
    at = data.draw(st.integers(first, first + span))
    piece = [each for each in found if each.since_us <= at][-1]
    assert piece.offset_us == offset_us(ZoneInfo(name), at)
    local = (EPOCH + dt.timedelta(microseconds=at)).replace(tzinfo=ZoneInfo(name))
    twice_or_never = local.utcoffset() != local.replace(fold=1).utcoffset()
    assert twice_or_never == any(doubt.since_us <= at < doubt.until_us for doubt in doubts)
