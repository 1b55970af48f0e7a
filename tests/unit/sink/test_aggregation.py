# ruff: noqa: DTZ001 -- as in MySQL, whose DATETIME has no zone; all are UTC
from collections import defaultdict
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from holded_sink.aggregation import Entry, Increment, Measured, add_entries, add_up, summarise

names = st.sampled_from(["", "a", "A", "company-1", "ü"])
moments = st.datetimes(min_value=datetime(2026, 11, 22, 22), max_value=datetime(2026, 11, 23, 2))
measured = st.builds(
    Measured,
    occurred_at=moments,
    account_id=names,
    business_context=st.sampled_from(["other", "sales"]),
    type=st.sampled_from(["T1", "T2"]),
    amount=st.integers(-(10**20), 10**20),
    quality=st.integers(0, 10_000),
)


def group_by(events, start):
    groups = defaultdict(list)
    for event in events:
        groups[start(event.occurred_at), event.account_id, event.business_context, event.type].append(event)
    return groups


@given(st.lists(measured), st.booleans())
def test_increments_are_a_group_by(events, daily):
    def start(moment):
        hour = datetime(moment.year, moment.month, moment.day, moment.hour)
        return hour.date() if daily else hour

    summaries = summarise(events, daily=daily)

    groups = group_by(events, start)
    assert [key for key, _ in summaries] == sorted(groups)
    for key, summary in summaries:
        group = groups[key]
        assert summary.events == len(group)
        assert summary.amount == sum(event.amount for event in group)
        assert summary.quality == sum(event.quality for event in group)
        assert summary.quality_min == min(event.quality for event in group)
        assert summary.last_event_at == max(event.occurred_at for event in group)


increments = st.builds(
    Increment,
    window_start=st.sampled_from([datetime(2026, 1, 1), datetime(2026, 1, 1, 0, 1)]),
    account_id=names,
    business_context=st.just("other"),
    type=st.just("T"),
    events=st.integers(1, 9),
    amount=st.integers(-(10**30), 10**30),
    quality=st.integers(0, 10**6),
    processed_at=moments,
)


@given(st.lists(increments))
def test_increments_of_a_window_add_up(items):
    totals = add_up(items)

    keys = [(one.window_start, one.account_id) for one in totals]
    assert keys == sorted({(one.window_start, one.account_id) for one in items})
    assert sum(one.events for one in totals) == sum(one.events for one in items)
    assert sum(one.amount for one in totals) == sum(one.amount for one in items)
    assert sum(one.quality for one in totals) == sum(one.quality for one in items)


def an_entry(first: int, following: int, partition: int = 0, records: int | None = None) -> Entry:
    size = following - first if records is None else records
    at = datetime(2026, 1, 1) + timedelta(seconds=following)
    return Entry("raw-id", partition, "raw", first, following, size, size, 0, 0, at)


def test_entries_that_follow_one_another_become_one_increment():
    total = add_entries([an_entry(10, 20), an_entry(20, 25), an_entry(0, 5, partition=1)], {("raw-id", 0): 10})

    assert [(one.partition, one.next_offset, one.records) for one in total.totals] == [(0, 25, 15), (1, 5, 5)]
    assert not total.repeated
    assert not total.gaps


def test_a_range_that_is_accounted_for_is_left_out():
    total = add_entries([an_entry(0, 10), an_entry(10, 12)], {("raw-id", 0): 10})

    assert total.repeated == [an_entry(0, 10)]
    assert [one.records for one in total.totals] == [2]


def test_a_gap_is_counted_and_reported():
    total = add_entries([an_entry(15, 20)], {("raw-id", 0): 10})

    assert total.gaps == [(an_entry(15, 20), 10)]
    assert [one.next_offset for one in total.totals] == [20]


def test_a_raw_partition_seen_for_the_first_time_may_start_anywhere():
    assert add_entries([an_entry(1000, 1001)], {}).gaps == []
