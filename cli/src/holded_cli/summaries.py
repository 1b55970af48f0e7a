"""The summaries and what they must equal: a GROUP BY over events (oracle D11)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from holded_cli.days import Days
from holded_cli.mysql import Row, Session

type Key = tuple[datetime | date, str, str, str]
"""Start of the bucket, account ('' for events without one), business context, type: the primary key."""

FIGURES = ("event_count", "amount_sum", "quality_sum", "quality_min", "last_event_at")
_KEY = ("bucket", "account", "business_context", "type")


@dataclass(frozen=True)
class Figures:
    """What a summary says of its events."""

    event_count: int
    amount_sum: Decimal
    quality_sum: Decimal
    quality_min: Decimal
    last_event_at: datetime
    """UTC, naive as MySQL returns it."""


@dataclass(frozen=True)
class Difference:
    """A bucket whose summary is not what its events say."""

    key: Key
    kept: Figures | None
    """In the summary; None where it has no row."""
    counted: Figures | None
    """Of the events; None where there are none."""

    def __str__(self) -> str:
        names = [
            f"{name} {self._of(self.kept, name)}, events say {self._of(self.counted, name)}"
            for name in FIGURES
            if self._of(self.kept, name) != self._of(self.counted, name)
        ]
        return f"{self.key[0]} account {self.key[1]!r} {self.key[2]} {self.key[3]}: {'; '.join(names[:2])}"

    @staticmethod
    def _of(figures: Figures | None, name: str) -> object:
        return "missing" if figures is None else getattr(figures, name)


@dataclass(frozen=True)
class SummaryTable:
    """One of the tables that sum up events."""

    name: str
    title: str
    bucket: str
    """Column of the bucket's start."""
    bucket_of_event: str
    """SQL for the bucket of a row of events."""
    has_extremes: bool = True
    """False for events_analytics, which the worker counts: no minimum, and no last event."""

    def bounds(self, days: Days) -> tuple[object, object]:
        """Return the first and the last value of the bucket column in these days."""
        daily = self.bucket == "event_date"
        return (days.first, days.last) if daily else (days.first_moment, days.last_moment)

    @property
    def primary_key(self) -> str:
        """The columns of a Key, in its order."""
        return f"{self.bucket}, account_id, business_context, type"


HOURLY = SummaryTable(
    "events_summary_hourly",
    "hourly summaries",
    "hour_start",
    "TIMESTAMP(event_date, MAKETIME(HOUR(occurred_at), 0, 0))",
)
DAILY = SummaryTable("events_summary_daily", "daily summaries", "event_date", "event_date")
MINUTES = SummaryTable(
    "events_analytics",
    "minute windows",
    "window_start",
    "TIMESTAMP(event_date, MAKETIME(HOUR(occurred_at), MINUTE(occurred_at), 0))",
    has_extremes=False,
)
SUMMARIES = (HOURLY, DAILY)
"""In the order in which the sink locks them."""


def count_from_events(table: SummaryTable) -> str:
    """Return the SQL of the GROUP BY; its two parameters are the first and the last day."""
    return (
        f"SELECT {table.bucket_of_event} AS bucket, COALESCE(account_id, '') AS account, business_context, type, "  # noqa: S608 -- names from above
        "COUNT(*) AS event_count, COALESCE(SUM(amount), 0) AS amount_sum, SUM(quality_score) AS quality_sum, "
        "MIN(quality_score) AS quality_min, MAX(occurred_at) AS last_event_at FROM events "
        "WHERE event_date BETWEEN %s AND %s GROUP BY bucket, account, business_context, type"
    )


def _comparison(table: SummaryTable) -> str:
    """Return the SQL of one row per bucket with both sides: a full outer join, which MySQL has not, by UNION ALL."""
    kept = ", ".join(f"{name} AS kept_{name}, NULL AS counted_{name}" for name in FIGURES)
    counted = ", ".join(f"NULL AS kept_{name}, {name} AS counted_{name}" for name in FIGURES)
    folded = ", ".join(f"MAX({side}_{name}) AS {side}_{name}" for side in ("kept", "counted") for name in FIGURES)
    equal = " AND ".join(f"MAX(kept_{name}) <=> MAX(counted_{name})" for name in FIGURES)
    return (
        f"SELECT bucket, account, business_context, type, {folded}, NOT ({equal}) AS differs FROM ("  # noqa: S608 -- as above
        f"SELECT {table.bucket} AS bucket, account_id AS account, business_context, type, {kept} "
        f"FROM {table.name} WHERE {table.bucket} BETWEEN %s AND %s UNION ALL "
        f"SELECT bucket, account, business_context, type, {counted} FROM ({count_from_events(table)}) AS one"
        ") AS both_sides GROUP BY bucket, account, business_context, type"
    )


def count_differences(session: Session, table: SummaryTable, days: Days) -> tuple[int, int]:
    """Return how many buckets there are on either side, and how many of them differ."""
    query = f"SELECT COUNT(*) AS buckets, COALESCE(SUM(differs), 0) AS wrong FROM ({_comparison(table)}) AS compared"  # noqa: S608 -- as above
    row = session.row(query, *table.bounds(days), days.first, days.last)
    return int(row["buckets"]), int(row["wrong"])


def differences(session: Session, table: SummaryTable, days: Days, *, limit: int | None = None) -> Iterator[Difference]:
    """Yield the buckets that differ, in key order."""
    query = f"SELECT * FROM ({_comparison(table)}) AS compared WHERE differs ORDER BY 1, 2, 3, 4"  # noqa: S608 -- as above
    arguments: list[Any] = [*table.bounds(days), days.first, days.last]
    if limit is not None:
        query, arguments = query + " LIMIT %s", [*arguments, limit]
    for row in session.stream(query, *arguments):
        yield Difference(key_of(row), _figures(row, "kept_"), _figures(row, "counted_"))


def key_of(row: Row) -> Key:
    """Return the key of a row of `count_from_events`."""
    bucket, account, context, event_type = (row[name] for name in _KEY)
    return bucket, account, context, event_type


def _figures(row: Row, side: str) -> Figures | None:
    values = {name: row[side + name] for name in FIGURES}
    return None if values["event_count"] is None else Figures(**values)
