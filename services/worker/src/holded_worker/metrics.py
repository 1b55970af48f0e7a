"""What the worker tells Prometheus. Counters move only after a batch has been committed."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from holded_contracts.reasons import DeadLetterReason
from holded_worker.embedded import BatchResult

STEPS = ("poll", "pipeline", "produce", "commit")


class Metrics:
    """All metrics of one worker process."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        prefix = "holded_worker"
        self._records = Counter(f"{prefix}_records", "Raw records processed.", registry=registry)
        self._silver = Counter(f"{prefix}_silver", "Records written to silver.", registry=registry)
        self._duplicates = Counter(f"{prefix}_duplicates", "Records dropped as duplicates.", registry=registry)
        self._dead = Counter(
            f"{prefix}_dead_letters", "Records written to the dead letter topic.", ["reason"], registry=registry
        )
        self._faults = Counter(
            f"{prefix}_transaction_errors",
            "Batches that could not be committed and were taken back, or faults that ended the process.",
            ["kind"],
            registry=registry,
        )
        self._replayed = Counter(
            f"{prefix}_replayed_records",
            "Raw records that Flink replayed although what became of them had been written; they were dropped.",
            registry=registry,
        )
        self._batch_records = Histogram(
            f"{prefix}_batch_records",
            "Raw records in a batch.",
            buckets=(1, 10, 50, 100, 500, 1000, 2500, 5000, 10_000, 25_000, 100_000),
            registry=registry,
        )
        self._seconds = Histogram(
            f"{prefix}_batch_seconds",
            "Time of each step of a batch.",
            ["step"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
            registry=registry,
        )
        self._lag = Gauge(f"{prefix}_lag_records", "Raw records not yet read.", ["partition"], registry=registry)
        self._index = Gauge(
            f"{prefix}_dedup_ids",
            "Event ids in the deduplication index.",
            ["partition"],
            registry=registry,
            multiprocess_mode="mostrecent",
        )
        self._index_bytes = Gauge(
            f"{prefix}_dedup_bytes", "Memory of the deduplication index.", ["partition"], registry=registry
        )
        self._forgotten = Counter(
            f"{prefix}_dedup_ids_forgotten_early",
            "Event ids that left the deduplication index before their window had passed, because it was full.",
            registry=registry,
        )
        self._rebuilding = Gauge(
            f"{prefix}_partitions_rebuilding", "Partitions whose deduplication index is being read.", registry=registry
        )
        # Series exist from the start, so that a rate over the first dead letter is not lost.
        for reason in DeadLetterReason:
            self._dead.labels(reason.value)
        for kind in ("transient", "fatal"):
            self._faults.labels(kind)

    @contextmanager
    def timed(self, step: str) -> Iterator[None]:
        """Measure one of STEPS."""
        began = time.perf_counter()
        yield
        self._seconds.labels(step).observe(time.perf_counter() - began)

    def committed(self, size: int, result: BatchResult) -> None:
        """Count a batch of so many records."""
        self._records.inc(size)
        self._batch_records.observe(size)
        self._silver.inc(sum(len(records) for records in result.silver.values()))
        self._duplicates.inc(sum(len(ids) for ids in result.duplicates.values()))
        for letters in result.dead.values():
            for letter in letters:
                self._dead.labels(letter["reason"]).inc()

    def index(self, partition: int, ids: int) -> None:
        """Show one index by its number of ids."""
        self._index.labels(partition).set(ids)

    def replayed(self, records: int) -> None:
        """Count records that came once more although they had been written."""
        self._replayed.inc(records)

    def fault(self, kind: str) -> None:
        """Count a fault: transient or fatal."""
        self._faults.labels(kind).inc()

    def forgotten_early(self, ids: int) -> None:
        """Count ids that had to leave a full index."""
        self._forgotten.inc(ids)

    def partitions(self, lags: Mapping[int, int], index_sizes: Mapping[int, tuple[int, int]], rebuilding: int) -> None:
        """Show the partitions of this worker, their indexes by ids and bytes; those that left it leave the gauges."""
        self._lag.clear()
        self._index.clear()
        self._index_bytes.clear()
        for partition, lag in lags.items():
            self._lag.labels(partition).set(lag)
        for partition, (ids, size) in index_sizes.items():
            self._index.labels(partition).set(ids)
            self._index_bytes.labels(partition).set(size)
        self._rebuilding.set(rebuilding)
