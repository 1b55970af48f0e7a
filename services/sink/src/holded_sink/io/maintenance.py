"""Carrying out a partition plan and bounding the audit log, with a line in it for every change."""

import json
import re
from collections.abc import Callable
from datetime import date, timedelta

import structlog
from pymysql.cursors import Cursor

from holded_contracts.settings import MySQLSettings
from holded_sink.errors import SystemicError
from holded_sink.io import statements
from holded_sink.io.connection import Database
from holded_sink.partitions import Partition, Plan, days_ahead, plan

_DAY_PARTITION = re.compile(r"^p[0-9]{8}$")

AUDIT_BATCH_DAYS = 90
"""Days for which the audit log has a line per batch; sink_offsets keeps their totals, other lines stay for ever."""

_PRUNE_CALLS = 100
"""At most, in one run: a million lines."""

log = structlog.get_logger()


class PartitionKeeper:
    """Makes and drops day partitions of events, on its own connection: DDL commits whatever transaction it meets."""

    def __init__(self, settings: MySQLSettings, *, actor: str, retention_days: int, today: Callable[[], date]) -> None:
        self._database = Database(settings)
        self._actor = actor
        self._retention_days = retention_days
        self._today = today

    def run(self) -> int | None:
        """Bring partitions up to date; return the days ahead, or None when another sink is at it.

        Raises
        ------
        TransientError, SystemicError
            As MySQL's answer was classified. Nothing is lost meanwhile: p_future takes the events.
        """
        try:
            with self._database.cursor() as cursor:
                cursor.execute(statements.TAKE_PARTITION_LOCK)
                if cursor.fetchone() != (1,):
                    return None
                self._apply(cursor, plan(_list(cursor), today=self._today(), retention_days=self._retention_days))
                self._prune_audit(cursor)
                ahead = days_ahead(_list(cursor), today=self._today())
                cursor.execute(statements.FREE_PARTITION_LOCK)
                return ahead
        finally:
            self._database.close()

    def _apply(self, cursor: Cursor, wanted: Plan) -> None:
        if wanted.add is not None:
            first, last = wanted.add
            cursor.execute(statements.ADD_PARTITIONS, (first, last))
            self._audit(cursor, "partition.add", {"first_bound": str(first), "last_bound": str(last)})
            log.info("day partitions added", first_bound=str(first), last_bound=str(last))
        for expired in wanted.drop:
            detail = {"partition": expired.name, "bound": str(expired.bound), "rows": _rows(cursor, expired)}
            # Before and after: a crash in between must not leave a deletion without a trace.
            self._audit(cursor, "partition.drop", detail)
            cursor.execute(statements.DROP_PARTITION, (expired.name,))
            self._audit(cursor, "partition.dropped", detail)
            log.info("day partition dropped", **detail)

    def _prune_audit(self, cursor: Cursor) -> None:
        before = self._today() - timedelta(days=AUDIT_BATCH_DAYS)
        deleted = 0
        for _ in range(_PRUNE_CALLS):
            cursor.execute(statements.PRUNE_AUDIT, (before,))
            (lines,) = cursor.fetchone() or (0,)
            deleted += lines
            if lines == 0:
                break
        if deleted:
            self._audit(cursor, "audit.prune", {"before": str(before), "lines": deleted})
            log.info("lines of old batches deleted from the audit log", before=str(before), lines=deleted)

    def _audit(self, cursor: Cursor, action: str, detail: dict[str, object]) -> None:
        cursor.execute(statements.INSERT_AUDIT, (self._actor, action, json.dumps(detail)))


def _list(cursor: Cursor) -> list[Partition]:
    cursor.execute(statements.LIST_PARTITIONS)
    return [Partition(name, _bound(description)) for name, description in cursor.fetchall()]


def _bound(description: str) -> date | None:
    return None if description == "MAXVALUE" else date.fromisoformat(description.strip("'"))


def _rows(cursor: Cursor, partition: Partition) -> int:
    if not _DAY_PARTITION.match(partition.name):
        raise SystemicError(f"events has a partition of an unknown name: {partition.name}")
    cursor.execute(f"SELECT COUNT(*) FROM events PARTITION ({partition.name})")  # noqa: S608 -- matched just above
    (rows,) = cursor.fetchone() or (0,)
    return int(rows)
