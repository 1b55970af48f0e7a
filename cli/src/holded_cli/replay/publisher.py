"""The door to Kafka: events into the raw topic, as the collector writes them."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from holded_cli.replay.letters import Replay
from holded_cli.replay.store import Place
from holded_contracts import advice, wire
from holded_contracts.io.kafka import ConnectionLog
from holded_contracts.io.registry import RegistryReader, RegistryUnavailableError, UnknownSchemaError
from holded_contracts.settings import KafkaSettings, SchemaRegistrySettings, TopicNames
from holded_contracts.topics import Artefact

_DELIVERY_SECONDS = 30


class KafkaUnavailableError(Exception):
    """Kafka or the schema registry cannot be reached or refuses; the sentence says which."""


class Schemas:
    """The registry, asked only when it is needed."""

    def __init__(self, settings: SchemaRegistrySettings) -> None:
        self._registry = RegistryReader(settings, patience_seconds=5.0)

    def schema(self, schema_id: int) -> Any:
        """Return a writer schema.

        Raises
        ------
        wire.WireFormatError
            If the registry does not know it.
        KafkaUnavailableError
            If the registry does not answer.
        """
        try:
            return self._registry.schema(schema_id)
        except UnknownSchemaError as error:
            raise wire.WireFormatError(f"schema id {schema_id} is not registered") from error
        except RegistryUnavailableError as error:
            raise KafkaUnavailableError(f"schema registry: {error}") from error

    def raw_header(self, topic: str) -> bytes:
        """Return the bytes before each raw record; errors as in `schema`."""
        try:
            return wire.frame(self._registry.schema_id(topic, Artefact.RAW))
        except (RegistryUnavailableError, UnknownSchemaError) as error:
            raise KafkaUnavailableError(f"schema registry: {error}") from error


class Publisher:
    """Sends replays and tells which of them Kafka has."""

    def __init__(self, kafka: KafkaSettings, topics: TopicNames, header: bytes) -> None:
        self._topic = topics.raw
        self._header = header
        self._connections = ConnectionLog(fields=advice.KAFKA_ENVIRONMENT)
        self._producer = Producer(
            {
                **kafka.client_config(),
                "client.id": "holded-replay",
                "acks": "all",
                "enable.idempotence": True,
                # As the collector: copies of an event meet in one partition.
                "partitioner": "murmur2_random",
                "delivery.timeout.ms": _DELIVERY_SECONDS * 1000,
            },
            logger=self._connections,
        )

    def send(self, replays: Iterable[Replay]) -> tuple[list[tuple[Replay, Place]], list[tuple[Replay, str]]]:
        """Return those that Kafka has with their place, and the others with the reason.

        Raises
        ------
        KafkaUnavailableError
            If the client cannot take them at all.
        """
        waiting = list(replays)
        sent: list[tuple[Replay, Place]] = []
        failed: list[tuple[Replay, KafkaError]] = []

        def report(replay: Replay) -> Any:
            def delivered(error: Any, message: Any) -> None:
                if error is None:
                    sent.append((replay, Place(message.topic(), message.partition(), message.offset())))
                else:
                    failed.append((replay, error))

            return delivered

        for replay in waiting:
            value = wire.encode(self._header, wire.parsed_schema(Artefact.RAW), replay.fields)
            try:
                self._producer.produce(self._topic, value, replay.event_id, on_delivery=report(replay))
            except KafkaException as error:
                failed.append((replay, error.args[0]))
            except BufferError:
                failed.append((replay, KafkaError(KafkaError._QUEUE_FULL)))  # noqa: SLF001 -- librdkafka's own code
            self._producer.poll(0)
        with suppress(KafkaException):
            self._producer.flush(_DELIVERY_SECONDS + 5)
        told = [(replay, self._connections.explain(error, self._producer.poll)) for replay, error in failed]
        if not sent and told:
            raise KafkaUnavailableError(f"Kafka did not take what was to be sent: {told[0][1]}")
        return sent, told
