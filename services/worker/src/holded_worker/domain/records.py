"""The forms a record takes on its way through the worker."""

from typing import Any, NamedTuple

from holded_contracts.reasons import DeadLetterReason

type SilverRecord = dict[str, Any]
"""Fields of silver.avsc in in-process types (timestamps in microseconds, decimals as bytes)."""

type DeadLetter = dict[str, Any]
"""Fields of dead_letter.avsc in in-process types."""


class RawRecord(NamedTuple):
    """A Kafka record of the raw topic, undecoded."""

    topic: str
    partition: int
    offset: int
    value: bytes | None
    traceparent: str | None = None
    """W3C trace context that the collector put into the Kafka header of that name."""


class Span(NamedTuple):
    """Records of one partition, by their first and last offset, both included."""

    first: int
    last: int
    records: int
    """May be fewer than there are offsets between the two."""


class RawEvent(NamedTuple):
    """A decoded raw record: who sent what and when, the payload still untouched."""

    topic: str
    partition: int
    offset: int
    schema_id: int
    event_id: bytes
    received_at: int
    type: str
    source: str | None
    payload: bytes
    traceparent: str | None = None


class Refusal(NamedTuple):
    """Why a record can never become a silver record; `type` and `account_id` as far as they could be read."""

    reason: DeadLetterReason
    detail: str
    schema_id: int | None = None
    type: str | None = None
    account_id: str | None = None
