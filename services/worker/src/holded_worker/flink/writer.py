"""The output edge: per raw partition, what became of its records and its committed offset in one Kafka transaction.

Flink replays from its last checkpoint, which may be older than what has been written. The committed offset says what
has: it moves with the outputs or not at all. So what arrives with a lower offset is dropped, every output is written
exactly once, and the ranges of the ledger follow on one another, whatever is killed when.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog

from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import WorkerSettings
from holded_contracts.topics import flink_writer
from holded_worker.domain.process import Rules
from holded_worker.domain.records import RawRecord, Span
from holded_worker.embedded import BatchResult
from holded_worker.fault_budget import FaultBudget
from holded_worker.flink.patience import Patience
from holded_worker.io.codec import Encoders, WriterSchemas
from holded_worker.io.errors import FatalError, TransientError
from holded_worker.io.group_offsets import GroupOffsets
from holded_worker.io.partition_log import read_again
from holded_worker.io.producer import TransactionalProducer
from holded_worker.io.topology import Admin, Topology, read_topology
from holded_worker.metrics import Metrics
from holded_worker.outputs import OutputBuilder, spans
from holded_worker.pipeline import DEAD, DUPLICATES, SILVER, Origin, PartitionBatch, now_micros
from holded_worker.rescue import Rescue

log = structlog.get_logger()

_OFFSET: Mapping[str, Callable[[Any], int]] = {
    SILVER: lambda event: event["raw_offset"],
    DEAD: lambda letter: letter["offset"],
    DUPLICATES: lambda duplicate: duplicate.offset,
}


@dataclass
class Bundle:
    """What has arrived since the bundle began: by partition and origin, the lists of each output."""

    found: dict[int, dict[Origin, dict[str, list[Any]]]] = field(default_factory=dict)

    def add(self, output: str, batch: PartitionBatch) -> None:
        """Take a batch from one of the pipeline's outputs."""
        if batch.origin is None:
            raise FatalError("a batch without its origin")
        self.found.setdefault(batch.partition, {}).setdefault(batch.origin, {})[output] = batch.items

    def take(self) -> dict[int, dict[Origin, dict[str, list[Any]]]]:
        """Return all of it; the next bundle begins empty."""
        found, self.found = self.found, {}
        return found


def not_yet_written(
    partition: int, found: Mapping[Origin, Mapping[str, list[Any]]], committed: int | None
) -> tuple[BatchResult, Span] | None:
    """Return what of a partition's lists has not been written before, and its span; None where all has.

    Raises
    ------
    FatalError
        If records are missing: before these, or among them.
    """
    result = BatchResult()
    kept: list[int] = []
    reached = committed
    for origin in sorted(found):
        lists = found[origin]
        offsets = sorted(_OFFSET[output](item) for output, items in lists.items() for item in items)
        if len(offsets) != origin.records:
            raise FatalError(f"{origin.records} records of partition {partition} became {len(offsets)}")
        if reached is not None and origin.start > reached:
            raise FatalError(f"partition {partition} goes on at {origin.start}, but is committed up to {reached}")
        first = reached or 0
        for output, items in lists.items():
            fresh = [item for item in items if _OFFSET[output](item) >= first]
            if fresh:
                result.collect(output, partition, fresh)
        kept += [offset for offset in offsets if offset >= first]
        reached = max(first, offsets[-1] + 1)
    return (result, Span(kept[0], kept[-1], len(kept))) if kept else None


