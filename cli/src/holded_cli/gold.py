"""What the report asks of the gold tables. Reads only."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from holded_cli.mysql import Row, Session, connected
from holded_contracts.identity import format_event_id
from holded_contracts.settings import MySQLSettings


@dataclass(frozen=True)
class ContextRow:
    """Events of one business context and currency."""

    business_context: str
    currency: str | None
    events: int
    quality_sum: float
    amount: Decimal | None
    """Sum of the amounts; None when no event has one."""


@dataclass(frozen=True)
class DeadLetterRow:
    """Dead letters of one stage and reason."""

    stage: str
    reason: str
    count: int
    example: str
    """One detail sentence."""


@dataclass(frozen=True)
class Ledger:
    """What has become of the accepted events so far (guarantee G5)."""

    processed: int
    """Raw records that the workers have committed."""
    gold: int
    dead_letters: int
    duplicates: int

    @property
    def settled(self) -> int:
        """Events that have reached their final state."""
        return self.gold + self.dead_letters + self.duplicates


@dataclass(frozen=True)
class EventRow:
    """One event of `events`."""

    event_id: str
    type: str
    account_id: str | None
    business_context: str
    quality_score: float
    amount: Decimal | None
    currency: str | None
    occurred_at: datetime
    """UTC, naive as MySQL returns it."""


_CONTEXTS = """
    SELECT business_context, currency, COUNT(*) AS events, SUM(quality_score) AS quality_sum, SUM(amount) AS amount
    FROM events GROUP BY business_context, currency ORDER BY business_context, currency
"""
_DEAD_LETTERS = """
    SELECT stage, reason, COUNT(*) AS count, MIN(detail) AS example
    FROM events_dead_letter GROUP BY stage, reason ORDER BY stage, reason
"""
_LEDGER = "SELECT processed, gold, dead_letters, duplicates FROM ledger"
_NEWEST = """
    SELECT event_id, type, account_id, business_context, quality_score, amount, currency, occurred_at
    FROM events ORDER BY occurred_at DESC, event_id LIMIT %s
"""


class GoldReader:
    """Answers the report's questions over one connection; every answer is of the moment it is asked."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def contexts(self) -> list[ContextRow]:
        """Return counts, quality and amounts per business context and currency."""
        return [
            ContextRow(
                business_context=row["business_context"],
                currency=row["currency"],
                events=int(row["events"]),
                quality_sum=float(row["quality_sum"]),
                amount=row["amount"],
            )
            for row in self._rows(_CONTEXTS)
        ]

    def dead_letters(self) -> list[DeadLetterRow]:
        """Return the dead letters per stage and reason."""
        return [DeadLetterRow(**row) for row in self._rows(_DEAD_LETTERS)]

    def ledger(self) -> Ledger:
        """Return the ledger's totals; all zero before the first batch."""
        rows = self._rows(_LEDGER)
        return Ledger(**{name: int(value or 0) for name, value in rows[0].items()}) if rows else Ledger(0, 0, 0, 0)

    def newest(self, limit: int) -> list[EventRow]:
        """Return the events that happened last, newest first."""
        return [
            EventRow(
                **(row | {"event_id": format_event_id(row["event_id"]), "quality_score": float(row["quality_score"])})
            )
            for row in self._rows(_NEWEST, limit)
        ]

    def _rows(self, query: str, *arguments: object) -> list[Row]:
        return self._session.rows(query, *arguments)


@contextmanager
def open_gold(settings: MySQLSettings, *, connect_timeout_seconds: int = 10) -> Iterator[GoldReader]:
    """Connect for the time of a `with` block; raises GoldUnavailableError as `mysql.connected` does."""
    with connected(settings, connect_timeout_seconds=connect_timeout_seconds) as session:
        yield GoldReader(session)
