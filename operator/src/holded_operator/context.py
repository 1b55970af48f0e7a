"""The composition root: every collaborator of a reconcile pass, made once at start and closed at the end."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from holded_operator.config import OperatorConfig, images
from holded_operator.desired import Images
from holded_operator.gateways.flink import FlinkSubmitters
from holded_operator.gateways.interfaces import (
    DatabaseGateway,
    FlinkGateway,
    KafkaGateway,
    KubernetesGateway,
    RegistryGateway,
)
from holded_operator.gateways.kafka import KafkaAdmin
from holded_operator.gateways.kubernetes import KubernetesApi
from holded_operator.gateways.mysql import MySQLDatabase
from holded_operator.gateways.own_objects import OwnObjects
from holded_operator.gateways.registry import SchemaRegistry
from holded_operator.leadership import fenced


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
    flink: FlinkGateway
    now: Callable[[], datetime] = _now
    """Wall clock, for what stands in the status."""
    clock: Callable[[], float] = time.monotonic
    """Seconds, for time-outs."""


@dataclass(frozen=True)
class Production:
    """The contexts of a running operator together with what it has to close."""

    context: Context
    """Of the passes; while there is an election, only the leader's gateways answer."""
    kubernetes: KubernetesApi
    own: OwnObjects
    kafka: KafkaAdmin
    registry: SchemaRegistry
    flink: FlinkSubmitters

    @classmethod
    def connect(cls, config: OperatorConfig, leading: Callable[[], bool] = lambda: True) -> "Production":
        """Build every gateway; nothing is contacted yet."""
        kubernetes = KubernetesApi.connect(instance=config.pod_name)
        kafka, registry, flink = KafkaAdmin(), SchemaRegistry(), FlinkSubmitters()
        context = Context(
            config=config,
            images=images(config),
            kubernetes=fenced(kubernetes, leading),
            kafka=fenced(kafka, leading),
            registry=fenced(registry, leading),
            database=fenced(MySQLDatabase(config.migrations_dir), leading),
            flink=fenced(flink, leading),
        )
        own = OwnObjects.beside(kubernetes, namespace=config.own_namespace, name=config.own_name)
        return cls(context=context, kubernetes=kubernetes, own=own, kafka=kafka, registry=registry, flink=flink)

    def for_admission(self) -> Context:
        """Return a context that only asks: every replica may use it, and it gives up in time."""
        seconds = self.context.config.admission_seconds
        return replace(
            self.context,
            kubernetes=self.kubernetes,
            kafka=KafkaAdmin(request_timeout_seconds=seconds / 2),
            registry=SchemaRegistry(request_timeout_seconds=seconds),
        )

    def close(self) -> None:
        """Close all connections."""
        self.kafka.close()
        self.registry.close()
        self.flink.close()
        self.kubernetes.close()
