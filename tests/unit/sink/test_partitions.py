from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from holded_sink.partitions import DAYS_AHEAD, DAYS_BEFORE, MAX_NEW, Partition, Plan, days_ahead, plan

TODAY = date(2026, 11, 23)
FUTURE = Partition("p_future", None)


def day(value: date) -> Partition:
    return Partition(f"p{value:%Y%m%d}", value + timedelta(days=1))


def apply(existing: list[Partition], changes: Plan) -> list[Partition]:
    kept = [partition for partition in existing if partition not in changes.drop and partition.bound is not None]
    if changes.add is not None:
        first, last = changes.add
        bounds = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        kept += [Partition(f"p{bound - timedelta(days=1):%Y%m%d}", bound) for bound in bounds]
    return [*kept, FUTURE]


def test_a_new_table_gets_a_week_back_and_a_week_ahead():
    changes = plan([FUTURE], today=TODAY, retention_days=0)

    assert changes == Plan((date(2026, 11, 17), date(2026, 12, 1)), ())
    table = apply([FUTURE], changes)
    assert table[0] == day(TODAY - timedelta(days=DAYS_BEFORE))
    assert day(TODAY) in table
    assert days_ahead(table, today=TODAY) == DAYS_AHEAD


def test_a_day_later_one_partition_is_added():
    table = apply([FUTURE], plan([FUTURE], today=TODAY, retention_days=0))

    tomorrow = plan(table, today=TODAY + timedelta(days=1), retention_days=0)

    assert tomorrow == Plan((date(2026, 12, 2), date(2026, 12, 2)), ())


def test_nothing_is_due_twice_on_one_day():
    table = apply([FUTURE], plan([FUTURE], today=TODAY, retention_days=30))

    assert plan(table, today=TODAY, retention_days=30) == Plan(None, ())


def test_retention_drops_days_whose_newest_event_is_too_old_and_no_other():
    table = [*(day(TODAY - timedelta(days=age)) for age in (32, 31, 30, 29)), day(TODAY + timedelta(days=7)), FUTURE]

    changes = plan(table, today=TODAY, retention_days=30)

    assert changes.drop == (day(TODAY - timedelta(days=32)), day(TODAY - timedelta(days=31)))


def test_after_years_of_standstill_partitions_stay_few():
    changes = plan([day(date(2001, 1, 1)), FUTURE], today=TODAY, retention_days=0)

    assert changes.add is not None
    assert (changes.add[1] - changes.add[0]).days + 1 == MAX_NEW


@given(st.integers(0, 3000), st.integers(0, 400), st.lists(st.integers(1, 40), max_size=8))
def test_whenever_it_runs_bounds_grow_and_today_has_room(start, retention, steps):
    today = date(2020, 1, 1) + timedelta(days=start)
    table = [FUTURE]
    for step in [0, *steps]:
        today += timedelta(days=step)
        for _ in range(2):  # what a run makes may be expired already: the next one drops it
            table = apply(table, plan(table, today=today, retention_days=retention))
        bounds = [partition.bound for partition in table if partition.bound is not None]
        assert bounds == sorted(set(bounds))
        assert days_ahead(table, today=today) == DAYS_AHEAD
        assert retention == 0 or min(bounds) > today - timedelta(days=retention)
