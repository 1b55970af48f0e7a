"""The committed offsets of the worker's group, for those who are no members of it."""

import logging
import threading
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import worker_group
from holded_worker.io.errors import TransientError, kafka_error, translated

_CALL_SECONDS = 5.0


def by_hand(settings: WorkerSettings, client_id: str) -> dict[str, Any]:
    """Return the configuration of a consumer that is assigned its partitions by hand and never joins the group."""
    return {
        **settings.kafka.client_config(),
        "client.id": client_id,
        "group.id": worker_group(settings.pipeline.namespace, settings.pipeline.name),
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "isolation.level": "read_committed",
        "allow.auto.create.topics": False,
    }


class GroupOffsets:
    """Asks for offsets of raw, and lets a transaction commit them while the group has no members."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._topic = settings.topics.raw
        config = by_hand(settings, f"{settings.pod_name}-offsets")
        logger = logging.getLogger("librdkafka.offsets")
        self._stable = Consumer(config, logger=logger)
        self._at_once = Consumer(config | {"isolation.level": "read_uncommitted"}, logger=logger)
        self._admin = AdminClient({**settings.kafka.client_config()}, logger=logger)
        self._group = config["group.id"]
        self._lock = threading.Lock()

    def committed(self, partition: int, *, stable: bool) -> int | None:
        """Return a partition's committed offset, None where there is none.

        While a transaction over it is open, `stable` waits for its end; otherwise the answer is what was before it.

        Raises
        ------
        TransientError, FatalError
            If Kafka does not answer, or the transaction is still open after some seconds.
        """
        consumer = self._stable if stable else self._at_once
        with self._lock, translated("read committed offset"):
            [position] = consumer.committed([TopicPartition(self._topic, partition)], _CALL_SECONDS)
        if position.error is not None:
            raise TransientError(f"read committed offset: {position.error}")
        return int(position.offset) if position.offset >= 0 else None

    def after(self, partition: int, last: int) -> list[TopicPartition]:
        """Return the position to commit when all records up to and with `last` are done."""
        return [TopicPartition(self._topic, partition, last + 1)]

    def group_metadata(self) -> Any:
        """Return what names the group, and no member, in a transaction: refused while the group has members."""
        return self._stable.consumer_group_metadata()

    def members(self) -> int:
        """Return how many members the group has; errors as in `committed`."""
        with self._lock, translated("describe the consumer group"):
            [answer] = self._admin.describe_consumer_groups([self._group], request_timeout=_CALL_SECONDS).values()
            try:
                return len(answer.result(_CALL_SECONDS * 2).members)
            except KafkaException as failed:
                error = kafka_error(failed)
                if error is not None and error.code() == KafkaError.GROUP_ID_NOT_FOUND:
                    return 0
                raise

    def close(self) -> None:
        """Close both clients."""
        self._stable.close()
        self._at_once.close()
