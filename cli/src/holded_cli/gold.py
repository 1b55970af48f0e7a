"""The door to MySQL: what the report asks of the gold tables. Reads only."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import pymysql
from pymysql.constants import ER
from pymysql.cursors import DictCursor

from holded_contracts.identity import format_event_id
from holded_contracts.settings import MySQLSettings


class GoldUnavailableError(Exception):
    """MySQL cannot be reached, refuses the user, or does not have the tables yet; the sentence says which."""


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

_NOT_THERE_YET = frozenset({ER.NO_SUCH_TABLE, ER.BAD_DB_ERROR})


class GoldReader:
    """Answers the report's questions over one connection; every answer is of the moment it is asked."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

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

    def _rows(self, query: str, *arguments: object) -> list[dict[str, Any]]:
        try:
            with self._connection.cursor() as cursor:
                cursor.execute(query, arguments)
                return list(cursor.fetchall())
        except pymysql.MySQLError as error:
            raise _translated(error) from error


@contextmanager
def open_gold(settings: MySQLSettings, *, connect_timeout_seconds: int = 10) -> Iterator[GoldReader]:
    """Connect for the time of a `with` block.

    Raises
    ------
    GoldUnavailableError
        If there is no connection to be had, or a question fails.
    """
    try:
        connection = pymysql.connect(
            host=settings.host,
            port=settings.port,
            user=settings.username,
            password=settings.password.get_secret_value(),
            database=settings.database,
            charset="utf8mb4",
            autocommit=True,
            cursorclass=DictCursor,
            connect_timeout=connect_timeout_seconds,
            read_timeout=60,
            ssl=tls_context(settings),
            ssl_disabled=settings.tls == "Disabled",
        )
    except pymysql.MySQLError as error:
        message = f"MySQL at {settings.host}:{settings.port}: {_translated(error)}"
        raise GoldUnavailableError(message) from error
    try:
        yield GoldReader(connection)
    finally:
        connection.close()


def tls_context(settings: MySQLSettings) -> ssl.SSLContext | None:
    """Return how strictly the server's certificate is checked; None without TLS."""
    if settings.tls == "Disabled":
        return None
    context = ssl.create_default_context(cafile=settings.ca_location)
    context.check_hostname = settings.tls == "VerifyIdentity"
    if settings.tls == "Required":
        context.verify_mode = ssl.CERT_NONE
    return context


def _translated(error: pymysql.MySQLError) -> GoldUnavailableError:
    code, *rest = error.args or (0,)
    message = str(rest[0]) if rest else str(error)
    if code in _NOT_THERE_YET:
        message += " (the migrations have not run here yet)"
    return GoldUnavailableError(message)