class Writers:
    """The writers of this process, one per raw partition that arrives here, and what they share."""

    def __init__(
        self,
        settings: WorkerSettings,
        *,
        offsets: GroupOffsets,
        admin: Admin,
        registry: RegistryReader,
        schemas: WriterSchemas,
        metrics: Metrics,
        patience: Patience,
    ) -> None:
        self.settings = settings
        self.offsets = offsets
        self.metrics = metrics
        self.patience = patience
        self.faults = FaultBudget()
        self.rescue = Rescue(schemas, Rules.of(settings))
        self._admin = admin
        self._registry = registry
        self._outputs: OutputBuilder | None = None
        self._topology: Topology | None = None
        self._writers: dict[int, PartitionWriter] = {}

    def claim(self, partition: int) -> None:
        """Be the one who writes a partition, if that is not so yet; what a former owner left open is over then."""
        if partition not in self._writers:
            self._writers[partition] = self.patience.persistently(lambda: PartitionWriter(self, partition))

    def write(self, partition: int, found: Mapping[Origin, Mapping[str, list[Any]]]) -> None:
        """Write what of a partition's lists has not been written before.

        Raises
        ------
        FatalError
            If this process can't, or must not. The next owner of the partition begins at the committed offset.
        """
        self.claim(partition)
        writer = self._writers[partition]
        fresh = not_yet_written(partition, found, writer.committed)
        self.metrics.replayed(sum(origin.records for origin in found) - (fresh[1].records if fresh else 0))
        if fresh is None:
            return
        try:
            self.patience.persistently(lambda: writer.write(*fresh))
        except BaseException:
            del self._writers[partition]
            raise

    def outputs(self) -> OutputBuilder:
        """Return the encoder of all outputs."""
        if self._outputs is None:
            self._outputs = OutputBuilder(self.settings, Encoders(self._registry, self.settings.topics))
        return self._outputs

    def topology(self) -> Topology:
        """Return what is known of the topics."""
        if self._topology is None:
            self._topology = read_topology(self._admin, self.settings.topics)
        return self._topology

    def doubt(self) -> None:
        """Ask for the topics anew next time: something has failed, perhaps because they are others now."""
        self._topology = None


class PartitionWriter:
    """The one who writes what becomes of a raw partition; a younger one fences it."""

    def __init__(self, shared: Writers, partition: int) -> None:
        self._shared = shared
        self._partition = partition
        self._producer = TransactionalProducer(
            shared.settings,
            identity=flink_writer(shared.settings.pipeline.name, partition),
            waiting=lambda: shared.patience.tried_in_vain("Kafka has not answered yet"),
        )
        self._producer.init()
        self.committed = shared.offsets.committed(partition, stable=True)
        """Offset before which everything has been written."""
        log.info("partition claimed", partition=partition, committed=self.committed)

    def write(self, result: BatchResult, span: Span) -> None:
        """Write a result and the offset after its span; on a transient fault nothing of it is written."""
        shared = self._shared
        try:
            shared.faults.check(span.records, result.unforeseen)
            outputs = shared.outputs()
            try:
                self._commit(result, span, outputs)
            except (TransientError, FatalError, MemoryError):
                raise
            except Exception as error:  # noqa: BLE001 -- a bug may raise anything
                log.warning("a batch could not be encoded; each of its records is tried alone", cause=repr(error))
                result = self._rescued(result, span, outputs)
                shared.faults.check(span.records, result.unforeseen)
                self._commit(result, span, outputs)
        except Exception:
            shared.doubt()
            raise
        self.committed = span.last + 1
        shared.faults.spend(span.records, result.unforeseen)
        shared.metrics.committed(span.records, result)

    def _commit(self, result: BatchResult, span: Span, outputs: OutputBuilder) -> None:
        shared, producer = self._shared, self._producer
        topology = shared.topology()
        producer.begin()
        try:
            with shared.metrics.timed("produce"):
                producer.send(outputs.build({self._partition: span}, result, topology, now_micros()))
            with shared.metrics.timed("commit"):
                producer.commit(shared.offsets.after(self._partition, span.last), shared.offsets.group_metadata())
        except FatalError:
            raise
        except Exception:
            producer.abort()
            raise

    def _rescued(self, result: BatchResult, span: Span, outputs: OutputBuilder) -> BatchResult:
        """Return the result with dead letters in place of what cannot be encoded; raw is read once more for that."""
        records = read_again(self._shared.settings, self._partition, span.first, span.last)
        topology, now = self._shared.topology(), now_micros()

        def encode(batch: Mapping[int, list[RawRecord]], of: BatchResult) -> object:
            return list(outputs.build(spans(batch), of, topology, now))

        return self._shared.rescue.without_unwritable({self._partition: records}, result, encode, now)
