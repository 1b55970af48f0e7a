"""HoldedPipeline: one resource is a whole streaming pipeline."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import ConfigDict, Field

from holded_operator.api.v1alpha1.common import ApiModel
from holded_operator.api.v1alpha1.connections import Kafka, MySQL, SchemaRegistry
from holded_operator.api.v1alpha1.topics import Schemas, Topics
from holded_operator.api.v1alpha1.workloads import Collector, Sink, Worker


class Deletion(StrEnum):
    """What happens to data when the pipeline is deleted."""

    RETAIN = "Retain"
    DELETE = "Delete"


class DeletionPolicy(ApiModel):
    """What happens outside Kubernetes when the resource is deleted."""

    topics: Deletion = Deletion.RETAIN
    """The managed topics."""
    schemas: Deletion = Deletion.RETAIN
    """The subjects in the registry."""
    database: Deletion = Deletion.RETAIN
    """The MySQL database."""


class Canary(ApiModel):
    """Events of the pipeline's own that go the whole way to MySQL, kept apart from everybody's events there."""

    enabled: bool = True
    """Whether each collector pod sends canaries; their latency is in the status."""
    period: str = Field(default="30s", max_length=16, pattern=r"^[0-9]{1,6}[smhd]$")
    """Time between two canaries of a pod, from 5s to 1h; none stored for three of them is a condition."""


class Monitoring(ApiModel):
    """What Prometheus and OpenTelemetry are told."""

    pod_monitor: bool = False
    """Whether a PodMonitor (Prometheus operator) is created."""
    otlp_endpoint: str | None = Field(default=None, max_length=2048, pattern=r"^https?://[^\s/]+(/\S*)?$")
    """Where the collector exports a span per request to, by OTLP over HTTP (http://otel-collector.monitoring:4318).
    Without it no spans are made, and a sender's trace context is carried on as it came."""
    canary: Canary = Canary()
    """Whether and how often the pipeline proves by events of its own that events arrive."""


class HoldedPipelineSpec(ApiModel):
    """What the pipeline shall be."""

    suspend: bool = False
    """Scale all three workloads to zero and keep everything else."""
    kafka: Kafka
    """The Kafka cluster that carries the five topics."""
    schema_registry: SchemaRegistry
    """The Confluent-compatible schema registry."""
    mysql: MySQL
    """The MySQL server that holds gold."""
    topics: Topics = Topics()
    """The five topics."""
    schemas: Schemas = Schemas()
    """The Avro subjects."""
    collector: Collector = Collector()
    """The HTTP service that takes events."""
    worker: Worker = Worker()
    """The Beam pipeline from raw to silver."""
    sink: Sink = Sink()
    """The consumer that writes gold."""
    deletion_policy: DeletionPolicy = DeletionPolicy()
    """What happens outside Kubernetes when the resource is deleted."""
    monitoring: Monitoring = Monitoring()
    """What Prometheus is told."""


class Metadata(ApiModel):
    """The part of ObjectMeta that the operator reads."""

    model_config = ConfigDict(extra="ignore")

    name: str
    namespace: str = "default"
    uid: str | None = None
    """Absent in a resource that no API server has seen; its children then have no owner reference."""
    generation: int = 0
    deletion_timestamp: str | None = None
    annotations: dict[str, str] = Field(default={})


class HoldedPipeline(ApiModel):
    """The resource without its status, which the operator writes and never obeys."""

    model_config = ConfigDict(extra="ignore")

    metadata: Metadata
    spec: HoldedPipelineSpec

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> "HoldedPipeline":
        """Read a resource as the API server returns it.

        Raises
        ------
        pydantic.ValidationError
            If the spec does not have the form of this version's CRD.
        """
        return cls.model_validate({"metadata": dict(body["metadata"]), "spec": dict(body["spec"])})
