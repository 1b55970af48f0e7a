"""The consumer group's side of the sink: which partitions are ours and their records.

Where to start is MySQL's to say. So an assignment is at first only taken note of, with nothing fetched, until `start`
brings the positions. A batch is read between two rebalances or not at all.
"""

import threading
import time
from collections.abc import Callable, Iterable, Mapping

import structlog
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicCollection,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient

from holded_contracts.io.kafka import ConnectionLog
from holded_contracts.settings import SinkSettings
from holded_contracts.topics import Artefact, group_instance_id, sink_group
from holded_sink import metrics
from holded_sink.batch import Position, Record, Source, runs
from holded_sink.errors import KafkaFatalError, SystemicError, TransientError

INPUTS = (Artefact.SILVER, Artefact.DEAD_LETTER, Artefact.ANALYTICS, Artefact.LEDGER)
"""The topics gold is made of."""

BATCH_BYTES = 8 * 1024 * 1024
"""Bytes of values after which a batch is closed, whatever its number of records: memory must not depend on size."""

_PORTION = 16
"""Records fetched between two looks at the bytes: 16 MiB too many at most."""

_ANSWER_TIMEOUT = 10.0
_TURN_SECONDS = 0.2

log = structlog.get_logger()


class StaleRecordError(Exception):
    """Kafka delivered an offset below the position: the topic was made again, or the log was cut."""


