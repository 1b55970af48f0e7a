"""Deduplication on Flink: ids are Beam state by raw partition, so they are part of checkpoints and savepoints.

Reading all ids for every batch would cost too much, so a process keeps an index of them in memory. It is a cache, and
it must never know more than the state: Flink rolls the state back when a job fails, and an index with ids that the
state has lost would take their replay for duplicates. Every write leaves a random token in the state and in memory;
an index whose token is not the state's is built anew.
"""

import secrets
import struct
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import structlog
from apache_beam.coders import BytesCoder
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import BagStateSpec, ReadModifyWriteStateSpec, TimerSpec, on_timer
from apache_beam.utils.timestamp import Timestamp

from holded_contracts.identity import EVENT_ID_BYTES
from holded_worker.dedup import DedupIndex
from holded_worker.flink.harness import Harness, harness
from holded_worker.io.readback import microseconds_ago
from holded_worker.pipeline import PartitionBatch, Silver, batches, now_micros, once

_TOKEN_BYTES = 16
_SECOND = 1_000_000
_IDS_PER_BLOB = 10_000

log = structlog.get_logger()


class DropKnown(beam.DoFn):
    """(partition, PartitionBatch) → PartitionBatch in which each Silver that was there before is a Duplicate.

    Ids lie in two bags, by the parity of the epoch (a window's length of wall clock) in which they were processed: when
    an epoch begins, the ids of its bag are two epochs old, and the bag is cleared. So it holds all ids of the window,
    and those of at most one more.
    """

    EVEN = BagStateSpec("even", BytesCoder())
    ODD = BagStateSpec("odd", BytesCoder())
    MARK = ReadModifyWriteStateSpec("mark", BytesCoder())
    """Token and epoch of the newest write."""
    IDLE = TimerSpec("idle", TimeDomain.REAL_TIME)

    def __init__(self, settings: str) -> None:
        self._settings = settings

    def process(
        self,
        element: tuple[int, PartitionBatch],
        even: Any = beam.DoFn.StateParam(EVEN),  # noqa: B008 -- Beam's way to ask
        odd: Any = beam.DoFn.StateParam(ODD),  # noqa: B008
        mark: Any = beam.DoFn.StateParam(MARK),  # noqa: B008
        idle: Any = beam.DoFn.TimerParam(IDLE),  # noqa: B008
    ) -> Iterator[PartitionBatch]:
        """Replace what is known, and remember what is not."""
        partition, batch = element
        shared = harness(self._settings)
        if shared.settings.dedup_window_seconds == 0:
            yield batch
            return
        yield _Memory(shared, partition, (even, odd), mark, idle).deduplicated(batch, now_micros())

    @on_timer(IDLE)
    def forget(
        self,
        even: Any = beam.DoFn.StateParam(EVEN),  # noqa: B008 -- Beam's way to ask
        odd: Any = beam.DoFn.StateParam(ODD),  # noqa: B008
        mark: Any = beam.DoFn.StateParam(MARK),  # noqa: B008
    ) -> None:
        """Clear the state of a partition to which nothing has come for so long that all of its ids are too old."""
        for state in (even, odd, mark):
            state.clear()


