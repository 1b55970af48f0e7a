"""The one transaction that makes gold exact: ids, rows, summaries, dead letters, ledger, offsets and audit together."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import batched
from typing import Any

import pymysql
import structlog
from pymysql.cursors import Cursor

from holded_sink.aggregation import Entry, Increment, add_entries, add_up
from holded_sink.batch import Batch, Position, Source
from holded_sink.canary import Canary, CanaryRow, newest
from holded_sink.errors import FencedError, RefusedContentError, TransientError
from holded_sink.io import statements
from holded_sink.io.connection import Database
from holded_sink.io.statements import Bulk
from holded_sink.prepare import Counts, Prepared, count
from holded_sink.rendering import identities, render
from holded_sink.rows import EventRow, LetterRow, scaled

_IDS_PER_SELECT = 1000
_MAX_STATEMENT = 1_000_000
"""Bytes of a multi-row INSERT, as the driver has it for its own; a single row may be longer."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a committed transaction wrote."""

    events: list[EventRow]
    letters: list[LetterRow]
    counts: dict[Source, Counts]
    ledger_gaps: int = 0
    positions: dict[Source, Position] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerTotals:
    """What gold has counted of the pipeline's events."""

    former: int
    """Events processed from raw topics that are no more: one that is made again counts its offsets from 0."""
    processed: int
    gold: int
    dead_letters: int
    duplicates: int
    canaries: int
    """Records of raw that are nobody's events."""


class Gold:
    """The gold tables of one pipeline."""

    def __init__(self, database: Database, *, actor: str) -> None:
        self._database = database
        self._actor = actor

    def positions(self, sources: Iterable[Source]) -> dict[Source, Position]:
        """Return where to read on per source; a source never seen starts at 0."""
        wanted = sorted(sources)
        if not wanted:
            return {}
        with self._database.cursor() as cursor:
            # The row exists from here on, so that FOR UPDATE always has a row to lock.
            new_rows = [
                (source.topic_id, source.partition, source.topic, source.artefact.value, 0, 0) for source in wanted
            ]
            cursor.executemany(statements.CREATE_OFFSETS, new_rows)
            cursor.execute(statements.LOAD_OFFSETS, (sorted({source.topic_id for source in wanted}),))
            stored = {(row[0], row[1]): Position(row[2], row[3]) for row in cursor.fetchall()}
        return {source: stored[source.topic_id, source.partition] for source in wanted}

    def write(self, prepared: Prepared) -> Outcome:
        """Write a batch and move its offsets, or nothing.

        Raises
        ------
        FencedError
            If the stored offsets are not those the batch starts from.
        TransientError, SystemicError, RefusedContentError
            As MySQL's answer was classified; nothing is written.
        """
        with self._database.transaction() as cursor:
            _check_offsets(cursor, prepared.batch)
            outcome = _write_rows(cursor, prepared)
            after = prepared.batch.next_positions()
            _advance(cursor, after, outcome.counts)
            detail = json.dumps(_audit_detail(prepared.batch, after, outcome.counts))
            cursor.execute(statements.INSERT_AUDIT, (self._actor, "batch", detail))
        outcome.positions.update(after)
        return outcome

    def try_out(self, prepared: Prepared) -> str | None:
        """Write rows and undo it; return MySQL's words if it refuses their content, else None."""
        try:
            with self._database.transaction(commit=False) as cursor:
                _write_rows(cursor, prepared)
        except RefusedContentError as error:
            return str(error)
        return None

    def ledger(self, raw_topic_id: str) -> LedgerTotals:
        """Return the totals; `raw_topic_id` is that of today's raw topic."""
        with self._database.cursor() as cursor:
            cursor.execute(statements.SELECT_LEDGER, (raw_topic_id,))
            row = cursor.fetchone() or (0, 0, 0, 0, 0, 0)
        return LedgerTotals(*(int(value) for value in row))

    def canary(self) -> CanaryRow | None:
        """Return the newest canary, None before the first."""
        with self._database.cursor() as cursor:
            cursor.execute(statements.SELECT_CANARY)
            row = cursor.fetchone()
        return None if row is None else CanaryRow(row[0], int(row[1]))

    def audit(self, action: str, detail: Mapping[str, object]) -> None:
        """Append a line to the audit log."""
        with self._database.cursor() as cursor:
            cursor.execute(statements.INSERT_AUDIT, (self._actor, action, json.dumps(detail)))


def _check_offsets(cursor: Cursor, batch: Batch) -> None:
    touched = sorted({item.record.source for item in batch.records})
    cursor.execute(statements.LOCK_OFFSETS, ([(source.topic_id, source.partition) for source in touched],))
    stored = {(row[0], row[1]): Position(row[2], row[3]) for row in cursor.fetchall()}
    for source in touched:
        found = stored.get((source.topic_id, source.partition))
        if found != batch.expected[source]:
            raise FencedError(
                f"{source.topic}[{source.partition}]: gold is at {found}, the batch starts at {batch.expected[source]}"
            )


