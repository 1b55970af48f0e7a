"""Status of a pipeline: what the operator saw, never what it was told."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from holded_operator.api.v1alpha1.common import ApiModel


class Phase(StrEnum):
    """One word for people; programs read the conditions."""

    PENDING = "Pending"
    PROVISIONING = "Provisioning"
    RUNNING = "Running"
    DEGRADED = "Degraded"
    SUSPENDED = "Suspended"
    INVALID = "Invalid"
    DELETING = "Deleting"


def _list_map(*keys: str) -> dict[str, Any]:
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(keys)}


class Condition(ApiModel):
    """A Kubernetes Condition (metav1)."""

    type: Annotated[str, Field(max_length=316)]
    """Ready, or the part it tells about."""
    status: Literal["True", "False", "Unknown"]
    """Whether it holds."""
    observed_generation: int | None = Field(default=None, ge=0)
    """Generation of the spec this was seen for."""
    last_transition_time: str = Field(json_schema_extra={"format": "date-time"})
    """When the status last changed."""
    reason: Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$")]
    """One CamelCase word."""
    message: Annotated[str, Field(max_length=32_768)]
    """What happened and what to do."""


class TopicStatus(ApiModel):
    """A topic as Kafka has it."""

    name: str
    """Name."""
    id: str | None = None
    """Kafka's id of it: a topic deleted and made again has another, the same topic under another address has not."""
    partitions: int
    """Number of partitions."""
    replication_factor: int
    """Copies of each partition."""


class SubjectStatus(ApiModel):
    """A subject as the registry has it."""

    name: str
    """Name."""
    id: int
    """Schema id inside every record."""
    version: int
    """Version within the subject."""


class LedgerStatus(ApiModel):
    """Where every accepted event is: accepted = gold + deadLetters + duplicates + inFlight."""

    accepted: int
    """Events in the raw topic since its creation."""
    gold: int
    """Rows in events."""
    dead_letters: int
    """Rows in events_dead_letter."""
    duplicates: int
    """Events dropped as duplicates, by worker or sink."""
    in_flight: int
    """The rest: not processed yet."""
    at: str = Field(json_schema_extra={"format": "date-time"})
    """When these numbers were first seen."""


class LatencyStatus(ApiModel):
    """How long an event takes from the collector to MySQL; absent while no canary arrives."""

    canary_milliseconds: int
    """Latency of a canary. It stands until one takes more than twice or less than half as long; below a second nothing
    counts as a change."""
    at: str = Field(json_schema_extra={"format": "date-time"})
    """When this latency was first seen."""


class FlinkStatus(ApiModel):
    """The job of runner Flink, as its submitter sees it."""

    state: Annotated[str, Field(max_length=64)]
    """Flink's word for it: RUNNING, RESTARTING, FAILING and others; what the submitter does while there is no job."""
    job_id: Annotated[str, Field(max_length=64)] | None = None
    """Id of the job in Flink, absent while there is none."""
    checkpoint_age_seconds: int | None = None
    """The last completed checkpoint is at most this old. Twice the interval while all is well, and doubled from there,
    so that it changes only when it means something; absent before the first checkpoint."""
    restarts: int = 0
    """How often Flink has restarted this job."""
    restored_from: Annotated[str, Field(max_length=2048)] | None = None
    """Checkpoint or savepoint that the job started from; absent when it began at the committed offsets."""


class HoldedPipelineStatus(ApiModel):
    """What the operator saw."""

    model_config = ConfigDict(extra="ignore")

    observed_generation: int | None = None
    """Generation of the spec this status is about."""
    phase: Phase | None = None
    """One word for people."""
    conditions: Annotated[tuple[Condition, ...], Field(json_schema_extra=_list_map("type"))] = ()
    """Ready, and one per part: TopicsReady, SchemasReady, DatabaseReady, CollectorReady, WorkerReady, SinkReady. Beside
    them EventsFlow, which Ready does not mind: whether canaries arrive."""
    topics: Annotated[tuple[TopicStatus, ...], Field(json_schema_extra=_list_map("name"))] = ()
    """Topics as Kafka has them."""
    subjects: Annotated[tuple[SubjectStatus, ...], Field(json_schema_extra=_list_map("name"))] = ()
    """Subjects as the registry has them."""
    collector_url: str | None = Field(default=None, alias="collectorURL")
    """Where to POST events inside the cluster."""
    pipeline_version: str | None = None
    """Version of code, rules and weights; every row carries it."""
    lag: int | None = None
    """Events in raw that the worker has not committed; absent when it could not be read."""
    ledger: LedgerStatus | None = None
    """Where every accepted event is."""
    latency: LatencyStatus | None = None
    """How long an event takes."""
    flink: FlinkStatus | None = None
    """The job; only with runner Flink."""
    worker_replicas: int | None = None
    """Worker pods there are (scale subresource)."""
    worker_selector: str | None = None
    """Labels of the worker pods (scale subresource)."""
