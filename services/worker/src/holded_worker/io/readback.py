"""Reading back which events of a partition are already in silver."""

import time
from collections.abc import Iterator

from confluent_kafka import Consumer, IsolationLevel, KafkaError, TopicPartition
from confluent_kafka.admin import OffsetSpec

from holded_contracts.identity import EVENT_ID_BYTES
from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import worker_group
from holded_worker.io.errors import TransientError, translated
from holded_worker.io.topology import Admin

_CHUNK = 2_000
_WAIT_SECONDS = 0.1
_CALL_SECONDS = 10.0


class SilverReadback:
    """Reads the recent part of silver partitions, for the deduplication index."""

    def __init__(self, settings: WorkerSettings, admin: Admin) -> None:
        self._topic = settings.topics.silver
        self._admin = admin
        self._config = {
            **settings.kafka.client_config(),
            # A group id is mandatory, but partitions are assigned by hand and nothing is committed.
            "group.id": f"{worker_group(settings.pipeline.namespace, settings.pipeline.name)}.readback",
            "client.id": f"{settings.pod_name}-readback",
            "enable.auto.commit": False,
            "isolation.level": "read_committed",
            "enable.partition.eof": True,
            "auto.offset.reset": "earliest",
            "allow.auto.create.topics": False,
            "queued.max.messages.kbytes": 32_768,
            "log_level": 0,  # what goes wrong is raised
        }

    def read(self, partition: int, since: int) -> Iterator[list[tuple[bytes, int]]]:
        """Yield event ids with the time they were processed, in pieces (also empty ones, as time passes).

        From the first record at or after `since` (microseconds) to the partition's end as it is now. Key and timestamp
        of a silver record are its event_id and processed_at, so no value is decoded. The end is where an open
        transaction of a former owner ends, not where it begins: if it is still committed, its records are seen.

        Raises
        ------
        TransientError, FatalError
            If Kafka does not answer.
        """
        self._know_anew()
        start = self._offset(partition, OffsetSpec.for_timestamp(since // 1000))
        end = self._offset(partition, OffsetSpec.latest())
        if start < 0 or start >= end:  # -1: nothing is that young
            return
        consumer = Consumer(self._config)
        try:
            consumer.assign([TopicPartition(self._topic, partition, start)])
            yield from self._read_to(consumer, end)
        finally:
            consumer.close()

    def _read_to(self, consumer: Consumer, end: int) -> Iterator[list[tuple[bytes, int]]]:
        reached = 0
        while reached < end:
            with translated("read silver back"):
                messages = consumer.consume(_CHUNK, _WAIT_SECONDS)
            piece: list[tuple[bytes, int]] = []
            for message in messages:
                error = message.error()
                if error is None:
                    reached = message.offset() + 1
                    key = message.key()
                    if key is not None and len(key) == EVENT_ID_BYTES and message.offset() < end:
                        piece.append((key, message.timestamp()[1] * 1000))
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 -- librdkafka's local codes are spelt so
                    # Behind the last record there are transaction markers, which no message shows.
                    reached = max(reached, message.offset())
                else:
                    raise TransientError(f"read silver back: {error}")
            yield piece

    def _know_anew(self) -> None:
        """Have the client ask for the partitions: one younger than its last answer has no leader for minutes."""
        with translated("describe silver", self._admin.explain):
            self._admin.client.list_topics(self._topic, timeout=_CALL_SECONDS)

    def _offset(self, partition: int, spec: OffsetSpec) -> int:
        wanted = {TopicPartition(self._topic, partition): spec}
        with translated("list offsets of silver", self._admin.explain):
            answers = self._admin.client.list_offsets(
                wanted, isolation_level=IsolationLevel.READ_UNCOMMITTED, request_timeout=_CALL_SECONDS
            )
            [found] = [future.result(_CALL_SECONDS * 2) for future in answers.values()]
        return int(found.offset)


def microseconds_ago(seconds: int) -> int:
    """Return the wall clock some seconds ago, in microseconds."""
    return time.time_ns() // 1000 - seconds * 1_000_000
