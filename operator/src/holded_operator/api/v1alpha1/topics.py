"""Topics and schemas of a pipeline."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field

from holded_contracts.topics import DEFAULT_TOPICS, Artefact
from holded_operator.api.v1alpha1.common import ApiModel, StringMap, cel, immutable, rules

Retention = Annotated[str, Field(max_length=16, pattern=r"^([1-9][0-9]{0,5}[smhd]|forever)$")]
"""A number with its unit (s, m, h, d), or "forever"."""

_NAME: dict[str, Any] = {"min_length": 1, "max_length": 249, "pattern": r"^[a-zA-Z0-9_-][a-zA-Z0-9._-]*$"}
TopicName = Annotated[str, Field(**_NAME, json_schema_extra=immutable("the topic's name"))]

Partitions = Annotated[
    int,
    Field(
        ge=1,
        le=10_000,
        json_schema_extra=rules(
            cel("self >= oldSelf", "partitions only grow: Kafka cannot remove partitions from a topic")
        ),
    ),
]

_TOPIC_RULES = rules(
    cel(
        "has(self.replicationFactor) == has(oldSelf.replicationFactor)"
        " && (!has(self.replicationFactor) || self.replicationFactor == oldSelf.replicationFactor)",
        "replicationFactor is immutable: reassign the partitions with Kafka's own tools",
        field_path=".replicationFactor",
    ),
    cel(
        "!has(self.config) || !('retention.ms' in self.config || 'cleanup.policy' in self.config)",
        "config must not hold retention.ms (set retention instead) nor cleanup.policy (compaction would lose offsets)",
        field_path=".config",
    ),
)


class Topic(ApiModel):
    """One Kafka topic."""

    model_config = ConfigDict(json_schema_extra=_TOPIC_RULES)

    name: TopicName
    """Name of the topic; its registry subject is NAME-value. Immutable."""
    partitions: Partitions = 3
    """Number of partitions; it can only grow."""
    replication_factor: int | None = Field(default=None, ge=1, le=32)
    """Copies of each partition; the broker's default when absent. Immutable."""
    retention: Retention = "7d"
    """How long Kafka keeps records: a number with s, m, h or d, or forever."""
    config: StringMap = Field(default={}, max_length=64)
    """Further topic configuration, e.g. min.insync.replicas; what else is set on it gets the brokers' default."""
    managed: bool = True
    """Whether the operator creates, grows and configures the topic; if not, it must exist."""


class RawTopic(Topic):
    """Bronze: events as they were collected."""

    name: TopicName = DEFAULT_TOPICS[Artefact.RAW]
    """Name of the topic; its registry subject is NAME-value. Immutable."""


class SilverTopic(Topic):
    """Silver: validated, enriched, classified and scored events."""

    name: TopicName = DEFAULT_TOPICS[Artefact.SILVER]
    """Name of the topic; its registry subject is NAME-value. Immutable."""


class DeadLetterTopic(Topic):
    """Records that cannot be processed, with the reason."""

    name: TopicName = DEFAULT_TOPICS[Artefact.DEAD_LETTER]
    """Name of the topic; its registry subject is NAME-value. Immutable."""
    partitions: Partitions = 1
    """Number of partitions; it can only grow."""
    retention: Retention = "30d"
    """How long Kafka keeps records: a number with s, m, h or d, or forever."""


class AnalyticsTopic(Topic):
    """Aggregates per batch."""

    name: TopicName = DEFAULT_TOPICS[Artefact.ANALYTICS]
    """Name of the topic; its registry subject is NAME-value. Immutable."""


class LedgerTopic(Topic):
    """One entry per worker transaction: what became of the events."""

    name: TopicName = DEFAULT_TOPICS[Artefact.LEDGER]
    """Name of the topic; its registry subject is NAME-value. Immutable."""
    partitions: Partitions = 1
    """Number of partitions; it can only grow."""


class Topics(ApiModel):
    """The five topics."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            cel(
                "self.silver.partitions >= self.raw.partitions",
                "topics.silver.partitions must be at least topics.raw.partitions:"
                " an event keeps its partition from raw to silver",
                field_path=".silver.partitions",
            )
        )
    )

    raw: RawTopic = RawTopic()
    """Bronze: events as they were collected."""
    silver: SilverTopic = SilverTopic()
    """Silver: processed events; at least as many partitions as raw."""
    dead_letter: DeadLetterTopic = DeadLetterTopic()
    """Records that cannot be processed, with the reason."""
    analytics: AnalyticsTopic = AnalyticsTopic()
    """Aggregates per batch."""
    ledger: LedgerTopic = LedgerTopic()
    """What became of the events, one entry per worker transaction."""

    def of(self, artefact: Artefact) -> Topic:
        """Return the topic of an artefact."""
        topic: Topic = getattr(self, artefact.value)
        return topic


class Compatibility(StrEnum):
    """Confluent's compatibility levels."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"


class Schemas(ApiModel):
    """The Avro subjects."""

    compatibility: Compatibility = Compatibility.BACKWARD
    """Compatibility level set on each of the five subjects."""
