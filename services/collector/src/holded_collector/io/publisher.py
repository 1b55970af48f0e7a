"""The producer of raw records: one delivery barrier a request, callbacks on a polling thread, outages known early."""

import asyncio
import logging
import threading
from collections.abc import Sequence

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from holded_collector.metrics import Metrics
from holded_collector.service import DeliveryError
from holded_contracts.io.kafka import ConnectionLog
from holded_contracts.settings import CollectorSettings

LINGER_MS = 5
"""Time a record waits for others of its partition: what one acknowledgement costs is shared by all of a batch."""
QUEUE_KBYTES = 128 * 1024
"""Memory for records that Kafka has not acknowledged; beyond it requests are answered with 503."""
QUEUE_MESSAGES = 500_000
ENVELOPE_BYTES = 16_384
"""More than a raw record can have besides its payload: type, source, ids and Kafka's own overhead."""
PROBE_SECONDS = 1.0
"""Pause between two attempts to reach Kafka while it is away."""
PROBE_TIMEOUT_SECONDS = 3.0
_POLL_SECONDS = 0.1
_BARRIER_SLACK_SECONDS = 5.0

log = structlog.get_logger(__name__)


class _Barrier:
    """Lets one request wait for all its records; called by the polling thread, once a record."""

    __slots__ = ("_left", "_loop", "error", "failed", "future")

    def __init__(self, expected: int, loop: asyncio.AbstractEventLoop) -> None:
        self._left = expected
        self._loop = loop
        self.future: asyncio.Future[None] = loop.create_future()
        self.error: KafkaError | None = None
        self.failed = 0

    def __call__(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self.error = error
            self.failed += 1
        self._left -= 1
        if self._left == 0 and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._open)

    def _open(self) -> None:
        if not self.future.done():
            self.future.set_result(None)


