"""What the collector costs: events a second of its CPU by request size, latency to the acknowledgement, memory.

    python -m tests.bench.collector [--seconds 8] [--soak-seconds 120]

One run: the ceiling (a loop that does nothing but give the same records to the same producer), then the collector with
API keys, rate limit and every check on. "Per core" is per CPU second of the measured process, its librdkafka threads
included, so it does not depend on what else the machine does.
"""

import argparse
import multiprocessing
import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import batched
from pathlib import Path

import httpx
from confluent_kafka import Producer
from matplotlib.figure import Figure
from rich.console import Console

from holded_cli.send.events import Generator
from holded_cli.send.mixture import Shares
from holded_collector.framing import RawFramer
from holded_collector.io.publisher import producer_config
from holded_contracts.settings import (
    ApiKeyMode,
    CollectorSettings,
    KafkaSettings,
    PipelineSettings,
    RateLimit,
    SchemaRegistrySettings,
    render_env,
)
from holded_contracts.wire import frame
from tests.bench.image_python import IMAGE, image_python
from tests.bench.report import Section, publish
from tests.bench.usage import MemoryWatch, cpu_seconds
from tests.support.containers import free_port, kafka_container, registry_container
from tests.support.http_load import Load, Outcome, run
from tests.support.topics import create_topics
from tests.support.waiting import wait_until

SIZES = (1, 10, 100, 1000)
CONNECTIONS = {1: 64, 10: 64, 100: 32, 1000: 8}
"""Enough that the collector always has work; more would only lengthen the queue, and with it the latencies."""
EVENTS = 20_000
KEY = "bench-" + secrets.token_urlsafe(16)


@dataclass(frozen=True)
class Point:
    """One request size."""

    bytes: float
    size: int
    requests_per_core: float
    requests_per_second: float
    outcome: Outcome

    @property
    def events_per_core(self) -> float:
        return self.requests_per_core * self.size


def main() -> None:
    """Measure, print, and write docs/bench/collector.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=8.0, help="time of each point")
    parser.add_argument("--soak-seconds", type=float, default=120.0, help="time of the memory watch")
    options = parser.parse_args()
    small = [small_event(number) for number in range(EVENTS)]
    mixed = [outgoing.payload for outgoing in Generator(seed=4).events(Shares(), EVENTS)]
    say = Console().print
    with running() as collector:
        ceilings, points = [], []
        for events in (small, mixed):
            ceilings.append(_ceiling(collector.settings, events, options.seconds))
            say(f"{_mean(events):.0f}-byte events, ceiling: {ceilings[-1]:,.0f} events/s per core")
            for size in SIZES:
                points.append(measure(collector, events, size, options.seconds))
                say(f"{size} per request: {points[-1].events_per_core:,.0f} events/s per core")
        say(f"memory, for {options.soak_seconds:.0f} s")
        with MemoryWatch(collector.pid) as memory:
            _load(collector, mixed, 100, options.soak_seconds)
    sections = [
        _section(points[: len(SIZES)], ceilings[0], "the size that the design's figures are for"),
        _section(points[len(SIZES) :], ceilings[1], "`holded send`'s mixture of 33 types"),
        _memory_section(memory, options.soak_seconds),
    ]
    plots = {"throughput": _plot_points(points), "memory": _plot_memory(memory)}
    publish("collector", "Collector", "make bench-collector", sections, plots)


def small_event(number: int) -> bytes:
    """Return an event of 340 bytes without an id header: its identity is the digest of its canonical JSON."""
    entity, account = blake2b(b"%d" % number).hexdigest()[:24], blake2b(b"%d" % (number % 50)).hexdigest()[:24]
    stamp = "X-Message-Stamp-Holded\\\\Shared\\\\Messaging\\\\NewContextStamp"
    return (
        f'{{"data":{{"id":"{entity}","amount":{number % 9973}.25,"currency":"EUR",'
        '"concept":"Pago de factura"},"headers":{"type":'
        '"Holded\\\\Wallet\\\\Domain\\\\Transaction\\\\Events\\\\WalletTransactionCreatedEvent","targetSubscription":"Wallet",'
        f'"{stamp}":{{"accountId":"{account}","userId":"u{number % 900:03d}"}}}}}}'
    ).encode()


def _mean(events: Sequence[bytes]) -> float:
    return sum(map(len, events)) / len(events)


@dataclass(frozen=True)
class Collector:
    """A collector under measurement."""

    pid: int
    settings: CollectorSettings


@contextmanager
def running(command: Sequence[str] = ("-m", "holded_collector")) -> Iterator[Collector]:
    """Run a collector with everything on, and what it needs."""
    with kafka_container() as (_, bootstrap), registry_container() as (_, url), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        settings = _settings(KafkaSettings(bootstrap_servers=bootstrap), SchemaRegistrySettings(url=url), folder)
        with image_python(command, render_env(settings), folders=[folder]) as process:
            ready = f"http://127.0.0.1:{settings.port}/ready"
            wait_until(lambda: httpx.get(ready).is_success, timeout=60, what=f"ready; log: {process.log()}")
            yield Collector(process.pid, settings)


def _settings(kafka: KafkaSettings, registry: SchemaRegistrySettings, folder: Path) -> CollectorSettings:
    keys = folder / "keys"
    keys.mkdir()
    for name in ("web", "batch", "mobile"):
        (keys / name).write_text(KEY if name == "mobile" else secrets.token_urlsafe(16))
    return CollectorSettings(
        pipeline=PipelineSettings(name="bench", namespace="bench", version="bench"),
        kafka=kafka,
        schema_registry=registry,
        topics=create_topics(kafka, registry, "bench", partitions=6),
        port=free_port(),
        authentication=ApiKeyMode.API_KEY,
        api_keys_dir=str(keys),
        rate_limit=RateLimit(events_per_second=10_000_000, burst=10_000_000),
    )


def _ceiling(settings: CollectorSettings, events: Sequence[bytes], seconds: float) -> float:
    """Return events per CPU second of a process that only produces; the best of three."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return max(pool.apply(_produce, (settings, events, seconds / 3)) for _ in range(3))


