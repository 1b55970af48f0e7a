"""The collector as a process of its own, with real Kafka and registry behind it."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, TopicPartition

from holded_contracts.settings import (
    CollectorSettings,
    KafkaSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    TopicNames,
)
from tests.support.containers import free_port
from tests.support.running_collector import RunningCollector


class Forwarder:
    """A port of 127.0.0.1 that leads elsewhere while it is open."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.port = free_port()
        self._target = target
        self._listener: socket.socket | None = None
        self._connections: list[socket.socket] = []

    def open(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port))
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def close(self) -> None:
        for opened in [self._listener, *self._connections]:
            if opened is not None:
                with suppress(OSError):
                    opened.shutdown(socket.SHUT_RDWR)
                opened.close()

    def _accept(self, listener: socket.socket) -> None:
        with suppress(OSError):
            while True:
                inside, _ = listener.accept()
                outside = socket.create_connection(self._target)
                self._connections += [inside, outside]
                for source, sink in ((inside, outside), (outside, inside)):
                    threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                sink.sendall(data)


type StartCollector = Callable[..., RunningCollector]


@pytest.fixture
def start_collector(
    pipeline: PipelineSettings, tmp_path: Path
) -> Iterator[Callable[[KafkaSettings, SchemaRegistrySettings, TopicNames], RunningCollector]]:
    """Start collectors of this test; they end with it."""
    started: list[RunningCollector] = []

    def start(
        kafka: KafkaSettings, registry: SchemaRegistrySettings, topics: TopicNames, **overrides: Any
    ) -> RunningCollector:
        settings = CollectorSettings.model_validate(
            {"pipeline": pipeline, "kafka": kafka, "schema_registry": registry, "topics": topics, "port": free_port()}
            | {"shutdown_grace_seconds": 10.0}
            | overrides
        )
        collector = RunningCollector(settings, tmp_path / f"collector-{len(started)}.log")
        started.append(collector)
        collector.wait_alive()
        return collector

    yield start
    for collector in started:
        collector.process.kill()
        collector.process.wait()


@contextmanager
def _consumer(kafka: KafkaSettings) -> Iterator[Consumer]:
    consumer = Consumer(
        {
            **kafka.client_config(),
            "group.id": "reader",
            "enable.auto.commit": False,
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
        }
    )
    try:
        yield consumer
    finally:
        consumer.close()


def read_topic(kafka: KafkaSettings, topic: str) -> list[Message]:
    """Return every record, from the beginning to the present end."""
    records: list[Message] = []
    with _consumer(kafka) as consumer:
        partitions = set(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions])
        while partitions:
            message = consumer.poll(30)
            assert message is not None, "Kafka is silent"
            if message.error() is None:
                records.append(message)
            elif message.error().code() == KafkaError._PARTITION_EOF:
                partitions.discard(message.partition())
            else:
                raise AssertionError(str(message.error()))
    return records


@pytest.fixture
def read_records() -> Callable[[KafkaSettings, str], list[tuple[int, bytes, bytes]]]:
    """Return what reads (partition, key, value) of every record of a topic."""
    return lambda kafka, topic: [
        (message.partition(), message.key(), message.value()) for message in read_topic(kafka, topic)
    ]


@pytest.fixture
def read_headers() -> Callable[[KafkaSettings, str], list[dict[str, bytes]]]:
    """Return what reads the headers of every record of a topic."""
    return lambda kafka, topic: [dict(message.headers() or ()) for message in read_topic(kafka, topic)]


@pytest.fixture
def forward_to() -> Iterator[Callable[[str, int], Forwarder]]:
    """Make ports that lead elsewhere; they close with the test."""
    made: list[Forwarder] = []

    def make(host: str, port: int) -> Forwarder:
        made.append(Forwarder((host, port)))
        return made[-1]

    yield make
    for forwarder in made:
        forwarder.close()
