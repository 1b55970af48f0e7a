"""The worker's membership in its consumer group, and its micro-batches."""

import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import group_instance_id, worker_group
from holded_worker.domain.records import RawRecord
from holded_worker.io.errors import FatalError, TransientError, is_fatal, translated

SESSION_TIMEOUT_MS = 15_000
"""Time a member may be silent before its partitions go to others."""
MAX_BATCH_BYTES = 16_777_216
"""A batch is closed at this size whatever its number of records, so that large events can't fill the memory."""
_CHUNK = 500
_MAX_TRACEPARENT = 256
_IDLE_WAIT_SECONDS = 0.5
_CALL_SECONDS = 5.0

log = structlog.get_logger()


class RawConsumer:
    """Reads the raw topic.

    Membership is static (the pod's name): a pod that restarts within the session timeout finds its partitions as it
    left them, so a rolling update moves none, and close() does not leave the group. The price is that the partitions of
    a pod which is gone for good rest for the session timeout. Assignment is cooperative: partitions that stay are
    processed on while others move.

    A new partition is paused until `resume` is called for it.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        on_assigned: Callable[[list[int]], None],
        on_revoked: Callable[[list[int]], None],
    ) -> None:
        self._topic = settings.topics.raw
        self._on_assigned_hook = on_assigned
        self._on_revoked_hook = on_revoked
        self._paused: set[int] = set()
        self._rewound: dict[int, int] = {}
        self.assigned: set[int] = set()
        self.joined = False
        self.connected = False
        self._settings = settings
        self._consumer: Any = None
        self._partitions = 0

    def subscribe(self, partitions: int) -> None:
        """Join the group as the reader of a raw topic of so many partitions, anew where their number has changed.

        The assignment arrives during a later `poll_batch`.
        """
        if partitions == self._partitions:
            return
        if self._partitions:
            log.info("raw has grown; joining anew", before=self._partitions, now=partitions)
            self.close()
        self._partitions = partitions
        self._consumer = Consumer(
            _config(self._settings, partitions) | {"stats_cb": self._on_stats},
            logger=logging.getLogger("librdkafka.consumer"),
        )
        self._consumer.subscribe(
            [self._topic], on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def poll_batch(self, max_events: int, max_wait_ms: int, *, idle_wait: bool) -> dict[int, list[RawRecord]]:
        """Return records by partition; empty when nothing comes in half a second (at once unless `idle_wait`).

        The first record opens a batch, which is closed after max_wait_ms, max_events or MAX_BATCH_BYTES.

        Raises
        ------
        TransientError, FatalError
            If the consumer reports a fault of its own.
        """
        records = self._consume(1, _IDLE_WAIT_SECONDS if idle_wait else 0.05)
        if not records:
            return {}
        deadline = time.monotonic() + max_wait_ms / 1000
        size = len(records[0].value or b"")
        while len(records) < max_events and size < MAX_BATCH_BYTES:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                break
            try:
                chunk = self._consume(min(_CHUNK, max_events - len(records)), remaining)
            except TransientError as error:
                # The records in hand have left the consumer: dropping them would skip them.
                log.warning("batch closed early", cause=str(error))
                break
            records += chunk
            size += sum(len(record.value or b"") for record in chunk)
        return self._by_partition(records)

    def _consume(self, limit: int, seconds: float) -> list[RawRecord]:
        with translated("consume"):
            messages = self._consumer.consume(limit, seconds)
        records: list[RawRecord] = []
        fault: KafkaError | None = None
        for message in messages:
            error = message.error()
            if error is None:
                records.append(raw_record(self._topic, message))
            elif is_fatal(error):
                raise FatalError(f"consume: {error}")
            else:
                fault = error
        if fault is not None:
            if not records:
                raise TransientError(f"consume: {fault}")
            log.warning("consumer reports a fault", fault=str(fault))
        return records

    def _by_partition(self, records: Iterable[RawRecord]) -> dict[int, list[RawRecord]]:
        """Group records, without those whose partition was revoked while the batch was collected.

        A partition that came back at once is paused, so `assigned` alone would not tell.
        """
        batch: dict[int, list[RawRecord]] = {}
        for record in records:
            if record.partition in self.assigned and record.partition not in self._paused:
                batch.setdefault(record.partition, []).append(record)
        for partition, expected in list(self._rewound.items()):
            found = batch.get(partition)
            if found is None:
                continue
            if found[0].offset != expected:
                # Going on would skip records for good; a new process begins at the committed offset.
                raise FatalError(f"partition {partition} went on at {found[0].offset} after a rewind to {expected}")
            del self._rewound[partition]
        return batch

    def rewind(self, batch: dict[int, list[RawRecord]]) -> None:
        """Read a batch again that was not committed; its first offsets are the committed positions.

        Raises
        ------
        FatalError
            If that is not possible: the next commit would skip the batch.
        """
        for partition, records in batch.items():
            if partition not in self.assigned:
                continue
            offset = records[0].offset
            try:
                self._consumer.seek(TopicPartition(self._topic, partition, offset))
            except KafkaException as error:
                raise FatalError(f"rewind partition {partition} to {offset}: {error}") from error
            self._rewound[partition] = offset

    def offsets_after(self, batch: dict[int, list[RawRecord]]) -> list[TopicPartition]:
        """Return the positions to commit with a batch."""
        return [TopicPartition(self._topic, partition, records[-1].offset + 1) for partition, records in batch.items()]

    def group_metadata(self) -> Any:
        """Return what lets the broker refuse a commit by a member that has lost its partitions."""
        return self._consumer.consumer_group_metadata()

    def settle(self, partition: int) -> None:
        """Wait until no transaction over the offsets of a partition is open any more (a former owner's may be).

        Raises
        ------
        TransientError
            If one is still open after some seconds, or Kafka does not answer.
        """
        with translated("read committed offset"):
            [position] = self._consumer.committed([TopicPartition(self._topic, partition)], _CALL_SECONDS)
        if position.error is not None:
            raise TransientError(f"read committed offset: {position.error}")

    def resume(self, partition: int) -> None:
        """Begin to read a partition that was assigned."""
        with translated("resume"):
            self._consumer.resume([TopicPartition(self._topic, partition)])
        self._paused.discard(partition)

    def lag(self) -> dict[int, int]:
        """Return, for each partition that is being read, the records not yet read, as far as known without asking."""
        with translated("read positions"):
            positions = self._consumer.position([TopicPartition(self._topic, partition) for partition in self.assigned])
            lags: dict[int, int] = {}
            for position in positions:
                if position.offset < 0:
                    continue
                bounds = self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, position.partition), cached=True
                )
                if bounds is not None and bounds[1] >= 0:
                    lags[position.partition] = max(0, bounds[1] - position.offset)
        return lags

    def close(self) -> None:
        """Stop reading. The membership stays until the session times out or the pod comes back."""
        if self._consumer is not None:
            self._consumer.close()
        self.joined = False

    def _on_assign(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        numbers = sorted(partition.partition for partition in partitions)
        consumer.incremental_assign(partitions)
        if partitions:
            consumer.pause(partitions)
        self._paused.update(numbers)
        self.assigned.update(numbers)
        self.joined = self.connected = True
        log.info("partitions assigned", partitions=numbers)
        self._on_assigned_hook(numbers)

    def _on_revoke(self, consumer: Any, partitions: list[TopicPartition]) -> None:
        """Nothing is in flight here: batches are processed between two polls, and this is called by a poll."""
        numbers = sorted(partition.partition for partition in partitions)
        consumer.incremental_unassign(partitions)
        self.assigned.difference_update(numbers)
        self._paused.difference_update(numbers)
        for number in numbers:
            self._rewound.pop(number, None)
        log.info("partitions revoked", partitions=numbers)
        self._on_revoked_hook(numbers)

    def _on_stats(self, text: str) -> None:
        brokers = json.loads(text).get("brokers", {}).values()
        self.connected = any(broker.get("state") == "UP" for broker in brokers)


def raw_record(topic: str, message: Message) -> RawRecord:
    """Return a message of raw as what the pipeline reads."""
    headers = message.headers()
    traceparent = _traceparent(headers) if headers else None
    return RawRecord(topic, message.partition(), message.offset(), message.value(), traceparent)


def _traceparent(headers: list[tuple[str, bytes | None]]) -> str | None:
    found = None
    for name, value in headers:
        # ASCII or not from the collector: the header is for people who look for a trace, never a reason to refuse.
        if name == "traceparent" and value is not None and value.isascii() and len(value) <= _MAX_TRACEPARENT:
            found = value.decode("ascii")
    return found


def _config(settings: WorkerSettings, partitions: int) -> dict[str, Any]:
    return {
        **settings.kafka.client_config(),
        "client.id": settings.pod_name,
        "group.id": worker_group(settings.pipeline.namespace, settings.pipeline.name),
        "group.instance.id": group_instance_id(settings.pod_name, partitions),
        "session.timeout.ms": SESSION_TIMEOUT_MS,
        "partition.assignment.strategy": "cooperative-sticky",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        # Also makes the broker hold back committed offsets while a transaction over them is still open.
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
        "queued.max.messages.kbytes": 32_768,
        "statistics.interval.ms": 5_000,
    }
