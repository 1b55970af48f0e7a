"""The whole way of one record as pure steps; the Beam pipeline runs the same steps over lists of records."""

from typing import Any, NamedTuple

import orjson

from holded_contracts import wire
from holded_contracts.reasons import DeadLetterReason, Stage
from holded_contracts.settings import ClassificationRule, QualityWeights, WorkerSettings
from holded_worker.domain.classify import Attempt, classifier
from holded_worker.domain.decode import SchemaSource, decode
from holded_worker.domain.enrich import Facts, enrich
from holded_worker.domain.envelope import EARLIEST, LATEST, MAX_DETAIL_LENGTH, MAX_TEXT_LENGTH, Envelope, open_envelope
from holded_worker.domain.memo import Latest
from holded_worker.domain.quality import Quality, score
from holded_worker.domain.records import DeadLetter, RawEvent, RawRecord, Refusal, SilverRecord

MAX_RECORD_BYTES = 1_000_000
"""Bytes of a record value that every topic takes: below Kafka's default max.message.bytes, with room for its frame."""
_COLUMNS = frozenset({"type", "targetSubscription"})
_FRAME_BYTES = 16_384
"""More than all fields of a silver record or dead letter beside its JSON or payload."""


class Rules(NamedTuple):
    """All that decides how an event is processed."""

    version: str
    """Version of code, rules and weights."""
    classification: tuple[ClassificationRule, ...] = ()
    """Tried before the built-in rules."""
    weights: QualityWeights = QualityWeights()
    max_string_length: int = 65_535

    @classmethod
    def of(cls, settings: WorkerSettings) -> "Rules":
        """Return the rules of a worker's settings."""
        return cls(
            settings.pipeline.version,
            settings.classification_rules,
            settings.quality_weights,
            settings.max_string_length,
        )


class Opened(NamedTuple):
    """A valid event."""

    event: RawEvent
    envelope: Envelope


class Enriched(NamedTuple):
    """A valid event with its facts."""

    event: RawEvent
    envelope: Envelope
    facts: Facts


class Classified(NamedTuple):
    """An enriched event with its business context."""

    event: RawEvent
    envelope: Envelope
    facts: Facts
    context: str


class Scored(NamedTuple):
    """All that is known of an event."""

    event: RawEvent
    envelope: Envelope
    facts: Facts
    context: str
    quality: Quality


_CLASSIFIERS = Latest(classifier)


def open_event(event: RawEvent, rules: Rules) -> Opened | Refusal:
    """Parse, sanitize and validate."""
    envelope = open_envelope(event, rules.max_string_length)
    return envelope if isinstance(envelope, Refusal) else Opened(event, envelope)


def enrich_event(opened: Opened) -> Enriched:
    """Add event time, lag, amount and currency."""
    return Enriched(*opened, enrich(opened.envelope, opened.event.received_at))


def classify_event(enriched: Enriched, rules: Rules) -> Classified:
    """Add the business context."""
    return Classified(*enriched, _CLASSIFIERS.of(rules.classification).classify(enriched.envelope.type))


def classification_attempts(enriched: Enriched, rules: Rules) -> list[Attempt]:
    """Return the rules that `classify_event` tries, those of the resource first."""
    return list(_CLASSIFIERS.of(rules.classification).attempts(enriched.envelope.type))


def score_event(classified: Classified, rules: Rules) -> Scored:
    """Add the quality score."""
    return Scored(*classified, score(classified.envelope, classified.facts, rules.weights))


def to_silver(scored: Scored, rules: Rules, now: int) -> SilverRecord | Refusal:
    """Return the silver record, or a refusal when it is larger than Kafka takes; `now` in microseconds."""
    event, envelope, facts, context, quality = scored
    metadata = _metadata(event, envelope, facts, quality)
    if len(envelope.data_json) + len(metadata) + _FRAME_BYTES > MAX_RECORD_BYTES:
        detail = (
            f"event: data has {len(envelope.data_json)} bytes and metadata {len(metadata)}; "
            f"a record holds {MAX_RECORD_BYTES - _FRAME_BYTES}"
        )
        return Refusal(DeadLetterReason.TOO_LARGE, detail, event.schema_id, envelope.type_text, envelope.account_id)
    amount = facts.money.amount
    return {
        "event_id": event.event_id,
        "type": envelope.type_text,
        "domain": envelope.type.domain,
        "entity": envelope.type.entity,
        "action": envelope.type.action,
        "account_id": envelope.account_id,
        "user_id": envelope.user_id,
        "target_subscription": envelope.target_subscription,
        "business_context": context,
        "quality_score": quality.score,
        "amount": None if amount is None else wire.decimal_to_bytes(amount),
        "currency": facts.money.currency,
        "occurred_at": facts.time.at,
        "received_at": event.received_at,
        "processed_at": now,
        "source": event.source,
        "raw_partition": event.partition,
        "raw_offset": event.offset,
        "pipeline_version": rules.version,
        "data": envelope.data_json.decode("utf-8"),
        "metadata": metadata.decode("utf-8"),
    }


