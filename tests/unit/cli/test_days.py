"""Which days a command works on."""

from datetime import date, datetime

import pytest

from holded_cli.days import EARLIEST, LATEST, Days, DaysError, split_by_partition, wanted_days

DAY = datetime(2026, 11, 20)  # noqa: DTZ001 -- as the option gives it
OTHER = datetime(2026, 11, 25)  # noqa: DTZ001 -- as above


class Partitions:
    """Stands for a session: two day partitions, and one for what comes after."""

    def rows(self, _query):
        return [{"bound": "'2026-11-20'"}, {"bound": "'2026-11-21'"}, {"bound": "MAXVALUE"}]


def test_without_bounds_all_days_are_meant_that_gold_has_in_full():
    assert wanted_days(None, None, kept_since=None) == Days(EARLIEST, LATEST)
    assert wanted_days(None, None, kept_since=date(2026, 11, 22)) == Days(date(2026, 11, 22), LATEST)


def test_both_bounds_are_inclusive():
    assert wanted_days(DAY, DAY, kept_since=DAY.date()) == Days(DAY.date(), DAY.date())


def test_days_that_end_before_they_begin_are_refused():
    with pytest.raises(DaysError, match="is after --to 2026-11-20"):
        wanted_days(OTHER, DAY, kept_since=None)


def test_days_that_retention_has_dropped_are_refused_with_the_first_that_it_has_not():
    with pytest.raises(DaysError, match="begin with 2026-11-21"):
        wanted_days(DAY, None, kept_since=date(2026, 11, 21))


def test_pieces_lie_in_one_partition_each_and_cover_every_day():
    pieces = split_by_partition(Partitions(), Days(EARLIEST, LATEST))  # type: ignore[arg-type]
    assert pieces == [
        Days(EARLIEST, date(2026, 11, 19)),
        Days(date(2026, 11, 20), date(2026, 11, 20)),
        Days(date(2026, 11, 21), LATEST),
    ]
    assert split_by_partition(Partitions(), Days(DAY.date(), DAY.date())) == pieces[1:2]  # type: ignore[arg-type]
