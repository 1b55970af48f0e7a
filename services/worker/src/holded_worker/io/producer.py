"""The worker's transactional producer."""

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import structlog
from confluent_kafka import KafkaException, Producer, TopicPartition

from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import transactional_id
from holded_worker.io.errors import FatalError, TransientError, is_fatal, kafka_error, translated

TRANSACTION_TIMEOUT_MS = 30_000
"""Time after which the broker aborts a transaction whose worker is gone; readers wait that long at most."""
_CALL_SECONDS = 5.0
_QUEUE_FULL_SECONDS = 0.1

log = structlog.get_logger()


class OutputRecord(NamedTuple):
    """One record to be written."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes
    timestamp_ms: int


class TransactionalProducer:
    """Writes a batch's outputs and its raw offsets in one Kafka transaction.

    Who claims the same identity later fences the earlier one and aborts what that left open. Calls that Kafka does not
    answer are repeated for as long as `waiting` does not raise.
    """

    def __init__(self, settings: WorkerSettings, *, identity: str, waiting: Callable[[], None]) -> None:
        """Take the identity, which is unique in the pipeline's namespace."""
        self._waiting = waiting
        self._producer = Producer(
            {
                **settings.kafka.client_config(),
                "client.id": settings.pod_name,
                "transactional.id": transactional_id(settings.pipeline.namespace, identity),
                "transaction.timeout.ms": TRANSACTION_TIMEOUT_MS,
                # Silver grows with raw: its new partitions must be known by the time raw's are read.
                "topic.metadata.refresh.interval.ms": 10_000,
                "linger.ms": 5,
                "batch.size": 500_000,
                "compression.type": "lz4",
                # A record may be as large as the broker takes by default; the worker's own limit is below that.
                "message.max.bytes": 1_048_576,
                "queue.buffering.max.messages": 500_000,
                "queue.buffering.max.kbytes": 262_144,
            },
            logger=logging.getLogger("librdkafka.producer"),
        )

    def init(self) -> None:
        """Claim the transactional id.

        Raises
        ------
        TransientError, FatalError
            If Kafka can't be reached in time, or refuses for good.
        """
        with translated("claim the transactional id"):
            self._producer.init_transactions(_CALL_SECONDS)

    def begin(self) -> None:
        """Open a transaction; errors as in `init`."""
        with translated("begin transaction"):
            self._producer.begin_transaction()

    def send(self, records: Iterable[OutputRecord]) -> None:
        """Write records into the open transaction; delivery is certain only after `commit`. Errors as in `init`."""
        with translated("produce"):
            produce = self._producer.produce
            for topic, partition, key, value, timestamp in records:
                while True:
                    try:
                        produce(topic, value, key, partition=partition, timestamp=timestamp)
                        break
                    except BufferError:  # the queue drains while we wait, or the broker is away
                        self._waiting()
                        self._producer.poll(_QUEUE_FULL_SECONDS)
            self._producer.poll(0)

    def commit(self, offsets: list[TopicPartition], group_metadata: Any) -> None:
        """Commit the open transaction together with the offsets of the input.

        Raises
        ------
        TransientError
            If the transaction was not committed and has to be aborted.
        FatalError
            If it can't be known whether it was: the successor of this process will read the truth from Kafka.
        """
        # Not repeated when unanswered: nothing is committed yet, so the batch can be taken back at once, and librdkafka
        # (2.16) has been seen to hang for good in the second repetition after a broker was restarted.
        with translated("send offsets"):
            self._producer.send_offsets_to_transaction(offsets, group_metadata, _CALL_SECONDS)
        self._until_answered("commit transaction", lambda: self._producer.commit_transaction(_CALL_SECONDS))

    def abort(self) -> None:
        """Abort the open transaction; errors as in `commit`."""
        self._until_answered("abort transaction", lambda: self._producer.abort_transaction(_CALL_SECONDS))

    def _until_answered(self, doing: str, call: Callable[[], None]) -> None:
        """Repeat a call while its answer is outstanding: until then nobody knows what became of the transaction."""
        while True:
            try:
                call()
            except KafkaException as failed:
                error = kafka_error(failed)
                if error is None or is_fatal(error):
                    raise FatalError(f"{doing}: {failed}") from failed
                if error.txn_requires_abort():
                    raise TransientError(f"{doing}: {error}") from failed
                if not error.retriable():
                    raise FatalError(f"{doing}: {error}") from failed
                log.warning("no answer from Kafka yet", doing=doing, cause=str(error))
                self._waiting()
            else:
                return
