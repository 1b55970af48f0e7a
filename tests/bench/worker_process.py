"""A worker as a process of its own, what it costs, and the raw records it is given."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import msgspec
import orjson
from confluent_kafka import Producer

from holded_cli.send.events import Generator
from holded_cli.send.mixture import Shares
from holded_collector.framing import RawFramer
from holded_contracts.identity import DEFAULT_ID_HEADERS, derive_event_id
from holded_contracts.io.registry import RegistryReader
from holded_contracts.settings import WorkerSettings
from holded_contracts.settings.render import render_env
from holded_contracts.topics import Artefact
from holded_contracts.wire import frame
from tests.bench.image_python import image_python
from tests.bench.usage import cpu_seconds
from tests.support.containers import free_port
from tests.support.waiting import wait_until
from tests.support.worker_image import build_worker_image

WORKER, PLAIN = "holded_worker.main", "tests.bench.plain_worker"
"""Modules to run: the worker, and the same without Beam."""
SHARES = Shares.of(duplicates=0.02, dead_letters=0.005)


@dataclass(frozen=True)
class RawEvent:
    """An event as the collector hands it on."""

    event_id: bytes
    type: str
    payload: bytes


def mixed_events(count: int, seed: int = 4) -> list[RawEvent]:
    """Return what `holded send` would send, with the identity that the collector would give."""
    return [raw_event(outgoing.payload) for outgoing in Generator(seed).events(SHARES, count)]


def raw_event(payload: bytes) -> RawEvent:
    """Return an event with its identity."""
    try:
        document = orjson.loads(payload)
        headers = document["headers"]
        type_ = str(headers["type"])
        return RawEvent(derive_event_id(payload, type_, headers, DEFAULT_ID_HEADERS, document=document), type_, payload)
    except (ValueError, TypeError, LookupError):  # a poison event; the collector would have refused some of them
        return RawEvent(derive_event_id(msgspec.json.encode(payload.hex()), "", {}, ()), "", payload)


class RawTopic:
    """Writes raw records as the collector does."""

    def __init__(self, settings: WorkerSettings) -> None:
        self._topic = settings.topics.raw
        registry = RegistryReader(settings.schema_registry)
        self._header = frame(registry.schema_id(self._topic, Artefact.RAW))
        registry.close()
        self._producer = Producer({**settings.kafka.client_config(), "enable.idempotence": True, "linger.ms": 5})

    def send(self, events: Iterable[RawEvent]) -> None:
        """Send events without waiting for Kafka."""
        framer = RawFramer(self._header, received_at=time.time_ns() // 1000, source="bench")
        for event in events:
            value = framer.frame(event_id=event.event_id, type_=event.type, payload=event.payload)
            while True:
                try:
                    self._producer.produce(self._topic, value, event.event_id)
                    break
                except BufferError:
                    self._producer.poll(0.1)
        self._producer.poll(0)

    def flush(self) -> None:
        """Return when Kafka has all events."""
        if self._producer.flush(60):
            raise SystemExit("Kafka did not take the events")

    @contextmanager
    def steadily(self, events: Sequence[RawEvent], per_second: int) -> Iterator[None]:
        """Send events at a rate, over and over, while the context is open."""
        stop = threading.Event()

        def run() -> None:
            sent, started = 0, time.monotonic()
            while not stop.wait(0.002):
                due = int((time.monotonic() - started) * per_second)
                self.send(events[number % len(events)] for number in range(sent, due))
                sent = due

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()


@dataclass(frozen=True)
class Progress:
    """How far a worker is."""

    records: float
    cpu: float
    wall: float


class WorkerProcess:
    """A running worker."""

    def __init__(self, pid: int, settings: WorkerSettings, log: Callable[[], str]) -> None:
        self.pid = pid
        self._metrics = f"http://127.0.0.1:{settings.probes_port}"
        self._client = httpx.Client(timeout=5)
        self.log = log

    def metric(self, name: str, suffix: str = "") -> float:
        """Return the sum of a metric's series, those with a label text in them only."""
        lines = self._client.get(f"{self._metrics}/metrics").text.splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(name) and suffix in line)

    def ready(self) -> bool:
        return self._client.get(f"{self._metrics}/ready").is_success

    def progress(self) -> Progress:
        """Return the records committed and what they have cost so far."""
        return Progress(self.metric("holded_worker_records_total"), cpu_seconds(self.pid), time.monotonic())


@contextmanager
def worker_process(settings: WorkerSettings, module: str) -> Iterator[WorkerProcess]:
    """Run a worker from its image, as it is deployed."""
    settings = settings.model_copy(update={"probes_port": free_port()})
    environment = {**render_env(settings), "HOLDED_POD_NAME": settings.pod_name}
    with image_python(["-m", module], environment, own_image=build_worker_image()) as process:
        yield _when_ready(WorkerProcess(process.pid, settings, process.log))


def _when_ready(worker: WorkerProcess) -> WorkerProcess:
    try:
        wait_until(worker.ready, timeout=90, what="worker is ready")
    except AssertionError as error:
        raise SystemExit(f"{error}\n{worker.log()[-3000:]}") from error
    return worker