def _metadata(event: RawEvent, envelope: Envelope, facts: Facts, quality: Quality) -> bytes:
    """Headers keep their own JSON text; headers that have a column of their own are left out."""
    metadata: dict[str, Any] = {
        "headers": {
            name: orjson.Fragment(text) for name, text in envelope.headers_json.items() if name not in _COLUMNS
        },
        "quality": orjson.Fragment(quality.checks_json),
        "occurred_at_source": facts.time.source,
        "lag_ms": facts.lag // 1000,
    }
    if event.traceparent is not None:
        metadata["traceparent"] = event.traceparent
    if envelope.sanitized:
        metadata["sanitized"] = envelope.sanitized
    notes = [*(f"{path}: not a time between 2000 and receipt" for path in facts.time.rejected), *facts.money.notes]
    if notes:
        metadata["notes"] = notes
    # Not nested once more, so that metadata is never deeper than the event, whose depth has been checked.
    for name, text in envelope.extra_json.items():
        metadata[f"event.{name}"] = orjson.Fragment(text)
    return orjson.dumps(metadata)


def dead_letter(source: RawRecord | RawEvent, refusal: Refusal, rules: Rules, now: int) -> DeadLetter:
    """Return the dead letter of a refused record, with its original bytes and its place; `now` in microseconds."""
    detail = refusal.detail
    if isinstance(source, RawEvent):
        kind, payload = "event", source.payload
    else:
        kind, payload = "record", source.value or b""
    room = MAX_RECORD_BYTES - _FRAME_BYTES
    if len(payload) > room:
        # Only a producer other than the collector can send so much; the place still leads to all of it.
        detail = f"{detail}; payload cut from {len(payload)} to {room} bytes"
        payload = payload[:room]
    event = source if isinstance(source, RawEvent) else None
    received_at = event.received_at if event is not None and EARLIEST <= event.received_at < LATEST else None
    return {
        "event_id": event.event_id if event is not None else None,
        "reason": refusal.reason.value,
        "stage": Stage.WORKER.value,
        "detail": detail,
        "topic": source.topic,
        "partition": source.partition,
        "offset": source.offset,
        "schema_id": refusal.schema_id,
        "payload_kind": kind,
        "payload": payload,
        "type": refusal.type,
        "account_id": refusal.account_id,
        "source": event.source[:255] if event is not None and event.source is not None else None,
        "received_at": received_at,
        "failed_at": now,
        "pipeline_version": rules.version,
    }


def unforeseen(source: RawRecord | RawEvent, step: str, error: Exception) -> Refusal:
    """Return the refusal of a record on which a step failed in a way that nobody foresaw."""
    detail = f"{step}: {type(error).__name__}: {error}"[:MAX_DETAIL_LENGTH]
    # What an exception quotes may be anything, also what no UTF-8 can hold.
    detail = detail.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(source, RawRecord):
        return Refusal(DeadLetterReason.PROCESSING_ERROR, detail)
    return Refusal(DeadLetterReason.PROCESSING_ERROR, detail, source.schema_id, source.type[:MAX_TEXT_LENGTH] or None)


class Outcome(NamedTuple):
    """Exactly one of the two is there."""

    silver: SilverRecord | None
    dead: DeadLetter | None


def process(record: RawRecord, schemas: SchemaSource, rules: Rules, now: int) -> Outcome:
    """Take one record all the way. Whatever its bytes are, it becomes a silver record or a dead letter."""
    event = decode(record, schemas)
    if isinstance(event, Refusal):
        return Outcome(None, dead_letter(record, event, rules, now))
    return process_event(event, rules, now)


def process_event(event: RawEvent, rules: Rules, now: int) -> Outcome:
    """Take a decoded event all the way; see `process`."""
    opened = open_event(event, rules)
    if isinstance(opened, Opened):
        scored = score_event(classify_event(enrich_event(opened), rules), rules)
        result = to_silver(scored, rules, now)
        if not isinstance(result, Refusal):
            return Outcome(result, None)
        opened = result
    return Outcome(None, dead_letter(event, opened, rules, now))
