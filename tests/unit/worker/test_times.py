"""The event time is found where sources put it, and never believed when it cannot be."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_worker.domain.times import MAX_FUTURE, find_event_time, parse_time

MOMENT = datetime(2026, 3, 5, 10, 30, 15, 250_000, tzinfo=UTC)
MICROS = int(MOMENT.timestamp() * 1_000_000)
RECEIVED = MICROS + 5_000_000


@pytest.mark.parametrize(
    "value",
    [
        "2026-03-05T10:30:15.250Z",
        "2026-03-05T11:30:15.25+01:00",
        "2026-03-05 10:30:15.250000",
        MICROS / 1_000_000,
        MICROS // 1000,
        MICROS,
        str(MICROS // 1000),
        {"date": "2026-03-05 11:30:15.250000", "timezone_type": 3, "timezone": "Europe/Madrid"},
        {"date": "2026-03-05 10:30:15.250000", "timezone_type": 3, "timezone": "UTC"},
        {"date": "2026-03-05 08:30:15.250000", "timezone_type": 1, "timezone": "-02:00"},
    ],
)
def test_forms_of_time(value):
    assert parse_time(value) == MICROS


def test_a_day_is_its_midnight():
    assert parse_time("2026-03-05") == int(datetime(2026, 3, 5, tzinfo=UTC).timestamp() * 1_000_000)


@pytest.mark.parametrize(
    "value",
    [
        *("", "yesterday", "9" * 40, "2026-13-01", True, None, [], -1, {"date": 5}),
        {"date": "2026-03-05", "timezone": "No/Where"},
        {"date": "2026-03-05", "timezone": "../../etc/passwd"},
        {"date": "2026-03-05", "timezone": ""},
        {"date": "2026-03-05", "timezone": "+99:99"},
    ],
)
def test_no_times(value):
    assert parse_time(value) is None


def test_fields_are_tried_in_order():
    found = find_event_time({"createdAt": "2001-01-01"}, {"occurredOn": "2026-03-05T10:30:15.250Z"}, RECEIVED)
    assert (found.at, found.source, found.rejected) == (MICROS, "headers.occurredOn", ())


@pytest.mark.parametrize(
    "bad", ["1999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", "0001-01-01", RECEIVED + MAX_FUTURE + 1, 0]
)
def test_times_that_cannot_be_are_passed_over(bad):
    found = find_event_time({"occurredAt": bad, "date": "2026-03-05"}, {}, RECEIVED)
    assert found.source == "data.date"
    assert found.rejected == ("data.occurredAt",)


def test_without_a_time_it_is_the_receipt():
    assert find_event_time({"id": 1}, {}, RECEIVED) == (RECEIVED, "received_at", ())


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
        lambda inner: st.dictionaries(st.sampled_from(["date", "timezone"]), inner),
        max_leaves=4,
    )
)
def test_any_value_gives_a_time_in_range(value):
    found = find_event_time({"occurredAt": value}, {}, RECEIVED)
    assert 946_684_800_000_000 <= found.at <= RECEIVED + MAX_FUTURE
