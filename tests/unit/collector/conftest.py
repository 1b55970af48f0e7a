"""The application with a publisher that the test controls."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import httpx
import pytest
import structlog
from fastapi import FastAPI

from holded_collector.components import assemble
from holded_collector.lifecycle import Lifecycle
from holded_collector.main import build_app
from holded_collector.metrics import Metrics
from holded_collector.service import DeliveryError
from holded_contracts.settings import CollectorSettings, KafkaSettings, PipelineSettings, SchemaRegistrySettings
from holded_contracts.wire import frame


class FakePublisher:
    def __init__(self) -> None:
        self.records: list[tuple[bytes, bytes]] = []
        self.headers: list[dict[str, bytes]] = []
        """Of each request's records."""
        self.away: str | None = None
        self.dead: str | None = None
        self.failure: str | None = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.waiting = 0
        self.expected = 1
        self.full = asyncio.Event()
        """Set once `expected` requests wait at the gate."""

    def unavailable(self) -> str | None:
        return self.away

    def broken(self) -> str | None:
        return self.dead

    async def publish(self, records: Sequence[tuple[bytes, bytes]], headers: Sequence[tuple[str, bytes]] = ()) -> None:
        self.waiting += 1
        if self.waiting >= self.expected:
            self.full.set()
        try:
            await self.gate.wait()
        finally:
            self.waiting -= 1
        if self.failure is not None:
            raise DeliveryError(self.failure)
        self.records.extend(records)
        self.headers.append(dict(headers))


class FakeSchemaId:
    def __init__(self) -> None:
        self.id: int | None = 7

    def header(self) -> bytes | None:
        return None if self.id is None else frame(self.id)

    def unavailable(self) -> str | None:
        return "the registry is away" if self.id is None else None


class Rig:
    """One application and everything a test wants to turn or read."""

    def __init__(self, settings: CollectorSettings) -> None:
        self.settings = settings
        self.publisher = FakePublisher()
        self.schema_id = FakeSchemaId()
        self.metrics = Metrics()
        self.lifecycle = Lifecycle()
        self.components = assemble(
            settings,
            publisher=self.publisher,
            schema_id=self.schema_id,
            metrics=self.metrics,
            lifecycle=self.lifecycle,
        )
        self.app: FastAPI = build_app(self.components)

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://collector")


def make_settings(**overrides: object) -> CollectorSettings:
    values: dict[str, object] = {
        "pipeline": PipelineSettings(name="unit"),
        "kafka": KafkaSettings(bootstrap_servers="127.0.0.1:1"),
        "schema_registry": SchemaRegistrySettings(url="http://127.0.0.1:1"),
    }
    return CollectorSettings.model_validate(values | overrides)


@pytest.fixture
def running() -> Callable[..., AbstractAsyncContextManager[tuple[Rig, httpx.AsyncClient]]]:
    """Return a context that runs an application of the given settings."""

    @asynccontextmanager
    async def run(**overrides: object) -> AsyncIterator[tuple[Rig, httpx.AsyncClient]]:
        rig = Rig(make_settings(**overrides))
        async with rig.client() as client:
            yield rig, client

    return run


@pytest.fixture(autouse=True)
def plain_tracebacks() -> Iterator[None]:
    """Log without rich's tracebacks: rendering one takes seconds."""
    structlog.configure(processors=[structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)])
    yield
    structlog.reset_defaults()


@pytest.fixture
def rig() -> Rig:
    """Return an application of default settings."""
    return Rig(make_settings())
