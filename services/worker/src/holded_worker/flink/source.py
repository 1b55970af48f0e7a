"""Raw on Flink: two splittable DoFns, one that finds the partitions and one that reads them.

Both hand a piece of work out and defer the rest of their restriction, so that bundles are short. What is deferred is
part of Flink's checkpoints. It says where to read on; what has been written is for Kafka's committed offsets to say.
"""

import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import structlog
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.io.watermark_estimators import ManualWatermarkEstimator
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from holded_contracts.topics import Artefact
from holded_worker.flink.harness import harness
from holded_worker.io.errors import TransientError
from holded_worker.io.partition_log import PartitionLog
from holded_worker.io.topology import read_topology
from holded_worker.pipeline import Origin, PartitionBatch, batches

_LOOK_SECONDS = 10.0
"""Between two looks at the topics: new partitions are read after that."""
_AFTER_FAULT_SECONDS = 1.0
_END = 2**63 - 1

log = structlog.get_logger()


class _Endless(OffsetRestrictionTracker):
    """Numbers from a start on."""

    def is_bounded(self) -> bool:
        """Tell Beam that there is always more to come."""
        return False


class _FromZero(RestrictionProvider):
    def initial_restriction(self, element: Any) -> OffsetRange:
        del element
        return OffsetRange(0, _END)

    def create_tracker(self, restriction: OffsetRange) -> _Endless:
        return _Endless(restriction)

    def restriction_size(self, element: Any, restriction: OffsetRange) -> float:
        del element, restriction
        return 1.0  # nobody knows


class FindPartitions(beam.DoFn):
    """Anything → the numbers of raw's partitions, those that are made later included."""

    def __init__(self, settings: str) -> None:
        self._settings = settings

    @beam.DoFn.unbounded_per_element()
    def process(self, element: Any, tracker: Any = beam.DoFn.RestrictionParam(_FromZero())) -> Iterator[int]:  # noqa: B008 -- Beam's way to ask
        """Put out partitions that have not been put out, and look again later."""
        del element
        shared = harness(self._settings)
        try:
            partitions = read_topology(shared.admin, shared.settings.topics).partitions[Artefact.RAW]
        except TransientError as fault:
            shared.patience.tried_in_vain(fault)
        else:
            for partition in range(tracker.current_restriction().start, partitions):
                if not tracker.try_claim(partition):
                    return
                log.info("partition found", partition=partition)
                yield partition
        tracker.defer_remainder(Duration(_LOOK_SECONDS))


class ReadPartition(beam.DoFn):
    """The number of a partition → its records, as PartitionBatch with their Origin, for ever."""

    def __init__(self, settings: str) -> None:
        self._settings = settings
        self._logs: dict[int, PartitionLog] = {}

    def teardown(self) -> None:
        """Close what was opened."""
        for reader in self._logs.values():
            reader.close()
        self._logs.clear()

    @beam.DoFn.unbounded_per_element()
    def process(
        self,
        element: int,
        tracker: Any = beam.DoFn.RestrictionParam(_FromZero()),  # noqa: B008 -- Beam's way to ask
        watermark: Any = beam.DoFn.WatermarkEstimatorParam(ManualWatermarkEstimator.default_provider()),  # noqa: B008
    ) -> Iterator[TimestampedValue]:
        """Put out what is there, and look again at once, or later if it is nothing."""
        shared = harness(self._settings)
        batch = shared.settings.batch
        start = tracker.current_restriction().start
        try:
            if element not in self._logs:
                self._logs[element] = PartitionLog(shared.settings, element, shared.offsets)
            found = self._logs[element].read(start, batch.max_events)
        except TransientError as fault:
            shared.patience.tried_in_vain(fault)
            tracker.defer_remainder(Duration(_AFTER_FAULT_SECONDS))
            return
        if found is None:
            tracker.defer_remainder(Duration(batch.max_wait_ms / 1000))
            return
        last = found.records[-1].offset
        if last >= start and not tracker.try_claim(last):
            return
        at = Timestamp(found.timestamp_ms / 1000)
        yield TimestampedValue(
            PartitionBatch(element, found.records, Origin(found.start, len(found.records), time.time_ns())), at
        )
        if watermark.current_watermark() is None or watermark.current_watermark() < at:
            watermark.set_watermark(at)
        tracker.defer_remainder()


class ReadRaw(beam.PTransform):
    """The records of raw."""

    def __init__(self, settings: str) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, input_or_inputs: Any) -> Any:
        """Build the steps."""
        return (
            input_or_inputs
            | beam.Impulse()
            | "Partitions" >> beam.ParDo(FindPartitions(self._settings)).with_output_types(int)
            | "Records" >> batches(ReadPartition(self._settings))
        )


class JobSchemas:
    """Writer schemas as a step asks for them; a registry that is away is waited for."""

    def __init__(self, settings: str) -> None:
        self._settings = settings

    def writer_schema(self, schema_id: int) -> Any | None:
        """Return a schema of the registry, None where it has none with this id."""
        shared = harness(self._settings)
        shared.patience.persistently(lambda: shared.schemas.find(schema_id))
        return shared.schemas.writer_schema(schema_id)
