"""From decoded records to the values of MySQL rows: pure, and total where a dead letter is made.

What a column cannot hold is found here rather than by MySQL, because only here does the reason name the field.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from holded_contracts.identity import EVENT_ID_BYTES
from holded_contracts.topics import Artefact
from holded_contracts.wire import AMOUNT_SCALE, WireFormatError, split
from holded_sink.aggregation import Entry, Increment, Measured
from holded_sink.batch import Record, Refusal, Source
from holded_sink.exactness import exact_text

MAX_DETAIL = 16_000
"""Characters of a dead letter's detail: at 4 bytes each they fit TEXT."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 -- MySQL's DATETIME has no zone; all of ours are UTC
_MIN_MICROS = int((datetime(1000, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000
_MAX_MICROS = int((datetime(9999, 12, 31, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds()) * 1_000_000
_QUALITY_UNITS = 10_000
_MAX_AMOUNT = 10**20
_MAX_SUM = 10**38

WIDTHS = {
    "type": 255,
    "domain": 128,
    "entity": 128,
    "action": 128,
    "account_id": 255,
    "user_id": 255,
    "target_subscription": 255,
    "business_context": 64,
    "currency": 64,
    "source": 255,
    "pipeline_version": 128,
    "topic": 249,
    "reason": 64,
    "stage": 32,
    "payload_kind": 16,
}
"""Characters the columns of these names hold, in every table that has them (sql/0001, 0002 and 0003)."""


class RefusedFieldError(ValueError):
    """A field does not fit its column; the sentence names it."""


class EventRow(NamedTuple):
    """One row of events and what the summaries need of it."""

    source: Source
    offset: int
    identity: bytes
    event_date: date
    received_at: int
    """Microseconds since the epoch, UTC."""
    measured: Measured
    values: tuple[Any, ...]
    """In the order of the columns of statements.INSERT_EVENTS."""


@dataclass(frozen=True, slots=True)
class LetterRow:
    """One row of events_dead_letter."""

    source: Source
    offset: int
    identity: bytes
    made_here: bool
    """True when this sink refused the record, False when it came as a dead letter."""
    reason: str
    values: tuple[Any, ...]
    """In the order of the columns of statements.INSERT_LETTERS."""


def event_row(record: Record, fields: dict[str, Any]) -> EventRow:
    """Return the row of a silver record.

    Raises
    ------
    RefusedFieldError
        If a value does not fit its column.
    """
    occurred_at = _moment("occurred_at", fields["occurred_at"])
    quality = _quality(fields["quality_score"])
    amount = None if fields["amount"] is None else _units("amount", fields["amount"], _MAX_AMOUNT)
    data = fields["data"]
    measured = Measured(
        occurred_at, _fits(fields, "account_id") or "", fields["business_context"], fields["type"], amount or 0, quality
    )
    values = (
        fields["event_id"],
        occurred_at.date(),
        _fits(fields, "type"),
        _fits(fields, "domain"),
        _fits(fields, "entity"),
        _fits(fields, "action"),
        fields["account_id"],
        _fits(fields, "user_id"),
        _fits(fields, "target_subscription"),
        _fits(fields, "business_context"),
        scaled(quality),
        None if amount is None else scaled(amount),
        _fits(fields, "currency"),
        occurred_at,
        _moment("received_at", fields["received_at"]),
        _moment("processed_at", fields["processed_at"]),
        _fits(fields, "source"),
        fields["raw_partition"],
        fields["raw_offset"],
        _fits(fields, "pipeline_version"),
        data,
        exact_text(data),
        fields["metadata"],
    )
    return EventRow(
        record.source,
        record.offset,
        fields["event_id"],
        occurred_at.date(),
        fields["received_at"],
        measured,
        values,
    )


def letter_row(record: Record, fields: dict[str, Any], now: datetime) -> LetterRow:
    """Return the row of a dead letter that came by its topic; never fails, because a letter has nowhere else to go."""
    event_id = fields["event_id"]
    reason = fields["reason"][: WIDTHS["reason"]]
    values = (
        event_id,
        reason,
        _cut("stage", fields["stage"]),
        fields["detail"][:MAX_DETAIL],
        _cut("topic", fields["topic"]),
        fields["partition"],
        fields["offset"],
        fields["schema_id"],
        _cut("payload_kind", fields["payload_kind"]),
        fields["payload"],
        _cut("type", fields["type"]),
        _cut("account_id", fields["account_id"]),
        _cut("source", fields["source"]),
        moment_or_none(fields["received_at"]),
        moment_or_none(fields["failed_at"]) or now,
        _cut("pipeline_version", fields["pipeline_version"]),
    )
    identity = event_id or digest(fields["topic"], fields["partition"], fields["offset"], fields["payload"])
    return LetterRow(record.source, record.offset, identity, made_here=False, reason=reason, values=(identity, *values))


def refused_row(
    record: Record, fields: dict[str, Any], refusal: Refusal, *, stage: str, now: datetime, pipeline_version: str
) -> LetterRow:
    """Return the dead letter of a record that this sink refuses; never fails."""
    source = record.source
    payload = record.value or b""
    event_id = _event_id(record, fields)
    identity = event_id or digest(source.topic_id, source.partition, record.offset, payload)
    values = (
        identity,
        event_id,
        refusal.reason.value,
        stage,
        refusal.detail[:MAX_DETAIL],
        source.topic,
        source.partition,
        record.offset,
        _schema_id(record.value),
        "record",
        payload,
        _cut("type", fields.get("type")),
        _cut("account_id", fields.get("account_id")),
        _cut("source", fields.get("source")),
        moment_or_none(fields.get("received_at")),
        now,
        _cut("pipeline_version", pipeline_version),
    )
    return LetterRow(source, record.offset, identity, made_here=True, reason=refusal.reason.value, values=values)


def increment(fields: dict[str, Any]) -> Increment:
    """Return an analytics record as numbers; raises RefusedFieldError as `event_row` does."""
    return Increment(
        _moment("window_start", fields["window_start"]),
        _fits(fields, "account_id") or "",
        _fits(fields, "business_context") or "",
        _fits(fields, "type") or "",
        fields["count"],
        _units("amount_sum", fields["amount_sum"], _MAX_SUM),
        _units("quality_sum", fields["quality_sum"], _MAX_SUM),
        _moment("processed_at", fields["processed_at"]),
    )


def entry(fields: dict[str, Any]) -> Entry:
    """Return a ledger record; raises RefusedFieldError as `event_row` does."""
    return Entry(
        fields["topic_id"],
        fields["partition"],
        _fits(fields, "topic") or "",
        fields["first_offset"],
        fields["last_offset"] + 1,
        fields["records"],
        fields["silver"],
        fields["dead_letters"],
        fields["duplicates"],
        _moment("committed_at", fields["committed_at"]),
    )


def scaled(units: int) -> Decimal:
    """Return units of 10**-4 as the decimal that MySQL stores."""
    return Decimal(units).scaleb(-AMOUNT_SCALE) if -(10**28) < units < 10**28 else _wide(units)


def digest(topic: str, partition: int, offset: int, payload: bytes) -> bytes:
    """Return the 16 bytes that identify a dead letter without event_id: its place and its bytes."""
    place = f"{topic}\0{partition}\0{offset}\0".encode()
    return hashlib.blake2b(place + payload, digest_size=EVENT_ID_BYTES).digest()


def _wide(units: int) -> Decimal:
    sign, digits, _ = Decimal(units).as_tuple()  # scaleb would round to the context's 28 digits
    return Decimal((sign, digits, -AMOUNT_SCALE))


def _moment(name: str, micros: int) -> datetime:
    if not _MIN_MICROS <= micros < _MAX_MICROS:
        raise RefusedFieldError(f"{name}: {micros} microseconds since 1970 are outside the years 1000 to 9999")
    return _EPOCH + timedelta(microseconds=micros)


def moment_or_none(micros: int | None) -> datetime | None:
    """Return microseconds since the epoch as UTC without a zone, None for what MySQL's DATETIME does not hold."""
    if micros is None or not _MIN_MICROS <= micros < _MAX_MICROS:
        return None
    return _EPOCH + timedelta(microseconds=micros)


def _fits(fields: dict[str, Any], name: str) -> str | None:
    text: str | None = fields[name]
    if text is not None and len(text) > WIDTHS[name]:
        raise RefusedFieldError(f"{name}: {len(text)} characters, the column holds {WIDTHS[name]}")
    return text


def _cut(name: str, text: str | None) -> str | None:
    return None if text is None else text[: WIDTHS[name]]


def _quality(score: float) -> int:
    if not math.isfinite(score) or not 0 <= score <= 1:
        raise RefusedFieldError(f"quality_score: {score} is not between 0 and 1")
    return round(score * _QUALITY_UNITS)


def _units(name: str, unscaled: bytes, limit: int) -> int:
    units = int.from_bytes(unscaled, "big", signed=True)
    if not -limit < units < limit:
        raise RefusedFieldError(f"{name}: has more digits than its column")
    return units


def _event_id(record: Record, fields: dict[str, Any]) -> bytes | None:
    # Records of events are keyed by event_id, so a value that can't be read still has its identity.
    known = fields.get("event_id")
    if isinstance(known, bytes):
        return known
    stands_for_event = record.source.artefact in (Artefact.SILVER, Artefact.DEAD_LETTER)
    if stands_for_event and record.key is not None and len(record.key) == EVENT_ID_BYTES:
        return record.key
    return None


def _schema_id(value: bytes | None) -> int | None:
    try:
        return split(value)
    except WireFormatError:
        return None
