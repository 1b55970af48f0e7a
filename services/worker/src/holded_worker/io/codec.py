"""Schemas on both sides: those our inputs were written with, and the ids under which we write."""

import time
from collections.abc import Iterable, Mapping
from typing import Any

import structlog

from holded_contracts import wire
from holded_contracts.io.registry import RegistryReader, RegistryUnavailableError, UnknownSchemaError
from holded_contracts.settings import TopicNames
from holded_contracts.topics import Artefact
from holded_worker.domain.avro import frame_silver
from holded_worker.domain.records import RawRecord, SilverRecord
from holded_worker.io.errors import TransientError

_ASK_AGAIN_SECONDS = 60.0
_MAX_SET_ASIDE = 10_000

log = structlog.get_logger()


class WriterSchemas:
    """Writer schemas by id, looked up before a batch is processed, so that processing itself needs no network."""

    def __init__(self, registry: RegistryReader, topics: TopicNames) -> None:
        self._registry = registry
        self._raw_topic = topics.raw
        self._known: dict[int, Any] = {}
        self._unknown: dict[int, float] = {}

    def lookup(self, records: Iterable[RawRecord]) -> Mapping[int, Any]:
        """Return the schema of every id in the records that is one.

        Raises
        ------
        TransientError
            If the registry does not answer: then nothing can be said about these records.
        """
        headers = {record.value[: wire.HEADER_SIZE] for record in records if record.value is not None}
        for schema_id in {found for header in headers if (found := _schema_id(header)) is not None}:
            self.find(schema_id)
        return self._known

    def find(self, schema_id: int) -> None:
        """Look one id up; errors as in `lookup`."""
        if schema_id not in self._known and self._unknown.get(schema_id, 0.0) < time.monotonic():
            self._ask(schema_id)

    def writer_schema(self, schema_id: int) -> Any | None:
        """Return a schema that has been looked up."""
        return self._known.get(schema_id)

    def _ask(self, schema_id: int) -> None:
        try:
            schema = self._registry.schema(schema_id)
        except RegistryUnavailableError as error:
            raise TransientError(f"schema registry: {error}") from error
        except UnknownSchemaError as error:
            self._check_registry_is_ours()
            self._set_aside(schema_id, str(error))
        except Exception as error:  # noqa: BLE001 -- fastavro and the JSON reader have no common base for "no Avro schema"
            self._set_aside(schema_id, f"not an Avro schema: {error}")
        else:
            # Our own version decodes without resolution, which takes half the time.
            ours = wire.parsed_schema(Artefact.RAW)
            self._known[schema_id] = ours if schema == ours else schema

    def _check_registry_is_ours(self) -> None:
        """Refuse to believe a registry that lost its storage or is another one, or the dead letters would fill."""
        try:
            self._registry.schema_id(self._raw_topic, Artefact.RAW)
        except (UnknownSchemaError, RegistryUnavailableError) as error:
            raise TransientError(f"schema registry does not know our own schema: {error}") from error

    def _set_aside(self, schema_id: int, why: str) -> None:
        """Remember for a minute: poison costs few questions, and an id that was registered late is found in time."""
        log.warning("unusable schema id in raw records", schema_id=schema_id, why=why)
        if len(self._unknown) >= _MAX_SET_ASIDE:
            self._unknown.clear()
        self._unknown[schema_id] = time.monotonic() + _ASK_AGAIN_SECONDS


class Encoders:
    """Writes our records under the schema ids that the operator registered."""

    def __init__(self, registry: RegistryReader, topics: TopicNames) -> None:
        """Look the ids up.

        Raises
        ------
        TransientError
            If the registry does not answer or a subject is not registered yet.
        """
        self._headers: dict[Artefact, bytes] = {}
        for artefact in (Artefact.SILVER, Artefact.DEAD_LETTER, Artefact.ANALYTICS, Artefact.LEDGER):
            try:
                schema_id = registry.schema_id(getattr(topics, artefact), artefact)
            except (RegistryUnavailableError, UnknownSchemaError) as error:
                raise TransientError(f"schema registry: {error}") from error
            self._headers[artefact] = wire.frame(schema_id)

    def silver(self, record: SilverRecord) -> bytes:
        """Return the Kafka value of a silver record; what `encode` does, in a third of the time."""
        return frame_silver(self._headers[Artefact.SILVER], record)

    def encode(self, artefact: Artefact, record: dict[str, Any]) -> bytes:
        """Return the Kafka value of a record."""
        return wire.encode(self._headers[artefact], wire.parsed_schema(artefact), record)


def _schema_id(header: bytes) -> int | None:
    try:
        return wire.split(header)
    except wire.WireFormatError:
        return None  # the decoding step makes the dead letter
