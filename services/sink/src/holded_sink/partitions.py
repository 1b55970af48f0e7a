"""Which day partitions of events should come and go.

Partitions follow the calendar, not the data: an event of a day that has none lands in the first partition (older) or in
p_future (later), so a wrong clock somewhere makes no partitions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

DAYS_BEFORE = 7
"""Days before today that get a partition of their own in a new database; older events share the first partition."""

DAYS_AHEAD = 7
"""Days after today that always have a partition: how long the sink may be unable to make new ones unnoticed."""

MAX_NEW = 400
"""Partitions made at once. After a longer standstill the first new one takes the days that are missing."""


@dataclass(frozen=True, slots=True)
class Partition:
    """One range partition."""

    name: str
    bound: date | None
    """First day that is not in it any more; None for p_future."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to change; empty when all is well."""

    add: tuple[date, date] | None
    """Bounds of the first and the last day partition to split off p_future, inclusive."""
    drop: tuple[Partition, ...]
    """Partitions whose newest event is older than the retention."""


def plan(existing: Sequence[Partition], *, today: date, retention_days: int) -> Plan:
    """Return the changes that make day partitions reach DAYS_AHEAD and end `retention_days` (0: never) ago."""
    bounds = [partition.bound for partition in existing if partition.bound is not None]
    last = today + timedelta(days=DAYS_AHEAD + 1)
    first = max(bounds) + timedelta(days=1) if bounds else today - timedelta(days=DAYS_BEFORE - 1)
    first = max(first, last - timedelta(days=MAX_NEW - 1))
    add = (first, last) if first <= last else None
    if retention_days == 0:
        return Plan(add, ())
    oldest_kept = today - timedelta(days=retention_days)
    expired = tuple(item for item in existing if item.bound is not None and item.bound <= oldest_kept)
    return Plan(add, expired)


def days_ahead(existing: Sequence[Partition], *, today: date) -> int:
    """Return for how many days after today there is a partition (the runway)."""
    bounds = [partition.bound for partition in existing if partition.bound is not None]
    return max(0, (max(bounds) - today).days - 1) if bounds else 0
