"""The real producer against a port where nothing listens."""

import asyncio
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from holded_collector.io import publisher as module
from holded_collector.io.publisher import KafkaPublisher, producer_config
from holded_collector.metrics import Metrics
from holded_collector.service import DeliveryError
from holded_contracts.settings import CollectorSettings, KafkaSettings, PipelineSettings, SchemaRegistrySettings

SETTINGS = CollectorSettings(
    pipeline=PipelineSettings(name="unit"),
    kafka=KafkaSettings(bootstrap_servers="127.0.0.1:1"),
    schema_registry=SchemaRegistrySettings(url="http://127.0.0.1:1"),
)
RECORDS = [(bytes(16), b"value")] * 10


def make_settings(delivery_timeout_seconds: float) -> CollectorSettings:
    return CollectorSettings.model_validate(
        SETTINGS.model_dump() | {"limits": {"delivery_timeout_seconds": delivery_timeout_seconds}}
    )


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def publisher(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaPublisher]:
    monkeypatch.setattr(module, "PROBE_TIMEOUT_SECONDS", 0.2)
    publisher = KafkaPublisher(make_settings(0.5), metrics)
    publisher.start()
    yield publisher
    publisher.close(0.0)


def test_durability_is_not_a_matter_of_settings() -> None:
    config = producer_config(make_settings(3.5))
    assert config["acks"] == "all"
    assert config["enable.idempotence"] is True
    assert config["delivery.timeout.ms"] == 3500


async def test_records_that_time_out_are_an_error_and_the_address_is_named(
    publisher: KafkaPublisher, metrics: Metrics
) -> None:
    with pytest.raises(DeliveryError, match="_MSG_TIMED_OUT"):
        await asyncio.wait_for(publisher.publish(RECORDS), timeout=5)
    assert "127.0.0.1:1" in (publisher.unavailable() or "")
    assert publisher.broken() is None
    errors = metrics.registry.get_sample_value("holded_collector_delivery_errors_total", {"error": "_MSG_TIMED_OUT"})
    assert errors == len(RECORDS)


async def test_a_full_queue_is_an_error_at_once(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUE_MESSAGES", 5)
    publisher = KafkaPublisher(make_settings(30.0), metrics)
    with pytest.raises(DeliveryError, match="queue to Kafka is full"):
        await asyncio.wait_for(publisher.publish(RECORDS), timeout=1)
    publisher.close(0.0)


def test_after_a_fatal_error_only_a_restart_helps(publisher: KafkaPublisher) -> None:
    error: Any = SimpleNamespace(fatal=lambda: True, name=lambda: "_FENCED", str=lambda: "fenced", code=lambda: -144)
    publisher._on_error(error)
    assert "must be restarted" in (publisher.broken() or "")
    assert publisher.unavailable() == publisher.broken()
