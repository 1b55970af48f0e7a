"""Reading one partition of raw from a place that the caller keeps, not the group."""

import logging
import time
from typing import NamedTuple

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition

from holded_contracts.settings import WorkerSettings
from holded_worker.domain.records import RawRecord
from holded_worker.io.consumer import MAX_BATCH_BYTES, raw_record
from holded_worker.io.errors import FatalError, TransientError, is_fatal, translated
from holded_worker.io.group_offsets import GroupOffsets, by_hand

_CHUNK = 500
_WAIT_SECONDS = 0.01
_PREFETCH_KBYTES = 8_192
"""Of each partition: a process may read many."""
_AGAIN_SECONDS = 15.0


class Found(NamedTuple):
    """Records that were read at once."""

    start: int
    """Offset from which on they were looked for."""
    records: list[RawRecord]
    timestamp_ms: int
    """Kafka's time of the last of them."""


class PartitionLog:
    """A consumer of one partition that stays where it is between two reads."""

    def __init__(self, settings: WorkerSettings, partition: int, offsets: GroupOffsets) -> None:
        self._topic = settings.topics.raw
        self._partition = partition
        self._offsets = offsets
        self._position: int | None = None
        """Offset from which the consumer goes on; None is the beginning, wherever that is."""
        self._expected: int | None = None
        """What the next read will ask for if it goes on here."""
        self._consumer = Consumer(
            by_hand(settings, f"{settings.pod_name}-raw-{partition}")
            | {"queued.max.messages.kbytes": _PREFETCH_KBYTES, "queued.min.messages": 10_000},
            logger=logging.getLogger("librdkafka.consumer"),
        )

    def read(self, start: int, max_events: int) -> Found | None:
        """Return what there is from `start` on, None when that is nothing yet.

        Where a reader begins, or is sent elsewhere, the group's committed offset counts if it is lower than `start`:
        Kafka says what has been written, and a place that somebody else remembers must not skip anything. `start` 0
        means from the committed offset, or from the beginning where none is.

        Raises
        ------
        TransientError, FatalError
            If Kafka does not answer; then nothing has been read.
        """
        if self._expected != start:
            self._seek(start)
        try:
            records, timestamp = self._consume(max_events)
        except TransientError:
            self._expected = None  # what the consumer has handed out would be skipped
            raise
        if not records:
            return None
        found = Found(start if self._position is None else self._position, records, timestamp)
        self._position = records[-1].offset + 1
        self._expected = max(start, self._position)
        return found

    def close(self) -> None:
        """Stop reading."""
        self._consumer.close()

    def _consume(self, max_events: int) -> tuple[list[RawRecord], int]:
        records: list[RawRecord] = []
        timestamp = size = 0
        fault: KafkaError | None = None
        while len(records) < max_events and size < MAX_BATCH_BYTES and fault is None:
            with translated("consume"):
                messages = self._consumer.consume(min(_CHUNK, max_events - len(records)), _WAIT_SECONDS)
            for message in messages:
                error = message.error()
                if error is None:
                    records.append(raw_record(self._topic, message))
                    timestamp = message.timestamp()[1]
                    size += len(message.value() or b"")
                elif is_fatal(error):
                    raise FatalError(f"consume: {error}")
                else:
                    fault = error
            if len(messages) < _CHUNK:
                break
        if fault is not None and not records:
            raise TransientError(f"consume: {fault}")
        return records, timestamp

    def _seek(self, start: int) -> None:
        committed = self._offsets.committed(self._partition, stable=False)
        position = committed if start == 0 else min(start, start if committed is None else committed)
        with translated("assign"):
            self._consumer.assign(
                [TopicPartition(self._topic, self._partition, OFFSET_BEGINNING if position is None else position)]
            )
        self._position, self._expected = position, start


def read_again(settings: WorkerSettings, partition: int, first: int, last: int) -> list[RawRecord]:
    """Return the records between two offsets, both included.

    Raises
    ------
    TransientError, FatalError
        If Kafka does not hand them out in some seconds.
    """
    records: list[RawRecord] = []
    topic = settings.topics.raw
    consumer = Consumer(by_hand(settings, f"{settings.pod_name}-again"))
    deadline = time.monotonic() + _AGAIN_SECONDS
    try:
        consumer.assign([TopicPartition(topic, partition, first)])
        while not records or records[-1].offset < last:
            if time.monotonic() > deadline:
                raise TransientError(f"records {first} to {last} of partition {partition} cannot be read again")
            with translated("read again"):
                messages = consumer.consume(_CHUNK, 0.1)
            records += [raw_record(topic, message) for message in messages if message.error() is None]
    finally:
        consumer.close()
    return [record for record in records if record.offset <= last]
