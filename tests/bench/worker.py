"""What the worker costs: events a second of its CPU by batch size, Beam's share, latency to silver.

    python -m tests.bench.worker [--events 50000] [--throughput-only SIZE]

Every worker is a process of its own, with Avro in and out, every step and the transactions on, against real Kafka and a
real registry. "Per core" is per CPU second of that process, the threads of librdkafka and Beam included and the start
left out, so it does not depend on what else the machine does.
"""

import argparse
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count

from confluent_kafka import Consumer
from matplotlib.figure import Figure
from rich.console import Console

from holded_contracts import wire
from holded_contracts.settings import (
    KafkaSettings,
    PipelineSettings,
    SchemaRegistrySettings,
    WorkerBatch,
    WorkerSettings,
)
from holded_contracts.topics import Artefact
from tests.bench.collector import small_event
from tests.bench.dedup import dedup_section
from tests.bench.report import Section, publish
from tests.bench.worker_process import (
    PLAIN,
    WORKER,
    Progress,
    RawEvent,
    RawTopic,
    mixed_events,
    raw_event,
    worker_process,
)
from tests.support.containers import kafka_container, registry_container
from tests.support.topics import create_topics

SAY = Console().print
SIZES = (500, 5000, 20_000)
PARTITIONS = 4
RATE = 300
"""Events a second of the latency measurement."""
LATENCY_SECONDS, WARM_UP_SECONDS = 25, 5


@dataclass(frozen=True)
class Point:
    """One batch size."""

    size: int
    beam: float
    """CPU microseconds per event of the worker."""
    plain: float
    """The same without Beam."""
    wall: float
    """Events per second of the worker."""
    batch: float
    """Records in a mean batch."""

    @property
    def share(self) -> float:
        """Beam's part of what the worker costs."""
        return 1 - self.plain / self.beam


class Bench:
    """Kafka, registry, and how workers are started."""

    def __init__(self, kafka: KafkaSettings, registry: SchemaRegistrySettings) -> None:
        self._kafka, self._registry = kafka, registry
        self._runs = count()

    def settings(self, name: str, **changes: object) -> WorkerSettings:
        """Return the settings of a worker with topics of its own."""
        topics = create_topics(self._kafka, self._registry, name, partitions=PARTITIONS)
        pipeline = PipelineSettings(name=name, namespace="bench", version="bench")
        base = WorkerSettings(
            pipeline=pipeline, kafka=self._kafka, schema_registry=self._registry, topics=topics, pod_name="worker-0"
        )
        return base.model_copy(update=changes)

    def throughput(self, events: Sequence[RawEvent], size: int) -> Point:
        """Let a worker with Beam and one without take the same backlog, one after the other."""
        SAY(f"batches of {size}")
        beam, wall, batch = self._drain(events, size, WORKER)
        plain, _, _ = self._drain(events, size, PLAIN)
        point = Point(size, beam, plain, wall, batch)
        SAY(f"  {1e6 / beam:,.0f} events per core, without Beam {1e6 / plain:,.0f}")
        return point

    def _drain(self, events: Sequence[RawEvent], size: int, module: str) -> tuple[float, float, float]:
        """Return CPU microseconds per event, events per second and the mean batch."""
        name = f"drain-{next(self._runs)}"
        settings = self.settings(name, batch=WorkerBatch(max_events=size, max_wait_ms=500))
        topic = RawTopic(settings)
        topic.send(events)
        topic.flush()
        with worker_process(settings, module) as worker:
            first = worker.progress()
            while first.records == 0:
                first = worker.progress()
                time.sleep(0.02)
            last = first
            while last.records < len(events):
                time.sleep(0.25)
                last = _moved(worker.progress(), last)
            batches = worker.metric("holded_worker_batch_records_count")
        done = last.records - first.records
        if done < len(events) / 3:
            raise SystemExit(f"{len(events)} events are too few for batches of {size}")
        return (last.cpu - first.cpu) / done * 1e6, done / (last.wall - first.wall), last.records / batches

    def latency(self, events: Sequence[RawEvent]) -> list[float]:
        """Return what `silver_latencies` does, of one worker."""
        SAY(f"latency at {RATE} events/s")
        settings = self.settings("latency")
        with worker_process(settings, WORKER):
            return silver_latencies(settings, events, RATE)


def silver_latencies(settings: WorkerSettings, events: Sequence[RawEvent], rate: int) -> list[float]:
    """Send events at a rate; return seconds from the collector's receipt to a read_committed reader, sorted."""
    found: list[float] = []
    with _silver(settings) as silver, RawTopic(settings).steadily(events, rate):
        started = time.monotonic()
        while (elapsed := time.monotonic() - started) < WARM_UP_SECONDS + LATENCY_SECONDS:
            for message in silver.consume(500, 0.005):
                seen = time.time()
                value = message.value()
                if message.error() is None and value is not None and elapsed > WARM_UP_SECONDS:
                    record = wire.decode(value, wire.parsed_schema(Artefact.SILVER), None)
                    found.append(seen - record["received_at"] / 1e6)
    return sorted(found)