class SilverSource:
    """A member of the sink's group on the four input topics."""

    def __init__(self, settings: SinkSettings, *, stop: threading.Event, beat: Callable[[], None]) -> None:
        self._artefacts = {getattr(settings.topics, artefact.value): artefact for artefact in INPUTS}
        self._stop = stop
        self._beat = beat
        self._owned: list[TopicPartition] = []
        self._sources: dict[tuple[str, int], Source] = {}
        self._positions: dict[Source, Position] = {}
        self._reached: dict[Source, int] = {}
        self._ends: dict[Source, int] = {}
        self._mirrored: dict[Source, int] = {}
        self._fetching = False
        self.generation = 0
        """Grows with every change of the assignment."""
        self.joined = False
        """Whether the group has answered; a member may well own nothing."""
        self.problem: str | None = None
        """What keeps Kafka from delivering, None when it delivers."""
        self._settings = settings
        self._connections = ConnectionLog()
        self._admin = AdminClient(settings.kafka.client_config(), logger=self._connections)
        self._membership: Consumer | None = None
        self._partitions = 0
        """Partitions of all inputs together at the time of joining."""

    @property
    def _consumer(self) -> Consumer:
        if self._membership is None:
            raise TransientError(self.problem or "not a member of the consumer group yet")
        return self._membership

    @property
    def positions(self) -> Mapping[Source, Position]:
        """Where each source that is being read continues."""
        return self._positions

    @property
    def keeps_ledger(self) -> bool:
        """Whether the first partition of the ledger is ours: what one sink alone shall do is then done here."""
        return any(source.artefact is Artefact.LEDGER and source.partition == 0 for source in self._positions)

    def owned(self) -> list[Source]:
        """Return what the group has given to us, with the topics' ids as they are now.

        Raises
        ------
        TransientError
            If Kafka does not answer or a topic is gone.
        """
        topics = sorted({partition.topic for partition in self._owned})
        if not topics:
            return []
        try:
            futures = self._admin.describe_topics(TopicCollection(topics), request_timeout=_ANSWER_TIMEOUT)
            ids = {topic: str(future.result(timeout=_ANSWER_TIMEOUT).topic_id) for topic, future in futures.items()}
        except (KafkaException, TimeoutError) as error:
            raise TransientError(f"Kafka does not describe {', '.join(topics)}: {error}") from error
        return [
            Source(ids[partition.topic], partition.partition, partition.topic, self._artefacts[partition.topic])
            for partition in self._owned
        ]

    def start(self, positions: Mapping[Source, Position]) -> None:
        """Read from these positions on; records fetched from elsewhere are thrown away.

        Raises
        ------
        SystemicError
            If gold is ahead of a topic: its log was cut, and going on would leave out or repeat records.
        TransientError
            If Kafka does not answer.
        """
        for source, position in positions.items():
            low, high = self._watermarks(source)
            where = f"{source.topic}[{source.partition}]"
            if position.next_offset > high:
                raise SystemicError(f"{where} ends at offset {high}, gold has it up to {position.next_offset}: log cut")
            if position.next_offset < low and position.counted_offset:
                metrics.LOST_RECORDS.inc(low - position.next_offset)
                log.error("records expired in Kafka before they were stored", place=where, position=position, start=low)
        self._sources = {(source.topic, source.partition): source for source in positions}
        self._positions = dict(positions)
        self._fetching = False
        self.problem = None

    def suspend(self) -> None:
        """Fetch nothing and forget what was fetched; stay a member. The next `poll` goes on from the positions."""
        if self._fetching:
            self._fetching = False
            self._consumer.unassign()

    def poll(self, max_records: int, timeout: float) -> list[Record]:
        """Return the records that arrive within `timeout` seconds, in order per source.

        There are at most `max_records`, and about BATCH_BYTES.

        They follow those of the last call, stored or not, until `suspend` goes back to the positions.

        Raises
        ------
        StaleRecordError
            If an offset goes back.
        KafkaFatalError
            If this client can't go on.
        """
        generation = self.generation
        if not self._fetching:
            self._fetching = True
            self._reached = {source: at.next_offset for source, at in self._positions.items()}
            self._consumer.assign(
                [TopicPartition(one.topic, one.partition, at.next_offset) for one, at in self._positions.items()]
            )
        records = self._fetch(max_records, timeout)
        if self.generation != generation:
            return []  # a rebalance came in between: positions must be read again first
        if records:
            self.problem = None
        self._check_order(records)
        return records

    def _fetch(self, max_records: int, timeout: float) -> list[Record]:
        until = time.monotonic() + timeout
        records: list[Record] = []
        size = 0
        while len(records) < max_records and size < BATCH_BYTES:
            portion = min(_PORTION, max_records - len(records))
            messages = self._consumer.consume(portion, max(0.0, until - time.monotonic()))
            if not messages:
                break
            fetched = [record for message in messages if (record := self._record(message)) is not None]
            size += sum(len(record.value or b"") for record in fetched)
            records += fetched
        return records

    def advance(self, positions: Mapping[Source, Position]) -> None:
        """Take note of what MySQL has committed, and tell Kafka for those who watch its lag."""
        self._positions.update(positions)
        self._mirror({source: position.next_offset for source, position in positions.items()})

    def idle(self, seconds: float) -> None:
        """Stay in the group for `seconds` without fetching; returns early on stop or when the assignment changes."""
        if self._membership is None:
            self._join()
        self.suspend()
        generation = self.generation
        until = time.monotonic() + seconds
        while not self._stop.is_set() and self.generation == generation:
            left = until - time.monotonic()
            if left <= 0:
                return
            self._beat()
            turn = min(left, _TURN_SECONDS)
            if self._membership is None:
                self._stop.wait(turn)
            elif (message := self._membership.poll(turn)) is not None:
                self._record(message)  # nothing is assigned, so it can only be an error

    def report(self) -> None:
        """Set the lag metric and `problem`, by asking Kafka.

        Where a partition's end was reached, that counts and not the last record: behind it stand the markers of the
        worker's transactions, which are offsets without a record.
        """
        partitions = self._count_partitions()
        if partitions is None:
            return
        if partitions != self._partitions:
            log.info("inputs have grown; joining anew", before=self._partitions, now=partitions)
            self._leave()
            self._join()
            return
        reached = {source: max(at.next_offset, self._ends.get(source, 0)) for source, at in self._positions.items()}
        for source, offset in reached.items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(source.topic, source.partition), cached=True)
            metrics.LAG.labels(source.topic, str(source.partition)).set(max(0, high - offset))
        self._mirror({source: offset for source, offset in reached.items() if offset > self._mirrored.get(source, 0)})

    def close(self) -> None:
        """Leave; a static member keeps its partitions until its session times out or it comes back."""
        if self._membership is not None:
            self._membership.close()

    def _join(self) -> None:
        """Become a member of the group, if Kafka tells what there is to read."""
        partitions = self._count_partitions()
        if partitions is None:
            return
        self._partitions = partitions
        self._membership = Consumer(_consumer_config(self._settings, partitions), logger=ConnectionLog(log.log))
        self._membership.subscribe(
            sorted(self._artefacts), on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_revoke
        )

    def _leave(self) -> None:
        self._changed(self._consumer, [])
        self.close()
        self._membership = None
        self.joined = False

    def _count_partitions(self) -> int | None:
        """Return the number of partitions of all inputs; None, with a `problem`, when it is not known."""
        try:
            known = self._admin.list_topics(timeout=_ANSWER_TIMEOUT / 2).topics
        except KafkaException as error:
            self.problem = f"Kafka: {self._connections.explain(error.args[0], self._admin.poll)}"
            return None
        self._admin.poll(0)
        self._connections.clear()
        missing = [topic for topic in self._artefacts if topic not in known]
        self.problem = f"Kafka has no topic {', '.join(missing)}" if missing else None
        return None if missing else sum(len(known[topic].partitions) for topic in self._artefacts)

    def _mirror(self, offsets: Mapping[Source, int]) -> None:
        if not offsets:
            return
        self._mirrored.update(offsets)
        mirrored = [TopicPartition(source.topic, source.partition, offset) for source, offset in offsets.items()]
        try:
            self._consumer.commit(offsets=mirrored, asynchronous=True)
        except KafkaException as error:
            log.debug("offsets not mirrored to Kafka; MySQL has them", error=str(error))

    def _check_order(self, records: Iterable[Record]) -> None:
        for source, run in runs(records):
            expected = self._reached[source]
            for record in run:
                if record.offset < expected:
                    raise StaleRecordError(
                        f"{source.topic}[{source.partition}]: offset {record.offset} after {expected - 1}"
                    )
                expected = record.offset + 1
            self._reached[source] = expected

    def _record(self, message: Message) -> Record | None:
        source = self._sources.get((message.topic(), message.partition()))
        error = message.error()
        if error is not None:
            if error.code() != KafkaError._PARTITION_EOF:  # noqa: SLF001 -- confluent-kafka's name for it
                self._note(error)
            elif source is not None:
                self._ends[source] = message.offset()
            return None
        if source is None:
            return None
        return Record(source, message.offset(), message.key(), message.value())

    def _note(self, error: KafkaError) -> None:
        if error.fatal():
            raise KafkaFatalError(error.str())
        self.problem = f"Kafka: {error.str()}"
        log.warning("Kafka reports a problem", code=error.name(), error=error.str())

    def _watermarks(self, source: Source) -> tuple[int, int]:
        partition = TopicPartition(source.topic, source.partition)
        try:
            answer = self._consumer.get_watermark_offsets(partition, timeout=_ANSWER_TIMEOUT)
        except KafkaException as error:
            raise TransientError(f"Kafka tells no offsets of {source.topic}[{source.partition}]: {error}") from error
        if answer is None:
            raise TransientError(f"Kafka tells no offsets of {source.topic}[{source.partition}] in time")
        low, high = answer
        return int(low), int(high)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._changed(consumer, partitions)
        self.joined = True
        log.info("partitions assigned", partitions=[f"{one.topic}[{one.partition}]" for one in partitions])

    def _on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        self._changed(consumer, [])
        log.info("partitions revoked", partitions=[f"{one.topic}[{one.partition}]" for one in partitions])

    def _changed(self, consumer: Consumer, owned: list[TopicPartition]) -> None:
        self.generation += 1
        self._owned = sorted(owned, key=lambda one: (one.topic, one.partition))
        self._positions, self._sources, self._ends, self._mirrored = {}, {}, {}, {}
        self._fetching = False
        metrics.LAG.clear()
        consumer.unassign()


def _consumer_config(settings: SinkSettings, partitions: int) -> dict[str, object]:
    return {
        **settings.kafka.client_config(),
        "group.id": sink_group(settings.pipeline.namespace, settings.pipeline.name),
        "group.instance.id": group_instance_id(settings.pod_name, partitions),
        "client.id": settings.pod_name,
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.auto.offset.store": False,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        # Partitions of equal number go to one sink: an event and a dead letter of one raw partition share transactions.
        "partition.assignment.strategy": "range",
        "session.timeout.ms": 30_000,
        "max.poll.interval.ms": 300_000,
        "fetch.wait.max.ms": 100,
        # Back-pressure: at most this much waits in memory, per process and per partition.
        "queued.max.messages.kbytes": 32_768,
        "fetch.message.max.bytes": 1_048_576,
    }