class _Memory:
    """The ids of one partition, in state and in memory, while one batch is looked at."""

    def __init__(self, shared: Harness, partition: int, bags: tuple[Any, Any], mark: Any, idle: Any) -> None:
        self._shared = shared
        self._partition = partition
        self._bags = bags
        self._mark = mark
        self._idle = idle
        self._window = shared.settings.dedup_window_seconds * _SECOND

    def deduplicated(self, batch: PartitionBatch, now: int) -> PartitionBatch:
        token, epoch = self._read_mark()
        # Out of the cache while it changes: if anything below fails, it is built anew.
        cached = self._shared.indexes.pop(self._partition, None)
        if token is None:
            index = self._seeded(now)
            token, epoch = self._read_mark()
        elif cached is not None and cached[0] == token:
            index = cached[1]
            index.evict(now)
        else:
            index = self._rebuilt(now)
        fresh: set[bytes] = set()
        found = batch.of([once(item, index, fresh) if isinstance(item, Silver) else item for item in batch.items])
        if fresh:
            index.add_new(fresh, now)
            token = self._write(fresh, now, epoch)
        if token is not None:
            self._shared.indexes[self._partition] = (token, index)
        self._shared.metrics.index(self._partition, len(index))
        self._shared.limit_indexes()
        return found

    def _read_mark(self) -> tuple[bytes | None, int]:
        mark = self._mark.read()
        return (None, -1) if mark is None else (mark[:_TOKEN_BYTES], *struct.unpack(">q", mark[_TOKEN_BYTES:]))

    def _write(self, event_ids: Iterable[bytes], at: int, newest: int) -> bytes:
        """Put ids into the bag of their epoch, clear what has become too old, and return the new token."""
        epoch = at // self._window
        if epoch > newest:
            for parity in (0, 1):
                # Its ids are of an epoch before `newest`, or of one before the last.
                if parity == epoch % 2 or epoch > newest + 1:
                    self._bags[parity].clear()
            self._idle.set(Timestamp(micros=(epoch + 3) * self._window))
            newest = epoch
        self._bags[epoch % 2].add(struct.pack(">q", at) + b"".join(event_ids))
        token = secrets.token_bytes(_TOKEN_BYTES)
        self._mark.write(token + struct.pack(">q", newest))
        return token

    def _rebuilt(self, now: int) -> DedupIndex:
        """Return an index of what is in the state."""
        index = self._empty()
        blobs = sorted((bytes(blob) for bag in self._bags for blob in bag.read()), key=lambda blob: blob[:8])
        for blob in blobs:
            (at,) = struct.unpack(">q", blob[:8])
            if at >= now - self._window:
                places = range(8, len(blob), EVENT_ID_BYTES)
                index.add_new((blob[start : start + EVENT_ID_BYTES] for start in places), at)
        log.info("deduplication index read from state", partition=self._partition, ids=len(index))
        return index

    def _seeded(self, now: int) -> DedupIndex:
        """Return an index of what is in silver, where it is the only memory: first run, or the state was lost.

        The partition is claimed before, so that nobody else writes to it from then on.
        """
        self._shared.writers.claim(self._partition)
        recent = self._shared.patience.persistently(
            lambda: [
                one
                for piece in self._shared.readback.read(self._partition, microseconds_ago(self._window // _SECOND))
                for one in piece
            ]
        )
        index = self._empty()
        by_epoch: dict[int, list[tuple[bytes, int]]] = {}
        for event_id, at in recent:
            if event_id not in index:
                index.add(event_id, at)
                by_epoch.setdefault(min(at, now) // self._window, []).append((event_id, at))
        newest = -1
        for epoch, ids in sorted(by_epoch.items()):
            for start in range(0, len(ids), _IDS_PER_BLOB):
                part = ids[start : start + _IDS_PER_BLOB]
                self._write([event_id for event_id, _ in part], min(part[-1][1], now), newest)
                newest = epoch
        log.info("deduplication index read from silver", partition=self._partition, ids=len(index))
        return index

    def _empty(self) -> DedupIndex:
        return DedupIndex(self._window, self._shared.settings.dedup_max_ids)


class DeduplicateByState(beam.PTransform):
    """PartitionBatch → PartitionBatch, deduplicated."""

    def __init__(self, settings: str) -> None:
        super().__init__()
        self._settings = settings

    def expand(self, input_or_inputs: Any) -> Any:
        """Build the steps."""
        return (
            input_or_inputs
            | "ByPartition" >> beam.Map(_keyed).with_output_types(tuple[int, PartitionBatch])
            | "DropKnown" >> batches(DropKnown(self._settings))
        )


def _keyed(batch: PartitionBatch) -> tuple[int, PartitionBatch]:
    return batch.partition, batch
