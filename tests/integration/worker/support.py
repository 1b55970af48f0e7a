"""Driving a real worker process against real Kafka."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, OffsetSpec
from prometheus_client import CollectorRegistry

from holded_contracts import wire
from holded_contracts.identity import DEFAULT_ID_HEADERS, derive_event_id
from holded_contracts.io.probes import Heartbeat
from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import WorkerSettings
from holded_contracts.settings.render import render_env
from holded_contracts.topics import Artefact, worker_group
from holded_worker.domain.process import Rules
from holded_worker.driver import Driver
from holded_worker.embedded import EmbeddedRunner
from holded_worker.metrics import Metrics
from tests.support.containers import free_port
from tests.support.waiting import wait_until

TYPE = r"Holded\Wallet\Domain\Transaction\Events\WalletTransactionCreatedEvent"
RECEIVED_AT = 1_790_000_000_000_000
PARTITIONS = 3
"""Of each topic, until a test makes it grow."""


def event(number: int) -> bytes:
    """Return the JSON of a valid event."""
    body = {
        "data": {"id": f"t{number}", "amount": number, "currency": "EUR"},
        "headers": {"type": TYPE, "X-Message-Stamp-ContextStamp": {"accountId": f"a{number % 3}", "userId": "u"}},
    }
    return json.dumps(body).encode()


class RawTopic:
    """Writes raw records as the collector does."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._topic = settings.topics.raw
        registry = RegistryReader(settings.schema_registry)
        self.header = wire.frame(registry.schema_id(self._topic, Artefact.RAW))
        registry.close()
        self._producer = Producer({**settings.kafka.client_config(), "enable.idempotence": True, "linger.ms": 5})

    def send(self, payloads: list[bytes], headers: dict[str, bytes] | None = None) -> None:
        """Send events, keyed by their identity; returns when Kafka has them."""
        for payload in payloads:
            event_id = identity(payload)
            fields = {
                "event_id": event_id,
                "received_at": RECEIVED_AT,
                "type": TYPE,
                "source": None,
                "payload": payload,
            }
            value = wire.encode(self.header, wire.parsed_schema(Artefact.RAW), fields)
            self._producer.produce(self._topic, value, event_id, headers=headers)
            self._producer.poll(0)
        assert self._producer.flush(30) == 0

    def send_value(self, value: bytes | None, partition: int = 0) -> None:
        """Send a record value as it is."""
        self._producer.produce(self._topic, value, b"poison", partition=partition)
        assert self._producer.flush(30) == 0


def identity(payload: bytes) -> bytes:
    """Return the id the collector would give; what is no JSON has one of its own bytes here."""
    try:
        return derive_event_id(payload, TYPE, {}, DEFAULT_ID_HEADERS)
    except ValueError:
        return payload[:16].ljust(16, b"\0")


@dataclass
class Worker:
    """One worker process."""

    settings: WorkerSettings
    process: subprocess.Popen[bytes]
    log_path: str

    def ready(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.settings.probes_port}/ready", timeout=2).status_code == 200

    def metric(self, name: str) -> float:
        text = httpx.get(f"http://127.0.0.1:{self.settings.probes_port}/metrics", timeout=2).text
        return sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(name))

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """End it as Kubernetes does; returns the exit code."""
        self.process.terminate()
        return self.process.wait(40)

    def log(self) -> str:
        with open(self.log_path, encoding="utf-8") as file:  # noqa: PTH123 -- a test's log
            return file.read()


@dataclass
class Workers:
    """Starts workers and sees that none outlives its test."""

    settings: WorkerSettings
    folder: str
    started: list[Worker] = field(default_factory=list)

    def start(self, pod: str = "worker-0", **changes: Any) -> Worker:
        settings = self.settings.model_copy(update={"pod_name": pod, "probes_port": free_port(), **changes})
        environment = {**os.environ, **render_env(settings), "HOLDED_POD_NAME": pod}
        path = f"{self.folder}/{pod}-{len(self.started)}.log"
        with open(path, "wb") as log:  # noqa: PTH123 -- a test's log
            process = subprocess.Popen(
                [sys.executable, "-m", "holded_worker.main"], env=environment, stdout=log, stderr=subprocess.STDOUT
            )
        worker = Worker(settings, process, path)
        self.started.append(worker)
        return worker

    def start_ready(self, pod: str = "worker-0", **changes: Any) -> Worker:
        worker = self.start(pod, **changes)
        wait_until(worker.ready, timeout=60, what="worker is ready")
        return worker

    def kill_all(self) -> None:
        for worker in self.started:
            with suppress(ProcessLookupError):
                worker.kill()