def _write_rows(cursor: Cursor, prepared: Prepared) -> Outcome:
    known = _claim(cursor, prepared)
    events, letters, text = prepared.events, prepared.letters, prepared.text
    if known:
        events = [row for row in events if row.identity not in known]
        letters = [row for row in letters if row.identity not in known]
        text = render(events, ())
    _insert_text(cursor, statements.BULK_EVENTS, text.events)
    _insert_text(cursor, statements.UPSERT_HOURLY, text.hourly)
    _insert_text(cursor, statements.UPSERT_DAILY, text.daily)
    _insert(cursor, statements.INSERT_LETTERS, [row.values for row in letters])
    increments = add_up(one for _, one in prepared.increments)
    _insert(cursor, statements.UPSERT_ANALYTICS, [_increment_row(one) for one in increments])
    gaps = _add_to_ledger(cursor, [one for _, one in prepared.entries])
    _keep_newest(cursor, prepared.canaries)
    return Outcome(events, letters, count(prepared, known), gaps)


def _claim(cursor: Cursor, prepared: Prepared) -> set[bytes]:
    """Register identities; return those that were registered before.

    The common case, all new, is one statement. IGNORE only tells how many were known, so otherwise they are looked up.
    """
    if not prepared.text.identities:
        return set()
    cursor.execute("SAVEPOINT claim")
    if _insert_text(cursor, statements.CLAIM_ALL, prepared.text.identities) == len(prepared.text.identities):
        return set()
    cursor.execute("ROLLBACK TO SAVEPOINT claim")
    rows = identities(prepared.events, prepared.letters)
    known: set[bytes] = set()
    for part in batched(rows, _IDS_PER_SELECT, strict=False):
        cursor.execute(statements.SELECT_KNOWN, ([identity for identity, _ in part],))
        known.update(row[0] for row in cursor.fetchall())
    try:
        _insert(cursor, statements.CLAIM_NEW, [row for row in rows if row[0] not in known])
    except pymysql.err.IntegrityError as error:
        raise TransientError(f"another sink registered one of the same events just now: {error}") from error
    return known


def _insert_text(cursor: Cursor, statement: Bulk, rows: Sequence[bytes]) -> int:
    """Insert rows that are text, in as many statements as their length asks for; return the number of affected rows."""
    affected, start, length = 0, 0, 0
    for end, row in enumerate(rows):
        if length and length + len(row) > _MAX_STATEMENT:
            affected += _execute_text(cursor, statement, rows[start:end])
            start, length = end, 0
        length += len(row)
    return affected + _execute_text(cursor, statement, rows[start:]) if rows else 0


def _execute_text(cursor: Cursor, statement: Bulk, rows: Sequence[bytes]) -> int:
    # Bytes are sent as they are; only the driver's type hints know no other statement than str.
    return cursor.execute(statement.head + b",".join(rows) + statement.tail)  # type: ignore[call-overload]


def _insert(cursor: Cursor, statement: str, rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        cursor.executemany(statement, rows)


def _increment_row(one: Increment) -> tuple[Any, ...]:
    sums = (one.events, scaled(one.amount), scaled(one.quality))
    return (one.window_start, one.account_id, one.business_context, one.type, *sums, one.processed_at)


def _add_to_ledger(cursor: Cursor, entries: Sequence[Entry]) -> int:
    """Add worker ledger entries; return how many did not follow the one before."""
    if not entries:
        return 0
    keys = sorted({(entry.topic_id, entry.partition) for entry in entries})
    cursor.execute(statements.LEDGER_OFFSETS, (keys,))
    total = add_entries(entries, {(row[0], row[1]): row[2] for row in cursor.fetchall()})
    for repeated in total.repeated:
        log.warning("ledger entry repeats a range that is accounted for; left out", entry=asdict(repeated))
    for entry, expected in total.gaps:
        log.error("ledger entry does not follow the one before", expected_offset=expected, entry=asdict(entry))
    rows = [
        (
            entry.topic_id,
            entry.partition,
            entry.topic,
            entry.next_offset,
            entry.records,
            entry.silver,
            entry.dead_letters,
            entry.duplicates,
            entry.committed_at,
        )
        for entry in total.totals
    ]
    _insert(cursor, statements.UPSERT_LEDGER, rows)
    return len(total.gaps)


def _keep_newest(cursor: Cursor, canaries: Sequence[Canary]) -> None:
    # Last of the rows that sinks share: whoever waits for this one holds nothing that its owner still needs.
    if (found := newest(canaries)) is not None:
        cursor.execute(statements.UPSERT_CANARY, (*found, datetime.now(UTC).replace(tzinfo=None)))


def _advance(cursor: Cursor, after: Mapping[Source, Position], counts: Mapping[Source, Counts]) -> None:
    rows = [
        (
            source.topic_id,
            source.partition,
            source.topic,
            source.artefact.value,
            after[source].next_offset,
            after[source].counted_offset,
            counts[source].inserted,
            counts[source].duplicates,
            counts[source].dead,
            counts[source].canaries,
        )
        for source in sorted(after)
    ]
    _insert(cursor, statements.ADVANCE_OFFSETS, rows)


def _audit_detail(
    batch: Batch, after: Mapping[Source, Position], counts: Mapping[Source, Counts]
) -> list[dict[str, Any]]:
    return [
        {
            "topic": source.topic,
            "partition": source.partition,
            "from_offset": batch.expected[source].next_offset,
            "to_offset": after[source].next_offset,
            **asdict(counts[source]),
        }
        for source in sorted(after)
    ]
