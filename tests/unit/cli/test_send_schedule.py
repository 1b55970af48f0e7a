"""Requests of an open loop are due at times that no answer can move."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holded_cli.send.schedule import Schedule, parse_seconds

rates = st.floats(0.01, 1e6)
batches = st.integers(1, 5000)


@given(rates, batches, st.integers(0, 10**6))
def test_at_every_request_as_many_events_are_due_as_the_rate_says(rate, batch, number):
    due = Schedule(batch, rate).due(number)
    assert due * rate == pytest.approx(number * batch)


@given(rates, batches, st.integers(0, 10**6))
def test_requests_are_evenly_spaced(rate, batch, number):
    schedule = Schedule(batch, rate)
    assert schedule.due(number + 1) - schedule.due(number) == pytest.approx(batch / rate, rel=1e-3)


@given(rates, batches, st.integers(0, 10**6), st.floats(-10, 10))
def test_lateness_is_the_time_after_due_and_never_negative(rate, batch, number, off):
    schedule = Schedule(batch, rate)
    assert schedule.lateness(number, schedule.due(number) + off) == pytest.approx(max(0.0, off), abs=1e-3)


@given(st.integers(1, 10_000), st.integers(1, 3600), batches)
def test_a_duration_offers_exactly_the_events_of_its_rate(rate, seconds, batch):
    schedule = Schedule(batch, float(rate), float(seconds))
    assert schedule.offered == rate * seconds
    last = (rate * seconds - 1) // batch
    assert not schedule.over(schedule.due(last))


def test_what_is_offered_does_not_suffer_from_binary_fractions():
    assert Schedule(1, 0.1, 30.0).offered == 3


@pytest.mark.parametrize("schedule", [Schedule(10), Schedule(10, rate=5.0), Schedule(10, duration=5.0)])
def test_without_rate_or_duration_nothing_is_offered(schedule):
    assert schedule.offered is None


@given(batches, st.integers(0, 10**6), st.floats(0, 1e6))
def test_a_closed_loop_has_no_times(batch, number, started):
    schedule = Schedule(batch)
    assert (schedule.due(number), schedule.lateness(number, started), schedule.over(started)) == (0.0, 0.0, False)


def test_a_run_is_over_after_its_duration():
    schedule = Schedule(10, duration=30.0)
    assert [schedule.over(elapsed) for elapsed in (0.0, 29.99, 30.0, 31.0)] == [False, False, True, True]


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30.0), ("500ms", 0.5), ("5m", 300.0), ("1h", 3600.0), ("0", 0.0), ("2.5", 2.5)]
)
def test_durations_have_units(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "s", "-1s", "5 days", "1m30s", "1e3"])
def test_other_durations_are_refused(text):
    with pytest.raises(ValueError, match="is no duration; write 500ms"):
        parse_seconds(text)
