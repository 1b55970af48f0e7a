"""Taking events out of the buckets that sum them up, so that these stay exact at every commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from itertools import groupby
from typing import Any

from holded_cli.mysql import Row, Session
from holded_cli.summaries import Key, SummaryTable, key_of

_SUMS = ("event_count", "amount_sum", "quality_sum")
_EXTREMES = ("quality_min", "last_event_at")


@dataclass
class Gone:
    """What erased events added to a bucket."""

    events: int = 0
    amount: Decimal = Decimal(0)
    quality: Decimal = Decimal(0)


class Buckets:
    """The buckets of one table that a batch of events is in; locked from `lock` until the transaction ends.

    As in `holded_cli.rebuild.repair`: while a row is locked no other transaction adds to it, so what is read of events
    after that is what the row must agree with.
    """

    def __init__(self, session: Session, table: SummaryTable, events: Sequence[Row]) -> None:
        self._session = session
        self._table = table
        self._gone: dict[Key, Gone] = {}
        for event in events:
            gone = self._gone.setdefault(key_of(event | {"bucket": event[table.name]}), Gone())
            gone.events += 1
            gone.amount += event["amount"]
            gone.quality += event["quality_score"]
        self._kept: dict[Key, Row] = {}

    def lock(self) -> None:
        """Lock the rows, in key order as the sink does."""
        columns = f"{self._table.bucket} AS bucket, account_id AS account, business_context, type, event_count"
        if self._table.has_extremes:
            columns += ", quality_min, last_event_at"
        rows = self._session.rows(
            f"SELECT {columns} FROM {self._table.name} WHERE ({self._table.primary_key}) IN %s "  # noqa: S608 -- names from summaries
            f"ORDER BY {self._table.primary_key} FOR UPDATE",
            sorted(self._gone),
        )
        self._kept = {key_of(row): row for row in rows}

    def subtract(self, kept_since: date | None) -> tuple[int, int]:
        """Take the events out, after they were deleted; return how many rows were removed and how many adjusted."""
        empty = [key for key, row in self._kept.items() if row["event_count"] <= self._gone[key].events]
        smaller = [key for key in self._kept if key not in set(empty)]
        if empty:
            self._session.change(f"DELETE FROM {self._table.name} WHERE ({self._table.primary_key}) IN %s", empty)  # noqa: S608 -- as above
        if not self._table.has_extremes:
            self._session.change_many(self._statement(_SUMS, ()), [self._sums(key) for key in smaller])
            return len(empty), len(smaller)
        extremes = self._remaining_extremes([key for key in smaller if kept_since is None or _day(key) >= kept_since])
        kept = {key: tuple(self._kept[key][name] for name in _EXTREMES) for key in smaller}
        rows = [(*self._sums(key), *extremes.get(key, kept[key])) for key in smaller]
        self._session.change_many(self._statement(_SUMS, _EXTREMES), rows)
        return len(empty), len(smaller)

    def _sums(self, key: Key) -> tuple[Any, ...]:
        gone = self._gone[key]
        return (*key, gone.events, gone.amount, gone.quality)

    def _statement(self, sums: tuple[str, ...], extremes: tuple[str, ...]) -> str:
        table = self._table.name
        extra = () if extremes else ("processed_at",)  # NOT NULL, and stays what it is
        changes = [f"{name} = {table}.{name} - gone.{name}" for name in sums]
        changes += [f"{name} = gone.{name}" for name in extremes]
        values = ", ".join(["%s"] * (4 + len(sums) + len(extremes)) + ["'1000-01-01'"] * len(extra))
        return (
            f"INSERT INTO {table} ({self._table.primary_key}, {', '.join((*sums, *extremes, *extra))}) "  # noqa: S608 -- as above
            f"VALUES ({values}) AS gone ON DUPLICATE KEY UPDATE {', '.join(changes)}"
        )

    def _remaining_extremes(self, keys: list[Key]) -> dict[Key, tuple[Any, ...]]:
        """Return minimum quality and last event of what is left; a bucket without events is not in it."""
        found: dict[Key, tuple[Any, ...]] = {}
        for account, of_account in groupby(sorted(keys, key=lambda key: key[1]), key=lambda key: key[1]):
            wanted = set(of_account)
            days = [_day(key) for key in wanted]
            first, last = min(days), max(days)
            whose = "account_id = %s" if account else "COALESCE(account_id, '') = %s"
            rows = self._session.stream(
                f"SELECT {self._table.bucket_of_event} AS bucket, COALESCE(account_id, '') AS account, "  # noqa: S608 -- as above
                "business_context, type, MIN(quality_score) AS quality_min, MAX(occurred_at) AS last_event_at "
                f"FROM events WHERE {whose} AND event_date BETWEEN %s AND %s AND occurred_at BETWEEN %s AND %s "
                "GROUP BY bucket, account, business_context, type",
                *(account, first, last, datetime.combine(first, time.min), datetime.combine(last, time.max)),
            )
            found |= {key_of(row): tuple(row[name] for name in _EXTREMES) for row in rows if key_of(row) in wanted}
        return found


def _day(key: Key) -> date:
    start = key[0]
    return start.date() if isinstance(start, datetime) else start
