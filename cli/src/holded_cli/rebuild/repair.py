"""Making summaries what their events say, while sinks write.

A sink's transaction inserts events and adds to their buckets, in either order unseen by others until it commits. So a
bucket whose row is locked is one that no open transaction has added to, and none will before we commit. What a
statement begun after that sees of events is then exactly what the bucket must hold: a transaction that has committed is
seen, and one that has not adds its part later, to what we wrote. READ COMMITTED is what makes each statement see that.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import batched
from typing import Any

from holded_cli.days import Days, split_by_partition
from holded_cli.mysql import Session
from holded_cli.summaries import FIGURES, SUMMARIES, Key, SummaryTable, count_from_events, differences, key_of

ACTION = "summaries.rebuild"
_ROWS_PER_STATEMENT = 500


@dataclass
class Repaired:
    """What was, or would be, done to one table."""

    table: str
    added: int = 0
    """Buckets that had events and no row."""
    changed: int = 0
    removed: int = 0
    """Rows without any event."""
    examples: list[str] = field(default_factory=list)

    @property
    def total(self) -> int:
        """Number of rows touched."""
        return self.added + self.changed + self.removed


@dataclass
class _Found:
    """The buckets of one table that differ, by the days in which they were found."""

    table: SummaryTable
    keys: dict[Days, list[Key]]
    repaired: Repaired


class Rebuild:
    """Repairs the summaries of some days in one transaction."""

    def __init__(self, session: Session, days: Days, *, examples: int) -> None:
        self._session = session
        self._days = days
        self._limit = examples

    def look(self) -> list[Repaired]:
        """Return what would be repaired now; changes and locks nothing."""
        return [found.repaired for found in self._find()]

    def repair(self, actor: str) -> list[Repaired]:
        """Repair and leave a line in the audit log, or do nothing of it.

        Raises
        ------
        ConflictError
            If it lost a deadlock: to be repeated.
        """
        found = self._find()
        with self._session.transaction():
            # All locks first, in the sink's order: hourly before daily, each by key.
            for item in found:
                self._lock(item.table, sorted(key for keys in item.keys.values() for key in keys))
            for item in found:
                for days, keys in item.keys.items():
                    self._write(item.table, days, keys)
            detail = {"from": str(self._days.first), "to": str(self._days.last)} | {
                item.table.name: {
                    "added": item.repaired.added,
                    "changed": item.repaired.changed,
                    "removed": item.repaired.removed,
                }
                for item in found
            }
            self._session.audit(actor, ACTION, json.dumps(detail))
        return [item.repaired for item in found]

    def _find(self) -> list[_Found]:
        """Look for buckets that differ, without locks: each look is one statement, so sums and events fit together."""
        pieces = split_by_partition(self._session, self._days)
        return [self._find_in(table, pieces) for table in SUMMARIES]

    def _find_in(self, table: SummaryTable, pieces: Iterable[Days]) -> _Found:
        repaired = Repaired(table.name)
        keys: dict[Days, list[Key]] = {}
        for piece in pieces:
            for difference in differences(self._session, table, piece):
                keys.setdefault(piece, []).append(difference.key)
                if difference.kept is None:
                    repaired.added += 1
                elif difference.counted is None:
                    repaired.removed += 1
                else:
                    repaired.changed += 1
                if len(repaired.examples) < self._limit:
                    repaired.examples.append(str(difference))
        return _Found(table, keys, repaired)

    def _lock(self, table: SummaryTable, keys: list[Key]) -> None:
        """Lock the rows of these keys; one that is missing is made, since nothing else could be locked for it."""
        placeholder = (1, 0, 0, 0, "1000-01-01")
        statement = _insert(table, "event_count = {0}.event_count")
        for some in batched(keys, _ROWS_PER_STATEMENT, strict=False):
            self._session.change_many(statement, [(*key, *placeholder) for key in some])

    def _write(self, table: SummaryTable, days: Days, keys: list[Key]) -> None:
        wanted = set(keys)
        rows: list[tuple[Any, ...]] = []
        for row in self._session.stream(count_from_events(table), days.first, days.last):
            key = key_of(row)
            if key in wanted:
                wanted.discard(key)
                rows.append((*key, *(row[name] for name in FIGURES)))
        statement = _insert(table, ", ".join(f"{name} = counted.{name}" for name in FIGURES))
        for some in batched(sorted(rows), _ROWS_PER_STATEMENT, strict=False):
            self._session.change_many(statement, list(some))
        for empty in batched(sorted(wanted), _ROWS_PER_STATEMENT, strict=False):
            self._session.change(f"DELETE FROM {table.name} WHERE ({table.primary_key}) IN %s", list(empty))  # noqa: S608 -- names from summaries


def _insert(table: SummaryTable, on_duplicate: str) -> str:
    return (
        f"INSERT INTO {table.name} ({table.primary_key}, {', '.join(FIGURES)}) "  # noqa: S608 -- names from summaries
        "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) AS counted "
        f"ON DUPLICATE KEY UPDATE {on_duplicate.format(table.name)}"
    )
