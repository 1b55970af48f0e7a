"""HoldedPipeline v1alpha1: the CRD is generated from these models, and the operator reads through them."""

from holded_operator.api.v1alpha1.common import CaSecretRef, PodTemplate, Resources, SecretRef
from holded_operator.api.v1alpha1.connections import Kafka, KafkaSecurity, MySQL, MySQLTls, MySQLTlsMode, SchemaRegistry
from holded_operator.api.v1alpha1.flink import AccessMode, Flink, FlinkMode, FlinkState, StateBackend
from holded_operator.api.v1alpha1.pipeline import (
    Deletion,
    DeletionPolicy,
    HoldedPipeline,
    HoldedPipelineSpec,
    Metadata,
    Monitoring,
)
from holded_operator.api.v1alpha1.status import (
    Condition,
    FlinkStatus,
    HoldedPipelineStatus,
    LedgerStatus,
    Phase,
    SubjectStatus,
    TopicStatus,
)
from holded_operator.api.v1alpha1.topics import Compatibility, Schemas, Topic, Topics
from holded_operator.api.v1alpha1.workloads import Collector, RateLimit, Runner, Sink, Worker, WorkerAutoscaling

__all__ = [
    "AccessMode",
    "CaSecretRef",
    "Collector",
    "Compatibility",
    "Condition",
    "Deletion",
    "DeletionPolicy",
    "Flink",
    "FlinkMode",
    "FlinkState",
    "FlinkStatus",
    "HoldedPipeline",
    "HoldedPipelineSpec",
    "HoldedPipelineStatus",
    "Kafka",
    "KafkaSecurity",
    "LedgerStatus",
    "Metadata",
    "Monitoring",
    "MySQL",
    "MySQLTls",
    "MySQLTlsMode",
    "Phase",
    "PodTemplate",
    "RateLimit",
    "Resources",
    "Runner",
    "SchemaRegistry",
    "Schemas",
    "SecretRef",
    "Sink",
    "StateBackend",
    "SubjectStatus",
    "Topic",
    "TopicStatus",
    "Topics",
    "Worker",
    "WorkerAutoscaling",
]