def _produce(settings: CollectorSettings, events: Sequence[bytes], seconds: float) -> float:
    producer = Producer(producer_config(settings))
    framer = RawFramer(frame(1), received_at=time.time_ns() // 1000, source="mobile")
    ids = [secrets.token_bytes(16) for _ in events]
    records = [
        (key, framer.frame(event_id=key, type_="Holded\\Wallet\\Bench", payload=event))
        for key, event in zip(ids, events, strict=True)
    ]
    acknowledged = 0

    def count(error: object, _: object) -> None:
        nonlocal acknowledged
        acknowledged += error is None

    def once(records: Sequence[tuple[bytes, bytes]]) -> None:
        for key, value in records:
            while True:
                try:
                    producer.produce(settings.topics.raw, value, key, on_delivery=count)
                    break
                except BufferError:
                    producer.poll(0.1)
        producer.poll(0)

    once(records[:1000])
    producer.flush(30)
    acknowledged = 0
    cpu = time.process_time()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for part in batched(records, 1000, strict=False):
            once(part)
    producer.flush(30)
    return acknowledged / (time.process_time() - cpu)


def _load(collector: Collector, events: Sequence[bytes], size: int, seconds: float) -> Outcome:
    bodies = [b"[" + b",".join(part) + b"]" for part in batched(events, size, strict=False)]
    outcome = run(Load(collector.settings.port, bodies, CONNECTIONS[size], seconds, [KEY]))
    if set(outcome.statuses) != {202}:
        raise SystemExit(f"not every request was accepted: {outcome.statuses}")
    return outcome


def measure(collector: Collector, events: Sequence[bytes], size: int, seconds: float) -> Point:
    """Send events of one request size for some seconds, after a second that does not count."""
    _load(collector, events, size, 1.0)
    before = cpu_seconds(collector.pid)
    outcome = _load(collector, events, size, seconds)
    cpu = cpu_seconds(collector.pid) - before
    requests = outcome.statuses[202]
    return Point(_mean(events), size, requests / cpu, requests / outcome.seconds, outcome)


def _section(points: Sequence[Point], ceiling: float, what: str) -> Section:
    return Section(
        f"{points[0].bytes:.0f}-byte events, {what}",
        (
            "events per request",
            "events/s per core",
            "of the ceiling",
            "requests/s per core",
            "requests/s, wall",
            "p50 to ack",
            "p99 to ack",
        ),
        [_row(point, ceiling) for point in points],
        [
            f"ceiling: {ceiling:,.0f} events/s per core, a loop that only gives the same records to the producer",
            "per core: per CPU second of the process; wall: client, collector and Kafka share this machine",
            f"the collector ran by the interpreter of {IMAGE}",
        ],
    )


def _row(point: Point, ceiling: float) -> tuple[str, ...]:
    return (
        str(point.size),
        f"{point.events_per_core:,.0f}",
        f"{point.events_per_core / ceiling:.0%}",
        f"{point.requests_per_core:,.0f}",
        f"{point.requests_per_second:,.0f}",
        f"{point.outcome.percentile(0.5) * 1000:.1f} ms",
        f"{point.outcome.percentile(0.99) * 1000:.1f} ms",
    )


def _memory_section(memory: MemoryWatch, seconds: float) -> Section:
    quarters = len(memory.samples) // 4
    peaks = [max(s.mib for s in memory.samples[start * quarters :][:quarters]) for start in range(4)]
    return Section(
        f"Memory at full load for {seconds:.0f} s, 100 events per request",
        ("", "first quarter", "second", "third", "last"),
        [("highest resident MiB", *(f"{peak:.1f}" for peak in peaks))],
    )


def _plot_points(points: Sequence[Point]) -> Figure:
    figure = Figure(figsize=(7, 4))
    axes = figure.subplots()
    for start in range(0, len(points), len(SIZES)):
        group = points[start : start + len(SIZES)]
        rates = [point.events_per_core for point in group]
        axes.plot(SIZES, rates, marker="o", label=f"{group[0].bytes:.0f}-byte events")
    axes.set(xscale="log", xlabel="events per request", ylabel="events/s per core", ylim=(0, None))
    axes.legend()
    return figure


def _plot_memory(memory: MemoryWatch) -> Figure:
    figure = Figure(figsize=(7, 3))
    axes = figure.subplots()
    axes.plot([sample.seconds for sample in memory.samples], [sample.mib for sample in memory.samples])
    axes.set(xlabel="seconds at full load", ylabel="resident MiB", ylim=(0, None))
    return figure


if __name__ == "__main__":
    main()