@dataclass
class Topics:
    """The state of all topics, as a read_committed consumer sees it."""

    settings: WorkerSettings
    admin: AdminClient
    partitions: int = PARTITIONS

    def grow(self, partitions: int) -> None:
        """Give raw and silver more partitions."""
        self.partitions = partitions
        for topic in (self.settings.topics.silver, self.settings.topics.raw):
            for grown in self.admin.create_partitions([NewPartitions(topic, partitions)]).values():
                grown.result(30)
        wait_until(lambda: self._known_anew() > 0, what="the new partitions are known")

    def _known_anew(self) -> int:
        """Ask with a client of its own each time: one that has asked too early goes on with what it knows for minutes."""
        self.admin = AdminClient({**self.settings.kafka.client_config()})
        return sum(self.end_offsets(Artefact.RAW).values())

    def end_offsets(self, artefact: Artefact) -> dict[int, int]:
        topic = getattr(self.settings.topics, artefact)
        wanted = {TopicPartition(topic, partition): OffsetSpec.latest() for partition in range(self.count(artefact))}
        return {key.partition: found.result(10).offset for key, found in self.admin.list_offsets(wanted).items()}

    def count(self, artefact: Artefact) -> int:
        return self.partitions if artefact in (Artefact.RAW, Artefact.SILVER) else PARTITIONS

    def committed(self, isolation: str = "read_committed") -> dict[int, int]:
        """Return the workers' offsets; with read_committed Kafka keeps them back while a transaction over them is open."""
        with consumer(self.settings, isolation) as reader:
            positions = reader.committed(
                [TopicPartition(self.settings.topics.raw, partition) for partition in range(self.partitions)], 10
            )
        return {position.partition: max(0, position.offset) for position in positions}

    def drained(self) -> bool:
        """Tell whether every raw record has been committed by the workers."""
        ends, committed = self.end_offsets(Artefact.RAW), self.committed()
        assert committed == ends, f"committed {committed} of {ends}"
        return True

    def messages(self, artefact: Artefact) -> list[Message]:
        """Return every committed record; those of a partition are in the order of their offsets."""
        topic = getattr(self.settings.topics, artefact)
        ends = self.end_offsets(artefact)
        found: list[Message] = []
        with consumer(self.settings) as reader:
            reader.assign([TopicPartition(topic, partition, 0) for partition in ends])
            open_ends = {partition for partition, end in ends.items() if end > 0}
            while open_ends:
                message = reader.poll(20)
                assert message is not None, f"{topic} cannot be read to its end: {open_ends} of {ends}"
                if message.error() is None:
                    found.append(message)
                elif message.offset() >= ends[message.partition()]:
                    open_ends.discard(message.partition())
        return found

    def read(self, artefact: Artefact) -> list[tuple[Message, dict[str, Any]]]:
        """Return every committed record with its decoded value."""
        schema = wire.parsed_schema(artefact)
        return [(message, wire.decode(message.value(), schema, None)) for message in self.messages(artefact)]

    def values(self, artefact: Artefact) -> list[dict[str, Any]]:
        return [value for _, value in self.read(artefact)]

    def assert_ledger_balances(self) -> Counter[str]:
        """Check the ledger against raw and against the outputs, partition by partition; return its totals."""
        totals: Counter[str] = Counter()
        expected = {partition: 0 for partition, end in self.end_offsets(Artefact.RAW).items() if end}
        for entry in sorted(self.values(Artefact.LEDGER), key=lambda one: (one["partition"], one["first_offset"])):
            assert entry["first_offset"] == expected[entry["partition"]], "ranges neither overlap nor leave gaps"
            assert entry["records"] == entry["last_offset"] - entry["first_offset"] + 1
            assert entry["records"] == entry["silver"] + entry["dead_letters"] + entry["duplicates"]
            expected[entry["partition"]] = entry["last_offset"] + 1
            totals.update({name: entry[name] for name in ("records", "silver", "dead_letters", "duplicates")})
        assert expected == {partition: end for partition, end in self.end_offsets(Artefact.RAW).items() if end}
        assert totals["silver"] == len(self.values(Artefact.SILVER))
        assert totals["dead_letters"] == len(self.values(Artefact.DEAD_LETTER))
        assert totals["silver"] == sum(one["count"] for one in self.values(Artefact.ANALYTICS))
        return totals


def worker_driver(settings: WorkerSettings, metrics: CollectorRegistry, stop: threading.Event) -> Driver:
    """Compose a worker in this process."""
    return Driver(
        settings,
        runner=EmbeddedRunner(Rules.of(settings)),
        registry=RegistryReader(settings.schema_registry, patience_seconds=1),
        metrics=Metrics(metrics),
        heartbeat=Heartbeat(),
        stop=stop,
    )


@contextmanager
def running(settings: WorkerSettings) -> Iterator[CollectorRegistry]:
    """Run a worker in a thread of this process; yields its metrics."""
    stop = threading.Event()
    metrics = CollectorRegistry()
    thread = threading.Thread(target=worker_driver(settings, metrics, stop).run)
    thread.start()
    try:
        yield metrics
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


@contextmanager
def consumer(settings: WorkerSettings, isolation: str = "read_committed") -> Iterator[Consumer]:
    """Yield a consumer that can ask for the workers' committed offsets but joins no group."""
    config = {
        **settings.kafka.client_config(),
        "group.id": worker_group(settings.pipeline.namespace, settings.pipeline.name),
        "isolation.level": isolation,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 10,  # the end of a partition is told by an empty answer
    }
    reader = Consumer(config)
    try:
        yield reader
    finally:
        reader.close()
