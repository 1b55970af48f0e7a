"""The composition root: every collaborator of a reconcile pass, made once at start and closed at the end."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from holded_operator.config import OperatorConfig, images
from holded_operator.desired import Images
from holded_operator.gateways.interfaces import DatabaseGateway, KafkaGateway, KubernetesGateway, RegistryGateway
from holded_operator.gateways.kafka import KafkaAdmin
from holded_operator.gateways.kubernetes import KubernetesApi
from holded_operator.gateways.mysql import MySQLDatabase
from holded_operator.gateways.registry import SchemaRegistry


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Context:
    """What a reconcile pass works with. Tests put fakes in here."""

    config: OperatorConfig
    images: Images
    kubernetes: KubernetesGateway
    kafka: KafkaGateway
    registry: RegistryGateway
    database: DatabaseGateway
    now: Callable[[], datetime] = _now
    """Wall clock, for what stands in the status."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, for time-outs."""


@dataclass(frozen=True)
class Production:
    """The context of a running operator together with what it has to close."""

    context: Context
    kubernetes: KubernetesApi
    kafka: KafkaAdmin
    registry: SchemaRegistry

    @classmethod
    def connect(cls, config: OperatorConfig) -> "Production":
        """Build every gateway; nothing is contacted yet."""
        kubernetes = KubernetesApi.connect(instance=config.pod_name)
        kafka, registry = KafkaAdmin(), SchemaRegistry()
        context = Context(
            config=config,
            images=images(config),
            kubernetes=kubernetes,
            kafka=kafka,
            registry=registry,
            database=MySQLDatabase(config.migrations_dir),
        )
        return cls(context=context, kubernetes=kubernetes, kafka=kafka, registry=registry)

    def close(self) -> None:
        """Close all connections."""
        self.kafka.close()
        self.registry.close()
        self.kubernetes.close()
