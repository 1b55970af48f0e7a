"""From Kafka records to fields, through the registry."""

from typing import Any

from fastavro.schema import SchemaParseException

from holded_contracts.io.registry import RegistryReader, RegistryUnavailableError, UnknownSchemaError
from holded_contracts.reasons import DeadLetterReason
from holded_contracts.wire import WireFormatError, decode, parsed_schema, split
from holded_sink.batch import Decoded, Record, Refusal, Source
from holded_sink.errors import SystemicError, TransientError


class Decoder:
    """Reads values with the schema they were written with, into our own version of it."""

    def __init__(self, registry: RegistryReader) -> None:
        self._registry = registry

    def decode(self, records: list[Record]) -> list[Decoded]:
        """Return one result per record, in order.

        Raises
        ------
        TransientError
            If the registry is away.
        SystemicError
            If the registry knows neither a record's schema nor our own: then it has lost its content, and the records
            are not to blame.
        """
        unknown: dict[int, str] = {}
        try:
            return [self._decode(record, unknown) for record in records]
        except RegistryUnavailableError as error:
            raise TransientError(f"schema registry: {error}") from error

    def _decode(self, record: Record, unknown: dict[int, str]) -> Decoded:
        try:
            schema_id = split(record.value)
            writer_schema = self._writer_schema(schema_id, record.source, unknown)
            fields = decode(record.value or b"", writer_schema, parsed_schema(record.source.artefact))
        except WireFormatError as error:
            return Decoded(record, refusal=Refusal(DeadLetterReason.UNREADABLE_RECORD, str(error)))
        return Decoded(record, fields)

    def _writer_schema(self, schema_id: int, source: Source, unknown: dict[int, str]) -> Any:
        if schema_id in unknown:
            raise WireFormatError(unknown[schema_id])
        try:
            return self._registry.schema(schema_id)
        except UnknownSchemaError as error:
            self._check_registry_has_content(source)
            unknown[schema_id] = f"schema id {schema_id} is not registered"
            raise WireFormatError(unknown[schema_id]) from error
        except (SchemaParseException, ValueError, KeyError, TypeError) as error:
            unknown[schema_id] = f"schema id {schema_id} is no Avro schema: {type(error).__name__}: {error}"
            raise WireFormatError(unknown[schema_id]) from error

    def _check_registry_has_content(self, source: Source) -> None:
        try:
            self._registry.schema_id(source.topic, source.artefact)
        except UnknownSchemaError as error:
            raise SystemicError(f"the schema registry has lost the schemas of {source.topic}: {error}") from error