def main() -> None:
    """Measure, print, and write docs/bench/worker.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=50_000, help="backlog of each throughput measurement")
    parser.add_argument("--throughput-only", type=int, nargs="*", metavar="SIZE", help="these batch sizes; no page")
    options = parser.parse_args()
    small = [raw_event(small_event(number)) for number in range(options.events)]
    mixed = mixed_events(options.events)
    with open_bench() as bench:
        if options.throughput_only is not None:
            for size in options.throughput_only:
                bench.throughput(small, size)
                bench.throughput(mixed, size)
            return
        of_small = [bench.throughput(small, size) for size in SIZES]
        of_mixed = [bench.throughput(mixed, size) for size in SIZES]
        latencies = bench.latency(mixed)
        dedup = dedup_section(bench.settings("rebuild"))
    publish(
        "worker",
        "Worker",
        "make bench-worker",
        [
            _throughput_section(of_small, _mean(small), "the size that the design's figures are for"),
            _throughput_section(of_mixed, _mean(mixed), "`holded send`'s mixture of 33 types"),
            _latency_section(latencies),
            dedup,
        ],
        {
            "throughput": _plot_points(of_small, of_mixed),
            "latency": _plot_latency(latencies),
        },
    )


@contextmanager
def open_bench() -> Iterator[Bench]:
    """Start Kafka and a registry."""
    with kafka_container() as (_, bootstrap), registry_container() as (_, url):
        yield Bench(KafkaSettings(bootstrap_servers=bootstrap), SchemaRegistrySettings(url=url))


@contextmanager
def _silver(settings: WorkerSettings) -> Iterator[Consumer]:
    config = {
        **settings.kafka.client_config(),
        "group.id": "bench",
        "isolation.level": "read_committed",
        "auto.offset.reset": "latest",
        "enable.auto.commit": False,
    }
    reader = Consumer(config)
    reader.subscribe([settings.topics.silver])
    while not reader.assignment():
        reader.consume(1, 0.1)
    try:
        yield reader
    finally:
        reader.close()


def _moved(now: Progress, before: Progress) -> Progress:
    """Return the newer of two; the one before where nothing was committed since, so that idle time does not count."""
    if now.wall - before.wall > 60:
        raise SystemExit("the worker stands still")
    return now if now.records > before.records else before


def ordered_percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of ordered values is."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _mean(events: Sequence[RawEvent]) -> float:
    return sum(len(event.payload) for event in events) / len(events)


def _throughput_section(points: Sequence[Point], size: float, about: str) -> Section:
    return Section(
        f"Throughput: {size:.0f}-byte events, {about}; {PARTITIONS} partitions",
        ("batch", "mean batch", "events/s per core", "without Beam", "Beam's share", "events/s, wall"),
        [
            (
                f"{point.size:,}",
                f"{point.batch:,.0f}",
                f"{1e6 / point.beam:,.0f}",
                f"{1e6 / point.plain:,.0f}",
                f"{point.share:.0%}",
                f"{point.wall:,.0f}",
            )
            for point in points
        ],
        [
            "workers ran from their image, compiled as it is deployed",
            "per core: per CPU second of the process; wall: Kafka shares the machine",
            "without Beam: the same functions, codec, deduplication and transactions in a plain loop",
        ],
    )


def _latency_section(latencies: Sequence[float]) -> Section:
    return Section(
        f"Latency from received_at to a read_committed reader of silver, {RATE} events/s",
        ("events", "p50", "p90", "p99", "max"),
        [
            (
                f"{len(latencies):,}",
                *(f"{ordered_percentile(latencies, share) * 1000:.0f} ms" for share in (0.5, 0.9, 0.99, 1.0)),
            )
        ],
    )


def _plot_points(small: Sequence[Point], mixed: Sequence[Point]) -> Figure:
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    for points, name, color in ((small, "small events", "C0"), (mixed, "mixed events", "C1")):
        sizes = [point.size for point in points]
        axes.plot(sizes, [1e6 / point.beam for point in points], marker="o", color=color, label=name)
        plain = [1e6 / point.plain for point in points]
        axes.plot(sizes, plain, marker="o", linestyle="--", color=color, label=f"{name}, without Beam")
    axes.set(xscale="log", xlabel="events per batch", ylabel="events/s per core", ylim=(0, None))
    axes.legend()
    return figure


def _plot_latency(latencies: Sequence[float]) -> Figure:
    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    axes.hist([seconds * 1000 for seconds in latencies], bins=60)
    axes.set(xlabel="ms from receipt to silver", ylabel="events", xlim=(0, None))
    return figure


if __name__ == "__main__":
    main()
