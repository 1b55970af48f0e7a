"""The main loop: micro-batches from Kafka through the pipeline and back, each in one Kafka transaction."""

import threading
import time
from collections.abc import Callable, Container, Iterator, Mapping
from typing import Protocol

import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_when_event_set, wait_exponential_jitter
from tenacity.nap import sleep_using_event

from holded_contracts.io.probes import Heartbeat
from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import Artefact
from holded_worker.dedup import DedupIndex, shrunk_to
from holded_worker.domain.process import Rules
from holded_worker.domain.records import RawRecord
from holded_worker.embedded import BatchResult, Schemas
from holded_worker.fault_budget import FaultBudget
from holded_worker.io.codec import Encoders, WriterSchemas
from holded_worker.io.consumer import RawConsumer
from holded_worker.io.errors import FatalError, TransientError
from holded_worker.io.producer import TransactionalProducer
from holded_worker.io.readback import SilverReadback, microseconds_ago
from holded_worker.io.topology import Admin, Topology, read_topology
from holded_worker.metrics import Metrics
from holded_worker.outputs import OutputBuilder, spans
from holded_worker.pipeline import now_micros
from holded_worker.rescue import Rescue

_REBUILD_SLICE_SECONDS = 0.5
_HOUSEKEEPING_SECONDS = 5.0
_SILENCE_SECONDS = 15.0
"""Time without a turn of the loop after which it is not ready: without a broker, librdkafka exceeds its time-outs."""
_TOPOLOGY_SECONDS = 10.0
"""Between two looks at the topics: new partitions are read after that, and a topic that was made again is noticed."""

log = structlog.get_logger()

type Batch = dict[int, list[RawRecord]]


class Runner(Protocol):
    """Takes micro-batches through the pipeline."""

    def run(
        self, records: Mapping[int, list[RawRecord]], known: Mapping[int, Container[bytes]], schemas: Schemas
    ) -> BatchResult:
        """Process the records of each partition; see `EmbeddedRunner.run`."""


