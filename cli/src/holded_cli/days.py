"""The days a command works on, and which days gold still has in full."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from holded_cli.mysql import Session

EARLIEST = date(1000, 1, 1)
LATEST = date(9999, 12, 31)
"""What MySQL's DATE holds."""

_PARTITIONS = """
    SELECT PARTITION_DESCRIPTION AS bound FROM information_schema.PARTITIONS
    WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'events' ORDER BY PARTITION_ORDINAL_POSITION
"""
# The line is written before a partition is dropped: a day counts as gone as soon as it may be.
_DROPPED = """
    SELECT MAX(detail->>'$.bound') AS bound FROM audit_log WHERE action IN ('partition.drop', 'partition.dropped')
"""


class DaysError(ValueError):
    """The days asked for make no sense or are not in gold any more; the sentence says which are."""


@dataclass(frozen=True)
class Days:
    """UTC days of event time, both inclusive."""

    first: date
    last: date

    def __str__(self) -> str:
        if self == Days(EARLIEST, LATEST):
            return "all days"
        first = "the beginning" if self.first == EARLIEST else str(self.first)
        return f"{first} to {'today and later' if self.last == LATEST else self.last}"

    @property
    def first_moment(self) -> datetime:
        """The first second in it."""
        return datetime(self.first.year, self.first.month, self.first.day)  # noqa: DTZ001 -- as MySQL has it, UTC

    @property
    def last_moment(self) -> datetime:
        """The last second in it; LATEST has no day after it."""
        return datetime(self.last.year, self.last.month, self.last.day, 23, 59, 59)  # noqa: DTZ001 -- as above


def wanted_days(first: datetime | None, last: datetime | None, *, kept_since: date | None) -> Days:
    """Return the days asked for; without a first one, from the oldest that gold has in full.

    Raises
    ------
    DaysError
        If they end before they begin, or begin with days whose events retention has dropped.
    """
    oldest = kept_since or EARLIEST
    days = Days(first.date() if first else oldest, last.date() if last else LATEST)
    if days.first < oldest:
        raise DaysError(
            f"--from {days.first}: events before {oldest} were dropped by retention (sink.retentionDays); their "
            f"summaries are all that is left of them and cannot be compared or rebuilt; begin with {oldest}"
        )
    if days.first > days.last:
        raise DaysError(f"--from {days.first} is after --to {days.last}")
    return days


def kept_since(session: Session) -> date | None:
    """Return the first day of which retention has dropped nothing; None when it never dropped anything."""
    bound = session.row(_DROPPED)["bound"]
    return None if bound is None else date.fromisoformat(bound)


def split_by_partition(session: Session, days: Days) -> list[Days]:
    """Cut days so that each piece lies in one partition of events: what reads a piece reads one partition."""
    bounds = [row["bound"].strip("'") for row in session.rows(_PARTITIONS) if row["bound"] != "MAXVALUE"]
    starts = [EARLIEST, *(date.fromisoformat(bound) for bound in bounds)]
    ends = [*(start - timedelta(days=1) for start in starts[1:]), LATEST]
    pieces = (Days(max(start, days.first), min(end, days.last)) for start, end in zip(starts, ends, strict=True))
    return [piece for piece in pieces if piece.first <= piece.last]
