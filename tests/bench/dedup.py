"""What the deduplication index costs: bytes an id, time of a look, and how fast it is read back from silver."""

import os
import time
import tracemalloc
from collections.abc import Callable
from functools import partial

from confluent_kafka import Producer

from holded_contracts.settings import WorkerSettings
from holded_worker.dedup import DedupIndex
from holded_worker.io.readback import SilverReadback, microseconds_ago
from holded_worker.io.topology import Admin
from tests.bench.report import Section

SIZES = (10_000, 100_000, 1_000_000)
REBUILD = 100_000
_WINDOW_SECONDS = 86_400
_SILVER_BYTES = 1_250


def dedup_section(settings: WorkerSettings) -> Section:
    """Measure and return the table; the settings name topics that are empty."""
    rows = []
    for size in SIZES:
        index, taken = _traced(partial(_filled, size))
        _, of_set = _traced(partial(_as_set, size))
        adding = _seconds_each(partial(_filled, size), size)
        looking = _seconds_each(partial(_look, index), 100_000)
        rows.append(
            (
                f"{size:,}",
                f"{taken / size:.1f}",
                f"{of_set / size:.1f}",
                f"{adding * 1e6:.2f} µs",
                f"{looking * 1e6:.2f} µs",
            )
        )
    wall, cpu = _rebuild(settings)
    return Section(
        "Deduplication index",
        ("ids", "bytes per id", "in a set of bytes", "to add one", "to look for one that is not there"),
        rows,
        [
            (
                f"read back from {REBUILD:,} silver records of {_SILVER_BYTES:,} bytes in one partition: "
                f"{REBUILD / wall:,.0f} ids/s, {REBUILD / cpu:,.0f} per CPU second"
            ),
            "bytes as tracemalloc counts them, times of CPU by this Python",
        ],
    )


def _filled(size: int, ids: list[bytes] | None = None) -> DedupIndex:
    index = DedupIndex(_WINDOW_SECONDS * 1_000_000)
    index.add_new(ids or (os.urandom(16) for _ in range(size)), 0)
    return index


def _as_set(size: int) -> set[bytes]:
    return {os.urandom(16) for _ in range(size)}


def _look(index: DedupIndex, ids: list[bytes]) -> list[bool]:
    return [event_id in index for event_id in ids]


def _traced[T](make: Callable[[], T]) -> tuple[T, int]:
    """Return what was made and the bytes it takes."""
    tracemalloc.start()
    try:
        made = make()
        return made, tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


def _seconds_each(work: Callable[[list[bytes]], object], count: int) -> float:
    ids = [os.urandom(16) for _ in range(count)]
    began = time.process_time()
    work(ids)
    return (time.process_time() - began) / count


def _rebuild(settings: WorkerSettings) -> tuple[float, float]:
    """Return seconds of wall clock and of CPU."""
    producer = Producer({**settings.kafka.client_config(), "queue.buffering.max.kbytes": 1_000_000})
    for _ in range(REBUILD):
        producer.produce(settings.topics.silver, bytes(_SILVER_BYTES), os.urandom(16), partition=0)
    if producer.flush(60):
        raise SystemExit("Kafka did not take the records")
    readback = SilverReadback(settings, Admin(settings))
    index = DedupIndex(_WINDOW_SECONDS * 1_000_000)
    wall, cpu = time.monotonic(), time.process_time()
    for piece in readback.read(0, microseconds_ago(_WINDOW_SECONDS)):
        for event_id, processed_at in piece:
            index.add(event_id, processed_at)
    if len(index) != REBUILD:
        raise SystemExit(f"{len(index)} of {REBUILD} ids were read back")
    return time.monotonic() - wall, time.process_time() - cpu