class Driver:
    """One worker: a member of the consumer group with its producer, its indexes and its pipeline."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        runner: Runner,
        registry: RegistryReader,
        metrics: Metrics,
        heartbeat: Heartbeat,
        stop: threading.Event,
    ) -> None:
        self._settings = settings
        self._runner = runner
        self._registry = registry
        self._admin = Admin(settings)
        self._metrics = metrics
        self._heartbeat = heartbeat
        self._stop = stop
        self._consumer = RawConsumer(settings, on_assigned=self._on_assigned, on_revoked=self._on_revoked)
        self._producer = TransactionalProducer(settings, identity=settings.pod_name, waiting=self._waiting)
        self._schemas = WriterSchemas(registry, settings.topics)
        self._readback = SilverReadback(settings, self._admin)
        self._rescue = Rescue(self._schemas, Rules.of(settings))
        self._faults = FaultBudget()
        self._outputs: OutputBuilder | None = None
        self._topology: Topology | None = None
        self._indexes: dict[int, DedupIndex] = {}
        self._rebuilds: dict[int, Iterator[None]] = {}
        self._fault: str | None = "starting"
        self._next_housekeeping = 0.0
        self._next_look = time.monotonic() + _TOPOLOGY_SECONDS

    def not_ready(self) -> str | None:
        """Return why this worker is not ready, None when it is; called by the probes' thread."""
        if self._fault is not None:
            return self._fault
        if not self._consumer.joined:
            return "has not joined the consumer group yet"
        silence = self._heartbeat.age()
        if silence > _SILENCE_SECONDS:
            return f"a call to Kafka at {self._settings.kafka.bootstrap_servers} has not returned for {silence:.0f} s"
        if not self._consumer.connected:
            return f"no connection to Kafka at {self._settings.kafka.bootstrap_servers}"
        return None

    def run(self) -> None:
        """Work until `stop` is set; the batch in hand is finished.

        Raises
        ------
        FatalError
            If this process can't go on.
        """
        try:
            self._start()
            while not self._stop.is_set():
                self._persistently(self._turn)
        except TransientError as error:
            if not self._stop.is_set():
                raise
            log.info("stopped while waiting", cause=str(error))
        except FatalError:
            self._metrics.fault("fatal")
            raise
        finally:
            self._consumer.close()

    def _start(self) -> None:
        encoders = self._persistently(lambda: Encoders(self._registry, self._settings.topics))
        self._outputs = OutputBuilder(self._settings, encoders)
        topology = self._persistently(self._current_topology)
        self._persistently(self._producer.init)
        self._consumer.subscribe(topology.partitions[Artefact.RAW])
        log.info("started", topic=self._settings.topics.raw)

    def _persistently[T](self, work: Callable[[], T]) -> T:
        """Do a piece of work; transient faults are retried with growing pauses until it succeeds or we are stopped."""
        self._heartbeat.beat()
        retrying = Retrying(
            retry=retry_if_exception_type(TransientError),
            wait=wait_exponential_jitter(multiplier=0.2, max=10.0),
            stop=stop_when_event_set(self._stop),
            sleep=sleep_using_event(self._stop),
            before_sleep=self._before_retry,
            reraise=True,
        )
        result = retrying(work)
        self._fault = None
        return result

    def _before_retry(self, state: RetryCallState) -> None:
        self._heartbeat.beat()
        cause = state.outcome.exception() if state.outcome is not None else None
        self._fault = str(cause)
        self._metrics.fault("transient")
        log.warning("will try again", cause=str(cause), attempt=state.attempt_number)

    def _waiting(self) -> None:
        """Kafka has not answered for some seconds: alive, but not ready."""
        self._heartbeat.beat()
        self._fault = "waiting for Kafka to answer"

    def _turn(self) -> None:
        self._heartbeat.beat()
        self._rebuild_some()
        with self._metrics.timed("poll"):
            batch = self._consumer.poll_batch(
                self._settings.batch.max_events, self._settings.batch.max_wait_ms, idle_wait=not self._rebuilds
            )
        if batch:
            self._process(batch)
        self._keep_house()

    def _process(self, batch: Batch) -> None:
        """Take a batch through pipeline and transaction; if that fails it is read again later."""
        try:
            result = self._written(batch, self._run_pipeline(batch))
        except Exception:
            self._topology = None  # perhaps that is what has changed
            self._consumer.rewind(batch)
            raise
        # From here on nothing may fail in a way that rewinds: the batch is committed.
        for partition, silver in result.silver.items():
            index = self._indexes.get(partition)
            if index is not None and silver:
                index.add_new((event["event_id"] for event in silver), silver[-1]["processed_at"])
        self._limit_indexes()
        self._faults.spend(_size(batch), result.unforeseen)
        self._metrics.committed(_size(batch), result)

    def _run_pipeline(self, batch: Batch) -> BatchResult:
        schemas = self._schemas.lookup(record for records in batch.values() for record in records)
        with self._metrics.timed("pipeline"):
            result = self._runner.run(batch, self._indexes, schemas)
        for partition, records in batch.items():
            if result.count(partition) != len(records):
                raise FatalError(f"{len(records)} records of partition {partition} became {result.count(partition)}")
        self._faults.check(_size(batch), result.unforeseen)
        return result

    def _written(self, batch: Batch, result: BatchResult) -> BatchResult:
        """Commit a batch; return what was committed: records that cannot be encoded are dead letters in it."""
        if self._outputs is None:
            raise FatalError("not started")
        outputs = self._outputs
        try:
            self._commit(batch, result, outputs)
        except (TransientError, FatalError, MemoryError):
            raise
        except Exception as error:  # noqa: BLE001 -- a bug may raise anything
            log.warning("a batch could not be encoded; each of its records is tried alone", cause=repr(error))
        else:
            return result
        topology, now = self._current_topology(), now_micros()
        result = self._rescue.without_unwritable(
            batch, result, lambda records, of: list(outputs.build(spans(records), of, topology, now)), now
        )
        self._faults.check(_size(batch), result.unforeseen)
        self._commit(batch, result, outputs)
        return result

    def _commit(self, batch: Batch, result: BatchResult, outputs: OutputBuilder) -> None:
        topology = self._current_topology()
        now = now_micros()
        self._producer.begin()
        try:
            with self._metrics.timed("produce"):
                self._producer.send(outputs.build(spans(batch), result, topology, now))
            with self._metrics.timed("commit"):
                self._producer.commit(self._consumer.offsets_after(batch), self._consumer.group_metadata())
        except FatalError:
            raise
        except Exception:
            self._producer.abort()
            raise

    def _current_topology(self) -> Topology:
        if self._topology is None:
            self._topology = read_topology(self._admin, self._settings.topics)
        return self._topology

    def _on_assigned(self, partitions: list[int]) -> None:
        for partition in partitions:
            self._rebuilds[partition] = self._rebuild(partition)

    def _on_revoked(self, partitions: list[int]) -> None:
        for partition in partitions:
            self._indexes.pop(partition, None)
            self._rebuilds.pop(partition, None)

    def _rebuild_some(self) -> None:
        """Go on with reading back silver, for a while only: other partitions and the group don't wait for it."""
        deadline = time.monotonic() + _REBUILD_SLICE_SECONDS
        while self._rebuilds and time.monotonic() < deadline:
            partition, rebuild = next(iter(self._rebuilds.items()))
            try:
                next(rebuild)
            except StopIteration:
                del self._rebuilds[partition]
                self._consumer.resume(partition)
            except TransientError:
                self._rebuilds[partition] = self._rebuild(partition)  # a generator that raised is finished
                raise

    def _rebuild(self, partition: int) -> Iterator[None]:
        """Build a partition's index from silver; yields between pieces. The partition is paused until it is done."""
        self._consumer.settle(partition)
        # A changed assignment is often the first sign of a changed number of partitions.
        self._topology = None
        self._current_topology()
        window = self._settings.dedup_window_seconds
        if window == 0:
            return
        index = DedupIndex(window * 1_000_000, self._settings.dedup_max_ids)
        for piece in self._readback.read(partition, microseconds_ago(window)):
            for event_id, processed_at in piece:
                index.add(event_id, processed_at)
            self._limit_indexes(index)
            yield
        self._indexes[partition] = index
        log.info("deduplication index read", partition=partition, ids=len(index))

    def _limit_indexes(self, *reading: DedupIndex) -> None:
        """Keep the memory of all indexes bounded: the oldest ids of the largest leave before the window has passed."""
        for forgotten in shrunk_to(self._settings.dedup_max_ids, [*self._indexes.values(), *reading]):
            self._metrics.forgotten_early(forgotten)
            log.warning(
                "deduplication index is full, its oldest ids leave early; gold refuses their duplicates",
                forgotten=forgotten,
                max_ids=self._settings.dedup_max_ids,
            )

    def _keep_house(self) -> None:
        if time.monotonic() < self._next_housekeeping:
            return
        self._next_housekeeping = time.monotonic() + _HOUSEKEEPING_SECONDS
        for index in self._indexes.values():
            index.evict(now_micros())
        sizes = {partition: (len(index), index.size) for partition, index in self._indexes.items()}
        self._metrics.partitions(self._consumer.lag(), sizes, len(self._rebuilds))
        if time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + _TOPOLOGY_SECONDS
            self._topology = None
            self._consumer.subscribe(self._current_topology().partitions[Artefact.RAW])


def _size(batch: Batch) -> int:
    return sum(map(len, batch.values()))
