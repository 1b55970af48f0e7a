"""Raw on Flink: one stateful DoFn finds the partitions, another reads each of them, both by timers.

The offset to read on from is state by partition, and so part of Flink's checkpoints. It says where to read on; what has
been written is for Kafka's committed offsets to say.

Neither is a splittable DoFn that defers itself each time (docs/decisions/0032): Beam's runner for Flink has kept what
is deferred under a new name of state each time, so that checkpoints grew for ever, and it cuts delays down to whole
seconds, so that an idle partition is asked without a pause.
"""

import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import structlog
from apache_beam.coders import VarIntCoder
from apache_beam.io.restriction_trackers import OffsetRange, OffsetRestrictionTracker
from apache_beam.transforms.core import RestrictionProvider
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.transforms.window import TimestampedValue
from apache_beam.utils.timestamp import Duration, Timestamp

from holded_contracts.topics import Artefact
from holded_worker.flink.harness import harness
from holded_worker.io.errors import TransientError
from holded_worker.io.partition_log import PartitionLog
from holded_worker.io.topology import read_topology
from holded_worker.pipeline import Origin, PartitionBatch, batches

_AGAIN_SECONDS = 86_400
"""Until what never ends is asked again: as seldom as it may be, each time costs what is said above."""
_LOOK_SECONDS = 15
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


class NeverEnd(beam.DoFn):
    """Anything → (0, b""), now and again.

    The only splittable DoFn: as long as its output may go on no watermark moves, and a stateful stage whose input has
    ended may lose its state.
    """

    @beam.DoFn.unbounded_per_element()
    def process(
        self,
        element: Any,
        tracker: Any = beam.DoFn.RestrictionParam(_FromZero()),  # noqa: B008 -- Beam's way to ask
    ) -> Iterator[tuple[int, bytes]]:
        """Put one out, and another much later."""
        del element
        if tracker.try_claim(tracker.current_restriction().start):
            yield 0, b""
            tracker.defer_remainder(Duration(_AGAIN_SECONDS))


class FindPartitions(beam.DoFn):
    """(0, anything) → (number, b"") of each of raw's partitions, those that are made later included."""

    FOUND = ReadModifyWriteStateSpec("found", VarIntCoder())
    """Number of partitions that have been put out."""
    LOOK = TimerSpec("look", TimeDomain.REAL_TIME)

    def __init__(self, settings: str) -> None:
        self._settings = settings

    def process(
        self,
        element: tuple[int, bytes],
        timer: Any = beam.DoFn.TimerParam(LOOK),  # noqa: B008 -- Beam's way to ask
    ) -> None:
        """Begin to look; whoever looks already goes on."""
        del element
        timer.set(Timestamp.now())

    @on_timer(LOOK)
    def look(
        self,
        state: Any = beam.DoFn.StateParam(FOUND),  # noqa: B008 -- Beam's way to ask
        timer: Any = beam.DoFn.TimerParam(LOOK),  # noqa: B008
    ) -> Iterator[tuple[int, bytes]]:
        """Put out partitions that have not been put out, and look again later."""
        shared = harness(self._settings)
        try:
            partitions = read_topology(shared.admin, shared.settings.topics).partitions[Artefact.RAW]
        except TransientError as fault:
            shared.patience.tried_in_vain(fault)
        else:
            found = state.read() or 0
            for partition in range(found, partitions):
                log.info("partition found", partition=partition)
                yield partition, b""
            state.write(max(found, partitions))
        timer.set(Timestamp.now() + Duration(_LOOK_SECONDS))


class ReadPartition(beam.DoFn):
    """(number of a partition, anything) → its records, as PartitionBatch with their Origin, for ever."""

    NEXT = ReadModifyWriteStateSpec("next", VarIntCoder())
    """Offset from which on to read."""
    READ = TimerSpec("read", TimeDomain.REAL_TIME)

    def __init__(self, settings: str) -> None:
        self._settings = settings
        self._logs: dict[int, PartitionLog] = {}

    def teardown(self) -> None:
        """Close what was opened."""
        for reader in self._logs.values():
            reader.close()
        self._logs.clear()

    def process(
        self,
        element: tuple[int, bytes],
        timer: Any = beam.DoFn.TimerParam(READ),  # noqa: B008 -- Beam's way to ask
    ) -> None:
        """Begin to read; a partition that is read already goes on where it is."""
        del element
        timer.set(Timestamp.now())

    @on_timer(READ)
    def read(
        self,
        partition: Any = beam.DoFn.KeyParam,
        position: Any = beam.DoFn.StateParam(NEXT),  # noqa: B008 -- Beam's way to ask
        timer: Any = beam.DoFn.TimerParam(READ),  # noqa: B008
    ) -> Iterator[TimestampedValue]:
        """Put out what is there, and look again at once, or later if it is nothing."""
        shared = harness(self._settings)
        batch = shared.settings.batch
        start = position.read() or 0
        found, pause = None, _AFTER_FAULT_SECONDS
        try:
            if partition not in self._logs:
                self._logs[partition] = PartitionLog(shared.settings, partition, shared.offsets)
            found = self._logs[partition].read(start, batch.max_events)
            pause = 0.0 if found else batch.max_wait_ms / 1000
        except TransientError as fault:
            shared.patience.tried_in_vain(fault)
        if found is not None:
            position.write(max(start, found.records[-1].offset + 1))
            origin = Origin(found.start, len(found.records), time.time_ns())
            yield TimestampedValue(
                PartitionBatch(partition, found.records, origin), Timestamp(found.timestamp_ms / 1000)
            )
        timer.set(Timestamp.now() + Duration(pause))


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
            | "NeverEnd" >> beam.ParDo(NeverEnd()).with_output_types(tuple[int, bytes])
            | "Partitions" >> beam.ParDo(FindPartitions(self._settings)).with_output_types(tuple[int, bytes])
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
