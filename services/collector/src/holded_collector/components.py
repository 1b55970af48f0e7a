"""The composition root: what one application is made of."""

from dataclasses import dataclass
from pathlib import Path

from holded_collector.canary import CanarySender
from holded_collector.io.api_keys import KeyFolder
from holded_collector.io.publisher import KafkaPublisher
from holded_collector.io.schema_id import SchemaIdLookup
from holded_collector.lifecycle import Lifecycle, plan_shutdown
from holded_collector.metrics import Metrics
from holded_collector.rate_limit import RateLimiter
from holded_collector.service import CollectService, Publisher, SchemaId
from holded_contracts.settings import ApiKeyMode, CollectorSettings


@dataclass(frozen=True)
class Components:
    """Everything a handler needs; built once per application."""

    settings: CollectorSettings
    metrics: Metrics
    lifecycle: Lifecycle
    publisher: Publisher
    schema_id: SchemaId
    keys: KeyFolder | None
    """None in open mode."""
    rates: RateLimiter
    service: CollectService
    canary: CanarySender

    def not_ready(self) -> str | None:
        """Return why this process should get no traffic, None when it should."""
        if self.lifecycle.draining:
            return "the collector is shutting down"
        return (
            self.schema_id.unavailable()
            or self.publisher.unavailable()
            or (self.keys.unavailable() if self.keys is not None else None)
        )


class Connections:
    """The parts that live as long as the process: opened at its start, closed at its end."""

    def __init__(self, settings: CollectorSettings, metrics: Metrics) -> None:
        self.publisher = KafkaPublisher(settings, metrics)
        self.schema_id = SchemaIdLookup(settings)
        self._flush_seconds = plan_shutdown(settings.shutdown_grace_seconds).flush

    def open(self) -> None:
        """Start the background threads; returns at once whether Kafka and registry are there or not."""
        self.schema_id.start()
        self.publisher.start()

    def close(self) -> None:
        """Flush and stop; blocks for the plan's flush time at most, and a moment for the threads."""
        self.schema_id.close()
        self.publisher.close(self._flush_seconds)


def assemble(
    settings: CollectorSettings, *, publisher: Publisher, schema_id: SchemaId, metrics: Metrics, lifecycle: Lifecycle
) -> Components:
    """Put the parts together."""
    return Components(
        settings=settings,
        metrics=metrics,
        lifecycle=lifecycle,
        publisher=publisher,
        schema_id=schema_id,
        keys=KeyFolder(Path(settings.api_keys_dir)) if settings.authentication is ApiKeyMode.API_KEY else None,
        rates=(rates := RateLimiter(settings.rate_limit)),
        service=CollectService(
            limits=settings.limits,
            id_headers=settings.event_id_headers,
            publisher=publisher,
            schema_id=schema_id,
            metrics=metrics,
            rates=rates,
        ),
        canary=CanarySender(settings, publisher=publisher, schema_id=schema_id, metrics=metrics, lifecycle=lifecycle),
    )