class KafkaPublisher:
    """Writes to the raw topic with acks=all by an idempotent producer, without transactions.

    While Kafka is known to be away, `unavailable` returns the reason and requests are refused before they wait. The
    knowledge comes from librdkafka's errors and failed deliveries; it is lifted by a metadata request that succeeds.
    """

    def __init__(self, settings: CollectorSettings, metrics: Metrics) -> None:
        self._topic = settings.topics.raw
        self._where = settings.kafka.bootstrap_servers
        self._patience = settings.limits.delivery_timeout_seconds + _BARRIER_SLACK_SECONDS
        self._metrics = metrics
        self._lock = threading.Lock()
        self._fault: str | None = f"Kafka at {self._where} has not answered yet"
        self._faults = 0
        self._fatal: str | None = None
        self._stop = threading.Event()
        self._suspicion = threading.Event()
        self._threads = [
            threading.Thread(target=self._poll, name="kafka-callbacks", daemon=True),
            threading.Thread(target=self._watch, name="kafka-watch", daemon=True),
        ]
        self._connections = ConnectionLog(_log_line)
        self._producer = Producer(producer_config(settings) | {"error_cb": self._on_error}, logger=self._connections)

    def start(self) -> None:
        """Start both threads; Kafka need not be there."""
        for thread in self._threads:
            thread.start()

    def unavailable(self) -> str | None:
        """Return why no request can be taken now, None when Kafka is believed to be there."""
        return self._fatal or self._fault

    def broken(self) -> str | None:
        """Return the error from which only a new process recovers, if there was one."""
        return self._fatal

    async def publish(self, records: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        """Return once Kafka has acknowledged every (key, value), each with these headers.

        Raises
        ------
        DeliveryError
            If it has not taken all of them; some may be in the topic.
        """
        barrier = _Barrier(len(records), asyncio.get_running_loop())
        options = {"headers": list(headers)} if headers else {}
        try:
            for key, value in records:
                self._producer.produce(self._topic, value, key, on_delivery=barrier, **options)
        except BufferError as error:
            self._metrics.delivery_errors.labels("_QUEUE_FULL").inc(len(records))
            raise DeliveryError("the collector's queue to Kafka is full") from error
        except KafkaException as error:
            raise self._failed(error.args[0], len(records)) from error
        try:
            async with asyncio.timeout(self._patience):
                await barrier.future
        except TimeoutError as error:
            self._suspect("deliveries are not confirmed in time")
            raise DeliveryError("Kafka did not confirm in time") from error
        if barrier.error is not None:
            raise self._failed(barrier.error, barrier.failed)

    def close(self, timeout_seconds: float) -> None:
        """Wait for outstanding deliveries, then stop; what is left after the timeout was never acknowledged."""
        self._stop.set()
        self._suspicion.set()
        for thread in self._threads:
            if thread.is_alive():
                thread.join(timeout=_POLL_SECONDS * 5)
        left = self._producer.flush(timeout_seconds)
        if left:
            log.warning("records left unconfirmed at shutdown", records=left)

    def _failed(self, error: KafkaError, records: int) -> DeliveryError:
        self._metrics.delivery_errors.labels(error.name()).inc(records)
        log.warning("kafka did not take records", records=records, error=error.name(), reason=error.str())
        self._suspect(f"{error.name()}: {error.str()}")
        return DeliveryError(f"Kafka did not take {records} of the events ({error.name()}: {error.str()})")

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal():
            self._fatal = f"the Kafka producer cannot go on ({error.name()}: {error.str()}) and must be restarted"
            log.error("kafka producer is broken", error=error.name(), reason=error.str())
        elif error.code() in (KafkaError._ALL_BROKERS_DOWN, KafkaError._AUTHENTICATION):  # noqa: SLF001 -- public names
            self._suspect(self._connections.explain(error))

    def _suspect(self, reason: str) -> None:
        with self._lock:
            self._faults += 1
            if self._fault is None:
                log.warning("kafka is away", reason=reason)
            self._fault = f"Kafka at {self._where} cannot take events: {reason}"
            self._metrics.kafka_available.set(0)
        self._suspicion.set()

    def _poll(self) -> None:
        while not self._stop.is_set():
            self._producer.poll(_POLL_SECONDS)

    def _watch(self) -> None:
        while not self._stop.is_set():
            self._suspicion.clear()
            if not self._probe():
                self._stop.wait(PROBE_SECONDS)
            elif not self._stop.is_set():
                self._suspicion.wait()

    def _probe(self) -> bool:
        """Ask for metadata and return whether no doubt is left about the topic."""
        faults = self._faults
        try:
            # All topics, not this one: a broker may create a topic it is asked for, and topics are the operator's.
            topic = self._producer.list_topics(timeout=PROBE_TIMEOUT_SECONDS).topics.get(self._topic)
        except KafkaException as error:
            self._suspect(self._connections.explain(error.args[0]))
            return False
        self._connections.clear()
        if topic is None or topic.error is not None:
            self._suspect(f"topic {self._topic} does not exist; the operator creates it")
            return False
        with self._lock:
            if self._faults != faults:
                return False  # something failed while the question was under way
            log.info("kafka is there", topic=self._topic, partitions=len(topic.partitions))
            self._fault = None
            self._metrics.kafka_available.set(1)
        return True


def _log_line(level: int, line: str) -> None:
    """Log a line of librdkafka's; that brokers close idle connections is no news."""
    if ": Disconnected" not in line:
        logging.getLogger("librdkafka").log(level, "%s", line)


def producer_config(settings: CollectorSettings) -> dict[str, str | int | float | bool]:
    """Return the librdkafka properties of the producer."""
    limits = settings.limits
    return {
        **settings.kafka.client_config(),
        "client.id": f"holded-collector-{settings.pod_name}",
        "acks": "all",
        "enable.idempotence": True,
        # Java's default: a record re-sent by any Kafka client with the same key meets its copies in one partition.
        "partitioner": "murmur2_random",
        # New partitions are used within seconds instead of five minutes.
        "topic.metadata.refresh.interval.ms": 10_000,
        "linger.ms": LINGER_MS,
        "batch.size": 1_000_000,
        "message.max.bytes": max(1_000_000, limits.max_event_bytes + ENVELOPE_BYTES),
        "queue.buffering.max.messages": QUEUE_MESSAGES,
        "queue.buffering.max.kbytes": QUEUE_KBYTES,
        "delivery.timeout.ms": int(limits.delivery_timeout_seconds * 1000),
        "socket.timeout.ms": 10_000,
        "socket.keepalive.enable": True,
        "reconnect.backoff.max.ms": 1000,
    }
