"""Reading gold as an analyst would, and the data oracles that every test can check."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pymysql

from holded_contracts.settings import MySQLSettings
from tests.support.waiting import wait_until


@contextmanager
def gold(settings: MySQLSettings) -> Iterator[pymysql.cursors.Cursor]:
    """Open a cursor that sees every commit at once."""
    connection = pymysql.connect(
        host=settings.host,
        port=settings.port,
        user=settings.username,
        password=settings.password.get_secret_value(),
        database=settings.database,
        autocommit=True,
    )
    with connection, connection.cursor() as cursor:
        yield cursor


def rows(settings: MySQLSettings, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    """Return all rows of a statement."""
    with gold(settings) as cursor:
        cursor.execute(statement, arguments)
        return list(cursor.fetchall())


def ids(settings: MySQLSettings, table: str) -> list[str]:
    """Return the event ids of `events` or `events_dead_letter` as text, with repetitions."""
    return [row[0] for row in rows(settings, f"SELECT BIN_TO_UUID(event_id) FROM {table} WHERE event_id IS NOT NULL")]


def nowhere(settings: MySQLSettings, accepted: set[str]) -> set[str]:
    """Return the accepted events that are in neither of the two tables."""
    return accepted.difference(ids(settings, "events"), ids(settings, "events_dead_letter"))


def check_exactly_once(settings: MySQLSettings, accepted: set[str]) -> None:
    """Oracles D1 and D2: each accepted event is in exactly one of the two tables, exactly once.

    Events have a minute to arrive. A ledger that balances does not say that they have: it may be of the moment before they
    were sent, and it also counts events whose answer a killed collector could not give.
    """

    def landed() -> bool:
        missing = nowhere(settings, accepted)
        assert not missing, f"{len(missing)} accepted events are nowhere, e.g. {sorted(missing)[:3]}"
        return True

    wait_until(landed, timeout=60, interval=1, what="every accepted event is in gold")
    events, dead = ids(settings, "events"), ids(settings, "events_dead_letter")
    assert len(events) == len(set(events)), "an event stands twice in events"
    assert len(dead) == len(set(dead)), "an event stands twice in events_dead_letter"
    assert not set(events) & set(dead), "an event is gold and dead letter"


SUMMARIES = {
    "events_summary_hourly": "DATE_FORMAT(occurred_at, '%%Y-%%m-%%d %%H:00:00')",
    "events_summary_daily": "DATE(occurred_at)",
}


def check_summaries(settings: MySQLSettings) -> int:
    """Oracle D11: each summary equals a GROUP BY over events; returns the number of groups compared."""
    compared = 0
    for table, bucket in SUMMARIES.items():
        start = "hour_start" if table.endswith("hourly") else "event_date"
        kept = rows(
            settings,
            f"SELECT CAST({start} AS CHAR), account_id, business_context, type, event_count, amount_sum, quality_sum,"
            f" quality_min, last_event_at FROM {table} WHERE %s ORDER BY 1, 2, 3, 4",
            1,
        )
        computed = rows(
            settings,
            f"SELECT CAST({bucket} AS CHAR) AS bucket, COALESCE(account_id, '') AS account, business_context, type,"
            " COUNT(*), COALESCE(SUM(amount), 0), SUM(quality_score), MIN(quality_score), MAX(occurred_at) FROM events"
            " WHERE %s GROUP BY bucket, account, business_context, type ORDER BY 1, 2, 3, 4",
            1,
        )
        assert kept == computed, f"{table} differs from a GROUP BY over events"
        compared += len(kept)
    return compared
