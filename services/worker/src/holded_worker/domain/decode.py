"""From the bytes of a raw record to a raw event."""

from typing import Any, Protocol

from holded_contracts import wire
from holded_contracts.reasons import DeadLetterReason
from holded_contracts.topics import Artefact
from holded_worker.domain.avro import RawFields, read_raw
from holded_worker.domain.records import RawEvent, RawRecord, Refusal

_OURS = wire.parsed_schema(Artefact.RAW)


class SchemaSource(Protocol):
    """Knows the writer schema of an id."""

    def writer_schema(self, schema_id: int) -> Any | None:
        """Return the parsed schema, None when the registry does not know the id or it is no Avro schema."""


def decode(record: RawRecord, schemas: SchemaSource) -> RawEvent | Refusal:
    """Return the event of a record, or why its bytes are none."""
    topic, partition, offset, value, traceparent = record
    schema_id: int | None = None
    try:
        schema_id = wire.split(value)
        writer = schemas.writer_schema(schema_id)
        if writer is None:
            return _unreadable(f"schema id {schema_id} is not an Avro schema of the registry", schema_id)
        event_id, received_at, type_, source, payload = _fields(value or b"", writer)
    except wire.WireFormatError as error:
        return _unreadable(str(error), schema_id)
    return RawEvent(topic, partition, offset, schema_id, event_id, received_at, type_, source, payload, traceparent)


def _fields(value: bytes, writer: Any) -> RawFields:
    if writer is _OURS:
        fields = read_raw(value)
        if fields is not None:
            return fields
    # fastavro resolves two schemas field by field, so it is given ours only where they differ.
    return RawFields(**wire.decode(value, writer, None if writer is _OURS else _OURS))


def _unreadable(detail: str, schema_id: int | None) -> Refusal:
    # Avro's id is unsigned, the dead letter's field is signed.
    known = schema_id if schema_id is not None and schema_id < 2**31 else None
    return Refusal(DeadLetterReason.UNREADABLE_RECORD, detail[:500], schema_id=known)
